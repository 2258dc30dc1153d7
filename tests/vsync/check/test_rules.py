"""Each rule has a history that keeps it and others that break it, and says where."""

from collections.abc import Callable

import pytest

from tests.vsync.check.histories import Story
from vsync.check import judge

BROKEN: list[tuple[str, str, Story, set[str]]] = []


def rules(story: Story) -> set[str]:
    return {violation.rule for violation in judge(story.events).violations}


def breaks(rule: str, *also: str) -> Callable[[Callable[[], Story]], Callable[[], Story]]:
    """The story breaks a rule, and others that cannot be kept then."""

    def register(tell: Callable[[], Story]) -> Callable[[], Story]:
        BROKEN.append((rule, tell.__name__, tell(), {rule, *also}))
        return tell

    return register


def three() -> Story:
    """Three on a ring, three messages sent by each in turn and delivered by all."""
    story = Story().ring("R5", 1, 2, 3)
    for n in (1, 2, 3):
        story.send(n, "R5", n).deliver([1, 2, 3], "R5", n)
    return story


def test_a_quiet_life_is_clean() -> None:
    story = three().mark("healed").mark("quiet")
    verdict = judge(story.events)
    assert verdict.violations == []
    assert (verdict.nodes, verdict.messages, verdict.configurations) == (3, 3, 7)
    assert verdict.ends_quiet


# B0 to B6


@breaks("B0")
def two_regular_ones_in_a_row() -> Story:
    return Story().boot(1).configure([1], "R9", [1], 9)


@breaks("B0")
def a_beginning_in_company() -> Story:
    story = Story()
    story.lives[1] = 1
    return story.add(1, "boot", storage="kept").configure([1], "R5", [1, 2], 5)


@breaks("B0", "B6")
def a_configuration_without_oneself() -> Story:
    return Story().boot(1).transit([1], "T", [1]).configure([1], "R5", [2], 5)


@breaks("B0")
def a_transition_from_another_ring() -> Story:
    return Story().boot(1).transit([1], "T", ring="R77").configure([1], "R5", [1], 5)


@breaks("B1")
def one_id_with_two_contents() -> Story:
    story = Story().boot(1, 2)
    story.transit([1], "Ta").transit([2], "Tb")
    return story.configure([1], "R5", [1, 2], 5).configure([2], "R5", [1, 2], 5, timestamp=9999)


@breaks("B1")
def one_ring_with_two_configurations() -> Story:
    story = Story().boot(1, 2).transit([1], "Ta").transit([2], "Tb")
    return story.configure([1], "R5", [1], 5).configure([2], "R6", [2], 6, ring="R5")


@breaks("B1", "B7")
def a_configuration_that_comes_back() -> Story:
    story = Story().boot(1).transit([1], "Ta").configure([1], "R5", [1], 5)
    return story.transit([1], "Ta").configure([1], "R6", [1], 6)


@breaks("B2")
def a_ring_number_that_goes_back() -> Story:
    story = Story().boot(1).transit([1], "Ta").configure([1], "R5", [1], 5)
    return story.end("crash", 1).boot(1, alone=5)


def test_lost_storage_begins_the_numbers_and_times_anew() -> None:
    story = Story().boot(1).transit([1], "Ta").configure([1], "R5", [1], 5)
    story.end("crash", 1).boot(1, storage="lost")
    assert rules(story) == set()


@breaks("B3")
def a_message_from_nowhere() -> Story:
    return Story().ring("R5", 1, 2).deliver([1, 2], "R5", 1, origin=2)


@breaks("B3")
def a_message_in_another_mans_name() -> Story:
    return Story().ring("R5", 1, 2).send(1, "R5", 1).deliver([1, 2], "R5", 1, origin=2)


@breaks("B3")
def a_message_that_was_changed() -> Story:
    return Story().ring("R5", 1, 2).send(1, "R5", 1).deliver([1, 2], "R5", 1, digest="other")


@breaks("B3")
def a_message_that_became_safe_on_the_way() -> Story:
    return Story().ring("R5", 1, 2).send(1, "R5", 1).deliver([1, 2], "R5", 1, service="safe")


