"""The world keeps the core contract, counts every datagram, and says what went wrong."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clocksync.runtime.core import CancelTimer, Notify, Send, SetTimer
from clocksync.runtime.errors import BadConfig, MalformedFrame, MisusedCore
from clocksync.runtime.history import MemoryHistory
from clocksync.runtime.simulation import Constant, Link, SimulationFailure, Stuck, World
from tests.simulation.a_run import run
from tests.simulation.actors import Heard, Listener, Ping, Talker, rounds


@given(st.integers(0, 10**6), st.integers(0, 60_000_000))
@settings(max_examples=25, deadline=None)
def test_every_datagram_is_delivered_lost_cut_or_still_under_way(seed, until):
    world = run(seed, count=10)
    counts = world.counts
    assert counts.made == counts.ended + counts.in_flight
    waiting = [
        handler.__name__ in ("arrive", "_hand_over") for _, _, handler, _ in world._schedule._queue
    ] + [is_datagram for node in world._engine.nodes.values() for is_datagram, *_ in node.backlog]
    assert sum(waiting) == counts.in_flight


def test_effects_are_carried_out_in_order_and_before_the_next_input():
    class Busy(Listener):
        def start(self, now):
            return [
                SetTimer("a", 0),
                Notify(1),
                SetTimer("b", 0),
                CancelTimer("a"),
                CancelTimer("never set"),
                SetTimer("b", 10),
                Notify(2),
            ]

    world = World()
    world.add(1, Busy(), monotonic_start_ns=0)
    world.run(100)
    assert [told.event for told in world.told] == [1, 2, ("timer", "b", 10)]


def test_an_application_s_verbs_are_steps_of_their_own_and_it_is_told_in_order():
    class Echo(Listener):
        def first(self):
            return [Notify("a"), Notify("b")]

        def second(self):
            return [Notify("c")]

    told = []

    def application(address, event):
        told.append(event)
        if event == "a":
            assert world.call(address, lambda core, now: core.second())
        told.append(f"after {event}")

    world = World()
    world.add(1, Echo(), application=application)
    world.call(1, lambda core, now: core.first())
    assert told == ["a", "after a", "b", "after b", "c", "after c"]
    assert world.events(1) == ["a", "b", "c"]


def test_a_verb_from_within_a_step_is_refused_as_a_step_is_an_atom():
    world = World()
    world.add(1, Talker([2]))
    world.add(2, Listener())
    world.intercept(lambda sender, to, data: world.call(2, lambda core, now: core.say(1, 1)))
    with pytest.raises(AssertionError, match="between steps"):
        world.run(10**9)


def test_misuse_of_a_verb_is_the_caller_s_to_see():
    class Strict(Listener):
        def acquire(self):
            raise MisusedCore("acquire() while held")

    world = World()
    world.add(1, Strict())
    with pytest.raises(MisusedCore, match="while held"):
        world.call(1, lambda core, now: core.acquire())


class Bad(Listener):
    def __init__(self, answer) -> None:
        self.answer = answer

    def on_frame(self, arrival, now):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (KeyError("token"), r"the core raised KeyError\('token'\)"),
        (None, "returned None instead of a list of effects"),
        ((Send(1, Ping(1)),), "no list of effects"),
        (["send"], "'send' is no effect"),
        ([SetTimer("t", -1)], "lies in the past"),
        ([Send(1, Ping(2**40))], "cannot be sent"),
        ([Send(1, "text")], "cannot be sent"),
    ],
)
def test_a_core_that_breaks_its_contract_is_reported_with_all_one_needs(answer, words):
    world = World(seed=4711, link=Link(delay=Constant(1000)))
    world.add(1, Listener())
    world.add("bad", Bad(answer))
    world.call(1, lambda core, now: core.say("bad", 3))
    with pytest.raises(SimulationFailure, match=words) as failure:
        world.run(10_000)
    text = str(failure.value)
    assert text.startswith("seed 4711, node bad, given ")
    assert "0.000001000 bad < 1 Ping round=3" in text
    assert failure.value.node == "bad"


def test_an_invariant_is_checked_after_every_step_and_reported():
    world = World(seed=5)
    world.add(1, Talker([2], count=10))
    world.add(2, Listener())

    def at_most_three():
        assert len(rounds(world, 2)) < 4, "four is too many"

    world.invariant(at_most_three)
    with pytest.raises(SimulationFailure, match="seed 5, node 2, given frame Ping round=4: an inv"):
        world.run(10**9)
    assert len(rounds(world, 2)) == 4


def test_an_application_s_own_exception_comes_out_as_it_is_with_the_seed_as_a_note():
    def application(address, event):
        raise ZeroDivisionError

    world = World(seed=99)
    world.add(1, Talker([2]), application=application)
    with pytest.raises(ZeroDivisionError) as failure:
        world.run(10**9)
    assert "seed 99" in failure.value.__notes__[0]


def test_cores_that_answer_each_other_in_no_time_are_found():
    class Parrot(Listener):
        def on_timer(self, timer, now):
            return [SetTimer("again", 0)]

    world = World(seed=3)
    world.add(1, Parrot())
    world.call(1, lambda core, now: core.alarm("again", 0))
    with pytest.raises(Stuck, match="at once") as failure:
        world.run(1)
    assert "seed 3" in failure.value.__notes__[0]


def test_a_run_is_quiet_when_nothing_is_under_way():
    world = World(link=Link(delay=Constant(1000)))
    world.add(1, Listener())
    world.add(2, Listener())
    world.call(1, lambda core, now: core.say(2, 1))
    assert world.run_quiet(10**9)
    assert world.now == 1000
    world.call(1, lambda core, now: core.alarm("far", 10**6))
    assert not world.run_quiet(10_000)
    assert world.now == 10_000
    assert world.run_quiet(10**9, silence_ns=100_000)
    assert world.now == 10_000
    assert world.run_quiet(10**9)
    assert world.now == 1_000_000 + 1000


def test_run_until_stops_at_the_event_that_makes_it_true_or_at_the_limit():
    world = World()
    world.add(1, Talker([2]))
    world.add(2, Listener())
    assert world.run_until(lambda: len(rounds(world, 2)) == 3, 10**9)
    assert world.now == world.told[-1].time
    assert not world.run_until(lambda: False, 10**9)
    assert world.now == 10**9


def test_a_transcript_reads_as_the_house_writes_it():
    world = World(link=Link(delay=Constant(1000)))
    world.add(3, Talker([5], count=1))
    world.add(5, Listener())
    world.link(5, 3, Link(loss=1))
    world.call(5, lambda core, now: core.say(3, 9), name="say 9")
    world.crash(5)
    world.inject(3, 66, b"\xfe")
    world.run(1_002_000)
    assert list(world.transcript.lines(with_time=False)) == [
        "5 : say 9",
        "5 > 3 Ping round=9",
        "3 x 5 Ping round=9 (lost)",
        "* crash 5",
        "3 x 66 1 bytes fe (malformed: unknown kind)",
        "3 @ talk",
        "3 > 5 Ping round=1",
        f"3 = {world.events(3)[0]}",
        "5 x 3 Ping round=1 (down)",
    ]
    assert str(world.transcript).startswith("0.000000000 5 : say 9\n")


def test_a_codec_of_one_s_own_is_used_on_both_sides():
    class Shouting:
        def encode(self, frame):
            return str(frame.round).encode() * 2

        def decode(self, data):
            if not data.isdigit():
                raise MalformedFrame("no digits")
            return Ping(int(data))

    world = World(codec=Shouting())
    world.add(1, Talker([2], count=1))
    world.add(2, Listener())
    world.run(10**8)
    assert rounds(world, 2) == [11]


def test_a_history_is_written_with_boots_and_crashes_and_what_describe_picks():
    world = World(link=Link(delay=Constant(1000)))
    sink = MemoryHistory()

    def describe(event):
        return {"event": "deliver", "message": event.round} if isinstance(event, Heard) else None

    world.write_history(sink, describe)
    world.add(1, lambda boot: Listener())
    world.add(2, Listener())
    world.call(2, lambda core, now: core.say(1, 4, "tag"))
    world.run(2000)
    world.crash(1, keep_storage=False)
    world.restart(1)
    world.mark("healed")
    world.mark("quiet")
    assert sink.events == [
        {"node": 2, "incarnation": "1", "event": "boot", "at": 0, "storage": "kept"},
        {"node": 1, "incarnation": "1", "event": "boot", "at": 0, "storage": "kept"},
        {"node": 1, "incarnation": "1", "event": "deliver", "at": 1000, "message": 4},
        {"node": 1, "incarnation": "1", "event": "crash", "at": 2000},
        {"node": 1, "incarnation": "2", "event": "boot", "at": 2000, "storage": "lost"},
        {"event": "healed", "at": 2000},
        {"event": "quiet", "at": 2000},
    ]


def test_mistakes_in_building_a_world_are_named():
    world = World()
    world.add(1, Listener())
    world.group("all", [1])
    for mistake, words in (
        (lambda: world.add(1, Listener()), "addresses are unique"),
        (lambda: world.add("all", Listener()), "addresses are unique"),
        (lambda: world.group(1, []), "an address of its own"),
        (lambda: world.crash(2), "no node 2"),
        (lambda: world.at(-1, print), "has passed"),
    ):
        with pytest.raises(BadConfig, match=words):
            mistake()
    world.run(0)
    world.crash(1)
    with pytest.raises(SimulationFailure, match="cannot restart: it was given a core"):
        world.restart(1)


def test_a_node_can_join_later_and_hears_nothing_before():
    world = World(link=Link(delay=Constant(1000)))
    world.add(1, Talker([2], count=10))
    world.add(2, Listener(), start_after_ns=5_500_000)
    assert not world.call(2, lambda core, now: core.say(1, 1))
    world.run(10**9)
    assert rounds(world, 2) == [6, 7, 8, 9, 10]
    assert world.counts.down == 5
