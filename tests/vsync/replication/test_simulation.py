"""A user's own state machine, in the simulator."""

from clocksync.runtime.simulation import Fault
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND
from vsync.config import RingConfig
from vsync.replication.events import Applied, Restored, View
from vsync.replication.locks import Locks
from vsync.replication.machine import Replicated
from vsync.replication.objects import ReplicatedDict
from vsync.replication.quorum import MajorityOfExpected
from vsync.replication.replica import Replica
from vsync.replication.simulation import Stage

MS = MILLISECOND
POLICY = MajorityOfExpected({1, 2, 3})


class Account(Replicated):
    """An account that cannot be overdrawn; `careless` forgets that replicas must not differ."""

    def __init__(self, me, careless=False):
        self.me, self.careless = me, careless
        self.balance = 0

    def apply(self, command, context):
        amount = int(command) + (self.me if self.careless else 0)
        if self.balance + amount < 0:
            return "refused"
        self.balance += amount
        return self.balance

    def snapshot(self):
        yield b"%d" % self.balance

    def restore(self, pieces):
        (self.balance,) = map(int, pieces)

    def digest(self):
        return self.balance


def bank(seed, careless=False, **settings):
    def build(me):
        return {"bank": Replica(me, "bank", Account(me, careless), POLICY)}

    return Stage(seed=seed, count=3, build=build, policy=POLICY, **settings)


def test_a_state_machine_of_ones_own_is_replicated():
    stage = bank(3)
    stage.world.run_for(300 * MS)
    handles = stage.submit_to(2, "bank", [b"100", b"-30", b"-80"])
    stage.world.run_for(100 * MS)
    results = [each for each in stage.events(2) if isinstance(each, Applied)]
    assert [each.handle for each in results] == list(handles)
    assert [each.result for each in results] == [100, 70, "refused"]
    assert all(each.is_certain for each in results)
    assert [stage.core(me, "bank").machine.balance for me in stage.members] == [70, 70, 70]
    assert stage.disagreements == []


def test_replicas_that_differ_are_found():
    stage = bank(3, careless=True)
    stage.world.run_for(300 * MS)
    stage.submit_to(1, "bank", [b"100"])
    stage.world.run_for(100 * MS)
    assert "bank at R" in stage.disagreements[0]


def test_a_workload_and_faults_are_drawn_from_the_seed():
    def play(seed):
        stage = bank(
            seed,
            workload=lambda stage, me, random: stage.submit_to(
                me, "bank", [b"%d" % random.randint(-9, 9)]
            ),
        )
        stage.work(400 * MS)
        stage.inflict(stage.draw_faults(("partition", "restart"), 400 * MS, 4))
        stage.world.run_for(SECOND)
        return stage

    stage = play(5)
    assert stage.told == play(5).told
    assert stage.told != play(6).told
    assert stage.disagreements == []


def test_a_member_that_is_down_is_asked_nothing():
    stage = bank(3)
    stage.world.run_for(200 * MS)
    stage.world.crash(2)
    assert stage.submit_to(2, "bank", [b"1"]) is None
    assert not stage.do(2, lambda member, now: member.leave("bank"))
    assert not stage.ask(1, "no such group", lambda core, now: [])


def test_a_member_that_restarts_is_built_anew_and_gets_the_state():
    stage = bank(4)
    stage.world.run_for(200 * MS)
    stage.submit_to(1, "bank", [b"5"])
    stage.world.run_for(50 * MS)
    stage.inflict([Fault(stage.world.now, "crash", (3,), 100 * MS)])
    stage.world.run_for(SECOND)
    assert [type(each) for each in stage.events(3)].count(Restored) == 2
    assert stage.core(3, "bank").machine.balance == 5


def test_locks_and_their_timers_run_in_it():
    stage = Stage(
        seed=3,
        count=3,
        build=lambda me: {"locks": Locks(me, "locks", POLICY)},
        policy=POLICY,
    )
    stage.world.run_for(200 * MS)
    assert stage.ask(1, "locks", lambda core, now: core.acquire(7, ["a"], now))
    stage.world.run_for(10 * SECOND)
    core, now = stage.core(1, "locks"), stage.world.node(1).monotonic.read()
    assert core.holds(7, now)
    assert core.until_ns > now


def test_a_large_state_does_not_stop_the_traffic():
    """A newcomer gets its state over dozens of rotations; meanwhile the others' commands take no
    more of them than ever."""
    config = RingConfig.simulated(datagram_bytes=1472, visit_max=40, window=120, gap_max=400)

    def build(me):
        return {"d": Replica(me, "d", ReplicatedDict(), POLICY, chunk_bytes=4 << 10)}

    stage = Stage(seed=5, count=3, build=build, policy=POLICY, config=config, keep=0)
    stage.world.run_for(200 * MS)
    for n in range(40):
        stage.submit_to(1, "d", [ReplicatedDict.set(f"key {n}", "x" * 8_000)])
    stage.world.run_for(200 * MS)
    stage.world.crash(3)
    stage.world.run_for(400 * MS)
    stage.world.restart(3)
    assert stage.world.run_until(lambda: _is_there(stage, 3), stage.world.now + SECOND)
    asked = {}
    while not stage.core(3, "d").is_current:
        handles = stage.submit_to(2, "d", [ReplicatedDict.set("small", len(asked))])
        asked[handles[0]] = stage.world.now
        stage.world.run_for(2 * MS)
    stage.world.run_for(50 * MS)
    took = [
        told.time - asked[told.event.handle]
        for told in stage.told
        if told.node == 2 and isinstance(told.event, Applied) and told.event.handle in asked
    ]
    assert len(took) == len(asked) > 20
    rotation = 3 * 1200 * MICROSECOND
    assert max(took) < 6 * rotation, "an ordinary safe command takes two to four"
    assert stage.core(3, "d").machine.get("small") == len(asked) - 1
    assert stage.disagreements == []


def _is_there(stage, me):
    return any(
        isinstance(told.event, View) and told.node == me and told.incarnation == 2
        for told in stage.told
    )