@breaks("B3", "B7", "D2", "T2")
def a_message_of_another_ring() -> Story:
    story = Story().ring("R5", 1, 2).send(1, "R5", 1).deliver([1], "R5", 1)
    story.apart("x", 9, (1, 2))
    return story.deliver([2], "R5", 1)


@breaks("B3")
def a_delivery_in_a_configuration_one_is_not_in() -> Story:
    story = Story().ring("R5", 1, 2).send(1, "R5", 1)
    return story.deliver([1, 2], "R5", 1, configuration="R77")


@breaks("B3")
def a_message_sent_on_a_ring_one_is_not_on() -> Story:
    return Story().ring("R5", 1, 2).send(1, "R9", 1)


def test_nothing_is_held_against_a_node_whose_log_is_missing() -> None:
    story = three()
    story.events = [event for event in story.events if event.get("node") != 2]
    assert rules(story) == set()


@breaks("B4")
def a_message_sent_twice() -> Story:
    return Story().ring("R5", 1, 2).send(1, "R5", 1).send(1, "R5", 1).deliver([1, 2], "R5", 1)


@breaks("B4")
def a_message_delivered_twice() -> Story:
    return Story().ring("R5", 1, 2).send(1, "R5", 1).deliver([1, 2], "R5", 1, 1)


@breaks("B5")
def a_message_sent_in_transition() -> Story:
    story = Story().ring("R5", 1, 2).transit([1, 2], "T")
    return story.send(1, "R5", 1).deliver([1, 2], "R5", 1)


@breaks("B5")
def a_delivery_after_death() -> Story:
    story = Story().ring("R5", 1, 2).send(1, "R5", 1).deliver([1, 2], "R5", 1)
    return story.end("crash", 2).send(1, "R5", 2).deliver([1, 2], "R5", 2)


@breaks("B5")
def a_delivery_before_the_first_configuration() -> Story:
    story = Story().ring("R5", 1).send(1, "R5", 1).deliver([1], "R5", 1)
    story.lives[2] = 1
    return story.add(2, "boot", storage="kept").deliver([2], "R5", 1)


@breaks("B5")
def a_life_without_a_boot() -> Story:
    story = Story()
    return story.configure([1], "R1", [1], 1)


@breaks("B6")
def a_transition_that_lacks_a_fellow() -> Story:
    story = Story().ring("R5", 1, 2)
    story.transit([1], "Ta", [1]).transit([2], "Tb", [1, 2])
    return story.configure([1, 2], "R9", [1, 2], 9)


@breaks("B6")
def a_transition_with_a_stranger() -> Story:
    story = Story().boot(1, 2).transit([1], "Ta", [1, 2]).transit([2], "Tb", [2])
    return story.configure([1, 2], "R9", [1, 2], 9)


# Order


@breaks("B7", "D4", "T2")
def two_who_see_two_messages_in_two_orders() -> Story:
    story = Story().ring("R5", 1, 2).send(1, "R5", 1).send(2, "R5", 2)
    return story.deliver([1], "R5", 1, 2).deliver([2], "R5", 2, 1)


@breaks("B7", "T3")
def a_message_delivered_before_it_is_sent() -> Story:
    story = Story().ring("R5", 1, 2)
    story._sent["R5/1"] = (1, "agreed")
    return story.deliver([1], "R5", 1).send(1, "R5", 1).deliver([2], "R5", 1)


@breaks("B7", "D2")
def a_change_that_comes_before_a_message_at_one_and_after_it_at_the_other() -> Story:
    story = Story().ring("R5", 1, 2).send(1, "R5", 1)
    story.deliver([1], "R5", 1).transit([1, 2], "T").deliver([2], "R5", 1)
    return story.configure([1, 2], "R9", [1, 2], 9)


@breaks("D1")
def a_message_its_sender_never_sees() -> Story:
    story = Story().ring("R5", 1, 2).send(1, "R5", 1)
    return story.apart("x", 9, (1,), (2,))


def test_who_dies_owes_itself_nothing() -> None:
    story = Story().ring("R5", 1, 2).send(1, "R5", 1).end("crash", 1)
    assert rules(story.apart("x", 9, (2,))) == set()


def test_what_is_missing_is_judged_only_when_it_is_final() -> None:
    assert rules(Story().ring("R5", 1, 2).send(1, "R5", 1)) == set()


