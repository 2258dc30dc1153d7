"""docs/wire.md is what the declarations say."""

import ast
from pathlib import Path

import pytest

from clocksync.capture.toolkit import frames_by_kind
from clocksync.runtime.wire import Frame, layout
from clocksync.security.datagram import Hello
from tests.runtime.shapes import Lengths, Nothing, Numbers, Packed
from tools import wire_tables
from vsync.frames import Data, Token

ROOT = Path(wire_tables.__file__).parent.parent


def test_the_page_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert wire_tables.main(["--check"]) == 0, capsys.readouterr().out


def test_a_stale_page_is_told_and_writing_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "wire.md"
    assert wire_tables.main(["--check", "--output", str(path)]) == 1
    assert "run python -m tools.wire_tables" in capsys.readouterr().out
    assert wire_tables.main(["--output", str(path)]) == 0
    assert wire_tables.main(["--check", "--output", str(path)]) == 0
    path.write_text(path.read_text(encoding="utf-8").replace("u64", "u32"), encoding="utf-8")
    assert wire_tables.main(["--check", "--output", str(path)]) == 1


def test_every_module_that_declares_frames_is_listed() -> None:
    declaring = set()
    for package in wire_tables.KINDS:
        for path in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            if any(
                isinstance(node, ast.ClassDef) and "Frame" in map(ast.unparse, node.bases)
                for node in ast.walk(tree)
            ):
                declaring.add(".".join(path.relative_to(ROOT).with_suffix("").parts))
    assert declaring <= set(wire_tables.MODULES), "name it in tools/wire_tables.py: MODULES"
    assert {cls.__module__ for cls in wire_tables.frames()} == set(wire_tables.MODULES)


def test_every_kind_that_a_node_knows_has_a_table() -> None:
    """Those with a codec of their own, the token among them, were once left out."""
    tables = wire_tables.frames()
    assert set(frames_by_kind().values()) <= set(tables)
    assert {Data, Token} <= set(tables)


def test_what_a_capture_can_name_is_all_there_is() -> None:
    known = frames_by_kind()
    for cls in wire_tables.frames():
        if 0 < cls.KIND < 256 and cls is not Hello:
            assert known[cls.KIND] is cls, "name its module in pyproject.toml: clocksync.frames"


def test_kinds_are_unique_and_in_the_range_of_their_package() -> None:
    kinds: dict[int, type[Frame]] = {}
    for cls in wire_tables.frames():
        if cls.KIND >= 0:
            assert kinds.setdefault(cls.KIND, cls) is cls, f"{cls} and {kinds[cls.KIND]}"
            assert cls.KIND in wire_tables.KINDS[cls.__module__.partition(".")[0]], cls


def test_every_field_of_every_frame_says_what_it_means() -> None:
    mute = [
        f"{cls.__name__}.{field.name}"
        for cls in wire_tables.frames()
        for field in layout(cls)
        if not field.meaning
    ]
    assert not mute


def _rows(cls: type[Frame]) -> dict[str, tuple[str, str, str]]:
    rows = {}
    for line in wire_tables.section(cls).splitlines():
        cells = [cell.strip() for cell in line.replace("\\|", "!").strip("|").split("|")]
        if len(cells) == 5 and cells[2].startswith("`"):
            rows[cells[2].strip("`")] = (cells[0], cells[1], cells[3])
    return rows


def test_a_table_counts_bytes_and_bits_as_they_lie() -> None:
    rows = _rows(Packed)
    assert rows["before"] == ("0", "2", "u16")
    assert rows["flag"] == ("2, bit 0", "1 bit", "u1")
    assert rows["code"] == ("2, bits 1 to 3", "3 bits", "u3")
    assert rows["between"] == ("3", "1", "i8")
    assert rows["middle"] == ("4, bits 4 to 11", "1", "u8")
    assert rows["nonce"] == ("6", "3", "bytes")
    assert rows["thirty"] == ("9, bits 2 to 31", "30 bits", "u30")
    assert _rows(Numbers)["h"] == ("22", "8", "i64")


def test_a_table_names_the_lengths_that_move_what_follows() -> None:
    rows = _rows(Lengths)
    assert rows["text"] == ("1", "2 + n, n ≤ 5", "n as u16, then n bytes")
    assert rows["payload"][0] == "3 + !text!"
    assert rows["members"] == (
        "4 + !text! + !payload!",
        "2 + 2n, n ≤ 3",
        "n as u16, then n times u16",
    )
    assert rows["digest"][0] == "6 + !text! + !payload! + !members!"
    assert rows["flags"][1] == "2 + n, n ≤ 2"


def test_a_frame_without_fields_and_its_kind_are_told() -> None:
    assert "kind 0xf4. No field at all: the kind says everything." in wire_tables.section(Nothing)
    assert "It has no fields." in wire_tables.section(Nothing)
