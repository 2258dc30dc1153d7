"""Real observations: where the receivers stood is known, so the promise can be held against it."""

import math
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from clocksync.gnss.ephemerides import Ephemerides
from clocksync.gnss.files import open_lines
from clocksync.gnss.fix import Cause, Fix, Status
from clocksync.gnss.geodesy import LocalFrame
from clocksync.gnss.receiver import Receiver
from clocksync.gnss.rinex_navigation import read_navigation
from clocksync.gnss.rinex_observations import Observed, read_observations
from clocksync.gnss.run import Positioning
from clocksync.gnss.settings import ReceiverSettings
from clocksync.gnss.summary import Summary
from clocksync.runtime.units import SECOND

DATA = Path(__file__).parents[2] / "data" / "gnss"
AUSTRALIA = [DATA / "14601736.18o", DATA / "14601736.18n"]
UTAH = [DATA / "CEDA00USA_2018210_part_MO.rnx.gz", DATA / "ELKO00USA_2018210_part_MN.rnx.gz"]


def horizontally(fix: Fix) -> float:
    assert fix.position is not None
    assert fix.header_position is not None
    east, north, _ = LocalFrame.at(fix.header_position).enu(fix.position)
    return math.hypot(east, north)


@pytest.fixture(scope="module")
def utah() -> tuple[Positioning, list[Fix]]:
    run = Positioning.of(UTAH)
    return run, list(run.fixes())


def test_gps_of_rinex_2_is_within_30_metres_and_the_others_are_named() -> None:
    fixes = list(Positioning.of(reversed(AUSTRALIA)).fixes())
    assert [fix.status for fix in fixes] == [Status.SOLVED] * 3
    for fix in fixes:
        assert horizontally(fix) < 30
        assert horizontally(fix) < (fix.horizontal_bound_m or 0)
        told = {each.satellite: each.cause for each in fix.excluded}
        assert {name for name, cause in told.items() if cause is Cause.NO_EPHEMERIS} == {
            "E07",
            "E19",
        }
        assert {name for name, cause in told.items() if cause is Cause.OTHER_SYSTEM} == {
            f"R{number:02d}" for number in range(7, 12)
        }
    # A quartz: 65 us slow, and ten more microseconds in 15 s.
    assert [round((fix.clock_error_ns or 0) / 1000) for fix in fixes] == [-65, -76, -86]


@pytest.mark.parametrize("ionosphere", ["none", "pair"])
def test_other_choices_for_the_ionosphere_keep_the_promise_too(ionosphere: str) -> None:
    solved = 0
    for fix in Positioning.of(UTAH, ReceiverSettings(ionosphere=ionosphere)).fixes():
        if len(fix.used) >= 5:
            assert horizontally(fix) < 30
            solved += 1
    assert solved > 50


def test_galileo_of_rinex_3_is_within_30_metres_wherever_five_remain(
    utah: tuple[Positioning, list[Fix]],
) -> None:
    five = [fix for fix in utah[1] if len(fix.used) >= 5]
    assert len(five) > 250
    assert max(horizontally(fix) for fix in five) < 15