@breaks("D1")
def a_leave_without_ones_last_word() -> Story:
    return Story().ring("R5", 1, 2).send(1, "R5", 1).end("leave", 1)


@breaks("D2")
def two_who_go_on_together_with_different_messages() -> Story:
    story = Story().ring("R5", 1, 2, 3).send(3, "R5", 1)
    story.deliver([1, 3], "R5", 1).end("crash", 3)
    return story.apart("x", 9, (1, 2))


def test_two_who_part_may_differ() -> None:
    story = Story().ring("R5", 1, 2, 3).send(3, "R5", 1)
    story.deliver([1, 3], "R5", 1).end("crash", 3)
    assert rules(story.apart("x", 9, (1,), (2,))) == set()


@breaks("D3")
def an_answer_before_its_question() -> Story:
    story = Story().ring("R5", 1, 2, 3).send(1, "R5", 1).deliver([1, 2], "R5", 1)
    story.send(2, "R5", 2).deliver([1, 2], "R5", 2).end("crash", 1)
    return story.transit([2], "Ta").transit([3], "Tb").deliver([3], "R5", 2)


@breaks("D4", "D3")
def a_hole_in_a_regular_configuration() -> Story:
    story = Story().ring("R5", 1, 2).send(1, "R5", 1).send(1, "R5", 2)
    return story.deliver([1], "R5", 1, 2).deliver([2], "R5", 2)


@breaks("D4")
def a_fellows_message_left_out_in_transition() -> Story:
    story = Story().ring("R5", 1, 2, 3).send(2, "R5", 1).send(3, "R5", 2)
    story.transit([2, 3], "T", [2, 3]).deliver([3], "R5", 2)
    return story.deliver([2], "R5", 1, 2)


def test_what_nobody_delivers_may_be_left_out_in_transition() -> None:
    """Its sender died with it, and the others had not seen it when they sent."""
    story = Story().ring("R5", 1, 2, 3).send(2, "R5", 1).send(3, "R5", 2)
    story.transit([3], "T", [2, 3]).deliver([3], "R5", 2).end("crash", 2)
    assert rules(story.configure([3], "R9", [2, 3], 9)) == set()


def test_a_strangers_message_may_be_left_out_in_transition() -> None:
    story = Story().ring("R5", 1, 2, 3).send(1, "R5", 1).send(2, "R5", 2)
    story.end("crash", 1).transit([2, 3], "T", [2, 3]).deliver([2, 3], "R5", 2)
    assert rules(story.configure([2, 3], "R9", [2, 3], 9)) == set()


@breaks("D4")
def numbers_out_of_order_at_all_alike() -> Story:
    story = Story().ring("R5", 1, 2).send(1, "R5", 2).send(1, "R5", 1)
    return story.deliver([1, 2], "R5", 2, 1)


# Safety


@breaks("D5")
def a_safe_message_that_another_member_goes_on_without() -> Story:
    story = Story().ring("R5", 1, 2).send(1, "R5", 1, "safe").deliver([1], "R5", 1)
    return story.apart("x", 9, (1,), (2,))


@breaks("D5")
def a_safe_message_in_transition_that_a_fellow_goes_on_without() -> Story:
    story = Story().ring("R5", 1, 2, 3).send(1, "R5", 1, "safe").end("crash", 1)
    story.transit([2], "T", [2, 3]).deliver([2], "R5", 1).configure([2], "R9", [2, 3], 9)
    return story.transit([3], "Ty", [3]).configure([3], "R13", [3], 13)


def test_a_safe_message_may_be_missed_by_who_died() -> None:
    story = Story().ring("R5", 1, 2).send(1, "R5", 1, "safe").deliver([1], "R5", 1)
    assert rules(story.end("crash", 2).apart("x", 9, (1,))) == set()


@breaks("D6")
def a_safe_message_where_a_member_never_was() -> Story:
    story = Story().boot(1, 2).transit([1], "Ta").configure([1], "R5", [1, 2], 5)
    story.send(1, "R5", 1, "safe").deliver([1], "R5", 1)
    return story.transit([2], "Tb").configure([2], "R7", [2], 7)


