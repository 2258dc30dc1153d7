"""Position and clock error in a sky whose truth is known, and bugs planted to see it noticed."""

import math
import random
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clocksync.gnss import atmosphere, ephemeris, least_squares
from clocksync.gnss.ephemerides import Ephemerides
from clocksync.gnss.ephemeris import Ephemeris, Message
from clocksync.gnss.fix import Cause, Fix, Status
from clocksync.gnss.geodesy import Ecef, Geodetic, LocalFrame, to_ecef
from clocksync.gnss.receiver import Receiver
from clocksync.gnss.rinex_observations import Epoch, Observed
from clocksync.gnss.settings import ReceiverSettings
from clocksync.gnss.simulation import IONOSPHERE, WHEN
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import SECOND
from tests.clocksync.gnss.sky import PLACE, SITE, Site, galileo, gps

L2, E5A = 1_227.60e6, 1_176.45e6


def observe(
    site: Site, time: int = WHEN, names: set[str] | None = None, pairs: bool = False
) -> Epoch:
    """What a receiver at the site sees of these satellites, or of all."""
    observed = {}
    for each in site.visible(time):
        if names is not None and each.satellite not in names:
            continue
        ranges = {"C1C": site.pseudorange(each, time)}
        if pairs:
            second = ("C2W", L2) if each.satellite[0] == "G" else ("C5Q", E5A)
            ranges[second[0]] = site.pseudorange(each, time, second[1])
        observed[each.satellite] = Observed(ranges, {1: 48.0})
    return Epoch(site.reading(time), observed, position=site.place)


def solve(epoch: Epoch, sky: list[Ephemeris], **options: object) -> Fix:
    book = Ephemerides.of(sky)
    return Receiver(book, IONOSPHERE, settings=ReceiverSettings(**options)).solve(epoch)  # type: ignore[arg-type]


def wrong_m(fix: Fix, place: Ecef = SITE) -> float:
    assert fix.position is not None, fix.reason
    return math.dist(fix.position, place)


def horizontally(fix: Fix, place: Ecef = SITE) -> float:
    assert fix.position is not None
    east, north, _ = LocalFrame.at(place).enu(fix.position)
    return math.hypot(east, north)


def names(site: Site, count: int) -> set[str]:
    """The highest satellites."""
    frame = LocalFrame.at(site.place)
    seen = sorted(site.visible(), key=lambda each: -frame.direction(each.state(WHEN)[0])[1])
    assert len(seen) >= count
    return {each.satellite for each in seen[:count]}


# The truth comes out.


@pytest.mark.parametrize(
    "sky", [gps(), galileo(), galileo(Message.FNAV)], ids=["G", "E", "E, F/NAV"]
)
@pytest.mark.parametrize("clock_ns", [0.0, 1_000.0, -87_654.5, 0.9e6, -70e6])
def test_position_and_clock_error_come_out_to_centimetres(
    sky: list[Ephemeris], clock_ns: float
) -> None:
    site = Site(sky, clock_error_ns=clock_ns)
    fix = solve(observe(site), sky)
    assert fix.status is Status.SOLVED
    assert wrong_m(fix) < 0.05
    assert fix.clock_error_ns == pytest.approx(clock_ns, abs=0.5)


@given(
    st.floats(-80, 80),
    st.floats(-180, 180),
    st.integers(0, 86_400),
    st.floats(-1e6, 1e6),
)
@settings(max_examples=40)
def test_it_does_so_anywhere_at_any_time(
    latitude: float, longitude: float, second: int, clock_ns: float
) -> None:
    place = to_ecef(Geodetic(latitude, longitude, 100.0))
    sky = [
        replace(each, toe=each.toe + second * SECOND, toc=each.toc + second * SECOND)
        for each in gps()
    ]
    # Without air: its model is the place's of the helper.
    site = Site(sky, place, clock_ns, mask_deg=10.0, air=False)
    time = WHEN + second * SECOND
    epoch = observe(site, time)
    if len(epoch.observed) < 5:
        return
    fix = solve(epoch, sky, ionosphere="none")
    if fix.status is Status.UNSOLVED and "too alike" in (fix.reason or ""):
        return
    # The receiver takes 2.4 to 13 m of troposphere off that is not there.
    assert horizontally(fix, place) < (fix.horizontal_bound_m or 0.0)


