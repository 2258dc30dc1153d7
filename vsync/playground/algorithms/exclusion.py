"""What the stages of mutual exclusion share: processes that ask, enter, leave and are killed.

The cores are those of :mod:`ordering.mutex`, in the toolkit's simulator: bare, as the textbook has
them, or inside :class:`ordering.mutex.EpochMutex`, as a group of this toolkit runs them. Its
heartbeats are not drawn. A stage adds what is its algorithm's own: what it says, and when.
"""

from collections.abc import Hashable, Sequence
from functools import partial
from random import Random
from typing import Any

from clocksync.runtime.core import Core
from clocksync.runtime.simulation import Boot
from clocksync.runtime.units import MILLISECOND, SECOND
from clocksync.runtime.wire import Frame
from ordering.mutex.changes import Blocked, EpochBegan
from ordering.mutex.contract import Granted, Lost, MutexCore, State
from ordering.mutex.epochs import EpochMutex
from ordering.mutex.frames import (
    Accept,
    Accepted,
    Heartbeat,
    InEpoch,
    Install,
    Lease,
    MutexCodec,
    Prepare,
    Promise,
)
from ordering.mutex.leases import EpochConfig
from vsync.playground.algorithms.ground import (
    Carrying,
    Ground,
    Grounded,
    Look,
    laned,
    listed,
    moved,
)
from vsync.playground.stage import Action, Control, NotPossible

TEXTBOOK, EPOCHS = "as in the textbook", "in this toolkit's group"
COUNTS = ("3", "4", "5")
SLOW = EpochConfig(heartbeat_ns=750 * MILLISECOND, lease_ns=3 * SECOND)
"""As slow as the messages here, which one can follow."""
DELAY_NS = (400 * MILLISECOND, 900 * MILLISECOND)
EPOCH_DELAY_NS = (150 * MILLISECOND, 350 * MILLISECOND)
"""There and back between two heartbeats: else each round of an agreement is sent again."""
CODEC = MutexCodec()

CONTROLS = (
    Control("ask", "ask to enter", "lane", "this process wants the resource"),
    Control("kill", "kill", "lane", "it is gone for good, and tells nobody"),
    Control(
        "hold", "stays inside for", "slider", "", low=0.5, high=8, step=0.5, value=2, unit="s"
    ),
    Control("processes", "processes", "choice", "begins anew", options=COUNTS),
    Control(
        "group", "who dies", "choice", "bare, or in epochs that outlive the dead: begins anew",
        options=(TEXTBOOK, EPOCHS),
    ),
)  # fmt: skip


def inner_frame(frame: Frame) -> Frame:
    """The algorithm's own frame, out of the one of an epoch."""
    return CODEC.decode(frame.payload) if isinstance(frame, InEpoch) else frame


