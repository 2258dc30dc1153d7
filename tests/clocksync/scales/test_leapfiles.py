"""Leap second files: three formats agree, and what is damaged is refused with one line."""

import re
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.units import SECOND
from clocksync.scales import (
    BUILT_IN,
    BadLeapFile,
    Leap,
    LeapTable,
    find_leaps,
    format_list,
    parse_leap_file,
    read_leap_file,
)
from clocksync.scales.civil import DAY, day_of, day_text
from tests.clocksync.scales.test_leaps import NEGATIVE

LIST = format_list(BUILT_IN)
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
# The IERS's list of July 2025: its numbers, its shape, and the hash that was published with it.
IERS_2025 = """\
#	ATOMIC TIME
#
#$	3960835200
#
#@	3991593600
#
2272060800	10	# 1 Jan 1972
2287785600	11	# 1 Jul 1972
2303683200	12	# 1 Jan 1973
2335219200	13	# 1 Jan 1974
2366755200	14	# 1 Jan 1975
2398291200	15	# 1 Jan 1976
2429913600	16	# 1 Jan 1977
2461449600	17	# 1 Jan 1978
2492985600	18	# 1 Jan 1979
2524521600	19	# 1 Jan 1980
2571782400	20	# 1 Jul 1981
2603318400	21	# 1 Jul 1982
2634854400	22	# 1 Jul 1983
2698012800	23	# 1 Jul 1985
2776982400	24	# 1 Jan 1988
2840140800	25	# 1 Jan 1990
2871676800	26	# 1 Jan 1991
2918937600	27	# 1 Jul 1992
2950473600	28	# 1 Jul 1993
2982009600	29	# 1 Jul 1994
3029443200	30	# 1 Jan 1996
3076704000	31	# 1 Jul 1997
3124137600	32	# 1 Jan 1999
3345062400	33	# 1 Jan 2006
3439756800	34	# 1 Jan 2009
3550089600	35	# 1 Jul 2012
3644697600	36	# 1 Jul 2015
3692217600	37	# 1 Jan 2017
"""


