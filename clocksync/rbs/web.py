"""All pairs: what a receiver knows of every two clocks, from what it found and what others tell.

Every receiver tells the others how far their clocks are from its own. From that each has:

- of itself and another that it hears: its own finding, and nobody else's word;
- of two others that hear each other: the finding of one of the two;
- of two that do not hear each other (they hear different beacons): a chain over receivers that
  hear both, bounds added, the one of least error where there are several.

So who lies can spoil what is said of its own clock, and chains over it, and nothing else. Where a
lie can be seen it is: two findings of one pair, or two chains, that contradict each other make the
pair *disputed*, with a bound that holds all that is said; and around every triangle of receivers
that hear each other the three offsets must add up to 0 within their bounds.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import combinations

from clocksync.rbs.frames import TOLD_MAX, UNKNOWN_SKEW, Relations, signed, unsigned
from clocksync.rbs.hearing import READING_MAX
from clocksync.rbs.relation import HOPS_MAX, Relation, best_of
from clocksync.runtime.interval import Interval

CLAIMS_MAX = 256
"""Clocks of which one receiver can tell us."""
_UNKNOWN_SPREAD = (1 << 32) - 1


@dataclass(slots=True)
class Web:
    """What is known of all clocks.

    Args:
        me, epoch: this receiver and its clock.
    """

    me: int
    epoch: int
    max_drift_ppm: float
    own: dict[int, Relation] = field(default_factory=dict)
    """What we found of those that we hear."""
    epochs: dict[int, int] = field(default_factory=dict)
    """The present clock of those that we hear."""
    claims: dict[int, dict[int, Relation]] = field(default_factory=dict)
    """What those say that we hear, by who says it and of whom."""
    uneven: int = 0
    """Messages that say nothing possible."""

    def meet(self, host: int, epoch: int) -> None:
        """A host that we hear has this clock: what was known of an earlier one is void."""
        if self.epochs.get(host) == epoch:
            return
        self.epochs[host] = epoch
        self.own.pop(host, None)
        self.claims.pop(host, None)
        for claims in self.claims.values():
            claims.pop(host, None)

    def hear(self, sender: int, told: Relations) -> None:
        """What a host says that we hear."""
        if not told.is_even or self.epochs.get(sender) != told.epoch:
            self.uneven += not told.is_even
            return
        claims = self.claims.setdefault(sender, {})
        for relation in _read(sender, told):
            other = relation.b
            if other in (sender, 0) or relation.via in (self.me, sender):
                continue
            if other == self.me or relation.epoch_b != self.epochs.get(other, relation.epoch_b):
                continue  # of our own clock we take nobody's word
            if other in claims or len(claims) < CLAIMS_MAX:
                claims[other] = relation

    def known(self) -> dict[int, Relation]:
        """Every other clock against our own, by whose it is."""
        found = dict(self.own)
        chains: dict[int, list[Relation]] = {}
        for relation in self._chains():
            if relation.b not in self.own:
                chains.setdefault(relation.b, []).append(relation)
        for other, candidates in chains.items():
            best = best_of(candidates, self.max_drift_ppm)
            if best is not None:
                found[other] = best
        return dict(sorted(found.items()))

    def pairs(self) -> list[Relation]:
        """Every pair of clocks of which anything is known, the lower number first."""
        known = self.known()
        found = [self._ordered(relation) for relation in known.values()]
        for a, b in combinations(sorted({*known, *self._claimed()} - {self.me}), 2):
            best = best_of(self._between(a, b, known), self.max_drift_ppm)
            if best is not None:
                found.append(best)
        return sorted(found, key=lambda relation: (relation.a, relation.b))

    def relation(self, a: int, b: int) -> Relation | None:
        """Clock b against clock a, if anything is known of it."""
        for relation in self.pairs():
            if (relation.a, relation.b) == (min(a, b), max(a, b)):
                return relation if relation.a == a else self._turned(relation)
        return None

    def epoch_of(self, host: int) -> int:
        """Which clock of a host is meant here; 0 where it is not known."""
        if host == self.me:
            return self.epoch
        if host in self.epochs:
            return self.epochs[host]
        said = (claims[host].epoch_b for claims in self.claims.values() if host in claims)
        return next(said, 0)

    def loops(self) -> tuple[list[tuple[int, int, int]], int]:
        """The triangles whose offsets do not add up to 0, and how many were looked at."""
        direct = {(r.a, r.b): r for r in self.pairs() if r.hops == 1}
        hosts = sorted({host for pair in direct for host in pair})
        bad, looked_at = [], 0
        for a, b, c in combinations(hosts, 3):
            if not {(a, b), (b, c), (a, c)} <= direct.keys():
                continue
            looked_at += 1
            round_trip = direct[a, b].then(direct[b, c], self.max_drift_ppm)
            straight = direct[a, c].interval_at(round_trip.as_of, self.max_drift_ppm)
            if not round_trip.interval & straight:
                bad.append((a, b, c))
        return bad, looked_at

    def told(self, told_at: int) -> list[Relations]:
        """What we tell others, when our clock reads about `told_at`."""
        everything = self.known().values()
        told_at = max([told_at, *(relation.as_of for relation in everything)])
        known = [relation for relation in everything if _can_be_told(relation, told_at)]
        return [
            _written(self.epoch, told_at, known[n : n + TOLD_MAX])
            for n in range(0, len(known), TOLD_MAX)
        ]

    def _claimed(self) -> set[int]:
        return {other for claims in self.claims.values() for other in claims}

    def _chains(self) -> Iterator[Relation]:
        """From us by each whom we hear to each that it knows."""
        for sender, claims in sorted(self.claims.items()):
            ours = self.own.get(sender)
            if ours is None:
                continue
            for relation in claims.values():
                if relation.hops < HOPS_MAX:
                    yield ours.then(relation, self.max_drift_ppm)

    def _between(self, a: int, b: int, known: dict[int, Relation]) -> list[Relation]:
        """All that can be said of two others."""
        found = []
        for one, other in ((a, b), (b, a)):
            claim = self.claims.get(one, {}).get(other)
            if claim is not None:
                found.append(claim if one == a else self._turned(claim))
        if any(relation.hops == 1 for relation in found):
            return found
        if a in known and b in known:
            found.append(self._turned(known[a]).then(known[b], self.max_drift_ppm))
        for _, claims in sorted(self.claims.items()):
            if a in claims and b in claims:
                found.append(self._turned(claims[a]).then(claims[b], self.max_drift_ppm))
        return found

    def _turned(self, relation: Relation) -> Relation:
        return relation.reversed(self.epoch_of(relation.a), self.max_drift_ppm)

    def _ordered(self, relation: Relation) -> Relation:
        return relation if relation.a < relation.b else self._turned(relation)


def _can_be_told(relation: Relation, told_at: int) -> bool:
    """Whether it fits the wire; what a liar made up may not."""
    spans = (
        told_at - relation.as_of,
        relation.offset_ns - relation.interval.earliest,
        relation.interval.latest - relation.offset_ns,
    )
    sizes = (*spans, abs(relation.offset_ns), abs(relation.as_of))
    return min(spans) >= 0 and max(sizes) <= READING_MAX and relation.hops < HOPS_MAX


def _written(epoch: int, told_at: int, relations: list[Relation]) -> Relations:
    return Relations(
        epoch,
        told_at,
        others=tuple(r.b for r in relations),
        epochs=tuple(r.epoch_b for r in relations),
        vias=tuple(r.via for r in relations),
        hops=tuple(r.hops for r in relations),
        ages=tuple(told_at - r.as_of for r in relations),
        offsets=tuple(unsigned(r.offset_ns) for r in relations),
        below=tuple(r.offset_ns - r.interval.earliest for r in relations),
        above=tuple(r.interval.latest - r.offset_ns for r in relations),
        spreads=tuple(_spread(r.standard_error_ns) for r in relations),
        skews=tuple(_skew(r.skew_ppm) for r in relations),
        used=tuple(min(r.broadcasts, (1 << 32) - 1) for r in relations),
    )


def _spread(error_ns: float | None) -> int:
    return _UNKNOWN_SPREAD if error_ns is None else min(round(error_ns), _UNKNOWN_SPREAD - 1)


def _skew(ppm: float | None) -> int:
    if ppm is None or not abs(ppm) < 2147:
        return UNKNOWN_SKEW
    return unsigned(round(ppm * 1e6), 32)


def _read(sender: int, told: Relations) -> Iterator[Relation]:
    """The relations of a message, but for those that no clocks can have."""
    for n, other in enumerate(told.others):
        offset, as_of = signed(told.offsets[n]), told.told_at - told.ages[n]
        below, above = told.below[n], told.above[n]
        if max(abs(offset), abs(as_of), abs(told.told_at), below, above) > READING_MAX:
            continue
        if not 1 <= told.hops[n] < HOPS_MAX or (told.hops[n] == 1) != (told.vias[n] == 0):
            continue
        skew, spread = told.skews[n], told.spreads[n]
        yield Relation(
            a=sender,
            b=other,
            epoch_b=told.epochs[n],
            as_of=as_of,
            interval=Interval(offset - below, offset + above),
            offset_ns=offset,
            skew_ppm=None if skew == UNKNOWN_SKEW else signed(skew, 32) / 1e6,
            standard_error_ns=None if spread == _UNKNOWN_SPREAD else float(spread),
            broadcasts=told.used[n],
            hops=told.hops[n],
            via=told.vias[n],
        )
