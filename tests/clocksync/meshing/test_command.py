"""What people see of a mesh: its JSON, its table, and one line for every bad setting."""

import asyncio
import json
import re
from dataclasses import replace
from importlib import resources

import jsonschema
import pytest
from rich.console import Console

import clocksync
from clocksync.meshing.coordinator import Collected, Host, Trouble
from clocksync.meshing.report import to_json
from clocksync.meshing.result import HostState, MeshResult, Pair, Path
from clocksync.meshing.settings import MeshSettings
from clocksync.meshing.solve import solve
from clocksync.meshing.steps import Step
from clocksync.meshing.table import asymmetries, render
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.interval import Interval
from clocksync.runtime.units import SECOND
from tests.commands import command

typed = command("clocksync")

SCHEMA = json.loads(resources.files("clocksync").joinpath("schemas/mesh-1.json").read_text())

RESULT = MeshResult(
    hosts=(
        HostState("a", ("10.0.0.1", 3190), 1, 1, 0, 0, 0.0),
        HostState("b", ("10.0.0.2", 3190), 2, 1, -5_000, 900, 1.5),
        HostState("c", ("10.0.0.3", 3190), 3, 1, 12_000, 900, -0.25),
        HostState("d", ("10.0.0.4", 3190), None, troubles=("does not answer",)),
    ),
    pairs=(
        Pair(1, 2, -5_000, 1.5, 900, Interval(-5_800, -4_100), True),
        Pair(1, 3, 12_000, -0.25, 900, Interval(11_100, 12_500), True),
        Pair(2, 3, 17_000, -1.75, 1_500, Interval(15_500, 18_400), False),
    ),
    paths=(
        Path(1, 2, -5_000, 3_000, 200, 0),
        Path(1, 3, 18_000, 3_000, 200, 6_000, 12_000, 11_500, 0),
        Path(2, 3, 11_000, 3_000, 200, -6_000, -12_000, 11_500, 4_000),
    ),
    steps=(Step((2, 3), -7_000_000),),
    loop_residual_ns=6_000,
    worst_loop=(1, 2, 3),
    as_of_ns=1_790_000_000 * SECOND,
)


def shown(result, width=200):
    console = Console(width=width, highlight=False)
    with console.capture() as captured:
        for part in render(result):
            console.print(part)
    return captured.get()


def test_the_document_is_as_its_schema_says():
    document = json.loads(to_json(RESULT))
    jsonschema.validate(document, SCHEMA)
    assert document["pairs"][0] == {
        "a": 1,
        "b": 2,
        "offset_s": -5e-06,
        "skew_ppm": 1.5,
        "error_bound_s": 9e-07,
        "probed": True,
    }
    assert document["loop_residual_s"] == 6e-06


def test_a_document_of_nothing_is_one_too():
    nothing = solve(Collected((Host(("10.0.0.1", 1), 1, troubles=[Trouble.SILENT]),), {}))
    document = json.loads(to_json(nothing))
    jsonschema.validate(document, SCHEMA)
    assert (document["pairs"], document["loop_residual_s"], nothing.exit_code) == ([], None, 2)
    assert "Nothing could be told" in shown(nothing)


def test_a_table_names_what_is_wrong_in_plain_words():
    text = shown(RESULT)
    for words in (
        "5.00 us behind 1",
        "12.00 us ahead of 1",
        "the reference",
        "caution: d does not answer",
        "the clock of host 2 or 3 was set by about -7.00 ms",
        "Farthest apart: hosts 2 and 3, 17.0 us ± 1.50 us.",
        "Loops close to within 6.00 us (worst: 1-2-3-1).",
    ):
        assert words in text, text


def test_an_asymmetric_path_is_named_with_the_slower_way_and_how_sure_that_is():
    assert list(asymmetries(RESULT)) == [
        "path 1-3 is asymmetric by at least 11.5 us (if most paths of each are symmetric):"
        " the way from 1 to 3 takes longer than back",
        "path 2-3 is asymmetric by at least 11.5 us (proven: 4.00 us):"
        " the way from 3 to 2 takes longer than back",
    ]


