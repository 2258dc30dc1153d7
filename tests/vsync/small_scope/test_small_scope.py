"""All that can happen in some small worlds keeps the rules; and what breaks one is found."""

from random import Random

import pytest

from tests.vsync.small_scope.scopes import SCOPES
from tests.vsync.small_scope.search import Group, main, search
from vsync.recovery import Recovery, Step
from vsync.ring import Ring

# The numbers of states are known; fewer would mean that something is not explored any more.
IN_FULL = {
    "pair-order": 11_000,
    "pair-order-accelerated": 21_000,
    "pair-lingering": 31_000,
    "pair-lingering-loss": 75_000,
    "pair-loss": 31_000,
    "pair-boot": 100_000,
    "three-order": 1_300,
    "three-parting": 240_000,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", IN_FULL)
def test_nothing_that_can_happen_breaks_a_rule(name):
    found = search(SCOPES[name], proves_dead=name in ("pair-order", "three-order"))
    assert not found.wrong, "\n".join([found.wrong, *found.trace])
    assert found.is_exhausted
    assert found.states >= IN_FULL[name]
    lost = "gather (the token did not come back in time)"
    assert (lost in found.told) == (name in ("pair-loss", "pair-lingering-loss", "three-parting"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pair-losses", "pair-merging", "pair-restart", "three-crash"])
def test_nothing_that_can_happen_soon_breaks_a_rule(name):
    found = search(SCOPES[name], states=6_000)
    assert not found.wrong, "\n".join([found.wrong, *found.trace])
    assert found.states >= 6_000


# Broken engines: (class, method, what it does instead, scope, what the search says)


def safe_as_agreed(ring):
    return ring.log.frames.get(ring.delivered + 1)


def safe_after_one_visit(ring, received):
    ring.safe = max(ring.safe, received)


def install_when_promised(recovery, recovering, sequence, received, most):
    return Step.INSTALL if recovery.promised else Step.PROMISE


BROKEN = [
    (Ring, "next_deliverable", safe_as_agreed, "pair-order", "delivered as safe"),
    (Ring, "next_deliverable", safe_as_agreed, "three-order", "delivered as safe"),
    (Ring, "_advance_safe", safe_after_one_visit, "pair-order", "delivered as safe"),
    (Ring, "_advance_safe", safe_after_one_visit, "three-order", "delivered as safe"),
    (Recovery, "after_visit", install_when_promised, "pair-loss", "does not deliver it"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("cls", "name", "broken", "scope", "says"), BROKEN)
def test_canary(cls, name, broken, scope, says, monkeypatch):
    monkeypatch.setattr(cls, name, broken)
    found = search(SCOPES[scope], seconds=20)
    assert says in found.wrong
    assert found.trace


def test_a_violation_is_told_step_by_step(monkeypatch, capsys):
    monkeypatch.setattr(Ring, "next_deliverable", safe_as_agreed)
    assert main(["--scope", "pair-order", "--quick"]) == 1
    told = capsys.readouterr().out
    assert "   1. node 2 submits message 1, safe" in told
    assert "do not have it" in told


def test_a_search_without_a_violation_ends_well(capsys):
    assert main(["--scope", "pair-order", "--states", "100"]) == 0
    assert "not exhausted" in capsys.readouterr().out


def test_an_exception_is_a_violation(monkeypatch):
    def fail(ring, token):
        raise RuntimeError("planted")

    # Not before the ring is there.
    group = Group(SCOPES["pair-order"])
    whole = group.first()
    monkeypatch.setattr(Ring, "is_possible", fail)
    monkeypatch.setattr(Group, "first", lambda self: whole)
    monkeypatch.setattr("tests.vsync.small_scope.search.Group", lambda *_: group)
    found = search(SCOPES["pair-order"])
    assert "planted" in found.wrong


# That what is looked up is what engines do


class Unchanged:
    """Engines beside a search that nobody takes apart, normalises or copies."""

    def __init__(self, group):
        self.group = group
        self.engines = {}

    def follow(self, n, value, action):
        """Do the same to the engine of a member as was done to its value; what comes of it."""
        members = self.group.members
        down = members.known[value].down
        if action[0] == "crash":
            return None
        if down is not None:
            self.engines[n] = members.process(down)
        return members.play(self.engines[n], action)


def start_together(group):
    """The first state, with engines that went through the same."""
    beside = Unchanged(group)
    after = group._after

    def both(whole, n, action):
        beside.follow(n, whole[3 * n], action)
        return after(whole, n, action)

    group._after = both
    return group.first(), beside


@pytest.mark.parametrize("name", SCOPES)
def test_values_do_what_engines_do(name):
    random = Random(name)
    for _ in range(3):
        group = Group(SCOPES[name], judges=False)
        whole, beside = start_together(group)
        for _ in range(60):
            moves = list(group.moves(whole))
            if not moves:
                break
            n, move = random.choice(moves)
            if move.how != "lose":
                played = beside.follow(n, whole[3 * n], move.action)
                if played is not None:
                    known = group.members.outcome(whole[3 * n], move.action).played
                    assert known == played
            whole = group.after(whole, n, move)


def test_a_value_comes_back_as_itself():
    group = Group(SCOPES["pair-boot"])
    whole = group.first()
    random = Random(1)
    for _ in range(200):
        moves = list(group.moves(whole))
        if not moves:
            break
        whole = group.after(whole, *random.choice(moves))
    members = group.members
    for number, member in enumerate(members.known):
        if member.down is None:
            assert members._number(members._thaw(number), member.life) == number


def test_what_is_left_out_for_less_budget_leads_nowhere_else(monkeypatch):
    scope = SCOPES["three-order"]
    few = search(scope)
    monkeypatch.setattr(Group, "is_covered", lambda *_: False)
    many = search(scope)
    assert many.states > few.states
    assert many.histories == few.histories
    assert many.values == few.values
