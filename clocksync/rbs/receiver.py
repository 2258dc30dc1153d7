"""The receiver of reference broadcasts: hears, tells, asks, and knows how far all clocks are apart.

What it promises: for every pair of receivers of which it knows anything, an offset with an interval
that holds the truth, if clocks drift apart by no more than it was told to allow for and the two
(and, of two that do not hear each other, those between them) are honest. It ends when it has heard
as many broadcasts as it was asked for and had a bounded time to exchange what is left to exchange;
nobody else is needed for its end.

How: :mod:`~clocksync.rbs.hearing` keeps the stamps, :mod:`~clocksync.rbs.contact` deals with one
other receiver, :mod:`~clocksync.rbs.web` makes pairs of all that; this module has the timers, and
says what is sent. Its traffic is bounded, however many broadcasts and others there are: so many
reports and bursts of probes a second, to one of the others after the other.

Source: Elson, Girod, Estrin, "Fine-Grained Network Time Synchronization using Reference
Broadcasts", OSDI 2002. Beyond it: the bound, and the bias of switches.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from enum import Enum

from clocksync.ntp.sample import MAX_DRIFT_PPM
from clocksync.peers.frames import Echo, Probe
from clocksync.peers.sealed import EVERYBODY
from clocksync.peers.twoway import Answerer, EchoLeft, ProbeLeft
from clocksync.rbs.contact import Contact, is_for, probe_number
from clocksync.rbs.fit import precision_by_count
from clocksync.rbs.frames import Broadcast, Relations, Report
from clocksync.rbs.hearing import BeaconName, Heard, Untold, unpacked
from clocksync.rbs.relation import Relation
from clocksync.rbs.web import Web
from clocksync.runtime.core import (
    Arrival,
    CancelTimer,
    Effects,
    Notify,
    Send,
    SetTimer,
    SilentCore,
    Stamp,
)
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.interval import Interval
from clocksync.runtime.units import MILLISECOND, SECOND
from clocksync.runtime.wire import Frame

FRAMES = (Broadcast, Report, Relations, Probe, Echo)
CONTACTS_MAX = 64
FRESH_MAX = 64
"""Stamps that nobody was told that make a report due before its time."""
REPORTS_APART_NS = 10 * MILLISECOND
"""A report never follows another sooner."""
LINGER_NS_MIN = SECOND
"""So long it stays for the others, who may have begun a little later, or miss a report."""
BURSTS_WANTED = 5
"""Two-way bursts with another before a receiver is content to end."""


class Ended(Enum):
    """Why a receiver ended."""

    HEARD = "it heard as many broadcasts as it was asked for"
    TIME = "its time was up"
    FELL_SILENT = "the beacon fell silent"
    SILENCE = "no beacon was heard"
    TOLD = "it was told to"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverSettings:
    """How a receiver goes about it.

    Raises:
        BadConfig: one of them cannot be, or two contradict each other.
    """

    broadcasts: int | None = 30
    """M: it ends when it has heard so many, and offsets are means of the latest M that both heard.
    None: it goes on, and offsets are of the latest 512."""
    duration_ns: int | None = None
    """It ends after this time, whatever it heard by then."""
    silence_ns: int = 5 * SECOND
    """It ends when no broadcast was heard for so long."""
    linger_ns: int = 2 * SECOND
    """How long at most it exchanges last reports."""
    two_way: bool = True
    """Whether it probes others: for the bound, and for the bias of switches."""
    arrival_spread_ns: int | None = None
    """Without probes: within which time a broadcast is assumed to reach everybody."""
    max_drift_ppm: float = MAX_DRIFT_PPM
    """How far apart the rates of two clocks are assumed to be at the most."""
    precision_ns: int = 1
    """What a clock's readings differ by, two clocks together."""
    report_ns: int = 100 * MILLISECOND
    probe_ns: int = 40 * MILLISECOND
    """From one burst of probes to the next, to another of the others."""
    relate_ns: int = 200 * MILLISECOND

    def __post_init__(self) -> None:
        if self.broadcasts is not None and not 1 <= self.broadcasts <= 1_000_000:
            raise BadConfig(f"--broadcasts {self.broadcasts}: 1 to 1000000")
        for option, value in (("--duration", self.duration_ns), ("--timeout", self.silence_ns)):
            if value is not None and value <= 0:
                raise BadConfig(f"{option}: a time more than 0")
        if self.two_way and self.arrival_spread_ns is not None:
            raise BadConfig(
                "--arrival-spread is what to assume where nothing is measured: add --no-two-way"
            )
        if not self.two_way and not self.arrival_spread_ns:
            raise BadConfig(
                "--no-two-way leaves no bound: say within which time a broadcast reaches everybody"
                " (--arrival-spread 50us)"
            )
        if self.arrival_spread_ns is not None and self.arrival_spread_ns < 0:
            raise BadConfig("--arrival-spread: a time more than 0")
        if not 0 < self.max_drift_ppm < 1_000_000:  # nor is it where it is not a number
            raise BadConfig(f"--max-drift {self.max_drift_ppm:g}: more than 0 ppm, below 1000000")

    @property
    def window(self) -> int:
        """How many broadcasts an offset rests on at the most."""
        return self.broadcasts or 512


