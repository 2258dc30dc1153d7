"""``python -m clocksync``."""

from clocksync.cli.entry import run

run()
