"""`seqcli` and `python -m seqcli`: the command line, also quiet when it is stopped while it is still loading."""

import sys


def main() -> None:
    """Run the command line."""
    try:
        from seqcli.cli.app import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
