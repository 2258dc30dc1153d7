"""Conversations with one listener: what it makes of a master's messages, and of others'."""

from random import Random

import pytest

from clocksync.measuring.master_row import master_row
from clocksync.measuring.result import HostResult, Verdict
from clocksync.measuring.settings import MeasureSettings
from clocksync.ptp.codec import made
from clocksync.ptp.frames import (
    ALTERNATE_MASTER,
    CORRECTION_OVERFLOW,
    PTP_TIMESCALE,
    TWO_STEP,
    UNICAST,
    UTC_OFFSET_VALID,
    Announce,
    DelayReq,
    DelayResp,
    FollowUp,
    PdelayReq,
    Sync,
)
from clocksync.ptp.listener import (
    ListenerSettings,
    MasterSettled,
    PtpListener,
    Timer,
    Unusable,
)
from clocksync.runtime.core import Arrival, Notify, Send, SetTimer, Stamp, StampSource
from clocksync.runtime.interval import Interval
from clocksync.runtime.units import MILLISECOND, SECOND
from tests.playbook import begin, converse, expect, hear, tick, wait, whatever

EVENT, GENERAL = ("10.0.0.1", 319), ("10.0.0.1", 320)
GROUP = ("224.0.1.129", 319)
STRANGER = ("10.0.0.9", 320)
MASTER, OTHER = 0x001122FFFE334455, 0x00AABBFFFECCDDEE
WALL = 1_790_000_000 * SECOND
RESPONSE, PROGRESS = ("it", Timer.RESPONSE), ("it", Timer.PROGRESS)


def listener(samples: int = 1, **settings: int) -> PtpListener:
    return PtpListener(
        "it",
        frozenset({"10.0.0.1"}),
        GROUP,
        ListenerSettings(samples=samples, **settings),
        Random(5),
    )


def of_master(cls, time_ns: int = 0, clock: int = MASTER, **values: int):
    seconds, nanoseconds = divmod(time_ns, SECOND)
    stamp = {"seconds": seconds, "nanoseconds": nanoseconds}
    return made(cls, source_clock=clock, source_port=1, **{**stamp, **values})


def announce(clock: int = MASTER, **values: int) -> Announce:
    return of_master(Announce, clock=clock, **{"grandmaster": clock, "log_interval": 0, **values})


class Talk:
    """A listener that is talked to in plain calls: what it sent last, and the time."""

    def __init__(self, core: PtpListener) -> None:
        self.core, self.now, self.request = core, 0, None
        self.effects = core.start(0)

    def hear(self, frame, sender=GENERAL, at: int = WALL) -> "Talk":
        stamp = Stamp(at, StampSource.KERNEL)
        self.effects = self.core.on_frame(Arrival(frame, sender, stamp), self.now)
        for effect in self.effects:
            if isinstance(effect, Send):
                self.request, self.tag = effect, effect.tag
        return self

    def leave(self, at: int) -> "Talk":
        self.core.on_sent(self.tag, Stamp(at, StampSource.KERNEL), self.now)
        return self

    def answer(self, time_ns: int, sender=GENERAL, **values: int) -> "Talk":
        asked = self.request.frame
        given = {
            "sequence": asked.sequence,
            "requesting_clock": asked.source_clock,
            "requesting_port": asked.source_port,
            "log_interval": -3,
            **values,
        }
        return self.hear(of_master(DelayResp, time_ns, **given), sender)

    def row(self) -> HostResult:
        return master_row("it", 319, self.core, WALL, MeasureSettings(precision_ns=1))


def measured(sync: int = WALL, came: int = WALL, left: int = WALL, got: int = WALL, **said) -> Talk:
    """One whole exchange, one-step."""
    talk = Talk(listener()).hear(announce(**said)).hear(of_master(Sync, sync), EVENT, came)
    return talk.leave(left).answer(got)


# Whole conversations


