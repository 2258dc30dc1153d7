"""Frames on the wire: numbers are fixed, and bytes of strangers are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.errors import MalformedFrame
from clocksync.runtime.strategies import frames
from ordering.election.frames import FRAMES as ELECTION_FRAMES
from ordering.election.frames import ElectionCodec
from ordering.mutex.frames import FRAMES, Grant, MutexCodec, RingToken, Withdraw

CODECS = [(MutexCodec(), FRAMES), (ElectionCodec(), ELECTION_FRAMES)]


@pytest.mark.parametrize(("codec", "classes"), CODECS)
@given(data=st.data())
def test_every_frame_comes_back_as_it_was(codec, classes, data):
    frame = data.draw(st.sampled_from(classes).flatmap(frames))
    assert codec.decode(codec.encode(frame)) == frame


@pytest.mark.parametrize(("codec", "classes"), CODECS)
@given(data=st.binary(max_size=60))
def test_bytes_are_a_frame_in_one_way_or_malformed(codec, classes, data):
    try:
        frame = codec.decode(data)
    except MalformedFrame:
        return
    assert codec.encode(frame) == data


def test_three_frames_byte_by_byte():
    codec = MutexCodec()
    assert codec.encode(Withdraw(1, 2)).hex() == "02" + "0000000000000001" + "0000000000000002"
    assert codec.encode(Grant(3, 4)).hex() == "03" + "0000000000000003" + "0000000000000004"
    assert codec.encode(RingToken(5, 6)).hex() == "0d" + "0000000000000005" + "0000000000000006"
