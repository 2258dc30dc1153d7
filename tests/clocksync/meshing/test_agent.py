"""The agent: conversations with one, and how little anybody can make it do."""

from dataclasses import replace
from random import Random

import pytest

from clocksync.meshing import frames
from clocksync.meshing.agent import (
    LEASE_NS,
    ORDERS_MAX,
    STRANGER_BYTES,
    Agent,
    Asked,
    Lapsed,
    Ordered,
)
from clocksync.meshing.frames import Action, Batch, Order, State, Status
from clocksync.peers.frames import Echo, Probe
from clocksync.runtime.core import Arrival, Notify, Send, SetTimer, Stamp
from clocksync.runtime.units import SECOND
from clocksync.security.datagram import ANYBODY, HELLO_BYTES
from clocksync.security.sealer import Sealer

BOSS = 60_000
PEERS = [(2, ("10.0.0.2", 3190)), (3, ("fd77::3", 3190))]


def order(action=Action.PROBE, token=7, neighbours=PEERS, **changes):
    plain = Order(token, action, 20_000, 1_000, 0, 0, frames.pack_neighbours(neighbours), b"")
    return frames.padded(replace(plain, **changes))


def hear(agent, frame, sender=BOSS, now=0):
    return agent.on_frame(Arrival(frame, sender, Stamp(1_000)), now)


def sends(effects):
    return [effect for effect in effects if isinstance(effect, Send)]


def events(effects):
    return [effect.event for effect in effects if isinstance(effect, Notify)]


def agent():
    return Agent(1, Random(5), precision_ns=3)


def test_a_greeting_is_answered_and_begins_nothing():
    effects = hear(agent(), order(Action.GREET))
    assert effects == [Send(BOSS, Status(7, State.IDLE, 3, ()))]


def test_an_order_is_answered_and_carried_out_neighbour_by_neighbour():
    core = agent()
    effects = hear(core, order())
    assert sends(effects) == [Send(BOSS, Status(7, State.PROBING, 3, ()))]
    assert events(effects) == [Ordered(BOSS, 2)]
    probed = [sends(core.on_timer(BOSS, now))[0].to for now in range(0, 40_000_000, 10_000_000)]
    assert sorted(probed) == sorted([address for _, address in PEERS] * 2)


def test_two_probes_leave_together_once_a_neighbour_has_answered():
    core = agent()
    hear(core, order(neighbours=PEERS[:1]))
    (first,) = sends(core.on_timer(BOSS, 0))
    core.on_sent(first.tag, Stamp(500), 0)
    hear(core, Echo(700, 700, 0, 0, 0, first.frame.number), sender=2)
    again = sends(core.on_timer(BOSS, 1))
    assert [type(send.frame) for send in again] == [Probe, Probe]
    (status,) = sends(hear(core, order(neighbours=PEERS[:1])))
    assert status.frame.answered == (2,)


def test_plain_probes_of_any_host_are_answered_without_an_order():
    effects = hear(agent(), Probe(99), sender=1234)
    assert [type(send.frame) for send in sends(effects)] == [Echo]
    assert events(effects) == [Asked(1234)]


def test_a_host_that_never_answers_gets_no_more_bytes_than_came_in_orders():
    core, got = agent(), 0
    everybody = [(n, (f"10.0.{n}.1", 9)) for n in range(2, 2 + frames.NEIGHBOURS_MAX)]
    command = order(neighbours=everybody, interval_us=1, lasts_ms=2**32 - 1)
    hear(core, command)
    came = len(command.encode())
    for now in range(0, SECOND, 500_000):
        got += STRANGER_BYTES * len(sends(core.on_timer(BOSS, now)))
    assert 0 < got <= came
    hear(core, command, now=SECOND)
    for now in range(SECOND, 2 * SECOND, 500_000):
        got += STRANGER_BYTES * len(sends(core.on_timer(BOSS, now)))
    assert got <= 2 * came
    # A probe with the largest seal and a hail beside it are no more than is counted for it.
    assert len(Probe(1).encode()) + Sealer.OVERHEAD + HELLO_BYTES <= STRANGER_BYTES


def test_an_order_lapses_when_its_coordinator_is_silent():
    core = agent()
    hear(core, order(lasts_ms=3_600_000))
    assert sends(core.on_timer(BOSS, LEASE_NS - 1))
    assert core.on_timer(BOSS, LEASE_NS) == [Notify(Lapsed(BOSS, was_ended=False))]
    assert (core.coordinators, core.on_timer(BOSS, LEASE_NS + 1)) == ([], [])