def test_two_frequencies_take_the_ionosphere_off_without_a_model() -> None:
    sky = [*gps(), *galileo(Message.FNAV)]
    epoch = observe(Site(sky), pairs=True)
    receiver = Receiver(Ephemerides.of(sky), None)
    fix = receiver.solve(epoch)
    assert wrong_m(fix) < 0.05
    assert {len(each.codes) for each in fix.used} == {2}
    uncorrected = Receiver(Ephemerides.of(sky), None, settings=ReceiverSettings(ionosphere="none"))
    assert wrong_m(uncorrected.solve(epoch)) > 1


@pytest.mark.parametrize("longer_m", [0.0, 12.0, -40.0])
def test_the_difference_of_the_two_systems_times_is_one_more_unknown(longer_m: float) -> None:
    sky = [*gps(), *galileo()]
    fix = solve(observe(Site(sky, galileo_longer_m=longer_m, clock_error_ns=500.0)), sky)
    assert wrong_m(fix) < 0.1
    assert fix.clock_error_ns == pytest.approx(500.0, abs=0.5)
    assert fix.galileo_minus_gps_ns == pytest.approx(-longer_m / 0.299792458, abs=0.5)
    assert {name[0] for name in fix.satellites} == {"G", "E"}


def test_four_satellites_of_two_systems_are_enough_with_a_wide_bound() -> None:
    sky = [*gps(), *galileo()]
    site = Site(sky, galileo_longer_m=5.0)
    few = {*sorted(names(Site(gps()), 8))[:3], *sorted(names(Site(galileo()), 3))[:1]}
    fix = solve(observe(site, names=few), sky)
    assert fix.status is Status.UNCHECKED
    assert horizontally(fix) < (fix.horizontal_bound_m or 0.0)


# Bugs planted: the truth must not come out.


