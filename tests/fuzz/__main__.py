"""Runs fuzz targets for longer than CI does: ``python -m tests.fuzz [TARGET...] [--runs N]``."""

import argparse
import sys
import time
from importlib import import_module

from tests.fuzz.mutation import FuzzFailure, smoke
from tests.fuzz.registry import TARGETS


def run(arguments: list[str] | None = None) -> int:
    """0 where every target held, 1 where one raised what it does not document."""
    names = [name.rpartition(".")[2] for name in TARGETS]
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(names))
    parser.add_argument("--runs", type=int, default=500_000, help="inputs for each (500000)")
    parser.add_argument("--seed", type=int, help="of the inputs (the time; it is printed)")
    options = parser.parse_args(arguments)
    unknown = set(options.targets) - set(names)
    if unknown:
        parser.error(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    seed = time.time_ns() % 2**32 if options.seed is None else options.seed
    failed = False
    for name in options.targets or names:
        target = import_module(f"tests.fuzz.{name}")
        verdict = "no failure"
        try:
            smoke(target.one_input, target.SEEDS, options.runs, seed)
        except FuzzFailure as failure:
            failed, verdict = True, str(failure)
        print(f"{name}: {options.runs} inputs, seed {seed}: {verdict}", flush=True)  # noqa: T201
    return int(failed)


if __name__ == "__main__":
    sys.exit(run())
