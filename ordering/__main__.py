"""``python -m ordering``."""

from ordering.cli import run

run()
