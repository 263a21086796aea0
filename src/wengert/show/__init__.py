"""Views of a tape, read-only."""
