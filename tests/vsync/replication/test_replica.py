"""A replicated state machine: cuts, transfers, primaries, and what is told of each command."""

import pytest

from clocksync.runtime.errors import MisusedCore
from tests.vsync.replication.order import Order
from vsync.identity import Service
from vsync.replication.events import (
    Absorbed,
    Applied,
    Discarded,
    LeaveRefused,
    Multicast,
    PrimaryChanged,
    Rejected,
    Restored,
    Settled,
    View,
)
from vsync.replication.machine import Replicated
from vsync.replication.quorum import NO_QUORUM, MajorityOfExpected, MajorityOfLast
from vsync.replication.replica import COMMAND, SYNCED, Replica


class Journal(Replicated):
    """Every command, and every change of members."""

    def __init__(self):
        self.entries = []
        self.contexts = []

    def apply(self, command, context):
        self.contexts.append(context)
        self.entries.append(command.decode())
        return len(self.entries)

    def members_changed(self, view):
        self.entries.append(f"+{view.joined} -{view.left}")

    def snapshot(self):
        return [entry.encode() for entry in self.entries]

    def restore(self, pieces):
        self.entries = [piece.decode() for piece in pieces]

    @property
    def commands(self):
        return [entry for entry in self.entries if entry[0] not in "+"]


class Play(Order):
    """An order on which all keep a journal in the group ``j``."""

    def __init__(self, *members, policy=NO_QUORUM, **settings):
        super().__init__(*members, policy=policy)
        self.policy, self.settings = policy, settings
        self.handles = dict.fromkeys(members, 0)

    def join(self, *members):
        for me in members:
            replica = Replica(me, "j", Journal(), self.policy, **self.settings)
            self.do(me, self.members[me].join("j", replica))

    def replica(self, me):
        return self.members[me].cores["j"]

    def journal(self, me):
        return self.replica(me).machine

    def submit(self, me, *commands):
        first = self.handles[me] + 1
        self.handles[me] += len(commands)
        encoded = [command.encode() for command in commands]
        self.do(me, self.members[me].ask("j", lambda core: core.submit(first, encoded)))

    def place(self, me, command):
        """Submit a command, and let it be delivered to all, with what its sender sends before."""
        self.submit(me, command)
        while self.order(me).payloads != (COMMAND + command.encode(),):
            self.deliver()
        self.deliver()

    def open(self, *members):
        """Begin a ring, as far as it is opened."""
        ring = self.ring(*members)
        while any(self.replica(me).standing.ring != ring for me in members):
            self.order()
            self.deliver()
        return ring

    def outcomes(self, me):
        kinds = (Applied, Absorbed, Rejected, Discarded, Settled)
        return [each for each in self.told[me] if isinstance(each, kinds)]


MAJORITY = MajorityOfExpected({1, 2, 3})


def begun(*members, policy=NO_QUORUM, **settings):
    """All on one ring, holding one state."""
    play = Play(*members, policy=policy, **settings)
    play.ring(*members)
    play.join(*members)
    play.run()
    return play


def holding(commands, *, by, of, **settings):
    """A ring of some members, by a few of whom a journal of `commands` is held already."""
    play = Play(*of, **settings)
    play.ring(*of)
    play.join(*by)
    play.run()
    play.submit(by[0], *commands)
    play.run()
    return play


def restart_blank(play, *members):
    """Some of three start again, with no state, on a ring without the others."""
    for me in members:
        play.restart(me, MAJORITY)
    play.ring(*sorted({1, 2, 3}.difference(members)))
    play.ring(*members)
    play.join(*members)
    play.run()


def test_all_apply_the_same_commands_in_the_same_order():
    play = begun(1, 2, 3)
    play.submit(1, "a", "b")
    play.submit(2, "c")
    play.run()
    assert play.journal(1).commands == ["a", "b", "c"]
    assert play.journal(2).entries == play.journal(3).entries == play.journal(1).entries
    assert [each.result for each in play.outcomes(2)] == [play.journal(2).entries.index("c") + 1]


