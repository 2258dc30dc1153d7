"""Simulated PTP domains: drawn from a seed, run, and held against the truth.

A :class:`SimMaster` speaks as IEEE 1588 says a master does, over a wall clock that is wrong by no
more than it claims, and often by exactly that. Around it: paths that take their whole delay one
way, loss, heavy tails, transparent clocks that tell how long they held a message, another master
that lies in the same domain, forgers who do not have the master's address, and replays of what the
master did send. :func:`check` knows all clocks and judges; it imports nothing of the listener's
arithmetic.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random

from clocksync.measuring.master_row import master_row
from clocksync.measuring.result import HostResult, Verdict
from clocksync.measuring.settings import MeasureSettings
from clocksync.ptp.codec import PtpCodec, made
from clocksync.ptp.frames import (
    PTP_TIMESCALE,
    TWO_STEP,
    UNICAST,
    UTC_OFFSET_VALID,
    Announce,
    DelayReq,
    DelayResp,
    FollowUp,
    PtpHeader,
    Sync,
)
from clocksync.ptp.listener import ListenerSettings, PtpListener
from clocksync.runtime.core import (
    Arrival,
    Effects,
    Send,
    SetTimer,
    SilentCore,
    Stamp,
    StampSource,
)
from clocksync.runtime.simulation import (
    Constant,
    Exponential,
    Link,
    LogNormal,
    NodeOptions,
    Pareto,
    Uniform,
    World,
)
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND

CLIENT, MASTER, OTHER = (("10.0.0.2", 319), ("10.0.0.1", 319), ("10.0.0.9", 319))
STRANGER = ("10.0.0.66", 320)
GROUP = ("224.0.1.129", 319)
CLOCK, OTHER_CLOCK = 0x001122FFFE334455, 0x00AABBFFFECCDDEE
ACCURACIES = {0x21: 100, 0x23: MICROSECOND, 0x29: MILLISECOND, 0xFE: None}
RATE_PPM_MAX = 200.0
TAI_S = 37


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything about one run; ns and ppm, clocks relative to true time."""

    seed: int
    settings: ListenerSettings
    our_offset_ns: int
    our_rate_ppm: float
    accuracy: int
    their_offset_ns: int
    their_rate_ppm: float
    there: Link
    back: Link
    held_there_ns: int
    """How long transparent clocks say that they held a Sync; part of the link's delay."""
    held_back_ns: int
    two_step: bool
    is_tai: bool
    log_sync: int
    log_delay: int
    client: NodeOptions
    liar: bool
    forgeries: int
    replays: bool

    @property
    def is_calm(self) -> bool:
        """Whether nothing is lost, late, repeated or told imprecisely."""
        links = (self.there, self.back)
        return not self.replays and all(
            isinstance(link.delay, Constant) and not (link.loss or link.duplicate or link.reorder)
            for link in links
        )


@dataclass(slots=True)
class SimMaster(SilentCore):
    """A master: what it knows of time are the stamps it is told."""

    clock: int
    log_sync: int = 0
    log_delay: int = 0
    two_step: bool = True
    is_tai: bool = True
    accuracy: int = 0xFE
    held_there_ns: int = 0
    held_back_ns: int = 0
    read: Callable[[], int] = lambda: 0
    sequence: int = 65_530

    def start(self, now: int) -> Effects:
        return [*self.on_timer("announce", now), SetTimer("sync", 0)]

    def on_timer(self, timer: object, now: int) -> Effects:
        self.sequence = (self.sequence + 1) & 0xFFFF
        if timer == "announce":
            flags = PTP_TIMESCALE | UTC_OFFSET_VALID if self.is_tai else 0
            announce = self._made(
                Announce,
                flags=flags,
                utc_offset=TAI_S,
                clock_class=6,
                clock_accuracy=self.accuracy,
                grandmaster=self.clock,
            )
            return [Send(GROUP, announce), SetTimer("announce", SECOND)]
        if self.two_step:
            sync, tag = self._made(Sync, flags=TWO_STEP), self.sequence
        else:
            sync, tag = self._stamped(Sync, self.read(), self.held_there_ns), None
        return [Send(GROUP, sync, tag=tag), SetTimer("sync", round(2**self.log_sync * SECOND))]

    def on_sent(self, tag: object, stamp: Stamp, now: int) -> Effects:
        follow_up = self._stamped(FollowUp, stamp.time, self.held_there_ns, sequence=tag)
        return [Send(GROUP, follow_up)]

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        asked = arrival.frame
        if not isinstance(asked, DelayReq):
            return []
        answer = self._stamped(
            DelayResp,
            arrival.stamp.time,
            self.held_back_ns,
            sequence=asked.sequence,
            requesting_clock=asked.source_clock,
            requesting_port=asked.source_port,
            log_interval=self.log_delay,
        )
        return [Send(arrival.sender if asked.flags & UNICAST else GROUP, answer)]

    def _made(self, cls: type[PtpHeader], **values: int) -> PtpHeader:
        given = {"source_clock": self.clock, "source_port": 1, "sequence": self.sequence, **values}
        return made(cls, **given)

    def _stamped(self, cls, time_ns: int, held_ns: int, **values: int) -> PtpHeader:
        seconds, nanoseconds = divmod(time_ns + TAI_S * SECOND * self.is_tai, SECOND)
        values = {"correction": held_ns << 16, **values}
        return self._made(cls, seconds=seconds, nanoseconds=nanoseconds, **values)


