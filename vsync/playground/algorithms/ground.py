"""What the stages of algorithms share: a tale of messages, a simulated world that writes it.

:class:`Tale` makes the messages of the live page. :class:`Ground` is a simulated world whose
datagrams it carries itself: it knows when each will come, so an arrow is told as it leaves, and
again if it comes to nobody. :class:`Play` is the frame of a stage: what was clicked becomes a call
of a method, or is refused in one line. :class:`Grounded` is that of a stage on a ground.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from clocksync.runtime.codec import Codec
from clocksync.runtime.simulation import EPOCH_NS, Condition, World
from clocksync.runtime.units import SECOND
from clocksync.runtime.wire import Frame
from vsync.playground.stage import Action, Control, Message, NotPossible, Scene

Look = tuple[str, str] | None
"""The label and the tone of an arrow; None: it is not drawn."""


def seconds(ns: float) -> float:
    """Nanoseconds as the seconds of a message."""
    return round(ns / SECOND, 6)


class Tale:
    """Messages of the live page, kept until they are taken. Times in seconds."""

    def __init__(self) -> None:
        self._told: list[Message] = []
        self._numbers = 0
        self._flying: dict[str, Message] = {}
        self._lasting: dict[str, Message] = {}
        self._lanes: dict[int, Message] = {}

    def take(self) -> list[Message]:
        """What was told since the last time."""
        told, self._told = self._told, []
        return told

    def _tell(self, kind: str, at_s: float, **more: Any) -> Message:
        message = {"kind": kind, "at_s": round(at_s, 6), **more}
        self._told.append(message)
        return message

    def _name(self, letter: str) -> str:
        self._numbers += 1
        return f"{letter}{self._numbers}"

    def lane(self, at_s: float, lane: int, name: str, state: str = "up", **more: Any) -> None:
        """A process as it is from now on; told only where that is new."""
        before = self._lanes.get(lane)
        if before is None or (before["name"], before["state"]) != (name, state):
            message = self._tell("lane", at_s, lane=lane, name=name, state=state, **more)
            self._lanes[lane] = message

    def arrow(self, at_s: float, sender: int, to: int, due_s: float, label: str, tone: str) -> str:
        """A message leaves, and will come at `due_s`."""
        name = self._name("a")
        ends: Message = {"from": sender, "to": to, "got_s": round(due_s, 6)}
        self._flying = {n: a for n, a in self._flying.items() if a["got_s"] >= at_s}
        self._flying[name] = self._tell("arrow", at_s, id=name, **ends, label=label, tone=tone)
        return name

    def lose(self, at_s: float, name: str) -> None:
        """A message that is under way is lost, now."""
        arrow = self._flying.pop(name, None)
        if arrow is not None:
            due, lost = arrow["got_s"], round(at_s, 6)
            self._told.append({**arrow, "got_s": None, "due_s": due, "lost_s": lost})

    def mark(
        self,
        at_s: float,
        lane: int,
        label: str,
        tone: str,
        act: Action | None = None,
        about_s: float | None = None,
    ) -> None:
        """Something happens at a lane; `act` is what a click on it does. It is drawn at `about_s`,
        if it is about something that was before."""
        more: dict[str, Any] = {} if act is None else {"act": dict(act)}
        if about_s is not None:
            more["about_s"] = round(about_s, 6)
        self._tell("mark", at_s, lane=lane, label=label, tone=tone, **more)

    def span(self, at_s: float, lane: int, label: str, tone: str) -> str:
        """Something begins at a lane, that lasts."""
        name = self._name("s")
        self._lasting[name] = self._tell(
            "span", at_s, id=name, lane=lane, until_s=None, label=label, tone=tone
        )
        return name

    def end(self, at_s: float, name: str) -> None:
        """A span is over."""
        span = self._lasting.pop(name, None)
        if span is not None:
            self._told.append({**span, "until_s": round(at_s, 6)})

    def reading(
        self,
        at_s: float,
        lane: int,
        name: str,
        value: float | None,
        bound: float | None,
        unit: str,
        truth: float | None,
        text: str | None = None,
    ) -> None:
        """A value with its bound, and the truth; each None where it is not known."""
        more = {} if text is None else {"text": text}
        numbers = {"value": value, "bound": bound, "truth": truth}
        short = {key: None if n is None else round(n, 6) for key, n in numbers.items()}
        self._tell("reading", at_s, lane=lane, name=name, unit=unit, **short, **more)

    def say(self, at_s: float, title: str, text: str, verdict: str | None = None) -> None:
        """What to read now."""
        self._tell("say", at_s, title=title, text=text, verdict=verdict)

    def close(self, at_s: float) -> None:
        """All that is under way or lasts is over, and no lane is there any more."""
        for name in list(self._flying):
            if self._flying[name]["got_s"] > at_s:
                self.lose(at_s, name)
        for name in list(self._lasting):
            self.end(at_s, name)
        for lane, message in list(self._lanes.items()):
            self.lane(at_s, lane, message["name"], "gone")
        self._flying.clear()


@dataclass(frozen=True, slots=True)
class Carrying:
    """How datagrams travel on a ground.

    Attributes:
        codec: of the frames.
        delay: ns that a frame takes, by sender, receiver and frame.
        look: how it is drawn.
    """

    codec: Codec
    delay: Callable[[int, int, Frame], int]
    look: Callable[[int, int, Frame], Look]


class Ground:
    """A simulated world whose datagrams are arrows of a tale. They stay in order on each path.

    Args:
        begin_s: the stage's time when this world begins.
    """

    def __init__(
        self,
        tale: Tale,
        seed: int | str,
        carrying: Carrying,
        *,
        begin_s: float = 0.0,
        epoch_ns: int = EPOCH_NS,
    ) -> None:
        self.tale, self.begin_s = tale, begin_s
        self.world = World(seed, codec=carrying.codec, epoch_ns=epoch_ns)
        self.world.intercept(self._carry)
        self._carrying = carrying
        self._latest: dict[tuple[int, int], int] = {}
        self.arrived: list[Callable[[int, int, Frame, bool], object]] = []
        """Called just before a frame comes: sender, receiver, frame, whether anybody is there."""

    @property
    def now_s(self) -> float:
        """The stage's time."""
        return self.begin_s + self.world.now / SECOND

    def run(self, to_s: float) -> None:
        """Let time pass."""
        until = round((to_s - self.begin_s) * SECOND)
        if until >= self.world.now:
            self.world.run(until)

    def is_up(self, node: int) -> bool:
        """Whether a node runs."""
        return self.world.node(node).condition is Condition.UP

    def every(self, interval_ns: int, happen: Callable[[], object]) -> None:
        """Let something happen now and again and again."""
        happen()
        self.world.after(interval_ns, partial(self.every, interval_ns, happen))

    def _carry(self, sender: Any, to: Any, data: bytes) -> bool:
        # The world would draw a delay and keep it to itself: so we take the datagram, and put it
        # in again for when it is due.
        carrying, world = self._carrying, self.world
        frame = carrying.codec.decode(data)
        due = world.now + carrying.delay(sender, to, frame)
        due = self._latest[sender, to] = max(due, self._latest.get((sender, to), 0) + 1)
        look, name = carrying.look(sender, to, frame), None
        if look is not None:
            due_s = self.begin_s + due / SECOND
            name = self.tale.arrow(self.now_s, sender, to, due_s, *look)
        world.at(due, partial(self._comes, sender, to, frame, name))
        world.inject(to, sender, data, due - world.now)
        return True

    def _comes(self, sender: int, to: int, frame: Frame, name: str | None) -> None:
        is_there = self.is_up(to)
        if name is not None and not is_there:
            self.tale.lose(self.now_s, name)
        for call in self.arrived:
            call(sender, to, frame, is_there)


