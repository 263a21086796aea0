"""The calculus: every operation with its rules, one topic a file; `registry.py` lists the topics."""
