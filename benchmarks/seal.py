"""What protecting datagrams costs, beside the bare cipher and beside the plain envelope.

"Bare" is ``AESGCM.encrypt`` and ``decrypt`` of the same bytes with a nonce and a header that are
there already: what no layer around it can do without. "Ours" adds the header, the counter, finding
the key, and the replay window; "plain" is the envelope without protection, which adds a checksum.
Every datagram is a new one, as on a network. Prints; asserts nothing::

    python -m benchmarks.seal [--datagrams 4000]
"""

import argparse
import gc
import os
import sys
import time
from collections.abc import Callable, Sequence

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from benchmarks.harness import machine, the_machine_alone
from benchmarks.results import record
from clocksync.security.datagram import HEADER_BYTES
from clocksync.security.keyring import GroupKey, KeyRing
from clocksync.security.plain import PlainSealer
from clocksync.security.sealer import Sealer

SIZES = (64, 1400)
ROUNDS = 25
KIND = 0x30
RUN = 46
"""Datagrams of 1,400 bytes that one call to the kernel carries."""


def cost_ns(make: Callable[[int], Sequence[object]], use: Callable[..., object], n: int) -> float:
    """The least time a datagram takes out of several rounds, each over `n` fresh ones."""
    least = float("inf")
    for _ in range(ROUNDS):
        inputs = make(n)
        gc.collect()
        gc.disable()
        began = time.perf_counter_ns()
        for one in inputs:
            use(one)
        least = min(least, (time.perf_counter_ns() - began) / n)
        gc.enable()
    return least


def acquainted() -> tuple[Sealer, Sealer]:
    """Two members that believe each other."""
    ring = KeyRing((GroupKey(1, os.urandom(32)),), used=1)
    left, right = (Sealer(ring, 7, me, os.urandom(16), os.urandom) for me in (1, 2))
    left.greet(2, 0)
    while hellos := left.take_outgoing() + right.take_outgoing():
        for peer, hello in hellos:
            (left if peer == 1 else right).open(hello, 0)
    return left, right


def bare(size: int, n: int, cipher: AESGCM | ChaCha20Poly1305) -> tuple[float, float]:
    """Encrypting and decrypting alone."""

    def bodies(count: int) -> list[tuple[bytes, bytes, bytes]]:
        return [(os.urandom(12), os.urandom(size), bytes(HEADER_BYTES)) for _ in range(count)]

    def sealed(count: int) -> list[tuple[bytes, bytes, bytes]]:
        return [
            (nonce, cipher.encrypt(nonce, body, header), header)
            for nonce, body, header in bodies(count)
        ]

    return (
        cost_ns(bodies, lambda given: cipher.encrypt(*given), n),
        cost_ns(sealed, lambda given: cipher.decrypt(*given), n),
    )


def ours(size: int, n: int, left: Sealer | PlainSealer, right: Sealer | PlainSealer) -> list[float]:
    """Sealing, sealing in runs, opening bytes, opening views into a larger buffer."""

    def bodies(count: int) -> list[bytes]:
        return [os.urandom(size) for _ in range(count)]

    def runs(count: int) -> list[list[bytes]]:
        return [bodies(RUN) for _ in range(count // RUN)]

    def sealed(count: int) -> list[bytes]:
        return [left.seal(KIND, body) for body in bodies(count)]

    def views(count: int) -> list[memoryview]:
        data = sealed(count)
        whole, length = memoryview(b"".join(data)), len(data[0])
        return [whole[at : at + length] for at in range(0, len(whole), length)]

    return [
        cost_ns(bodies, lambda body: left.seal(KIND, body), n),
        cost_ns(runs, lambda some: left.seal_many(KIND, some), n),
        cost_ns(sealed, lambda data: right.open(data, 0), n),
        cost_ns(views, lambda data: right.open(data, 0), n),
    ]


def show(size: int, n: int) -> None:
    """The rows of one size."""
    seal, open_ = bare(size, n, AESGCM(os.urandom(32)))
    short, short_open = bare(size, n, AESGCM(os.urandom(16)))
    chacha, chacha_open = bare(size, n, ChaCha20Poly1305(os.urandom(32)))
    left, right = acquainted()
    one, many, data, view = ours(size, n, left, right)
    plain = ours(size, n, PlainSealer(7, 1), PlainSealer(7, 2))
    print(f"{size:,} bytes{'':20}{'seal':>8}{'open':>8}   ns a datagram")
    sheet = record.sheet(f"{size:,} bytes, ns a datagram", ("", "seal", "open"))
    costs = {
        "bare AES-256-GCM": (seal, open_),
        "bare AES-128-GCM": (short, short_open),
        "bare ChaCha20-Poly1305": (chacha, chacha_open),
        "ours, one by one": (one, data),
        "ours, runs and views": (many, view),
        "plain, one by one": (plain[0], plain[2]),
    }
    ratio, added = (one / seal, data / open_), (one - seal, data - open_)
    told = {name: [f"{cost:,.0f}" for cost in both] for name, both in costs.items()}
    told["ours over bare"] = [f"{value:.2f}" for value in ratio]
    told["what our layer adds"] = [f"{value:,.0f}" for value in added]
    for name, cells in told.items():
        print(f"  {name:26}{cells[0]:>8}{cells[1]:>8}")
        sheet.add(name, *cells)
    record.bars(
        f"Sealing and opening a datagram of {size:,} bytes",
        "ns",
        {name: {"seal": both[0], "open": both[1]} for name, both in costs.items()},
        peers=["bare"],
        better="less",
    )
    for what, mine, bare_ in (("Sealing", one, seal), ("Opening", data, open_)):
        claim = f"{what} a datagram of {size:,} bytes"
        record.headline(claim, mine, "ns", peer=bare_, peer_name="bare AES-256-GCM", is_floor=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--datagrams", type=int, default=4000, help="a round (4000)")
    options = record.parse(parser)
    with the_machine_alone():
        print(machine())
        for size in SIZES:
            show(size, max(1, options.datagrams // RUN) * RUN)  # whole runs


if __name__ == "__main__":
    sys.exit(record.run(main))
