"""A short soak of the ring; ``make soak`` is the long one, under full load."""

import io

import pytest
from rich.console import Console

from tools import soak

pytestmark = [pytest.mark.namespaces, pytest.mark.slow, pytest.mark.timeout(240)]

SECONDS = 60
RATE = 2000
"""Messages a second of each member: other tests run beside."""


def test_a_minute_of_faults_loses_and_repeats_nothing():
    said = io.StringIO()
    code = soak.run(SECONDS / 60, 1, 64, RATE, Console(file=said, width=200))
    assert code == 0, said.getvalue()
    assert "Nothing was lost" in said.getvalue()


def test_what_is_wrong_is_told():
    class Ended:
        def __init__(self, me, digest, following, **end):
            self.me, self.memory, self.growth = me, [1 << 20], 40 << 20
            self.process = type("Process", (), {"returncode": 0})
            self.changes = [("R1", "regular"), (following, "transitional")]
            whole = {"submitted": 5, "own": 5, "offences": [], "digests": {"R1": digest}}
            self.end = whole | end

    one = soak.Soak.__new__(soak.Soak)
    one.offences = []
    one.over = [
        Ended(1, "aa", "T2.1"),
        Ended(2, "bb", "T2.1", own=4),
        Ended(3, "cc", "T3.3", offences=["after number 3 of 1 came 3"]),
    ]
    one.judge()
    told = "\n".join(one.offences)
    assert "members 1 and 2 differ in R1, before T2.1" in told
    assert "member 2 submitted 5, and 4 came back" in told
    assert "member 3: after number 3 of 1 came 3" in told
    assert told.count("memory grew by 40 MiB") == 3
    assert "and 3 differ" not in told
