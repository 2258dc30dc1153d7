"""What a running chronyd says, read from ``chronyc -c tracking``."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from clocksync.bounded import BoundedClock
from clocksync.chronyd import Tracking, parse_tracking, read_tracking
from clocksync.runtime.errors import NotSynchronised
from clocksync.runtime.interval import Interval

LINE = (
    "C0000201,192.0.2.1,3,1790000000.123456789,0.000412345,-0.000000321,0.000020000,"
    "-12.345,0.001,0.050,0.004000001,0.000600000,64.3,Normal\n"
)


def test_a_slow_clock_has_a_positive_offset_and_the_bound_of_the_manual() -> None:
    tracking = parse_tracking(LINE)
    assert tracking == Tracking("C0000201", 3, 412_345, 4_000_001, 600_000, "Normal")
    # chronyc(1): root dispersion + root delay / 2, about the corrected time.
    assert tracking.interval == Interval.around(412_345, 600_000 + 2_000_001 + 1)
    assert parse_tracking(LINE.replace(",0.000412345", ",-0.000412345")).offset_ns == -412_345


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "not understood"),
        ("506 Cannot talk to daemon", "not understood"),
        (LINE.replace("Normal", "Not synchronised"), "not synchronised"),
        (LINE.replace("0.004000001", "x"), "not understood"),
        (LINE.replace(",3,", ",three,"), "not understood"),
        (LINE.replace("0.000600000", "nan"), "not understood"),
        ("\x1b[2J" * 50, "not understood"),
    ],
)
def test_what_is_no_time_is_said_in_one_printable_line(line: str, words: str) -> None:
    with pytest.raises(NotSynchronised, match=words) as refusal:
        parse_tracking(line)
    assert str(refusal.value).isprintable()


Program = Callable[[str], str]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """A stand-in for ``chronyc``, made of a few lines of Python."""

    def write(body: str) -> str:
        path = tmp_path / "chronyc"
        path.write_text(f"#!{sys.executable}\nimport sys\n{body}\n")
        path.chmod(0o755)
        return str(path)

    return write


def test_chronyc_is_asked_for_tracking_at_the_socket_that_was_named(program: Program) -> None:
    fake = program(f"assert sys.argv[1:] == ['-c', '-h', '/run/x', 'tracking']\nprint({LINE!r})")
    with pytest.raises(NotSynchronised, match="does not answer: AssertionError"):
        read_tracking("/run/other", fake)
    assert read_tracking("/run/x", fake).stratum == 3


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("print('506 Cannot talk to daemon'); sys.exit(1)", "506 Cannot talk to daemon"),
        ("sys.exit(1)", "no reason given"),
        ("print('\\x1b[2Jboo'); sys.exit(1)", "boo"),
        ("sys.stdout.buffer.write(b'\\xff' * 40)", "not understood"),
        ("sys.stdout.buffer.write(b'\\xff'); sys.exit(1)", "does not answer"),
    ],
)
def test_a_failing_chronyc_is_told_in_its_own_words_made_printable(
    program: Program, body: str, words: str
) -> None:
    with pytest.raises(NotSynchronised, match=words) as refusal:
        read_tracking(chronyc=program(body))
    assert str(refusal.value).isprintable()


def test_a_program_that_cannot_run_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(NotSynchronised, match="did not answer"):
        read_tracking(chronyc=str(tmp_path / "nothing"))


def test_without_chronyc_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clocksync.chronyd.find_chronyc", lambda: None)
    with pytest.raises(NotSynchronised, match="chronyc is not installed"):
        BoundedClock.from_chronyd()
