"""The bound of a disciplined clock: what is possible, and nothing that is not."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.interval import Interval
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND
from clocksync.steering.reach import Reach

HOUR = 3600 * SECOND


def settled(*, width_ns: int = MILLISECOND, hours: int = 1, rate_ppm: float = 10.0) -> Reach:
    """A reach that was told once a minute where a clock of constant rate is."""
    reach = Reach(500.0, 4.0)
    for minute in range(hours * 60 + 1):
        at = minute * 60 * SECOND
        middle = round(at * rate_ppm / 1e6)
        assert reach.learn(at, Interval.around(middle, width_ns // 2))
    return reach


def test_nothing_is_known_before_anything_was_told() -> None:
    assert Reach(500.0, 4.0).at(0) is None


def test_at_first_a_bound_grows_by_the_largest_drift() -> None:
    reach = Reach(500.0, 4.0)
    reach.learn(0, Interval(-1000, 1000))
    grown = reach.at(10 * SECOND)
    assert grown is not None
    assert abs(grown.error - (1000 + 5 * MILLISECOND)) < 100


def test_the_frequency_is_learnt_as_well_as_offsets_and_wander_allow() -> None:
    lowest, highest = settled().frequency_ppm(HOUR)
    assert lowest < 10 < highest
    # A millisecond over the span T tells it to 1000 / T ppm, wander costs 4 T / 7200: the best T is
    # some 20 minutes.
    assert 0.5 < highest - lowest < 4


def test_holdover_costs_frequency_and_wander() -> None:
    reach = settled()
    one, two = (reach.at(HOUR + n * HOUR) for n in (1, 2))
    assert one is not None
    assert two is not None
    assert 3 * MILLISECOND < one.error < 20 * MILLISECOND
    assert two.error > 2 * one.error  # wander makes it grow faster and faster
    assert round(2 * HOUR * 10 / 1e6) in one


def test_what_cannot_be_is_not_learnt() -> None:
    reach = settled()
    before = reach.at(HOUR + SECOND)
    assert not reach.learn(HOUR + SECOND, Interval.around(SECOND, MICROSECOND))
    assert reach.at(HOUR + SECOND) == before


def test_a_rate_that_jumps_is_noticed_by_the_bound() -> None:
    reach = settled(width_ns=20 * MICROSECOND)
    middle = round(HOUR * 10 / 1e6)
    for minute in range(1, 60):
        at, moved = HOUR + minute * 60 * SECOND, round(minute * 60 * SECOND * 30 / 1e6)
        if not reach.learn(at, Interval.around(middle + moved, 10 * MICROSECOND)):
            break
    assert minute < 5


def test_in_doubt_the_bound_covers_both_and_the_frequency_is_anything() -> None:
    reach = settled()
    old = reach.at(HOUR)
    assert old is not None
    reach.either(HOUR, Interval(SECOND, SECOND + 10))
    both = reach.at(HOUR)
    assert both is not None
    assert both.contains(Interval(old.earliest, SECOND + 10))
    assert both.width < SECOND
    assert reach.frequency_ppm(HOUR) == (-500.0, 500.0)


def test_anchors_stay_few_and_reach_far_back_however_often_there_is_news() -> None:
    reach = Reach(500.0, 4.0)
    for tick in range(16 * 600):
        at = tick * SECOND // 16
        assert reach.learn(at, Interval.around(round(at * 10 / 1e6), 2 * MICROSECOND))
    assert len(reach._past) < 80
    assert reach._past[0].at < 500 * SECOND
    lowest, highest = reach.frequency_ppm(600 * SECOND)
    assert highest - lowest < 0.3


@given(st.integers(0, 10_000))
def test_whatever_an_oscillator_does_within_its_limits_it_stays_inside(seed: int) -> None:
    random = Random(seed)
    reach = Reach(100.0, random.choice([0.5, 4.0, 40.0]))
    rate = random.uniform(-90, 90)
    at, offset = 0, 0.0
    for _ in range(60):
        elapsed = random.choice([1, 16, 64, 1024])
        slope = random.choice([-1, 0, 1, random.uniform(-1, 1)]) * reach.wander
        slope = slope if abs(rate + slope * elapsed) < 99 else 0.0
        offset += (rate * elapsed + slope * elapsed**2 / 2) * 1000
        rate += slope * elapsed
        at += elapsed * SECOND
        true = round(offset)
        now = reach.at(at)
        assert now is None or true in now.widened(2)
        lowest, highest = reach.frequency_ppm(at)
        assert lowest - 1e-4 <= rate <= highest + 1e-4
        if random.random() < 0.7:
            early, late = random.choice([(0, 500_000), (500_000, 0), (200_000, 300_000)])
            assert reach.learn(at, Interval(true - early - 2, true + late + 2))
