"""The filter of one server: what it claims holds, what it says of the offset is near."""

import random

import pytest

from clocksync.ntp.estimate import Contradiction, estimate
from clocksync.ntp.known import Known
from clocksync.ntp.sample import Sample
from clocksync.runtime.core import StampSource
from clocksync.runtime.interval import Interval
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND
from clocksync.watching.track import LINE_MIN, WINDOW, Track, fit

AT = 1_790_000_000 * SECOND


def sample(at_ns: int, offset_ns: int = 0, there: int = 10_000, back: int = 10_000) -> Sample:
    """An exchange that ended at `at_ns` with a server whose clock is ahead by `offset_ns`."""
    t1 = at_ns - there - back
    return Sample(
        t1, t1 + there + offset_ns, t1 + there + offset_ns, at_ns,
        root_delay_ns=0, root_dispersion_ns=0, precision_ns=4,
        source=StampSource.KERNEL, interleaved=True,
    )  # fmt: skip


class Fed:
    """Stands in for an association: hands over what it is given, the last two stay live."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []

    def retire(self, keep: int) -> list[Sample]:
        count = max(0, len(self.samples) - keep)
        old, self.samples = self.samples[:count], self.samples[count:]
        return old


def feed(track: Track, fed: Fed, samples):
    gaps = []
    for one in samples:
        fed.samples.append(one)
        gaps.append(track.take(fed))
    return gaps


def test_the_bound_is_that_of_an_estimate_over_all_samples() -> None:
    draw = random.Random(7)
    track, fed, all_samples = Track(50.0), Fed(), []
    for n in range(150):
        one = sample(
            AT + n * SECOND, n * 1000, 10_000 + draw.randrange(90_000), draw.randrange(90_000)
        )
        all_samples.append(one)
        feed(track, fed, [one])
        told = estimate(all_samples, one.t4 + SECOND, 50.0)
        assert not isinstance(told, Contradiction)
        bound = track.bound(one.t4 + SECOND)
        assert bound is not None
        assert (n * 1000 + 1000) in bound.widened(1000)
        assert bound.width <= told.interval.width + 1
    assert len(track._settled) == WINDOW


def test_the_bound_grows_in_silence_by_what_clocks_may_drift() -> None:
    track = Track(500.0)
    feed(track, Fed(), [sample(AT)])
    now, later = track.bound(AT), track.bound(AT + 60 * SECOND)
    assert now is not None
    assert later == now.widened(60 * SECOND * 500 // 1_000_000)


def test_nothing_is_said_before_the_first_sample() -> None:
    assert Track().estimate(AT) is None
    assert Track().bound(AT) is None


def test_the_offset_follows_a_drift_to_the_present() -> None:
    track = Track()
    feed(track, Fed(), [sample(AT + n * SECOND, 40_000 * n) for n in range(30)])
    told = track.estimate(AT + 30 * SECOND)
    assert told is not None
    assert abs(told.offset_ns - 40_000 * 30) < 100
    assert told.skew_ppm == pytest.approx(40, abs=0.1)
    assert told.skew_bound_ppm is not None
    assert told.skew_bound_ppm < 2


def test_queues_do_not_move_the_offset() -> None:
    draw = random.Random(3)
    queues = [round(draw.paretovariate(1.1) * 50_000) if n % 3 else 0 for n in range(64)]
    track = Track()
    feed(track, Fed(), [sample(AT + n * SECOND, 0, 10_000 + q) for n, q in enumerate(queues)])
    told = track.estimate(AT + 64 * SECOND)
    assert told is not None
    assert abs(told.offset_ns) < 500  # the mean of the samples is off by 50 us and more


def test_a_step_beyond_the_bounds_is_told_and_what_was_known_is_forgotten() -> None:
    track, fed = Track(), Fed()
    gaps = feed(track, fed, [sample(AT + n * SECOND) for n in range(10)])
    assert gaps == [None] * 10
    (gap,) = feed(track, fed, [sample(AT + 10 * SECOND, 5 * MILLISECOND)])
    assert gap is not None
    assert abs(gap.about_ns - 5 * MILLISECOND) < 10
    assert gap.gap_ns < gap.about_ns
    assert gap.rate_ppm is None
    told = track.estimate(AT + 10 * SECOND)
    assert told is not None
    assert 5 * MILLISECOND in told.interval
    assert 0 not in told.interval


def test_a_drift_beyond_what_is_allowed_is_told_as_one_after_three_gaps() -> None:
    track = Track(20.0)
    gaps = feed(track, Fed(), [sample(AT + n * SECOND, 100_000 * n) for n in range(20)])
    rates = [gap.rate_ppm for gap in gaps if gap]
    assert rates[:2] == [None, None]
    assert rates[-1] == pytest.approx(100, rel=0.05)


@pytest.mark.parametrize("by_ns", [-3 * SECOND, 70 * MICROSECOND])
def test_a_step_of_ours_moves_the_bound_and_the_line(by_ns: int) -> None:
    track, fed = Track(), Fed()
    feed(track, fed, [sample(AT + n * SECOND, 40_000 * n) for n in range(20)])
    before = track.estimate(AT + 20 * SECOND)
    track.shift(fed, Interval.around(by_ns, 3))
    after = track.estimate(AT + 20 * SECOND + by_ns)
    assert before is not None
    assert after is not None
    assert abs(after.offset_ns - (before.offset_ns - by_ns)) < 5
    bound = track.bound(AT + 20 * SECOND + by_ns)
    assert bound is not None
    assert 40_000 * 20 - by_ns in bound
    # and what comes next agrees with it
    assert feed(track, fed, [sample(AT + 21 * SECOND + by_ns, 40_000 * 21 - by_ns)]) == [None]


def test_what_is_dropped_is_gone() -> None:
    track, fed = Track(), Fed()
    feed(track, fed, [sample(AT), sample(AT + SECOND)])
    track.drop(fed)
    assert track.estimate(AT + SECOND) is None
    assert track.last is None


def test_answers_that_overtake_each_other_harm_nothing() -> None:
    track, fed = Track(), Fed()
    order = [sample(AT + n * SECOND, 0) for n in (0, 2, 1, 3, 5, 4)]
    assert feed(track, fed, order) == [None] * 6
    told = track.estimate(AT + 5 * SECOND)
    assert told is not None
    assert 0 in told.interval


def test_a_line_reaches_back_only_as_far_as_the_samples_follow_one() -> None:
    bend = [min(n, 40) * 10_000 for n in range(64)]  # 10 ppm, then none
    line = fit([sample(AT + n * SECOND, offset) for n, offset in enumerate(bend)])
    assert line is not None
    assert line.count < 40
    assert abs(line.slope_ppm) < 0.5
    steady = fit([sample(AT + n * SECOND, 10_000 * n) for n in range(64)])
    assert steady is not None
    assert steady.count == 64


def test_too_few_samples_make_no_line() -> None:
    assert fit([sample(AT + n * SECOND) for n in range(LINE_MIN - 1)]) is None
    assert fit([sample(AT + n) for n in range(LINE_MIN)]) is not None


def test_known_sets_exclude_each_other_by_what_lies_between() -> None:
    one, two = Known(Interval(0, 10), 0), Known(Interval(15, 20), 0)
    assert (one.gap_to(two, 500.0), two.gap_to(one, 500.0)) == (5, 5)
    assert one.cut(two, 500.0) == two
    later = Known(Interval(15, 20), 10_000_000)  # 5 us of drift on: they touch
    assert one.gap_to(later, 500.0) == 0