class Play:
    """The frame of a stage: see :class:`vsync.playground.stage.Stage`.

    A subclass has a method ``do_<name>(action)`` for each of its controls, builds its world in
    `build`, and lets it go on in `run`.
    """

    name = title = intro = ""
    pace = 1.0
    view_s = 10.0
    controls: Sequence[Control] = ()
    scenes: Sequence[Scene] = ()

    def __init__(self, seed: int | str, options: Action | None) -> None:
        self.seed = seed
        self.tale = Tale()
        self.now_s = 0.0
        self.options: dict[str, Any] = {}
        for key, value in (options or {}).items():
            self.set_option(key, value)
        self.controls = [self._as_set(control) for control in self.controls]

    def _as_set(self, control: Control) -> Control:
        """A control that shows what the options say."""
        value = self.options.get(control.name) if control.lane is None else None
        if value is None:
            return control
        return replace(
            control, value=list(control.options).index(value) if control.options else value
        )

    # What a stage fills in

    def set_option(self, key: str, value: object) -> None:
        """Take an option.

        Raises:
            NotPossible: there is none of that name, or not with that value.
        """
        control = next((c for c in self.controls if c.name == key), None)
        is_set = control is not None and control.kind in ("choice", "slider")
        if control is None or not is_set or control.lane is not None:
            raise NotPossible(f"{self.title} has no option {key!r}")
        given = {"do": key, "value": value}
        is_choice = control.kind == "choice"
        self.options[key] = chosen(given, control) if is_choice else moved(given, control)

    def build(self) -> None:
        """Make the world anew, as it is set, from now on."""
        raise NotImplementedError

    def run(self, to_s: float) -> None:
        """Let time pass."""
        raise NotImplementedError

    # What a stage is

    def begin(self) -> list[Message]:
        """See :class:`vsync.playground.stage.Stage`."""
        self.build()
        return self.tale.take()

    def act(self, action: Action) -> list[Message]:
        """See :class:`vsync.playground.stage.Stage`."""
        do = action.get("do") if isinstance(action, Mapping) else None
        known = isinstance(do, str) and any(control.name == do for control in self.controls)
        if not known:
            raise NotPossible(f"{self.title} has no action {do!r}"[:120])
        getattr(self, f"do_{str(do).replace('-', '_')}")(action)
        self.run(self.now_s)
        return self.tale.take()

    def advance(self, to_s: float) -> list[Message]:
        """See :class:`vsync.playground.stage.Stage`."""
        if to_s > self.now_s:
            self.run(to_s)
            self.now_s = to_s
        return self.tale.take()

    def rebuild(self) -> None:
        """Begin anew, now, as it is set."""
        self.tale.close(self.now_s)
        self.build()

    def control(self, name: str, lane: int | None = None) -> Control:
        """The control of that name; the slider of a lane, where each has one of its own."""
        return next(each for each in self.controls if (each.name, each.lane) == (name, lane))

    def choose_anew(self, action: Action) -> None:
        """Take the option that was chosen, and begin anew with it: a ``do_<name>`` of choices."""
        self.set_option(str(action["do"]), action.get("value"))
        self.rebuild()


