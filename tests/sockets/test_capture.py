"""Packets captured live: those that had come when the time was over are not lost."""

import socket

import pytest

from clocksync.capture.live import LiveCapture
from tests.namespaces import pair

pytestmark = [pytest.mark.namespaces]
SENT = [b"datagram %d" % n for n in range(20)]


@pytest.fixture
def capture():
    """A capture at a host that got some datagrams, of which none was read yet."""
    with pair() as (left, right):
        with right.inside():
            there = LiveCapture(right.device)
        with left.inside(), socket.socket(type=socket.SOCK_DGRAM) as sender, there:
            for data in SENT:
                sender.sendto(data, (right.ipv4, 9))
            yield there


def captured(capture, **until):
    found = []
    how = {"duration_ns": None, "count": None, "is_stopped": lambda: False, **until}
    capture.run(lambda when, link, data, way: found.append(data), **how)
    return [data[28:] for data in found if data[28:] in SENT]


def test_what_came_while_it_could_not_run_is_captured_when_the_time_is_over(capture):
    assert captured(capture, duration_ns=0) == SENT


def test_what_came_before_it_was_stopped_is_captured(capture):
    assert captured(capture, is_stopped=lambda: True) == SENT


def test_so_many_are_so_many(capture):
    assert len(captured(capture, count=5, duration_ns=0)) <= 5


def test_what_comes_after_the_end_is_not_captured(capture, monkeypatch):
    # As if all had come after it.
    monkeypatch.setattr("clocksync.capture.live.time.time_ns", lambda: 1)
    assert captured(capture, duration_ns=0) == []
