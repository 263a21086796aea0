"""Mirrors of SciPy modules, for what the NumPy protocols cannot see."""
