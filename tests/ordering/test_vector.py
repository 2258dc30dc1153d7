"""Vector clocks know exactly what happened before what."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.errors import BadConfig, MalformedFrame
from ordering import Order, VectorClock, VectorStamp
from tests.ordering.executions import PROCESSES, executions, pasts, stamped

processes = st.one_of(st.integers(0, 5), st.sampled_from(["a", "b", "3", "x y", 'q"}', "é"]))
stamps = st.dictionaries(processes, st.integers(0, 4)).map(VectorStamp)


def operators(a, b):
    return (a < b, a <= b, a == b, a >= b, a > b, a.concurrent_with(b))


MEANING = {
    Order.BEFORE: (True, True, False, False, False, False),
    Order.EQUAL: (False, True, True, True, False, False),
    Order.AFTER: (False, False, False, True, True, False),
    Order.CONCURRENT: (False, False, False, False, False, True),
}


@given(executions())
def test_vector_order_is_reachability_in_the_graph(steps):
    made = stamped(steps, {name: VectorClock(name) for name in PROCESSES})
    reached = pasts(steps)
    for a in range(len(steps)):
        for b in range(len(steps)):
            expected = Order.of(a in reached[b], b in reached[a])
            assert made[a].compare(made[b]) is expected
            assert operators(made[a], made[b]) == MEANING[expected]


@given(executions())
def test_an_entry_counts_the_events_of_that_process_in_the_past(steps):
    made = stamped(steps, {name: VectorClock(name) for name in PROCESSES})
    for number, past in enumerate(pasts(steps)):
        counts = {p: sum(steps[cause].process == p for cause in past) for p in PROCESSES}
        assert made[number] == VectorStamp(counts)


@given(stamps, stamps)
def test_comparing_follows_the_definition_entry_by_entry(a, b):
    members = {p for p, _ in [*a.items(), *b.items()]}
    expected = Order.of(all(a[p] <= b[p] for p in members), all(a[p] >= b[p] for p in members))
    assert a.compare(b) is expected
    assert operators(a, b) == MEANING[expected]
    assert b.compare(a) is expected.mirrored
    assert (hash(a) == hash(b)) or a != b


@given(st.lists(st.integers(0, 3), min_size=20, max_size=20), st.randoms(use_true_random=False))
def test_large_stamps_compare_by_the_same_definition(counts, random):
    a = VectorStamp(enumerate(counts, start=100))
    for _ in range(4):
        changed = dict(a.items()) | {random.randrange(98, 122): random.randrange(5)}
        b = VectorStamp(changed)
        members = range(98, 122)
        assert (a <= b) == all(a[p] <= b[p] for p in members)
        assert (b <= a) == all(b[p] <= a[p] for p in members)


@given(stamps, stamps, stamps)
def test_merging_is_commutative_associative_and_idempotent(a, b, c):
    assert a.merged(b) == b.merged(a)
    assert hash(a.merged(b)) == hash(b.merged(a))
    assert a.merged(b).encode() == b.merged(a).encode()
    assert a.merged(b).merged(c) == a.merged(b.merged(c))
    assert a.merged(a) == a


@given(stamps, stamps, stamps)
def test_a_merge_is_the_least_stamp_above_both(a, b, c):
    merged = a.merged(b)
    assert a <= merged and b <= merged  # noqa: PT018  one statement of the law
    assert (merged <= c) == (a <= c and b <= c)


@given(stamps)
def test_stamps_survive_bytes_text_and_pickle(stamp):
    assert VectorStamp.decode(stamp.encode()) == stamp
    assert VectorStamp.parse(str(stamp)) == stamp
    assert pickle.loads(pickle.dumps(stamp)) == stamp


def test_the_bytes_of_a_stamp_are_these():
    stamp = VectorStamp({7: 1, 300: 2, "b": 3, "a": 200})
    assert stamp.encode() == bytes.fromhex("02 07 01 a502 02 02 01 61 c801 01 62 03")
    assert VectorStamp().encode() == bytes.fromhex("00 00")


def test_a_thousand_numbered_members_take_three_bytes_each():
    stamp = VectorStamp({n: 1000 + n for n in range(1000)})
    assert len(stamp.encode()) == 3 * 1000 + 3


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("01 05 00 00", "a count of zero"),
        ("00 01 01 61 00", "a count of zero"),
        ("02 05 01 00 01 00", "processes out of order"),
        ("00 02 01 62 01 01 61 01", "processes out of order"),
        ("00 02 01 61 01 01 61 02", "processes out of order"),
        ("00 01 00 01", "empty name"),
        ("00 01 01 ff 01", "name is not UTF-8"),
        ("02 ffffffffffffffffff01 01 01 01 00", "number over 64 bits"),
    ],
)
def test_bytes_that_are_not_the_one_way_to_write_a_stamp_are_refused(data, reason):
    with pytest.raises(MalformedFrame, match=f"^{reason}$"):
        VectorStamp.decode(bytes.fromhex(data))


@pytest.mark.parametrize(
    "text", ["", "{", "a:1", "{a}", "{a:1,}", "{a:1 b:2}", "{a:-1}", "{a:1, a:2}", "{:1}", "{a:1}}"]
)
def test_what_is_no_stamp_is_refused_as_text(text):
    with pytest.raises(ValueError, match=r"\S"):
        VectorStamp.parse(text)


def test_a_stamp_cannot_be_changed_by_anyone_not_even_its_clock():
    clock = VectorClock("a")
    first = clock.tick()
    clock.receive(VectorStamp({"b": 5}))
    clock.prune(["b"])
    assert first == VectorStamp({"a": 1})
    with pytest.raises(AttributeError):
        first._counts = {}
    source = {"a": 1}
    made = VectorStamp(source)
    source["a"] = 9
    assert made["a"] == 1


def test_a_newcomer_is_unknown_until_it_is_heard_of():
    old = VectorClock("old").tick()
    newcomer = VectorClock("new")
    assert newcomer.tick().compare(old) is Order.CONCURRENT
    assert newcomer.receive(old) > old


def test_pruning_forgets_members_that_left_and_keeps_the_order_of_the_others():
    a, b, gone = VectorClock("a"), VectorClock("b"), VectorClock("gone")
    a.receive(gone.send())
    b.receive(a.send())
    a.prune(["gone", "never there"])
    b.prune(["gone"])
    assert "gone" not in a.stamp
    sent = a.send()
    assert sent.compare(b.tick()) is Order.CONCURRENT
    assert sent < b.receive(sent)


def test_a_clock_does_not_prune_itself():
    with pytest.raises(BadConfig, match="cannot prune itself"):
        VectorClock("a").prune(["b", "a"])


def test_a_message_carries_its_stamp_through_wrap_and_unwrap():
    alice, bob = VectorClock("alice"), VectorClock("bob")
    message, sent, received = bob.unwrap(alice.wrap(b""))
    assert (message, str(sent), str(received)) == (b"", "{alice:1}", "{alice:1, bob:1}")
    with pytest.raises(MalformedFrame):
        bob.unwrap(b"\xc2\x05\x00")
    assert bob.stamp == received


def test_a_restored_clock_goes_on_where_it_was():
    clock = VectorClock("a")
    clock.receive(VectorStamp({"b": 2}))
    assert pickle.loads(pickle.dumps(clock)).tick() == VectorStamp({"a": 2, "b": 2})


def test_counts_below_zero_are_refused():
    with pytest.raises(BadConfig, match="-1 events of 'a'"):
        VectorStamp({"a": -1})
