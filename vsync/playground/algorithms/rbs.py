"""Reference broadcasts: receivers compare when they heard the same broadcast, and so their clocks.

The beacon and the receivers are :class:`clocksync.rbs.beacon.Beacon` and
:class:`clocksync.rbs.receiver.Receiver`, in the toolkit's simulator. A datagram first waits at its
sender for a time that nobody knows; after that it reaches all receivers within a few milliseconds.
Beside the broadcasts receiver A measures the others by question and answer, with the four stamps
of :mod:`clocksync.peers.twoway`, over the same network. All is slowed down a thousand times: what
are milliseconds here are microseconds on a real network.

Elson, Girod, Estrin, "Fine-Grained Network Time Synchronization using Reference Broadcasts", OSDI
2002.
"""

from collections.abc import Hashable, Sequence
from random import Random
from typing import Any

from clocksync.peers.frames import Echo, Probe
from clocksync.peers.sealed import EVERYBODY
from clocksync.peers.twoway import Answerer, Asker, EchoLeft, ProbeLeft
from clocksync.rbs.beacon import Beacon
from clocksync.rbs.frames import Broadcast, Relations, Report
from clocksync.rbs.receiver import Receiver, ReceiverSettings
from clocksync.runtime.clocks import drift_allowance
from clocksync.runtime.core import Arrival, Core, Effects, SetTimer, SilentCore, Stamp
from clocksync.runtime.simulation import Boot, DeclaredFrames
from clocksync.runtime.units import MILLISECOND, SECOND
from clocksync.runtime.wire import Frame
from vsync.playground.algorithms.ground import Carrying, Ground, Grounded, Look, laned, moved
from vsync.playground.algorithms.rbs_scenes import SCENES
from vsync.playground.stage import Action, Control, Scene, Stage

BEACON, A, B, C = LANES = (1, 2, 3, 4)
NAMES = {BEACON: "beacon", A: "A", B: "B", C: "C"}
OFFSETS_MS = {BEACON: 0, A: 0, B: 40, C: -25}
RATES_PPM = {BEACON: 0.0, A: 0.0, B: 400.0, C: -250.0}
DRIFT_PPM = 1_000.0
SPREAD_MS = 6
"""A broadcast reaches all within this: what receivers are told to assume, and what holds."""
JITTER_MS = 3
LEAST_MS = 20
INTERVAL_NS = 500 * MILLISECOND
REPORT_NS = 1_500 * MILLISECOND
ASK_NS = 1_300 * MILLISECOND
LOOK_NS = 200 * MILLISECOND
ASK = "ask the next one"


class Station(SilentCore):
    """A receiver; the one that `asks` measures others by question and answer as well."""

    def __init__(self, receiver: Receiver, asks: tuple[int, ...]) -> None:
        self.receiver = receiver
        self.askers = {peer: Asker(peer, peer << 32) for peer in asks}
        self._answerer = Answerer()
        self._turn = 0

    def start(self, now: int) -> Effects:
        asking: Effects = [SetTimer(ASK, ASK_NS)] if self.askers else []
        return [*self.receiver.start(now), *asking]

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        match arrival.frame:
            case Probe() as probe:
                return [self._answerer.on_probe(arrival.sender, probe, arrival.stamp)]
            case Echo() as echo:
                asker = self.askers.get(int(str(arrival.sender)))
                if asker is not None:
                    asker.on_echo(echo, arrival.stamp)
                return []
        return self.receiver.on_frame(arrival, now)

    def on_sent(self, tag: Hashable, stamp: Stamp, now: int) -> Effects:
        if isinstance(tag, EchoLeft):
            self._answerer.on_sent(tag, stamp)
            return []
        if isinstance(tag, ProbeLeft):
            self.askers[int(str(tag.peer))].on_sent(tag, stamp)
            return []
        return self.receiver.on_sent(tag, stamp, now)

    def on_timer(self, timer: Hashable, now: int) -> Effects:
        if timer != ASK:
            return self.receiver.on_timer(timer, now)
        self._turn += 1
        asker = list(self.askers.values())[self._turn % len(self.askers)]
        return [asker.ask(), SetTimer(ASK, ASK_NS)]


