"""When the waiting for a clock ends, and how."""

import json
from importlib import resources

import jsonschema
import pytest

from clocksync.runtime.interval import Interval
from clocksync.runtime.units import MILLISECOND
from clocksync.waiting import Outcome, Reading, is_within, outcome, to_document

SCHEMA = json.loads(resources.files("clocksync").joinpath("schemas/waitsync-1.json").read_text())
NARROW = Reading(Interval(-MILLISECOND, 400_000), "ntp1")
NOBODY = Reading(None, "hosts", "no answer")
BAD = Reading(None, "hosts", "ntp1: it says that its clock is not synchronised", is_known_bad=True)


def test_within_means_that_every_point_is() -> None:
    assert is_within(NARROW, MILLISECOND)
    assert not is_within(NARROW, MILLISECOND - 1)
    assert not is_within(NOBODY, 10**12)


@pytest.mark.parametrize(
    ("readings", "ended"),
    [
        ([NARROW], Outcome.SYNCHRONISED),
        ([NOBODY, NARROW], Outcome.SYNCHRONISED),
        ([Reading(Interval(0, 2 * MILLISECOND), "ntp1")], Outcome.NOT_WITHIN),
        ([Reading(Interval(0, 2 * MILLISECOND), "ntp1"), NOBODY], Outcome.NOT_WITHIN),
        ([BAD], Outcome.NOT_WITHIN),
        ([NOBODY], Outcome.NOTHING_KNOWN),
    ],
)
def test_how_it_ends_says_what_is_known(readings: list[Reading], ended: Outcome) -> None:
    assert outcome(readings, MILLISECOND) is ended
    document = to_document(readings[-1], ended, MILLISECOND, 5, len(readings), 0)
    jsonschema.validate(document, SCHEMA)


def test_exit_codes_are_those_of_the_house() -> None:
    assert [ended.exit_code for ended in Outcome] == [0, 1, 2]


def test_words_for_people_say_how_far_at_the_most() -> None:
    assert NARROW.words == "off by at most 1.00 ms, by ntp1"
    assert NOBODY.words == "no answer"
