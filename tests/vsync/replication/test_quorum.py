"""Who may go on: tables of the policies, and that primaries follow one another."""

import json
from itertools import combinations, pairwise
from random import Random

import pytest

from clocksync.runtime.errors import BadConfig
from vsync.identity import RingId
from vsync.replication.quorum import (
    NO_QUORUM,
    NOTHING_KNOWN,
    MajorityOfExpected,
    MajorityOfLast,
    Memory,
    Primary,
    merged,
)


def primary(number, *members, step=0):
    return Primary(RingId(number, min(members), 7), step, tuple(members))


@pytest.mark.parametrize(
    ("members", "expected", "quorum"),
    [
        ({1, 2}, {1, 2, 3}, True),
        ({1}, {1, 2, 3}, False),
        ({1, 2}, {1, 2, 3, 4}, False),
        ({1, 8, 9}, {1, 2, 3}, False),
        ({1, 2, 9}, {1, 2, 3}, True),
        ({1}, {1}, True),
    ],
)
def test_more_than_half_of_the_expected_go_on(members, expected, quorum):
    assert MajorityOfExpected(expected).has_quorum(members, NOTHING_KNOWN) is quorum


@pytest.mark.parametrize(
    ("members", "last", "quorum"),
    [
        ({1, 2}, (1, 2, 3, 4), True),  # half, with the smallest
        ({3, 4}, (1, 2, 3, 4), False),
        ({2, 3}, (1, 2, 3), True),
        ({1}, (1, 2), True),
        ({2}, (1, 2), False),
        ({1}, (1, 2, 3), False),
        ({5}, (5,), True),
    ],
)
def test_half_of_the_last_primary_goes_on_with_its_smallest(members, last, quorum):
    policy = MajorityOfLast({1, 2, 3, 4, 5})
    assert policy.has_quorum(members, Memory(primary(9, *last))) is quorum


def test_the_expected_stand_for_the_last_primary_until_there_was_one():
    policy = MajorityOfLast({1, 2, 3})
    assert policy.has_quorum({2, 3}, NOTHING_KNOWN)
    assert not policy.has_quorum({3}, NOTHING_KNOWN)


def test_who_is_not_expected_does_not_count():
    policy = MajorityOfLast({1, 2, 3})
    grown = NOTHING_KNOWN.formed(primary(5, 1, 2, 3, 8, 9), is_certain=True)
    assert policy.has_quorum({1, 2}, grown)
    assert not policy.has_quorum({1, 8, 9}, grown)


def test_a_possible_primary_needs_a_majority_of_it_too():
    """Two of the five went on, perhaps, with a third; who knows of it must have two of these."""
    policy = MajorityOfLast({1, 2, 3, 4, 5})
    certain = Memory(primary(5, 1, 2, 3, 4, 5))
    known = certain.formed(primary(9, 1, 2, 3), is_certain=False)
    assert policy.has_quorum({3, 4, 5}, certain)
    assert not policy.has_quorum({3, 4, 5}, known)
    assert not policy.has_quorum({1, 2}, known)
    assert policy.has_quorum({1, 2, 4}, known)


def test_a_certain_primary_settles_what_was_possible_before_it():
    attempt, later = primary(9, 1, 2, 3), primary(13, 1, 2, 3)
    unsure = Memory(primary(5, 1, 2, 3), (attempt,))
    assert merged([unsure, Memory(later)]) == Memory(later)
    assert unsure.formed(later, is_certain=True) == Memory(later)


def test_a_possible_primary_after_the_last_certain_one_stays():
    attempt = primary(9, 1, 2)
    memory = merged([Memory(primary(5, 1, 2, 3)), Memory(primary(4, 1, 2, 3), (attempt,))])
    assert memory == Memory(primary(5, 1, 2, 3), (attempt,))


def test_of_two_attempts_by_the_same_members_the_last_is_kept():
    memory = NOTHING_KNOWN
    for number in (5, 9, 13):
        memory = memory.formed(primary(number, 1, 2), is_certain=False)
    assert memory.possible == (primary(13, 1, 2),)


@pytest.mark.parametrize("make", [MajorityOfExpected, MajorityOfLast])
def test_who_has_just_started_has_no_voice(make):
    """Two of three that restart at once could have gone on with the third, or without it."""
    policy, memory = make({1, 2, 3}), Memory(primary(5, 1, 2, 3))
    assert policy.knows({1, 2}, {1, 2}, memory)
    assert not policy.knows(set(), {1, 2}, NOTHING_KNOWN)
    assert not policy.knows({1}, {1, 2}, memory)


