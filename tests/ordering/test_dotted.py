"""Dotted version vectors replace exactly what a writer had seen."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.errors import BadConfig
from ordering import Dot, DottedVersionVector, Order, VectorStamp, Versions


class Oracle:
    """Causal histories by definition: every version remembers all versions its writer had seen."""

    def __init__(self):
        self.seen: dict[int, frozenset[int]] = {}

    def keep(self, versions):
        return frozenset(v for v in versions if not any(v in self.seen[w] for w in versions))

    def write(self, version, read):
        """`read` is what the client had in hand: versions, with all that these replaced."""
        self.seen[version] = read.union(*(self.seen[v] for v in read))


def explore(data, steps):
    """A store of three replicas and clients that write after old and new reads, or blindly."""
    oracle = Oracle()
    replicas = {name: (Versions(), frozenset()) for name in "abc"}
    reads = [(VectorStamp(), frozenset())]
    reached = [Versions()]
    clocks = {}
    for version in range(steps):
        name, other = data.draw(st.sampled_from("abc")), data.draw(st.sampled_from("abc"))
        stored, expected = replicas[name]
        if data.draw(st.booleans()):
            context, read = data.draw(st.sampled_from(reads))
            oracle.write(version, read)
            stored = stored.put(name, version, context)
            clocks[version] = next(c for c, value in stored.siblings if value == version)
            expected = oracle.keep(expected | {version})
        else:
            stored = stored.merged(replicas[other][0])
            expected = oracle.keep(expected | replicas[other][1])
        replicas[name] = (stored, expected)
        reached.append(stored)
        reads.append((stored.context, expected))
        assert sorted(stored.values) == sorted(expected)
    return oracle, clocks, reached


@given(st.data(), st.integers(1, 20))
def test_a_store_keeps_the_versions_that_no_other_writer_had_seen(data, steps):
    oracle, clocks, _ = explore(data, steps)
    for a, first in clocks.items():
        for b, second in clocks.items():
            before, after = a in oracle.seen[b] | {b}, b in oracle.seen[a] | {a}
            expected = Order.of(before, after)
            assert first.compare(second) is expected
            assert (first < second) == (expected is Order.BEFORE)
            assert (first <= second, first >= second) == (before, after)
            assert (first > second) == (expected is Order.AFTER)
            assert first.concurrent_with(second) == (expected is Order.CONCURRENT)


@given(st.data(), st.integers(1, 15))
def test_merging_replicas_is_commutative_associative_and_idempotent(data, steps):
    _, _, reached = explore(data, steps)
    a, b, c = (data.draw(st.sampled_from(reached)) for _ in range(3))
    assert a.merged(b) == b.merged(a)
    assert hash(a.merged(b)) == hash(b.merged(a))
    assert a.merged(b).merged(c) == a.merged(b.merged(c))
    assert a.merged(a) == a
    assert pickle.loads(pickle.dumps(a)) == a


def test_two_clients_that_write_through_one_replica_after_the_same_read_both_survive():
    stored = Versions().put("r", "first")
    context = stored.context
    stored = stored.put("r", "mine", context).put("r", "yours", context)
    assert stored.values == ("mine", "yours")
    assert stored.put("r", "both", stored.context).values == ("both",)


vectors = st.dictionaries(st.sampled_from(["a", "b:|", 3]), st.integers(1, 5)).map(VectorStamp)


@given(st.sampled_from(["a", "b:|", 3]), st.integers(6, 300), vectors)
def test_clocks_survive_bytes_text_and_pickle(process, number, past):
    clock = DottedVersionVector(Dot(process, number), past)
    assert DottedVersionVector.decode(clock.encode()) == clock
    assert DottedVersionVector.parse(str(clock)) == clock
    assert pickle.loads(pickle.dumps(clock)) == clock


@pytest.mark.parametrize("text", ["", "a:1", "a|{}", ":1|{}", "a:1|", "a:0|{}", "a:1|{a:1}"])
def test_what_is_no_clock_is_refused_as_text(text):
    with pytest.raises(ValueError, match=r"\S"):
        DottedVersionVector.parse(text)


def test_a_dot_within_its_own_past_is_refused():
    with pytest.raises(BadConfig, match="outside its past"):
        DottedVersionVector(Dot("a", 2), VectorStamp({"a": 2}))
