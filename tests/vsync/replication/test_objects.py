"""Ready-made objects: what their verbs do, and what they refuse."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsync.identity import RingId
from vsync.replication.machine import Context
from vsync.replication.objects import (
    NOTHING,
    BadCommand,
    Counter,
    Queue,
    ReplicatedDict,
    Taken,
    encoded,
)

HERE = Context(1, 0, 1, RingId(5, 1, 7), 1, 0)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=5)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)  # fmt: skip


def do(machine, *commands):
    return [machine.apply(command, HERE) for command in commands]


def again(machine):
    """A replica that received its state."""
    made = type(machine)()
    made.restore(iter(list(machine.snapshot())))
    return made


def test_a_dictionary_does_what_a_dictionary_does():
    d = ReplicatedDict()
    results = do(
        d,
        d.set("a", 1),
        d.create("a", 2),
        d.create("b", [1, {"x": None}]),
        d.compare_and_set("a", 1, "new"),
        d.compare_and_set("a", 1, "newer"),
        d.compare_and_set("c", None, 1),
        d.read("a"),
        d.read("nothing"),
        d.delete("a"),
        d.delete("a"),
    )
    assert results == [None, False, True, True, False, False, ["new"], [], True, False]
    assert d.items() == [("b", [1, {"x": None}])]
    assert d.get("b") == [1, {"x": None}]
    assert (d.get("a"), d.get("a", 7), "b" in d, "a" in d, len(d)) == (None, 7, True, False, 1)


def test_a_value_that_was_read_cannot_change_the_state():
    d = ReplicatedDict()
    given_in = [1]
    do(d, d.set("a", given_in))
    given_in.append(2)
    d.get("a").append(3)
    assert d.get("a") == [1]


def test_equal_values_are_equal_whatever_the_order_of_their_keys():
    d = ReplicatedDict()
    do(d, d.set("a", {"x": 1, "y": 2}))
    assert do(d, d.compare_and_set("a", {"y": 2, "x": 1}, 0)) == [True]
    assert do(d, d.compare_and_set("a", 0.0, 1)) == [False]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"x", "bytes"),
        ({1, 2}, "set"),
        ((1, 2), "tuple"),
        ({1: 2}, "no string"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (object(), "object"),
        ([[{"a": b""}]], "bytes"),
    ],
)
def test_what_is_no_json_is_refused_at_the_caller(value, why):
    for verb in (
        lambda: ReplicatedDict.set("a", value),
        lambda: ReplicatedDict.create("a", value),
        lambda: ReplicatedDict.compare_and_set("a", value, 1),
        lambda: ReplicatedDict.compare_and_set("a", 1, value),
        lambda: Queue.put(value),
    ):
        with pytest.raises(ValueError, match=why):
            verb()


def test_a_value_without_an_end_is_refused():
    endless = []
    endless.append(endless)
    with pytest.raises(ValueError, match="nested"):
        encoded(endless)


@pytest.mark.parametrize("key", [1, None, b"a"])
def test_a_key_is_a_string(key):
    with pytest.raises(ValueError, match="no string"):
        ReplicatedDict.set(key, 1)
    with pytest.raises(ValueError, match="no string"):
        ReplicatedDict.read(key)


@given(JSON)
def test_any_json_comes_back_as_it_was(value):
    d = ReplicatedDict()
    do(d, d.set("a", value))
    assert d.get("a") == value
    assert again(d).get("a") == value


def test_a_counter_counts():
    c = Counter()
    assert do(c, c.add(), c.add(5), c.add(-10)) == [1, 6, -4]
    assert again(c).value == -4
    for amount in (1.5, True, "1"):
        with pytest.raises(ValueError, match="no integer"):
            c.add(amount)


def test_a_queue_gives_each_item_once_in_order():
    q = Queue()
    results = do(q, q.put("a"), q.put(None), q.take(), q.take(), q.take())
    assert results == [1, 2, Taken(True, "a"), Taken(True, None), NOTHING]
    do(q, q.put([1]), q.put([2]))
    assert q.peek() == [[1], [2]] == again(q).peek()
    assert len(q) == 2


@pytest.mark.parametrize("machine", [ReplicatedDict(), Counter(), Queue()])
@pytest.mark.parametrize(
    "command",
    [b"", b"[", b"[]", b"{}", b'["set"]', b'["take",1]', b'["add","x"]', b"\xff", b"[" * 9999],
)
def test_what_is_no_command_changes_nothing(machine, command):
    before = machine.digest()
    assert isinstance(machine.apply(command, HERE), BadCommand)
    assert machine.digest() == before


def test_a_snapshot_is_of_the_moment_it_was_asked_for():
    d, q = ReplicatedDict(), Queue()
    do(d, *(d.set(f"k{n}", n) for n in range(1000)))
    do(q, *(q.put(n) for n in range(1000)))
    of_d, of_q = d.snapshot(), q.snapshot()
    do(d, d.set("late", 1), d.delete("k1"))
    do(q, q.take())
    made, queue = ReplicatedDict(), Queue()
    made.restore(of_d)
    queue.restore(of_q)
    assert len(made) == 1000
    assert "k1" in made
    assert queue.peek()[0] == 0


def test_a_state_replaces_what_was_there():
    full, empty = ReplicatedDict(), ReplicatedDict()
    do(full, full.set("a", 1))
    full.restore(empty.snapshot())
    assert full.items() == []


def test_commands_are_json_that_people_can_read():
    assert json.loads(ReplicatedDict.set("limit", {"b": 1, "a": [2]})) == [
        "set", "limit", '{"a":[2],"b":1}',
    ]  # fmt: skip
