"""The teaching simulation: what the lecture says, in numbers."""

import random

import pytest

from clocksync.gnss.fix import Cause, Status
from clocksync.gnss.simulation import Scene, parse_lie
from clocksync.runtime.errors import BadConfig


def scene(
    clock_error_ns: int = 1_000,
    satellites: int = 8,
    lie: tuple[str, float] | None = None,
    noise_m: float = 0.0,
    seed: int = 1,
) -> Scene:
    return Scene.of(
        clock_error_ns=clock_error_ns,
        satellites=satellites,
        lie=lie,
        noise_m=noise_m,
        draw=random.Random(seed),
    )


def test_a_microsecond_is_300_metres_in_every_pseudorange() -> None:
    right, wrong = scene(0), scene(1_000)
    for one, other in zip(right.truths, wrong.truths, strict=True):
        assert other.pseudorange_m - one.pseudorange_m == pytest.approx(299.792458, abs=1e-6)


def test_a_second_is_300_000_kilometres() -> None:
    # Distributed Systems, Rao: "1 sec of clock offset could lead to 300,000 kilometers error".
    one = scene(1_000_000_000).truths[0]
    assert one.receiver_clock_m / 1000 == pytest.approx(299_792.458)


@pytest.mark.parametrize("clock_error_ns", [0, 1_000, -1_000, 50_000_000, 1_000_000_000])
@pytest.mark.parametrize("satellites", [4, 5, 8, 10])
def test_position_and_clock_are_recovered_whatever_the_clock(
    clock_error_ns: int, satellites: int
) -> None:
    found = scene(clock_error_ns, satellites)
    assert found.is_right
    assert (found.error_m or 0.0) < 0.01
    assert found.fix.clock_error_ns == pytest.approx(clock_error_ns, abs=0.1)


def test_who_believes_the_clock_is_wrong_by_hundreds_of_metres() -> None:
    assert scene(0).trusting_m == pytest.approx(0.0, abs=0.01)
    assert 300 < (scene(1_000).trusting_m or 0) < 1_000


def test_a_liar_among_eight_is_named() -> None:
    found = scene(lie=("any", 300.0))
    assert found.liar is not None
    named = [each for each in found.fix.excluded if each.cause is Cause.LIES]
    assert [each.satellite for each in named] == [found.liar.satellite]
    assert found.is_right


def test_a_liar_among_five_is_noticed() -> None:
    assert scene(satellites=5, lie=("any", 300.0)).fix.status is Status.INCONSISTENT


def test_a_liar_among_four_is_not_noticed_and_the_answer_says_unchecked() -> None:
    found = scene(satellites=4, lie=("any", 300.0))
    assert found.fix.status is Status.UNCHECKED
    assert not found.is_right
    assert (found.error_m or 0) > 100


def test_noise_stays_inside_the_bound_and_one_seed_gives_one_run() -> None:
    assert all(scene(noise_m=1.5, seed=seed).is_right for seed in range(1, 30))
    assert scene(noise_m=1.5).fix == scene(noise_m=1.5).fix
    assert scene(noise_m=1.5).fix != scene(noise_m=1.5, seed=2).fix


@pytest.mark.parametrize("text", ["", "G05:", "G05:x", "X1:5", "G05:0", "any:1e99", "G5"])
def test_what_is_no_lie_is_refused(text: str) -> None:
    with pytest.raises(BadConfig, match="for example G05:300"):
        parse_lie(text)


@pytest.mark.parametrize(
    "options",
    [
        {"clock_error_ns": 2_000_000_000},
        {"noise_m": -1.0},
        {"satellites": 11},
        {"lie": ("G31", 300.0)},
    ],
)
def test_an_impossible_scene_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(BadConfig):
        scene(**options)  # type: ignore[arg-type]
