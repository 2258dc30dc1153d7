"""The examples say what their first lines promise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("mutex_deadlock", ["nobody, and never will be", "Served: [1, 2, 3]"]),
        (
            "mutex_paused_holder",
            ["member 3 writes: accepted", "believes it is inside: True", "another holder entered"],
        ),
    ],
)
def test_an_example_runs_and_shows_what_it_promises(name: str, says: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / f"{name}.py"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    at = [done.stdout.index(said) for said in says]
    assert at == sorted(at)
