"""`seqcli` and `python -m seqcli`: the command line, also quiet when it is stopped while it is still loading."""

import os


def main() -> None:
    """Run the command line."""
    try:
        import signal

        from seqcli.cli.app import main as run

        run()
    except KeyboardInterrupt:  # while loading; there is nothing to clear up yet
        os._exit(130)
    finally:
        # all is done and said: a Ctrl-C that comes while Python clears up ends it at once, and shows nothing
        signal.signal(signal.SIGINT, lambda number, frame: os._exit(130))


if __name__ == "__main__":
    main()
