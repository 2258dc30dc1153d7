"""The coordinator: conversations with one, and a key around a whole mesh."""

from random import Random

from clocksync.meshing import frames
from clocksync.meshing.agent import FRAMES, Agent
from clocksync.meshing.coordinator import (
    TRIES_MAX,
    Collected,
    Coordinator,
    Phase,
    Probing,
    Trouble,
)
from clocksync.meshing.frames import Action, Batch, Row, State, Status
from clocksync.meshing.solve import solve
from clocksync.peers.datagram import Datagrams
from clocksync.peers.sealed import Sealed
from clocksync.runtime.core import Arrival, Notify, Send, Stamp
from clocksync.runtime.simulation import World
from clocksync.runtime.units import MILLISECOND, SECOND
from tests.clocksync.security.talk import ring, sealer

WHERE = [("10.0.0.1", 3190), ("10.0.0.2", 3190), ("10.0.0.3", 3190)]


def coordinator(**options):
    core = Coordinator(WHERE, Random(3), **options)
    core.start(0)
    return core


def hear(core, frame, sender, now=0):
    return core.on_frame(Arrival(frame, sender, Stamp(0)), now)


def greeted(core, numbers=(1, 2, 3)):
    effects = []
    for host, number in zip(core.hosts, numbers, strict=False):
        effects = hear(core, Status(host.token, State.IDLE, 5, ()), number)
    return effects


def orders(effects, action):
    found = [e for e in effects if isinstance(e, Send) and e.frame.action == action]
    return {send.to: send.frame for send in found}


def events(effects):
    return [effect.event for effect in effects if isinstance(effect, Notify)]


def test_hosts_are_greeted_until_each_has_said_its_number():
    core = coordinator()
    hear(core, Status(core.hosts[0].token, State.IDLE, 5, ()), 1)
    again = orders(core.on_timer("tick", SECOND), Action.GREET)
    assert list(again) == WHERE[1:]


def test_each_is_told_all_the_others_with_their_addresses():
    core = coordinator()
    effects = greeted(core)
    assert events(effects) == [Probing(3, 3, SECOND)]
    told = {
        to: frames.unpack_neighbours(order.neighbours)
        for to, order in orders(effects, Action.PROBE).items()
    }
    assert told[WHERE[1]] == [(1, WHERE[0]), (3, WHERE[2])]


def test_hosts_that_stay_silent_are_left_out_and_named():
    core = coordinator(greet_ns=SECOND)
    greeted(core, (1, 2))
    core.on_refused(WHERE[2], None, "connection refused", 0)
    assert events(core.on_timer("tick", SECOND)) == [Probing(2, 1, SECOND)]
    assert (core.hosts[2].troubles, core.hosts[2].refusal) == (
        [Trouble.SILENT],
        "connection refused",
    )


def test_a_mesh_of_less_than_two_is_over_at_once():
    core = coordinator(greet_ns=SECOND)
    greeted(core, (1,))
    (collected,) = events(core.on_timer("tick", SECOND))
    assert isinstance(collected, Collected)
    assert solve(collected).exit_code == 2


def test_two_hosts_of_one_number_are_both_left_out():
    core = coordinator()
    effects = greeted(core, (1, 1, 3))
    (collected,) = events(effects)
    named = [host.address for host in collected.hosts if Trouble.TWIN in host.troubles]
    assert named == WHERE[:2]


def test_a_busy_agent_is_named():
    core = coordinator()
    greeted(core)
    hear(core, Status(core.hosts[1].token, State.BUSY, 5, ()), 2)
    assert core.hosts[1].troubles == [Trouble.BUSY]


def to_fetching(core):
    greeted(core)
    core.on_timer("tick", SECOND)
    return orders(core.on_timer("tick", SECOND + 1), Action.FETCH)


def batch(order, rows, total=None, first=None):
    first = order.first if first is None else first
    total = len(rows) if total is None else total
    return Batch(order.token, order.peer, first, total, frames.pack_rows(rows))


def test_samples_are_fetched_until_all_are_there_and_late_copies_do_not_count_twice():
    core = coordinator()
    fetches = to_fetching(core)
    order, row = fetches[WHERE[0]], Row(1, 2, 3, 4, True)
    (more,) = hear(core, batch(order, [row] * 2, total=3), 1)
    assert (more.frame.peer, more.frame.first) == (2, 2)
    assert hear(core, batch(order, [row] * 2, total=3), 1) == []
    (next_peer,) = hear(core, batch(more.frame, [row], total=3), 1)
    assert (next_peer.frame.peer, next_peer.frame.first) == (3, 0)