@pytest.mark.parametrize("make", [MajorityOfExpected, MajorityOfLast])
def test_all_who_are_expected_need_no_voices(make):
    assert make({1, 2, 3}).knows(set(), {1, 2, 3}, NOTHING_KNOWN)
    assert make({1, 2, 3}).knows({1}, {1, 2, 3, 4}, Memory(primary(5, 1, 2, 3)))


@pytest.mark.parametrize("make", [MajorityOfExpected, MajorityOfLast])
def test_an_operator_can_do_without_those_who_will_not_come(make):
    assert make({1, 2, 3}, wait_for_all=False).knows(set(), {1, 2}, NOTHING_KNOWN)
    assert not make({1, 2, 3}, wait_for_all=False).knows(set(), {1}, NOTHING_KNOWN)


def test_without_a_policy_everybody_goes_on():
    assert NO_QUORUM.has_quorum(set(), NOTHING_KNOWN)
    assert NO_QUORUM.knows(set(), set(), NOTHING_KNOWN)
    assert not NO_QUORUM.is_exclusive


@pytest.mark.parametrize("make", [MajorityOfExpected, MajorityOfLast])
def test_a_quorum_of_nobody_is_refused(make):
    with pytest.raises(BadConfig, match="nobody"):
        make(set())


@pytest.mark.parametrize(
    "memory",
    [
        NOTHING_KNOWN,
        Memory(primary(5, 1, 2)),
        Memory(None, (primary(5, 1, 2),)),
        Memory(primary(5, 1, 2, step=3), (primary(9, 1), primary(13, 2))),
    ],
)
def test_a_memory_is_the_same_through_json(memory):
    assert Memory.from_json(json.loads(json.dumps(memory.to_json()))) == memory


@pytest.mark.parametrize(
    "value", [None, [], [1, 2], [[], [[1, 2, 3]]], [[[[1, 1, 1], "a", []]], []]]
)
def test_what_is_no_memory_is_refused(value):
    with pytest.raises(ValueError, match=r"is no|names no"):
        Memory.from_json(value)


@pytest.mark.parametrize("seed", range(300))
def test_primaries_follow_one_another(seed):
    """Components come and go at random. Whoever is in one delivers the message that forms it in the
    regular configuration, in the transitional one, or not at all; the last only if nobody did the
    first. Each primary that anybody is sure of has more than half of the one before."""
    random = Random(seed)
    everybody = range(1, random.choice((3, 4, 5)) + 1)
    policy = MajorityOfLast(everybody)
    memories = dict.fromkeys(everybody, NOTHING_KNOWN)
    formed = []
    for number in range(5, 200, 4):
        present = frozenset(random.sample(everybody, random.randint(1, len(everybody))))
        voices = frozenset(me for me in present if memories[me].has_voice)
        memory = merged(memories[me] for me in sorted(voices))
        if policy.knows(voices, present, memory) and policy.has_quorum(present, memory):
            new = Primary(RingId(number, min(present), 7), 0, tuple(sorted(present)))
            fates = _fates(random, sorted(present))
            if "regular" in fates.values():
                formed.append(present)
            for me, fate in fates.items():
                if fate != "missed":
                    memories[me] = memory.formed(new, fate == "regular")
        if random.random() < 0.1:
            memories[random.choice(everybody)] = NOTHING_KNOWN  # it restarts
    for last, present in pairwise(formed):
        shared = last & present
        assert 2 * len(shared) > len(last) or (
            2 * len(shared) == len(last) and min(last) in shared
        ), f"{sorted(last)} was followed by {sorted(present)}"


def _fates(random, members):
    if random.random() < 0.5:
        return dict.fromkeys(members, "regular")
    some = random.choice(("regular", "missed"))
    return {me: random.choice((some, "transitional")) for me in members}


def test_any_two_majorities_share_a_member():
    policy = MajorityOfExpected(range(1, 6))
    sides = [set(side) for size in range(6) for side in combinations(range(1, 6), size)]
    quorums = [side for side in sides if policy.has_quorum(side, NOTHING_KNOWN)]
    assert all(one & other for one in quorums for other in quorums)
