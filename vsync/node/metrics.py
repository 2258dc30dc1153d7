"""A member's counters for Prometheus, by HTTP.  [I/O]

Needs the extra ``metrics``. Each request is one look at the member
(:class:`~vsync.node.observing.Observer`).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from clocksync import exposition
from clocksync.exposition import Metric, Sample
from clocksync.runtime.units import to_seconds
from vsync.node.observing import NoAnswer, Observer
from vsync.states import State


class Counted(NamedTuple):
    """What the application's side counted."""

    submitted: int
    delivered: int
    configurations: int


METRICS = (
    Metric("vsync_up", "1 while the member answers, 0 after it has ended or is stuck"),
    Metric("vsync_state", "1 for the state the member is in, by state"),
    Metric("vsync_members", "members of the ring"),
    Metric("vsync_delivered_total", "messages delivered to the application"),
    Metric("vsync_submitted_total", "messages the application sent"),
    Metric("vsync_configurations_total", "configurations, transitional ones too"),
    Metric("vsync_rotations_total", "visits of the token"),
    Metric("vsync_retransmissions_total", "message frames sent again because somebody lacked them"),
    Metric("vsync_backlog_bytes", "delivered to the application and not taken by it"),
    Metric("vsync_send_queue_messages", "accepted and not sent yet"),
    Metric("vsync_send_queue_bytes", "accepted and not sent yet"),
    Metric("vsync_dropped_total", "datagrams and frames that were not used, by reason"),
    Metric("vsync_datagrams_sent_total", "datagrams sent"),
    Metric("vsync_datagrams_received_total", "datagrams received"),
    Metric("vsync_clock_error_seconds", "how far the clock can be off"),
)


def samples(observer: Observer, counted: Counted) -> Iterator[Sample]:
    """All that can be said now; labels are those beside the group and the member."""
    try:
        told = observer.look()
    except NoAnswer:
        yield "vsync_up", {}, 0
        return
    yield "vsync_up", {}, 1
    for state in State:
        yield "vsync_state", {"state": state.value}, told["state"] == state.value
    yield "vsync_members", {}, len(told["ring"]["members"])
    yield "vsync_delivered_total", {}, counted.delivered
    yield "vsync_submitted_total", {}, counted.submitted
    yield "vsync_configurations_total", {}, counted.configurations
    yield "vsync_rotations_total", {}, told["rotations"]
    yield "vsync_retransmissions_total", {}, told["retransmissions"]
    yield "vsync_backlog_bytes", {}, told["backlog_bytes"]
    yield "vsync_send_queue_messages", {}, told["send_queue"]["messages"]
    yield "vsync_send_queue_bytes", {}, told["send_queue"]["bytes"]
    for reason, count in told["dropped"].items():
        yield "vsync_dropped_total", {"reason": reason}, count
    yield "vsync_datagrams_sent_total", {}, told["datagrams"]["sent"]
    yield "vsync_datagrams_received_total", {}, told["datagrams"]["received"]
    yield "vsync_clock_error_seconds", {}, to_seconds(told["clock_error_ns"])


@contextmanager
def serving(
    address: tuple[str, int], observer: Observer, counted: Callable[[], Counted]
) -> Iterator[int]:
    """Serve at `address` until the end; gives the port.

    Raises:
        MissingExtra: the extra is missing.
        BadConfig: the address cannot be used.
    """
    own = {"group": observer.group, "member": str(observer.loop.engine.me)}

    def look() -> Iterator[Sample]:
        for name, labels, value in samples(observer, counted()):
            yield name, own | labels, value

    with exposition.serving(address, METRICS, look) as port:
        yield port
