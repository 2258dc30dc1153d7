"""Terminals for commands of the documentation: shells that are typed into.  [I/O]

Everything a terminal started is in one session of its own, and ends with it.
"""

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

DONE = "\x1e"
"""Begins the line by which the shell says that a command has ended, and how."""
KILLED = re.compile(r"bash: line |\./\.typed-\d+: line \d+: +\d+ Killed")
"""The shell's own notice that something it started was killed."""
GRACE_S = 5.0


class Terminal:
    """A shell in a folder; use it in a ``with``.

    Args:
        before: what runs the shell, such as ``ip netns exec NAME``.
    """

    def __init__(
        self, folder: Path, environment: dict[str, str], before: Sequence[str] = ()
    ) -> None:
        self._folder, self._environment, self._before = folder, environment, before
        self._arrived = threading.Condition()
        self._lines: list[str] = []
        self._codes: list[int] = []
        self._read = 0

    def __enter__(self) -> Self:
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            # A child inherits that, and ^C would do nothing.
            signal.signal(signal.SIGINT, signal.default_int_handler)
        self._shell = subprocess.Popen(
            [*self._before, "bash", "--noprofile", "--norc"],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self._type("trap : INT")  # the shell outlives what it runs
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        for ending in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self._shell.pid, ending)
            if self._is_over(GRACE_S):
                break
        assert self._shell.stdin is not None
        with suppress(BrokenPipeError):
            self._shell.stdin.close()
        self._shell.wait()
        self._reader.join(GRACE_S)
        assert self._shell.stdout is not None
        self._shell.stdout.close()

    def type(self, command: str) -> None:
        """Enter a command, which reads nothing."""
        # Sourced, so that a command of several lines is one, and none can read what is typed next.
        script = self._folder / f".typed-{self._shell.pid}"
        script.write_text(command + "\n", encoding="utf-8")
        # What a command left in $? is there for the next one.
        tell = f"_code=$?; printf '{DONE}%d\\n' $_code; (exit $_code)"
        self._type(f"source ./{script.name} </dev/null; {tell}")

    def _type(self, line: str) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.write(line + "\n")
        self._shell.stdin.flush()

    def interrupt(self) -> None:
        """Do what ^C does to whatever runs."""
        os.killpg(self._shell.pid, signal.SIGINT)

    def result(self, timeout_s: float) -> tuple[list[str], int | None]:
        """The lines since the last result, when the command has ended; None if it has not."""
        with self._arrived:
            self._arrived.wait_for(lambda: bool(self._codes), timeout_s)
            return self._take(), self._codes.pop(0) if self._codes else None

    def so_far(self, is_all: Callable[[list[str]], bool], timeout_s: float) -> list[str]:
        """The lines since the last result, as soon as that is all; the command may go on."""
        with self._arrived:
            self._arrived.wait_for(
                lambda: bool(self._codes) or is_all(self._lines[self._read :]), timeout_s
            )
            return self._take()

    def _take(self) -> list[str]:
        lines = self._lines[self._read :]
        self._read = len(self._lines)
        return lines

    def _collect(self) -> None:
        assert self._shell.stdout is not None
        for line in self._shell.stdout:
            before, mark, code = line.rstrip("\n").partition(DONE)
            with self._arrived:
                if (before or not mark) and not KILLED.match(before):
                    self._lines.append(before.rstrip())
                if mark:
                    self._codes.append(int(code))
                self._arrived.notify_all()

    def _is_over(self, timeout_s: float) -> bool:
        """Whether nothing of the session is left, soon."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            self._shell.poll()
            try:
                os.killpg(self._shell.pid, 0)
            except ProcessLookupError:
                return True
            time.sleep(0.02)
        return False
