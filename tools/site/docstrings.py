"""Docstrings as the site needs them: its pages are Markdown, and docstrings are not quite.

Everywhere in the code ``:class:`Interval``` names a thing, and ``~`` says to leave out its path: on
the site it is a name in code. An example stands among the text, where Markdown would take its
``>>>`` for three quotations: it becomes a block of code.
"""

import re
from typing import Any

from griffe import Extension, Module, Object

ROLE = re.compile(
    r":(?:func|class|meth|mod|data|attr|exc|obj|const):`(?P<short>~)?(?P<name>[^`]+)`"
)
LITERAL = re.compile(r"::$", re.MULTILINE)
EXAMPLE = re.compile(
    r"^(?P<indent> *)>>> .*(?:\n(?P=indent)\S.*|\n(?P=indent) +\S.*)*", re.MULTILINE
)
DIRECTIVE = re.compile(r" *# doctest: \+\w+")


def as_markdown(text: str) -> str:
    """A docstring with its roles as plain code.

    >>> as_markdown("See :func:`~vsync.join` and :class:`Group`, as in::")
    'See `join` and `Group`, as in:'
    """

    def plain(found: re.Match[str]) -> str:
        name = found["name"].lstrip(".")
        return f"`{name.rpartition('.')[2] if found['short'] else name}`"

    def fenced(found: re.Match[str]) -> str:
        indent, code = found["indent"], DIRECTIVE.sub("", found[0])
        return f"{indent}```pycon\n{code}\n{indent}```"

    parts = []
    at = 0
    for found in EXAMPLE.finditer(text):  # what is code stays as it is
        parts += [LITERAL.sub(":", ROLE.sub(plain, text[at : found.start()])), fenced(found)]
        at = found.end()
    return "".join([*parts, LITERAL.sub(":", ROLE.sub(plain, text[at:]))])


class PlainMarkdown(Extension):
    """Turns every docstring that is collected."""

    def on_package(self, *, pkg: Module, **_: Any) -> None:
        """A package at the top, which is no object among others."""
        _turn(pkg)

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Everything below it."""
        _turn(obj)


def _turn(obj: Object) -> None:
    if obj.docstring is not None:
        obj.docstring.value = as_markdown(obj.docstring.value)
