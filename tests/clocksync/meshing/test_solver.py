"""The arithmetic of a mesh on its own: bounds, fits, loops, lines, steps, and who probes whom."""

from itertools import permutations
from random import Random

import numpy as np
import pytest

from clocksync.meshing import bounds, graph, pairs, plan, steps
from clocksync.meshing.bounds import UNKNOWN
from clocksync.meshing.frames import NEIGHBOURS_MAX, Row

# Bounds


def constraints(random, count, share=1.0):
    """Clocks, and what pairs prove about them: (clocks, matrix)."""
    clocks = [random.randrange(-1000, 1000) for _ in range(count)]
    direct = np.full((count, count), UNKNOWN, dtype=np.int64)
    np.fill_diagonal(direct, 0)
    for i in range(count):
        for j in range(count):
            if i != j and random.random() < share:
                direct[i, j] = clocks[j] - clocks[i] + random.randrange(200)
    return clocks, direct


@pytest.mark.parametrize("seed", range(20))
def test_believing_all_a_bound_is_the_shortest_of_all_paths(seed):
    _, direct = constraints(Random(seed), 5, 0.7)
    found = bounds.closed(direct, 0)
    for i, j in permutations(range(5), 2):
        others = [k for k in range(5) if k not in (i, j)]
        lengths = [
            sum(int(direct[a, b]) for a, b in zip((i, *way), (*way, j), strict=True))
            for size in range(4)
            for way in permutations(others, size)
        ]
        assert min(found[i, j], UNKNOWN) == min(*lengths, UNKNOWN)


@pytest.mark.parametrize("liars", [1, 2])
@pytest.mark.parametrize("seed", range(20))
def test_no_liar_moves_a_bound_between_honest_hosts_past_the_truth(seed, liars):
    random = Random(f"liars/{seed}")
    clocks, direct = constraints(random, 7)
    told = direct.copy()
    false = random.sample(range(7), liars)
    for host in false:  # anything at all, to and from
        for other in range(7):
            told[host, other] = told[other, host] = random.randrange(-5000, 5000)
    np.fill_diagonal(told, 0)
    found, alone = bounds.closed(told, liars), bounds.closed(direct, liars)
    for i, j in permutations([host for host in range(7) if host not in false], 2):
        assert clocks[j] - clocks[i] <= found[i, j] <= direct[i, j]
    assert (alone <= direct).all()


def test_detours_tighten_a_bound_only_when_more_hosts_than_may_lie_agree():
    direct = np.full((4, 4), UNKNOWN, dtype=np.int64)
    np.fill_diagonal(direct, 0)
    direct[0, 1], direct[0, 2], direct[2, 1] = 100, 10, 10
    assert [int(bounds.closed(direct, liars)[0, 1]) for liars in (0, 1)] == [20, 100]
    direct[0, 3], direct[3, 1] = 15, 15
    assert [int(bounds.closed(direct, liars)[0, 1]) for liars in (0, 1, 2)] == [20, 30, 100]


def test_hosts_that_nothing_connects_have_no_bound():
    direct = np.array([[0, UNKNOWN], [UNKNOWN, 0]], dtype=np.int64)
    assert (bounds.closed(direct, 0) >= UNKNOWN).tolist() == [[False, True], [True, False]]


# The fit and its loops


def complete(count):
    return [(a, b) for a in range(count) for b in range(a + 1, count)]


def test_a_fit_of_offsets_that_agree_is_exact():
    truth, edges = [0.0, 5.0, -7.0, 100.0], complete(4)
    found = graph.fit(4, edges, np.array([truth[b] - truth[a] for a, b in edges]), np.ones(6))
    assert found.offsets == pytest.approx(truth, abs=1e-6)
    assert not found.aside.any()


def test_one_wrong_path_moves_nobody_and_is_set_aside():
    truth, edges = [0.0, 5.0, -7.0, 100.0, 3.0], complete(5)
    measured = np.array([truth[b] - truth[a] for a, b in edges])
    measured[edges.index((1, 3))] += 1000
    found = graph.fit(5, edges, measured, np.ones(len(edges)))
    assert found.offsets == pytest.approx(truth, abs=1e-3)
    assert [edge for edge, aside in zip(edges, found.aside, strict=True) if aside] == [(1, 3)]


def test_of_a_lone_triangle_no_path_is_blamed():
    found = graph.fit(3, complete(3), np.array([0.0, 0.0, 900.0]), np.ones(3))
    assert not found.aside.any()