def test_the_context_is_the_same_at_all_replicas_and_says_where_a_command_stands():
    play = begun(1, 2)
    play.submit(2, "a", "b")
    play.run()
    first, second = play.journal(1).contexts[-2:]
    assert play.journal(2).contexts[-2:] == [first, second]
    assert (first.origin, second.place, second.timestamp) == (2, 1, first.timestamp + 1)
    assert first.name.endswith(".0")
    assert second.name.endswith(".1")


def test_own_commands_are_told_by_handle_when_they_were_applied_here():
    play = begun(1, 2)
    play.submit(1, "a", "b")
    assert play.outcomes(1) == []
    play.run()
    assert [(each.handle, each.is_certain) for each in play.outcomes(1)] == [(1, False), (2, False)]
    assert play.outcomes(2) == []


def test_who_joins_receives_the_state_and_what_was_delivered_meanwhile():
    play = holding(["first", "second"], by=[1], of=[1, 2], chunk_bytes=3, chunk_window=1)
    play.join(2)
    play.order(2)
    play.deliver()
    play.submit(2, "by the newcomer")
    play.submit(1, "meanwhile")
    play.order(2)
    play.deliver()
    assert not play.replica(2).is_current
    assert play.journal(2).entries == []
    play.run()
    assert play.replica(2).is_current
    assert play.journal(2).entries == play.journal(1).entries
    assert play.heard(2, Restored) == [Restored("j", 1, 2)]
    assert [type(each) for each in play.outcomes(2)] == [Applied]


def test_the_sender_applies_on_while_the_state_is_on_its_way():
    play = holding("abcdef", by=[1], of=[1, 2], chunk_bytes=1, chunk_window=1)
    play.join(2)
    for _ in range(4):
        play.order()
        play.deliver()
    play.submit(1, "g")
    play.run()
    assert play.journal(2).entries == play.journal(1).entries
    assert play.journal(1).commands == list("abcdefg")


def test_a_sender_has_few_chunks_under_way():
    play = holding("abcdefgh", by=[1], of=[1, 2], chunk_bytes=1, chunk_window=2)
    play.join(2)
    most = 0
    while play.order() is not None:
        play.deliver()
        most = max(most, len(play.outbox[1]))
    assert most <= 2
    assert play.journal(2).entries == play.journal(1).entries


def test_another_sends_the_state_when_the_sender_leaves_the_group():
    play = holding("abc", by=[1, 2], of=[1, 2, 3], chunk_bytes=1, chunk_window=1)
    play.join(3)
    for _ in range(3):
        play.order()
        play.deliver()
    play.submit(3, "of the newcomer")
    play.order(3)
    play.deliver()
    play.do(1, play.members[1].leave("j"))
    play.run()
    assert play.heard(3, Restored)[-1].source == 2
    assert play.journal(3).entries == play.journal(2).entries
    assert [type(each) for each in play.outcomes(3)] == [Absorbed]


def test_who_alone_has_the_state_does_not_leave_while_others_receive_it():
    play = holding("abcdef", by=[1], of=[1, 2], chunk_bytes=1, chunk_window=1)
    play.join(2)
    play.order(2)
    play.deliver()
    with pytest.raises(MisusedCore, match="still receiving"):
        play.members[1].leave("j")
    play.run()
    play.do(1, play.members[1].leave("j"))
    play.run()
    assert play.replica(2).is_primary


def test_a_leave_is_refused_if_somebody_joined_meanwhile_who_needs_the_state():
    play = holding("abc", by=[1], of=[1, 2], chunk_bytes=1, chunk_window=1)
    play.do(1, play.members[1].leave("j"))
    play.submit(1, "while leaving")
    play.join(2)
    play.order(2)
    play.run()
    assert play.heard(1, LeaveRefused) == [LeaveRefused("j")]
    assert play.journal(2).commands == [*"abc", "while leaving"]
    play.do(1, play.members[1].leave("j"))
    play.submit(1, "never sent")
    play.run()
    assert play.heard(1, View)[-1].members == (2,)
    assert "j" not in play.members[1].cores
    play.submit(2, "d")
    play.run()
    assert play.journal(2).commands == [*"abc", "while leaving", "d"]


