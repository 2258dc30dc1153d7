"""``make demo-ring`` shows what it says."""

import subprocess
import sys

import pytest

pytestmark = [pytest.mark.namespaces, pytest.mark.slow, pytest.mark.timeout(240)]


def test_three_members_end_with_one_board():
    done = subprocess.run(
        [sys.executable, "-m", "tools.ring_demo"],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "All boards are the same." in done.stdout
    for me, words in (
        (3, "is in a minority: waits"),
        (3, "receives the board from member 1"),
        (2, "receives the board from member 1"),
        (1, "transitional configuration"),
    ):
        assert any(f"member {me}  " in line and words in line for line in done.stdout.splitlines())


def test_being_a_member_needs_an_address():
    done = subprocess.run(
        [sys.executable, "-m", "tools.ring_demo", "--id=1"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "--id needs --listen" in done.stderr
