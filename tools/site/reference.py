"""Reference pages made from the code: the names that packages offer, and the commands' help.  [I/O]

Nothing of them is kept in the repository, so nothing of them can be out of date.
"""

import ast
import io
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Any

from tools.command_lines import PROGRAMS, program, walk

ROOT = Path(__file__).resolve().parents[2]

# What a program imports from. Those without names of their own list modules instead.
PACKAGES = (
    "clocksync",
    "clocksync.scales",
    "ordering",
    "ordering.trace",
    "ordering.multicast",
    "ordering.mutex",
    "vsync",
    "vsync.testing",
)
RUNTIME = tuple(
    f"clocksync.runtime.{name}"
    for name in ("core", "clocks", "interval", "units", "errors", "wire", "udp", "simulation")
)

WIDTH = 96


def api_pages() -> dict[str, str]:
    """Path in ``docs/`` and Markdown of a page for each package."""
    pages = {f"reference/api/{package}.md": _package_page(package) for package in PACKAGES}
    pages["reference/api/clocksync.runtime.md"] = _runtime_page()
    return pages


def _package_page(package: str) -> str:
    lines = [f"# `{package}`", "", *_directive(package, "members: false", heading=1, root=False)]
    homes = homes_of(package)
    names = [name for name in import_module(package).__all__ if not name.startswith("_")]
    for name in names:
        # The page of the ground is where links to its names lead.
        away = "skip_local_inventory: " + str(homes[name].startswith("clocksync.runtime")).lower()
        lines += _directive(f"{homes[name]}.{name}", away, heading=2)
    return "\n".join(lines)


def _runtime_page() -> str:
    lines = ["# `clocksync.runtime`", ""]
    lines += _directive("clocksync.runtime", "members: false", heading=1, root=False)
    for module in RUNTIME:
        lines += _directive(module, "show_root_full_path: true", heading=2)
    return "\n".join(lines)


def _directive(name: str, *options: str, heading: int, root: bool = True) -> Iterator[str]:
    yield f"::: {name}"
    yield "    options:"
    yield f"      heading_level: {heading}"
    yield f"      show_root_heading: {str(root).lower()}"
    yield from (f"      {option}" for option in options)
    yield ""


def homes_of(package: str) -> dict[str, str]:
    """The module that each name of a package is defined in.

    Read from the import statements, those for type checkers too: names that are resolved on first
    use have no other place that a reader of source could see.
    """
    path = ROOT / package.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    homes = {}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            homes.update({alias.asname or alias.name: node.module for alias in node.names})
    return {name: _definition(home, name) for name, home in homes.items()}


def _definition(home: str, name: str) -> str:
    """Follow a name that a package in between only hands on."""
    path = ROOT / home.replace(".", "/") / "__init__.py"
    if path.exists():
        return homes_of(home).get(name, home)
    return home


def commands() -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """Each command: its words, itself, and the program that it belongs to."""
    for name in PROGRAMS:
        top = program(name)
        for words, each in sorted(walk(top, (name,)), key=lambda found: found[0]):
            yield words, each, top


def page_of(words: tuple[str, ...]) -> str:
    """The path in ``docs/`` of a command's page."""
    return f"reference/commands/{'-'.join(words)}.md"


def command_pages() -> dict[str, str]:
    """Path in ``docs/`` and Markdown of a page for each command, subcommands on their own."""
    return {page_of(words): _command_page(words, each, top) for words, each, top in commands()}


def _command_page(words: tuple[str, ...], command: Any, top: Any) -> str:
    lines = [f"# {' '.join(words)}", "", "```console", f"$ {' '.join(words)} --help"]
    lines += [help_of(words, top), "```", ""]
    below = sorted(getattr(command, "commands", {}).items())
    if below:
        lines += ["| command | |", "| --- | --- |"]
    for name, each in below:
        path = page_of((*words, name)).rpartition("/")[2]
        short = each.get_short_help_str(200).replace("|", r"\|")
        lines.append(f"| [{' '.join((*words, name))}]({path}) | {short} |")
    return "\n".join(lines) + "\n"


def help_of(words: tuple[str, ...], top: Any) -> str:
    """What a command's ``--help`` prints, at a fixed width."""
    shown = io.StringIO()
    with redirect_stdout(shown):
        top.main(
            [*words[1:], "--help"],
            prog_name=words[0],
            standalone_mode=False,
            terminal_width=WIDTH,
            max_content_width=WIDTH,
        )
    return re.sub(r"[ \t]+$", "", shown.getvalue(), flags=re.MULTILINE).strip("\n")
