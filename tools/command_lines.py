"""The command lines of the three programs, command by command: for the pages made from them."""

from collections.abc import Iterator
from typing import Any

import typer.main

from clocksync.cli.main import app as clocksync
from ordering.cli import app as ordering
from vsync.cli.main import app as vsync

PROGRAMS = {"clocksync": clocksync, "ordering": ordering, "vsync": vsync}


def program(name: str) -> Any:
    """A program as a group of commands."""
    return typer.main.get_command(PROGRAMS[name])


def walk(command: Any, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """A command and all below it that are shown, with the words by which they are called."""
    yield words, command
    for name, each in getattr(command, "commands", {}).items():
        if not each.hidden:
            yield from walk(each, (*words, name))
