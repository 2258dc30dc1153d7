"""Into groups: what a program calls to be in one, with or without a state.  [I/O]"""

from typing import TypeVar

from ordering.mutex.leases import EpochConfig as LeaseConfig
from vsync.identity import Service
from vsync.node.channel import Joined, ProcessGroup
from vsync.node.locks import Locks
from vsync.node.services import Services
from vsync.node.state import State
from vsync.replication import locks as cores
from vsync.replication.machine import Replicated
from vsync.replication.quorum import Policy
from vsync.replication.replica import Replica

Machine = TypeVar("Machine", bound=Replicated)
Entering = TypeVar("Entering", bound=Joined)


class Entry:
    """The groups of one member. Whoever gives up waiting to be in is in all the same, later."""

    def __init__(self, services: Services, policy: Policy) -> None:
        self.services, self.policy = services, policy
        self._locks: list[Locks] = []

    async def join(self, name: str) -> ProcessGroup:
        """See :meth:`vsync.Group.join`."""
        joined = ProcessGroup(self.services, name)
        self.services.join(name, joined)
        return await _entered(joined)

    async def replicate(
        self, name: str, machine: Machine, service: Service, policy: Policy | None
    ) -> State[Machine]:
        """See :meth:`vsync.Group.replicate`."""
        me = self.services.member.me
        replica = Replica(me, name, machine, policy or self.policy, service=service)
        state = State(self.services, name, machine, replica)
        self.services.join(name, state, replica)
        return await _entered(state)

    async def locks(
        self, name: str, service: Service, policy: Policy | None, leases: LeaseConfig
    ) -> Locks:
        """See :meth:`vsync.Group.locks`."""
        me = self.services.member.me
        core = cores.Locks(me, name, policy or self.policy, leases=leases, service=service)
        locks = Locks(self.services, core)
        self.services.join(name, locks, core)
        self._locks.append(locks)
        return await _entered(locks)

    def retire(self) -> None:
        """The member is about to leave the ring: give back all locks."""
        for locks in self._locks:
            locks.retire()
        self.services.flush()


async def _entered(joined: Entering) -> Entering:
    await joined.ready()
    return joined
