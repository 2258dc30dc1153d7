"""Interval tree clocks know causality among processes that come and go.

The oracle is the set of events each clock has heard of: one stamp is at most another iff its set
is contained in the other's.
"""

import pickle
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.errors import MalformedFrame, MisusedCore
from ordering import IntervalTreeClock, IntervalTreeStamp, Order
from ordering.interval_tree_algebra import (
    DEPTH_MAX,
    at_most,
    base,
    event,
    join,
    lift,
    norm,
    overlap,
    peak,
    split,
    united,
)


@st.composite
def identities(draw, depth=3):
    if depth == 0 or draw(st.booleans()):
        return draw(st.integers(0, 1))
    return united((draw(identities(depth - 1)), 0), (0, draw(identities(depth - 1))))


@st.composite
def event_trees(draw, depth=3):
    height = draw(st.integers(0, 3))
    if depth == 0 or draw(st.booleans()):
        return height
    return norm(height, draw(event_trees(depth - 1)), draw(event_trees(depth - 1)))


def heights(tree, depth=4):
    """The step function itself, on 2**depth equal pieces: what a tree means."""
    if isinstance(tree, int):
        return [tree] * 2**depth
    height, left, right = tree
    return [height + h for side in (left, right) for h in heights(side, depth - 1)]


def owned(identity, depth=4):
    if isinstance(identity, int):
        return [identity] * 2**depth
    return [piece for side in identity for piece in owned(side, depth - 1)]


@given(event_trees(), event_trees())
def test_trees_compare_and_join_as_the_functions_they_stand_for(a, b):
    pairs = list(zip(heights(a), heights(b), strict=True))
    assert at_most(a, b) == all(x <= y for x, y in pairs)
    assert heights(join(a, b)) == [max(pair) for pair in pairs]
    assert (base(a), peak(a)) == (min(heights(a)), max(heights(a)))
    assert heights(lift(a, 2)) == [x + 2 for x in heights(a)]


@given(event_trees(), event_trees())
def test_equal_functions_are_equal_trees(a, b):
    assert (a == b) == (heights(a) == heights(b))


@given(event_trees(), event_trees(), event_trees())
def test_joining_is_commutative_associative_and_idempotent(a, b, c):
    assert join(a, b) == join(b, a)
    assert join(join(a, b), c) == join(a, join(b, c))
    assert join(a, a) == a


@given(identities())
def test_a_split_loses_nothing_and_shares_nothing(identity):
    ours, theirs = split(identity)
    assert [x + y for x, y in zip(owned(ours, 5), owned(theirs, 5), strict=True)] == owned(
        identity, 5
    )
    assert united(ours, theirs) == identity
    assert not overlap(ours, theirs)
    assert identity == 0 or (ours != 0 and theirs != 0)


@given(identities(), event_trees())
def test_an_event_raises_the_function_and_only_where_the_identity_owns(identity, tree):
    if identity == 0:
        return
    after = event(identity, tree)
    changed = [new - old for old, new in zip(heights(tree), heights(after), strict=True)]
    assert any(changed)
    assert all(c >= 0 and (mine or not c) for c, mine in zip(changed, owned(identity), strict=True))


@given(st.data())
def test_stamps_are_ordered_as_the_sets_of_events_they_have_heard_of(data):
    clocks, heard = [IntervalTreeClock()], [frozenset()]
    moments = [(clocks[0].stamp, heard[0])]
    for number in range(data.draw(st.integers(1, 25))):
        choose = st.integers(0, len(clocks) - 1)
        a, b = data.draw(choose), data.draw(choose)
        match data.draw(st.sampled_from(["tick", "fork", "message", "join"])):
            case "tick":
                clocks[a].tick()
                heard[a] |= {number}
            case "fork" if len(clocks) < 6:
                clocks.append(clocks[a].fork())
                heard.append(heard[a])
            case "message" if a != b:
                sent, heard[a] = clocks[a].send(), heard[a] | {(number, "sent")}
                moments.append((sent, heard[a]))
                clocks[b].receive(sent)
                heard[b] |= heard[a] | {number}
            case "join" if a != b:
                clocks[a].join(clocks[b])
                heard[a] |= heard[b]
                a -= b < a
                del clocks[b], heard[b]
        moments.append((clocks[a].stamp, heard[a]))
    for (x, past_x), (y, past_y) in product(moments, moments):
        assert x.compare(y) is Order.of(past_x <= past_y, past_y <= past_x)
        assert (x < y, x <= y, x == y) == (past_x < past_y, past_x <= past_y, past_x == past_y)
    for clock in clocks:
        assert heights_are_normal(clock.stamp.events)
        assert repr(IntervalTreeClock.decode(clock.encode())) == repr(clock)


def heights_are_normal(tree):
    return isinstance(tree, int) or (
        tree == norm(*tree) and heights_are_normal(tree[1]) and heights_are_normal(tree[2])
    )


