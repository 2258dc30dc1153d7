"""Every fuzz target, smoked with a seed; and the smoke finds a planted fault."""

import random
import struct
from importlib import import_module
from pathlib import Path

import pytest

from clocksync.ntp.packet import NtpPacket
from tests.fuzz.__main__ import run
from tests.fuzz.mutation import LONGEST, FuzzFailure, mutated, smoke
from tests.fuzz.registry import TARGETS

RUNS = 10_000
SEED = 20_360_207


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_a_decoder_raises_only_what_it_documents(name: str) -> None:
    target = import_module(name)
    smoke(target.one_input, target.SEEDS, RUNS // getattr(target, "COSTS", 1), SEED)


def test_every_target_in_the_folder_is_registered() -> None:
    folder = Path(__file__).parent
    holding = {
        f"tests.fuzz.{path.stem}"
        for path in folder.glob("*.py")
        if "def one_input(" in path.read_text(encoding="utf-8") and path.name != Path(__file__).name
    }
    assert holding == set(TARGETS)


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_reach_beyond_the_first_check(name: str) -> None:
    target = import_module(name)
    assert len(target.SEEDS) > 1
    assert all(isinstance(seed, bytes) and seed for seed in target.SEEDS)


def _unchecked_length(data: bytes) -> None:
    """Reads a count and trusts it: the classic."""
    if data[:2] == b"ok":
        count = data[2] if len(data) > 2 else 0
        struct.unpack_from(f"{count}B", data, 3)


def _sign_forgotten(data: bytes) -> None:
    if len(data) >= 48:
        packet, _ = NtpPacket.decode_prefix(data)
        assert packet.precision >= -23 or packet.mode != 3


@pytest.mark.parametrize(
    ("target", "seed"),
    [(_unchecked_length, b"ok\x03abc"), (_sign_forgotten, NtpPacket().encode())],
)
def test_the_smoke_finds_a_planted_fault_and_names_the_input(target: object, seed: bytes) -> None:
    assert callable(target)
    with pytest.raises(FuzzFailure, match=r"; the input: bytes.fromhex\('[0-9a-f]+'\)$"):
        smoke(target, [seed], RUNS, SEED)


def test_the_long_run_takes_targets_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ntp_packet", "--runs", "100", "--seed", "7"]) == 0
    assert capsys.readouterr().out == "ntp_packet: 100 inputs, seed 7: no failure\n"
    with pytest.raises(SystemExit):
        run(["no_such_target"])
    assert "no such target: no_such_target; there are ntp_packet, " in capsys.readouterr().err


def test_one_seed_gives_one_run() -> None:
    runs: list[list[bytes]] = [[], []]
    for inputs in runs:
        smoke(inputs.append, [b"some", b"seeds"], 200, seed=7)
    assert runs[0] == runs[1]
    assert len(set(runs[0])) > 100


def test_mutants_stay_short_enough_to_be_fast() -> None:
    rng = random.Random(1)
    data = b"x" * 100
    for _ in range(500):
        data = mutated(data, [b"y" * 3000], rng)
        assert len(data) <= LONGEST
