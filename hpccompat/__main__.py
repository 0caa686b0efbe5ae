"""`python -m hpccompat` and the console script."""

from __future__ import annotations

import sys


def run() -> None:
    from hpccompat.cli.main import main

    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    run()