@breaks("O1")
def a_promise_that_is_broken() -> Story:
    story = Story().ring("R5", 1, 2, 3).send(1, "R5", 1).deliver([1], "R5", 1).end("crash", 1)
    for node in (2, 3):
        story.add(node, "recovered", ring="R9", obligations=[1, 2, 3])
    story.transit([2], "T", [2, 3]).deliver([2], "R5", 1).configure([2], "R9", [2, 3], 9)
    return story.transit([3], "Ty", [3]).configure([3], "R13", [3], 13)


def test_a_promise_that_is_kept_elsewhere_is_kept() -> None:
    story = Story().ring("R5", 1, 2, 3).send(1, "R5", 1).deliver([1], "R5", 1).end("crash", 1)
    for node in (2, 3):
        story.add(node, "recovered", ring="R9", obligations=[1, 2, 3])
    story.transit([2], "T", [2, 3]).deliver([2], "R5", 1).configure([2], "R9", [2, 3], 9)
    story.transit([3], "Ty", [3]).deliver([3], "R5", 1).configure([3], "R13", [3], 13)
    assert rules(story) == set()


# Time


@breaks("T1")
def a_stamp_that_differs_from_member_to_member() -> Story:
    story = Story().ring("R5", 1, 2).send(1, "R5", 1).deliver([1], "R5", 1)
    return story.deliver([2], "R5", 1, timestamp=5000)


@breaks("T1")
def a_flag_that_one_member_does_not_see() -> Story:
    story = Story().ring("R5", 1, 2).send(1, "R5", 1).deliver([1], "R5", 1)
    return story.deliver([2], "R5", 1, flags=["suspect"])


@breaks("T2")
def a_stamp_not_above_the_one_before() -> Story:
    story = Story().ring("R5", 1, 2).send(1, "R5", 1).send(2, "R5", 2)
    return story.deliver([1, 2], "R5", 1, timestamp=5000).deliver([1, 2], "R5", 2, timestamp=5000)


@breaks("T2")
def a_configuration_not_above_the_last_message() -> Story:
    story = Story().ring("R5", 1).send(1, "R5", 1).deliver([1], "R5", 1, timestamp=9000)
    return story.transit([1], "T").configure([1], "R9", [1], 9)


@breaks("T2")
def a_restart_under_the_times_before() -> Story:
    story = Story().ring("R5", 1).send(1, "R5", 1).deliver([1], "R5", 1, timestamp=9000)
    return story.end("crash", 1).boot(1, alone=7)


@breaks("T3", "T2")
def an_effect_not_above_its_cause() -> Story:
    story = Story().ring("R5", 1, 2, 3).send(1, "R5", 1).deliver([1, 2], "R5", 1, timestamp=9000)
    return story.send(2, "R5", 2).deliver([1, 2], "R5", 2)


@breaks("T4")
def a_bound_that_does_not_hold() -> Story:
    story = Story().ring("R5", 1)
    return story.send(1, "R5", 1, true_time=story.stamp("R5/1") + 6).deliver([1], "R5", 1)


def test_a_bound_that_just_holds_holds() -> None:
    story = Story().ring("R5", 1)
    story.send(1, "R5", 1, true_time=story.stamp("R5/1") + 5).deliver([1], "R5", 1)
    assert rules(story) == set()


# Liveness


@breaks("B8")
def an_end_with_the_dead() -> Story:
    return three().end("crash", 3).mark("healed").mark("quiet")


@breaks("B8")
def an_end_with_those_who_are_elsewhere() -> Story:
    return three().apart("x", 9, (3,)).mark("healed").mark("quiet")


@breaks("P1")
def a_submission_that_is_never_sent() -> Story:
    story = three()
    story.add(1, "submit", handle="h", service="agreed", digest="d")
    return story.mark("healed").mark("quiet")


@breaks("P1")
def a_message_that_a_member_never_delivers() -> Story:
    story = Story().ring("R5", 1, 2)
    story.add(1, "submit", handle="R5/1", service="agreed", digest="d1")
    story.send(1, "R5", 1).deliver([1], "R5", 1)
    return story.mark("healed").mark("quiet")


@breaks("P2")
def an_end_in_transition() -> Story:
    return Story().ring("R5", 1).transit([1], "T").mark("healed").mark("quiet")


@breaks("P3")
def changes_that_do_not_end() -> Story:
    story = Story().ring("R5", 1).mark("healed", at=10)
    story.transit([1], "T", at=90).configure([1], "R9", [1], 9, at=91)
    return story.mark("quiet", at=100)