def test_a_ring_that_ends_in_the_middle_begins_another_round():
    play = Play(1, 2, 3, chunk_bytes=1, chunk_window=1)
    for side in ((1, 2), (3,)):
        play.ring(*side)
        play.join(*side)
        play.run()
    play.submit(1, *"abcdef")
    play.run(3)
    play.ring(1, 2, 3)
    for _ in range(7):
        play.order()
        play.deliver()
    assert not play.replica(3).is_current
    play.ring(1, 2, 3)
    play.run()
    assert play.replica(3).is_current
    assert play.journal(3).entries == play.journal(1).entries
    assert play.heard(3, Restored) == [Restored("j", 1, 6)]


# Without a quorum policy


def test_where_two_components_meet_the_longer_history_stays_and_the_other_is_told():
    play = begun(1, 2)
    play.submit(1, "together")
    play.run()
    for side, commands in (((1,), ["one"]), ((2,), ["two", "three"])):
        play.ring(*side)
        play.run()
        play.submit(side[0], *commands)
        play.run()
    play.ring(1, 2)
    play.run()
    assert play.journal(1).commands == ["together", "two", "three"] == play.journal(2).commands
    assert play.heard(1, Discarded) == [Discarded("j", 1, (b"one",), (2,), True)]
    assert play.heard(2, Discarded) == []


def test_of_two_equally_long_histories_that_with_the_smallest_member_stays():
    play = begun(1, 2)
    for me in (2, 1):
        play.ring(me)
        play.run()
        play.submit(me, f"of {me}")
        play.run()
    play.ring(1, 2)
    play.run()
    assert play.journal(2).commands == ["of 1"]


def test_a_receiver_whose_sender_is_gone_goes_on_with_its_own_state():
    play = Play(1, 2, chunk_bytes=1, chunk_window=1)
    for me in (1, 2):
        play.ring(me)
        play.join(me)
        play.run()
    play.submit(1, *"abcdef")
    play.run()
    play.submit(2, "mine")
    play.run()
    play.open(1, 2)
    play.place(2, "while receiving")
    assert play.journal(2).commands == ["mine"]
    play.ring(2)
    play.run()
    assert play.journal(2).commands == ["mine", "while receiving"]
    assert [each.handle for each in play.heard(2, Applied)] == [1, 2]


# With a majority


def test_the_first_primary_needs_everybody():
    play = Play(1, 2, 3, policy=MAJORITY)
    play.ring(1, 2)
    play.join(1, 2)
    play.run()
    play.submit(1, "too early")
    play.run()
    assert not play.replica(1).is_primary
    assert [type(each) for each in play.outcomes(1)] == [Rejected]
    play.ring(3)
    play.join(3)
    play.run()
    play.ring(1, 2, 3)
    play.run()
    assert all(play.replica(me).is_primary for me in (1, 2, 3))
    play.submit(1, "now")
    play.run()
    assert play.outcomes(1)[-1].is_certain


def test_a_minority_applies_nothing():
    play = begun(1, 2, 3, policy=MAJORITY)
    play.ring(3)
    play.run()
    play.submit(3, "alone")
    play.run()
    assert play.journal(3).commands == []
    assert play.outcomes(3) == [Rejected("j", 1, "those who are here are no quorum")]
    assert [each.is_primary for each in play.heard(3, PrimaryChanged)] == [True, False]


