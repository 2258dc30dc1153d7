"""The command ``ordering`` in the test's own process, as whoever types it sees it."""

import io
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from unittest import mock

from ordering.cli import run


@dataclass(frozen=True, slots=True)
class Done:
    """How it ended, and what it printed to either stream."""

    exit_code: int
    output: str


def ordering(*arguments: object) -> Done:
    """Run it with these arguments."""
    printed = io.StringIO()
    typed = ["ordering", *map(str, arguments)]
    code: object = None
    with (
        mock.patch.object(sys, "argv", typed),
        redirect_stdout(printed),
        redirect_stderr(printed),
    ):
        try:
            run()
        except SystemExit as ended:
            code = ended.code
    assert isinstance(code, int), code
    return Done(code, printed.getvalue())
