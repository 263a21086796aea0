"""The main job: the article from end to end, and on to real data. `wengert demo` runs it.

One part a file (`circuits`, `neuron`, `spiral`, `digits`, `nist`); `main.py` runs them in order,
`report.py` writes what they found. The programs that are differentiated are plain NumPy.
"""