def test_a_two_step_master_is_asked_when_its_sync_is_complete() -> None:
    core = converse(
        listener(),
        begin(),
        expect(SetTimer(PROGRESS, 6 * SECOND)),
        hear(EVENT, of_master(Sync, flags=TWO_STEP, sequence=4)),  # before it is known
        hear(GENERAL, announce()),
        expect(SetTimer(PROGRESS, 3 * SECOND)),
        hear(EVENT, of_master(Sync, flags=TWO_STEP, sequence=5)),
        hear(GENERAL, of_master(FollowUp, WALL, sequence=4)),
        hear(STRANGER, of_master(FollowUp, WALL, sequence=5)),
        hear(GENERAL, of_master(FollowUp, WALL, sequence=5)),
        whatever(),
    )
    assert core.asked == 1


def test_what_is_sent_is_a_delay_req_to_the_group() -> None:
    talk = Talk(listener()).hear(announce()).hear(of_master(Sync, WALL), EVENT)
    send, response, progress = talk.effects
    assert send.to == GROUP
    assert isinstance(send.frame, DelayReq)
    assert send.frame.source == talk.core.own
    assert not send.frame.flags & UNICAST
    assert 0 <= send.frame.timestamp - WALL < 1000
    assert response == SetTimer(RESPONSE, SECOND)
    assert progress == SetTimer(PROGRESS, 3 * SECOND)


def test_a_hybrid_request_goes_to_the_master_alone() -> None:
    talk = Talk(listener(hybrid=True)).hear(announce()).hear(of_master(Sync, WALL), EVENT)
    assert talk.request.to == EVENT
    assert talk.request.frame.flags & UNICAST


def test_four_stamps_make_a_sample_in_the_other_order() -> None:
    # Theirs is 1000 ahead; the Sync takes 300, the request leaves 50 later and takes 100.
    talk = measured(sync=WALL + 1000, came=WALL + 300, left=WALL + 350, got=WALL + 1450)
    (sample,) = talk.core.samples
    assert (sample.raw_delay_ns, sample.offset_ns) == (400, 900)
    assert sample.path == Interval(700 - 3, 1100 + 3)  # precision 2, and what drifts in 50 ns
    assert Notify(MasterSettled("it")) in talk.effects
    row = talk.row()
    assert (row.verdict, row.offset_ns, row.delay_ns) == (Verdict.TRUECHIMER, 900, 400)
    assert row.timestamps is StampSource.KERNEL
    assert row.protocol == "ptp"
    assert row.reference_id == "001122.fffe.334455"


def test_corrections_are_taken_off_the_path() -> None:
    talk = Talk(listener()).hear(announce())
    talk.hear(of_master(Sync, 0, flags=TWO_STEP, correction=100 << 16), EVENT, WALL + 300)
    talk.hear(of_master(FollowUp, WALL, correction=(50 << 16) + 1)).leave(WALL + 400)
    talk.answer(WALL + 700, correction=90 << 16)
    (sample,) = talk.core.samples
    # Less a nanosecond each: a transparent clock may run at another rate.
    assert (sample.t3, sample.t2) == (WALL + 149, WALL + 611)
    assert sample.raw_delay_ns == 300 - 149 + 300 - 89


def test_a_valid_utc_offset_is_taken_off_tai() -> None:
    tai = WALL + 37 * SECOND
    flags = PTP_TIMESCALE | UTC_OFFSET_VALID
    talk = measured(
        sync=tai, got=tai, flags=flags, utc_offset=37, clock_class=6, clock_accuracy=0x23
    )
    row = talk.row()
    assert (row.offset_ns, row.stratum, row.reason) == (0, 1, None)
    assert row.root_dispersion_ns == 1000
    assert row.error_bound_ns is not None
    assert row.error_bound_ns >= 1000


def test_without_one_its_time_is_taken_as_it_is_and_said() -> None:
    tai = WALL + 37 * SECOND
    row = measured(sync=tai, got=tai, flags=PTP_TIMESCALE, utc_offset=37).row()
    assert row.offset_ns == 37 * SECOND
    assert "not marked valid" in (row.reason or "")


def test_a_master_that_admits_ten_seconds_is_useless() -> None:
    assert measured(clock_accuracy=0x31).row().verdict is Verdict.INVALID