def _plant_no_rotation(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(least_squares, "EARTH_RATE", 0.0)


def _plant_no_relativity(patch: pytest.MonkeyPatch) -> None:
    right = Ephemeris._clock_error

    def wrong(self: Ephemeris, time: int, anomaly: float) -> float:
        return right(replace(self, eccentricity=0.0), time, anomaly)

    patch.setattr(Ephemeris, "_clock_error", wrong)


def _plant_no_group_delay(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Ephemeris, "group_delay_s", property(lambda self: 0.0))


def _plant_the_other_group_delay(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        Ephemeris,
        "group_delay_s",
        property(lambda self: self.group_delays_s[self.message is Message.FNAV]),
    )


def _plant_no_troposphere(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("clocksync.gnss.air.troposphere_m", lambda *_: 0.0)


def _plant_no_ionosphere(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(atmosphere.Klobuchar, "delay_m", lambda *_: 0.0)


def _plant_a_wrong_earth_rate_of_the_node(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ephemeris, "EARTH_RATE", 7.2921151e-5)


PLANTS = [
    (_plant_no_rotation, 5.0),
    (_plant_no_relativity, 0.3),
    (_plant_no_troposphere, 1.0),
    (_plant_no_ionosphere, 0.5),
    (_plant_a_wrong_earth_rate_of_the_node, 0.1),
]


@pytest.mark.parametrize(
    ("plant", "least_m"), PLANTS, ids=lambda each: getattr(each, "__name__", "")
)
def test_a_planted_bug_moves_the_position(
    plant: Callable[[pytest.MonkeyPatch], None], least_m: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    sky = galileo()
    epoch = observe(Site(sky))
    plant(monkeypatch)
    fix = solve(epoch, sky)
    assert fix.position is None or wrong_m(fix) > least_m


@pytest.mark.parametrize("plant", [_plant_no_group_delay, _plant_the_other_group_delay])
def test_a_planted_bug_in_the_group_delay_moves_the_clock(
    plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    # All satellites of the helper have one group delay, so it looks like the receiver's clock.
    sky = galileo()
    epoch = observe(Site(sky, clock_error_ns=100.0))
    plant(monkeypatch)
    assert abs((solve(epoch, sky).clock_error_ns or 0.0) - 100.0) > 1.5


# Liars.


@pytest.mark.parametrize("lie_m", [60.0, 300.0, -300.0, 20_000.0, -6e6, 5.9e6])
@pytest.mark.parametrize("count", [6, 7, 9])
def test_a_lying_satellite_is_named_where_two_are_to_spare(lie_m: float, count: int) -> None:
    site = Site(gps())
    chosen = names(site, count)
    for liar in sorted(chosen):
        fix = solve(
            observe(replace(site, lies_m={liar: lie_m}), names=chosen), site.sky, mask_deg=5.0
        )
        named = [each for each in fix.excluded if each.cause is Cause.LIES]
        if fix.status is Status.INCONSISTENT:
            assert liar in (fix.reason or "")  # noticed, though not told from another
            continue
        if fix.status is Status.UNSOLVED:
            assert "directions" in (fix.reason or "")
            continue
        if not named:
            could = fix.horizontal_protection_m or math.inf
            assert fix.status is Status.UNCHECKED or horizontally(fix) < could
            continue
        # A lie of thousands of kilometres may take an honest one with it: fewer, but right.
        told = next(each for each in named if each.satellite == liar)
        assert len(named) == 1 or abs(lie_m) > 1e6
        assert wrong_m(fix) < 0.1
        assert told.reason.endswith(f"too {'long' if lie_m > 0 else 'short'}")


def test_most_liars_are_named_not_just_noticed() -> None:
    site, named = Site(gps()), 0
    chosen = names(site, 8)
    for liar in chosen:
        fix = solve(
            observe(replace(site, lies_m={liar: 100.0}), names=chosen), site.sky, mask_deg=5.0
        )
        named += [e.satellite for e in fix.excluded if e.cause is Cause.LIES] == [liar]
    assert named >= 6


def test_two_liars_among_nine_are_both_named_or_nobody_is_believed() -> None:
    site, both = Site(gps()), 0
    chosen = sorted(names(site, 9))
    for first, last in pairwise(chosen):
        lies = {first: 900.0, last: -700.0}
        fix = solve(observe(replace(site, lies_m=lies), names=set(chosen)), site.sky, mask_deg=5.0)
        if {e.satellite for e in fix.excluded if e.cause is Cause.LIES} == {first, last}:
            assert wrong_m(fix) < 0.1
            both += 1
        else:
            assert fix.status in (Status.INCONSISTENT, Status.UNCHECKED)
    assert both >= 4


def test_one_to_spare_shows_that_one_lies_but_not_who() -> None:
    site = Site(gps())
    chosen = names(site, 5)
    for liar in chosen:
        fix = solve(
            observe(replace(site, lies_m={liar: 2_000.0}), names=chosen), site.sky, mask_deg=5.0
        )
        if fix.status is Status.UNCHECKED:
            assert fix.reason == f"a lie of {liar} would not show"
            continue
        assert fix.status is Status.INCONSISTENT
        assert fix.position is None
        assert all(name in (fix.reason or "") for name in chosen)


def test_of_five_a_liar_that_puts_everybody_off_the_ground_is_named() -> None:
    site = Site(gps())
    chosen = names(site, 5)
    results = [
        solve(observe(replace(site, lies_m={liar: 6e6}), names=chosen), site.sky, mask_deg=5.0)
        for liar in sorted(chosen)
    ]
    solved = [fix for fix in results if fix.status is Status.UNCHECKED]
    assert solved
    for fix in solved:
        assert wrong_m(fix) < 0.1


def test_with_four_a_lie_cannot_be_seen_and_that_is_said() -> None:
    site = Site(gps())
    chosen = names(site, 4)
    liar = min(chosen)
    honest = solve(observe(site, names=chosen), site.sky, mask_deg=5.0)
    fooled = solve(
        observe(replace(site, lies_m={liar: 300.0}), names=chosen), site.sky, mask_deg=5.0
    )
    for fix in (honest, fooled):
        assert fix.status is Status.UNCHECKED
        assert fix.reason == "no satellite to spare: a lie would not show"
    assert wrong_m(honest) < 0.1
    assert wrong_m(fooled) > 100


def test_the_bound_is_larger_with_four_than_with_five() -> None:
    site = Site(gps())
    five, four = (
        solve(observe(site, names=names(site, count)), site.sky, mask_deg=5.0) for count in (5, 4)
    )
    assert (four.horizontal_bound_m or 0) > (five.horizontal_bound_m or math.inf)
    assert (four.clock_error_bound_ns or 0) > (five.clock_error_bound_ns or math.inf)


def test_honest_noise_stays_inside_the_bounds_and_is_seldom_accused() -> None:
    site, draw, inside, accused = Site(gps(), clock_error_ns=5_000.0), random.Random(7), 0, 0
    rounds = 150
    for _ in range(rounds):
        epoch = observe(site)
        noisy = {
            name: Observed({"C1C": each.ranges["C1C"] + draw.gauss(0.0, 2.0)}, each.strengths)
            for name, each in epoch.observed.items()
        }
        fix = solve(replace(epoch, observed=noisy), site.sky)
        assert fix.status is Status.SOLVED
        accused += any(each.cause is Cause.LIES for each in fix.excluded)
        inside += horizontally(fix) <= (fix.horizontal_bound_m or 0.0) and abs(
            (fix.clock_error_ns or 0.0) - 5_000.0
        ) <= (fix.clock_error_bound_ns or 0.0)
    assert inside >= rounds - 1
    assert accused == 0


# Who is left out, and why.


def test_everybody_left_out_is_named_with_the_reason() -> None:
    sky = gps()
    site = Site([*sky, *galileo()], mask_deg=2.0)
    epoch = observe(site)
    epoch.observed.update({"R05": Observed(), "C12": Observed(), "S20": Observed()})
    seen = sorted(name for name in epoch.observed if name[0] == "G")
    ill, old, mute, unknown = seen[0], seen[1], seen[2], seen[3]
    epoch.observed[mute] = Observed({"C6C": 2e7})
    book = []
    for each in sky:
        if each.satellite == ill:
            book.append(replace(each, health=63))
        elif each.satellite == old:
            book.append(replace(each, toe=each.toe - 9_000 * SECOND))
        elif each.satellite != unknown:
            book.append(each)
    fix = solve(epoch, book, mask_deg=17.0)
    told = {each.satellite: each for each in fix.excluded}
    assert told[ill].reason == "unhealthy: health 63"
    assert told[old].reason == "nearest ephemeris is 2 h 30 min away (at most 2 h 0 min)"
    assert told[mute].reason == "no usable code was measured"
    assert told[unknown].reason == "no ephemeris"
    assert told["R05"].reason == "GLONASS is not used"
    assert told["C12"].reason == "BeiDou is not used"
    assert told["S20"].reason == "SBAS is not used"
    assert {e.cause for n, e in told.items() if n[0] == "E"} == {Cause.NO_EPHEMERIS}
    low = [each for each in fix.excluded if each.cause is Cause.LOW]
    assert low
    assert "below the mask of 17°" in low[0].reason
    assert sorted([*fix.satellites, *told]) == sorted(epoch.observed)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_fewer_than_four_are_told_as_unsolved(count: int) -> None:
    site = Site(gps())
    chosen = names(site, 4)
    fix = solve(observe(site, names=set(sorted(chosen)[:count])), site.sky)
    assert fix.status is Status.UNSOLVED
    assert fix.position is None is fix.clock_error_ns
    assert (fix.reason or "").endswith("four are needed")


def test_an_ephemeris_used_beyond_its_time_by_wish_widens_the_bound() -> None:
    sky = gps()
    late = WHEN + 6 * 3600 * SECOND
    old = Ephemerides.of(sky, age_max_ns=8 * 3600 * SECOND)
    fresh = Ephemerides.of(replace(each, toe=late, toc=late) for each in sky)
    site = Site(sky)
    stale = Receiver(old, IONOSPHERE).solve(observe(site, late))
    assert stale.position is not None
    site.sky = [replace(each, toe=late, toc=late) for each in sky]
    new = Receiver(fresh, IONOSPHERE).solve(observe(site, late))
    assert (stale.horizontal_bound_m or 0) > 5 * (new.horizontal_bound_m or math.inf)


def test_one_system_can_be_asked_for() -> None:
    sky = [*gps(), *galileo()]
    fix = solve(observe(Site(sky)), sky, systems=frozenset("E"))
    assert {name[0] for name in fix.satellites} == {"E"}
    assert next(e.reason for e in fix.excluded if e.satellite[0] == "G") == "GPS is not used"


@given(
    st.dictionaries(
        st.sampled_from([f"G{n:02d}" for n in range(1, 31)]),
        st.floats(-1e12, 1e12),
        max_size=12,
    )
)
@settings(max_examples=60)
def test_no_pseudoranges_make_it_raise(ranges: dict[str, float]) -> None:
    observed = {name: Observed({"C1C": metres}, {1: 0.0}) for name, metres in ranges.items()}
    fix = solve(Epoch(WHEN, observed), gps())
    assert (fix.position is not None) == fix.status.is_solved


@pytest.mark.parametrize(
    "options",
    [{"mask_deg": -1.0}, {"mask_deg": 90.0}, {"systems": frozenset("R")}, {"ionosphere": "x"}],
)
def test_impossible_settings_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(BadConfig):
        ReceiverSettings(**options)  # type: ignore[arg-type]


# A receiver that does not know the time.


@pytest.mark.parametrize("slow_s", [3.0, -2.98, 17.0, 0.5])
def test_a_clock_wrong_by_seconds_is_found_from_the_satellites_motion(slow_s: float) -> None:
    site = Site(gps(), clock_error_ns=40_000.0, slow_ns=round(slow_s * SECOND))
    epochs = [observe(site, WHEN + 30 * SECOND * n) for n in range(8)]
    receiver = Receiver(Ephemerides.of(site.sky), IONOSPHERE)
    assert abs(receiver.survey(epochs) / SECOND - slow_s) < 0.01
    for epoch in epochs:
        fix = receiver.solve(epoch)
        assert fix.status is Status.SOLVED
        assert wrong_m(fix) < 5
        truth_ns = 40_000.0 - slow_s * SECOND
        assert abs((fix.clock_error_ns or 0.0) - truth_ns) < (fix.clock_error_bound_ns or 0.0)
        assert (fix.clock_error_std_ns or 0.0) > 1e6  # milliseconds: finer is not known


def test_a_surveyed_clock_lets_four_satellites_do() -> None:
    site = Site(gps(), slow_ns=3 * SECOND)
    receiver = Receiver(
        Ephemerides.of(site.sky), IONOSPHERE, settings=ReceiverSettings(mask_deg=5.0)
    )
    receiver.survey(observe(site, WHEN + 30 * SECOND * n) for n in range(5))
    fix = receiver.solve(observe(site, names=names(site, 4)))
    assert fix.status is Status.UNCHECKED
    assert horizontally(fix) < 20


def test_many_epochs_of_four_tell_the_time_together_if_the_receiver_stands_still() -> None:
    site = Site(gps(), clock_error_ns=30e6, slow_ns=3 * SECOND)
    chosen = names(site, 4)
    epochs = [observe(site, WHEN + 120 * SECOND * n, chosen) for n in range(20)]
    receiver = Receiver(
        Ephemerides.of(site.sky), IONOSPHERE, settings=ReceiverSettings(mask_deg=5.0)
    )
    assert (receiver.survey(epochs) or 0) / SECOND == pytest.approx(3.0, abs=0.02)
    for epoch in epochs:
        fix = receiver.solve(epoch)
        assert fix.status is Status.UNCHECKED
        assert horizontally(fix) < (fix.horizontal_bound_m or 0)


def test_four_satellites_of_a_clock_nobody_vouches_for_get_a_bound_that_allows_for_seconds() -> (
    None
):
    site = Site(gps(), clock_error_ns=30e6, slow_ns=3 * SECOND)
    fooled = solve(observe(site, names=names(site, 4)), site.sky, mask_deg=5.0)
    assert fooled.status is Status.UNCHECKED
    assert "wrong by seconds" in (fooled.reason or "")
    assert horizontally(fooled) > 100
    assert horizontally(fooled) < (fooled.horizontal_bound_m or 0)
    # Who keeps the clock within a millisecond is taken at its word.
    site = Site(gps(), clock_error_ns=0.5e6)
    trusted = solve(observe(site, names=names(site, 4)), site.sky, mask_deg=5.0)
    assert (trusted.horizontal_bound_m or math.inf) < (fooled.horizontal_bound_m or 0) / 10


def test_without_a_survey_the_wrong_time_is_noticed_in_passing() -> None:
    site = Site(gps(), slow_ns=3 * SECOND)
    receiver = Receiver(Ephemerides.of(site.sky), IONOSPHERE)
    fix = receiver.solve(observe(site))
    assert receiver.slow_ns / SECOND == pytest.approx(3.0, abs=0.01)
    assert wrong_m(fix) < 5


def test_a_clock_that_is_right_is_left_alone() -> None:
    for error_ns in (0.0, 3e6, -9e6):
        site = Site(gps(), clock_error_ns=error_ns)
        receiver = Receiver(Ephemerides.of(site.sky), IONOSPHERE)
        assert receiver.survey(observe(site, WHEN + 30 * SECOND * n) for n in range(8)) == 0


def test_a_lie_is_not_taken_for_a_wrong_time() -> None:
    site = Site(gps())
    chosen = names(site, 5)
    site.lies_m = {min(chosen): 1_500.0}
    receiver = Receiver(
        Ephemerides.of(site.sky), IONOSPHERE, settings=ReceiverSettings(mask_deg=5.0)
    )
    epochs = [observe(site, WHEN + 30 * SECOND * n, chosen) for n in range(8)]
    receiver.survey(epochs)
    for epoch in epochs:
        fix = receiver.solve(epoch)
        assert fix.status is not Status.SOLVED or horizontally(fix) < (fix.horizontal_bound_m or 0)


def test_the_helpers_place_is_where_it_says() -> None:
    assert to_ecef(PLACE) == SITE