class WatchedListener(PtpListener):
    """A listener beside which somebody with a view of all clocks takes notes."""

    def watch(self, world: World) -> None:
        self.world, self.truths = world, {}

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        ours, theirs = self.world.node(CLIENT), self.world.node(MASTER)
        ago_ns = ours.wall.read() - arrival.stamp.time
        then = self.world.now - round(ago_ns / (1 + ours.monotonic.rate_ppm / 1e6))
        shown = ours.wall.at(then)
        truth = (theirs.wall.at(then) - shown, self.world.epoch_ns + then - shown)
        self.truths.setdefault(arrival.stamp.time, truth)
        return super().on_frame(arrival, now)


def draw(seed: int) -> Scenario:
    """The scenario of a seed."""
    random = Random(f"ptp/{seed}")
    accuracy = random.choice(list(ACCURACIES))
    claim_ns = ACCURACIES[accuracy] or 0
    rates = [0.0, 0.0, RATE_PPM_MAX, -RATE_PPM_MAX, random.uniform(-1, 1) * RATE_PPM_MAX]
    their_rate = random.choice(rates) if accuracy == 0xFE else 0.0  # else it leaves its claim
    there, back, held_there, held_back = _paths(random)
    return Scenario(
        seed=seed,
        settings=ListenerSettings(
            samples=random.choice([1, 2, 4, 8]),
            interval_ns=random.choice([0, 0, 300 * MILLISECOND, 2 * SECOND]),
            timeout_ns=random.choice([100 * MILLISECOND, SECOND]),
            hybrid=random.random() < 0.5,
            precision_ns=1,
        ),
        our_offset_ns=random.choice([-1, 1]) * round(10 ** random.uniform(0, 12)),
        our_rate_ppm=random.choice(rates),
        accuracy=accuracy,
        their_offset_ns=random.choice([-claim_ns, claim_ns, random.randint(-claim_ns, claim_ns)]),
        their_rate_ppm=their_rate,
        there=there,
        back=back,
        held_there_ns=held_there,
        held_back_ns=held_back,
        two_step=random.random() < 0.7,
        is_tai=random.random() < 0.6,
        log_sync=random.choice([-3, -1, 0, 1]),
        log_delay=random.choice([-3, 0, 1]),
        client=NodeOptions(stamps=StampSource.USER)
        if random.random() < 0.3
        else NodeOptions(
            latency=random.choice([None, Uniform(0, 20 * MICROSECOND)]),
            stamp_twice=random.random() < 0.5,
        ),
        liar=random.random() < 0.4,
        forgeries=random.choice([0, 0, 5]),
        replays=random.random() < 0.2,
    )


