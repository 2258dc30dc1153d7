"""Processes of a benchmark, told by lines of JSON, and answering with such.  [I/O]"""

import json
import subprocess
import sys
from collections.abc import Mapping

from clocksync.runtime.errors import ToolkitError
from vsync.bench.hosts import Place

LONGEST_START_S = 30.0


class BenchFailed(ToolkitError):
    """A process failed; the message says what it said."""


class Process:
    """One of them, running in its place.

    Args:
        module: what ``python -m`` runs.
        task: its first line.
    """

    def __init__(self, place: Place, module: str, task: Mapping[str, object]) -> None:
        self._process = subprocess.Popen(
            [*place.prefix, sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.tell(json.dumps(task))

    def tell(self, line: str) -> None:
        """Say a line to it.

        Raises:
            BenchFailed: it has ended.
        """
        assert self._process.stdin is not None, "a pipe"
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise BenchFailed(self._said()) from None

    def line(self) -> str:
        """Its next line.

        Raises:
            BenchFailed: it has ended.
        """
        assert self._process.stdout is not None, "a pipe"
        line = self._process.stdout.readline()
        if not line:
            raise BenchFailed(self._said())
        return line

    def expect(self, word: str) -> None:
        """Wait for that line.

        Raises:
            BenchFailed: it said something else.
        """
        line = self.line().strip()
        if line != word:
            raise BenchFailed(f"a member said {line!r} instead of {word!r}")

    def finish(self) -> None:
        """Wait for its end.

        Raises:
            BenchFailed: it ended with a failure.
        """
        if self._process.wait(timeout=LONGEST_START_S):
            raise BenchFailed(self._said())

    def end(self) -> None:
        """End it, whatever it does."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()

    def _said(self) -> str:
        self._process.kill()
        _, errors = self._process.communicate()
        lines = [line for line in errors.splitlines() if line.strip()]
        return f"a member ended early: {lines[-1] if lines else 'it said nothing'}"