def test_without_quiet_liveness_is_not_judged() -> None:
    assert rules(three().end("crash", 3)) == set()


@pytest.mark.parametrize(
    ("rule", "name", "story", "broken"), BROKEN, ids=[name for _, name, _, _ in BROKEN]
)
def test_a_history_that_breaks_a_rule_is_found(
    rule: str, name: str, story: Story, broken: set[str]
) -> None:
    verdict = judge(story.events)
    assert rules(story) == broken, [(v.rule, v.text) for v in verdict.violations]
    for violation in verdict.violations:
        assert violation.places, "the events are named"
        for place in violation.places:
            assert 1 <= place.line <= len(story.events)
        assert len(violation.text.splitlines()) == 1


def test_every_rule_has_its_history() -> None:
    wanted = {f"B{n}" for n in range(9)} | {f"D{n}" for n in range(1, 7)}
    wanted |= {"O1", "P1", "P2", "P3"} | {f"T{n}" for n in range(1, 5)}
    assert {rule for rule, _, _, _ in BROKEN} == wanted


PLACES = {
    "two_regular_ones_in_a_row": "1 configuration R1.1.1, 1 configuration R9",
    "one_id_with_two_contents": "1 configuration R5, 2 configuration R5",
    "a_ring_number_that_goes_back": "1 configuration R5, 1 configuration R5.1.2",
    "a_message_that_was_changed": "1 send R5/1, 1 deliver R5/1",
    "a_message_from_nowhere": "1 deliver R5/1",
    "a_message_sent_twice": "1 send R5/1, 1 send R5/1",
    "a_delivery_after_death": "2 crash, 2 deliver R5/2",
    "a_transition_that_lacks_a_fellow": "1 configuration Ta, 1 configuration R9, "
    "2 configuration R5",
    "two_who_see_two_messages_in_two_orders": "1 deliver R5/1, 1 deliver R5/2",
    "an_end_with_the_dead": "1 configuration R5, 3 crash",
    "a_message_its_sender_never_sees": "1 send R5/1, 1 configuration R9",
    "a_leave_without_ones_last_word": "1 send R5/1, 1 leave",
    "two_who_go_on_together_with_different_messages": "1 deliver R5/1, 2 configuration R5",
    "an_answer_before_its_question": "1 send R5/1, 2 send R5/2, 3 deliver R5/2",
    "a_hole_in_a_regular_configuration": "1 send R5/1, 2 deliver R5/2",
    "numbers_out_of_order_at_all_alike": "1 deliver R5/2, 1 deliver R5/1",
    "a_safe_message_that_another_member_goes_on_without": "1 deliver R5/1, 2 configuration R10",
    "a_safe_message_where_a_member_never_was": "1 configuration R5, 1 deliver R5/1",
    "a_promise_that_is_broken": "3 recovered, 2 deliver R5/1, 3 configuration R13",
    "a_message_that_a_member_never_delivers": "1 submit, 1 send R5/1, 2 configuration R5",
    "an_end_in_transition": "1 configuration T",
    "changes_that_do_not_end": "1 configuration T, 1 configuration R9",
    "a_stamp_that_differs_from_member_to_member": "1 deliver R5/1, 2 deliver R5/1",
    "a_stamp_not_above_the_one_before": "1 deliver R5/1, 1 deliver R5/2",
    "an_effect_not_above_its_cause": "1 deliver R5/1, 2 send R5/2",
    "a_bound_that_does_not_hold": "1 send R5/1, 1 deliver R5/1",
}


def test_a_violation_names_its_events() -> None:
    for rule, name, story, _ in BROKEN:
        if name not in PLACES:
            continue
        found = next(v for v in judge(story.events).violations if v.rule == rule)
        events = [story.events[place.line - 1] for place in found.places]
        told = ", ".join(
            f"{e['node']} {e['event']} {e.get('message', e.get('id', ''))}".rstrip() for e in events
        )
        assert told == PLACES[name], name
    assert set(PLACES) <= {name for _, name, _, _ in BROKEN}
    assert {rule for rule, name, _, _ in BROKEN if name in PLACES} == {rule for rule, *_ in BROKEN}


# The four properties, and what cannot happen


