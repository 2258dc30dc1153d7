"""Newcomers are let in within a stated time, whatever strangers do meanwhile (decision 34).

An attacker without the key reaches both hosts, in anybody's name and from any address, ten thousand
times a second; he has recorded all that was ever said. He does not take datagrams away: who can do
that keeps out whom he likes.
"""

from collections.abc import Callable, Iterator
from itertools import cycle
from random import Random

import pytest

from clocksync.peers.datagram import Datagrams
from clocksync.peers.frames import Probe
from clocksync.peers.sealed import EVERYBODY, SILENT_NS, Sealed
from clocksync.runtime.simulation import Link, Uniform, World
from clocksync.runtime.units import MICROSECOND, MILLISECOND, SECOND
from clocksync.security.keyring import GroupKey, KeyRing
from clocksync.security.sealer import Sealer
from tests.clocksync.peers.talkers import FRAMES, Talker
from tests.clocksync.security.talk import CLUSTER, sealer, share_the_answers

FLOOD_EVERY_NS = 100 * MICROSECOND
ASK_EVERY_NS = 50 * MILLISECOND
COMES_AT_NS = 17 * MILLISECOND
LINK = Link(delay=Uniform(10 * MICROSECOND, 90 * MICROSECOND))
BAD_LINK = Link(delay=Uniform(10 * MICROSECOND, 5 * MILLISECOND), loss=0.3, duplicate=0.1)

NEWCOMER_NS = 2 * ASK_EVERY_NS
"""The hail goes with the first question: the second is answered."""
RESTART_NS = SILENT_NS + 4 * ASK_EVERY_NS
"""A question with which the silence begins, one that finds it out, one that is answered."""
BAD_PATH_NS = 4 * SECOND

Attack = Callable[[Random], Iterator[bytes]]


def where(number):
    return f"10.0.0.{number}", 3190


# What an attacker sends


def rubbish(random: Random) -> Iterator[bytes]:
    """Of no shape at all."""
    while True:
        yield random.randbytes(random.randrange(200))


def invented_numbers(random: Random) -> Iterator[bytes]:
    """What looks sealed, by others who have just started."""
    return looking_sealed(lambda: random.randrange(3, 1 << 16), random)


def their_own_numbers(random: Random) -> Iterator[bytes]:
    """What looks sealed, by the two themselves in another life."""
    return looking_sealed(lambda: random.choice((1, 2)), random)


def looking_sealed(draw: Callable[[], int], random: Random) -> Iterator[bytes]:
    data = sealer(50).seal(Probe.KIND, bytes(60))
    while True:
        number = draw().to_bytes(2, "big")
        yield data[:8] + number + data[10:11] + random.randbytes(len(data) - 11)


def replayed_hellos(random: Random) -> Iterator[bytes]:
    """Of forty hosts in ten lives each, greeting everybody and hailing: authentic all of them."""
    recorded = []
    for number in (1, 2, *range(100, 138)):
        for life in range(10, 20):
            member = sealer(number, life)
            for peer in {1, 2} - {number}:
                member.greet(peer, random.randrange(SECOND))
            recorded += [hello for _, hello in member.take_outgoing()]
            recorded += filter(None, [member.hail(random.randrange(SECOND))])
    random.shuffle(recorded)
    return cycle(recorded)


def another_key(random: Random) -> Iterator[bytes]:
    """Of a group that calls its key by the same number."""
    keys = KeyRing((GroupKey(1, bytes(range(32))),), 1)
    for life in range(1, 1_000_000):
        member = Sealer(keys, CLUSTER, random.randrange(3, 200), random.randbytes(16), bytes)
        member.greet(1 + life % 2, 0)
        yield member.hail(0) or b""
        yield member.take_outgoing()[0][1]
        yield member.seal(Probe.KIND, bytes(60))


def everything(random: Random) -> Iterator[bytes]:
    kinds = [rubbish, invented_numbers, their_own_numbers, replayed_hellos, another_key]
    attacks = [attack(Random(random.random())) for attack in kinds]
    while True:
        yield next(random.choice(attacks))


ATTACKS = [
    rubbish,
    invented_numbers,
    their_own_numbers,
    replayed_hellos,
    another_key,
    everything,
]


