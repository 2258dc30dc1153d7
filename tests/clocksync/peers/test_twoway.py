"""Four stamps, and what they prove: told by the arithmetic, and by simulated clocks and paths."""

import pytest

from clocksync.peers.frames import Echo, Probe
from clocksync.peers.twoway import KEPT, UNTOLD, Answerer, Asker, EchoLeft, ProbeLeft
from clocksync.runtime.core import Stamp, StampSource
from clocksync.runtime.simulation import Link, LogNormal, Uniform, World
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND
from tests.clocksync.peers.talkers import Talker

KERNEL, USER = StampSource.KERNEL, StampSource.USER


def asked(asker, left):
    """Ask, and tell when it left; the number of the probe."""
    send = asker.ask()
    asker.on_sent(send.tag, Stamp(left, KERNEL))
    return send.frame.number


def test_an_answer_that_left_when_it_came_gives_the_middle_and_half_the_delay():
    asker = Asker("them", 100)
    number = asked(asker, 1_000)
    assert asker.on_echo(Echo(6_100, 6_100, 0, 0, 0, number), Stamp(1_400, KERNEL))
    (sample,) = asker.samples
    assert (sample.offset_ns, sample.delay_ns, sample.interleaved) == (4_900, 400, False)
    assert (sample.path.earliest, sample.path.latest) == (
        4_698,
        5_102,
    )  # a nanosecond each, and drift


def test_the_next_answer_tells_when_the_one_before_left():
    asker = Asker("them", 100)
    first = asked(asker, 1_000)
    asker.on_echo(Echo(6_100, 6_100, 0, 0, 0, first), Stamp(1_400, KERNEL))
    second = asked(asker, 2_000)
    asker.on_echo(Echo(7_100, 7_100, first, 6_100, 6_300, second), Stamp(2_400, KERNEL))
    sample = asker.samples[0]
    assert (sample.offset_ns, sample.delay_ns, sample.interleaved) == (5_000, 200, True)


def test_an_answerer_tells_the_departure_of_the_answer_before_by_the_kernel():
    answerer = Answerer(told=lambda stamp: stamp + 7)
    first = answerer.on_probe(2, Probe(50), Stamp(1_000, KERNEL))
    assert (first.to, first.frame) == (2, Echo(1_007, 1_007, 0, 0, 0, 50))
    answerer.on_sent(first.tag, Stamp(1_100, USER))
    answerer.on_sent(first.tag, Stamp(1_200, KERNEL))
    answerer.on_sent(first.tag, Stamp(1_100, USER))  # late: the kernel's stays
    assert answerer.on_probe(3, Probe(50), Stamp(1_500, KERNEL)).frame.earlier == 0, "of another"
    second = answerer.on_probe(2, Probe(51), Stamp(2_000, KERNEL))
    assert second.frame == Echo(2_007, 2_007, 50, 1_007, 1_207, 51)
    answerer.on_sent(second.tag, Stamp(2_100, USER))
    assert answerer.on_probe(2, Probe(52), Stamp(3_000, KERNEL)).frame.earlier_left == 2_107


@pytest.mark.parametrize(
    "echo",
    [
        Echo(6_100, 6_099 - 1, 0, 0, 0, 100),  # left before it came
        Echo(6_100, 6_502, 0, 0, 0, 100),  # held it for longer than it was under way
        Echo(-(1 << 63), (1 << 63) - 1, 0, 0, 0, 100),
        Echo((1 << 63) - 1, -(1 << 63), 0, 0, 0, 100),
    ],
)
def test_what_no_honest_clock_can_say_is_counted_and_not_believed(echo):
    asker = Asker("them", 100)
    asked(asker, 1_000)
    assert not asker.on_echo(echo, Stamp(1_400, KERNEL))
    assert (asker.samples, asker.impossible) == ([], 1)


def test_an_impossible_departure_of_an_earlier_answer_changes_nothing():
    asker = Asker("them", 100)
    first = asked(asker, 1_000)
    asker.on_echo(Echo(6_100, 6_100, 0, 0, 0, first), Stamp(1_400, KERNEL))
    for departure in (0, 9_000, -(1 << 63), (1 << 63) - 1):
        number = asked(asker, 2_000)
        asker.on_echo(Echo(7_100, 7_100, first, 6_100, departure, number), Stamp(2_400, KERNEL))
    assert asker.samples[0].delay_ns == 400
    assert not asker.samples[0].interleaved


