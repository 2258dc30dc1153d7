"""Reading RINEX 2 and 3: what is in the files, what is wrong with them, and what is ignored."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.gnss.ephemeris import Message
from clocksync.gnss.instants import from_calendar, full_year, iso
from clocksync.gnss.rinex_navigation import Navigation, read_navigation
from clocksync.gnss.rinex_observations import Epoch, ObservationFile, read_observations
from clocksync.gnss.rinex_text import BadRinex, Lines
from clocksync.gnss.simulation import WHEN
from clocksync.runtime.units import SECOND
from tests.clocksync.gnss.sky import (
    SITE,
    Site,
    calendar,
    epoch_2,
    epoch_3,
    galileo,
    gps,
    header,
    navigation,
    observations_2,
    observations_3,
    record,
    stamp_2,
)

TIMES = [WHEN + 30 * SECOND * number for number in range(3)]


def lines(text: str) -> Lines:
    return Lines.of("test.obs", text.splitlines())


def read(text: str) -> tuple[ObservationFile, list[Epoch]]:
    file = read_observations(lines(text))
    return file, list(file.epochs())


def epochs(text: str) -> list[Epoch]:
    file, found = read(text)
    assert file.faults == []
    return found


def nav(text: str) -> Navigation:
    return read_navigation(lines(text))


# Observations.


@pytest.mark.parametrize(
    "kinds", ["C1", "L1 C1 L2 P2 D1 S1 S2", "C1 P1 P2 L1 L2 D1 D2 S1 S2 C2 C5"]
)
def test_version_2_reads_any_number_of_kinds_and_more_than_twelve_satellites(kinds: str) -> None:
    site = Site([*gps(), *galileo()], mask_deg=-5.0)
    seen = site.visible()
    assert len(seen) > 24
    found = epochs(observations_2(site, TIMES, kinds, others="R01 S33 C05"))
    assert [epoch.time for epoch in found] == TIMES
    assert list(found[0].observed) == [*(e.satellite for e in seen), "R01", "S33", "C05"]
    for each in seen:
        ranges = found[0].observed[each.satellite].ranges
        code = "C1C" if each.satellite[0] == "G" else "C1X"
        assert ranges[code] == pytest.approx(site.pseudorange(each, TIMES[0]), abs=1e-3)
    assert found[0].observed["R01"].ranges == {}
    assert found[0].position == pytest.approx(SITE, abs=1e-4)


def test_version_3_reads_pseudoranges_and_strengths_and_names_other_systems() -> None:
    site = Site([*gps(), *galileo()])
    found = epochs(observations_3(site, TIMES, others="R01 C05 S20 J01 I04", pairs=True))
    assert len(found) == 3
    for each in site.visible():
        observed = found[0].observed[each.satellite]
        assert observed.strengths == {1: 48.0}
        assert len(observed.ranges) == 2
    assert {"R01", "C05", "S20", "J01", "I04"} <= set(found[0].observed)


def test_a_missing_observation_is_missing_and_a_zero_is_none() -> None:
    text = observations_2(Site(gps()), TIMES[:1], "C1 L1 P2")
    name = epochs(text)[0].observed
    blank = text.splitlines()
    blank[-1], blank[-2] = " ", f"{0.0:14.3f}"
    found = epochs("\n".join(blank) + "\n")[0].observed
    assert list(found) == list(name)
    assert [len(observed.ranges) for observed in found.values()][-2:] == [0, 0]


def test_years_of_two_digits_turn_at_80() -> None:
    assert [full_year(y) for y in (79, 80, 99, 0, 18)] == [2079, 1980, 1999, 2000, 2018]


def test_satellites_may_have_blanks_for_zeros_and_for_the_system() -> None:
    text = header(
        ("     2.11           OBSERVATION DATA    G", "RINEX VERSION / TYPE"),
        ("     1    C1", "# / TYPES OF OBSERV"),
    )
    text += " 05  4  2  0  0  0.0000000  0  3G 3  7 30\n" + "  20000000.000\n" * 3
    assert list(epochs(text)[0].observed) == ["G03", "G07", "G30"]


def test_events_comments_and_new_kinds_in_the_middle_are_read() -> None:
    site = Site(gps())
    text = observations_2(site, TIMES[:1], "C1 P2")
    text += "                            2  1\n" + f"{'*** moving ***':<60}COMMENT\n"
    text += "                            4  3\n"
    text += f"{'     1    C1':<60}# / TYPES OF OBSERV\n"
    text += f"{'':<60}COMMENT\n"
    text += f"{'     100.0000      200.0000      300.0000':<60}APPROX POSITION XYZ\n"
    text += epoch_2(site, TIMES[1], ["C1"])
    # Cycle slips come in the form of observations.
    slips = epoch_2(site, TIMES[1], ["C1"])
    text += slips[:28] + "6" + slips[29:]
    text += epoch_2(site, TIMES[2], ["C1"])
    found = epochs(text)
    assert [epoch.time for epoch in found] == TIMES
    assert found[0].position == pytest.approx(SITE, abs=1e-4)
    assert found[1].position == (100.0, 200.0, 300.0)
    assert len(found[2].observed) == len(site.visible(TIMES[2]))


def test_events_of_version_3_are_read_and_a_power_failure_is_noted() -> None:
    site = Site(gps())
    text = observations_3(site, TIMES[:1])
    text += ">                              4  2\n"
    text += f"{'G    1 C1C':<60}SYS / # / OBS TYPES\n" + f"{'hello':<60}COMMENT\n"
    late = epoch_3(site, TIMES[1])
    text += late[:31] + "1" + late[32:]
    found = epochs(text)
    assert [epoch.power_failed for epoch in found] == [False, True]


def test_the_antenna_is_above_the_marker() -> None:
    extra = [("        2.0000        0.0000        0.0000", "ANTENNA: DELTA H/E/N")]
    text = observations_3(Site(gps()), TIMES[:1], extra=extra)
    place = epochs(text)[0].position
    assert place is not None
    assert sum((a - b) ** 2 for a, b in zip(place, SITE, strict=True)) == pytest.approx(
        4.0, abs=1e-3
    )


def test_scaled_values_are_scaled_back() -> None:
    site = Site(gps())
    plain = epochs(observations_3(site, TIMES[:1]))[0].observed
    extra = [("G  100  1 C1C", "SYS / SCALE FACTOR")]
    scaled = epochs(observations_3(site, TIMES[:1], extra=extra))[0].observed
    for name, observed in plain.items():
        assert scaled[name].ranges["C1C"] == pytest.approx(observed.ranges["C1C"] / 100)


@pytest.mark.parametrize(("scale", "behind"), [("GPS", 0), ("GAL", 0), ("BDT", 14), ("GLO", 18)])
def test_epochs_in_other_time_scales_become_gps_time(scale: str, behind: int) -> None:
    first = f"{calendar(WHEN):  %Y    %m    %d    %H    %M   %S}.0000000     {scale}"
    extra = [(first, "TIME OF FIRST OBS"), ("    18", "LEAP SECONDS")]
    found = epochs(observations_3(Site(gps()), TIMES[:1], extra=extra))
    assert found[0].time == TIMES[0] + behind * SECOND


def test_utc_epochs_without_leap_seconds_are_refused() -> None:
    first = f"{calendar(WHEN):  %Y    %m    %d    %H    %M   %S}.0000000     GLO"
    text = observations_3(Site(gps()), TIMES[:1], extra=[(first, "TIME OF FIRST OBS")])
    with pytest.raises(BadRinex, match="no header tells the leap seconds"):
        read_observations(lines(text))
    assert read_observations(lines(text), leap_seconds=18).leap_seconds == 18


def test_a_file_cut_anywhere_gives_its_whole_epochs_and_says_so() -> None:
    for text in (observations_2(Site(gps()), TIMES, "C1 L1"), observations_3(Site(gps()), TIMES)):
        whole = text.splitlines()
        start = next(n for n, line in enumerate(whole) if "END OF HEADER" in line) + 1
        for end in range(start + 1, len(whole)):
            file, found = read("\n".join(whole[:end]))
            assert [e.time for e in found] == TIMES[: len(found)]
            if not file.faults:
                assert "\n".join(whole[end:]).lstrip("\n")[:1] in (">", " ")


@pytest.mark.parametrize("version", [2, 3])
def test_rubbish_in_the_middle_costs_its_epoch_and_is_told(version: int) -> None:
    site = Site(gps())
    write = observations_2 if version == 2 else observations_3
    text = write(site, TIMES)
    name = site.visible(TIMES[1])[2]
    value = f"{site.pseudorange(name, TIMES[1]):14.3f}"
    assert value in text
    file, found = read(text.replace(value, "  rubb#sh.  00"))
    assert [epoch.time for epoch in found] == [TIMES[0], TIMES[2]]
    assert len(file.faults) == 1
    assert "should be a number" in file.faults[0]
    assert file.faults[0].startswith("test.obs:")


@given(st.text(max_size=2000), st.sampled_from([2, 3]))
def test_no_text_after_a_header_is_more_than_a_fault(text: str, version: int) -> None:
    write = observations_2 if version == 2 else observations_3
    head = write(Site(gps()), TIMES[:1]).split("END OF HEADER\n")[0] + "END OF HEADER\n"
    file = read_observations(Lines.of("x", (head + text).splitlines()))
    for epoch in file.epochs():
        assert isinstance(epoch, Epoch)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not a RINEX file"),
        ("\x7fELF\x02\x01\x01\0\0\0", "not a RINEX file"),
        (
            f"{'     4.00           OBSERVATION DATA    M':<60}RINEX VERSION / TYPE",
            "2 and 3 are read",
        ),
        (f"{'     3.03           OBSERVATION DATA    M':<60}RINEX VERSION / TYPE", "does not end"),
        ("x" * 100_000, "longer than any"),
        (navigation(gps()), "not an observation file"),
        (
            header(
                ("     3.03           OBSERVATION DATA    M", "RINEX VERSION / TYPE"),
                ("G    3 C1C L1C", "SYS / # / OBS TYPES"),
            ),
            "3 kinds of G announced, 2 named",
        ),
        (
            header(("     3.03           OBSERVATION DATA    M", "RINEX VERSION / TYPE")),
            "names no kinds of observations",
        ),
    ],
)
def test_what_is_no_observation_file_is_refused_in_one_line(text: str, says: str) -> None:
    with pytest.raises(BadRinex, match=says) as caught:
        read_observations(lines(text))
    assert "\n" not in str(caught.value)


def test_it_streams() -> None:
    site = Site(gps())
    body = epoch_3(site, TIMES[0])
    head = observations_3(site, TIMES[:1]).splitlines()

    def endless() -> Iterator[str]:
        yield from head
        while True:
            yield from body.splitlines()

    stream = read_observations(Lines.of("endless", endless())).epochs()
    assert len([next(stream) for _ in range(50)]) == 50


# Navigation.


@pytest.mark.parametrize("version", [2.11, 3.03])
def test_ephemerides_come_back_as_they_were_written(version: float) -> None:
    found = nav(navigation(gps(), version))
    assert found.leap_seconds == 18
    assert found.klobuchar is not None
    assert found.klobuchar.beta[0] == pytest.approx(9e4)
    for written, read_back in zip(gps(), found.ephemerides, strict=True):
        assert read_back.satellite == written.satellite
        assert (read_back.toe, read_back.toc) == (written.toe, written.toc)
        position, clock = written.state(WHEN + 1800 * SECOND)
        assert read_back.state(WHEN + 1800 * SECOND)[0] == pytest.approx(position, abs=1e-2)
        assert read_back.state(WHEN + 1800 * SECOND)[1] == pytest.approx(clock, abs=1e-15)


@pytest.mark.parametrize("message", [Message.INAV, Message.FNAV])
def test_galileos_messages_are_told_apart(message: Message) -> None:
    found = nav(navigation(galileo(message))).ephemerides
    assert {each.message for each in found} == {message}
    wanted = -11e-9 if message is Message.INAV else -9e-9
    assert found[0].group_delay_s == pytest.approx(wanted)


def test_records_of_other_systems_are_counted() -> None:
    glonass = "R01 2018 07 29 00 15 00" + " 0.1D-03" * 3 + "\n" + "     0.1D+05\n" * 3
    text = navigation(gps()[:2]) + glonass * 2 + record(gps()[2])
    found = nav(text)
    assert len(found.ephemerides) == 3
    assert found.left_out == {"records of R": 2}


def test_an_unusable_record_is_left_out_and_its_neighbours_are_not() -> None:
    cut = "\n".join(record(gps()[1]).splitlines()[:6]) + "\n"
    moon = record(replace(gps()[2], root_a=19_600.0))
    hyperbola = record(replace(gps()[3], eccentricity=1.5))
    text = navigation(gps()[:1]) + cut + moon + hyperbola + record(gps()[4])
    found = nav(text)
    assert [each.satellite for each in found.ephemerides] == ["G01", "G05"]
    assert found.left_out.total() == 3


def test_the_broadcast_difference_of_the_systems_is_read() -> None:
    line = ("GPGA  7.5378920883E-09 8.881784197E-16  86400 2012", "TIME SYSTEM CORR")
    assert nav(navigation(gps(), extra=[line])).galileo_minus_gps_s == pytest.approx(
        7.5378920883e-9
    )


def test_coefficients_of_galileos_model_are_not_taken_for_klobuchars() -> None:
    # RINEX 2.12 of Galileo has three numbers of another model under the same label.
    text = header(
        ("     2.12           E: Galileo NAV DATA", "RINEX VERSION / TYPE"),
        ("    4.9250D+01  2.0703D-01  4.0283D-03", "ION ALPHA"),
    )
    record_2 = record(galileo()[4], 2.12).replace("E", " ", 1)
    found = nav(text + record_2)
    assert found.klobuchar is None
    assert found.ephemerides[0].satellite == "E05"


@given(st.text(max_size=3000))
def test_no_text_after_a_navigation_header_raises(text: str) -> None:
    head = navigation([])
    read_navigation(Lines.of("x", (head + text).splitlines()))


def test_times_are_exact_to_a_hundred_nanoseconds() -> None:
    time = from_calendar(2018, 6, 22, 6, 17, "30.1234567")
    assert iso(time) == "2018-06-22T06:17:30.1234567"
    assert stamp_2(time) == " 18 06 22 06 17 30.1234567"
    with pytest.raises(ValueError, match="time of day"):
        from_calendar(2018, 6, 22, 25, 0, "0")
