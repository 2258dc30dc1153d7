"""Strategies draw what declarations allow: all of it, and nothing else."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.errors import MissingExtra
from clocksync.runtime.strategies import frames, values
from clocksync.runtime.wire import Bits, Counted, Fixed, Frame, Shape, Sized
from tests.runtime.shapes import ALL


@given(st.sampled_from(ALL).flatmap(frames))
def test_every_frame_drawn_can_be_sent(frame: Frame) -> None:
    frame.encode()


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (Bits(3), st.integers(0, 7)),
        (Bits(8, signed=True), st.integers(-128, 127)),
        (Bits(64), st.integers(0, 2**64 - 1)),
        (Bits(64, signed=True), st.integers(-(2**63), 2**63 - 1)),
        (Fixed(3), st.binary(min_size=3, max_size=3)),
        (Sized(5), st.binary(max_size=5)),
        (Counted(16, maximum=3), st.lists(st.integers(0, 65535), max_size=3).map(tuple)),
    ],
    ids=str,
)
def test_a_shape_is_drawn_up_to_its_very_limits(
    shape: Shape, expected: st.SearchStrategy[object]
) -> None:
    # What is drawn in some hundred examples is chance; what can be drawn is in the description.
    assert repr(values(shape)) == repr(expected)


def test_the_module_imports_without_hypothesis_and_says_what_is_missing() -> None:
    program = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "from clocksync.runtime.strategies import frames\n"
        "from clocksync.ntp.packet import NtpPacket\n"
        "try: frames(NtpPacket)\n"
        "except ImportError as error: print(error)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert run.stdout == str(MissingExtra("Hypothesis", "dev")) + "\n"
