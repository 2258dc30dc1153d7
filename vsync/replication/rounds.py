"""A round: one state on its way from its smallest holder to those who lack it.

The sender takes the snapshot at the place of a view, and has a few chunks under way at once; one
that is delivered to itself makes room for the next. Receivers hold back all that is delivered after
that place. Several rounds may run side by side, one for each view that brought somebody.

A receiver waits for any state whose place it knows. If the sender leaves, another one begins at the
place of that view, and what was held back before it is in its state.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from vsync.events import Messages
from vsync.identity import RingId
from vsync.replication import parsing
from vsync.replication.events import View
from vsync.replication.lineage import Lineage
from vsync.replication.standing import Standing
from vsync.replication.transfer import Chunk, Incoming, Outgoing


class Held(NamedTuple):
    """A message that cannot be dealt with yet, and which of our commands it is."""

    messages: Messages
    place: int
    handle: int | None

    @property
    def payload(self) -> bytes:
        return self.messages.payloads[self.place]


@dataclass(frozen=True, slots=True)
class Worth:
    """What a state is worth, in the header of its round."""

    position: RingId
    applied: int
    lineage: Lineage
    standing: Standing

    def to_json(self) -> dict[str, object]:
        """A value of JSON; :meth:`from_json` reads it."""
        return {
            "applied": self.applied,
            "lineage": self.lineage.to_json(),
            "position": list(self.position),
            "standing": self.standing.to_json(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> "Worth":
        """The worth in a value of JSON.

        Raises:
            ValueError: there is none in it.
        """
        match value:
            case {"applied": int(applied), **rest}:
                return cls(
                    parsing.ring(rest.get("position")),
                    applied,
                    Lineage.from_json(rest.get("lineage")),
                    Standing.from_json(rest.get("standing")),
                )
        raise ValueError(f"{value!r} is no header of a state")


class Sender:
    """The rounds in which we send.

    Args:
        chunk_bytes: of one chunk.
        window: how many are under way at once.
    """

    def __init__(self, chunk_bytes: int, window: int) -> None:
        self._chunk_bytes, self._window = chunk_bytes, window
        self._rounds: list[Outgoing] = []

    @property
    def is_busy(self) -> bool:
        return bool(self._rounds)

    def begin(
        self, round: str, receivers: Iterable[int], worth: Worth, pieces: Iterable[bytes]
    ) -> list[Chunk]:
        """Begin a round: its first chunks."""
        outgoing = Outgoing(round, receivers, worth.to_json(), pieces, self._chunk_bytes)
        self._rounds.append(outgoing)
        return [outgoing.take() for _ in range(self._window) if not outgoing.is_done]

    def delivered(self, chunk: Chunk) -> list[Chunk]:
        """A chunk of ours was delivered to us: the next ones."""
        found = [
            outgoing.take()
            for outgoing in self._rounds
            if outgoing.round == chunk.round and not outgoing.is_done
        ]
        if chunk.is_last:
            self._rounds = [each for each in self._rounds if each.round != chunk.round]
        return found

    def forget(self, member: int) -> None:
        """A receiver has gone."""
        for outgoing in self._rounds:
            outgoing.receivers.discard(member)
        self._rounds = [each for each in self._rounds if each.receivers]

    def stop(self) -> None:
        """The ring has ended."""
        self._rounds = []


class Receiver:
    """What we hold back, and the state that comes.

    Args:
        view: the one from which on we are without the state.
    """

    def __init__(self, me: int, view: View) -> None:
        self.backlog: list[Held | View] = [view]
        self.worth: Worth | None = None
        self.incoming: Incoming | None = None
        self._me = me

    def take(self, chunk: Chunk) -> list[Held]:
        """Take a chunk, if it is for us.

        Returns:
            what needs not be held back any more: it is in the state that begins to come.
        """
        if chunk.number == 0:
            return self._begin(chunk)
        if self.incoming is not None:
            self.incoming.put(chunk)
        return []

    @property
    def is_complete(self) -> bool:
        return self.incoming is not None and self.incoming.is_complete

    def _begin(self, chunk: Chunk) -> list[Held]:
        try:
            incoming = Incoming(chunk)
            worth = Worth.from_json(incoming.header)
            receivers = parsing.integers(incoming.header.get("receivers"))
        except ValueError:
            return []
        if self._me not in receivers:
            return []
        for place, each in enumerate(self.backlog):
            # A round whose place we do not know is one of a ring before.
            if isinstance(each, View) and each.id == chunk.round:
                before, self.backlog = self.backlog[:place], self.backlog[place + 1 :]
                self.incoming, self.worth = incoming, worth
                return [held for held in before if isinstance(held, Held)]
        return []