def test_exit_codes():
    assert RESULT.exit_code == 1
    well = replace(RESULT, hosts=RESULT.hosts[:3], steps=())
    assert well.exit_code == 0
    assert replace(well, pairs=()).exit_code == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"duration_ns": 0}, "duration must be more than nothing"),
        ({"duration_ns": 3600 * SECOND}, "duration must be"),
        ({"interval_ns": 1}, "interval must be at least 500 us"),
        ({"interval_ns": 10 * SECOND}, "interval must be"),
        ({"duration_ns": 600 * SECOND, "interval_ns": 1_000_000}, "longer interval"),
        ({"timeout_ns": 0}, "timeout"),
        ({"liars": -1}, "liars must be between"),
        ({"max_drift_ppm": float("nan")}, "ppm is none"),
    ],
)
def test_settings_that_cannot_be_are_refused(changes, message):
    with pytest.raises(BadConfig, match=message):
        MeshSettings(**changes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mesh"], "Missing argument"),
        (["mesh", "127.0.0.1"], "at least two hosts"),
        (["mesh", "127.0.0.1", "127.0.0.1:3190"], "at least two hosts"),
        (["mesh", "10.0.0.1", "10.0.0.2"], "no key"),
        (["mesh", "127.0.0.1", "::1"], "or all by IPv6"),
        (["mesh", "fe80::1%lo", "::1"], "on this host alone"),
        (["mesh", "127.0.0.1:0", "127.0.0.1:1"], "port 0"),
        (["mesh", "127.0.0.1:99999", "127.0.0.1:1"], "0 to 65535"),
        (["mesh", "a b", "127.0.0.1"], "cannot be resolved"),
        (["mesh", "127.0.0.1", "127.0.0.2", "--key", "/nonexistent"], "No such file"),
        (["mesh", "127.0.0.1", "127.0.0.2", "--duration", "soon"], "is no duration"),
        (["mesh", "127.0.0.1", "127.0.0.2", "--id", "70000"], "numbered 1 to"),
        (["mesh", "127.0.0.1", "127.0.0.2", "--source", "10.9.8.7"], "cannot listen|no key"),
        (["agent", "--id", "0", "--listen", "127.0.0.1:0"], "numbered 1 to"),
        (["agent", "--id", "1", "--listen", "10.0.0.1:0"], "no key"),
        (["agent", "--id", "1", "--listen", "127.0.0.1:0", "--rate", "1e9"], "is no clock"),
        (["agent", "--id", "1"], "Missing option"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, message, typed):
    code, _, told = typed(*arguments)
    assert code == 2
    assert re.search(message, told), told
    assert len(told.splitlines()) == 1


def test_hosts_that_are_not_there_are_named_and_nothing_is_told(typed):
    arguments = ["mesh", "127.9.9.1:9", "127.9.9.2:9", "--timeout", "200ms", "--json"]
    code, output, _ = typed(*arguments)
    document = json.loads(output)
    jsonschema.validate(document, SCHEMA)
    assert code == 2
    assert [len(host["troubles"]) for host in document["hosts"]] == [1, 1]


@pytest.mark.parametrize(
    ("hosts", "options", "message"),
    [
        ("10.0.0.1", {}, "give a list"),
        (["127.0.0.1", "127.0.0.2"], {"duration_ns": -1}, "duration"),
        ([f"127.0.{n >> 8}.{n & 255}" for n in range(600)], {}, "more than a mesh takes"),
    ],
)
def test_the_library_refuses_what_cannot_be(hosts, options, message):
    with pytest.raises(BadConfig, match=message):
        asyncio.run(clocksync.mesh(hosts, **options))


def test_settings_and_single_ones_contradict_each_other():
    with pytest.raises(BadConfig, match="not both"):
        asyncio.run(clocksync.mesh(["a", "b"], MeshSettings(), liars=0))
