"""Conversations with the watch: when it asks, when it reports, what it makes of answers."""

import random
from dataclasses import replace

import pytest

from clocksync.measuring.result import Verdict
from clocksync.measuring.settings import HostSpec
from clocksync.ntp import timestamps
from clocksync.ntp.packet import NtpPacket
from clocksync.runtime.core import Arrival, Notify, Send, SetTimer, Stamp, StampSource
from clocksync.runtime.units import MILLISECOND, SECOND
from clocksync.watching.alarms import LOCAL, Kind
from clocksync.watching.core import NEXT, ROUND, TIMEOUT, Lost, Report, Watch
from clocksync.watching.feed import BACKOFF_MAX, DENIED_ROUNDS
from clocksync.watching.rows import Target
from clocksync.watching.settings import WatchSettings
from clocksync.watching.ties import Tie

WALL = 1_790_000_000 * SECOND
DELAY = 20_000


class Talk:
    """A watch, the clocks of its machine, and whoever answers."""

    def __init__(self, hosts: int = 1, **settings) -> None:
        self.now, self.stepped_ns, self.slept_ns = 1_000 * SECOND, 0, 0
        targets = [Target(f"h{n}", HostSpec(f"h{n}", f"h{n}", 123)) for n in range(hosts)]
        given = {"interval_ns": 2 * SECOND, "burst": 1, **settings}
        self.watch = Watch(targets, WatchSettings(**given), random.Random(1), self.tie)
        self.reports: list[Report] = []
        self.lost: list[int] = []
        self.sent: list[Send] = []
        self.timers: dict = {}

    def tie(self) -> Tie:
        return Tie(self.wall, self.now, 0, self.slept_ns)

    @property
    def wall(self) -> int:
        return WALL + self.now + self.stepped_ns

    def do(self, effects) -> None:
        for effect in effects:
            match effect:
                case Send():
                    self.sent.append(effect)
                    stamp = Stamp(self.wall, StampSource.KERNEL)
                    self.do(self.watch.on_sent(effect.tag, stamp, self.now))
                case SetTimer():
                    self.timers[effect.timer] = self.now + effect.after
                case Notify(event=Report() as report):
                    self.reports.append(report)
                case Notify(event=Lost() as lost):
                    self.lost.append(lost.host)

    def begin(self) -> "Talk":
        for number in range(len(self.watch.targets)):
            self.do(self.watch.resolved(number, [address(number)], self.now))
        self.do(self.watch.start(self.now))
        return self

    def run(self, timer) -> None:
        """Let the time come for a timer."""
        self.now = self.timers.pop(timer)
        self.do(self.watch.on_timer(timer, self.now))

    def answer(self, send: Send, offset_ns: int = 0, **lies) -> None:
        self.now += DELAY
        request = send.frame
        assert isinstance(request, NtpPacket)
        true = WALL + self.now
        there = timestamps.from_unix_ns(true - DELAY // 2 + offset_ns)
        packet = NtpPacket(
            version=4, mode=4, stratum=2, precision=-29, reference_id=0x7F000001,
            origin_timestamp=request.transmit_timestamp,
            receive_timestamp=there, transmit_timestamp=there,
        )  # fmt: skip
        arrival = Arrival(replace(packet, **lies), send.to, Stamp(self.wall, StampSource.KERNEL))
        self.do(self.watch.on_frame(arrival, self.now))

    def rounds(self, count: int, offset_ns: int = 0) -> None:
        for _ in range(count):
            self.run(ROUND)
            self.answer(self.sent[-1], offset_ns)

    def causes(self, number: int = -1):
        return [
            (c.alarm.cause.host, c.alarm.cause.kind, c.raised) for c in self.reports[number].changes
        ]


def address(number: int) -> tuple[str, int]:
    return f"10.0.0.{number + 1}", 123


def test_each_round_asks_every_host_a_little_apart_and_reports_when_all_have_answered() -> None:
    talk = Talk(3).begin()
    assert [send.to for send in talk.sent] == [address(0)]
    talk.run(NEXT)
    talk.run(NEXT)
    assert [send.to for send in talk.sent] == [address(0), address(1), address(2)]
    talk.answer(talk.sent[0])
    talk.answer(talk.sent[1])
    assert talk.reports == []
    talk.answer(talk.sent[2])
    (report,) = talk.reports
    assert [row.result.verdict for row in report.rows] == [Verdict.TRUECHIMER] * 3
    assert report.combined is not None
    assert 0 in report.combined.interval


def test_a_burst_asks_again_once_the_answer_is_there() -> None:
    talk = Talk(burst=3).begin()
    for n in range(3):
        assert len(talk.sent) == n + 1
        talk.answer(talk.sent[-1])
    assert len(talk.sent) == 3
    assert len(talk.reports) == 1


def test_who_does_not_answer_is_waited_for_until_the_time_out() -> None:
    talk = Talk(2).begin()
    talk.run(NEXT)
    talk.answer(talk.sent[0])
    talk.run(TIMEOUT)  # of the first request: the second was sent a little later
    if not talk.reports:
        talk.run(TIMEOUT)
    (report,) = talk.reports
    assert report.rows[0].result.verdict is Verdict.TRUECHIMER
    assert report.rows[1].missed == 1


def test_rounds_keep_their_pace_and_missed_ones_stay_missed() -> None:
    talk = Talk().begin()
    began = talk.now
    talk.answer(talk.sent[-1])
    talk.now += 5 * MILLISECOND  # late
    talk.timers[ROUND] = talk.now + 2 * SECOND
    talk.run(ROUND)
    assert (talk.timers[ROUND] - began) % (2 * SECOND) == 0
    talk.now += 60 * SECOND  # the process slept
    talk.do(talk.watch.on_timer(ROUND, talk.now))
    assert talk.timers[ROUND] == talk.now + 2 * SECOND


def test_silence_is_an_alarm_and_ends_when_answers_come_back() -> None:
    talk = Talk().begin()
    talk.answer(talk.sent[-1])
    for _ in range(4):
        talk.run(ROUND)
        talk.run(TIMEOUT)
    assert [talk.causes(n) for n in (1, 2, 3)] == [[], [], [("h0", Kind.SILENCE, True)]]
    bounds = [report.rows[0].result.error_bound_ns or 0 for report in talk.reports]
    assert bounds == sorted(bounds)
    assert bounds[-1] > bounds[0] + 3 * MILLISECOND
    talk.rounds(3)
    assert talk.causes() == [("h0", Kind.SILENCE, False)]


def test_another_address_is_tried_and_the_name_looked_up_again() -> None:
    talk = Talk()
    talk.do(talk.watch.resolved(0, [address(0), address(1)], talk.now))
    talk.do(talk.watch.start(talk.now))
    for _ in range(2):
        talk.run(TIMEOUT)
        talk.run(ROUND)
    assert [send.to for send in talk.sent] == [address(0), address(0), address(1)]
    assert talk.lost == [0]
    talk.answer(talk.sent[-1])
    assert talk.reports[-1].rows[0].result.address == address(1)[0]
    # The same addresses again change nothing for one that answers.
    talk.do(talk.watch.resolved(0, [address(0), address(1)], talk.now))
    assert talk.watch.feeds[0].address == address(1)


def test_a_name_that_is_resolved_late_is_asked_at_once_and_no_alarm_was_raised() -> None:
    talk = Talk()
    talk.do(talk.watch.start(talk.now))
    talk.run(TIMEOUT)
    assert talk.causes() == []
    talk.do(talk.watch.resolved(0, [address(0)], talk.now))
    assert len(talk.sent) == 1


def test_a_name_that_does_not_resolve_is_an_alarm() -> None:
    talk = Talk()
    talk.do(talk.watch.resolved(0, "the name does not resolve", talk.now))
    talk.do(talk.watch.start(talk.now))
    assert talk.causes() == [("h0", Kind.SILENCE, True)]


def test_a_step_of_theirs_and_a_step_of_ours_are_told_apart() -> None:
    talk = Talk().begin()
    talk.answer(talk.sent[-1])
    talk.rounds(5)
    talk.stepped_ns = -7 * SECOND
    talk.rounds(1)
    assert talk.causes() == [(LOCAL, Kind.STEP, True)]
    result = talk.reports[-1].rows[0].result
    assert result.interval is not None
    assert abs((result.offset_ns or 0) - 7 * SECOND) < 100
    assert result.error_bound_ns is not None
    assert result.error_bound_ns < MILLISECOND
    talk.rounds(4)
    talk.rounds(1, offset_ns=9 * MILLISECOND)
    assert ("h0", Kind.STEP, True) in talk.causes()
    assert "ahead by about 9.00 ms" in talk.reports[-1].changes[0].alarm.cause.detail


def test_what_was_under_way_while_ours_was_stepped_is_not_believed() -> None:
    talk = Talk().begin()
    talk.answer(talk.sent[-1])
    talk.run(ROUND)
    talk.stepped_ns = 5 * MILLISECOND
    talk.answer(talk.sent[-1])  # its first stamp is of the clock as it was
    assert talk.watch.feeds[0].association.answered == 1


def test_a_bound_right_after_a_step_of_ours_holds_before_any_answer() -> None:
    talk = Talk().begin()
    talk.answer(talk.sent[-1])
    talk.stepped_ns = 5 * SECOND
    interval = talk.watch.look().rows[0].result.interval
    assert interval is not None
    assert -5 * SECOND in interval
    assert interval.width < MILLISECOND


def test_what_was_known_is_void_after_sleep() -> None:
    talk = Talk().begin()
    talk.answer(talk.sent[-1])
    talk.now += 3600 * SECOND
    talk.slept_ns = 3600 * SECOND
    assert talk.watch.look().rows[0].result.offset_ns is None
    talk.rounds(1)
    assert (LOCAL, Kind.STEP, True) in talk.causes()
    assert talk.reports[-1].rows[0].result.offset_ns is not None


def test_a_server_that_asks_for_less_gets_less() -> None:
    talk = Talk().begin()
    kiss = {"stratum": 0, "leap": 3, "reference_id": int.from_bytes(b"RATE", "big")}
    talk.answer(talk.sent[-1], **kiss)
    assert talk.causes() == [("h0", Kind.KISS_OF_DEATH, True)]
    talk.run(ROUND)
    assert len(talk.sent) == 1  # every second round from now on
    talk.run(ROUND)
    assert len(talk.sent) == 2
    for _ in range(20):
        talk.answer(talk.sent[-1], **kiss)
        while len(talk.sent) == len(set(map(id, talk.sent))) and talk.watch.feeds[0]._skip:
            talk.run(ROUND)
        talk.run(ROUND)
    assert talk.watch.feeds[0]._every == BACKOFF_MAX


def test_a_server_that_denies_us_is_hardly_ever_asked_again() -> None:
    talk = Talk().begin()
    talk.answer(
        talk.sent[-1], stratum=0, leap=3, reference_id=int.from_bytes(b"DENY", "big")
    )  # fmt: skip
    for _ in range(DENIED_ROUNDS - 1):
        talk.run(ROUND)
    assert len(talk.sent) == 1
    talk.run(ROUND)
    assert len(talk.sent) == 2


def test_an_unsynchronised_server_is_told_and_does_not_vote() -> None:
    talk = Talk().begin()
    talk.answer(talk.sent[-1], leap=3)
    assert talk.causes() == [("h0", Kind.UNSYNCHRONISED, True)]
    assert talk.reports[-1].combined is None
    talk.rounds(1)
    assert talk.reports[-1].combined is not None


def test_a_refusal_counts_as_no_answer() -> None:
    talk = Talk().begin()
    talk.do(talk.watch.on_refused(address(0), talk.sent[-1].tag, "connection refused", talk.now))
    (report,) = talk.reports
    assert report.rows[0].result.reason == "connection refused"
    assert report.rows[0].missed == 1


def test_strays_and_forgeries_change_nothing() -> None:
    talk = Talk().begin()
    talk.answer(replace(talk.sent[-1], to=("6.6.6.6", 123)))
    assert talk.watch.strays == 1
    talk.answer(talk.sent[-1], origin_timestamp=99)
    assert talk.reports == []
    talk.do(talk.watch.on_malformed(address(0), talk.now))
    talk.answer(talk.sent[-1])
    assert talk.reports[-1].rows[0].result.verdict is Verdict.TRUECHIMER


def test_hosts_of_one_address_each_get_their_own_answer() -> None:
    talk = Talk(2)
    for number in (0, 1):
        talk.do(talk.watch.resolved(number, [address(0)], talk.now))
    talk.do(talk.watch.start(talk.now))
    talk.run(NEXT)
    talk.answer(talk.sent[1])
    talk.answer(talk.sent[0])
    assert [row.result.answered for row in talk.reports[-1].rows] == [1, 1]


def test_memory_stays_bounded_over_many_rounds() -> None:
    talk = Talk().begin()
    talk.answer(talk.sent[-1])
    talk.rounds(400)
    association = talk.watch.feeds[0].association
    assert len(association._measured) <= 3
    assert len(association._outstanding) <= 66
    assert len(talk.watch.feeds[0].track._settled) == 64


@pytest.mark.parametrize("change", [{"interval_ns": 0}, {"burst": 0}, {"burst": 17}, {"hold": 0}])
def test_impossible_settings_are_refused(change) -> None:
    with pytest.raises(ValueError, match=r"must be|needs"):
        WatchSettings(**change)
