"""JSON and CSV: contracts for scripts."""

import csv
import json
from dataclasses import replace
from importlib import resources

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.measuring.report import rfc3339, to_csv, to_json
from clocksync.measuring.result import Combined, HostResult, Measurement, Verdict
from clocksync.runtime.core import StampSource
from clocksync.runtime.interval import Interval

SCHEMA = json.loads(resources.files("clocksync").joinpath("schemas/measure-1.json").read_text())
AT_NS = 1_790_000_000_123_456_789
GOOD = HostResult(
    host="a",
    port=123,
    address="192.0.2.1",
    verdict=Verdict.TRUECHIMER,
    reason=None,
    offset_ns=-412_345,
    error_bound_ns=98_000,
    offset_to_reference_ns=0,
    reference_error_bound_ns=0,
    delay_ns=150_001,
    jitter_ns=12.5,
    skew_ppm=-1.25,
    skew_bound_ppm=3.5,
    stratum=2,
    reference_id="GPS",
    leap=0,
    root_delay_ns=1_000_000_000,
    root_dispersion_ns=15_259,
    timestamps=StampSource.KERNEL,
    interleaved=True,
    samples=8,
    answered=7,
)
BAD = HostResult("b", 1123, None, Verdict.UNREACHABLE, "no answer to 8 requests")
BOTH = Measurement(AT_NS, (GOOD, BAD), Combined(Interval(-510_345, -314_345), ("a",), ()))


def test_every_value_stands_under_its_name_in_its_unit() -> None:
    document = json.loads(to_json(BOTH))
    jsonschema.validate(document, SCHEMA)
    assert document["schema"] == "clocksync.measure/1"
    assert document["measured_at"] == "2026-09-21T14:13:20.123456789Z"
    assert document["combined"] == {
        "earliest_offset_s": -0.000510345,
        "latest_offset_s": -0.000314345,
        "truechimers": ["a"],
        "falsetickers": [],
    }
    assert document["hosts"][0] == {
        "host": "a",
        "address": "192.0.2.1",
        "port": 123,
        "verdict": "truechimer",
        "reason": None,
        "offset_s": -0.000412345,
        "error_bound_s": 0.000098,
        "offset_to_reference_s": 0.0,
        "reference_error_bound_s": 0.0,
        "delay_s": 0.000150001,
        "jitter_s": 1.25e-8,
        "skew_ppm": -1.25,
        "skew_bound_ppm": 3.5,
        "stratum": 2,
        "reference_id": "GPS",
        "leap": 0,
        "root_delay_s": 1.0,
        "root_dispersion_s": 0.000015259,
        "timestamps": "kernel",
        "interleaved": True,
        "samples": 8,
        "answered": 7,
        "out_of_bounds": False,
        "authentication": "none",
        "name": None,
        "group": None,
        "protocol": "ntp",
    }


def test_what_is_unknown_is_null_and_never_zero() -> None:
    row = json.loads(to_json(BOTH))["hosts"][1]
    known = {key for key, value in row.items() if value is not None}
    assert known == {
        "host",
        "port",
        "verdict",
        "reason",
        "interleaved",
        "samples",
        "answered",
        "out_of_bounds",
        "authentication",
        "protocol",
    }


def test_without_a_majority_combined_is_null() -> None:
    document = json.loads(to_json(replace(BOTH, combined=None)))
    jsonschema.validate(document, SCHEMA)
    assert document["combined"] is None


@pytest.mark.parametrize(
    "broken",
    [
        replace(GOOD, error_bound_ns=0),
        replace(GOOD, error_bound_ns=None),
        replace(GOOD, offset_ns=None),
        replace(GOOD, leap=4),
        replace(GOOD, port=0),
        replace(BAD, reason=None),
    ],
    ids=["bound 0", "no bound", "no offset", "leap 4", "port 0", "no reason"],
)
def test_the_schema_refuses_what_was_promised_never_to_come(broken: HostResult) -> None:
    document = json.loads(to_json(replace(BOTH, hosts=(broken,))))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, SCHEMA)


@given(st.text(max_size=30))
def test_json_is_ascii_and_gives_any_text_back(text: str) -> None:
    printed = to_json(replace(BOTH, hosts=(replace(BAD, host=text, reason=text),)))
    assert printed.isascii()
    assert [char for char in printed if not char.isprintable() and char != "\n"] == []
    assert json.loads(printed)["hosts"][0]["reason"] == text


def test_csv_has_the_keys_of_json_and_leaves_the_unknown_empty() -> None:
    odd = replace(BAD, reason='a "quoted", comma')
    first, second = csv.DictReader(to_csv(replace(BOTH, hosts=(GOOD, odd))).splitlines())
    keys = list(json.loads(to_json(BOTH))["hosts"][0])
    assert list(first) == ["measured_at", *keys]
    assert float(first["offset_s"]) == -0.000412345
    assert (first["reason"], first["interleaved"], second["interleaved"]) == ("", "true", "false")
    assert (second["reason"], second["offset_s"]) == ('a "quoted", comma', "")


@pytest.mark.parametrize(
    ("time_ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (2_085_978_496_000_000_000, "2036-02-07T06:28:16.000000000Z"),
    ],
)
def test_an_instant_keeps_its_nanoseconds(time_ns: int, text: str) -> None:
    assert rfc3339(time_ns) == text