class _Timer(Enum):
    REPORT = "report"
    PROBE = "probe"
    RELATE = "relate"
    SILENCE = "silence"
    TIME = "time is up"
    LINGER = "linger"


class _State(Enum):
    HEARING = "hearing"
    LINGERING = "exchanging last reports"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class BroadcastHeard:
    """A receiver heard one more."""

    count: int


@dataclass(slots=True)
class Receiver(SilentCore):
    """The core of a receiver.

    Args:
        me: its number.
        epoch: drawn anew whenever its clock may be another: 32 bits.
    """

    me: int
    epoch: int
    settings: ReceiverSettings = field(default_factory=ReceiverSettings)
    heard: Heard = field(default_factory=Heard)
    count: int = 0
    """Broadcasts heard."""
    contacts: dict[int, Contact] = field(default_factory=dict)
    beacons: dict[BeaconName, int] = field(default_factory=dict)
    """When each was heard last, by our monotonic clock."""
    namesakes: set[int] = field(default_factory=set)
    """Epochs of others that go by our number."""
    is_beacons_namesake: bool = False
    """Whether a beacon goes by our number, and so cannot be heard."""
    restarts: dict[int, int] = field(default_factory=dict)
    """How often each of the others came with another clock."""
    ended: Ended | None = None
    web: Web = field(init=False)
    _untold: Untold = field(default_factory=Untold)
    _answerer: Answerer = field(default_factory=Answerer)
    _state: _State = _State.HEARING
    _next: int = 0
    _reported_at: int = 0
    _heard_at: int = 0
    _lingers_since: int = 0
    _reading: tuple[int, int] = (0, 0)
    """A stamp of our clock, and the monotonic time of the step that brought it."""

    def __post_init__(self) -> None:
        self.web = Web(self.me, self.epoch, self.settings.max_drift_ppm)

    # Inputs

    def start(self, now: int) -> Effects:
        self._heard_at = now
        settings = self.settings
        effects: Effects = [
            SetTimer(_Timer.SILENCE, settings.silence_ns),
            SetTimer(_Timer.RELATE, settings.relate_ns),
        ]
        if settings.two_way:
            effects.append(SetTimer(_Timer.PROBE, settings.probe_ns))
        if settings.duration_ns is not None:
            effects.append(SetTimer(_Timer.TIME, settings.duration_ns))
        return [*effects, *self._report(now)]

    def on_frame(self, arrival: Arrival, now: int) -> Effects:
        sender, frame = arrival.sender, arrival.frame
        if self._state is _State.ENDED or not isinstance(sender, int):
            return []
        self._reading = (arrival.stamp.time, now)
        if sender == self.me:
            self._note_namesake(frame)
            return []
        match frame:
            case Broadcast():
                return self._on_broadcast(sender, frame, arrival.stamp, now)
            case Report():
                self._on_report(sender, frame)
            case Relations():
                self.web.hear(sender, frame)
            case Probe():
                if self.settings.two_way and is_for(frame, self.epoch):
                    return [self._answerer.on_probe(sender, frame, arrival.stamp)]
            case Echo():
                contact = self.contacts.get(sender)
                send = contact and contact.on_echo(frame, arrival.stamp)
                return [send] if send else []
        return []

    def on_sent(self, tag: Hashable, stamp: Stamp, now: int) -> Effects:
        if isinstance(tag, EchoLeft):
            self._answerer.on_sent(tag, stamp)
        elif isinstance(tag, ProbeLeft) and isinstance(tag.peer, int):
            contact = self.contacts.get(tag.peer)
            if contact is not None:
                contact.on_sent(tag, stamp)
        return []

    def on_timer(self, timer: Hashable, now: int) -> Effects:
        match timer:
            case _Timer.REPORT:
                return self._report(now)
            case _Timer.PROBE:
                return self._probe()
            case _Timer.RELATE:
                return self._relate(now)
            case _Timer.SILENCE:
                return self._on_silence(now)
            case _Timer.TIME:
                return self._linger(Ended.TIME, now)
            case _Timer.LINGER:
                return self._end(now)
        return []

    def finish(self, now: int) -> Effects:
        """End: exchange last reports first."""
        return self._linger(Ended.TOLD, now)

    # What it knows

    def relations(self) -> list[Relation]:
        """All pairs of which anything is known."""
        self._find()
        return self.web.pairs()

    def relation(self, a: int, b: int) -> Relation | None:
        """Clock b against clock a."""
        self._find()
        return self.web.relation(a, b)

    def convert(self, reading: int, a: int, b: int) -> Interval | None:
        """What b's clock shows when a's shows `reading`; None where nothing is known of the two."""
        if a == b:
            return Interval(reading, reading)
        relation = self.relation(a, b)
        if relation is None:
            return None
        return relation.interval_at(reading, self.settings.max_drift_ppm) + reading

    def reading_at(self, now: int) -> int:
        """About what our clock shows, from the latest stamp."""
        stamp, at = self._reading
        return stamp + now - at

    def precision(self, peer: int, counts: tuple[int, ...]) -> list[tuple[int, float, float, int]]:
        """How far means of M broadcasts with another lie from the mean of all, for each M:
        :func:`clocksync.rbs.fit.precision_by_count`, the skew taken out."""
        from clocksync.rbs.fit import fit

        points = self.contacts[peer].matched(self.heard)
        if not points:
            return []
        line = fit(points)
        return precision_by_count([offset - line.value(at) for at, offset in points], counts)

    # What it does

    def _note_namesake(self, frame: Frame) -> None:
        """What comes by our number is our own, come back; or of another that has the same."""
        if isinstance(frame, Report) and frame.epoch != self.epoch and len(self.namesakes) < 8:
            self.namesakes.add(frame.epoch)
        elif isinstance(frame, Broadcast):
            self.is_beacons_namesake = True

    def _on_broadcast(self, beacon: int, frame: Broadcast, stamp: Stamp, now: int) -> Effects:
        name = BeaconName(beacon, frame.series)
        if not self.heard.add(name, frame.number, stamp.time):
            return []
        self.count += 1
        self._heard_at = self.beacons[name] = now
        if len(self.beacons) > 64:
            del self.beacons[min(self.beacons, key=lambda each: self.beacons[each])]
        self._untold.add(name, frame.number, stamp.time)
        effects: Effects = [Notify(BroadcastHeard(self.count))]
        if self.count == self.settings.broadcasts and self._state is _State.HEARING:
            return [*effects, *self._linger(Ended.HEARD, now)]
        if self._untold.fresh >= FRESH_MAX and now - self._reported_at >= REPORTS_APART_NS:
            return [*effects, *self._report(now)]
        return effects

    def _on_report(self, sender: int, report: Report) -> None:
        contact = self.contacts.get(sender)
        if contact is None or contact.epoch != report.epoch:
            if contact is None and len(self.contacts) >= CONTACTS_MAX:
                return
            if contact is not None:
                self.restarts[sender] = self.restarts.get(sender, 0) + 1
            number = probe_number(report.epoch, self.me, self.epoch)
            contact = self.contacts[sender] = Contact(
                sender,
                report.epoch,
                number,
                self.settings.precision_ns,
                self.settings.max_drift_ppm,
            )
            self.web.meet(sender, report.epoch)
        name = BeaconName(report.beacon, report.series)
        for number, stamp in unpacked(report):
            contact.heard.add(name, number, stamp)

    def _report(self, now: int) -> Effects:
        self._reported_at = now
        is_last = self._state is not _State.HEARING
        every = self.settings.report_ns // 2 if is_last else self.settings.report_ns
        reports = self._untold.reports(self.epoch, whole=is_last)
        sends: Effects = [Send(EVERYBODY, report) for report in reports]
        return [*sends, SetTimer(_Timer.REPORT, every)]

    def _probe(self) -> Effects:
        """A burst to the next of the others."""
        every = self.settings.probe_ns
        if self._state is _State.LINGERING:
            every //= 4
        again: Effects = [SetTimer(_Timer.PROBE, every)]
        peers = sorted(self.contacts)
        if not peers:
            return again
        self._next = (self._next + 1) % len(peers)
        return [self.contacts[peers[self._next]].begin(), *again]

    def _relate(self, now: int) -> Effects:
        """Find how far the others are from us, and tell."""
        is_last = self._state is _State.LINGERING
        self._find()
        told = self.web.told(self.reading_at(now))
        sends: Effects = [Send(EVERYBODY, relations) for relations in told]
        if is_last and self._is_content() and now - self._lingers_since >= LINGER_NS_MIN:
            return [*sends, *self._end(now)]
        every = self.settings.relate_ns // 4 if is_last else self.settings.relate_ns
        return [*sends, SetTimer(_Timer.RELATE, every)]

    def _find(self) -> None:
        for peer, contact in self.contacts.items():
            found = contact.relation(
                self.me, self.heard, self.settings.window, self.settings.arrival_spread_ns
            )
            if found is None:
                self.web.own.pop(peer, None)
            else:
                self.web.own[peer] = found

    def _is_content(self) -> bool:
        """Whether nothing is missing of what those can give that we hear."""
        wanted = min(self.count, self.settings.window)
        own = self.web.own
        if not self.contacts or own.keys() != self.contacts.keys():
            return False
        for peer, contact in self.contacts.items():
            if own[peer].broadcasts + own[peer].rejected < wanted:
                return False
            if self.settings.two_way and len(contact.bursts) < BURSTS_WANTED:
                return False
            said = self.web.claims.get(peer, {})
            if any(other not in said for other in self.contacts if other != peer):
                return False
        return True

    def _on_silence(self, now: int) -> Effects:
        left = self._heard_at + self.settings.silence_ns - now
        if self._state is not _State.HEARING:
            return []
        if left > 0:
            return [SetTimer(_Timer.SILENCE, left)]
        if not self.count:
            self.ended = Ended.SILENCE
            return self._end(now)
        return self._linger(Ended.FELL_SILENT, now)

    def _linger(self, why: Ended, now: int) -> Effects:
        if self._state is not _State.HEARING:
            return []
        self._state, self.ended, self._lingers_since = _State.LINGERING, why, now
        effects: Effects = [
            SetTimer(_Timer.LINGER, self.settings.linger_ns),
            SetTimer(_Timer.RELATE, self.settings.relate_ns // 4),
        ]
        if self.settings.two_way:
            effects.append(SetTimer(_Timer.PROBE, 0))
        return [*self._report(now), *effects]

    def _end(self, now: int) -> Effects:
        self._state = _State.ENDED
        for contact in self.contacts.values():
            contact.conclude()
        self._find()
        assert self.ended is not None, "a receiver ends for a reason"
        return [*(CancelTimer(timer) for timer in _Timer), Notify(self.ended)]
