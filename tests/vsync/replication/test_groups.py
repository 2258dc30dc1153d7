"""Process groups: views and messages at the same places, whatever the ring does."""

import pytest

from clocksync.runtime.errors import BadConfig, MisusedCore
from tests.vsync.replication.order import Order
from vsync.identity import Service, group_number
from vsync.replication.control import Join, Roll, encode
from vsync.replication.events import JoinRefused, Multicast, QuorumChanged, View
from vsync.replication.quorum import NOTHING_KNOWN, MajorityOfExpected, MajorityOfLast

# Found by search: names whose numbers are the same.
TWINS = ("group-22235", "group-30796")


def joined(order, *members, group="g"):
    for me in members:
        order.do(me, order.members[me].join(group))


def say(order, me, *payloads, group="g"):
    order.do(me, order.members[me].multicast(group, payloads))


def views(order, me, group="g"):
    """The views a member was told, shortly: members, who joined, who left."""
    return [(v.members, v.joined, v.left) for v in order.heard(me, View, group)]


def three():
    order = Order(1, 2, 3)
    order.ring(1, 2, 3)
    joined(order, 1, 2, 3)
    order.run()
    return order


def test_a_process_is_in_a_group_from_where_its_join_is_delivered():
    order = Order(1, 2)
    order.ring(1, 2)
    joined(order, 1)
    order.run()
    say(order, 1, b"early")
    order.run()
    joined(order, 2)
    say(order, 1, b"late")
    order.order(2)
    order.run()
    assert views(order, 1) == [((1,), (1,), ()), ((1, 2), (2,), ())]
    assert views(order, 2) == [((1, 2), (2,), ())]
    assert order.messages(1, "g") == [b"early", b"late"]
    assert order.messages(2, "g") == [b"late"]


def test_a_process_is_in_a_group_until_its_leave_is_delivered():
    order = three()
    order.do(2, order.members[2].leave("g"))
    say(order, 1, b"before it is ordered")
    order.order(1)
    order.run()
    say(order, 1, b"after")
    order.run()
    assert views(order, 2)[-1] == ((1, 3), (), (2,)) == views(order, 1)[-1]
    assert order.messages(2, "g") == [b"before it is ordered"]
    assert order.messages(3, "g") == [b"before it is ordered", b"after"]


def test_a_member_sees_its_groups_only():
    order = Order(1, 2)
    order.ring(1, 2)
    joined(order, 1, group="a")
    joined(order, 2, group="b")
    order.run()
    say(order, 1, b"for a", group="a")
    say(order, 2, b"for b", group="b")
    order.run()
    assert [view.group for view in order.heard(1, View)] == ["a"]
    assert (order.messages(1, "a"), order.messages(1, "b")) == ([b"for a"], [])
    assert order.members[1].groups.members("b") == (2,)


def test_who_is_not_with_us_any_more_is_reported_left_before_the_next_ring_begins():
    order = three()
    order.ring(1, 2)
    assert views(order, 1)[-1] == ((1, 2), (), (3,))
    assert order.heard(1, View)[-1].is_transitional
    assert order.heard(1, View)[-1].quorum is None
    order.run()
    assert views(order, 1)[-1] == ((1, 2), (), ())
    assert not order.heard(1, View)[-1].is_transitional


def test_those_who_meet_are_reported_joined_when_all_rolls_came():
    order = Order(1, 2, 3)
    for side in ((1, 2), (3,)):
        order.ring(*side)
        joined(order, *side)
        order.run()
    order.ring(1, 2, 3)
    order.order()
    order.deliver()
    assert views(order, 1)[-1] == ((1, 2), (), ())
    order.run()
    assert views(order, 1)[-1] == ((1, 2, 3), (3,), ())
    assert views(order, 3)[-1] == ((1, 2, 3), (1, 2), ())


def test_a_member_that_was_cut_off_and_comes_back_at_once_left_and_joined():
    order = three()
    order.ring(3)
    order.ring(1, 2, 3)
    order.run()
    assert views(order, 1)[-2:] == [((1, 2), (), (3,)), ((1, 2, 3), (3,), ())]


def test_messages_wait_until_the_ring_is_opened():
    order = Order(1, 2)
    for side in ((1,), (2,)):
        order.ring(*side)
        joined(order, *side)
        order.run()
    say(order, 2, b"submitted before")
    order.ring(1, 2)
    order.order(2)
    order.deliver()
    assert order.messages(1, "g") == []
    order.run()
    kinds = [type(each).__name__ for each in order.told[1]][-2:]
    assert kinds == ["View", "Delivered"]
    assert order.messages(1, "g") == [b"submitted before"]


def test_a_ring_that_ends_before_it_is_opened_delivers_in_the_view_before():
    order = three()
    order.ring(1, 2, 3)
    say(order, 1, b"x")
    for sender in (1, 1, 2):  # the third roll is missing
        order.order(sender)
    order.deliver()
    order.ring(1, 2)
    assert order.messages(1, "g") == order.messages(2, "g") == [b"x"]
    assert views(order, 1)[-1] == ((1, 2), (), (3,))
    order.run()
    names = [view.id for view in order.heard(1, View)][-3:]
    assert names == [view.id for view in order.heard(2, View)][-3:]
    assert len(set(names)) == 3


def test_the_last_roll_may_come_in_the_transitional_configuration():
    order = three()
    order.ring(1, 2, 3)
    for sender in (1, 2, 3):
        order.order(sender)
    order.deliver(3)
    order.ring(1, 2)
    at_3 = order.heard(3, View)[-1]
    opened = next(view for view in order.heard(1, View) if view.id == at_3.id)
    assert (at_3.is_certain, at_3.members, at_3.quorum) == (True, (1, 2, 3), True)
    assert (opened.is_certain, opened.members, opened.quorum) == (False, (1, 2, 3), None)


