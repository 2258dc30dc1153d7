"""What a program prints under several seeds of Python's hashes: one text, if it is repeatable.

A set of strings is gone through in another order in each process, whatever seed a simulation has.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SEEDS = ("0", "1", "4242")


def printed(*arguments: str) -> set[str]:
    """All that a Python with these arguments prints, each in a process of its own."""
    return {
        subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in SEEDS
    }