def test_the_kernels_stamp_of_a_request_may_come_after_the_answer() -> None:
    talk = Talk(listener()).hear(announce()).hear(of_master(Sync, WALL), EVENT)
    talk.core.on_sent(talk.tag, Stamp(WALL + 10, StampSource.USER), 0)
    talk.answer(WALL + 100)
    assert talk.core.samples[0].source is StampSource.USER
    talk.leave(WALL + 60)
    (sample,) = talk.core.samples
    assert (sample.t1, sample.source) == (WALL + 60, StampSource.KERNEL)


# Pace


def test_the_master_sets_the_pace() -> None:
    talk = Talk(listener(samples=3)).hear(announce()).hear(of_master(Sync, WALL), EVENT)
    talk.leave(WALL).answer(WALL, log_interval=1)  # at most one in two seconds
    talk.now = SECOND
    assert talk.hear(of_master(Sync, WALL, sequence=1), EVENT).effects == []
    talk.now = 2 * SECOND - 200 * MILLISECOND  # a Sync that is a little early will do
    assert talk.hear(of_master(Sync, WALL, sequence=2), EVENT).effects != []


def test_only_one_request_is_under_way() -> None:
    talk = Talk(listener(samples=3)).hear(announce()).hear(of_master(Sync, WALL), EVENT)
    assert talk.hear(of_master(Sync, WALL, sequence=1), EVENT).effects == []


def test_an_unanswered_request_is_counted_and_the_next_one_sent() -> None:
    core = converse(
        listener(samples=2),
        begin(),
        whatever(),
        hear(GENERAL, announce()),
        whatever(),
        hear(EVENT, of_master(Sync, WALL)),
        whatever(),
        tick(RESPONSE),
        wait(MILLISECOND),
        hear(EVENT, of_master(Sync, WALL, sequence=1)),
        whatever(),
        tick(RESPONSE),
        whatever(),
    )
    assert core.finished
    assert core.failure == "no answer to 2 delay requests"


# Whose messages


@pytest.mark.parametrize(
    ("change", "sender"),
    [
        ({"sequence": 1}, GENERAL),
        ({"requesting_clock": 1}, GENERAL),
        ({"requesting_port": 2}, GENERAL),
        ({"clock": OTHER}, GENERAL),
        ({"domain": 1}, GENERAL),
        ({"major_sdo_id": 1}, GENERAL),
        ({}, STRANGER),
    ],
)
def test_an_answer_that_is_not_to_us_or_not_of_the_master_is_none(change, sender) -> None:
    talk = Talk(listener()).hear(announce()).hear(of_master(Sync, WALL), EVENT).leave(WALL)
    assert talk.answer(WALL, sender, **change).effects == []
    assert talk.core.answered == 0
    talk.answer(WALL)
    assert talk.core.answered == 1


def test_a_second_answer_is_none() -> None:
    talk = Talk(listener(samples=2)).hear(announce()).hear(of_master(Sync, WALL), EVENT)
    talk.leave(WALL).answer(WALL).answer(WALL)
    assert talk.core.answered == 1


def test_messages_in_the_masters_name_from_elsewhere_are_counted_and_told() -> None:
    talk = Talk(listener()).hear(announce())
    talk.hear(of_master(Sync, WALL + 5 * SECOND), STRANGER)
    assert talk.request is None
    talk.hear(of_master(Sync, WALL), EVENT).leave(WALL).answer(WALL)
    assert talk.row().offset_ns == 0
    assert "1 message in its name from elsewhere ignored" in (talk.row().reason or "")


def test_an_alternate_master_or_a_far_one_is_not_it() -> None:
    talk = Talk(listener()).hear(announce(flags=ALTERNATE_MASTER)).hear(announce(steps_removed=255))
    assert talk.core.master is None


def test_another_clock_at_the_address_waits_until_the_first_is_silent() -> None:
    talk = Talk(listener(samples=2)).hear(announce()).hear(of_master(Sync, WALL), EVENT)
    talk.leave(WALL).answer(WALL)
    talk.now = 3 * SECOND
    talk.hear(announce(OTHER))
    assert talk.core.master is not None
    assert talk.core.master.clock == MASTER
    talk.now += 1
    talk.hear(announce(OTHER))
    assert talk.core.master.clock == OTHER
    assert talk.core.samples == []  # they were of another clock
    talk.hear(of_master(Sync, WALL, clock=OTHER), EVENT).leave(WALL).answer(WALL, clock=OTHER)
    assert "its clock was 001122.fffe.334455-1 and is now" in (talk.row().reason or "")


