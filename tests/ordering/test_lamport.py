"""Lamport clocks keep the clock condition and break ties the same way everywhere."""

import copy
import pickle
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.errors import BadConfig, MalformedFrame
from ordering import LamportClock, LamportStamp
from tests.ordering.executions import PROCESSES, executions, pasts, stamped


@given(executions())
def test_what_happened_before_has_the_smaller_stamp(steps):
    stamps = stamped(steps, {name: LamportClock(name) for name in PROCESSES})
    for number, past in enumerate(pasts(steps)):
        assert all(stamps[cause].time < stamps[number].time for cause in past - {number})


@given(executions())
def test_a_stamp_is_the_length_of_the_longest_chain_that_leads_to_it(steps):
    stamps = stamped(steps, {name: LamportClock(name) for name in PROCESSES})
    longest: list[int] = []
    for number, past in enumerate(pasts(steps)):
        longest.append(1 + max((longest[cause] for cause in past - {number}), default=0))
    assert [stamp.time for stamp in stamps] == longest


@given(executions())
def test_stamps_are_distinct_and_totally_ordered(steps):
    stamps = stamped(steps, {name: LamportClock(name) for name in PROCESSES})
    assert all((a < b) != (b < a) for a, b in combinations(stamps, 2))


def test_ties_are_broken_by_the_process():
    assert LamportStamp(1, 2) > LamportStamp(1, 1)
    assert LamportStamp(2, 1) > LamportStamp(1, 9)


def test_a_receive_is_later_than_both_pasts():
    clock = LamportClock("a", time=10)
    assert clock.receive(LamportStamp(3, "b")).time == 11
    assert clock.receive(LamportStamp(11, "b")).time == 12
    assert clock.receive(LamportStamp(50, "b")).time == 51


def test_a_step_moves_a_receiver_that_is_ahead_by_the_step_and_one_that_is_behind_past_the_stamp():
    clock = LamportClock("P2", step=8, time=48)
    assert clock.receive(LamportStamp(6, "P1")).time == 56
    assert clock.receive(LamportStamp(70, "P3")).time == 71


@given(st.integers(0, 2**64 - 1), st.one_of(st.integers(0, 2**64 - 1), st.sampled_from("ab@ 3é")))
def test_stamps_survive_bytes_text_and_pickle(time, process):
    stamp = LamportStamp(time, process)
    assert LamportStamp.decode(stamp.encode()) == stamp
    assert LamportStamp.parse(str(stamp)) == stamp
    assert pickle.loads(pickle.dumps(stamp)) == stamp


def test_the_bytes_of_a_stamp_are_these():
    assert LamportStamp(300, "ab").encode() == bytes.fromhex("ac02 01 02 6162")
    assert LamportStamp(1, 2).encode() == bytes.fromhex("01 00 02")


@pytest.mark.parametrize("text", ["", "7", "@a", "-1@a", "7@", '7@"a', "7@a b", "٣@a", "7@[1]"])
def test_what_is_no_stamp_is_refused_as_text(text):
    with pytest.raises(ValueError, match=r"\S"):
        LamportStamp.parse(text)


def test_a_message_carries_its_stamp_through_wrap_and_unwrap():
    alice, bob = LamportClock("alice", time=8), LamportClock("bob")
    message, sent, received = bob.unwrap(alice.wrap(b"hello"))
    assert (message, sent, received) == (b"hello", (9, "alice"), (10, "bob"))


def test_a_foreign_message_moves_no_clock():
    clock = LamportClock("a")
    wrapped = LamportClock("b").wrap(b"x")
    for data in (b"", b"hello", wrapped[:3], bytes([0xC2]) + wrapped[1:]):
        with pytest.raises(MalformedFrame):
            clock.unwrap(data)
    assert clock.time == 0


def test_a_restored_clock_goes_on_where_it_was():
    clock = LamportClock("a", step=3)
    clock.tick()
    for restored in (pickle.loads(pickle.dumps(clock)), copy.copy(clock)):
        assert restored.tick() == LamportStamp(6, "a")
    assert clock.time == 3


@pytest.mark.parametrize("process", ["", -1, True, None, 1.5, "\ud800", "x" * 1025, 2**64])
def test_what_cannot_name_a_process_is_refused(process):
    with pytest.raises(BadConfig, match="cannot name a process"):
        LamportClock(process)


def test_impossible_settings_are_refused():
    with pytest.raises(BadConfig, match="step=0"):
        LamportClock("a", step=0)
    with pytest.raises(BadConfig, match="time=-1"):
        LamportClock("a", time=-1)
