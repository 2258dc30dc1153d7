"""What becomes of commands, and what a state is made of."""

import json

import pytest

from vsync.identity import RingId
from vsync.replication.accounts import COMMANDS_TOLD, NEVER_PRIMARY, Account, Awaited
from vsync.replication.events import Absorbed, Applied, Discarded, Rejected, Settled
from vsync.replication.lineage import ENTRIES_MAX, STRETCHES_MAX, Lineage

A, B, C = RingId(5, 1, 7), RingId(9, 1, 7), RingId(13, 1, 7)


def applied(account, ring, sequence, handle=None, *, is_regular=True, is_certain=False):
    return account.applied(ring, sequence, b"x", handle, "r", is_regular, is_certain)


def lineage(*stretches):
    """A record: of each ring the first and the last message, and those of the tail."""
    return Lineage.from_json([[list(ring), *more] for ring, *more in stretches])


def test_a_range_says_what_was_applied_in_order_and_a_list_what_was_not():
    made = Lineage()
    for sequence in (3, 4, 9):
        made.note(A, sequence, True)
    for sequence in (11, 11, 15):
        made.note(A, sequence, False)
    assert [made.holds(A, sequence) for sequence in (2, 3, 7, 10, 11, 15, 16)] == [
        *(False, True, True, False, True, True, False)
    ]
    assert not made.holds(B, 5)
    assert made.holds_in_order(A, 9)
    assert not made.holds_in_order(A, 11)


def test_what_was_not_applied_between_two_stretches_is_not_held():
    made = Lineage()
    made.note(A, 3, True)
    made.interrupt()
    made.note(A, 9, True)
    assert [made.holds(A, sequence) for sequence in (3, 6, 9)] == [True, False, True]


def test_a_record_is_the_same_through_json():
    made = lineage((A, 3, 9, [11, 15]), (B, 1, 1, []))
    again = Lineage.from_json(json.loads(json.dumps(made.to_json())))
    assert again.stretches == made.stretches


@pytest.mark.parametrize(
    "value", [None, 7, [7], [[[1, 2, 3], "a", 1, []]], [[[1, 2, 3], 1, 1, "x"]]]
)
def test_what_is_no_record_is_refused(value):
    with pytest.raises(ValueError, match="is no"):
        Lineage.from_json(value)


def test_rings_too_long_ago_are_taken_for_shared():
    made = Lineage()
    for number in range(STRETCHES_MAX + 5):
        made.note(RingId(10 + number, 1, 7), 1, True)
    assert len(made.stretches) == STRETCHES_MAX
    assert made.holds(RingId(3, 1, 7), 99)
    assert not made.holds(RingId(10 + STRETCHES_MAX, 1, 7), 99)


def test_a_certain_command_settles_those_before_it():
    account = Account("g")
    assert applied(account, A, 1, 10) == [Applied("g", 10, "r", False)]
    applied(account, A, 2)
    assert applied(account, A, 3, 11, is_certain=True) == [
        Settled("g", (10,)),
        Applied("g", 11, "r", True),
    ]
    account.replace(Lineage())
    assert account.resolve() == []


def test_what_the_new_state_lacks_is_discarded_when_it_is_the_primarys():
    account = Account("g")
    applied(account, A, 1, 10)
    applied(account, A, 2, 11)
    account.replace(lineage((A, 1, 1, [])))
    assert account.resolve() == [Discarded("g", 1, (b"x",), (11,), True)]
    assert account.settle() == [Settled("g", (10,))]


def test_a_command_that_stands_elsewhere_in_the_new_state_is_absorbed():
    account = Account("g")
    applied(account, A, 5, 10, is_regular=False)
    account.replace(lineage((A, 1, 3, [4, 5])))
    assert account.resolve() == [Absorbed("g", 10)]


def test_what_one_state_lacks_and_the_next_one_has_is_not_discarded():
    account = Account("g")
    applied(account, A, 1, 10)
    account.replace(lineage((B, 1, 1, [])))
    account.replace(lineage((A, 1, 3, [])))
    assert [type(each) for each in account.resolve()] == [Absorbed]


def test_what_is_awaited_is_absorbed_or_rejected():
    account = Account("g")
    account.awaited += [Awaited(A, 2, 10), Awaited(C, 1, 11)]
    account.replace(lineage((A, 1, 3, [])))
    assert account.resolve() == [Absorbed("g", 10), Rejected("g", 11, NEVER_PRIMARY)]
    assert account.settle() == [Settled("g", (10,))]


def test_only_the_last_discarded_commands_are_told_with_their_content():
    account = Account("g")
    for number in range(COMMANDS_TOLD + 5):
        account.applied(A, 1, b"%d" % number, None, None, True, False)
    account.replace(Lineage())
    (told,) = account.resolve()
    assert told.count == COMMANDS_TOLD + 5
    assert len(told.commands) == COMMANDS_TOLD
    assert told.commands[-1] == b"%d" % (COMMANDS_TOLD + 4)
    assert told.is_complete


def test_that_there_may_be_more_is_told():
    account = Account("g")
    for sequence in range(ENTRIES_MAX + 1):
        applied(account, A, sequence)
    account.replace(Lineage())
    (told,) = account.resolve()
    assert told.count == ENTRIES_MAX
    assert not told.is_complete
    applied(account, B, 1)
    account.replace(Lineage())
    assert account.resolve()[0].is_complete
