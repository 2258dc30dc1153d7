"""What is installed is whole: the wheel out of the source distribution, and manual pages."""

import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.namespaces import stop_test
from tools import man_pages, packages

ROOT = Path(packages.__file__).parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    try:
        return packages.build(tmp_path_factory.mktemp("dist"))
    except subprocess.CalledProcessError as error:
        if "No matching distribution" in error.stdout + error.stderr:
            stop_test("there is no package index to build with")
        raise


@pytest.mark.slow
def test_the_wheel_holds_the_packages_and_nothing_else(built: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(built[0]) as wheel:
        names = wheel.namelist()
    tops = {name.split("/")[0].split("-")[0] for name in names}
    assert tops == {"clocksync", "ordering", "vsync"}
    for package in ("clocksync", "ordering", "vsync"):
        assert f"{package}/py.typed" in names
        here = {
            str(path.relative_to(ROOT))
            for path in (ROOT / package).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert here == {name for name in names if name.startswith(f"{package}/")}
    pages = [name for name in names if "/share/man/man1/" in name]
    assert len(pages) == len(man_pages.PROGRAMS)


@pytest.mark.slow
def test_the_source_distribution_can_be_tested(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[1]) as source:
        names = {name.partition("/")[2] for name in source.getnames()}
    assert {"LICENSE", "README.md", "SECURITY.md", "CONTRIBUTING.md", "Makefile"} <= names
    assert {"tests/test_tidy.py", "constraints.txt", "docs/wire.md", "man/vsync.1"} <= names


def test_manual_pages_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert man_pages.main(["--check"]) == 0, capsys.readouterr().out


def test_a_stale_page_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert man_pages.main(["--output", str(tmp_path)]) == 0
    assert man_pages.main(["--check", "--output", str(tmp_path)]) == 0
    (tmp_path / "vsync.1").write_text("", encoding="utf-8")
    assert man_pages.main(["--check", "--output", str(tmp_path)]) == 1
    assert "vsync.1" in capsys.readouterr().out


@pytest.mark.parametrize("name", man_pages.PROGRAMS)
def test_roff_has_nothing_to_complain_of(name: str) -> None:
    program = shutil.which("groff")
    if program is None:
        pytest.skip("groff is not on this machine")
    page = ROOT / "man" / f"{name}.1"
    command = [program, "-man", "-Tascii", "-wall", "-z", str(page)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_every_extra_is_tried() -> None:
    assert set(packages.OF_EXTRA) == set(packages.extras())
