"""Lamport's three clocks: they tick 6, 8 and 10 a step; messages arrive before they were sent.

Three clocks of each process run all the time: one that nobody corrects, a
:class:`ordering.LamportClock` of the process's rate, and a :class:`ordering.VectorClock`. The
choice only says which of them is shown. A process does one thing a step: it sends, it receives, or
its clock just ticks; so no two events of a process have one stamp.

Lamport, "Time, clocks, and the ordering of events in a distributed system", CACM 21(7), 1978.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ordering import LamportClock, LamportStamp, Order, VectorClock, VectorStamp
from vsync.playground.algorithms.ground import Play, chosen, laned, moved
from vsync.playground.algorithms.lamport_scenes import SCENES
from vsync.playground.stage import Action, Control, NotPossible, Scene, Stage

RATES = (6, 8, 10)
LANES = (1, 2, 3)
FREE, LAMPORT, VECTOR = "no correction", "Lamport", "vector clocks"
KEPT = 400
"""Events that can be chosen."""
PLANNED_MAX = 24
"""Messages that wait to be sent, or are under way."""


@dataclass(frozen=True, slots=True)
class Event:
    """What happened at a process, with the readings of all three of its clocks."""

    number: int
    lane: int
    step: int
    what: str
    """send, receive, or local: between messages."""
    message: int
    free: int
    lamport: LamportStamp
    vector: VectorStamp

    @property
    def name(self) -> str:
        """As the picture has it."""
        verb = {"send": "sends", "receive": "gets", "local": "works on"}[self.what]
        return f"P{self.lane} {verb}{f' m{self.message}' if self.message else ''}"


@dataclass(slots=True)
class Letter:
    """A message, from when it was clicked."""

    number: int
    sender: int
    to: int
    leaves: int
    comes: int
    sent: Event | None = None


@dataclass(slots=True)
class Process:
    """One of the three, with its clocks."""

    lane: int
    free: LamportClock
    lamport: LamportClock
    vector: VectorClock
    plan: dict[int, Letter | None] = field(default_factory=dict)
    """What it does at coming steps; None: something of its own."""


class LamportStage(Play):
    """See the module."""

    name = "lamport"
    title = "Lamport's three clocks"
    intro = (
        "Three processes, three clocks, three rates: they tick 6, 8 and 10 a step. So a message can"
        " arrive before it was sent, by the clocks. Lamport's rule: every message carries the time"
        " of its sending, and who gets it sets its clock to more than that, if it is behind."
        " Vector clocks say more: whether one event could have caused another at all. Steps are"
        " whole here, and a message takes whole steps: that is the textbook's simplification."
    )
    pace = 1.0
    view_s = 11.0
    controls: Sequence[Control] = (
        Control(
            "mode", "clocks", "choice", "which clocks are shown", options=(FREE, LAMPORT, VECTOR)
        ),
        Control("send", "send a message", "pair", "it leaves at the next step"),
        Control("work", "something happens", "lane", "an event between messages"),
        Control(
            "pick", "choose an event", "lane", "the newest here; again: the one before"
        ),
        Control(
            "travel", "a message takes", "slider", "", low=1, high=4, step=1, value=1, unit="steps"
        ),
        *(
            Control(
                "rate", "ticks", "slider", "how far this clock moves in a step",
                low=1, high=20, step=1, value=RATES[lane - 1], lane=lane, unit="a step",
            )
            for lane in LANES
        ),
    )  # fmt: skip
    scenes: Sequence[Scene] = SCENES

    def build(self) -> None:
        self.mode = str(self.options.get("mode", FREE))
        self.travel = round(self.options.get("travel", 1))
        self.step, self.begin_s = 0, self.now_s
        self.processes = {
            lane: Process(
                lane,
                LamportClock(lane, step=rate),
                LamportClock(lane, step=rate),
                VectorClock(lane),
            )
            for lane, rate in zip(LANES, RATES, strict=True)
        }
        self.letters: list[Letter] = []
        self.events: list[Event] = []
        self.picked: list[Event] = []
        self._count = 0
        self._letters_made = 0
        for lane, process in self.processes.items():
            self.tale.lane(self.now_s, lane, f"P{lane}", "up", view_s=self.view_s)
            self._tick_mark(process)

    # Time

    def run(self, to_s: float) -> None:
        while self.begin_s + self.step + 1 <= to_s + 1e-9:
            self.step += 1
            for lane in LANES:
                self._step(self.processes[lane])

    @property
    def _at_s(self) -> float:
        return self.begin_s + self.step

    def _step(self, process: Process) -> None:
        if self.step not in process.plan:
            process.free.tick()
            process.lamport.tick()
            self._tick_mark(process)
            return
        letter = process.plan.pop(self.step)
        if letter is None:
            self._note(process, "local", 0)
        elif letter.sender == process.lane and letter.sent is None:
            letter.sent = self._note(process, "send", letter.number)
            self.letters.append(letter)
            due_s = self.begin_s + letter.comes
            label = self._shown(letter.sent)
            self.tale.arrow(
                self._at_s,
                letter.sender,
                letter.to,
                due_s,
                f"m{letter.number} · {label}",
                "message",
            )
        else:
            self.letters.remove(letter)
            self._receive(process, letter)

    def _note(self, process: Process, what: str, message: int, sent: Event | None = None) -> Event:
        free = process.free.tick().time
        if sent is None:
            lamport, vector = process.lamport.tick(), process.vector.tick()
        else:
            lamport = process.lamport.receive(sent.lamport)
            vector = process.vector.receive(sent.vector)
        self._count += 1
        lane = process.lane
        event = Event(self._count, lane, self.step, what, message, free, lamport, vector)
        self.events = [*self.events[1 - KEPT :], event]
        wrong = sent is not None and self.mode == FREE and free <= sent.free
        jumped = sent is not None and self.mode == LAMPORT and lamport.time == sent.lamport.time + 1
        tone = "wrong" if wrong else "jump" if jumped else what
        act = {"do": "pick", "event": event.number}
        self.tale.mark(self._at_s, lane, self._shown(event), tone, act)
        return event

    def _shown(self, event: Event) -> str:
        if self.mode == VECTOR:
            return "(" + ",".join(str(event.vector[lane]) for lane in LANES) + ")"
        return str(event.free if self.mode == FREE else event.lamport.time)

    def _tick_mark(self, process: Process) -> None:
        if self.mode != VECTOR:
            clock = process.free if self.mode == FREE else process.lamport
            self.tale.mark(self._at_s, process.lane, str(clock.time), "tick")

    def _receive(self, process: Process, letter: Letter) -> None:
        assert letter.sent is not None, "what comes was sent"
        sent, before = letter.sent, process.lamport.time
        got = self._note(process, "receive", letter.number, sent)
        title, text, verdict = "", "", None
        if self.mode == FREE:
            title, text, verdict = _uncorrected(letter, sent, got)
        elif self.mode == LAMPORT:
            title, text, verdict = _corrected(letter, sent, got, before + process.lamport.step)
        else:
            title = f"P{letter.to} learns what P{letter.sender} knew"
            text = (
                f"m{letter.number} brought {self._shown(sent)}. P{letter.to} takes the larger of"
                f" each number, and counts this event of its own: {self._shown(got)}. So a vector"
                " says exactly which events lie in the past of this one."
            )
        self.tale.say(self._at_s, title, text, verdict)

    # What can be clicked

    def do_mode(self, action: Action) -> None:
        self.mode = chosen(action, self.control("mode"))
        text = {
            FREE: "Each clock just ticks. Nobody looks at the times that messages bring.",
            LAMPORT: "A receiver that is behind moves its clock past the time that came.",
            VECTOR: "For each process: how many of its events lie in the past of this one.",
        }
        self.tale.say(self.now_s, f"From now on: {self.mode}", text[self.mode])

    def do_rate(self, action: Action) -> None:
        lane = laned(action, LANES)
        rate = round(moved(action, self.control("rate", lane)))
        self.processes[lane].free.step = self.processes[lane].lamport.step = rate
        self.tale.mark(self.now_s, lane, f"ticks {rate}", "note")

    def do_travel(self, action: Action) -> None:
        self.travel = round(moved(action, self.control("travel")))

    def do_send(self, action: Action) -> None:
        sender, to = laned(action, LANES, "from"), laned(action, LANES, "to")
        if sender == to:
            raise NotPossible("a message goes to another process")
        self._refuse_too_many()
        leaves = self._free_step(sender, self.step + 1)
        comes = self._free_step(to, leaves + self.travel)
        self._letters_made += 1
        letter = Letter(self._letters_made, sender, to, leaves, comes)
        self.processes[sender].plan[leaves] = letter
        self.processes[to].plan[comes] = letter

    def do_work(self, action: Action) -> None:
        lane = laned(action, LANES)
        self._refuse_too_many()
        self.processes[lane].plan[self._free_step(lane, self.step + 1)] = None

    def _refuse_too_many(self) -> None:
        if sum(len(process.plan) for process in self.processes.values()) > 2 * PLANNED_MAX:
            raise NotPossible("that many messages wait already: let time pass")

    def _free_step(self, lane: int, earliest: int) -> int:
        step = earliest
        while step in self.processes[lane].plan:
            step += 1
        return step

    def do_pick(self, action: Action) -> None:
        event = self._clicked(action)
        self.picked = [*self.picked[-1:], event] if len(self.picked) != 2 else [event]
        if len(self.picked) == 2 and self.picked[0].number == event.number:
            self.picked = [event]
        about_s = self.begin_s + event.step
        which = str(len(self.picked))
        self.tale.mark(self.now_s, event.lane, which, "chosen", about_s=about_s)
        if len(self.picked) == 1:
            text = "Choose another one, and see how the two stand to each other."
            self.tale.say(self.now_s, f"Chosen: {event.name}", text)
        else:
            first, second = sorted(self.picked, key=lambda each: each.number)
            self.tale.say(self.now_s, *_compared(first, second))

    def _clicked(self, action: Action) -> Event:
        if "event" in action:
            number = action["event"]
            found = next((event for event in self.events if event.number == number), None)
            if found is None or isinstance(number, bool):
                raise NotPossible("there is no such event any more")
            return found
        lane = laned(action, LANES)
        here = [event for event in self.events if event.lane == lane]
        if not here:
            raise NotPossible(f"nothing has happened at P{lane} yet: let it send or get a message")
        # Again at the same lane: the one before.
        newest = self.picked[-1] if self.picked else None
        if newest is not None and newest.lane == lane:
            return next((e for e in reversed(here) if e.number < newest.number), here[-1])
        return here[-1]


def _uncorrected(letter: Letter, sent: Event, got: Event) -> tuple[str, str, str | None]:
    message, there, here = f"m{letter.number}", sent.free, got.free
    if here > there:
        return (
            f"{message} looks right",
            f"Sent at {there} by P{sent.lane}'s clock, received at {here} by P{got.lane}'s. That is"
            " luck: the receiver's clock happens to be ahead.",
            None,
        )
    return (
        f"{message} arrived before it was sent",
        f"P{sent.lane}'s clock showed {there} when it was sent, P{got.lane}'s shows {here} now."
        " That cannot be: what is caused would be earlier than its cause.",
        "bad",
    )


def _corrected(letter: Letter, sent: Event, got: Event, would: int) -> tuple[str, str, str]:
    message, there, here = f"m{letter.number}", sent.lamport.time, got.lamport.time
    if would > there:
        return (
            f"{message}: nothing to correct",
            f"It brings {there}. P{got.lane}'s clock ticks to {here}, which is more: it stays as it"
            " is.",
            "good",
        )
    return (
        f"{message}: P{got.lane} jumps from {would} to {here}",
        f"It brings {there}, and P{got.lane}'s clock would have shown {would}. So it is set to"
        f" max({would}, {there} + 1) = {here}, and ticks on from there. The message can only have"
        " come after it was sent, and now the clocks say so.",
        "good",
    )


def _compared(first: Event, second: Event) -> tuple[str, str, str | None]:
    one, other = first.vector, second.vector
    stamps = f"Lamport's times are {first.lamport.time} and {second.lamport.time}"
    vectors = f"the vectors are {_text(one)} and {_text(other)}"
    names = f"“{first.name}” and “{second.name}”"
    match one.compare(other):
        case Order.CONCURRENT:
            return (
                "Concurrent: neither could have caused the other",
                f"{names}: {vectors}, and neither is the smaller one in every place. {stamps}: they"
                " put the two in an order all the same, as everybody does in the same way, but it"
                " says nothing of causes.",
                None,
            )
        case Order.BEFORE:
            before, after = first, second
        case _:
            before, after = second, first
    return (
        f"Ordered: “{before.name}” happened before",
        f"“{before.name}” could have caused “{after.name}”: {vectors}, and the first is at most the"
        f" second in every place. {stamps}, in the same order, as they must be.",
        "good",
    )


def _text(stamp: VectorStamp) -> str:
    return "(" + ",".join(str(stamp[lane]) for lane in LANES) + ")"


def make(seed: int | str, options: Action | None = None) -> Stage:
    """The stage. Nothing in it is drawn, so `seed` does not matter."""
    return LamportStage(seed, options)