def test_a_host_whose_paths_are_all_wrong_does_not_spoil_the_others():
    edges = complete(6)
    measured = np.array([1000.0 * a if b == 5 else 0.0 for a, b in edges])
    found = graph.fit(6, edges, measured, np.ones(len(edges)))
    assert found.offsets[:5] == pytest.approx([0] * 5, abs=1e-3)


def test_precise_paths_weigh_more():
    edges = [(0, 1), (0, 1)]
    found = graph.fit(2, edges, np.array([0.0, 2.0]), np.array([1.0, 100.0]))
    assert abs(found.offsets[1]) < 0.1


def test_loops_are_triangles_and_what_is_in_none():
    edges = [(0, 1), (0, 2), (1, 2), (2, 3), (3, 4), (4, 0)]
    edges = [(min(edge), max(edge)) for edge in edges]
    found = graph.loops(5, edges, np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0]))
    assert {frozenset(loop.hosts): abs(loop.residual) for loop in found} == {
        frozenset({0, 1, 2}): 1.0,
        frozenset({0, 2, 3, 4}): 1.0,
    }
    assert graph.loops(3, [(0, 1), (1, 2)], np.array([1.0, 1.0])) == []


# One pair


def rows(random, offset, slope, count=100, there=400, back=400, every=1_000_000, tail=2000):
    found = []
    for t1 in range(10**15, 10**15 + count * every, every):

        def at(time):
            return time + offset + round(slope * (time - 10**15))

        arrived = t1 + there + round(random.expovariate(1 / tail))
        came = arrived + 50 + back + round(random.expovariate(1 / tail))
        found.append(Row(t1, at(arrived), at(arrived + 50), came, True))
    return found


@pytest.mark.parametrize(("offset", "slope"), [(0, 0.0), (10**14, 5e-5), (-(10**12), -1e-4)])
def test_a_line_finds_offset_and_skew_under_queues(offset, slope):
    ours = rows(Random(1), offset, slope)
    end = ours[-1].t1
    truth = offset + round(slope * (end - 10**15))
    points = pairs.cloud(ours, [], 0, truth, end, 2)
    found = pairs.line(points, 500.0)
    assert abs(found.offset) < 60
    assert abs(found.skew - slope) < 2e-6
    least, most = points.certain(500.0)
    assert least <= 0 <= most


def test_what_both_ask_says_the_same():
    mine = rows(Random(1), 700, 0.0)
    # The other asks: T1 and T4 are by its clock, which is ahead.
    theirs = [row._replace(t1=row.t1 + 700, t4=row.t4 + 700) for row in rows(Random(2), 0, 0.0)]
    points = pairs.cloud(mine, theirs, 0, 700, mine[-1].t1, 2)
    assert abs(pairs.line(points, 500.0).offset) < 60
    assert abs(pairs.rough_offset(mine, theirs) - 700) < 2000


# Steps


def test_a_clock_that_is_set_breaks_a_series_where_it_is_set():
    before, after = rows(Random(1), 0, 0.0), rows(Random(2), 10**9, 0.0)
    both = [*before[:50], *after[50:]]
    assert steps.breaks(before, 500.0, 2) == []
    assert steps.breaks(both, 500.0, 2) == [50]
    assert abs(steps.jump(both, 50) - 10**9) < 2000


def test_an_exchange_that_cannot_be_breaks_a_series_by_itself():
    impossible = Row(100, 10**6, 10**6 + 500, 200, True)
    assert steps.breaks([impossible], 500.0, 2) == [0]
    assert steps.jump([impossible], 0) == 0


@pytest.mark.parametrize(
    ("broken", "hosts", "paths"),
    [
        ([(1, 2), (1, 3), (1, 4)], [1], []),
        ([(1, 2)], [], [(1, 2)]),
        ([(1, 2), (1, 3), (1, 4), (2, 3), (2, 4)], [2, 1], []),
        ([], [], []),
    ],
)
def test_who_is_to_blame(broken, hosts, paths):
    everything = {(a, b): (a, b) in broken for a in range(1, 5) for b in range(a + 1, 5)}
    assert steps.blame(everything) == (hosts, paths)


# Who probes whom


@pytest.mark.parametrize("count", [2, 3, 24, 25, 100, 500])
def test_a_plan_connects_everybody_and_asks_no_agent_too_much(count):
    edges = plan.edges(range(1, count + 1), Random(count))
    around = plan.neighbours(edges)
    assert len(around) == count
    assert len(set(graph.components(count + 1, edges)[1:])) == 1
    assert max(map(len, around.values())) <= NEIGHBOURS_MAX
    if count <= plan.FULL_MAX:
        assert len(edges) == count * (count - 1) // 2
    else:
        assert min(map(len, around.values())) >= 6
