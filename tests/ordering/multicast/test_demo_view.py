"""The live view: what it shows, and what keys do. The terminal itself is a pseudo-terminal."""

import io
import os
import pty
import subprocess
import sys
import time

import pytest
from rich.console import Console

from ordering.demo import Choice, Tally, waiting_line
from ordering.demo_view import edit, render
from ordering.multicast import Batch, Group
from ordering.multicast.lamport import LamportOrder
from tests.sockets.test_multicast import free_addresses, groups, run


@pytest.mark.parametrize(
    ("typed", "pressed", "left", "lines"),
    [
        ("", "abc", "abc", []),
        ("ab", "\x7fc", "ac", []),
        ("", "\x7f", "", []),
        ("hello", "\r", "", ["hello"]),
        ("", "\r", "", []),
        ("", "a\rb\rc", "c", ["a", "b"]),
        ("", "\x1b[A", "[A", []),
    ],
)
def test_keys_edit_a_line(typed: str, pressed: str, left: str, lines: list[str]) -> None:
    assert edit(typed, pressed) == (left, lines)


def shown(group: Group, tally: Tally, choice: Choice) -> str:
    console = Console(file=io.StringIO(), width=90, color_system=None)
    console.print(render(group, tally, choice, "typing"))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_it_shows_the_queue_with_who_has_acknowledged_what() -> None:
    async def test() -> None:
        async with groups(2) as joined:
            group, tally = joined[0], Tally(1)
            order = group.member.order
            assert isinstance(order, LamportOrder)
            assert "queue: empty" in shown(group, tally, Choice.TOTAL)
            order.multicast([b"[bold]waits[/]"])
            tally.take(Batch(2, 5, [b"was \x1b delivered"], (1, 2)))
            text = shown(group, tally, Choice.TOTAL)
            row = next(line for line in text.splitlines() if "waits" in line)
            assert "P1)" in row
            assert "[bold]waits[/]" in row
            assert row.split("[/]")[1].strip(" │") == "1"
            assert "2.5   was ? delivered" in text
            assert tally.digest[:32] in text
            assert "> typing_" in text
            assert "2 reached" in text
            order.outgoing.clear()

    run(test)


def test_who_is_waited_for_is_said_in_words() -> None:
    async def test() -> None:
        async with groups(2) as joined:
            assert waiting_line(joined[0]) == ""
            joined[1]._close()
            joined[0].member.order.multicast([b"x"])
            joined[0].member._head_since = time.monotonic_ns() - 7_400_000_000
            assert waiting_line(joined[0]) == "nothing is delivered for 7 s: waiting for member 2"
            joined[0]._close()

    run(test)


@pytest.mark.slow
def test_what_is_typed_at_a_terminal_is_shown_at_the_other() -> None:
    where = dict(enumerate(free_addresses(2), start=1))
    terminals, processes = {}, {}
    for me, listen in where.items():
        terminals[me], inside = pty.openpty()
        other = 3 - me
        processes[me] = subprocess.Popen(
            [
                *(sys.executable, "-m", "ordering", "demo", "--id", str(me)),
                *("--listen", listen, "--peer", f"{other}={where[other]}"),
            ],
            stdin=inside,
            stdout=inside,
            stderr=inside,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"},
        )
        os.close(inside)
    try:
        _read_until(terminals[1], b"2 reached")
        os.write(terminals[1], b"hello over there\r")
        _read_until(terminals[2], b"hello over there")
        os.write(terminals[1], b"\x03")
        os.write(terminals[2], b"\x04")
        assert [process.wait(timeout=30) for process in processes.values()] == [0, 0]
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
        for terminal in terminals.values():
            os.close(terminal)


def _read_until(terminal: int, text: bytes) -> None:
    seen = b""
    while text not in seen:  # pytest's timeout is the limit
        seen += os.read(terminal, 65_536)
