"""What people come for: process groups, replicated state and locks over one ring, without I/O.

From below: :mod:`~.groups` (who is in which group, as messages in the ring's order),
:mod:`~.quorum` (which side of a divided network goes on), :mod:`~.replica` (one state machine, the
same everywhere), :mod:`~.locks` (a lock service without a server), :mod:`~.member` (all of it at
one process). ``docs/replication.md`` says what is promised; :mod:`~.simulation` runs it under
faults.
"""
