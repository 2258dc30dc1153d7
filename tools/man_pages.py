"""Writes ``man/``: a manual page for each of the three programs, from their command lines.

``python -m tools.man_pages`` writes them; ``--check`` only says whether they are up to date (exit 1
where one is not). A wheel installs them; ``man man/vsync.1`` shows one from a checkout.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from clocksync import __version__
from tools.command_lines import PROGRAMS, program, walk

FOLDER = Path(__file__).parent.parent / "man"

_EXIT_STATUS = (
    ("0", "All is well."),
    ("1", "What was looked at is not: out of bounds, violated, unsynchronised."),
    ("2", "Usage, or nothing that could be looked at. One line on standard error says what to do."),
)


def page(name: str) -> str:
    """The manual page of a program, as roff."""
    group = program(name)
    context = group.context_class(group, info_name=name)
    about = _text(group.help)
    lines = [
        f'.TH {name.upper()} 1 "" "clocksync {__version__}" "User Commands"',
        ".SH NAME",
        f"{name} \\- {about.rstrip('.')}",
        ".SH SYNOPSIS",
        f".B {name}",
        "[OPTIONS] COMMAND [ARGUMENTS]...",
        ".SH DESCRIPTION",
        about,
        *(line for part in (group.epilog,) if part for line in (".PP", _text(part))),
        ".SH OPTIONS",
        *_options(group, context),
        ".SH COMMANDS",
        *_commands(name),
        ".SH EXIT STATUS",
    ]
    for status, meaning in _EXIT_STATUS:
        lines += [".TP", f".B {status}", meaning]
    others = ", ".join(f".BR {other} (1)" for other in PROGRAMS if other != name)
    lines += [".SH SEE ALSO", *others.split(", ")]
    return "\n".join(lines) + "\n"


def _commands(name: str) -> Iterator[str]:
    for words, command in walk(program(name), (name,)):
        if hasattr(command, "commands"):
            continue
        called = _escaped(" ".join(words))
        context = command.context_class(command, info_name=" ".join(words))
        yield f".SS {called}"
        yield f".B {called}"
        yield _escaped(" ".join(command.collect_usage_pieces(context)))
        for paragraph in (command.help or "").split("\n\n"):
            yield ".PP"
            yield _text(paragraph)
        yield from _options(command, context)


def _options(command: Any, context: Any) -> Iterator[str]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None:
            names, meaning = record
            yield from (".TP", f".B {_escaped(names)}", _text(meaning) or "\\&")


def _text(words: str | None) -> str:
    """A paragraph in one line: roff fills it."""
    return _escaped(" ".join((words or "").split()))


def _escaped(words: str) -> str:
    words = words.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", words)


def main(arguments: list[str] | None = None) -> int:
    """Write the pages, or check them."""
    parser = argparse.ArgumentParser(description="write man/ from the command lines")
    parser.add_argument("--check", action="store_true", help="only say if they are up to date")
    parser.add_argument("--output", type=Path, default=FOLDER, help="the folder (man)")
    options = parser.parse_args(arguments)
    stale = 0
    for name in PROGRAMS:
        path, wanted = options.output / f"{name}.1", page(name)
        if not options.check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(wanted, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != wanted:
            print(f"{path.name} is not what the command line says: run python -m tools.man_pages")
            stale = 1
    return stale


if __name__ == "__main__":
    sys.exit(main())