def test_a_change_of_grandmaster_is_told() -> None:
    talk = Talk(listener()).hear(announce()).hear(announce(grandmaster=OTHER))
    talk.hear(of_master(Sync, WALL), EVENT).leave(WALL).answer(WALL)
    assert "its grandmaster changed meanwhile" in (talk.row().reason or "")


# Nonsense from the master itself


@pytest.mark.parametrize(
    ("time_ns", "values", "why"),
    [
        (WALL, {"nanoseconds": 10**9}, Unusable.NO_TIME),
        (WALL, {"correction": CORRECTION_OVERFLOW}, Unusable.NO_TIME),
        (WALL - 3, {}, Unusable.IMPOSSIBLE),
        (WALL, {"correction": 1 << 62}, Unusable.IMPOSSIBLE),
    ],
)
def test_an_impossible_answer_is_no_sample(time_ns, values, why: Unusable) -> None:
    talk = Talk(listener()).hear(announce()).hear(of_master(Sync, WALL), EVENT).leave(WALL)
    talk.answer(time_ns, **values)
    assert talk.core.unusable == {why: 1}
    assert (talk.row().verdict, talk.row().reason) == (Verdict.INVALID, why.value)


def test_the_ends_of_time_are_borne() -> None:
    talk = Talk(listener()).hear(announce(utc_offset=-(1 << 15), flags=12, log_interval=-128))
    huge = {"seconds_high": 0xFFFF, "seconds": 0xFFFFFFFF, "nanoseconds": 10**9 - 1}
    talk.hear(of_master(Sync, **huge), EVENT).leave(WALL).answer(WALL, **huge)
    assert talk.row().verdict is Verdict.TRUECHIMER
    assert (talk.row().offset_ns or 0) > 10**23


# Silence


def silent(core: PtpListener) -> str:
    core.on_timer(PROGRESS, 0)
    assert core.finished
    return core.failure


def test_a_silent_master_is_told_with_whom_we_heard() -> None:
    assert silent(Talk(listener()).core) == "no Announce from it in domain 0 within 6 s"
    talk = Talk(listener()).hear(announce(OTHER), STRANGER).hear(announce(domain=4))
    words = silent(talk.core)
    assert words.endswith("; heard: 10.0.0.9 in domain 0, 10.0.0.1 in domain 4")
    assert talk.row().verdict is Verdict.UNREACHABLE


def test_what_a_master_lacks_is_said() -> None:
    talk = Talk(listener()).hear(announce())
    assert silent(talk.core) == "it announces itself, but sends no Sync"
    talk = Talk(listener()).hear(announce()).hear(of_master(Sync, flags=TWO_STEP), EVENT)
    assert silent(talk.core) == "its Syncs are not followed by the Follow_Up that they promise"
    talk = Talk(listener()).hear(announce()).hear(of_master(Sync, nanoseconds=10**9), EVENT)
    assert silent(talk.core) == "its Syncs hold no time"


def test_a_peer_to_peer_master_is_given_up_after_three_requests() -> None:
    talk = Talk(listener(samples=8)).hear(of_master(PdelayReq), EVENT).hear(announce())
    for sequence in range(3):
        talk.now += SECOND
        talk.hear(of_master(Sync, WALL, sequence=sequence), EVENT)
        talk.core.on_timer(RESPONSE, talk.now)
    assert talk.core.finished
    assert "peer to peer (P2P)" in talk.core.failure


def test_a_master_that_falls_silent_is_judged_by_what_there_is() -> None:
    talk = Talk(listener(samples=8)).hear(announce()).hear(of_master(Sync, WALL), EVENT)
    talk.leave(WALL).answer(WALL)
    talk.core.on_timer(PROGRESS, 0)
    assert talk.row().verdict is Verdict.TRUECHIMER
    assert "it fell silent before all was measured" in (talk.row().reason or "")


def test_a_finished_listener_hears_nothing() -> None:
    talk = measured()
    assert talk.hear(announce(OTHER)).effects == []
    assert talk.core.finish() == []
    assert talk.core.on_timer(PROGRESS, 0) == []
