"""A protocol inside its seals, simulated with somebody on the path who does what he likes."""

from itertools import pairwise
from random import Random

import pytest

from clocksync.peers.datagram import Datagram, Datagrams
from clocksync.peers.frames import Echo, Probe
from clocksync.peers.sealed import (
    EVERYBODY,
    HAIL_EVERY_NS,
    HAIL_GROUP_NS,
    LEARNED_MAX,
    PLACES_MAX,
    SILENT_NS,
    Sealed,
)
from clocksync.runtime.core import Arrival, Send, Stamp
from clocksync.runtime.simulation import Link, Uniform, World
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND
from clocksync.security.datagram import HELLO_BYTES
from clocksync.security.plain import PlainSealer
from tests.clocksync.peers.attacker import attack
from tests.clocksync.peers.talkers import FRAMES, Talker
from tests.clocksync.security.talk import ring, sealer

ALL = ("239.0.0.1", 3190)


def where(number):
    return f"10.0.0.{number}", 3190


def two(seed, client, server, *, addresses=None, link=None):
    """A world of host 1, which asks, and host 2."""
    world = World(seed, codec=Datagrams(), link=link or Link(delay=Uniform(10_000, 90_000)))
    world.add(where(1), Sealed(client, sealer(1), FRAMES, addresses))
    world.add(where(2), Sealed(server, sealer(2), FRAMES), offset_ns=SECOND)
    return world


@pytest.mark.parametrize("seed", range(10))
def test_hosts_that_know_an_address_only_find_each_other_over_a_bad_path(seed):
    link = Link(
        delay=Uniform(10 * MICROSECOND, 5 * MILLISECOND),
        loss=0.3,
        duplicate=0.2,
        reorder=0.2,
        reorder_by=Uniform(0, 50 * MILLISECOND),
    )
    client, server = Talker(to=where(2), wanted=20), Talker()
    world = two(seed, client, server, link=link)
    assert world.run_until(
        lambda: len(client.askers) and len(client.asker(2).samples) >= 20, SECOND
    )
    assert {sender for sender, _ in server.heard} == {1}


@pytest.mark.parametrize("seed", range(10))
def test_nothing_forged_replayed_or_changed_gets_in(seed):
    """Each datagram may be repeated later, bent, cut, or handed to the other as if from elsewhere;
    what comes in is what was sent by its sender, once."""
    random = Random(f"attack/{seed}")
    client, server = Talker(to=where(2), wanted=10**9), Talker()
    world = two(seed, client, server)
    attack(world, random, lambda ends: (ends[0], where(random.randrange(3, 200))), SECOND)
    world.run_for(2 * SECOND)
    numbers = [frame.number for sender, frame in server.heard if sender == 1]
    assert len(numbers) == len(server.heard) == len(set(numbers)) > 100
    assert len(client.asker(2).samples) > 20
    assert {sender for sender, _ in client.heard} == {2}


def test_a_protocol_sees_its_own_frames_only():
    other = Talker()
    core = Sealed(other, PlainSealer(7, 2), [Probe])
    data = PlainSealer(7, 1).seal(Echo.KIND, Echo(0, 0, 0, 0, 0, 1).encode())
    assert core.on_frame(Arrival(Datagram(data), where(1), Stamp(0)), 0) == []
    data = PlainSealer(7, 1).seal(Probe.KIND, b"too short"[:3])
    assert core.on_frame(Arrival(Datagram(data), where(1), Stamp(0)), 0) == []
    assert core.on_malformed(where(1), 0) == []
    assert (other.heard, dict(core.refused)) == (
        [],
        {"unknown kind": 1, "too short": 1, "longer than any of ours": 1},
    )


def test_a_host_is_answered_where_its_latest_authentic_datagram_came_from_unless_configured():
    def core_with(**addresses):
        return Sealed(Talker(), PlainSealer(7, 2), FRAMES, addresses.get("configured"))

    probe = Datagram(PlainSealer(7, 1).seal(Probe.KIND, Probe(5).encode()))
    roaming, fixed = core_with(), core_with(configured={1: where(1)})
    for place in (where(1), where(9)):
        sends = [
            effect.to
            for core in (roaming, fixed)
            for effect in core.on_frame(Arrival(probe, place, Stamp(0)), 0)
            if isinstance(effect, Send)
        ]
        assert sends == [place, where(1)]
    assert (roaming.address_of(1), roaming.address_of(3)) == (where(9), None)


def test_what_is_for_nobody_who_is_known_is_counted():
    core = Sealed(Talker(), PlainSealer(7, 2), FRAMES)
    assert core.call([Send(5, Probe(1)), Send(EVERYBODY, Probe(2))], now=0) == []
    assert core.unsent == 2


def test_everybody_is_the_group_or_each_whose_address_is_known():
    sends = [Send(EVERYBODY, Probe(1), "tag")]
    known = {1: where(1), 3: where(3)}
    for group, expected in ((ALL, [ALL]), (None, [where(1), where(3)])):
        core = Sealed(Talker(), PlainSealer(7, 2), FRAMES, known, group)
        effects = core.call(sends, now=0)
        assert [(effect.to, effect.tag) for effect in effects] == [(to, "tag") for to in expected]


