"""``python -m clocksync``."""

from clocksync.cli.main import run

run()
