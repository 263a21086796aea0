"""``python -m wengert``: the `wengert` command, where it is not on the path."""

from wengert.cli import main

if __name__ == "__main__":
    main()
