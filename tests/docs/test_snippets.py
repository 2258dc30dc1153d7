"""The Python in the documentation: it is Python, and what it names exists.

Snippets speak of hosts and files that are not here, so they are not run: that is what ``examples/``
is for.
"""

import ast
import re
import textwrap
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("clocksync", "ordering", "vsync")
FENCE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def snippets():
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        text = path.read_text(encoding="utf-8")
        for found in FENCE.finditer(text):
            line = text[: found.start()].count("\n") + 2
            yield pytest.param(found[1], id=f"{path.name}:{line}")


def parsed(code):
    """The tree of a snippet; a part of an ``async def`` may stand alone."""
    code = textwrap.dedent(code)
    try:
        return ast.parse(code)
    except SyntaxError:
        body = textwrap.indent(code, "    ")
        return ast.parse(f"async def program():\n{body}")


def missing(tree):
    """What is imported from our packages, or named as theirs, and is not there."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PACKAGES:
            module = import_module(node.module)
            for alias in node.names:
                if not hasattr(module, alias.name):
                    try:
                        import_module(f"{node.module}.{alias.name}")
                    except ImportError:
                        yield f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            name = node.value.id
            if name in PACKAGES and not hasattr(import_module(name), node.attr):
                yield f"{name}.{node.attr}"


@pytest.mark.parametrize("code", list(snippets()))
def test_a_snippet_is_python_and_names_what_exists(code):
    assert list(missing(parsed(code))) == []


def test_what_does_not_exist_is_found():
    assert list(missing(parsed("import vsync\nvsync.jion()\nfrom clocksync import meassure"))) == [
        "clocksync.meassure",
        "vsync.jion",
    ]
    with pytest.raises(SyntaxError):
        parsed("async with with")


def test_there_are_snippets():
    assert len(list(snippets())) > 10
