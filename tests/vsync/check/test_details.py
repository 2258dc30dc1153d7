"""The fine print of the rules: what is not held against anybody, and what is not overlooked."""

import pytest

from tests.vsync.check.histories import Story
from tests.vsync.check.test_rules import rules, three
from vsync.check import judge


def without(story: Story, *nodes: int) -> Story:
    story.events = [event for event in story.events if event.get("node") not in nodes]
    return story


# Lives: boots, crashes, leaves


def test_a_boot_tells_of_the_crash_that_nobody_wrote() -> None:
    story = Story().ring("R5", 1, 2).send(1, "R5", 1).boot(1, alone=7)
    assert rules(story) == set(), "what it owed itself died with it"


def test_the_lines_of_two_incarnations_may_stand_in_any_order() -> None:
    story = Story().ring("R5", 1, 2).send(2, "R5", 1).deliver([2], "R5", 1).end("crash", 2)
    story.boot(2, alone=7)
    late = [event for event in story.events if event["node"] == 2 and event["incarnation"] == "i1"]
    rest = [event for event in story.events if event not in late]
    before = [event for event in late if event["event"] == "boot"]
    story.events = [*before, *rest, *late[1:]]
    assert rules(story) == set()


def test_a_crash_may_be_told_later_by_who_killed_it() -> None:
    story = Story().ring("R5", 1, 2).boot(2, alone=7)
    story.events.append({"node": 2, "incarnation": "i1", "event": "crash"})
    assert rules(story) == set()


def test_a_crash_of_a_node_whose_log_is_missing_says_nothing() -> None:
    story = without(three(), 2)
    story.events.append({"node": 2, "incarnation": "i1", "event": "crash"})
    verdict = judge(story.events)
    assert (verdict.violations, verdict.nodes) == ([], 2)


def test_nobody_crashes_before_it_booted() -> None:
    story = Story()
    story.lives[1] = 1
    story.end("crash", 1).add(1, "boot", storage="kept")
    assert rules(story) == {"B5"}


def test_a_leave_excuses_nobody_from_a_safe_message() -> None:
    story = Story().ring("R5", 1, 2).send(1, "R5", 1, "safe").deliver([1], "R5", 1)
    assert rules(story) == set()
    assert rules(story.end("leave", 2)) == {"D5"}


def test_a_leave_is_the_end() -> None:
    story = Story().ring("R5", 1, 2).end("leave", 2).send(2, "R5", 1)
    assert rules(story) == {"B5"}


def test_after_lost_storage_stamps_and_causes_begin_anew() -> None:
    story = Story().ring("R5", 1).send(1, "R5", 1).deliver([1], "R5", 1, timestamp=9000)
    kept, lost = Story(), Story()
    for copy, storage in ((kept, "kept"), (lost, "lost")):
        copy.__dict__.update({**story.__dict__, "events": [*story.events], "lives": {1: 1}})
        copy.end("crash", 1).boot(1, storage=storage, alone=7)
        copy.send(1, "R7.1.2", 1).deliver([1], "R7.1.2", 1)
    assert rules(kept) == {"T2", "T3"}
    assert rules(lost) == set()


# Quiet


def test_a_quiet_in_the_middle_ends_nothing() -> None:
    story = three().mark("quiet").end("crash", 3)
    assert not judge(story.events).ends_quiet
    assert rules(story) == set()
    assert rules(story.mark("quiet")) == {"B8"}


def test_a_life_without_a_configuration_is_judged() -> None:
    story = Story()
    story.lives[1] = 1
    story.add(1, "boot", storage="kept")
    story.add(1, "submit", handle="R5/1", service="agreed", digest="d1")
    assert rules(story.send(1, "R5", 1).mark("quiet")) == {"B5", "P1", "P2"}


def test_what_a_former_life_submitted_is_forgotten() -> None:
    story = Story().ring("R5", 1)
    story.add(1, "submit", handle="x", service="agreed", digest="d")
    assert rules(story.end("crash", 1).boot(1, alone=7).mark("quiet")) == set()


