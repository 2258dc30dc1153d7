"""The commands ``clocksync`` and ``vsync`` in the test's own process, as whoever types them."""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest

Command = Callable[..., tuple[int, str, str]]
"""Runs it with these arguments: exit code, standard output, standard error."""


def command(program: str, *words: str) -> Any:  # Any: what pytest makes of a fixture
    """A fixture of the type :data:`Command`: the program, whose first arguments are `words`."""

    @pytest.fixture
    def runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
        main = import_module(f"{program}.cli.main")

        def run(*arguments: object) -> tuple[int, str, str]:
            monkeypatch.setattr(sys, "argv", [program, *words, *map(str, arguments)])
            with pytest.raises(SystemExit) as ended:
                main.run()
            code = ended.value.code
            assert isinstance(code, int), code
            return code, *capsys.readouterr()

        return run

    return runs