def _paths(random: Random) -> tuple[Link, Link, int, int]:
    delay_ns = round(10 ** random.uniform(3, 7))
    held = random.choice([0, 0, delay_ns // 2]), random.choice([0, delay_ns // 2])
    there, back = random.choice(
        [
            (Constant(delay_ns), Constant(delay_ns)),
            (Constant(delay_ns), Constant(held[1])),
            (Constant(held[0]), Constant(delay_ns)),
            (Exponential(delay_ns, 30_000), Exponential(delay_ns, 30_000)),
            (LogNormal(2 * delay_ns, delay_ns), LogNormal(delay_ns, 2 * delay_ns)),
            (Pareto(delay_ns, delay_ns, 1.1), Pareto(delay_ns, delay_ns, 1.1)),
        ]
    )
    if isinstance(there, LogNormal):  # it has no least delay to have been held within
        held = (0, 0)
    links = Link(delay=there), Link(delay=back)
    if random.random() < 0.4:
        links = _troubled(random, links[0]), _troubled(random, links[1])
    return *links, *held


def _troubled(random: Random, link: Link) -> Link:
    return replace(
        link,
        loss=random.choice([0.0, random.uniform(0, 0.4)]),
        duplicate=random.choice([0.0, random.uniform(0, 0.3)]),
        reorder=random.choice([0.0, random.uniform(0, 0.3)]),
        reorder_by=Uniform(0, 300 * MILLISECOND),
    )


@dataclass(slots=True)
class Played:
    """A run that is over."""

    scenario: Scenario
    listener: WatchedListener
    row: HostResult
    true_ns: int | None
    """True time minus ours at the instant of the row; None where nothing was measured."""
    master_ns: int | None
    """The master's clock minus ours then."""
    settled: bool


def play(scenario: Scenario) -> Played:
    """Run a scenario to its end."""
    world = World(scenario.seed, codec=PtpCodec(), keep=40)
    hosts = frozenset({MASTER[0]})
    rng = Random(f"identity/{scenario.seed}")
    listener = WatchedListener("it", hosts, GROUP, scenario.settings, rng)
    listener.watch(world)
    world.add(
        CLIENT,
        listener,
        offset_ns=scenario.our_offset_ns,
        rate_ppm=scenario.our_rate_ppm,
        options=scenario.client,
    )
    _add_masters(world, scenario)
    world.group(GROUP, [CLIENT, MASTER, OTHER])
    world.link_both(MASTER, CLIENT, scenario.there, scenario.back)
    _interfere(world, scenario)
    settled = world.run_until(lambda: listener.finished, 200 * SECOND)
    last = listener.last_answer
    at_ns = world.node(CLIENT).wall.read() if last is None else last.time
    settings = MeasureSettings(precision_ns=1)
    row = master_row("it", 319, listener, at_ns, settings)
    master_ns, true_ns = listener.truths[last.time] if last is not None else (None, None)
    return Played(scenario, listener, row, true_ns, master_ns, settled)


def _add_masters(world: World, scenario: Scenario) -> None:
    spoken = {"log_sync": scenario.log_sync, "log_delay": scenario.log_delay}
    spoken |= {"two_step": scenario.two_step, "is_tai": scenario.is_tai}
    master = SimMaster(
        CLOCK,
        **spoken,
        accuracy=scenario.accuracy,
        held_there_ns=scenario.held_there_ns,
        held_back_ns=scenario.held_back_ns,
    )
    node = world.add(
        MASTER, master, offset_ns=scenario.their_offset_ns, rate_ppm=scenario.their_rate_ppm
    )
    master.read = node.wall.read
    # It hears Delay_Reqs to the group and answers them, as a confused master would.
    liar = SimMaster(OTHER_CLOCK, **spoken, accuracy=0x21)
    if scenario.liar:
        node = world.add(OTHER, liar, offset_ns=-SECOND)
        liar.read = node.wall.read
    else:
        world.add(OTHER, SilentCore())


def _interfere(world: World, scenario: Scenario) -> None:
    random = Random(f"forger/{scenario.seed}")
    for _ in range(scenario.forgeries):
        at_ns = random.randrange(10 * SECOND)
        sequence = random.choice([random.randrange(1 << 16), 65_531 + random.randrange(5)])
        lie = {"seconds": random.randrange(1 << 32), "source_clock": CLOCK, "source_port": 1}
        for cls in (Announce, Sync, FollowUp, DelayResp):
            message = made(cls, sequence=sequence & 0xFFFF, **lie)
            world.inject(CLIENT, STRANGER, message.encode(), at_ns)
        world.inject(CLIENT, MASTER, random.randbytes(random.randrange(90)), at_ns)
    if scenario.replays:

        def look(sender: object, to: object, data: bytes) -> bool:
            if to == CLIENT and sender == MASTER:
                for latest in (MILLISECOND, SECOND, 3 * SECOND):
                    late_ns = scenario.there.delay.draw(random) + random.randrange(latest)
                    world.inject(CLIENT, sender, data, late_ns)
            return False

        world.intercept(look)


# What must be so

Offences = Iterator[str]


def every_sample_holds(played: Played) -> Offences:
    """The master's clock lies within what each sample proves of it."""
    for sample in played.listener.samples:
        master_ns, _ = played.listener.truths[sample.t4]
        if master_ns not in sample.path:
            yield f"the master is {master_ns} away, not in {sample.path} of {sample}"


def the_row_holds(played: Played) -> Offences:
    """True time lies within the row's bound; that of a master that claims nothing bounds it."""
    interval = played.row.interval
    if interval is None:
        if played.listener.samples:
            yield f"samples, but no offset: {played.row.reason}"
        return
    claims = ACCURACIES[played.scenario.accuracy] is not None
    truth = played.true_ns if claims else played.master_ns
    if truth not in interval:
        yield f"the truth is {truth}, not in {interval}: {played.row}"


def no_answer_of_the_master_is_refused(played: Played) -> Offences:
    """It never says what is impossible; if it seems so, messages were mixed up."""
    if played.listener.unusable:
        yield f"{dict(played.listener.unusable)}"


def nothing_is_said_that_is_not_so(played: Played) -> Offences:
    """A bound that leaves the grandmaster out says so; a timescale that is not known too."""
    words = played.row.reason or ""
    if played.row.verdict is not Verdict.TRUECHIMER:
        return
    if ("how accurate" in words) != (ACCURACIES[played.scenario.accuracy] is None):
        yield f"of its accuracy: {words}"
    if ("arbitrary" in words) == played.scenario.is_tai:
        yield f"of its timescale: {words}"
    if played.row.reference_id != "001122.fffe.334455" or played.row.address != MASTER[0]:
        yield f"another master: {played.row}"


def no_bound_is_wider_than_the_path(played: Played) -> Offences:
    """On a path of constant delay the bound is half of what no transparent clock accounts for."""
    scenario, row = played.scenario, played.row
    if not scenario.is_calm or row.error_bound_ns is None or scenario.client.latency is not None:
        return
    if scenario.client.stamps is StampSource.USER:
        return
    open_ns = sum(link.delay.draw(Random(0)) for link in (scenario.there, scenario.back))
    open_ns -= scenario.held_there_ns + scenario.held_back_ns
    span_ns = max(link.delay.draw(Random(0)) for link in (scenario.there, scenario.back))
    allowed = open_ns / 2 + (ACCURACIES[scenario.accuracy] or 0)
    allowed += 2 * span_ns * 0.001 + 10 + abs(row.offset_ns - (played.master_ns or 0))
    if row.error_bound_ns > allowed:
        yield f"a bound of {row.error_bound_ns} where {allowed} would do"


def a_symmetric_path_gives_the_offset_itself(played: Played) -> Offences:
    scenario, row = played.scenario, played.row
    is_even = scenario.there == scenario.back and scenario.held_there_ns == scenario.held_back_ns
    steady = not (scenario.our_rate_ppm or scenario.their_rate_ppm)
    exact = scenario.client.stamps is StampSource.KERNEL and scenario.client.latency is None
    if not (scenario.is_calm and is_even and steady and exact) or row.offset_ns is None:
        return
    if abs(row.offset_ns - (played.master_ns or 0)) > 2:
        yield f"{row.offset_ns}, not {played.master_ns}"


def it_ends_with_what_a_calm_path_gives(played: Played) -> Offences:
    """Every listener settles; where nothing is lost every request is answered."""
    if not played.settled:
        yield "it never settled"
    if played.scenario.is_calm and played.row.answered != played.scenario.settings.samples:
        yield f"{played.row.answered} answers on a calm path: {played.row.reason}"


PROPERTIES: tuple[Callable[[Played], Offences], ...] = (
    every_sample_holds,
    the_row_holds,
    no_answer_of_the_master_is_refused,
    nothing_is_said_that_is_not_so,
    no_bound_is_wider_than_the_path,
    a_symmetric_path_gives_the_offset_itself,
    it_ends_with_what_a_calm_path_gives,
)


class Violated(AssertionError):
    """A run in which the property `by` did not hold."""

    def __init__(self, by: str, offence: str, played: Played) -> None:
        super().__init__(f"{by}: {offence}\n{played.scenario}")
        self.by = by


def check(seed: int) -> Counter[str]:
    """Play a seed and hold it against every property; what there was to check.

    Raises:
        Violated: a property did not hold.
    """
    played = play(draw(seed))
    for holds in PROPERTIES:
        for offence in holds(played):
            raise Violated(holds.__name__, offence, played)
    return Counter(
        runs=1,
        samples=len(played.listener.samples),
        rows=played.row.interval is not None,
        silent=played.row.verdict is Verdict.UNREACHABLE,
        calm=played.scenario.is_calm,
        strangers=played.listener.strangers > 0,
    )