class Exclusion(Grounded):
    """See the module."""

    controls: Sequence[Control] = CONTROLS

    def build(self) -> None:
        self.hold_s = float(self.options.get("hold", 2.0))
        self.count = int(self.options.get("processes", 3))
        self.has_epochs = self.options.get("group", TEXTBOOK) == EPOCHS
        self.lanes = tuple(range(1, self.count + 1))
        self.inside: dict[int, str] = {}
        self.waiting: dict[int, str] = {}
        self.dead: set[int] = set()
        self.entries = 0
        self._generation = 1
        self._agreed: set[tuple[int, int, int, str]] = set()
        self._delays = Random(f"{self.seed}/delays of {self.name}")
        carrying = Carrying(CODEC, self._delay, self._look)
        self.ground = Ground(self.tale, self.seed, carrying, begin_s=self.now_s)
        self.ground.arrived.append(self.arrives)
        for lane in self.lanes:
            self.ground.world.add(lane, self._program, application=self._hear)
            self.tale.lane(self.now_s, lane, f"P{lane}", "up", view_s=self.view_s)
        self.ground.run(self.now_s)
        self.ground.world.invariant(self.watch)

    # What a stage fills in

    def algorithm(
        self, me: int, members: Sequence[int], *, generation: int, random: Random
    ) -> MutexCore:
        """The core of a member."""
        raise NotImplementedError

    def drawn(self, sender: int, to: int, frame: Frame) -> Look:
        """How a frame of the algorithm is drawn."""
        raise NotImplementedError

    def arrives(self, sender: int, to: int, frame: Frame, is_there: bool) -> None:
        """A frame is about to come."""

    def watch(self) -> None:
        """Called after every step of any core."""

    def on_asked(self, lane: int) -> None:
        """A process has asked; what it sends is under way."""

    def on_entered(self, lane: int) -> None:
        """A process is inside."""

    def on_left(self, lane: int) -> None:
        """A process has left."""

    def on_killed(self, lane: int) -> None:
        """A process is dead."""

    def on_epoch(self, lane: int) -> None:
        """A new epoch began for a process: it asks anew."""

    # What a stage uses

    def core(self, lane: int) -> Any:  # Any: the core of whichever algorithm
        """The algorithm's core; None while there is no epoch for it."""
        core = self.ground.world.node(lane).core
        return core.inner if isinstance(core, EpochMutex) else core

    def state(self, lane: int) -> State:
        """Where a process stands."""
        return State(self.ground.world.node(lane).core.state)  # type: ignore[attr-defined]

    @property
    def alive(self) -> list[int]:
        """Who is not dead."""
        return [lane for lane in self.lanes if lane not in self.dead]

    def names(self, lanes: Sequence[int]) -> str:
        """Processes as a sentence has them."""
        return listed([f"P{lane}" for lane in lanes])

    # Inside

    def _program(self, boot: Boot) -> Core:
        me = int(str(boot.address))
        if not self.has_epochs:
            return self.algorithm(me, self.lanes, generation=0, random=boot.random)
        return EpochMutex(me, self.lanes, self.algorithm, random=boot.random, config=SLOW)

    def _delay(self, sender: int, to: int, frame: Frame) -> int:
        return self._delays.randrange(*(EPOCH_DELAY_NS if self.has_epochs else DELAY_NS))

    def _look(self, sender: int, to: int, frame: Frame) -> Look:
        match frame:
            case Heartbeat() | Lease():
                return None
            case Prepare():
                return self._once(sender, to, "new epoch?")
            case Promise():
                return self._once(sender, to, "promised")
            case Accept(members=members):
                return self._once(sender, to, f"epoch of {','.join(map(str, members))}?")
            case Accepted():
                return self._once(sender, to, "accepted")
            case Install():
                return self._once(sender, to, "it begins")
        return self.drawn(sender, to, inner_frame(frame))

    def _once(self, sender: int, to: int, label: str) -> Look:
        # What an agreement tells again, until it is answered, is one arrow.
        said = self._generation, sender, to, label
        if said in self._agreed:
            return None
        self._agreed.add(said)
        return label, "epoch"

    def _hear(self, address: Hashable, event: object) -> None:
        lane, at_s = int(str(address)), self.ground.now_s
        match event:
            case Granted(fencing_token=token):
                self._enter(lane, token)
            case Lost(why=why):
                self._step_out(lane)
                self.tale.mark(at_s, lane, "has lost it", "wrong")
                self.say(f"P{lane} is inside no more", f"It was told so: {why}.", "bad")
            case EpochBegan(generation=generation, members=members) if generation > 1:
                self.tale.mark(at_s, lane, f"epoch {generation}", "epoch")
                self.on_epoch(lane)
                if generation > self._generation:
                    self._generation = generation
                    self._say_epoch(generation, members)
            case Blocked(why=why) if 2 * len(self.alive) <= len(self._members(lane)):
                self.tale.mark(at_s, lane, "blocked", "wrong")
                text = "Fewer than half of the processes are left: they may be the ones that were"
                text += f" cut off, so they enter no more. P{lane} says: {why}."
                self.say("No majority: nobody enters", text, "bad")

    def _members(self, lane: int) -> Sequence[int]:
        core = self.ground.world.node(lane).core
        return core.members if isinstance(core, EpochMutex) else self.lanes

    def _say_epoch(self, generation: int, members: Sequence[int]) -> None:
        gone = [lane for lane in self.lanes if lane not in members]
        text = (
            f"{self.names(members)}, a majority, have agreed on epoch {generation} without"
            f" {self.names(gone)}, after the leases of the silent had run out: who is cut off has"
            " left by then. Requests are made again in the new epoch."
        )
        self.say(f"The group goes on without {self.names(gone)}", text, "good")

    def _enter(self, lane: int, token: int) -> None:
        at_s = self.ground.now_s
        if lane in self.waiting:
            self.tale.end(at_s, self.waiting.pop(lane))
        self.entries += 1
        self.inside[lane] = self.tale.span(at_s, lane, "inside", "inside")
        self.tale.lane(at_s, lane, f"P{lane}", "inside")
        self.ground.world.after(round(self.hold_s * SECOND), partial(self._release, lane, token))
        self.on_entered(lane)

    def _release(self, lane: int, token: int) -> None:
        node = self.ground.world.node(lane)
        core: Any = node.core
        if lane in self.dead or core.state is not State.HELD or core.token != token:
            return
        self._step_out(lane)
        self.ground.world.call(lane, lambda core, now: core.release(now), "release")
        self.on_left(lane)

    def _step_out(self, lane: int) -> None:
        at_s = self.ground.now_s
        if lane in self.inside:
            self.tale.end(at_s, self.inside.pop(lane))
        self.tale.lane(at_s, lane, f"P{lane}", "up")

    # What can be clicked

    def do_ask(self, action: Action) -> None:
        lane, at_s = laned(action, self.lanes), self.ground.now_s
        if lane in self.dead:
            raise NotPossible(f"P{lane} is dead: ask at another")
        if self.state(lane) is not State.IDLE:
            where = "is inside" if self.state(lane) is State.HELD else "has asked already"
            raise NotPossible(f"P{lane} {where}")
        self.tale.lane(at_s, lane, f"P{lane}", "waiting")
        self.waiting[lane] = self.tale.span(at_s, lane, "wants in", "waiting")
        self.ground.world.call(lane, lambda core, now: core.acquire(now), "acquire")
        self.on_asked(lane)

    def do_kill(self, action: Action) -> None:
        lane, at_s = laned(action, self.lanes), self.ground.now_s
        if lane in self.dead:
            raise NotPossible(f"P{lane} is dead already")
        if len(self.alive) == 1:
            raise NotPossible("one process has to stay")
        self.dead.add(lane)
        self.ground.world.crash(lane)
        for spans in (self.inside, self.waiting):
            if lane in spans:
                self.tale.end(at_s, spans.pop(lane))
        self.tale.lane(at_s, lane, f"P{lane}", "down")
        self.tale.mark(at_s, lane, "killed", "killed")
        self.on_killed(lane)

    def do_hold(self, action: Action) -> None:
        self.hold_s = moved(action, self.control("hold"))
        self.options["hold"] = self.hold_s

    do_processes = do_group = Grounded.choose_anew
