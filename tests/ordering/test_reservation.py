"""A file store keeps one number over crashes, whenever they come."""

import os
from pathlib import Path

import pytest

from clocksync.runtime.errors import BadConfig
from ordering import FileStore, HybridClock


def test_a_number_survives_in_the_file(tmp_path):
    store = FileStore(tmp_path / "clock")
    assert store.load() == 0
    store.save(5)
    store.save(17)
    assert FileStore(str(tmp_path / "clock")).load() == 17
    assert os.listdir(tmp_path) == ["clock"]  # noqa: PTH208  nothing is left beside it


@pytest.mark.parametrize("content", ["", "garbage", "12x", "-5", "1.5", "\x00\x00", "١٢"])
def test_a_damaged_file_is_reported_and_not_taken_for_zero(tmp_path, content):
    path = tmp_path / "clock"
    path.write_text(content, "utf-8")
    with pytest.raises(BadConfig, match="does not hold a reservation"):
        HybridClock("a", lambda: 0, store=FileStore(path))


def test_the_new_number_is_on_the_disk_before_the_old_one_is_replaced(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (calls.append("fsync"), fsync(handle)))
    monkeypatch.setattr(Path, "replace", lambda a, b: (calls.append("rename"), replace(a, b)))
    FileStore(tmp_path / "clock").save(1)
    assert calls == ["fsync", "rename", "fsync"]


def test_a_failed_write_leaves_the_old_number_and_nothing_beside_it(tmp_path, monkeypatch):
    store = FileStore(tmp_path / "clock")
    store.save(5)

    def refuse(handle):
        raise OSError("no space")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="no space"):
        store.save(9)
    assert store.load() == 5
    assert os.listdir(tmp_path) == ["clock"]  # noqa: PTH208