class ReferenceBroadcasts(Grounded):
    """See the module."""

    name = "rbs"
    title = "Reference broadcasts"
    intro = (
        "Nobody knows how long a message waits at its sender. So reference broadcasts do not use"
        " the sender's time at all: a beacon sends numbers, the receivers note when each came by"
        " their own clocks, and tell each other. The wait at the sender is the same for all, and"
        " falls out of the difference. The mean of M differences is the offset, the slope of the"
        " line through them is the skew. All is slowed down a thousand times here."
    )
    pace = 0.4
    view_s = 3.0
    controls: Sequence[Control] = (
        Control(
            "m", "M", "slider", "an offset is the mean of the last M",
            low=1, high=30, step=1, value=10,
        ),
        Control(
            "wait", "sender waits", "slider", "anything up to this, for all that is sent",
            low=0, high=200, step=10, value=120, unit="ms",
        ),
        Control(
            "jitter", "arrives within", "slider", "receivers hear one broadcast at so different"
            " times", low=0, high=SPREAD_MS, step=0.5, value=JITTER_MS, unit="ms",
        ),
        *(
            Control(
                "rate", "skew", "slider", "the skew of this clock",
                low=-500, high=500, step=50, value=RATES_PPM[lane], lane=lane, unit="ppm",
            )
            for lane in (B, C)
        ),
        Control("beacon", "silence or wake the beacon", "button", "bounds grow while it is silent"),
    )  # fmt: skip
    scenes: Sequence[Scene] = SCENES

    def build(self) -> None:
        self.m = round(self.options.get("m", 10))
        self.wait_ms = float(self.options.get("wait", 120))
        self.jitter_ms = float(self.options.get("jitter", JITTER_MS))
        self.is_sending = True
        self._said: set[str] = set()
        self._waits: dict[tuple[int, Frame], int] = {}
        self._samples: dict[int, int] = {}
        self._latest: dict[tuple[int, str], tuple[float | None, ...]] = {}
        self._two_way: dict[int, list[float]] = {B: [], C: []}
        self._delays = Random(f"{self.seed}/delays of {self.name}")
        carrying = Carrying(DeclaredFrames(), self._delay, self._look)
        self.ground = Ground(self.tale, self.seed, carrying, begin_s=self.now_s)
        world = self.ground.world
        world.group(EVERYBODY, LANES)
        for lane in LANES:
            world.add(
                lane,
                self._program,
                offset_ns=OFFSETS_MS[lane] * MILLISECOND,
                rate_ppm=RATES_PPM[lane],
                # One after the other, so that their reports do not all cross.
                start_after_ns=max(0, lane - A) * 400 * MILLISECOND,
            )
            self.tale.lane(self.now_s, lane, NAMES[lane], "up", view_s=self.view_s)
        for lane in (B, C):
            for what in ("by broadcasts", "by asking", "skew"):
                unit = "ppm" if what == "skew" else "ms"
                name = f"{NAMES[lane]} − A, {what}"
                self.tale.reading(self.now_s, lane, name, None, None, unit, None)
        self.ground.run(self.now_s)
        self.ground.every(LOOK_NS, self._read)

    # The network

    def _program(self, boot: Boot) -> Core:
        lane = int(str(boot.address))
        if lane == BEACON:
            return Beacon(series=boot.random.getrandbits(60) | 1, interval_ns=INTERVAL_NS)
        settings = ReceiverSettings(
            broadcasts=None,
            silence_ns=10**9 * SECOND,
            two_way=False,
            arrival_spread_ns=SPREAD_MS * MILLISECOND,
            max_drift_ppm=DRIFT_PPM,
            report_ns=REPORT_NS,
            relate_ns=10**9 * SECOND,
        )
        receiver = Receiver(lane, epoch=lane, settings=settings)
        return Station(receiver, (B, C) if lane == A else ())

    def _delay(self, sender: int, to: int, frame: Frame) -> int:
        # The wait at the sender is one for all who are sent the same; the way from there is short.
        key = sender, frame
        if key not in self._waits:
            if len(self._waits) > 64:
                self._waits.clear()
            self._waits[key] = round(self._delays.uniform(0, self.wait_ms) * MILLISECOND)
        way = LEAST_MS + self._delays.uniform(0, self.jitter_ms)
        return self._waits[key] + round(way * MILLISECOND)

    def _look(self, sender: int, to: int, frame: Frame) -> Look:
        match frame:
            case Broadcast(number=number) if to != BEACON:
                return str(number), "broadcast"
            case Report(heard=heard) if to != BEACON and heard:
                return ("stamps" if to == (A if sender != A else B) else ""), "stamps"
            case Probe():
                return "time?", "probe"
            case Echo():
                return "", "probe"
            case Relations():
                return None
        return None

    # What is read

    def station(self, lane: int) -> Station:
        """A receiver's core."""
        core: Any = self.ground.world.node(lane).core
        assert isinstance(core, Station), "a receiver"
        return core

    def truth_ms(self, lane: int) -> float:
        """That clock minus A's, now."""
        world = self.ground.world
        return (world.node(lane).wall.read() - world.node(A).wall.read()) / MILLISECOND

    def _read(self) -> None:
        for lane in (B, C):
            self._read_broadcasts(lane)
            self._read_two_way(lane)

    def _read_broadcasts(self, lane: int) -> None:
        receiver = self.station(A).receiver
        contact, spread = receiver.contacts.get(lane), receiver.settings.arrival_spread_ns
        if contact is None:
            return
        relation = contact.relation(A, receiver.heard, self.m, spread)
        if relation is None:
            return
        reading, rate = self.ground.world.node(A).wall.read(), DRIFT_PPM
        now = relation.at(reading, rate)
        self._tell(lane, f"{NAMES[lane]} − A, by broadcasts", now.offset_ns, now.error_bound_ns)
        points = len(contact.matched(receiver.heard))
        if relation.skew_ppm is not None and points >= 12:
            truth = self._rate(lane) - self._rate(A)
            told = (round(relation.skew_ppm, 1), round(truth, 1))
            if self._is_new(lane, "skew", told):
                name = f"{NAMES[lane]} − A, skew"
                at_s = self.ground.now_s
                self.tale.reading(at_s, lane, name, told[0], None, "ppm", told[1])
        self._explain(lane, points)

    def _rate(self, lane: int) -> float:
        return self.ground.world.node(lane).monotonic.rate_ppm

    def _read_two_way(self, lane: int) -> None:
        samples = self.station(A).askers[lane].samples
        if not samples or samples[-1].t1 == self._samples.get(lane):
            return
        sample = samples[-1]
        self._samples[lane] = sample.t1
        age = self.ground.world.node(A).wall.read() - sample.t4
        path = sample.path_within(DRIFT_PPM).widened(drift_allowance(age, DRIFT_PPM))
        bound = max(path.latest - sample.offset_ns, sample.offset_ns - path.earliest)
        self._tell(lane, f"{NAMES[lane]} − A, by asking", sample.offset_ns, bound)
        self._two_way[lane].append(sample.offset_ns / MILLISECOND - self.truth_ms(lane))
        if lane == B and len(self._two_way[B]) == 3:
            worst = max(map(abs, self._two_way[B]))
            text = "Question and answer wait at their senders for as long as they like, and half"
            text += f" of the difference is the error: up to {worst:.0f} ms so far. The bound says"
            text += " so. Broadcasts do not have that wait in them at all."
            self.say("Asking: there and back over jittery senders", text)

    def _tell(self, lane: int, name: str, offset_ns: int, bound_ns: int) -> None:
        value, bound = offset_ns / MILLISECOND, bound_ns / MILLISECOND
        told = (round(value, 2), round(bound + 0.01, 2), round(self.truth_ms(lane), 2))
        if self._is_new(lane, name, told):
            self.tale.reading(self.ground.now_s, lane, name, told[0], told[1], "ms", told[2])

    def _is_new(self, lane: int, name: str, told: tuple[float | None, ...]) -> bool:
        is_new = self._latest.get((lane, name)) != told
        self._latest[lane, name] = told
        return is_new

    def _explain(self, lane: int, points: int) -> None:
        if lane != B:
            return
        off = abs((self._latest[B, "B − A, by broadcasts"][0] or 0) - self.truth_ms(B))
        if points >= 2 and self._once("first"):
            text = (
                "A and B have told each other when they heard the same numbers. Each number gives"
            )
            text += " one difference. How long it waited at the beacon is in both stamps, and falls"
            text += " out."
            self.say("The first differences", text)
        if points >= max(10, self.m) and self._once("mean"):
            text = f"The offset of B is the mean of the last {self.m} differences: it is"
            text += f" {off:.1f} ms from the truth, though the broadcasts waited up to"
            text += f" {self.wait_ms:.0f} ms. Its error falls with the root of M."
            self.say("The mean of M", text, "good")
        if points >= 40 and self._once("skew"):
            skew = self._latest.get((B, "skew"), (None,))[0] or 0.0
            text = (
                f"B's clock runs faster than A's by {skew:.0f} ppm: that is the slope of the line"
            )
            text += " through all differences. With it the offset is known between broadcasts, too."
            self.say("The slope is the skew", text, "good")

    def _once(self, what: str) -> bool:
        is_first = what not in self._said
        self._said.add(what)
        return is_first

    # What can be clicked

    def do_m(self, action: Action) -> None:
        self.m = round(moved(action, self.control("m")))
        self._read()
        off = [abs((self._latest.get((n, f"{NAMES[n]} − A, by broadcasts"), (None,))[0] or 0.0)
                   - self.truth_ms(n)) for n in (B, C)]  # fmt: skip
        text = (
            f"With a mean of {self.m}, B is {off[0]:.1f} ms from the truth now, and C {off[1]:.1f}"
        )
        text += " ms. The bound does not rest on M: it holds whatever M is."
        self.say(f"M = {self.m}", text)

    def do_wait(self, action: Action) -> None:
        self.wait_ms = moved(action, self.control("wait"))

    def do_jitter(self, action: Action) -> None:
        self.jitter_ms = moved(action, self.control("jitter"))

    def do_rate(self, action: Action) -> None:
        lane = laned(action, (B, C))
        rate = moved(action, self.control("rate", lane))
        self.ground.world.set_rate(lane, rate)
        self.tale.mark(self.ground.now_s, lane, f"{rate:+.0f} ppm from now on", "note")

    def do_beacon(self, action: Action) -> None:
        self.is_sending = not self.is_sending
        if self.is_sending:
            self.ground.world.resume(BEACON)
            self.say(
                "The beacon sends again", "Every number that both hear makes the bound narrower."
            )
        else:
            self.ground.world.pause(BEACON)
            text = "Nothing new is learned. The offset goes on by the skew, and the bound grows by"
            text += f" what clocks may drift apart: {DRIFT_PPM:.0f} ppm."
            self.say("The beacon is silent", text)
        state = "up" if self.is_sending else "down"
        self.tale.lane(self.ground.now_s, BEACON, NAMES[BEACON], state)


def make(seed: int | str, options: Action | None = None) -> Stage:
    """The stage; `options` are values of its sliders, by name."""
    return ReferenceBroadcasts(seed, options)
