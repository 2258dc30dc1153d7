"""The servos: what they make of readings, and what they make of bad ones."""

import math
from random import Random

import pytest

from clocksync.runtime.units import MICROSECOND, SECOND
from clocksync.steering.kalman import KalmanServo
from clocksync.steering.servo import PiServo, Reading, Servo

SERVOS = [KalmanServo, PiServo]


def feed(
    servo: Servo, count: int, *, noise_ns: float = 0.0, ppm: float = 20.0, start: int = 0
) -> Servo:
    random = Random(1)
    for second in range(start, start + count):
        truth = round(second * 1000 * ppm)
        offset = truth + round(random.gauss(0, noise_ns))
        servo.update(Reading(second * SECOND, offset, max(10.0, noise_ns)))
    return servo


@pytest.mark.parametrize("kind", SERVOS)
def test_a_constant_drift_is_found(kind: type[Servo]) -> None:
    servo = feed(kind(), 120)
    assert servo.ready
    assert abs(servo.frequency_ppm - 20) < 0.1
    assert abs(servo.at(130 * SECOND) - 130 * 20_000) < 2_000


def test_a_kalman_filter_averages_noise_where_the_controller_follows_it() -> None:
    noise = 100 * MICROSECOND
    kalman, pi = (feed(kind(), 600, noise_ns=noise) for kind in SERVOS)
    at, truth = 600 * SECOND, 600 * 20_000
    assert abs(kalman.at(at) - truth) < 30 * MICROSECOND
    assert abs(kalman.frequency_ppm - 20) < 1
    assert abs(kalman.frequency_ppm - 20) < abs(pi.frequency_ppm - 20)


def test_a_kalman_filter_says_how_wrong_it_may_be() -> None:
    servo = feed(KalmanServo(), 300, noise_ns=10_000)
    now, later = servo.error_ns(300 * SECOND), servo.error_ns(4000 * SECOND)
    assert 0 < now < 10_000
    assert later > 10 * now
    assert math.isinf(KalmanServo().error_ns(0))


def test_one_absurd_reading_moves_it_little() -> None:
    servo = feed(KalmanServo(), 300, noise_ns=1_000)
    before = servo.at(300 * SECOND)
    servo.update(Reading(300 * SECOND, before + SECOND, 1_000.0))
    assert abs(servo.at(300 * SECOND) - before) < 10 * MICROSECOND


def test_a_bank_of_filters_finds_the_wander() -> None:
    random, rate, offset = Random(3), 0.0, 0.0
    servo = KalmanServo()
    for step in range(2_000):
        servo.update(Reading(step * 16 * SECOND, round(offset), 1_000.0))
        rate += random.gauss(0, math.sqrt(100 * 16))
        offset += rate * 16
    assert 10 <= servo.wander <= 1_000
    assert feed(KalmanServo(), 500, noise_ns=1_000).wander < 10


def test_offsets_of_decades_keep_their_nanoseconds() -> None:
    servo, far = KalmanServo(), 10**18
    for second in range(100):
        servo.update(Reading(second * SECOND, far + second * 5_000, 10.0))
    assert abs(servo.at(100 * SECOND) - far - 500_000) < 20


@pytest.mark.parametrize("kind", SERVOS)
def test_a_jump_moves_the_offset_and_keeps_the_frequency(kind: type[Servo]) -> None:
    servo = feed(kind(), 200)
    servo.jump(200 * SECOND, SECOND, 1_000.0)
    assert abs(servo.at(200 * SECOND) - SECOND) < 1_000
    assert abs(servo.frequency_ppm - 20) < 0.2


@pytest.mark.parametrize("kind", SERVOS)
def test_after_a_restart_the_next_reading_is_the_first(kind: type[Servo]) -> None:
    servo = feed(kind(), 50)
    servo.restart()
    assert not servo.ready
    servo.update(Reading(SECOND, 77, 10.0))
    assert (servo.at(SECOND), servo.frequency_ppm) == (77, 0.0)


def test_answers_in_a_bunch_do_not_make_the_controller_overshoot() -> None:
    """Five hosts that answer within a second, every 16 s: one correction a round."""
    servo, random = PiServo(), Random(2)
    for round_ in range(200):
        for host in range(5):
            at = round_ * 16 * SECOND + host * SECOND // 5
            noise = round(random.gauss(0, 1_000))
            servo.update(Reading(at, noise, 1_000.0, interval_ns=16 * SECOND))
    assert abs(servo.frequency_ppm) < 0.2


def test_a_reading_that_comes_late_is_told_as_of_the_last_one() -> None:
    servo = feed(KalmanServo(), 100)
    before = servo.at(100 * SECOND)
    servo.update(Reading(98 * SECOND, 98 * 20_000, 10.0))
    assert abs(servo.at(100 * SECOND) - before) < 100
