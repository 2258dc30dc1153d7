"""Whose state is taken: the same at everybody who has the same offers."""

import json

import pytest

from vsync.identity import NO_RING, RingId
from vsync.replication.offers import Offer, holders, read
from vsync.replication.quorum import NOTHING_KNOWN, Memory, Primary

OLD, NEW = RingId(5, 1, 7), RingId(9, 2, 7)


def offer(path, position=NO_RING, applied=0):
    return Offer(position, applied, (path,), False, NOTHING_KNOWN)


def test_the_primarys_state_is_chosen_over_a_longer_one(*_):
    assert holders({1: offer("a", OLD, 99), 2: offer("b", NEW, 3)}) == {2}


def test_of_one_primary_the_longer_history_is_chosen():
    assert holders({1: offer("a", NEW, 3), 2: offer("b", NEW, 4)}) == {2}


def test_of_equal_ones_that_of_the_smallest_member_is_chosen():
    assert holders({3: offer("b"), 2: offer("a"), 5: offer("b")}) == {2}


def test_all_who_came_the_same_path_hold_the_state():
    assert holders({1: offer("a"), 2: offer("b", NEW), 3: offer("b", NEW), 4: offer("c")}) == {2, 3}


def test_an_offer_is_the_same_through_json():
    memory = Memory(Primary(OLD, 3, (1, 2)), (Primary(NEW, 0, (1,)),))
    whole = Offer(NEW, 12, ("9.2.7", "T13.1.8.2"), True, memory)
    assert read({4: json.loads(json.dumps(whole.to_json()))}) == {4: whole}


@pytest.mark.parametrize("value", [None, 7, [], [[1, 2], 0, [], False, [[], []]], [1, 2, 3, 4, 5]])
def test_who_offers_nothing_keeps_no_state(value):
    assert read({1: value}) == {}
