"""Function in, function out: one transform a file; `reverse.py` and `forward.py` do the work."""
