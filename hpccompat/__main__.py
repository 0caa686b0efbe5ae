"""`python -m hpccompat` and the console script."""

from __future__ import annotations

import sys


def run() -> None:
    from hpccompat.launch import launch

    status = launch(sys.argv[1:])
    if status is None:
        from hpccompat.cli.main import main

        status = main(sys.argv[1:])
    sys.exit(status)


if __name__ == "__main__":
    run()
