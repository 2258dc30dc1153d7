"""The Berkeley algorithm: a daemon asks all for their difference, and tells each how to adjust.

The hosts are :class:`clocksync.berkeley.BerkeleyHost` in the toolkit's simulator, with one poll a
round so that one can follow it. In minutes, the textbook's scale, what is shown is each *settled*
clock: what it will show when it has slewed, which takes hours. In milliseconds it is the clock as
it slews.

Gusella and Zatti, "The accuracy of the clock synchronization achieved by TEMPO in Berkeley UNIX
4.3BSD", 1989.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from clocksync.berkeley import BerkeleyHost, BerkeleySettings, Role
from clocksync.berkeley.events import Elected, NoMajority, Obeyed, RoundDone, Row
from clocksync.berkeley.frames import Answer, Join, Order, Poll
from clocksync.berkeley.reign import Reign
from clocksync.runtime.core import Arrival, Core, Effects, Send
from clocksync.runtime.simulation import Boot, DeclaredFrames
from clocksync.runtime.units import MILLISECOND, SECOND
from clocksync.runtime.wire import Frame
from vsync.playground.algorithms.berkeley_scenes import MILLISECONDS, MINUTES, SCENES
from vsync.playground.algorithms.ground import (
    Carrying,
    Ground,
    Grounded,
    Look,
    laned,
    listed,
    moved,
)
from vsync.playground.stage import Action, Control, NotPossible, Scene, Stage

HOSTS_MAX = 5
OFFSETS = (0, 25, -10, 8, -4)
"""The textbook's, and two more."""
RATES_PPM = (0.0, 40.0, -35.0, 20.0, -15.0)
LIE = 90
THREE_O_CLOCK_NS = 3 * 3600 * SECOND
INTERVAL_NS = 80 * MILLISECOND
DELAY_NS = (4 * MILLISECOND, 9 * MILLISECOND)
LOOK_NS = 2 * MILLISECOND


@dataclass(frozen=True, slots=True)
class Unit:
    """The scale of the clocks."""

    ns: int
    name: str
    digits: int
    news_ns: int
    """Adjustments below this are what delays leave open."""

    def number(self, ns: float) -> str:
        """A difference, with its sign."""
        shown = f"{abs(ns / self.ns):.{self.digits}f}"
        sign = "" if float(shown) == 0 else "+" if ns > 0 else "−"
        return sign + shown

    def text(self, ns: float) -> str:
        """A difference with its unit."""
        return f"{self.number(ns)} {self.name}"


UNITS = {
    MINUTES: Unit(60 * SECOND, "min", 0, 30 * SECOND),
    MILLISECONDS: Unit(MILLISECOND, "ms", 1, 4 * MILLISECOND),
}


class Host(BerkeleyHost):
    """A host that can be made to lie: then it says what it wants, and follows no order."""

    lie_ns = 0

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        if self.lie_ns and isinstance(arrival.frame, Order):
            deaf = replace(arrival.frame, adjustment=0, rate=0)
            arrival = Arrival(deaf, arrival.sender, arrival.stamp)
        effects = super().on_frame(arrival, now)
        return [self._told(each) if isinstance(each, Send) else each for each in effects]

    def _told(self, send: Send) -> Send:
        answer = send.frame
        if self.lie_ns and isinstance(answer, Answer) and send.tag is not None:
            return replace(send, frame=replace(answer, difference=answer.difference + self.lie_ns))
        return send


