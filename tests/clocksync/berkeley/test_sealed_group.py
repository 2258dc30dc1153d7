"""A group inside its seals: whoever has no key, and sits on every path, moves no clock."""

from random import Random

import pytest

from clocksync.berkeley import FRAMES, BerkeleyHost, BerkeleySettings, Obeyed, Role
from clocksync.berkeley.frames import Join
from clocksync.peers.datagram import Datagrams
from clocksync.peers.sealed import Sealed
from clocksync.runtime.simulation import Link, Uniform, World
from clocksync.runtime.units import MILLISECOND, SECOND
from clocksync.security.datagram import HELLO_BYTES
from clocksync.security.plain import PlainSealer
from tests.clocksync.peers.attacker import attack
from tests.clocksync.security.talk import sealer

OFFSETS = {1: 0, 2: 300 * MILLISECOND, 3: -150 * MILLISECOND}


def where(number):
    return f"10.0.0.{number}", 3190


def group(seed):
    """A world of three hosts, each sealed, that know where the daemon is and nothing else."""
    world = World(seed, codec=Datagrams(), link=Link(delay=Uniform(10_000, 90_000)))
    hosts = {}
    for number, offset in OFFSETS.items():
        contact = None if number == 1 else where(1)
        settings = BerkeleySettings(id=number, contact=contact, gather_ns=SECOND)
        host = hosts[number] = BerkeleyHost(settings, boot=number)
        sealed = Sealed(host, sealer(number), FRAMES)
        host.me.where = sealed.address_of
        world.add(where(number), sealed, offset_ns=offset)
    return world, hosts


def settled(world, hosts, *numbers):
    return [
        hosts[number].me.clock.settled(world.node(where(number)).wall.read()) for number in numbers
    ]


@pytest.mark.parametrize("seed", range(5))
def test_nothing_forged_replayed_or_changed_moves_a_clock(seed):
    """Each datagram may be repeated later, bent, cut, or handed to another as if from elsewhere:
    the group comes to what it comes to without that, and every round is followed once."""
    random = Random(f"attack/{seed}")
    world, hosts = group(seed)
    attack(world, random, lambda ends: (where(random.choice(list(OFFSETS))), ends[1]), 5 * SECOND)
    world.run(20 * SECOND)
    shown = settled(world, hosts, 1, 2, 3)
    middle = world.true_wall_time + sum(OFFSETS.values()) // 3
    assert max(shown) - min(shown) < MILLISECOND
    assert abs(shown[0] - middle) < MILLISECOND
    followed = [
        (t.node, t.event.term, t.event.round) for t in world.told if isinstance(t.event, Obeyed)
    ]
    assert len(followed) == len(set(followed)) > 20
    assert sum(world.node(where(1)).core.refused.values()) > 50


def test_without_their_daemon_members_that_never_spoke_find_each_other():
    world, hosts = group(7)
    world.run(6 * SECOND)
    world.crash(where(1))
    world.run(14 * SECOND)
    assert hosts[2].role is Role.DAEMON
    assert hosts[3].me.reign[:2] == (2, 2)
    assert hosts[3].member.orders > 4
    one, other = settled(world, hosts, 2, 3)
    assert abs(one - other) < MILLISECOND


def test_a_request_to_join_draws_a_hello_of_its_own():
    """Else a stranger that asks at the same pace could take every hello for itself."""
    join = Join(2, 1, 0, 0, 0, b"")
    assert len(sealer(2).seal(Join.KIND, join.encode())) >= HELLO_BYTES


def test_who_has_no_key_is_no_member():
    world, hosts = group(8)
    stranger = BerkeleyHost(BerkeleySettings(id=9, contact=where(1)), boot=9)
    world.add(where(9), Sealed(stranger, PlainSealer(7, 9), FRAMES), offset_ns=SECOND)
    world.run(10 * SECOND)
    assert set(hosts[1].daemon.peers) == {2, 3}
    assert stranger.member.polls == 0
