"""Passes: a program in, a better one out. `pipeline` is their order; each file is one pass."""
