"""Runs a fuzz target: a seeded mutation loop for CI, atheris for hours where it is installed.

A *target* is a module with ``SEEDS`` (inputs that decode) and ``one_input(data)``, which catches
the exceptions that the decoder documents, and no others. To add one: write the module, name it in
:mod:`tests.fuzz.registry`. ``python -m tests.fuzz.<target>`` runs it until it fails or is stopped,
``python -m tests.fuzz`` all of them for a while.
"""

import random
import sys
from collections.abc import Callable, Sequence

Target = Callable[[bytes], None]

# Values at which lengths, signs and text change their meaning.
EDGES = (b"\0", b"\x01", b"\x7f", b"\x80", b"\xff", b"\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0")
LONGEST = 4096


class FuzzFailure(AssertionError):
    """An input made a target raise; the message holds the input."""


def one_line(error: Exception) -> None:
    """A refusal is one line that says something, whatever the input holds."""
    assert str(error).strip()
    assert str(error).splitlines() == [str(error)], error


def mutated(data: bytes, seeds: Sequence[bytes], rng: random.Random) -> bytes:
    """`data` with one to four changes of the kinds that break decoders."""
    changed = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randint(0, len(changed))
        end = min(len(changed), at + rng.randint(1, 8))
        match rng.randrange(8):
            case 0:  # cut
                del changed[at:]
            case 1:  # leave something out
                del changed[at:end]
            case 2:  # insert
                changed[at:at] = rng.randbytes(rng.randint(1, 8))
            case 3:  # repeat a part, sometimes often
                changed[at:at] = changed[at:end] * rng.choice((1, 1, 1, 40))
            case 4:  # a value at an edge
                edge = rng.choice(EDGES)
                changed[at : at + len(edge)] = edge
            case 5:  # the rest of another seed
                changed[at:] = rng.choice(seeds)[at:]
            case 6 if at < len(changed):  # flip a bit
                changed[at] ^= 1 << rng.randrange(8)
            case _ if at < len(changed):  # another byte
                changed[at] = rng.randrange(256)
    return bytes(changed[:LONGEST])


def smoke(target: Target, seeds: Sequence[bytes], runs: int, seed: int) -> None:
    """Feed the seeds, `runs` mutations of them and of each other, and some plain noise.

    Raises:
        FuzzFailure: an input made the target raise.
    """
    rng = random.Random(seed)
    pool = list(seeds)
    for data in (b"", *seeds):
        _feed(target, data)
    for run in range(runs):
        if run % 10 == 0:
            data = rng.randbytes(rng.randint(0, 128))
        else:
            data = mutated(rng.choice(pool), seeds, rng)
        _feed(target, data)
        # Mutants live on beside the seeds, so that changes add up.
        if run % 4 == 0:
            pool[len(seeds) :] = [*pool[len(seeds) :], data][-16:]


def _feed(target: Target, data: bytes) -> None:
    try:
        target(data)
    except Exception as error:
        text = f"{type(error).__name__}: {error}; the input: bytes.fromhex({data.hex()!r})"
        raise FuzzFailure(text) from error


def main(target: Target, seeds: Sequence[bytes]) -> None:
    """Run until it fails or is stopped: with atheris if it is installed, else by mutation."""
    try:
        import atheris  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        print("atheris is not installed (pip install atheris): plain mutations, Ctrl-C stops them")  # noqa: T201  by hand
        number = 0
        while True:
            smoke(target, seeds, runs=100_000, seed=number)
            number += 1
            print(f"{number * 100_000} inputs, no failure", flush=True)  # noqa: T201
    atheris.instrument_all()
    atheris.Setup(sys.argv, target)
    atheris.Fuzz()
