"""Files as they lie on disks: compressed, cut short, mistaken for others, in any order."""

import bz2
import gzip
import lzma
import sys
import zipfile
from pathlib import Path

import hatanaka
import pytest

from clocksync.gnss.files import open_lines
from clocksync.gnss.fix import Status
from clocksync.gnss.rinex_text import BadRinex
from clocksync.gnss.run import Positioning
from clocksync.gnss.simulation import WHEN
from clocksync.runtime.errors import BadConfig, MissingExtra
from clocksync.runtime.units import SECOND
from tests.clocksync.gnss.sky import Site, galileo, gps, navigation, observations_2, observations_3

TIMES = [WHEN + 30 * SECOND * number for number in range(6)]
OBSERVATIONS = observations_3(Site(gps(), clock_error_ns=2_500.0), TIMES)


@pytest.fixture
def ephemerides(tmp_path: Path) -> Path:
    path = tmp_path / "day.nav"
    path.write_text(navigation(gps()))
    return path


def crinex(text: str) -> bytes:
    return bytes(hatanaka.rnx2crx(text.encode()))


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("site.obs", lambda text: text.encode()),
        ("site.obs.gz", lambda text: gzip.compress(text.encode())),
        ("site.obs.bz2", lambda text: bz2.compress(text.encode())),
        ("site.obs.xz", lambda text: lzma.compress(text.encode())),
        ("site.crx", crinex),
        ("site.crx.gz", lambda text: gzip.compress(crinex(text))),
        ("dos.obs", lambda text: text.replace("\n", "\r\n").encode()),
    ],
)
def test_a_file_is_read_whatever_it_is_compressed_with(
    name: str, pack: "object", tmp_path: Path, ephemerides: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(pack(OBSERVATIONS))  # type: ignore[operator]
    fixes = list(Positioning.of([ephemerides, path]).fixes())
    assert [fix.status for fix in fixes] == [Status.SOLVED] * len(TIMES)
    assert fixes[0].clock_error_ns == pytest.approx(2_500.0, abs=1.0)


def test_a_zip_of_one_file_is_read_and_of_two_is_not(tmp_path: Path) -> None:
    path = tmp_path / "site.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("site.obs", OBSERVATIONS)
    with open_lines(path) as lines:
        assert sum(1 for _ in lines) == OBSERVATIONS.count("\n")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("other.obs", OBSERVATIONS)
    with pytest.raises(BadRinex, match="an archive of 2 files"), open_lines(path):
        pass


def test_hatanakas_compression_of_version_2_is_read(tmp_path: Path, ephemerides: Path) -> None:
    path = tmp_path / "site0010.26d"
    path.write_bytes(crinex(observations_2(Site(gps()), TIMES, "C1 L1")))
    assert all(fix.status is Status.SOLVED for fix in Positioning.of([path, ephemerides]).fixes())


def test_a_missing_package_is_named_with_the_command_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "site.crx"
    path.write_bytes(crinex(OBSERVATIONS))
    monkeypatch.setitem(sys.modules, "hatanaka", None)
    with pytest.raises(MissingExtra, match=r"pip install 'clocksync\[gnss\]'"), open_lines(path):
        pass


@pytest.mark.parametrize("keep", [0.5, 0.9, 0.99])
def test_a_compressed_file_cut_short_gives_what_it_holds(
    keep: float, tmp_path: Path, ephemerides: Path
) -> None:
    whole = gzip.compress(OBSERVATIONS.encode())
    path = tmp_path / "site.obs.gz"
    path.write_bytes(whole[: int(len(whole) * keep)])
    run = Positioning.of([path, ephemerides])
    fixes = list(run.fixes())
    assert 0 < len(fixes) <= len(TIMES)
    assert run.faulty
    assert "could not be read" in run.cautions[-1]


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b\x08rubbish", b"BZhrubbish", b"PK\x03\x04x"])
def test_rubbish_is_refused_in_one_line(content: bytes, tmp_path: Path, ephemerides: Path) -> None:
    path = tmp_path / "rubbish"
    path.write_bytes(content)
    with pytest.raises(BadRinex, match="rubbish") as caught:
        Positioning.of([path, ephemerides])
    assert "\n" not in str(caught.value)


def test_several_navigation_files_are_put_together(tmp_path: Path) -> None:
    sky = [*gps(), *galileo()]
    site, one, other = tmp_path / "s.obs", tmp_path / "g.nav", tmp_path / "e.nav"
    site.write_text(observations_3(Site(sky), TIMES))
    one.write_text(navigation(gps()))
    other.write_text(navigation(galileo(), klobuchar=None))
    fix = next(Positioning.of([one, site, other]).fixes())
    assert {name[0] for name in fix.satellites} == {"G", "E"}


def test_what_files_are_needed_is_said(tmp_path: Path, ephemerides: Path) -> None:
    site, empty = tmp_path / "s.obs", tmp_path / "empty.nav"
    site.write_text(OBSERVATIONS)
    empty.write_text(navigation([]))
    with pytest.raises(BadConfig, match="none of these is an observation file"):
        Positioning.of([ephemerides, ephemerides])
    with pytest.raises(BadConfig, match="one observation file is needed, not 2"):
        Positioning.of([site, site, ephemerides])
    with pytest.raises(BadConfig, match="add a navigation file"):
        Positioning.of([site])
    with pytest.raises(BadRinex, match="no ephemeris of GPS or Galileo"):
        Positioning.of([site, empty])