def test_a_batch_of_somebody_else_is_not_taken():
    core = coordinator()
    order = to_fetching(core)[WHERE[0]]
    assert hear(core, batch(order, [Row(1, 2, 3, 4, True)]), sender=2) == []


def test_an_agent_that_sends_without_end_is_stopped():
    core = coordinator(lasts_ns=100 * MILLISECOND, interval_ns=10 * MILLISECOND)
    order = to_fetching(core)[WHERE[0]]
    taken = 0
    while order.peer == 2:
        rows = [Row(1, 2, 3, 4, True)] * frames.ROWS_MAX
        (send,) = hear(core, batch(order, rows, total=65_535), 1)
        order, taken = send.frame, taken + len(rows)
    assert taken < 200


def test_an_agent_that_dies_before_its_samples_are_fetched_is_named_and_holds_nobody_up():
    core = coordinator()
    fetches = to_fetching(core)
    for number in (1, 2):
        order = fetches[WHERE[number - 1]]
        (send,) = hear(core, batch(order, [Row(1, 2, 3, 4, True)]), number)
        hear(core, batch(send.frame, []), number)
    found = []
    for _ in range(TRIES_MAX + 1):
        found += events(core.on_timer("tick", 2 * SECOND))
    assert [host.troubles for host in found[-1].hosts] == [[], [], [Trouble.LOST]]
    assert core.phase is Phase.OVER


def test_stamps_that_no_clock_shows_are_left_out_and_named():
    core = coordinator()
    fetches = to_fetching(core)
    for number, order in enumerate(fetches.values(), 1):
        rows = [Row(1, 2, 3, 4, True), Row(-(2**63), 2**63 - 1, 0, 1, True)]
        (send,) = hear(core, batch(order, rows), number)
        effects = hear(core, batch(send.frame, []), number)
    (collected,) = events(effects)
    assert all(len(rows) <= 1 for rows in collected.rows.values())
    assert all(host.troubles == [Trouble.EXTREME] for host in collected.hosts)


def test_what_nobody_asked_for_is_ignored():
    core = coordinator()
    assert hear(core, Status(1, State.IDLE, 5, ()), 1) == []
    assert hear(core, Batch(core.hosts[0].token, 2, 0, 0, b""), 1) == []
    assert core.give_up(0) != []
    assert (core.give_up(0), core.stop(0), core.on_timer("tick", 0)) == ([], [], [])


# A whole mesh under a key, in the simulator


def sealed_world(seed, keys):
    world = World(seed, codec=Datagrams())
    for number, where in enumerate(WHERE, 1):
        core = Agent(number, Random(number))
        world.add(where, Sealed(core, sealer(number, keys=keys(number)), FRAMES))
    core = Coordinator(WHERE, Random(seed), lasts_ns=200 * MILLISECOND, greet_ns=SECOND)
    boss = ("10.0.0.9", 3190)
    world.add(boss, Sealed(core, sealer(9, keys=keys(9)), FRAMES))
    return world, boss


def collected(world, boss):
    assert world.run_until(lambda: world.events(boss)[-1:] and _is_over(world, boss), 20 * SECOND)
    return world.events(boss)[-1]


def _is_over(world, boss):
    return isinstance(world.events(boss)[-1], Collected)


def test_a_mesh_under_a_key_finds_itself_by_addresses_alone():
    world, boss = sealed_world(1, lambda number: None)
    result = solve(collected(world, boss))
    assert [(pair.a, pair.b) for pair in result.pairs] == [(1, 2), (1, 3), (2, 3)]
    assert all(0 in pair.interval for pair in result.pairs)
    assert result.exit_code == 0


def test_who_has_another_key_has_no_part_and_orders_nobody():
    world, boss = sealed_world(2, lambda number: ring(77) if number == 3 else None)
    result = solve(collected(world, boss))
    assert [(pair.a, pair.b) for pair in result.pairs] == [(1, 2)]
    assert result.hosts[2].troubles == (Trouble.SILENT.value,)
    world, boss = sealed_world(3, lambda number: ring(77) if number == 9 else None)
    assert solve(collected(world, boss)).exit_code == 2
    assert all(not world.node(where).core.core.coordinators for where in WHERE)
