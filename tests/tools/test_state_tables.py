"""The page of a ring member's states is what the tables say."""

from pathlib import Path

import pytest

from tools import state_tables


def test_the_page_is_up_to_date() -> None:
    assert state_tables.main(["--check"]) == 0


def test_a_page_that_lies_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "states.md"
    assert state_tables.main(["--output", str(path)]) == 0
    path.write_text(path.read_text(encoding="utf-8").replace("gather", "rest"), encoding="utf-8")
    assert state_tables.main(["--check", "--output", str(path)]) == 1
    assert "run python -m tools.state_tables" in capsys.readouterr().out