def test_a_probe_that_came_twice_is_two_answers_and_their_stamps_are_not_mixed():
    answerer, asker = Answerer(), Asker("them", 100)
    number = asked(asker, 1_000)
    first = answerer.on_probe(2, Probe(number), Stamp(6_100, KERNEL))
    answerer.on_sent(first.tag, Stamp(6_150, KERNEL))
    second = answerer.on_probe(2, Probe(number), Stamp(6_300, KERNEL))
    answerer.on_sent(second.tag, Stamp(6_350, KERNEL))
    asker.on_echo(first.frame, Stamp(1_400, KERNEL))
    later = asked(asker, 2_000)
    third = answerer.on_probe(2, Probe(later), Stamp(7_100, KERNEL))
    asker.on_echo(third.frame, Stamp(2_400, KERNEL))
    assert asker.samples[0].delay_ns == 400
    assert not asker.samples[0].interleaved


def test_an_answer_counts_once_and_only_to_a_probe_that_left():
    asker = Asker("them", 100)
    number = asker.ask().frame.number
    echo = Echo(6_100, 6_100, 0, 0, 0, number)
    assert not asker.on_echo(echo, Stamp(1_400, KERNEL)), "a forger who guesses"
    asker.on_sent(ProbeLeft("them", number), Stamp(1_000, KERNEL))
    assert asker.on_echo(echo, Stamp(1_400, KERNEL))
    assert not asker.on_echo(echo, Stamp(1_300, KERNEL)), "a duplicate"
    asker.on_sent(ProbeLeft("them", number), Stamp(1_399, KERNEL))
    assert asker.samples[0].t1 == 1_000, "no stamp after the answer"
    assert not asker.on_echo(Echo(1, 1, 0, 0, 0, 999), Stamp(1_400, KERNEL))
    asker.on_sent(ProbeLeft("them", 999), Stamp(1, KERNEL))
    asker.forget()
    assert asker.samples == []


def test_memory_is_bounded():
    asker, answerer = Asker("them", 1), Answerer()
    for _ in range(3 * KEPT):
        asked(asker, 0)
    assert len(asker._exchanges) == KEPT
    for peer in range(10_000):
        answerer.on_sent(EchoLeft(peer, 1, 1), Stamp(1, KERNEL))
    assert len(answerer._departures) == 4_096


@pytest.mark.parametrize("seed", range(20))
def test_the_truth_lies_in_every_sample_over_bad_paths_and_drifting_clocks(seed):
    link = Link(
        delay=LogNormal(1 * MILLISECOND, 2 * MILLISECOND),
        loss=0.2,
        duplicate=0.1,
        reorder=0.2,
        reorder_by=Uniform(0, 20 * MILLISECOND),
    )
    world = World(seed, link=link)
    client = Talker(to=2, wanted=10**9)
    here = world.add(1, client, rate_ppm=40)
    there = world.add(2, Talker(), offset_ns=-3 * SECOND, rate_ppm=-60)
    truths = {}

    def watch():
        reading = here.wall.read()
        truths[reading] = there.wall.read() - reading

    world.invariant(watch)
    world.run_for(SECOND)
    samples = client.asker(2).samples
    assert len(samples) > 20
    assert sum(sample.interleaved for sample in samples) > 10
    slack = 100 * MICROSECOND // 1000  # what the clocks drift apart in the latency of a stamp
    for sample in samples:
        near = min(truths, key=lambda reading: abs(reading - sample.t4))
        truth = truths[near]
        assert sample.path.widened(slack).earliest <= truth <= sample.path.widened(slack).latest


def test_the_departures_of_answers_to_probes_that_came_together_are_each_told():
    asker, answerer = Asker(2, 100), Answerer()
    told = []
    for round_ in range(3):
        sends = [asker.ask(), asker.ask()]
        for place, send in enumerate(sends):
            asker.on_sent(send.tag, Stamp(1000 * round_ + place, StampSource.KERNEL))
        arrivals = [Stamp(1000 * round_ + 100 + place, StampSource.KERNEL) for place in (0, 1)]
        answers = [
            answerer.on_probe(1, send.frame, arrived)
            for send, arrived in zip(sends, arrivals, strict=True)
        ]
        for place, answer in enumerate(answers):  # the reading first, then the kernel's
            for source in (StampSource.USER, StampSource.KERNEL):
                left = 1000 * round_ + 120 + place + (source is StampSource.KERNEL)
                answerer.on_sent(answer.tag, Stamp(left, source))
        for place, answer in enumerate(answers):
            told.append(answer.frame.earlier)
            assert asker.on_echo(answer.frame, Stamp(1000 * round_ + 300 + place))
    assert told == [0, 0, 100, 101, 102, 103]
    exact = [sample for sample in asker.samples if sample.interleaved]
    assert [sample.t3 - sample.t2 for sample in exact] == [21] * 4


def test_only_so_many_departures_wait_for_each_peer():
    answerer = Answerer()
    for number in range(50):
        answerer.on_sent(EchoLeft(1, number, number), Stamp(number))
    assert len(answerer._departures[1]) == UNTOLD


def test_as_many_exchanges_are_kept_as_asked_for():
    asker = Asker(2, 1, kept=5)
    for _ in range(20):
        asker.ask()
    assert len(asker._exchanges) == 5