def test_a_stranger_who_invents_senders_draws_no_more_bytes_than_he_sends_and_fills_no_memory():
    core = Sealed(Talker(), sealer(2), FRAMES)
    random, sent, drawn = Random("flood"), 0, 0
    for now in range(0, 20_000_000_000, 1_000_000):
        claimed = random.randrange(3, 60_000)
        data = sealer(claimed % 50 + 3, keys=ring(1)).seal(Probe.KIND, Probe(now).encode())
        data = data[:8] + claimed.to_bytes(2, "big") + data[10:]
        sent += len(data)
        effects = core.on_frame(Arrival(Datagram(data), where(66), Stamp(0)), now)
        drawn += sum(len(effect.frame.data) for effect in effects)
    assert 0 < drawn <= sent
    assert drawn % HELLO_BYTES == 0
    assert core.address_of(claimed) is None


def test_a_holder_of_the_key_fills_no_memory_with_numbers():
    core = Sealed(Talker(), PlainSealer(7, 0), FRAMES)
    for number in range(1, 10_000):
        data = PlainSealer(7, number).seal(Probe.KIND, Probe(5).encode())
        core.on_frame(Arrival(Datagram(data), where(1), Stamp(0)), 0)
    assert len(core._learned) == LEARNED_MAX


def hailed(effects):
    """Where hails go to, of what a core says."""
    return [
        effect.to
        for effect in effects
        if isinstance(effect, Send) and len(effect.frame.data) == HELLO_BYTES
    ]


def acquainted(one, other, now):
    """Two cores, one of which asks the other at an address until it is answered."""
    towards = [Send(where(2), Probe(1))]
    for _ in range(2):
        ways = [(other, where(1), one.call(towards, now))]
        while ways:
            core, came_from, effects = ways.pop()
            back = one if core is other else other
            for effect in effects:
                if isinstance(effect, Send):
                    arrival = Arrival(effect.frame, came_from, Stamp(0))
                    ways.append((back, effect.to, core.on_frame(arrival, now)))
    return one


def test_an_address_that_was_never_heard_is_hailed_at_a_bounded_rate():
    core = Sealed(Talker(), sealer(1), FRAMES, {3: where(3)})
    sends = [Send(where(2), Probe(1)), Send(3, Probe(2)), Send(5, Probe(3))]
    assert hailed(core.call(sends, now=0)) == [where(2), where(3)]
    assert hailed(core.call(sends, now=HAIL_EVERY_NS - 1)) == []
    assert hailed(core.hail(where(2), HAIL_EVERY_NS - 1)) == []
    assert hailed(core.call(sends, now=HAIL_EVERY_NS)) == [where(2), where(3)]
    assert hailed(core.hail(where(9), 0)) == [where(9)]


def test_who_answers_is_not_hailed_and_who_falls_silent_is():
    one = acquainted(
        Sealed(Talker(), sealer(1), FRAMES), Sealed(Talker(), sealer(2), FRAMES), now=0
    )
    assert one.address_of(2) == where(2)
    sends, began = [Send(2, Probe(1))], SECOND
    assert hailed(one.call(sends, began)) == [], "it may answer"
    assert hailed(one.call(sends, began + SILENT_NS - 1)) == []
    assert hailed(one.call(sends, began + SILENT_NS)) == [where(2)]


def test_a_hello_that_is_repeated_makes_nobody_seem_alive():
    one = Sealed(Talker(), sealer(1), FRAMES)
    one.call([Send(where(2), Probe(1))], 0)
    hello = Datagram(sealer(2, life=7).hail(0))
    for now in range(0, 4 * HAIL_EVERY_NS, HAIL_EVERY_NS):
        one.on_frame(Arrival(hello, where(2), Stamp(0)), now + 1)
        assert hailed(one.call([Send(where(2), Probe(1))], now + HAIL_EVERY_NS)) == [where(2)]


def test_a_group_is_hailed_half_as_often_each_time_down_to_once_a_minute():
    core = Sealed(Talker(), sealer(1), FRAMES, group=ALL)
    at = [
        now
        for now in range(0, 300 * SECOND, HAIL_EVERY_NS)
        if hailed(core.call([Send(EVERYBODY, Probe(1))], now))
    ]
    pauses = [later - earlier for earlier, later in pairwise(at)]
    assert pauses[:4] == [HAIL_EVERY_NS << place for place in range(4)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == HAIL_GROUP_NS


def test_addresses_that_a_protocol_names_fill_no_memory():
    core = Sealed(Talker(), sealer(1), FRAMES)
    for place in range(PLACES_MAX + 100):
        core.call([Send(("10.9.9.9", place + 1), Probe(1))], 0)
    assert len(core._places) == PLACES_MAX


def test_two_frames_of_one_kind_are_refused():
    class Twin(Probe):
        pass

    with pytest.raises(ValueError, match="have the kind 0x10"):
        Sealed(Talker(), PlainSealer(7, 2), [Probe, Twin])