def test_rolls_of_an_old_ring_do_not_count(*_):
    order = three()
    order.ring(1, 2, 3)
    stale = order.outbox[3].popleft()
    order.ring(1, 2, 3)
    order.outbox[3].appendleft(stale)
    order.order(3)
    for sender in (1, 2):  # theirs of the ring before are still in their queues
        order.order(sender)
        order.order(sender)
    order.deliver()
    assert order.heard(1, View)[-1].is_transitional, "a roll of this ring is missing"
    order.run()
    assert views(order, 1)[-1][0] == (1, 2, 3)


def test_a_zombie_is_removed(*_):
    """A member whose roll does not name a group that the others remember it in."""
    order = three()
    order.ring(1, 2, 3)
    order.outbox[3].clear()
    ring = order.ring_of[3]
    order.outbox[3].append(Multicast((encode(Roll(ring, NOTHING_KNOWN, {})),), Service.SAFE, 0))
    order.run()
    assert views(order, 1)[-1] == ((1, 2), (), (3,))


def test_a_join_whose_ring_is_not_opened_is_made_again():
    order = Order(1, 2)
    order.ring(1, 2)
    joined(order, 1)
    say(order, 1, b"after the join")
    order.order(1)
    order.order(1)
    order.deliver()
    order.ring(1, 2)
    order.run()
    assert views(order, 1) == [((1,), (1,), ())]
    assert order.messages(1, "g") == [b"after the join"]


def test_two_names_with_one_number_cannot_be_one_group():
    assert group_number(TWINS[0]) == group_number(TWINS[1])
    order = Order(1, 2)
    order.ring(1, 2)
    order.run()
    joined(order, 1, group=TWINS[0])
    joined(order, 2, group=TWINS[1])
    order.run()
    assert order.members[1].groups.members(TWINS[0]) == (1,)
    assert order.members[1].groups.members(TWINS[1]) == ()
    (refused,) = order.heard(2, JoinRefused)
    assert refused.group == TWINS[1]
    assert TWINS[0] in refused.reason
    joined(order, 2, group=TWINS[0])
    order.run()
    assert views(order, 2, TWINS[0]) == [((1, 2), (2,), ())]


def test_two_names_with_one_number_that_meet_leave_the_first_by_alphabet():
    order = Order(1, 2)
    for me, name in zip((1, 2), reversed(TWINS), strict=True):
        order.ring(me)
        joined(order, me, group=name)
        order.run()
    order.ring(1, 2)
    order.run()
    assert order.members[1].groups.members(min(TWINS)) == (2,)
    assert [refused.group for refused in order.heard(1, JoinRefused)] == [max(TWINS)]
    assert order.heard(2, JoinRefused) == []


def test_the_flag_tells_the_majority_and_a_lost_ring_tells_that_it_is_not_known():
    order = Order(1, 2, 3, policy=MajorityOfExpected({1, 2, 3}))
    order.ring(1, 2, 3)
    joined(order, 1, 2, 3)
    order.run()
    assert order.heard(3, View)[-1].quorum is True
    order.now = 500
    order.lose_ring(3)
    assert order.members[3].groups.unknown_since == 500
    order.ring(3)
    order.run()
    assert [each.quorum for each in order.heard(3, QuorumChanged)] == [True, None, False]
    assert order.heard(3, View)[-1].quorum is False
    assert order.members[3].groups.unknown_since is None


def test_a_ring_that_comes_back_is_known_as_before():
    order = Order(1, policy=MajorityOfExpected({1}))
    order.ring(1)
    order.run()
    order.lose_ring(1)
    order.find_ring(1)
    assert [each.quorum for each in order.heard(1, QuorumChanged)] == [True, None, True]


def test_the_last_primary_can_shrink_to_its_smallest_member():
    order = Order(1, 2, 3, policy=MajorityOfLast({1, 2, 3}))
    order.ring(1, 2, 3)
    order.run()
    for side in ((1, 2), (1,)):
        order.ring(*side)
        order.run()
        assert order.members[1].groups.quorum
    order.ring(2)
    order.run()
    assert not order.members[2].groups.quorum


@pytest.mark.parametrize("name", ["", "x" * 201])
def test_a_group_has_a_name(name):
    with pytest.raises(BadConfig, match="names no group"):
        Order(1).members[1].join(name)


def test_joining_twice_leaving_twice_and_speaking_from_outside_are_refused():
    order = Order(1)
    order.ring(1)
    member = order.members[1]
    with pytest.raises(MisusedCore, match="not in it"):
        member.multicast("g", [b"x"])
    joined(order, 1)
    with pytest.raises(MisusedCore, match="under way"):
        member.join("g")
    with pytest.raises(MisusedCore, match="not in it"):
        member.leave("g")
    order.run()
    order.do(1, member.leave("g"))
    with pytest.raises(MisusedCore, match="not in it"):
        member.leave("g")
    with pytest.raises(MisusedCore, match="not in it"):
        member.multicast("g", [b"x"])
    order.run()
    joined(order, 1)
    order.run()
    assert views(order, 1)[-1] == ((1,), (1,), ())


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"\xff", b'["join"]', b'["join","",null]', b"[" * 5000]
)
def test_rubbish_on_the_control_channel_is_counted_and_dropped(data):
    order = three()
    order.outbox[3].append(Multicast((data, encode(Join("h", None))), Service.SAFE, 0))
    order.run()
    assert order.members[1].groups.dropped == 1
    assert order.members[1].groups.members("h") == (3,)