def test_a_run_of_forks_and_joins_worked_out_by_hand():
    one = IntervalTreeClock()
    two = one.fork()
    one.tick()
    two.tick()
    three = one.fork()
    two.tick()
    one.tick()
    assert (one.identity, one.stamp.events) == (((1, 0), 0), (0, (1, 1, 0), 0))
    assert (two.identity, two.stamp.events) == ((0, 1), (0, 0, 2))
    assert (three.identity, three.stamp.events) == (((0, 1), 0), (0, 1, 0))
    three.join(two)
    assert (three.identity, three.stamp.events) == (((0, 1), 1), (1, 0, 1))
    four = three.fork()
    one.join(three)
    one.tick()
    assert four.identity == (0, 1)
    assert (one.identity, one.stamp.events) == ((1, 0), 2)


@given(event_trees())
def test_stamps_survive_bytes_text_and_pickle(tree):
    stamp = IntervalTreeStamp(tree)
    assert IntervalTreeStamp.decode(stamp.encode()) == stamp
    assert IntervalTreeStamp.parse(str(stamp)) == stamp
    assert pickle.loads(pickle.dumps(stamp)) == stamp


@pytest.mark.parametrize(
    "text", ["", "(", "(1, 2)", "(0, 1, 1)", "(0, 1, 2)", "1 1", "x", "(1, 2, 0", "(" * 5000]
)
def test_what_is_no_stamp_is_refused_as_text(text):
    with pytest.raises(ValueError, match="interval tree stamp"):
        IntervalTreeStamp.parse(text)


def test_a_retired_clock_has_no_events_and_a_copy_is_noticed():
    seed = IntervalTreeClock()
    other = seed.fork()
    copied = pickle.loads(pickle.dumps(other))
    seed.join(other)
    for verb in (other.tick, other.send, other.fork):
        with pytest.raises(MisusedCore, match="retired"):
            verb()
    with pytest.raises(MisusedCore, match="retired"):
        seed.join(other)
    with pytest.raises(MisusedCore, match="copy"):
        seed.join(copied)
    with pytest.raises(MisusedCore, match="itself"):
        seed.join(seed)


def test_many_forks_at_once_make_shallow_disjoint_pieces():
    seed = IntervalTreeClock()
    clocks = seed.fork_into(63)
    assert len({id(clock) for clock in clocks}) == 63
    assert all(len(clock.encode()) <= 2 * 6 + 3 for clock in [seed, *clocks])
    for clock in clocks:
        seed.join(clock)
    assert seed.identity == 1


def test_forks_nested_too_deep_are_refused_with_a_way_out():
    seed = IntervalTreeClock()
    forks = [seed.fork() for _ in range(DEPTH_MAX)]
    with pytest.raises(MisusedCore, match="fork_into"):
        seed.fork()
    seed.tick()
    for clock in forks:
        clock.tick()
        seed.receive(clock.send())
    assert repr(IntervalTreeClock.decode(seed.encode())) == repr(seed)
    assert pickle.loads(pickle.dumps(seed)).stamp == seed.stamp
    for clock in reversed(forks):
        seed.join(clock)
    assert seed.identity == 1


def test_bytes_that_nest_too_deep_are_refused():
    with pytest.raises(MalformedFrame, match="too deep"):
        IntervalTreeStamp.decode(b"\x01" * 100_000)
    with pytest.raises(MalformedFrame, match="too deep"):
        IntervalTreeClock.decode(b"\x02" * 100_000)


def test_a_message_carries_its_stamp_through_wrap_and_unwrap():
    alice = IntervalTreeClock()
    bob = alice.fork()
    message, sent, received = bob.unwrap(alice.wrap(b"hello"))
    assert message == b"hello"
    assert sent < received == bob.stamp


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ("02 01 01 00", "tree not in normal form"),
        ("02 00 00 00", "tree not in normal form"),
        ("03", "unknown kind of identity"),
        ("02 01", "too short"),
        ("01 01 00 00", "tree not in normal form"),
        ("01 01 02 04", "tree not in normal form"),
    ],
)
def test_bytes_that_are_not_the_one_way_to_write_a_clock_are_refused(data, reason):
    with pytest.raises(MalformedFrame, match=f"^{reason}$"):
        IntervalTreeClock.decode(bytes.fromhex(data))


@given(event_trees(), event_trees())
def test_operators_mean_the_partial_order(a, b):
    first, second = IntervalTreeStamp(a), IntervalTreeStamp(b)
    order = first.compare(second)
    assert (first < second, first > second) == (order is Order.BEFORE, order is Order.AFTER)
    assert (first <= second) == (order in {Order.BEFORE, Order.EQUAL})
    assert (first >= second) == (order in {Order.AFTER, Order.EQUAL})
    assert first.concurrent_with(second) == (order is Order.CONCURRENT)
    merged = first.merged(second)
    assert merged >= first
    assert merged >= second
    assert merged.events == join(a, b)


def test_a_stamp_cannot_be_changed_and_shows_its_tree():
    stamp = IntervalTreeStamp.parse("(1, 2, 0)")
    with pytest.raises(AttributeError):
        stamp._events = 0
    assert repr(stamp) == "IntervalTreeStamp((1, 2, 0))"
    assert len({stamp, IntervalTreeStamp((1, 2, 0))}) == 1
