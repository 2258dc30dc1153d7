"""What callers may rely on when they catch our exceptions."""

import ast
import inspect

import pytest

from clocksync.runtime import errors
from clocksync.runtime.errors import (
    BadConfig,
    MalformedFrame,
    MissingExtra,
    NotSynchronised,
    ToolkitError,
)
from clocksync.runtime.interval import Interval


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    text = inspect.getdoc(errors) or ""
    drawn = {line.split()[1] for line in text.splitlines() if line.strip().startswith(("├", "└"))}
    defined = {
        node.name
        for node in ast.walk(ast.parse(inspect.getsource(errors)))
        if isinstance(node, ast.ClassDef)
    }
    assert drawn | {"ToolkitError"} == defined


def test_one_clause_catches_all_of_them() -> None:
    for cls in (BadConfig, MalformedFrame, MissingExtra, NotSynchronised, errors.MisusedCore):
        assert issubclass(cls, ToolkitError)


def test_a_missing_extra_says_how_to_install_it() -> None:
    with pytest.raises(ImportError, match=r"^uvloop is not installed: pip install 'clocksync\[f"):
        raise MissingExtra("uvloop", "fast")


def test_no_time_still_carries_the_last_interval_known() -> None:
    error = NotSynchronised("no reply for 60 s", Interval(1, 5))
    assert (str(error), error.reason, error.last) == (error.reason, error.reason, Interval(1, 5))


def test_a_malformed_frame_is_a_value_error_with_its_reason() -> None:
    error = MalformedFrame("too short")
    assert isinstance(error, ValueError)
    assert str(error) == error.reason == "too short"