def test_who_is_elsewhere_need_not_deliver_what_was_sent_before() -> None:
    story = Story().ring("R5", 1, 2)
    story.add(1, "submit", handle="R5/1", service="agreed", digest="d1")
    story.send(1, "R5", 1).deliver([1], "R5", 1)
    assert rules(story.apart("x", 9, (1,), (2,)).mark("quiet")) == set()


def late_ring(healed: int, change: int, quiet: int, last: int | None = None) -> Story:
    story = Story().ring("R5", 1).mark("healed", at=healed)
    story.transit([1], "T", at=change).configure([1], "R9", [1], 9, at=change + 1)
    if last is not None:
        story.send(1, "R9", 1, at=last).deliver([1], "R9", 1, at=last)
    return story.mark("quiet", at=quiet)


@pytest.mark.parametrize(
    ("story", "broken"),
    [
        (late_ring(100, 149, 200), set()),
        (late_ring(100, 151, 200), {"P3"}),
        (late_ring(100, 151, 200, last=199), {"P3"}),
        (late_ring(100, 151, 200, last=201), set()),  # its clock is another one
        (late_ring(100, 201, 200), set()),
        (late_ring(100, 50, 200), set()),
    ],
)
def test_rings_may_form_in_the_first_half_of_the_time_after_healing(
    story: Story, broken: set[str]
) -> None:
    assert rules(story) == broken


def test_a_boot_after_healing_lets_rings_form_again() -> None:
    story = Story().ring("R5", 1).mark("healed", at=0)
    story.lives[2] = 1
    story.add(2, "boot", storage="kept", at=80).configure([2], "R7", [2], 7, at=85)
    assert rules(story.mark("quiet", at=100)) == set()


def test_without_healed_nobody_knows_since_when_all_should_be_stable() -> None:
    story = Story().ring("R5", 1)
    story.transit([1], "T", at=90).configure([1], "R9", [1], 9, at=91)
    assert rules(story.mark("quiet", at=100)) == set()


# Messages: who, where, once


def test_each_wrong_origin_is_found_whoever_tells_it_first() -> None:
    story = Story().ring("R5", 1, 2).send(1, "R5", 1).deliver([1], "R5", 1)
    assert rules(story.deliver([2], "R5", 1, origin=2)) == {"B3"}


def test_only_members_send_even_if_their_log_is_missing() -> None:
    story = Story().ring("R5", 1, 2).deliver([1, 2], "R5", 1, origin=3)
    assert rules(story) == {"B3"}
    assert rules(without(three(), 3)) == set()


def test_a_submission_is_sent_as_it_is_and_once() -> None:
    story = Story().ring("R5", 1)
    story.add(1, "submit", handle="h", service="agreed", digest="d1")
    story.send(1, "R5", 1, handle="h").deliver([1], "R5", 1)
    assert rules(story) == set()
    other = Story().ring("R5", 1)
    other.add(1, "submit", handle="h", service="agreed", digest="other")
    assert rules(other.send(1, "R5", 1, handle="h")) == {"B3"}
    story.send(1, "R5", 2, handle="h", digest="d1").deliver([1], "R5", 2, digest="d1")
    assert rules(story) == {"B4"}


def test_an_old_message_belongs_into_the_transition_from_its_own_ring() -> None:
    story = Story().ring("R5", 1, 2).send(1, "R5", 1).transit([1, 2], "T")
    story.deliver([1, 2], "R5", 1).configure([1, 2], "R9", [1, 2], 9)
    assert rules(story) == set()
    story = Story().ring("R5", 1).send(1, "R5", 1).deliver([1], "R5", 1)
    story.ring("R6", 2).send(2, "R6", 1).deliver([2], "R6", 1)
    story.transit([1], "T").deliver([1], "R6", 1)
    assert rules(story) == {"B3"}


