"""The live view of ``vsync join``: the ring, its members, rates, the last events.  [I/O]"""

import asyncio
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator

from rich.console import Group as Stack
from rich.console import RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND
from ordering.demo_view import edit, raw_terminal
from vsync.events import Configuration, Kind, Messages
from vsync.node.group import Group
from vsync.node.tally import Tally

REFRESH_S = 0.2
_LEAVING_KEYS = frozenset({"\x03", "\x04"})  # Ctrl-C, Ctrl-D

Say = Callable[[Group, str], Awaitable[None]]


def told(event: Configuration | Messages) -> Iterator[str]:
    """An event in words, a line for each message."""
    if isinstance(event, Configuration):
        members = ", ".join(map(str, event.members))
        moves = [f"{n} joined" for n in event.joined] + [f"{n} left" for n in event.left]
        change = f"; {', '.join(moves)}" if moves else ""
        kind = "configuration" if event.kind is Kind.REGULAR else "transitional configuration"
        yield f"-- {kind} {event.id}: members {members}{change} ({event.reason.value})"
        return
    for n, payload in enumerate(event.payloads):
        stamp = _time(event.timestamp + n)
        flags = f" {' '.join(event.flags)}" if event.flags else ""
        yield f"{stamp} ± {_bound(event.error)}{flags} {event.origin}: {_shown(payload)}"


def _time(ns: int) -> str:
    whole, rest = divmod(ns, SECOND)
    return f"{time.strftime('%H:%M:%S', time.gmtime(whole))}.{rest // MICROSECOND:06d}"


def _bound(ns: int) -> str:
    for unit, name in ((SECOND, "s"), (MILLISECOND, "ms"), (MICROSECOND, "us")):
        if ns >= unit:
            return f"{ns / unit:.3g} {name}"
    return f"{ns} ns"


def _shown(payload: bytes) -> str:
    text = payload[:60].decode("utf-8", "replace")
    text = "".join(letter if letter.isprintable() else "·" for letter in text)
    return text if len(payload) <= 60 else f"{text}... ({len(payload)} bytes)"


async def live(group: Group, tally: Tally, over: asyncio.Event, say: Say) -> None:
    """Show the group, and multicast what is typed, until Ctrl-C or Ctrl-D."""
    loop, keys = asyncio.get_running_loop(), asyncio.Queue[str]()
    rates = Rates(tally)
    typed = ""
    with raw_terminal(), Live(auto_refresh=False, screen=True) as view:
        descriptor = sys.stdin.fileno()
        loop.add_reader(
            descriptor,
            lambda: keys.put_nowait(os.read(descriptor, 1024).decode("utf-8", "replace")),
        )
        try:
            while not over.is_set():
                view.update(render(group, tally, rates, typed), refresh=True)
                try:
                    pressed = await asyncio.wait_for(keys.get(), REFRESH_S)
                except TimeoutError:
                    continue
                if not pressed or _LEAVING_KEYS & set(pressed):
                    over.set()
                    break
                typed, lines = edit(typed, pressed)
                for line in lines:
                    await say(group, line)
        finally:
            loop.remove_reader(descriptor)


class Rates:
    """Messages, bytes and rotations a second, over the time since they were last asked for."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._before = (time.monotonic(), 0, 0, 0)
        self._shown = (0.0, 0.0, 0.0)

    def read(self, rotations: int) -> tuple[float, float, float]:
        now = (time.monotonic(), self._tally.delivered, self._tally.bytes, rotations)
        since = now[0] - self._before[0]
        if since >= 1:
            before, self._before = self._before, now
            messages, size, turns = (now[n] - before[n] for n in (1, 2, 3))
            self._shown = (messages / since, size / since, turns / since)
        return self._shown


def render(group: Group, tally: Tally, rates: Rates, typed: str) -> RenderableType:
    """The whole view."""
    engine, configuration = group.loop.engine, tally.current
    facts = Table.grid(padding=(0, 2))
    members = ", ".join(map(str, configuration.members)) if configuration else "none yet"
    facts.add_row("state", engine.state.value)
    facts.add_row("ring", str(engine.ring.id))
    facts.add_row("members", Text(members, style="bold green"))
    messages, size, turns = rates.read(group.loop.rotations)
    facts.add_row("rates", f"{messages:,.0f} msg/s, {size / 1e6:,.2f} MB/s, {turns:,.0f} visits/s")
    facts.add_row("delivered", f"{tally.delivered:,}")
    lines = [Text(line, overflow="ellipsis", no_wrap=True) for line in _recent(tally)]
    typing = Text.assemble(("> ", "bold"), typed, ("_", "blink"))
    title = f"vsync join: member {group.id}; type and press Enter; Ctrl-C leaves"
    return Panel(Stack(facts, Text(), *lines, Text(), typing), title=title)


def _recent(tally: Tally) -> list[str]:
    lines = [line for event in tally.recent for line in told(event)]
    return lines[-tally.recent.maxlen :] if tally.recent.maxlen else lines