class Berkeley(Grounded):
    """See the module."""

    name = "berkeley"
    title = "The Berkeley algorithm"
    intro = (
        "No clock here is right: the hosts only want to agree. A daemon asks all how far they are"
        " from its own clock, takes the average, and tells each, itself too, by how much to adjust."
        " Clocks are never set back, they run a little faster or slower for a while. Each host has"
        " a bound: how far it is at the most from the group's time, the tick in the picture. In"
        " minutes you see where each clock will have got to, because slewing minutes takes hours;"
        " in milliseconds you see it slew."
    )
    pace = 0.012
    view_s = 0.1
    controls: Sequence[Control] = (
        Control("lie", "lie, or stop", "lane", f"it says {LIE} too much, and obeys nobody"),
        Control("kill", "kill", "lane", "its program dies; its clock ticks on"),
        Control("revive", "start again", "lane", "its program starts, and asks to be let in"),
        *(
            Control(
                "offset", "clock", "slider", "sets this clock: minutes, or milliseconds",
                low=-30, high=30, step=1, value=OFFSETS[lane - 1], lane=lane,
            )
            for lane in range(1, HOSTS_MAX + 1)
        ),
        Control("hosts", "hosts", "choice", "begins anew", options=("3", "4", "5")),
        Control(
            "scale", "scale", "choice", "begins anew", options=(MINUTES, MILLISECONDS)
        ),
    )  # fmt: skip
    scenes: Sequence[Scene] = SCENES

    def build(self) -> None:
        self.unit = UNITS[str(self.options.get("scale", MINUTES))]
        self.lanes = tuple(range(1, int(self.options.get("hosts", 3)) + 1))
        self.dead: set[int] = set()
        self.liars: set[int] = set()
        self._set: dict[int, int] = {}  # clocks that were set: orders until their bound is right
        self._reigns: dict[Reign, Host] = {}
        self._orders: set[int] = set()
        self._latest: dict[int, tuple[float | None, ...]] = {}
        self._excluded: list[int] = []
        self._said_close = False
        self._delays = Random(f"{self.seed}/delays of {self.name}")
        carrying = Carrying(DeclaredFrames(), self._delay, self._look)
        self.ground = Ground(
            self.tale, self.seed, carrying, begin_s=self.now_s, epoch_ns=THREE_O_CLOCK_NS
        )
        for lane in self.lanes:
            self.ground.world.add(
                lane,
                self._program,
                application=self._hear,
                offset_ns=OFFSETS[lane - 1] * self.unit.ns,
                rate_ppm=RATES_PPM[lane - 1],
            )
        self.ground.run(self.now_s)
        self.ground.every(LOOK_NS, self._read)

    # The hosts

    def _program(self, boot: Boot) -> Core:
        lane = int(str(boot.address))
        is_first = boot.incarnation == 1 and lane == 1
        contact = None if is_first else 1
        if boot.incarnation > 1:
            others = [n for n in self._alive() if n != lane]
            contact = self._daemon() or others[0]
        settings = BerkeleySettings(
            id=lane,
            contact=contact,
            interval_ns=INTERVAL_NS,
            polls=1,
            members=len(self.lanes) - 1 if is_first else 1,
            gather_ns=10 * MILLISECOND,
            max_slew_ppm=100_000,
            patience_ns=0,
        )
        return Host(settings, boot=lane | boot.incarnation << 8)

    def core(self, lane: int) -> Host:
        """A host's core."""
        core: Any = self.ground.world.node(lane).core
        assert isinstance(core, Host), "only hosts were added"
        return core

    def _alive(self) -> list[int]:
        return [lane for lane in self.lanes if lane not in self.dead]

    def _daemon(self) -> int | None:
        """Who is the daemon; of two the one whose reign counts."""
        daemons = [n for n in self._alive() if self.ground.is_up(n)]
        daemons = [n for n in daemons if self.core(n).role is Role.DAEMON]
        return max(daemons, key=lambda n: (self.core(n).me.reign.term, -n), default=None)

    def _delay(self, sender: int, to: int, frame: Frame) -> int:
        return self._delays.randrange(*DELAY_NS)

    def _look(self, sender: int, to: int, frame: Frame) -> Look:
        match frame:
            case Join(leaving=leaving):
                return ("bye" if leaving else "may I join?"), "join"
            case Poll(time=time):
                clock = self._clock(time) if self.unit.ns > SECOND else "how far"
                return f"{clock}?", "request"
            case Order(adjustment=adjustment, number=number):
                self._orders.add(number)
                return self.unit.text(adjustment), "order"
            case Answer(number=number) if number in self._orders:
                return "done", "ack"
            case Answer(daemon=daemon) if daemon != to:
                return f"I follow {daemon}", "join"
            case Answer(difference=difference):
                return self.unit.text(difference), "reply"
        return None

    def _clock(self, time_ns: int) -> str:
        """A clock's reading, as people read it."""
        if self.unit.ns < SECOND:
            ns = time_ns - self.ground.world.true_wall_time
            return self.unit.text(ns)
        minutes = round(time_ns / (60 * SECOND))
        return f"{minutes // 60 % 24}:{minutes % 60:02d}"

    # What is read

    def _tell_lane(self, lane: int) -> None:
        name, state = f"host {lane}", "up"
        if lane in self.dead:
            state = "down"
        elif lane in self.liars:
            name += " lies"
        elif self._daemon() == lane:
            name += " · daemon"
        self.tale.lane(self.ground.now_s, lane, name, state, view_s=self.view_s)

    def _read(self) -> None:
        for lane in self.lanes:
            node = self.ground.world.node(lane)
            if self.core(lane).role is Role.DAEMON and lane not in self.dead:
                self._reigns[self.core(lane).me.reign] = self.core(lane)
            self._tell_lane(lane)
            if lane in self.dead:
                continue
            told = self._reading(lane, node.wall.read())
            if told != self._latest.get(lane):
                self._latest[lane] = told
                value, bound, truth, shown = *told[:3], self.core(lane).read(node.wall.read())
                if self.unit.ns > SECOND:
                    shown = self.core(lane).me.clock.settled(node.wall.read())
                self.tale.reading(
                    self.ground.now_s,
                    lane,
                    f"host {lane}",
                    value,
                    bound,
                    self.unit.name,
                    truth,
                    self._clock(shown),
                )

    def _reading(self, lane: int, wall: int) -> tuple[float | None, ...]:
        """A clock, its bound and the group's time, in the unit; rounded, so that the same is not
        told again and again."""
        core, right, unit = self.core(lane), self.ground.world.true_wall_time, self.unit.ns
        status = core.status(wall)
        is_settled = unit > SECOND
        shown = core.me.clock.settled(wall) if is_settled else core.read(wall)
        bound = status.drifted if is_settled else status.bound
        if self._is_wrong(lane):
            bound = None
        truth = self._group_time(status.group)
        value = (shown - right) / unit
        places = 6 if is_settled else 3
        return (
            round(value, places),
            # Upwards: it has to hold for what is told, too.
            round(bound / unit + 2 * 10**-places, places) if bound else bound,
            None if truth is None else round((truth - right) / unit, places),
        )

    def _is_wrong(self, lane: int) -> bool:
        """Whether what a host says of its bound means nothing: it lies, or its clock was set."""
        return lane in self._set or lane in self.liars

    def _group_time(self, reign: Reign) -> int | None:
        daemon = self._reigns.get(reign)
        if daemon is None or self._is_wrong(reign.daemon):
            return None
        wall = self.ground.world.node(reign.daemon).wall.read()
        return daemon.me.clock.settled(wall)

    # What is told

    def _hear(self, address: Hashable, event: object) -> None:
        lane, at_s = int(str(address)), self.ground.now_s
        match event:
            case RoundDone():
                self._obeyed(lane)
                self._say_round(lane, event)
            case Obeyed():
                self._obeyed(lane)
            case NoMajority(clocks=clocks):
                text = f"Of {clocks} clocks no majority lie close together. No side is taken."
                self.say("No majority: nobody is told to adjust", text, "bad")
            case Elected(term=term):
                self._said_close = False
                self.tale.mark(at_s, lane, f"daemon, term {term}", "epoch")
                text = "Three rounds without a poll, so the lowest that is left goes on: host"
                text += f" {lane}, in term {term}. All clocks are as they were, and so are bounds."
                self.say(f"Host {lane} is the daemon now", text, "good")

    def _obeyed(self, lane: int) -> None:
        # An order that was under way when a clock was set is of before: the second one counts.
        if lane in self._set:
            self._set[lane] -= 1
            if not self._set[lane]:
                del self._set[lane]

    def _say_round(self, daemon: int, done: RoundDone) -> None:
        unit, rows = self.unit, [row for row in done.rows if row.difference is not None]
        excluded = [row.id for row in rows if row.excluded]
        moved_by = max((abs(row.adjustment) for row in rows if not row.excluded), default=0)
        is_news = moved_by > unit.news_ns or excluded != self._excluded
        self._excluded = excluded
        if len(rows) < 2 or (not is_news and self._said_close):
            return
        self._said_close = not is_news
        if not is_news:
            bounds = [row.bound for row in rows if row.bound]
            text = f"What they are told to adjust now, {moved_by / MILLISECOND:.1f} ms at the most,"
            text += " is what the delays of messages leave open: nobody knows how long a poll took"
            text += " and how long its answer. Bounds are"
            text += f" {max(bounds, default=0) / MILLISECOND:.1f} ms."
            self.say("They agree", text, "good")
            return
        for row in rows:
            if row.excluded:
                self.tale.mark(self.ground.now_s, row.id, "left out", "wrong")
        self.say(*self._summary(daemon, done.average, rows))

    def _summary(self, daemon: int, average: int, rows: list[Row]) -> tuple[str, str, str | None]:
        unit = self.unit
        included = [row for row in rows if not row.excluded]
        differences = listed([unit.number(row.difference or 0) for row in included])
        told = listed([f"host {row.id} {unit.number(row.adjustment)}" for row in included])
        title = f"The average is {unit.text(average)}"
        text = f"From host {daemon}'s clock the differences are {differences}, and their average is"
        text += f" {unit.text(average)}. So it tells {told}."
        excluded = [row for row in rows if row.excluded]
        if not excluded:
            return title, text, None
        names = listed([f"host {row.id}" for row in excluded])
        far = listed([unit.text(row.difference or 0) for row in excluded])
        lead = f"It is {far} away, too far from a majority that lie close together. Who lies cannot"
        return (
            f"{names[0].upper()}{names[1:]} is left out",
            f"{lead} pull the rest along. {text}",
            None,
        )

    # What can be clicked

    def do_offset(self, action: Action) -> None:
        lane = laned(action, self.lanes)
        wanted = moved(action, self.control("offset", lane)) * self.unit.ns
        node = self.ground.world.node(lane)
        now = self.core(lane).me.clock.settled(node.wall.read())
        by = self.ground.world.true_wall_time + round(wanted) - now
        self.ground.world.step_wall(lane, by)
        for each in self.lanes if self._daemon() == lane else (lane,):
            self._set[each] = 2
        self._said_close = False
        self.tale.mark(self.ground.now_s, lane, f"set by {self.unit.text(by)}", "note")
        text = "Somebody set it. Its bound says nothing until the daemon has measured it again."
        self.say(f"Host {lane}'s clock jumps by {self.unit.text(by)}", text)

    def do_lie(self, action: Action) -> None:
        lane = laned(action, self.lanes)
        self._refuse_dead(lane)
        is_liar = lane in self.liars
        (self.liars.discard if is_liar else self.liars.add)(lane)
        self.core(lane).lie_ns = 0 if is_liar else LIE * self.unit.ns
        if is_liar:
            self._set[lane] = 2
        self._said_close = False
        title = f"Host {lane} {'is honest again' if is_liar else 'begins to lie'}"
        text = f"It says that its clock is {self.unit.text(LIE * self.unit.ns)} from where it is."
        self.say(title, "Its next answers are true." if is_liar else text)
        self._tell_lane(lane)

    def do_kill(self, action: Action) -> None:
        lane = laned(action, self.lanes)
        self._refuse_dead(lane)
        if len(self._alive()) == 1:
            raise NotPossible("one host has to stay")
        was_daemon = self._daemon() == lane
        self.dead.add(lane)
        self.liars.discard(lane)
        self.ground.world.crash(lane)
        self.tale.mark(self.ground.now_s, lane, "killed", "killed")
        self._latest.pop(lane, None)
        self.tale.reading(
            self.ground.now_s, lane, f"host {lane}", None, None, self.unit.name, None, "gone"
        )
        text = "After three rounds without an answer it is no longer waited for."
        if was_daemon:
            text = (
                "Nobody is told. The others notice that no poll comes, for three rounds; then the"
            )
            text += " lowest that is left becomes the daemon."
        self.say(f"Host {lane} is dead", text)
        self._tell_lane(lane)

    def do_revive(self, action: Action) -> None:
        lane = laned(action, self.lanes)
        if lane not in self.dead:
            raise NotPossible(f"host {lane} runs")
        self.ground.world.restart(lane)
        self.dead.discard(lane)
        self._said_close = False
        self.say(f"Host {lane} starts again", "It knows nothing, and asks to be let in.")
        self._tell_lane(lane)

    def _refuse_dead(self, lane: int) -> None:
        if lane in self.dead:
            raise NotPossible(f"host {lane} is dead: start it again first")

    do_hosts = do_scale = Grounded.choose_anew


def make(seed: int | str, options: Action | None = None) -> Stage:
    """The stage; `options` are values of its choices, by name."""
    return Berkeley(seed, options)
