"""A conversation with one core, as an assertion.

::

    converse(
        Mutex(1, {2, 3}),
        do("acquire"),
        expect(Send(2, Request(1)), Send(3, Request(1))),
        hear(2, Reply(2)),
        hear(3, Reply(3)),
        expect(Notify(Entered())),
    )

Nothing passes unseen: effects that no :func:`expect` follows fail the conversation, so a step
without one claims that the core says nothing. Timers are kept: :func:`tick` fails for a timer that
is not set, and moves the core's time on to when it runs out.

The form is that of mitmproxy's playbooks, without their operators.
"""

import difflib
import inspect
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from clocksync.runtime.core import (
    Arrival,
    CancelTimer,
    Effects,
    SetTimer,
    Stamp,
    StampSource,
)
from clocksync.runtime.wire import Frame

START_NS = 1_000_000_000

AnyCore = TypeVar("AnyCore")


@dataclass
class Conversation:
    """What the playbook knows of the core it talks to."""

    core: Any
    now: int = START_NS
    wall: int = 1_790_000_000 * 1_000_000_000
    due: dict[Hashable, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Line:
    """One line of a conversation: its text, and what it does."""

    text: str
    act: Callable[[Conversation], Effects]


@dataclass(frozen=True)
class Expectation:
    """The effects the line before must have had, all of them, in order. None: whatever."""

    effects: list[object] | None


def begin() -> Line:
    """Start the core."""
    return Line("begin()", lambda talk: talk.core.start(talk.now))


def do(verb: str, *given: object, raises: type[Exception] | None = None) -> Line:
    """Call a verb, with ``now`` if it takes one; with `raises`, it must raise that."""

    def act(talk: Conversation) -> Effects:
        method = getattr(talk.core, verb)
        more = {"now": talk.now} if "now" in inspect.signature(method).parameters else {}
        if raises is None:
            return method(*given, **more)
        try:
            method(*given, **more)
        except raises:
            return []
        raise AssertionError(f"{verb} did not raise {raises.__name__}")

    return Line(f"do({', '.join(map(repr, (verb, *given)))})", act)


def hear(sender: Hashable, frame: Frame, stamp: int | Stamp | None = None) -> Line:
    """A frame comes in. `stamp` is a wall reading (by default a made-up one, by the kernel)."""

    def act(talk: Conversation) -> Effects:
        when = talk.wall + talk.now if stamp is None else stamp
        seen = when if isinstance(when, Stamp) else Stamp(when, StampSource.KERNEL)
        return talk.core.on_frame(Arrival(frame, sender, seen), talk.now)

    return Line(f"hear({sender!r}, {frame})", act)


def tick(timer: Hashable) -> Line:
    """A timer runs out, when it should."""

    def act(talk: Conversation) -> Effects:
        if timer not in talk.due:
            raise AssertionError(f"timer {timer!r} is not set; set: {sorted(map(str, talk.due))}")
        talk.now = max(talk.now, talk.due.pop(timer))
        return talk.core.on_timer(timer, talk.now)

    return Line(f"tick({timer!r})", act)


def sent(tag: Hashable, stamp: int | Stamp) -> Line:
    """The transmit stamp of the datagram that was sent with `tag`."""
    seen = stamp if isinstance(stamp, Stamp) else Stamp(stamp, StampSource.KERNEL)
    return Line(f"sent({tag!r}, {seen})", lambda talk: talk.core.on_sent(tag, seen, talk.now))


def refused(to: Hashable, tag: Hashable = None, reason: str = "connection refused") -> Line:
    """The network says that `to` cannot be reached."""
    return Line(f"refused({to!r})", lambda talk: talk.core.on_refused(to, tag, reason, talk.now))


def wait(duration_ns: int) -> Line:
    """Time passes. A timer that would run out meanwhile is an error: write its tick."""

    def act(talk: Conversation) -> Effects:
        talk.now += duration_ns
        late = [timer for timer, due in talk.due.items() if due < talk.now]
        if late:
            raise AssertionError(f"timers ran out meanwhile: {late}")
        return []

    return Line(f"wait({duration_ns})", act)


def expect(*effects: object) -> Expectation:
    """The line before had exactly these effects."""
    return Expectation(list(effects))


def whatever() -> Expectation:
    """The line before may have had any effects."""
    return Expectation(None)


def converse(core: AnyCore, *script: Line | Expectation) -> AnyCore:
    """Hold a conversation with `core`, and return it.

    Raises:
        AssertionError: it said something else than expected; the message shows the difference.
    """
    __tracebackhide__ = True
    talk = Conversation(core)
    last, said, checked = "the beginning", [], True
    for number, line in enumerate(script, start=1):
        if isinstance(line, Expectation):
            assert not checked, f"line {number}: there is nothing to expect after {last}"
            _compare(last, said, said if line.effects is None else line.effects)
            checked = True
            continue
        if not checked:
            _compare(last, said, [])
        last = f"line {number}, {line.text}"
        try:
            said, checked = line.act(talk), False
        except AssertionError as error:
            raise AssertionError(f"{last}: {error}") from error
        assert isinstance(said, list), f"{last}: the core returned {said!r}, no list of effects"
        _keep_timers(talk, said)
    if not checked:
        _compare(last, said, [])
    return core


def _keep_timers(talk: Conversation, effects: Effects) -> None:
    for effect in effects:
        if isinstance(effect, SetTimer):
            talk.due[effect.timer] = talk.now + effect.after
        elif isinstance(effect, CancelTimer):
            talk.due.pop(effect.timer, None)


def _compare(last: str, said: Effects, wanted: list[object]) -> None:
    __tracebackhide__ = True
    if list(said) == wanted:
        return
    difference = difflib.ndiff([repr(w) for w in wanted], [repr(s) for s in said])
    shown = "\n".join("    " + mark for mark in difference if mark.rstrip())
    raise AssertionError(f"after {last} (- expected, + said):\n{shown}")