class Grounded(Play):
    """A stage whose world is a ground, which `build` makes."""

    ground: Ground

    def run(self, to_s: float) -> None:
        self.ground.run(to_s)

    def say(self, title: str, text: str, verdict: str | None = None) -> None:
        """What to read now."""
        self.tale.say(self.ground.now_s, title, text, verdict)


def laned(action: Action, lanes: Sequence[int], key: str = "lane") -> int:
    """The lane that was clicked.

    Raises:
        NotPossible: it is none of `lanes`.
    """
    lane = action.get(key)
    if isinstance(lane, bool) or not isinstance(lane, int) or lane not in lanes:
        raise NotPossible(f"there is no process {lane!r}"[:80])
    return lane


def moved(action: Action, control: Control) -> float:
    """Where a slider was moved to.

    Raises:
        NotPossible: it does not go there.
    """
    value = action.get("value")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotPossible(f"{control.label}: {value!r} is no number"[:80])
    if not control.low <= value <= control.high:  # nor is it where it is not a number
        raise NotPossible(f"{control.label}: from {control.low:g} to {control.high:g}")
    return float(value)


def chosen(action: Action, control: Control) -> str:
    """What was chosen.

    Raises:
        NotPossible: it is not among what there is to choose from.
    """
    value = action.get("value")
    if not isinstance(value, str) or value not in control.options:
        raise NotPossible(f"{control.label}: one of {', '.join(control.options)}")
    return value


def listed(names: Sequence[str]) -> str:
    """Names as a sentence has them.

    >>> listed(["P1", "P2", "P3"])
    'P1, P2 and P3'
    """
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def many(count: int, what: str) -> str:
    """A number of things.

    >>> many(1, "message"), many(2, "OK")
    ('1 message', '2 OKs')
    """
    return f"{count} {what}{'' if count == 1 else 's'}"
