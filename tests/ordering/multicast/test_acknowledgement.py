"""When an update is acknowledged, and the lecture's cases told step by step."""

import pytest

from examples.sparing_acknowledgement import main, tell
from ordering.multicast.acknowledgement import Rule, own_update_to_await, reason

TWO_OWN = [(3, 7), (5, 8)]  # (time, number) of our outstanding updates


@pytest.mark.parametrize(
    ("rule", "me", "stamp", "awaited"),
    [
        (Rule.FULL, 1, (9, 2), 0),
        (Rule.SPARING, 1, (2, 2), 0),  # both of ours are later
        (Rule.SPARING, 1, (4, 2), 7),
        (Rule.SPARING, 1, (9, 2), 8),
        (Rule.SPARING, 1, (5, 2), 8),  # equal times: our identifier is smaller
        (Rule.SPARING, 3, (5, 2), 7),  # equal times: theirs is
        (Rule.IDENTIFIERS_ONLY, 1, (2, 2), 8),  # stamps do not count
        (Rule.IDENTIFIERS_ONLY, 3, (9, 2), 0),
    ],
)
def test_a_rule_names_the_last_of_our_updates_to_await(
    rule: Rule, me: int, stamp: tuple[int, int], awaited: int
) -> None:
    assert own_update_to_await(rule, me, stamp, TWO_OWN) == awaited
    said = reason(rule, me, stamp, TWO_OWN)
    assert said.startswith(f"P{me} {'holds back' if awaited else 'acknowledges'}")


@pytest.mark.parametrize("rule", list(Rule))
def test_without_an_update_of_our_own_every_rule_acknowledges(rule: Rule) -> None:
    assert own_update_to_await(rule, 1, (1, 2), []) == 0


def test_two_concurrent_updates_are_carried_out_m_then_n_at_both() -> None:
    story = tell(Rule.SPARING, {"m": (1, 1), "n": (1, 2)})
    assert story.done == {1: ["m", "n"], 2: ["m", "n"]}
    assert story.lines == [
        "P1 multicasts (m, 1.1)",
        "P2 multicasts (n, 1.2)",
        "P1 holds back its acknowledgement of (n, 1.2): its own (m, 1.1) < (n, 1.2)",
        "P2 acknowledges (m, 1.1): its own (n, 1.2) > (m, 1.1)",
        "P2 carries out (m, 1.1)",
        "P1 carries out (m, 1.1)",
        "P1 acknowledges (n, 1.2): its own update before it is carried out",
        "P1 carries out (n, 1.2)",
        "P2 carries out (n, 1.2)",
    ]


@pytest.mark.parametrize("rule", [Rule.SPARING, Rule.IDENTIFIERS_ONLY])
def test_a_third_update_is_acknowledged_by_each_only_after_its_own(rule: Rule) -> None:
    story = tell(rule, {"m": (1, 1), "n": (1, 2), "o": (1, 3)})
    assert set(map(tuple, story.done.values())) == {("m", "n", "o")}
    for process, own in ((1, "(m, 1.1)"), (2, "(n, 1.2)")):
        carried_out = story.lines.index(f"P{process} carries out {own}")
        acknowledged = story.lines.index(
            f"P{process} acknowledges (o, 1.3): its own update before it is carried out"
        )
        assert carried_out < acknowledged


def test_identifiers_alone_block_where_stamps_disagree() -> None:
    story = tell(Rule.IDENTIFIERS_ONLY, {"m": (6, 1), "n": (1, 2)})
    assert story.done == {1: [], 2: []}
    assert (
        "P1 holds back its acknowledgement of (n, 1.2): its identifier is not greater, 1 < 2, "
        "and its own is outstanding"
    ) in story.lines


@pytest.mark.parametrize("rule", [Rule.SPARING, Rule.FULL])
def test_whole_stamps_do_not_block_there(rule: Rule) -> None:
    assert tell(rule, {"m": (6, 1), "n": (1, 2)}).done == {1: ["n", "m"], 2: ["n", "m"]}


def test_the_example_tells_all_three_acts(capsys: pytest.CaptureFixture[str]) -> None:
    main()
    told = capsys.readouterr().out
    assert told.count("P1 has carried out: nothing, and never will") == 1
    assert told.count("P1 has carried out: m, n, o") == 1