def tzdata_text(table: LeapTable, expires: str = "#expires {posix} (a day)") -> str:
    """A table as tzdata's leapseconds has it."""
    lines = ["# Leap seconds"]
    for leap in table.leaps:
        year, month, day = leap.date.split("-")
        clock, sign = ("23:59:60", "+") if leap.change > 0 else ("23:59:59", "-")
        lines.append(f"Leap\t{year}\t{MONTHS[int(month) - 1]}\t{int(day)}\t{clock}\t{sign}\tS")
    until = day_text(table.known_until_ns // DAY).split("-")
    expiry = expires.format(
        posix=table.known_until_ns // SECOND, y=until[0], m=MONTHS[int(until[1]) - 1], d=until[2]
    )
    return "\n".join([*lines, expiry, ""])


def tzif(records: list[tuple[int, int]], version: bytes = b"4") -> bytes:
    """A zone file of UTC with these leap second records."""
    header = struct.Struct(">4sc15x6I")
    kind = struct.pack(">iBB", 0, 0, 0) + b"UTC\0"
    old = header.pack(b"TZif", version, 0, 0, 0, 0, 1, 4) + kind
    new = header.pack(b"TZif", version, 0, 0, len(records), 0, 1, 4) + kind
    return old + new + b"".join(struct.pack(">qi", *each) for each in records) + b"\nUTC0\n"


def same(one: LeapTable, other: LeapTable) -> bool:
    return (one.leaps, one.known_until_ns) == (other.leaps, other.known_until_ns)


@pytest.mark.parametrize("table", [BUILT_IN, NEGATIVE], ids=["real", "negative"])
@pytest.mark.parametrize(
    "write",
    [
        format_list,
        lambda table: format_list(table).replace("\n", "\r\n"),
        tzdata_text,
        lambda table: tzdata_text(table, "Expires {y} {m} {d} 00:00:00"),
    ],
    ids=["list", "list with CRLF", "tzdata", "tzdata with Expires"],
)
def test_a_table_is_read_as_it_was_written(
    table: LeapTable, write: Callable[[LeapTable], str]
) -> None:
    assert same(parse_leap_file(write(table).encode(), "a file"), table)


@pytest.mark.skipif(not shutil.which("zic", path="/usr/sbin:/usr/bin:/sbin"), reason="no zic")
@pytest.mark.parametrize("table", [BUILT_IN, NEGATIVE], ids=["real", "negative"])
def test_what_zic_compiles_has_the_same_leap_seconds(table: LeapTable, tmp_path: Path) -> None:
    program = shutil.which("zic", path="/usr/sbin:/usr/bin:/sbin")
    assert program
    (tmp_path / "leap").write_text(tzdata_text(table))
    (tmp_path / "zone").write_text("Zone Leapy 0 - UTC\n")
    command = [program, "-d", str(tmp_path), "-L", str(tmp_path / "leap"), str(tmp_path / "zone")]
    subprocess.run(command, check=True, capture_output=True)
    compiled = read_leap_file(tmp_path / "Leapy")
    assert compiled.leaps == table.leaps
    assert compiled.known_until_ns == table.leaps[-1].midnight_ns  # it has no expiry


def test_the_expiry_record_of_a_zone_file_is_read() -> None:
    first, second = Leap(911, 1), Leap(1095, 1)
    expiry = day_of(1974, 6, 28) * DAY
    records = [
        (first.midnight_ns // SECOND, 1),
        (second.midnight_ns // SECOND + 1, 2),
        (expiry // SECOND + 2, 2),
    ]
    table = parse_leap_file(tzif(records), "a zone")
    assert (table.leaps, table.known_until_ns) == ((first, second), expiry)
    with pytest.raises(BadLeapFile, match="do not change by one second"):
        parse_leap_file(tzif(records, b"2"), "a zone")


HASH_2025 = "#h\t49db2447 571e5e1b 2f002a53 9c8da8e4 39b8e49e"


def test_a_published_list_matches_its_published_hash() -> None:
    table = parse_leap_file(f"{IERS_2025}#\n{HASH_2025}\n".encode(), "IERS")
    assert table.leaps == BUILT_IN.leaps
    assert day_text(table.known_until_ns // DAY) == "2026-06-28"


def test_a_hash_may_lack_leading_zeros() -> None:
    # Lists have been published so: the word is a number, printed without padding.
    for day in range(20_000, 20_400):
        table = LeapTable((), day * DAY, "x", 0)
        text = format_list(table)
        if re.search(r"[\t ]0", text.rpartition("#h")[2]):
            break
    stripped = text.rpartition("#h")[0] + "#h" + re.sub(r"\b0+", "", text.rpartition("#h")[2])
    assert stripped != text
    assert parse_leap_file(stripped.encode(), "x").known_until_ns == table.known_until_ns


def without(pattern: str, text: str = LIST) -> str:
    return "".join(line for line in text.splitlines(True) if not re.match(pattern, line))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is no leap second file"),
        ("<html>not found</html>", "is no leap second file"),
        (LIST.replace("\t37\n", "\t38\n"), "does not match its hash"),
        (LIST.replace("#@\t4", "#@\t5"), "does not match its hash"),
        (without("2571782400"), "does not match its hash"),
        (without("#h"), r"has no hash line \(#h\): it may be cut short"),
        (without("#@"), r"has no expiry line \(#@\)"),
        (without("#\\$"), r"has no update line \(#\$\)"),
        (LIST + "#h 1 2 3 4 5\n", "has two #h lines"),
        (re.sub("#h.*", "#h\tno hash", LIST), "is no SHA-1 hash"),
        (re.sub("#h.*", "#h", LIST), "does not match its hash"),
        (re.sub("#@.*", "#@\tnever", LIST), "is no number"),
        (LIST.replace("2571782400\t20", "2571782400"), "no seconds and offset in line"),
        (LIST.replace("2571782400", "2571782400.5"), "no seconds and offset in line"),
        (tzdata_text(BUILT_IN, ""), "does not say when it expires"),
        (tzdata_text(BUILT_IN).replace("Jun\t30", "Jun\t31", 1), "no leap second in line 2"),
        (tzdata_text(BUILT_IN).replace("23:59:60", "23:59:59", 1), "no leap second in line 2"),
        (tzdata_text(BUILT_IN).replace("\tS\n", "\n", 1), "no leap second in line 2"),
        (tzdata_text(BUILT_IN).replace("Leap\t", "Lap\t", 1), "no leap second in line 2"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(text: str, says: str) -> None:
    with pytest.raises(BadLeapFile, match=says) as refusal:
        parse_leap_file(text.encode(), "list.txt")
    assert str(refusal.value).startswith("list.txt")
    assert "\n" not in str(refusal.value)


def listed(rows: list[tuple[int, int]]) -> bytes:
    """A list with a right hash over wrong rows."""
    from clocksync.scales.leapfiles import list_hash

    data = [(str(second), str(offset)) for second, offset in rows]
    words = " ".join(f"{word:08x}" for word in list_hash("3676924800", "3707596800", data))
    body = "".join(f"{second} {offset}\n" for second, offset in data)
    return f"#$ 3676924800\n#@ 3707596800\n{body}#h {words}\n".encode()


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "does not begin with TAI - UTC = 10 s in 1972"),
        ([(2287785600, 11)], "does not begin with"),
        ([(2272060800, 10), (2287785600, 12)], "leaps by one second, not by 2"),
        ([(2272060800, 10), (2287785601, 11)], "not at the end of a day"),
        ([(2272060800, 10), (2303683200, 11), (2287785600, 12)], "out of order"),
        ([(2272060800, 10), (999999999999, 11)], "not at the end of a day"),
    ],
)
def test_a_list_that_makes_no_sense_is_refused_though_its_hash_is_right(
    rows: list[tuple[int, int]], says: str
) -> None:
    with pytest.raises(BadLeapFile, match=says):
        parse_leap_file(listed(rows), "a list")


@pytest.mark.parametrize("write", [format_list, tzdata_text], ids=["list", "tzdata"])
def test_a_file_cut_anywhere_is_refused_or_says_the_same(
    write: Callable[[LeapTable], str],
) -> None:
    raw = write(BUILT_IN).rstrip().encode()
    for length in range(len(raw)):
        try:
            table = parse_leap_file(raw[:length], "cut")
        except BadLeapFile:
            continue
        assert table.leaps == BUILT_IN.leaps, f"cut to {length} bytes it was believed"


def test_a_zone_file_cut_anywhere_is_refused() -> None:
    whole = tzif([(leap.midnight_ns // SECOND + n, n + 1) for n, leap in enumerate(BUILT_IN.leaps)])
    assert parse_leap_file(whole, "whole").leaps == BUILT_IN.leaps
    for length in range(len(whole)):
        with pytest.raises(BadLeapFile):
            parse_leap_file(whole[:length], "cut")


@given(
    st.binary(max_size=200), st.sampled_from([b"", b"TZif2", b"#@ 1\n", b"Leap ", LIST.encode()])
)
def test_rubbish_is_refused_and_nothing_else_is_raised(raw: bytes, start: bytes) -> None:
    message = ""
    try:
        parse_leap_file(start + raw, "rubbish")
    except BadLeapFile as error:
        message = str(error)
    assert "\n" not in message


def test_a_file_that_is_not_there_or_far_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadLeapFile, match=r"nowhere: No such file"):
        read_leap_file(tmp_path / "nowhere")
    with pytest.raises(BadLeapFile, match="directory"):
        read_leap_file(tmp_path)
    (tmp_path / "long").write_bytes(b"#" * (2 << 20))
    with pytest.raises(BadLeapFile, match="far too long"):
        read_leap_file(tmp_path / "long")


def test_the_list_that_is_valid_longest_is_taken(tmp_path: Path) -> None:
    later = LeapTable(NEGATIVE.leaps, day_of(2050, 1, 1) * DAY, "x")
    (tmp_path / "leapseconds").write_text(tzdata_text(later))
    (tmp_path / "leap-seconds.list").write_text(LIST)
    leaps = find_leaps([tmp_path, tmp_path / "nowhere"])
    assert leaps.table.source == str(tmp_path / "leapseconds")
    assert same(leaps.table, later)
    assert BUILT_IN in leaps.found
    # NEGATIVE adds nothing before the others end, so nobody contradicts.
    assert leaps.cautions == ()


def test_a_damaged_list_is_told_and_another_one_taken(tmp_path: Path) -> None:
    (tmp_path / "leap-seconds.list").write_text(LIST.replace("\t37\n", "\t38\n"))
    leaps = find_leaps([tmp_path])
    assert leaps.table.leaps == BUILT_IN.leaps
    assert len(leaps.cautions) == 1
    assert "does not match its hash" in leaps.cautions[0]
    assert leaps.cautions[0].endswith("; it is not used")


def test_lists_that_contradict_each_other_are_told(tmp_path: Path) -> None:
    wrong = LeapTable(BUILT_IN.leaps[:-1], day_of(2050, 1, 1) * DAY, "x")
    (tmp_path / "leap-seconds.list").write_text(format_list(wrong))
    leaps = find_leaps([tmp_path])
    assert any("disagree on leap seconds" in caution for caution in leaps.cautions)


def test_the_lists_of_this_machine_say_what_the_built_in_table_says() -> None:
    leaps = find_leaps()
    assert not any("disagree" in caution for caution in leaps.cautions)
    assert leaps.table.known_until_ns >= BUILT_IN.known_until_ns
