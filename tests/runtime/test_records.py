"""A maker makes what the class's own constructor makes."""

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.ntp.packet import NtpPacket
from clocksync.runtime.core import Stamp, StampSource
from clocksync.runtime.records import maker


@dataclass(frozen=True, slots=True)
class Parcel:
    name: str
    weight: int = 3
    marks: list[str] = field(default_factory=list)
    fragile: bool = field(default=False, kw_only=True)


make_parcel = maker(Parcel)


@given(st.integers(), st.sampled_from(StampSource))
def test_what_is_made_equals_what_the_constructor_makes(time: int, source: StampSource) -> None:
    made = maker(Stamp)(time, source)
    assert type(made) is Stamp
    assert (made, hash(made), repr(made)) == (
        Stamp(time, source),
        hash(Stamp(time, source)),
        repr(Stamp(time, source)),
    )


def test_arguments_are_those_of_the_constructor() -> None:
    assert make_parcel("a") == Parcel("a")
    assert make_parcel("a", weight=5, fragile=True) == Parcel("a", 5, fragile=True)
    assert make_parcel("a").marks is not make_parcel("a").marks
    with pytest.raises(TypeError):
        make_parcel("a", 5, [], True)
    with pytest.raises(TypeError):
        make_parcel()


def test_what_is_made_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        make_parcel("a").name = "b"
    with pytest.raises((AttributeError, TypeError)):
        make_parcel("a").color = "red"


def test_what_is_made_is_copied_and_matched_like_any_other() -> None:
    packet = maker(NtpPacket)(stratum=2)
    assert pickle.loads(pickle.dumps(packet)) == copy.copy(packet) == NtpPacket(stratum=2)
    match make_parcel("a", 7):
        case Parcel(name, weight):
            assert (name, weight) == ("a", 7)
        case _:
            pytest.fail("no match")


def test_a_class_that_lies_otherwise_in_memory_is_no_record() -> None:
    @dataclass(frozen=True)
    class Dictionary:
        name: str

    with pytest.raises(TypeError):
        maker(Dictionary)("a")
