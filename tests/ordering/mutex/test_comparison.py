"""The comparison: measured is what is predicted, and the command says so."""

import json
import sys
import xml.etree.ElementTree as ET

import pytest

from clocksync.runtime.errors import BadConfig
from ordering.mutex import ALGORITHMS
from ordering.mutex import comparison as module
from ordering.mutex.central import CentralMutex
from ordering.mutex.comparison import compare
from ordering.mutex.frames import Denied
from tests.ordering.commands import ordering


@pytest.mark.slow
@pytest.mark.parametrize("n", [2, 3, 4, 5, 8])
def test_what_is_measured_is_what_the_textbook_predicts(n):
    rows = {row.algorithm: row for row in compare(n)}
    assert list(rows) == list(ALGORITHMS)
    for name, row in rows.items():
        assert row.as_predicted, (name, row)
    m = n // 2 + 1
    exact = {name: row.measured.messages for name, row in rows.items()}
    assert exact["central"] == 3
    assert exact["voting"] == 2 * m * rows["voting"].measured.attempts + m
    assert exact["ricart-agrawala"] == 2 * (n - 1)
    assert exact["lamport-queue"] == exact["majority"] == 3 * (n - 1)
    assert rows["token-ring"].measured.contended_messages == 1


def test_what_a_crash_does_is_what_the_documentation_says():
    rows = {row.algorithm: row.crashes for row in compare(5)}
    goes_on = {name: (crashes.idle_member, crashes.first_member) for name, crashes in rows.items()}
    assert goes_on == {
        "central": (True, False),
        "voting": (True, True),
        "ricart-agrawala": (False, False),
        "majority": (True, True),
        "lamport-queue": (False, False),
        "token-ring": (False, False),
        "suzuki-kasami": (True, False),
    }
    assert not any(crashes.holder for crashes in rows.values())
    assert all(crashes.recovery_ns for crashes in rows.values())


def test_one_message_more_than_predicted_is_noticed(monkeypatch):
    right = CentralMutex._coordinate

    def chatty(self, sender, number, now):
        return [*self._post(sender, Denied(number, 0), now), *right(self, sender, number, now)]

    monkeypatch.setattr(CentralMutex, "_coordinate", chatty)
    rows = {row.algorithm: row for row in compare(3)}
    assert not rows["central"].as_predicted
    assert rows["ricart-agrawala"].as_predicted
    assert ordering("mutex", "--compare", "-n", 3, "--no-sockets").exit_code == 1


def test_the_command_prints_tables():
    done = ordering("mutex", "--compare", "-n", 3, "--no-sockets")
    assert done.exit_code == 0, done.output
    assert "2(n-1)" in done.output
    assert "no: blocks" in done.output


@pytest.mark.slow
def test_the_command_writes_json_with_sockets():
    done = ordering("mutex", "--compare", "-n", 3, "--json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.output)
    assert (document["schema"], document["members"]) == ("ordering.mutex/1", 3)
    assert [row["algorithm"] for row in document["algorithms"]] == list(ALGORITHMS)
    over_sockets = [row["algorithm"] for row in document["sockets"]]
    assert over_sockets == [*ALGORITHMS, "ring, agreed", "ring, safe"]
    ring = next(row for row in document["algorithms"] if row["algorithm"] == "token-ring")
    assert ring["predicted"]["messages"] == [1, None], "unbounded is null"


def test_the_plot_is_written(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("ordering.mutex_cli.PLOT_SIZES", (2, 3))
    done = ordering("mutex", "--compare", "-n", 3, "--no-sockets", "--plot", tmp_path / "a.svg")
    assert done.exit_code == 0, done.output
    assert ET.parse(tmp_path / "a.svg").getroot().tag.endswith("svg")


def test_a_missing_matplotlib_is_one_line_before_any_work(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr("ordering.mutex_cli.compare", lambda *given: pytest.fail("worked first"))
    done = ordering("mutex", "--compare", "--plot", tmp_path / "a.svg")
    assert done.exit_code == 2
    assert "pip install 'clocksync[plot]'" in done.output
    assert done.output.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "say --compare"),
        (("--compare", "-n", 1), "2 to 64"),
        (("--compare", "-n", 65), "2 to 64"),
    ],
)
def test_usage_is_one_line_and_exit_2(arguments, says):
    done = ordering("mutex", *arguments)
    assert done.exit_code == 2
    assert says in done.output
    assert done.output.count("\n") == 1


def test_members_that_cannot_hear_each_other_are_one_line(monkeypatch):
    async def never(members):
        raise TimeoutError

    monkeypatch.setattr("ordering.mutex_cli.measure_on_sockets", never)
    done = ordering("mutex", "--compare", "-n", 2)
    assert done.exit_code == 2
    assert done.output == (
        "ordering: the members on 127.0.0.1 did not hear each other within 60 s\n"
    )


def test_impossible_sizes_are_refused():
    for n in (1, module.MEMBERS_MAX + 1):
        with pytest.raises(BadConfig, match="members"):
            compare(n)