def test_with_four_the_bound_is_larger_and_holds(utah: tuple[Positioning, list[Fix]]) -> None:
    four = [fix for fix in utah[1] if len(fix.used) == 4]
    assert len(four) > 100
    assert {fix.status for fix in four} == {Status.UNCHECKED}
    for fix in four:
        assert horizontally(fix) < (fix.horizontal_bound_m or 0)

    def typical(fixes: list[Fix]) -> float:
        bounds = sorted(fix.horizontal_bound_m or 0 for fix in fixes)
        return bounds[len(bounds) // 2]

    assert typical(four) > 2 * typical([fix for fix in utah[1] if len(fix.used) > 4])


def test_no_solved_epoch_is_outside_its_bound(utah: tuple[Positioning, list[Fix]]) -> None:
    summary = Summary()
    for fix in utah[1]:
        summary.add(fix)
    assert summary.outside == 0
    assert not summary.all_solved


def test_a_receiver_that_is_three_seconds_slow_is_found_out(
    utah: tuple[Positioning, list[Fix]],
) -> None:
    # It tracked GLONASS and Galileo but no GPS. With the header's position held fixed, the
    # satellites' motion says 2.982 s.
    run, fixes = utah
    assert run.receiver.slow_ns / 1e9 == pytest.approx(2.982, abs=0.01)
    assert any("does not know the time" in caution for caution in run.cautions)
    for fix in fixes:
        if fix.clock_error_ns is not None:
            assert -3.01e9 < fix.clock_error_ns < -2.95e9
            assert 3e6 < (fix.clock_error_std_ns or 0) < 20e6


def test_epochs_of_four_alone_find_it_out_together() -> None:
    with open_lines(UTAH[0]) as lines:
        epochs = list(read_observations(lines).epochs())
    four = [epoch for epoch in epochs if epoch.time > epochs[-1].time - 20 * 60 * SECOND]
    assert max(len(epoch.observed) for epoch in four) <= 5  # one of them is low
    with open_lines(UTAH[1]) as lines:
        navigation = read_navigation(lines)
    receiver = Receiver(Ephemerides.of(navigation.ephemerides), navigation.klobuchar)
    assert (receiver.survey(four) or 0) / SECOND == pytest.approx(2.982, abs=0.01)
    for epoch in four:
        fix = receiver.solve(epoch)
        if fix.position is not None:
            assert len(fix.used) == 4
            assert horizontally(fix) < 30


def test_without_that_finding_the_same_data_would_be_wrong_by_a_kilometre() -> None:
    run = Positioning.of(UTAH)
    run.receiver.slow_ns = 0
    fixes = [fix for fix in islice(run.fixes(), 90) if len(fix.used) == 4]
    assert len(fixes) > 10
    assert min(horizontally(fix) for fix in fixes) > 100


def test_ranges_that_are_20_ms_too_long_are_named_as_lies(
    utah: tuple[Positioning, list[Fix]],
) -> None:
    # Satellites whose codes were put under the wrong repetition: E03 for long, others for moments
    # after they rose. Five, one of whom lies: the ground tells who.
    named: dict[str, int] = {}
    for fix in utah[1]:
        for each in fix.excluded:
            if each.cause is Cause.LIES and fix.position is not None:
                assert "6024 km too" in each.reason
                assert horizontally(fix) < 30
                named[each.satellite] = named.get(each.satellite, 0) + 1
    assert max(named, key=lambda name: named[name]) == "E03"
    assert named["E03"] > 30


def test_epochs_of_fewer_than_four_are_told_as_unsolved(
    utah: tuple[Positioning, list[Fix]],
) -> None:
    few = [fix for fix in utah[1] if fix.status is Status.UNSOLVED]
    assert few
    for fix in few:
        assert fix.reason
        assert fix.position is None


def test_a_real_satellite_made_to_lie_is_named_or_the_epoch_is_not_believed() -> None:
    run = Positioning.of(AUSTRALIA)
    book = Ephemerides.of(run.navigation.ephemerides)
    receiver = Receiver(book, run.navigation.klobuchar)
    with open_lines(AUSTRALIA[0]) as lines:
        epoch = list(read_observations(lines).epochs())[1]
    for name in ("G03", "G07", "G09", "G23"):
        ranges = {code: value + 5_000.0 for code, value in epoch.observed[name].ranges.items()}
        lying = replace(
            epoch,
            observed={**epoch.observed, name: Observed(ranges, epoch.observed[name].strengths)},
        )
        fix = receiver.solve(lying)
        named = [each.satellite for each in fix.excluded if each.cause is Cause.LIES]
        assert named == [name] or fix.status is Status.INCONSISTENT