def test_a_message_cannot_be_missed_by_its_own_sender() -> None:
    """P1 sends M1 and never delivers it, although it goes on with the others, who do."""
    story = Story().ring("R5", 1, 2).send(1, "R5", 1).deliver([2], "R5", 1)
    assert rules(story) == set(), "it may come yet"
    assert rules(story.apart("x", 9, (1, 2))) == {"D1", "D2"}


def test_agreed_order_cannot_differ() -> None:
    """P1: M1 M2 M3 M4, P2: M1 M2 M4 M3, P3: M1 M2 M3 M4."""
    story = Story().ring("R5", 1, 2, 3)
    for n in (1, 2, 3, 4):
        story.send(1 + n % 3, "R5", n)
    story.deliver([1, 3], "R5", 1, 2, 3, 4)
    right = Story()
    right.__dict__.update(story.__dict__, events=[*story.events])
    assert rules(right.deliver([2], "R5", 1, 2, 3, 4)) == set()
    assert rules(story.deliver([2], "R5", 1, 2, 4, 3)) == {"B7", "D4", "T2"}


def test_a_safe_message_cannot_be_delivered_before_the_others_recovered_it() -> None:
    """P1 delivers M3 in the ring's configuration; P2 and P3, who never got it, go on without."""
    story = Story().ring("R5", 1, 2, 3)
    for n in (1, 2, 3):
        story.send(1, "R5", n, "safe")
    story.deliver([1, 2, 3], "R5", 1, 2).deliver([1], "R5", 3)
    story.transit([1], "Ta").configure([1], "R9", [1], 9).transit([2, 3], "Tb")
    right = Story()
    right.__dict__.update(story.__dict__, events=[*story.events])
    right.deliver([2, 3], "R5", 3).configure([2, 3], "R10", [2, 3], 10)
    assert rules(right) == set(), "they recover it first"
    assert rules(story.configure([2, 3], "R10", [2, 3], 10)) == {"D5"}


def test_a_configuration_cannot_come_before_a_message_at_one_and_after_it_at_another() -> None:
    """P1: M1 M2 M3 M4 T R; P2: M1 M2 M3 T R."""
    story = Story().ring("R5", 1, 2)
    for n in (1, 2, 3, 4):
        story.send(1, "R5", n)
    story.deliver([1], "R5", 1, 2, 3, 4).deliver([2], "R5", 1, 2, 3)
    right = Story()
    right.__dict__.update(story.__dict__, current={**story.current}, events=[*story.events])
    right.regular = {**story.regular}
    assert rules(right.deliver([2], "R5", 4).apart("x", 9, (1, 2))) == set()
    assert rules(story.apart("x", 9, (1, 2))) == {"D2"}


def example(q: tuple[int, ...] = (2, 4), p: tuple[int, ...] = (3, 4, 5)) -> Story:
    """The worked example of Amir's thesis, 4.2: p is 1, q and r are 2 and 3, s and t 4 and 5."""
    story = Story().ring("R5", 1, 2, 3)
    for n, sender in enumerate((1, 2, 1, 3, 1), 1):
        story.send(sender, "R5", n, "safe")
    story.deliver([1], "R5", 1, 2).deliver([2, 3], "R5", 1)
    story.boot(4, 5).transit([4], "Ts").transit([5], "Tt").configure([4, 5], "R6", [4, 5], 6)
    story.transit([1], "Tp").deliver([1], "R5", *p).configure([1], "R9", [1], 9)
    story.transit([2, 3], "Tq").deliver([2, 3], "R5", *q)
    story.transit([4, 5], "Tst")
    return story.configure([2, 3, 4, 5], "R13", [2, 3, 4, 5], 13)


def test_the_worked_example_is_clean() -> None:
    assert rules(example()) == set()


def test_the_worked_example_told_wrongly_is_found() -> None:
    late = "m5 behind the gap m3, of one who is not among us"
    assert rules(example(q=(2, 4, 5))) == {"D3"}, late
    assert rules(example(p=(4, 5))) == {"D1", "D3"}, "m3 is p's own, and before m5"
    assert rules(example(p=(3, 5))) == set(), "who knows whether p had m4, of r"
    assert rules(example(q=(4,))) == {"D1", "D4", "D5"}, "m2 is q's, and p delivered it as safe"