def test_packed_messages_are_in_the_order_of_their_index() -> None:
    story = Story().ring("R5", 1, 2)
    for n in range(12):
        story.send(1, "R5", f"1.{n}")  # type: ignore[arg-type]
    story.deliver([1, 2], "R5", *(f"1.{n}" for n in range(12)))  # type: ignore[arg-type]
    assert rules(story) == set()


# Configurations


def test_a_fellow_that_never_installs_the_next_ring_may_be_in_transition() -> None:
    story = Story().ring("R5", 1, 2).transit([1], "T", [1, 2]).configure([1], "R9", [1, 2], 9)
    assert rules(story) == set()


def test_nobody_comes_from_a_ring_it_never_installed() -> None:
    story = Story().boot(1, 2).transit([1], "Ta").configure([1], "R5", [1, 2], 5)
    story.transit([1], "Tb", [1, 2])
    assert rules(story) == {"B6"}
    assert rules(without(story, 2)) == set(), "nothing is known of it"


def test_a_transition_is_part_of_the_ring_before_and_of_the_next() -> None:
    story = Story().ring("R5", 1, 2).boot(3).transit([1], "T", [1, 3])
    assert rules(story) == {"B6"}
    story = Story().ring("R5", 1, 2).transit([1], "T", [1, 2]).configure([1], "R9", [1], 9)
    assert rules(story) == {"B6"}


def test_those_who_go_on_together_go_the_same_way() -> None:
    """Else they could differ in what they deliver on it."""
    story = Story().ring("R5", 1, 2).send(1, "R5", 1)
    story.transit([1], "Ta", [1, 2]).deliver([1], "R5", 1).transit([2], "Tb", [1, 2])
    assert rules(story.configure([1, 2], "R9", [1, 2], 9)) == {"B6"}


def test_who_dies_in_the_next_configuration_has_come_into_it() -> None:
    story = Story().ring("R5", 1, 2, 3).send(3, "R5", 1).deliver([1, 3], "R5", 1).end("crash", 3)
    story.apart("x", 9, (1, 2)).end("crash", 2)
    assert rules(story) == {"D2"}


def test_who_dies_in_transition_has_left_the_regular_configuration_like_the_others() -> None:
    story = Story().ring("R5", 1, 2, 3).send(3, "R5", 1).deliver([1, 3], "R5", 1).end("crash", 3)
    assert rules(story.transit([1, 2], "T").end("crash", 2)) == {"D2"}
    story = Story().ring("R5", 1, 2, 3).send(3, "R5", 1).end("crash", 3)
    story.transit([1, 2], "T").deliver([1], "R5", 1).end("crash", 2)
    assert rules(story.configure([1], "R9", [1, 2], 9)) == set()


# One order


def test_a_cycle_is_found_before_a_long_history_that_follows_it() -> None:
    """Two configurations in two orders, and a thousand messages behind them, which are on no cycle
    but come after one."""
    story = Story().boot(1, 2)
    for node, names in ((1, "AB"), (2, "BA")):
        for at, name in enumerate(names):
            story.transit([node], f"T{node}{name}")
            story.configure([node], f"R{name}", [1, 2], 5 + at)
    head = story.events
    story.events = []
    story.transit([1, 2], "T").configure([1, 2], "R9", [1, 2], 9)
    for n in range(1, 200):
        story.send(1, "R9", n).deliver([1, 2], "R9", n)
    # Messages get their numbers as they are read: these first.
    first = [event for event in story.events if event["event"] != "configuration"]
    assert len(first) > 50
    verdict = judge(head + story.events)
    cycle = [violation for violation in verdict.violations if violation.rule == "B7"]
    assert len(cycle) == 1
    assert all("configuration" in place.text for place in cycle[0].places)