def test_a_majority_of_which_one_holds_the_state_is_none():
    """Two come back blank. Until they have the state a command would be lost with its holder."""
    play = begun(1, 2, 3, policy=MAJORITY, chunk_bytes=1, chunk_window=1)
    play.submit(1, *"abc")
    play.run()
    restart_blank(play, 2, 3)
    assert not play.replica(2).is_primary, "two who have just started know nothing"
    play.open(1, 2, 3)
    play.place(1, "waits")
    assert not play.replica(1).is_primary
    assert play.journal(1).commands == list("abc")
    play.run()
    assert all(play.journal(me).commands == [*"abc", "waits"] for me in (1, 2, 3))


def test_a_command_that_one_member_delivered_before_it_was_cut_off_is_told_as_discarded():
    play = begun(1, 2, 3, policy=MAJORITY, service=Service.AGREED)
    play.submit(3, "known to me only")
    play.order(3)
    play.deliver(3)
    assert play.outcomes(3) == [Applied("j", 1, play.outcomes(3)[0].result, False)]
    ring = play.ring_of[3]
    lost = {len(play.log[ring])}
    play.ring(3)
    play.ring(1, 2, lose=lost)
    play.run()
    assert play.replica(1).is_primary
    play.ring(1, 2, 3)
    play.run()
    assert play.journal(3).commands == []
    assert play.heard(3, Discarded) == [Discarded("j", 1, (b"known to me only",), (1,), True)]


def test_the_last_words_of_a_primary_are_applied_and_certain_when_it_goes_on():
    """Somebody may have delivered them in the regular configuration, and told so."""
    play = begun(1, 2, 3, policy=MAJORITY)
    play.submit(3, "safe")
    play.order(3)
    play.deliver(3)
    assert play.outcomes(3)[0].is_certain
    play.submit(2, "of mine")
    play.order(2)
    play.ring(3)
    play.ring(1, 2)
    assert play.journal(1).commands == ["safe", "of mine"] == play.journal(2).commands
    assert not play.outcomes(2)[0].is_certain
    play.run()
    assert play.outcomes(2)[1:] == [Settled("j", (1,))]
    play.ring(1, 2, 3)
    play.run()
    assert play.journal(3).commands == ["safe", "of mine"]


def test_a_command_delivered_while_the_state_is_missing_is_absorbed():
    play = begun(1, 2, 3, policy=MAJORITY, chunk_bytes=1, chunk_window=1)
    play.ring(3)
    play.ring(1, 2)
    play.run()
    play.submit(1, *"abc")
    play.run()
    play.open(1, 2, 3)
    play.place(3, "from outside")
    assert "from outside" in play.journal(1).commands
    play.ring(3)
    play.ring(1, 2)
    play.run()
    assert play.outcomes(3) == [], "who knows what became of it?"
    play.ring(1, 2, 3)
    play.run()
    assert play.outcomes(3) == [Absorbed("j", 1), Settled("j", (1,))]
    assert play.journal(3).commands == ["a", "b", "c", "from outside"]


def test_what_a_minority_hears_of_an_older_state_settles_nothing():
    """A third component may know better than the one that is met first."""
    policy = MajorityOfLast({1, 2, 3, 4})
    play = begun(1, 2, 3, 4, policy=policy, chunk_bytes=1, chunk_window=1)
    for side in ((4,), (3,), (1, 2)):
        play.ring(*side)
        play.run()
    play.submit(1, "a")
    play.run()
    play.open(1, 2, 3)
    play.place(3, "in doubt")
    assert "in doubt" in play.journal(1).commands
    play.ring(1, 2)
    play.ring(3, 4)
    play.run()
    assert play.outcomes(3) == []
    play.ring(1, 2, 3, 4)
    play.run()
    assert isinstance(play.outcomes(3)[0], Absorbed)


def test_waiting_commands_are_rejected_only_when_it_is_certain_that_nobody_applied_them():
    play = begun(1, 2, 3, policy=MAJORITY, chunk_bytes=1, chunk_window=1)
    restart_blank(play, 2, 3)
    play.open(1, 2, 3)
    play.place(1, "waits")
    play.ring(1, 2)
    play.run()
    assert play.outcomes(1) == []
    play.ring(1, 2, 3)
    play.run()
    assert [type(each) for each in play.outcomes(1)] == [Rejected]
    assert play.journal(1).commands == []


