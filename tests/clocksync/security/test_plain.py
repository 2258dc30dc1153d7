"""The same interface without protection."""

import pytest

from clocksync.runtime.envelope import BAD_CHECKSUM, Envelope
from clocksync.runtime.errors import MalformedFrame
from clocksync.security.plain import PlainSealer
from tests.clocksync.security.talk import BODY, CLUSTER, JOIN, ring, sealer
from vsync.frames import FRAMES, Merge


def test_what_goes_in_comes_out() -> None:
    data = PlainSealer(CLUSTER, 3).seal(JOIN, BODY)
    assert len(data) == len(BODY) + PlainSealer.OVERHEAD
    for given in (data, memoryview(data)):
        assert PlainSealer(CLUSTER, 4).open(given, 0) == (3, JOIN, BODY)
    assert PlainSealer(CLUSTER, 3).seal_many(JOIN, [BODY, BODY]) == [data, data]


def test_it_is_the_plain_envelope() -> None:
    frame = Merge(5, 1, 7, 8)
    plain = PlainSealer(CLUSTER, 3)
    assert plain.seal(frame.KIND, frame.encode()) == Envelope(FRAMES, CLUSTER, 3).encode(frame)


def test_what_is_corrupt_is_refused() -> None:
    data = PlainSealer(CLUSTER, 3).seal(JOIN, BODY)
    with pytest.raises(MalformedFrame, match=BAD_CHECKSUM):
        PlainSealer(CLUSTER, 4).open(data[:-1] + b"\0", 0)


def test_it_has_nothing_to_prove() -> None:
    plain = PlainSealer(CLUSTER, 3)
    plain.greet(4, 0)
    plain.use(ring(1))
    assert plain.hail(0) is None
    assert plain.take_outgoing() == []


def test_both_have_the_same_verbs() -> None:
    verbs = {name for name in dir(PlainSealer) if not name.startswith("_")}
    assert verbs <= set(dir(sealer(1)))
    assert verbs == {
        "OVERHEAD",
        "greet",
        "hail",
        "open",
        "seal",
        "seal_many",
        "take_outgoing",
        "use",
    }
