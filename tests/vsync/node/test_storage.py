"""What must outlive a crash: whole or not at all, one process at a time."""

import os

import pytest

from clocksync.runtime.errors import BadConfig
from vsync.events import BootState
from vsync.node.storage import STATE, Storage

KEPT = BootState(7, 1_800_000_000_000_000_000)


@pytest.fixture
def storage(tmp_path):
    made = Storage(tmp_path / "state")
    yield made
    made.close()


def test_nothing_was_kept_at_first(storage):
    assert storage.load() is None


def test_what_was_saved_is_found_again(storage, tmp_path):
    storage.save(BootState(1, 2))
    storage.save(KEPT)
    assert storage.load() == KEPT
    storage.close()
    again = Storage(tmp_path / "state")
    assert again.load() == KEPT
    storage._lock = again._lock


def test_two_processes_are_not_one_member(storage, tmp_path):
    with pytest.raises(BadConfig, match="is in use: another process is this member"):
        Storage(tmp_path / "state")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: text[:-10],
        lambda text: text.replace("7", "8", 1),
        lambda text: "[1, 2]",
        lambda text: '{"ring_sequence": "x", "reserved_until": 1, "check": 0}',
        lambda text: "null",
    ],
)
def test_a_damaged_file_is_refused_and_says_what_to_do(storage, spoil):
    storage.save(KEPT)
    path = storage.folder / STATE
    path.write_text(spoil(path.read_text()))
    with pytest.raises(BadConfig, match="is damaged: remove it") as refused:
        storage.load()
    assert "\n" not in str(refused.value)


def test_a_crash_between_writing_and_renaming_leaves_the_old_state(storage, monkeypatch):
    storage.save(KEPT)

    def crash(*_):
        raise OSError("power cut")

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(OSError, match="power cut"):
        storage.save(BootState(8, 9))
    assert storage.load() == KEPT


def test_nobody_else_reads_it(storage):
    storage.save(KEPT)
    assert (storage.folder / STATE).stat().st_mode & 0o777 == 0o600
    assert storage.folder.stat().st_mode & 0o777 == 0o700
