"""The largest messages: 64 MiB, in pieces, to everybody."""

import pytest

from clocksync.runtime.units import MILLISECOND, SECOND
from vsync.check import judge
from vsync.config import RingConfig
from vsync.history import digest
from vsync.testing import Group


@pytest.mark.slow
def test_a_message_of_64_mib_is_delivered_whole_at_every_member() -> None:
    config = RingConfig.simulated(datagram_bytes=60_000)
    group = Group(seed=1, count=3, config=config)
    group.world.run(200 * MILLISECOND)
    payload = b"sixteen bytes...".ljust(1024, b"-") * 1024 * 64
    assert len(payload) == config.message_bytes_max
    group.submit(1, b"before")
    group.submit(1, payload)
    group.submit(1, b"after")
    group.world.run(10 * SECOND)
    for me in group.members:
        got = [
            event["digest"]
            for event in group.history
            if event["event"] == "deliver" and event["node"] == me
        ]
        assert got == [digest(b"before"), digest(payload), digest(b"after")]
    assert not judge(group.history).violations
    assert max(len(group.node(me).engine.ring.log.frames) for me in group.members) < 100


def test_a_message_over_the_limit_is_refused_and_harms_nothing() -> None:
    config = RingConfig.simulated(message_bytes_max=5000)
    group = Group(seed=1, count=2, config=config)
    group.world.run(200 * MILLISECOND)
    group.submit(1, bytes(5001))
    group.submit(1, bytes(5000))
    group.world.run_for(300 * MILLISECOND)
    delivered = [event for event in group.history if event["event"] == "deliver"]
    assert [event["digest"] for event in delivered] == [digest(bytes(5000))] * 2


def test_a_transitional_configuration_has_the_time_of_a_message_that_was_delivered() -> None:
    """Pieces of a message that was not completed have later times; nobody was told of them."""
    group = Group(seed=1, count=2, config=RingConfig.simulated(visit_max=3))
    group.world.run(200 * MILLISECOND)
    group.submit(1, b"told")
    group.world.run_for(50 * MILLISECOND)
    group.submit(1, bytes(20_000))
    delivered = group.node(2).engine.ring.delivered
    assert group.world.run_until(
        lambda: group.node(2).engine.ring.delivered > delivered + 2, limit_ns=SECOND
    )
    group.world.crash(1)
    group.world.run_for(400 * MILLISECOND)
    mine = [event for event in group.history if event["node"] == 2]
    (told,) = [event for event in mine if event["event"] == "deliver"]
    last = [event for event in mine if event.get("kind") == "transitional"][-1]
    assert last["timestamp"] == told["timestamp"]
