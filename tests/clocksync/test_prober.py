"""The schedule of one address, step by step; whole conversations are in test_survey.py."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.measuring.prober import ANSWER, ASK, LONG_INTERVAL_NS, Prober
from clocksync.measuring.settings import MeasureSettings
from clocksync.ntp.association import Exchange
from clocksync.ntp.checks import Rejection
from clocksync.ntp.packet import NtpPacket
from clocksync.runtime.core import CancelTimer, Effects, Send, SetTimer, Stamp
from clocksync.runtime.units import MILLISECOND, SECOND

HOST = ("192.0.2.1", 123)
NOW = 1_790_000_000 * SECOND


def prober(**settings: int) -> Prober:
    return Prober(HOST, MeasureSettings(**settings), random.Random(5))


def sent(effects: Effects) -> list[Send]:
    return [effect for effect in effects if isinstance(effect, Send)]


def timers(effects: Effects) -> dict[object, int]:
    return {e.timer: e.after for e in effects if isinstance(e, SetTimer)}


def depart(effects: Effects, at: int) -> NtpPacket:
    (send,) = sent(effects)
    assert isinstance(send.tag, Exchange)
    assert isinstance(send.frame, NtpPacket)
    send.tag.departed = Stamp(at)
    return send.frame


def answer(request: NtpPacket, **claims: int) -> NtpPacket:
    return NtpPacket(
        **{
            "mode": 4,
            "stratum": 1,
            "origin_timestamp": request.transmit_timestamp,
            "receive_timestamp": 1 << 63,
            "transmit_timestamp": 1 << 63,
        }
        | claims
    )


def test_a_start_asks_and_sets_both_timers() -> None:
    effects = prober(interval_ns=7, timeout_ns=9).start(0)
    assert len(sent(effects)) == 1
    assert timers(effects) == {(HOST, ASK): 7, (HOST, ANSWER): 9}


def test_the_last_request_sets_no_timer_for_another() -> None:
    assert timers(prober(samples=1, interval_ns=7).start(0)) == {(HOST, ANSWER): SECOND}


def test_a_burst_has_no_interval_timer() -> None:
    assert timers(prober(interval_ns=0).start(0)) == {(HOST, ANSWER): SECOND}


def test_one_timer_watches_all_that_is_waited_for() -> None:
    asking = prober(interval_ns=10, timeout_ns=100, samples=3)
    assert (HOST, ANSWER) in timers(asking.start(0))
    assert timers(asking.on_timer((HOST, ASK), 10)) == {(HOST, ASK): 10}
    assert timers(asking.on_timer((HOST, ASK), 20)) == {}
    assert timers(asking.on_timer((HOST, ANSWER), 100)) == {(HOST, ANSWER): 10}
    assert timers(asking.on_timer((HOST, ANSWER), 110)) == {(HOST, ANSWER): 10}
    assert not asking.finished
    assert timers(asking.on_timer((HOST, ANSWER), 120)) == {}
    assert asking.finished


@pytest.mark.parametrize("samples", [2, 5])
@pytest.mark.parametrize("interval_ns", [0, LONG_INTERVAL_NS - 1, LONG_INTERVAL_NS, 2 * SECOND])
def test_only_a_last_request_long_after_the_one_before_asks_for_a_basic_answer(
    samples: int, interval_ns: int
) -> None:
    asking, at = prober(samples=samples, interval_ns=interval_ns), 0
    effects, wanted = asking.start(0), []
    while sent(effects):
        request = depart(effects, NOW + at)
        wanted.append(request.origin_timestamp != 0)
        at += MILLISECOND
        effects = asking.on_packet(answer(request), Stamp(NOW + at), at)
        if interval_ns:
            at += interval_ns
            effects = asking.on_timer((HOST, ASK), at)
    ends_fresh = interval_ns >= LONG_INTERVAL_NS
    assert wanted == [False] + [True] * (samples - 2) + [not ends_fresh]
    assert asking.finished


def test_a_stop_cancels_the_next_request_and_what_rings_after_it_is_nothing() -> None:
    asking = prober(interval_ns=10)
    asking.start(0)
    assert asking.stop() == [CancelTimer((HOST, ASK))]
    assert asking.on_timer((HOST, ANSWER), SECOND) == []
    assert asking.on_timer((HOST, ASK), SECOND) == []
    assert asking.association.asked == 1


def test_garbage_is_counted_and_waited_through() -> None:
    asking = prober(samples=1)
    request = depart(asking.start(0), NOW)
    asking.on_malformed()
    assert asking.association.rejections[Rejection.MALFORMED] == 1
    assert not asking.finished
    asking.on_packet(answer(request), Stamp(NOW + 5), 5)
    assert asking.finished
    assert asking.has_answered


def test_a_rejected_answer_settles_its_request() -> None:
    asking = prober(samples=1)
    request = depart(asking.start(0), NOW)
    asking.on_packet(answer(request, transmit_timestamp=0), Stamp(NOW + 5), 5)
    assert asking.finished
    assert not asking.has_answered
    assert asking.association.rejections[Rejection.ZERO_TIMESTAMP] == 1


@given(
    st.integers(1, 6),
    st.integers(0, 3),
    st.integers(1, 5),
    st.lists(st.sampled_from(["answer", "lose", "forge"]), min_size=6, max_size=6),
)
def test_it_ends_after_all_requests_within_its_limit(
    samples: int, interval: int, timeout: int, fates: list[str]
) -> None:
    asking = prober(samples=samples, interval_ns=interval, timeout_ns=timeout)
    due: dict[object, int] = {}
    now, pending = 0, [asking.start(0)]
    while pending or due:
        for effects in pending:
            due |= {timer: now + after for timer, after in timers(effects).items()}
        requests = [depart([one], NOW) for effects in pending for one in sent(effects)]
        pending = []
        for request in requests:
            fate = fates[asking.association.asked - 1]
            if fate != "lose":
                origin = request.transmit_timestamp + (fate == "forge")
                reply = answer(request, origin_timestamp=origin & (1 << 64) - 1)
                pending.append(asking.on_packet(reply, Stamp(NOW + 1), now))
        if not pending and due:
            timer = min(due, key=lambda each: due[each])
            now = due.pop(timer)
            assert isinstance(timer, tuple)
            pending.append(asking.on_timer(timer, now))
    assert asking.finished
    assert asking.association.asked == samples
    assert asking.association.answered == fates[:samples].count("answer")
    assert now <= samples * (interval + timeout)
