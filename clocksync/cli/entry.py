"""The door of the ``clocksync`` command.  [I/O]

It imports nothing before it can say why it stops: a Ctrl-C while the rest is being loaded must not
print a traceback.
"""

import sys


def run() -> None:
    """Load the command line and run it."""
    try:
        from clocksync.cli.main import run as run_command_line

        run_command_line()
    except KeyboardInterrupt:
        sys.exit(130)
