"""Speed, memory and scaling of Wengert beside its peers: ``python -m benchmarks``."""
