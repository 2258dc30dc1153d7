"""Hybrid clocks respect causality, stay near real time, and never repeat after a restart."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.errors import BadConfig, MalformedFrame
from clocksync.runtime.interval import Interval
from ordering import HybridClock, HybridStamp, MemoryStore, StampFromTheFuture
from ordering.hybrid import COUNTER_BITS, UNBOUNDED
from tests.ordering.executions import PROCESSES, executions, pasts, stamped

QUANTUM = 1 << COUNTER_BITS
FAR = 1 << 62


class Hand:
    """A reading set by hand; a list is read off one by one."""

    def __init__(self, now=0):
        self.now = now

    def __call__(self):
        return self.now


class BrokenStore(MemoryStore):
    def save(self, value):
        raise OSError("disk full")


readings = st.lists(st.integers(0, 200_000), min_size=24, max_size=24)


def run_with(steps, times):
    """The stamps of an execution whose clocks read these times, step by step."""
    remaining = iter(times)
    clocks = {
        name: HybridClock(name, lambda: next(remaining), max_ahead_ns=FAR) for name in PROCESSES
    }
    return stamped(steps, clocks)


@given(executions(), readings)
def test_what_happened_before_has_the_smaller_value_whatever_the_clocks_show(steps, times):
    stamps = run_with(steps, times)
    for number, past in enumerate(pasts(steps)):
        assert all(stamps[cause].value < stamps[number].value for cause in past - {number})


@given(executions(), readings)
def test_a_value_lies_between_its_reading_and_the_most_advanced_clock_in_its_past(steps, times):
    stamps = run_with(steps, times)
    for number, past in enumerate(pasts(steps)):
        assert stamps[number].value > times[number] - QUANTUM
        furthest = max(times[cause] // QUANTUM * QUANTUM for cause in past)
        assert stamps[number].value <= max(furthest, 0) + len(past)


def test_the_value_follows_the_rule_of_the_paper():
    hand = Hand(10 * QUANTUM + 5)
    clock = HybridClock("a", hand)
    assert clock.tick() == HybridStamp(10 * QUANTUM, "a")
    assert clock.tick().counter == 1  # the reading has not moved
    assert clock.receive(HybridStamp(10 * QUANTUM + 8, "b")).counter == 9  # equal times
    assert clock.receive(HybridStamp(10 * QUANTUM + 2, "b")).counter == 10  # ours counts further
    ahead = clock.receive(HybridStamp(12 * QUANTUM + 3, "b"))
    assert (ahead.time_ns, ahead.counter) == (12 * QUANTUM, 4)
    hand.now = 13 * QUANTUM
    assert clock.receive(HybridStamp(12 * QUANTUM + 9, "b")) == HybridStamp(13 * QUANTUM, "a")


def test_a_full_counter_carries_into_the_time():
    clock = HybridClock("a", Hand(0))
    full = HybridStamp(QUANTUM - 1, "b")
    assert clock.receive(full).value == QUANTUM


def test_a_stamp_from_the_future_is_refused_with_both_readings_and_moves_nothing():
    clock = HybridClock("a", Hand(1_000_000), max_ahead_ns=500)
    before = clock.tick()
    with pytest.raises(StampFromTheFuture, match="501 ns ahead") as caught:
        clock.receive(HybridStamp(1_000_501, "b"))
    assert caught.value.stamp == HybridStamp(1_000_501, "b")
    assert caught.value.reading == Interval(1_000_000, 1_000_000)
    assert clock.tick().value == before.value + 1
    assert pickle.loads(pickle.dumps(caught.value)).stamp == caught.value.stamp
    assert clock.receive(HybridStamp(1_000_500, "b")).value == 1_000_501


def test_only_the_future_is_refused():
    clock = HybridClock("a", Hand(10**18), max_ahead_ns=0)
    assert clock.receive(HybridStamp(0, "b")).time_ns == 10**18 // QUANTUM * QUANTUM


def test_a_bounded_reading_allows_for_its_own_error_before_it_refuses():
    clock = HybridClock("a", Hand(Interval(900_000, 1_000_000)), max_ahead_ns=500)
    assert clock.receive(HybridStamp(1_000_500, "b")).value == 1_000_501
    with pytest.raises(StampFromTheFuture):
        clock.receive(HybridStamp(1_000_501 + 1000, "b"))


@given(
    executions(),
    st.lists(
        st.tuples(st.integers(0, 10**6), st.integers(0, 10**5), st.integers(0, 10**5)),
        min_size=24,
        max_size=24,
    ),
)
def test_true_time_lies_within_the_error_that_a_stamp_carries(steps, truths):
    times = [Interval(truth - before, truth + after) for truth, before, after in truths]
    for stamp, (truth, _, _) in zip(run_with(steps, times), truths, strict=False):
        assert truth in stamp.interval
        assert stamp.error_ns < UNBOUNDED


def test_an_unknown_error_is_unbounded_never_zero():
    stamp = HybridClock("a", Hand(5 * QUANTUM)).tick()
    assert stamp.error_ns == UNBOUNDED
    assert stamp.interval.width > 10**18
    assert "±" not in str(stamp)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=8), st.integers(1, 10**5))
def test_values_grow_over_restarts_even_when_the_clock_was_set_back(boots, reservation_ns):
    store, last = MemoryStore(), 0
    for reading in boots:
        clock = HybridClock("a", Hand(reading), store=store, reservation_ns=reservation_ns)
        for _ in range(3):
            value = clock.tick().value
            assert value > last
            last = value


def test_one_write_serves_all_stamps_up_to_the_reservation():
    saves = []

    class CountingStore(MemoryStore):
        def save(self, value):
            saves.append(value)
            super().save(value)

    hand = Hand(0)
    clock = HybridClock("a", hand, store=CountingStore(), reservation_ns=10 * QUANTUM)
    for _ in range(100):
        clock.tick()
    assert saves == [1 + 10 * QUANTUM]
    hand.now = 20 * QUANTUM
    clock.reserve()
    clock.tick()
    assert saves == [1 + 10 * QUANTUM, 30 * QUANTUM]


def test_no_stamp_is_given_out_that_was_not_reserved():
    clock = HybridClock("a", Hand(QUANTUM), store=BrokenStore(7))
    for _ in range(2):
        with pytest.raises(OSError, match="disk full"):
            clock.tick()
    assert clock.value == 7


def test_a_clock_says_how_far_it_is_ahead_of_its_reading():
    hand = Hand(1000)
    clock = HybridClock("a", hand, store=MemoryStore(50_000))
    assert clock.ahead_ns() == 49_000
    hand.now = Interval(59_000, 61_000)
    assert clock.ahead_ns() == -10_000


@given(
    st.integers(0, 2**64 - 1),
    st.one_of(st.integers(0, 2**64 - 1), st.sampled_from(["a", "3", "±1ns", "x y"])),
    st.one_of(st.just(UNBOUNDED), st.integers(0, UNBOUNDED)),
)
def test_stamps_survive_bytes_text_and_pickle(value, process, error_ns):
    stamp = HybridStamp(value, process, error_ns)
    assert HybridStamp.decode(stamp.encode()) == stamp
    assert HybridStamp.parse(str(stamp)) == stamp
    assert pickle.loads(pickle.dumps(stamp)) == stamp


def test_the_bytes_and_the_text_of_a_stamp_are_these():
    stamp = HybridStamp(0x0123456789ABCDEF, 2, 5)
    assert stamp.encode() == bytes.fromhex("0123456789abcdef 00 02 05")
    assert str(stamp) == "1972-08-06T21:45:29.216483328Z+3567@2±5ns"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1970-01-01T00:00:00.000000000Z@a",
        "1970-01-01T00:00:00.000000001Z+0@a",
        "1970-01-01T00:00:00.000000000Z+4096@a",
        "1970-13-01T00:00:00.000000000Z+0@a",
        "1970-01-01T00:00:00.000000000Z+0@",
    ],
)
def test_what_is_no_stamp_is_refused_as_text(text):
    with pytest.raises(ValueError, match=r"\S"):
        HybridStamp.parse(text)


def test_a_message_carries_its_stamp_through_wrap_and_unwrap():
    alice, bob = HybridClock("alice", Hand(3 * QUANTUM)), HybridClock("bob", Hand(0))
    message, sent, received = bob.unwrap(alice.wrap(b"hello"))
    assert (message, sent.value, received.value) == (b"hello", 3 * QUANTUM, 3 * QUANTUM + 1)
    with pytest.raises(MalformedFrame):
        bob.unwrap(b"\xc3\x01\x00")


def read_nothing():
    return 0


def test_a_restored_clock_goes_on_above_its_last_value():
    clock = HybridClock("a", read_nothing, max_ahead_ns=FAR)
    last = clock.receive(HybridStamp(12345, "b"))
    restored = pickle.loads(pickle.dumps(clock))
    assert restored.tick().value == last.value + 1
    assert restored.max_ahead_ns == FAR


def test_a_reading_in_seconds_is_refused_with_what_to_use_instead():
    clock = HybridClock("a", Hand(1.5))
    for verb in (
        clock.tick,
        clock.reserve,
        clock.ahead_ns,
        lambda: clock.receive(HybridStamp(0, "b")),
    ):
        with pytest.raises(BadConfig, match=r"time\.time_ns"):
            verb()


def test_impossible_settings_are_refused():
    with pytest.raises(BadConfig, match="max_ahead_ns=-1"):
        HybridClock("a", read_nothing, max_ahead_ns=-1)
    with pytest.raises(BadConfig, match="reservation_ns=0"):
        HybridClock("a", read_nothing, reservation_ns=0)
