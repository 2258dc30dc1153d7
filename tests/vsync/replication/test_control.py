"""Control messages, as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsync.identity import RingId
from vsync.replication import parsing
from vsync.replication.control import Join, Leave, Roll, decode, encode
from vsync.replication.quorum import NOTHING_KNOWN, Memory, Primary

RING = RingId(5, 1, 0xA3)


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (Join("orders", None), b'["join","orders",null]'),
        (Leave("orders"), b'["leave","orders",null]'),
        (Leave("orders", "5.1.7"), b'["leave","orders","5.1.7"]'),
        (Roll(RING, NOTHING_KNOWN, {"b": [1], "a": None}),
         b'["roll",[5,1,163],[[],[]],{"a":null,"b":[1]}]'),
        (Roll(RING, Memory(Primary(RING, 0, (1, 2))), {}),
         b'["roll",[5,1,163],[[[[5,1,163],0,[1,2]]],[]],{}]'),
    ],
)  # fmt: skip
def test_a_control_message_is_json(message, text):
    assert encode(message) == text
    assert decode(text) == message


@given(st.binary(max_size=60))
def test_any_bytes_are_a_message_or_none(data):
    assert decode(data) is None or isinstance(decode(data), Join | Leave | Roll)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
    )
)
def test_any_json_is_a_message_or_none(value):
    import json

    for verb in ("roll", "join", "leave"):
        found = decode(json.dumps([verb, value, value, value]).encode())
        assert found is None or isinstance(found, Join | Leave | Roll)


@pytest.mark.parametrize("value", [None, "x", [1, True], [1.0], {"a": 1}])
def test_what_is_no_list_of_integers_is_refused(value):
    with pytest.raises(ValueError, match="no list of integers"):
        parsing.integers(value)


@pytest.mark.parametrize("value", [None, "x", [1], ["a", None]])
def test_what_is_no_list_of_texts_is_refused(value):
    with pytest.raises(ValueError, match="no list of strings"):
        parsing.texts(value)


def test_a_ring_has_three_numbers():
    with pytest.raises(ValueError, match="names no ring"):
        parsing.ring([1, 2])