def test_probing_ends_by_itself_and_what_was_measured_is_kept_for_a_while():
    core = agent()
    hear(core, order(lasts_ms=100))
    effects = core.on_timer(BOSS, SECOND)
    assert effects == [SetTimer(BOSS, LEASE_NS - SECOND)]
    assert sends(hear(core, order(Action.FETCH, peer=2), now=SECOND))


def test_an_order_that_is_repeated_is_not_begun_again():
    core = agent()
    hear(core, order())
    effects = hear(core, order(), now=1)
    assert (len(sends(effects)), events(effects)) == (1, [])
    assert not [effect for effect in effects if isinstance(effect, SetTimer)]


def test_a_new_measurement_of_the_same_coordinator_replaces_the_old_one():
    core = agent()
    hear(core, order(token=1))
    assert events(hear(core, order(token=2))) == [Ordered(BOSS, 2)]
    assert hear(core, order(Action.FETCH, token=1, peer=2)) == []
    assert len(core.coordinators) == 1


def test_more_coordinators_than_it_serves_are_told_so():
    core = agent()
    for boss in range(ORDERS_MAX):
        hear(core, order(), sender=BOSS + boss)
    effects = hear(core, order(), sender=BOSS + ORDERS_MAX)
    assert effects == [Send(BOSS + ORDERS_MAX, Status(7, State.BUSY, 3, ()))]
    assert hear(core, order(Action.END), sender=BOSS) != []
    assert events(hear(core, order(), sender=BOSS + ORDERS_MAX))


def test_the_end_is_the_end():
    core = agent()
    hear(core, order())
    assert events(hear(core, order(Action.END))) == [Lapsed(BOSS, was_ended=True)]
    assert (core.coordinators, hear(core, order(Action.END))) == ([], [])


@pytest.mark.parametrize(
    "bad",
    [
        order(neighbours=[]),
        order(neighbours=[(1, ("10.0.0.9", 1))]),
        order(neighbours=[(0, ("10.0.0.9", 1))]),
        order(neighbours=[(ANYBODY, ("10.0.0.9", 1))]),
        order(neighbours=[PEERS[0], PEERS[0]]),
        order(neighbours=[(2, ("10.0.0.9", 0))]),
        replace(order(), neighbours=b"123"),
        order(action=200),
        order(Action.FETCH, token=8),
    ],
    ids=[
        "of nobody",
        "of itself",
        "of number 0",
        "of anybody",
        "of one twice",
        "at port 0",
        "cut",
        "of no known kind",
        "to fetch what was not ordered",
    ],
)
def test_an_order_that_makes_no_sense_is_not_answered_and_does_no_harm(bad):
    core = agent()
    assert hear(core, bad) == []
    assert (core.refused, core.coordinators) == (1, [])


@pytest.mark.parametrize("action", [Action.GREET, Action.PROBE, Action.FETCH])
def test_an_order_shorter_than_its_answer_is_not_answered(action):
    core = agent()
    hear(core, order())
    short = Order(7, action, 0, 0, 2, 0, b"", b"")
    answers = sends(hear(core, short))
    assert all(len(send.frame.encode()) <= len(short.encode()) for send in answers)


def test_samples_are_told_in_parts_and_do_not_change_under_the_teller():
    core = agent()
    hear(core, order(neighbours=PEERS[:1]))
    for round_ in range(40):
        for send in sends(core.on_timer(BOSS, round_)):
            core.on_sent(send.tag, Stamp(1000 * round_), round_)
            at = 1000 * round_ + 300
            echo = Echo(at, at, 0, 0, 0, send.frame.number)
            core.on_frame(Arrival(echo, 2, Stamp(1000 * round_ + 500)), round_)
    told, first = [], 0
    while True:
        (send,) = sends(hear(core, order(Action.FETCH, peer=2, first=first)))
        batch = send.frame
        assert isinstance(batch, Batch)
        told += frames.unpack_rows(batch.rows)
        first = len(told)
        core.on_timer(BOSS, 50)
        if first >= batch.total:
            break
    assert len(told) == batch.total > frames.ROWS_MAX
    assert [row.t1 for row in told] == sorted(row.t1 for row in told)
    assert all((row.t2 - row.t1, row.t4 - row.t1) == (300, 500) for row in told)


def test_frames_of_no_concern_are_ignored():
    core = agent()
    assert hear(core, Status(7, 0, 1, ())) == []
    assert hear(core, Echo(1, 1, 0, 0, 0, 5), sender=2) == []
    assert core.on_sent("whose?", Stamp(0), 0) == []
    assert core.on_timer("whose?", 0) == []
