"""[I/O] The live view of ``ordering demo``: type, and watch the order come about."""

import asyncio
import os
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Group as Stack
from rich.console import RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ordering.demo import Choice, Tally, multicast, waiting_line
from ordering.multicast import Group
from ordering.multicast.lamport import LamportOrder
from ordering.multicast.sequencer import Sequencer

REFRESH_S = 0.1
QUEUE_SHOWN = 6
DELIVERED_SHOWN = 12
_LEAVING_KEYS = frozenset({"\x03", "\x04"})  # Ctrl-C, Ctrl-D


async def live(group: Group, tally: Tally, choice: Choice) -> None:
    """Show the group, and multicast what is typed, until Ctrl-C or Ctrl-D."""
    loop, keys = asyncio.get_running_loop(), asyncio.Queue[str]()
    typed = ""

    async def receive() -> None:
        async for batch in group.batches():
            tally.take(batch)

    with raw_terminal(), Live(auto_refresh=False, screen=True) as view:
        descriptor = sys.stdin.fileno()
        loop.add_reader(
            descriptor,
            lambda: keys.put_nowait(os.read(descriptor, 1024).decode("utf-8", "replace")),
        )
        try:
            async with asyncio.TaskGroup() as tasks:
                receiving = tasks.create_task(receive())
                while True:
                    view.update(render(group, tally, choice, typed), refresh=True)
                    try:
                        pressed = await asyncio.wait_for(keys.get(), REFRESH_S)
                    except TimeoutError:
                        continue
                    if not pressed or _LEAVING_KEYS & set(pressed):
                        break
                    typed, lines = edit(typed, pressed)
                    for line in lines:
                        # Without room it would wait, and the view would stand still.
                        if group.has_room:
                            await multicast(group, tally, [line.encode()])
                receiving.cancel()
        finally:
            loop.remove_reader(descriptor)


def edit(typed: str, pressed: str) -> tuple[str, list[str]]:
    """The line being typed after these keys, and the lines that were finished."""
    lines = []
    for key in pressed:
        if key in "\r\n":
            if typed:
                lines.append(typed)
            typed = ""
        elif key in "\x7f\b":
            typed = typed[:-1]
        elif key.isprintable():
            typed += key
    return typed, lines


def render(group: Group, tally: Tally, choice: Choice, typed: str) -> RenderableType:
    """The whole view."""
    parts: list[RenderableType] = [_members(group), _queue(group), _delivered(tally)]
    digest = Text(f"{tally.delivered} delivered, digest {tally.digest[:32]}")
    late = waiting_line(group)
    parts += [digest, Text(late, style="bold red")] if late else [digest]
    parts += [Text(notice, style="yellow") for notice in group.notices[-2:]]
    parts.append(Text.assemble(("> ", "bold"), typed, ("_", "blink")))
    title = f"member {tally.me}, order {choice.value}: type and press Enter; Ctrl-C leaves"
    return Panel(Stack(*parts), title=title)


def _members(group: Group) -> RenderableType:
    line = Text("peers: ")
    for peer, link in group.member.links.of.items():
        state, style = ("reached", "green") if link.confirmed else ("not reached", "red")
        if peer in group.member.left:
            state, style = "left", "dim"
        line.append(f" {peer} {state} ", style)
    return line


def _queue(group: Group) -> RenderableType:
    order = group.member.order
    table = Table(title="queue", title_justify="left", box=None, pad_edge=False)
    if isinstance(order, LamportOrder):
        if not order.queue:
            return Text("queue: empty")
        for title in ("stamp", "first message", "acknowledged by"):
            table.add_column(title)
        for time, origin, number, messages in sorted(order.queue)[:QUEUE_SHOWN]:
            by = [m for m, up_to in order.acknowledged.items() if up_to[origin] >= number]
            who = " ".join(str(m) for m in sorted({*by, origin}))
            table.add_row(f"({time}, P{origin})", _shown(messages[0]), who)
        if len(order.queue) > QUEUE_SHOWN:
            table.add_row(f"{len(order.queue) - QUEUE_SHOWN} more", "", "")
        return table
    if isinstance(order, Sequencer):
        return Text(f"sequencer: member {order.sequencer}; {order.position} batches numbered")
    return Text(f"next: {order.head()}" if order.head() else "nothing is held back")


def _delivered(tally: Tally) -> RenderableType:
    table = Table(title="delivered", title_justify="left", box=None, pad_edge=False)
    table.add_column("from")
    table.add_column("message")
    for origin, number, message in list(tally.recent)[-DELIVERED_SHOWN:]:
        table.add_row(f"{origin}.{number}", _shown(message))
    return table


def _shown(message: bytes) -> str:
    text = message.decode("utf-8", "backslashreplace")
    safe = "".join(c if c.isprintable() else "?" for c in text)
    return safe.replace("[", r"\[")[:60]


@contextmanager
def raw_terminal() -> Iterator[None]:
    """The terminal gives each key as it is pressed, Ctrl-C too."""
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setcbreak(sys.stdin, termios.TCSANOW)
        mode = termios.tcgetattr(sys.stdin)
        mode[3] &= ~termios.ISIG
        termios.tcsetattr(sys.stdin, termios.TCSANOW, mode)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