def test_a_member_that_is_received_counts_only_when_all_know_that_it_has_the_state():
    play = begun(1, 2, 3, policy=MAJORITY, chunk_bytes=1)
    restart_blank(play, 3)
    play.ring(1, 2, 3)
    while not play.replica(3).is_current:
        play.order()
        play.deliver()
    assert 3 not in play.replica(1).standing.holders
    assert not play.replica(3).has_voice
    play.run()
    assert play.replica(1).standing.holders == {1, 2, 3}
    assert play.replica(3).has_voice


def test_synced_of_an_old_ring_does_not_count(*_):
    play = begun(1, 2, 3, policy=MAJORITY, chunk_bytes=1, chunk_window=1)
    play.submit(1, *"abcdef")
    play.run()
    restart_blank(play, 3)
    old = play.ring(1, 2, 3)
    play.open(1, 2, 3)
    late = Multicast((SYNCED + str(old).encode(),), Service.SAFE, play.replica(1).number)
    play.replica(3)._own.append(None)
    play.outbox[3].append(late)
    while play.order(3) is not None:
        play.deliver()
    assert not play.replica(3).is_current
    assert 3 not in play.replica(1).standing.holders


def test_members_that_leave_do_so_at_one_place_of_the_order(*_):
    """Who gets the last of the state when the ring has ended already has heard who is gone. In the
    state they leave later, after who joined meanwhile."""
    play = holding("a", by=[1, 4], of=[1, 2, 3, 4], chunk_bytes=1, chunk_window=1)
    play.join(2, 3)
    for me in (2, 3):
        play.order(me)
    play.deliver()
    assert not play.replica(2).is_current
    while play.order() is not None:
        play.deliver(1)
    play.ring(1, 2, 3)
    assert play.replica(2).is_current
    play.run()
    assert play.journal(2).entries == play.journal(1).entries == play.journal(3).entries
    assert play.journal(1).entries[-1] == "+() -(4,)"


def test_a_state_is_only_for_those_it_names():
    play = holding("abc", by=[1], of=[1, 2, 3], chunk_bytes=1)
    play.join(2)
    play.run()
    play.join(3)
    play.run()
    assert len(play.heard(2, Restored)) == len(play.heard(3, Restored)) == 1
    assert play.journal(2).entries == play.journal(3).entries


@pytest.mark.parametrize("payload", [b"", b"s", b"sx", b"d", b"dnonsense", b"s" + bytes(30), b"?"])
def test_what_is_no_message_of_a_replica_is_ignored(payload):
    play = begun(1, 2)
    play.replica(2)._own.append(None)
    play.outbox[2].append(Multicast((payload,), Service.SAFE, play.replica(1).number))
    play.run()
    play.submit(1, "a")
    play.run()
    assert play.journal(1).commands == play.journal(2).commands == ["a"]


def test_commands_of_a_group_go_through_its_replica():
    play = begun(1)
    with pytest.raises(MisusedCore, match="submit commands"):
        play.members[1].multicast("j", [COMMAND + b"x"])
    with pytest.raises(MisusedCore, match="keeps no state"):
        play.members[1].ask("k", lambda core: core.submit(1, [b"x"]))


def test_while_the_ring_is_lost_a_replica_is_in_doubt():
    play = begun(1, policy=MajorityOfExpected({1}))
    assert not play.replica(1).in_doubt
    play.lose_ring(1)
    assert play.replica(1).in_doubt
    play.find_ring(1)
    assert not play.replica(1).in_doubt
    play.lose_ring(1)
    play.ring(1)
    assert play.replica(1).in_doubt
    play.run()
    assert not play.replica(1).in_doubt


def test_the_views_of_a_replicated_group_are_told_too():
    play = begun(1, 2)
    assert play.heard(1, View, "j")[-1].members == (1, 2)