def test_the_shortest_cycle_is_told() -> None:
    story = Story().ring("R5", 1, 2, 3)
    for n in range(1, 9):
        story.send(3, "R5", n)
    story.deliver([1], "R5", 1, 2, 3, 4, 5, 6, 7, 8).deliver([2], "R5", 3, 4, 5, 6, 7, 8, 1, 2)
    (found,) = (v for v in judge(story.events).violations if v.rule == "B7")
    names = [f"delivering R5/{n}" for n in (1, 2, 3, 4, 5, 6, 7, 8, 1)]
    assert found.text == f"no one order: {' before '.join(names)}"
    story.deliver([3], "R5", 5, 4)
    (found,) = (v for v in judge(story.events).violations if v.rule == "B7")
    names = [f"delivering R5/{n}" for n in (4, 5, 4)]
    assert found.text == f"no one order: {' before '.join(names)}"
    assert [place.text.split()[:4] for place in found.places] == [
        ["node", "1", "deliver", "message=R5/4"],
        ["node", "1", "deliver", "message=R5/5"],
    ]


def test_an_endless_cycle_is_told_in_short() -> None:
    story = Story().ring("R5", 1, 2)
    for n in range(1, 101):
        story.send(1, "R5", n)
    story.deliver([1], "R5", *range(1, 101)).deliver([2], "R5", *range(100, 0, -99))
    (found,) = (v for v in judge(story.events).violations if v.rule == "B7")
    assert "delivering R5/5 before 90 others before delivering R5/96 before" in found.text
    assert len(found.places) == 10


def test_missing_logs_take_away_order_and_add_none() -> None:
    story = Story().ring("R5", 1, 2, 3).send(1, "R5", 1).send(2, "R5", 2)
    story.deliver([1], "R5", 1, 2).deliver([2], "R5", 2, 1).deliver([3], "R5", 1, 2)
    assert "B7" in rules(story)
    assert rules(without(story, 2)) == set()


def test_a_cause_is_known_only_from_the_log_of_who_sent() -> None:
    story = Story().ring("R5", 1, 2, 3).send(1, "R5", 1).deliver([1, 2], "R5", 1)
    story.send(2, "R5", 2).deliver([1, 2], "R5", 2).end("crash", 1)
    story.transit([2], "Ta").transit([3], "Tb").deliver([3], "R5", 2)
    assert rules(story) == {"D3"}
    assert rules(without(story, 2)) == set()


def test_no_hole_in_a_regular_configuration_even_if_nobody_filled_it() -> None:
    story = Story().ring("R5", 1, 2, 3).send(3, "R5", 1).send(2, "R5", 2).end("crash", 3)
    assert rules(story.deliver([1, 2], "R5", 2)) == {"D4"}


def test_a_hole_at_the_end_shows_by_what_comes_in_transition() -> None:
    story = Story().ring("R5", 1, 2, 3)
    for n, sender in ((1, 1), (2, 2), (3, 2)):
        story.send(sender, "R5", n)
    story.deliver([1, 2], "R5", 1).deliver([2], "R5", 2)
    story.transit([1], "T", [1, 2]).deliver([1], "R5", 3)
    assert rules(story) == {"D3", "D4"}


def test_order_goes_on_from_the_regular_configuration_into_transition() -> None:
    story = Story().ring("R5", 1, 2).send(1, "R5", 1).send(2, "R5", 2)
    story.transit([1, 2], "T").deliver([1, 2], "R5", 2, 1)
    assert "D4" in rules(story)


# Safe


def test_a_safe_message_may_come_in_the_others_own_transition() -> None:
    story = Story().ring("R5", 1, 2, 3).send(1, "R5", 1, "safe").deliver([1], "R5", 1)
    story.transit([1], "Ta").transit([2], "Tb").transit([3], "Tc")
    story.deliver([2, 3], "R5", 1)
    for n, node in enumerate((1, 2, 3)):
        story.configure([node], f"R{9 + n}", [node], 9 + n)
    assert rules(story) == set()


def test_who_dies_in_transition_owes_no_safe_message() -> None:
    story = Story().ring("R5", 1, 2).send(1, "R5", 1, "safe").deliver([1], "R5", 1)
    assert rules(story.transit([2], "T").end("crash", 2)) == set()


