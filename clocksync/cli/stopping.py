"""Ctrl-C and SIGTERM, for commands that run until they are told to end.  [I/O]"""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def when_told(stop: Callable[[], object]) -> None:
    """Call `stop` at every Ctrl-C or SIGTERM while this loop runs: what it ends takes no time, or
    must not be cut short."""
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, stop)


@contextlib.contextmanager
def until_told(stop: Callable[[], object]) -> Iterator[None]:
    """Call `stop` at the first Ctrl-C or SIGTERM; a second one ends the program."""

    def stopped() -> None:
        _take_no_notice()
        stop()

    when_told(stopped)
    try:
        yield
    finally:
        _take_no_notice()


@contextlib.contextmanager
def once_told() -> Iterator[Callable[[], bool]]:
    """Without a loop: gives a function that says whether there was a Ctrl-C or SIGTERM. A second
    Ctrl-C ends the program."""
    told = []

    def stop(*_: object) -> None:
        told.append(True)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = {number: signal.signal(number, stop) for number in SIGNALS}
    try:
        yield lambda: bool(told)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _take_no_notice() -> None:
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.remove_signal_handler(number)