class Siege:
    """Host 2, which answers, and host 1, which asks; both under attack."""

    def __init__(
        self,
        attack: Attack,
        seed: int,
        *,
        asks: object,
        addresses=None,
        group=None,
        link=LINK,
        begins=True,
    ):
        self.world = World(seed, codec=Datagrams(), link=link)
        self.lives = {1: 0, 2: 0}
        self.cores: dict[int, Sealed] = {}
        self.asks, self.addresses, self.group = asks, addresses, group
        for number in (1, 2):
            self.world.add(
                where(number),
                lambda boot, number=number: self._boot(number),
                start_after_ns=COMES_AT_NS if number == 1 else 0,
            )
        if group is not None:
            self.world.group(group, [where(1), where(2)])
        self.sent = self.drawn = 0
        self.random = Random(f"siege/{seed}")
        self.barrage = attack(self.random)
        self.world.intercept(self._count)
        if begins:
            self.world.after(0, self.assault)
        self.world.run(COMES_AT_NS)

    def _boot(self, number):
        self.lives[number] += 1
        talker = Talker(every_ns=ASK_EVERY_NS)
        if number == 1:
            talker = Talker(to=self.asks, wanted=10**9, every_ns=ASK_EVERY_NS)
        addresses = self.addresses if number == 1 else None
        self.cores[number] = Sealed(
            talker, sealer(number, self.lives[number]), FRAMES, addresses, self.group
        )
        return self.cores[number]

    def assault(self):
        """One shot, and the next ones."""
        victim = self.random.choice((1, 2))
        data = next(self.barrage)
        claimed = where(self.random.choice((3 - victim, self.random.randrange(3, 250))))
        self.world.inject(where(victim), claimed, data)
        self.sent += len(data)
        self.world.after(FLOOD_EVERY_NS, self.assault)

    def _count(self, sender, to, data):
        if to not in (where(1), where(2), self.group):
            self.drawn += len(data)
            assert self.drawn <= self.sent, "an amplifier"
        return False

    @property
    def answered(self) -> int:
        """Questions of host 1 in its present life that were answered."""
        talker = self.cores[1].core
        asker = talker.askers.get(2)
        return sum(sender == 2 for sender, _ in talker.heard) if asker is not None else 0

    def answers_within(self, limit_ns: int) -> bool:
        before = self.answered
        return self.world.run_until(lambda: self.answered > before, self.world.now + limit_ns)


def newcomer_by_address(attack: Attack, seed: int, link=LINK, within=NEWCOMER_NS) -> None:
    siege = Siege(attack, seed, asks=where(2), link=link)
    assert siege.answers_within(within), "a newcomer who knows an address is kept waiting"


def newcomer_by_number(attack: Attack, seed: int, link=LINK, within=NEWCOMER_NS) -> None:
    siege = Siege(attack, seed, asks=2, addresses={2: where(2)}, link=link)
    assert siege.answers_within(within), "a newcomer who knows a number is kept waiting"


def both_restart(attack: Attack, seed: int, link=LINK, within=RESTART_NS) -> None:
    """One after the other: who is asked, of whom nobody is configured, and who asks."""
    siege = Siege(attack, seed, asks=where(2), link=link, begins=False)
    assert siege.answers_within(within)
    siege.assault()
    for number in (2, 1):
        siege.world.run_for(SECOND // 4)
        siege.world.crash(where(number))
        siege.world.restart(where(number))
        siege.world.run_for(MILLISECOND)
        siege.cores[1].core.heard.clear()
        assert siege.answers_within(within), f"host {number} started again and is kept waiting"


def everybody_is_asked(attack: Attack, seed: int, link=LINK, within=NEWCOMER_NS) -> None:
    """By multicast, where no address is known at all."""
    group = ("239.0.0.1", 3190)
    siege = Siege(attack, seed, asks=EVERYBODY, group=group, link=link)
    assert siege.answers_within(within), "a newcomer to a multicast group is kept waiting"


SIEGES = [newcomer_by_address, newcomer_by_number, both_restart, everybody_is_asked]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
@pytest.mark.parametrize("siege", SIEGES, ids=lambda siege: siege.__name__)
@pytest.mark.parametrize("seed", range(2))
def test_nobody_is_kept_waiting_by_strangers(siege, attack: Attack, seed: int) -> None:
    siege(attack, seed)


@pytest.mark.parametrize("seed", range(3))
def test_a_bad_path_takes_longer_and_that_is_all(seed: int) -> None:
    newcomer_by_address(everything, seed, BAD_LINK, BAD_PATH_NS)
    both_restart(everything, seed, BAD_LINK, BAD_PATH_NS)


# What was once so, and what each of these notices of it


def nobody_hails(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Sealer, "hail", lambda *_: None)


FORMERLY = [
    (newcomer_by_address, invented_numbers, (nobody_hails,)),
    (newcomer_by_address, replayed_hellos, (share_the_answers,)),
    (newcomer_by_number, replayed_hellos, (share_the_answers,)),
    (both_restart, invented_numbers, (nobody_hails,)),
    (everybody_is_asked, replayed_hellos, (share_the_answers,)),
    (everybody_is_asked, invented_numbers, (nobody_hails,)),
]


@pytest.mark.parametrize(("siege", "attack", "plants"), FORMERLY)
def test_what_was_once_so_is_noticed(
    siege, attack: Attack, plants, monkeypatch: pytest.MonkeyPatch
) -> None:
    for plant in plants:
        plant(monkeypatch)
    with pytest.raises(AssertionError, match="is kept waiting"):
        siege(attack, 1)