def test_a_member_without_a_log_owes_nothing() -> None:
    story = Story().boot(1, 2).transit([1], "Ta").configure([1], "R5", [1, 2], 5)
    story.send(1, "R5", 1, "safe").deliver([1], "R5", 1)
    assert rules(story) == {"D6"}
    assert rules(without(story, 2)) == set()


# Promises


def promised(*delivering: int, after: bool = False) -> Story:
    """Two of three recover the third one's last message; both go on alone then."""
    story = Story().ring("R5", 1, 2, 3).send(3, "R5", 1)
    story.deliver([] if after else [1], "R5", 1).end("crash", 3)
    for node in (1, 2):
        story.add(node, "recovered", ring="R9", obligations=[1, 2, 3])
    if after:
        story.deliver([1], "R5", 1)
    story.transit([1], "Ta").transit([2], "Tb").deliver(delivering, "R5", 1)
    return story.configure([1], "R10", [1], 10).configure([2], "R11", [2], 11)


def test_what_a_fellow_had_delivered_before_it_promised_was_exchanged() -> None:
    assert rules(promised(2)) == set()
    assert rules(promised()) == {"O1"}
    assert rules(promised(after=True)) == set(), "it may have come in another exchange"


def test_what_a_fellow_had_sent_before_it_promised_was_exchanged() -> None:
    story = Story().ring("R5", 1, 2).send(1, "R5", 1)
    for node in (1, 2):
        story.add(node, "recovered", ring="R9", obligations=[1, 2])
    story.end("crash", 1).transit([2], "T").configure([2], "R10", [2], 10)
    assert rules(story) == {"O1"}
    assert rules(without(story, 1)) == set()


def test_what_was_not_promised_may_be_missing() -> None:
    story = promised()
    for event in story.events:
        if event["event"] == "recovered":
            event["obligations"] = [1, 2]
    assert rules(story) == set()


def test_the_dead_keep_no_promise() -> None:
    story = Story().ring("R5", 1, 2).send(1, "R5", 1).deliver([1], "R5", 1)
    for node in (1, 2):
        story.add(node, "recovered", ring="R9", obligations=[1, 2])
    story.transit([1], "T", [1, 2]).configure([1], "R9", [1, 2], 9)
    assert rules(story) == set(), "not final"
    assert rules(story.end("crash", 2)) == set()


def test_a_promise_without_a_ring_is_none() -> None:
    story = Story()
    story.lives[1] = 1
    story.add(1, "boot", storage="kept").add(1, "recovered", ring="R9", obligations=[1])
    assert rules(story) == {"B5"}


# Stamps


def test_transitional_configurations_have_no_stamp_of_their_own() -> None:
    story = Story().ring("R5", 1).send(1, "R5", 1)
    story.transit([1], "T", timestamp=10**9).deliver([1], "R5", 1)
    assert rules(story.configure([1], "R9", [1], 9)) == set()


def test_stamps_grow_through_a_transition() -> None:
    story = Story().ring("R5", 1).send(1, "R5", 1).deliver([1], "R5", 1)
    story.send(1, "R5", 2).transit([1], "T").deliver([1], "R5", 2, timestamp=1015)
    assert rules(story) == {"T2", "T3"}


def test_what_one_sent_oneself_is_a_cause_too() -> None:
    story = Story().ring("R5", 1, 2).send(1, "R5", 1).send(1, "R5", 2).end("crash", 1)
    story.transit([2], "T").deliver([2], "R5", 1, timestamp=5000)
    assert rules(story) == set()
    assert rules(story.deliver([2], "R5", 2, timestamp=4000)) == {"T2", "T3"}


def test_a_bound_is_judged_only_where_true_time_is_known() -> None:
    story = Story().ring("R5", 1).send(1, "R5", 1).deliver([1], "R5", 1)
    assert rules(story) == set()
    for true in (None, -5, 5):
        story = Story().ring("R5", 1)
        stamp = story.stamp("R5/1")
        story.send(1, "R5", 1, true_time=None if true is None else stamp + true)
        assert rules(story.deliver([1], "R5", 1)) == set()
