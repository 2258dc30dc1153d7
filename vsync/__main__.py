"""``python -m vsync``."""

from vsync.cli.main import run

run()
