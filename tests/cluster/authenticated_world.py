"""Authenticated measurements with somebody on the path who may read, hold, change and invent.

:func:`play` runs a seed: a client measures two servers, by symmetric keys or by NTS; every datagram
passes an attacker, who with some probability does one thing of :data:`ATTACKS` to it. The attacker
knows everything but the secrets. He wants one of two things: a sample that is off (his lies are
:data:`LIE_NS` off, far beyond any bound), or to recognise the client. :func:`offences` judges the
run by what was measured and by what was on the wire, and imports nothing of what it judges.
"""

import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from clocksync.measuring.prober import KeysWanted
from clocksync.measuring.settings import MeasureSettings
from clocksync.measuring.survey import HostSettled, Survey
from clocksync.ntp.authentication import Authenticator, KeyAuthenticator
from clocksync.ntp.checks import Rejection
from clocksync.ntp.codec import NtpCodec
from clocksync.ntp.guard import Guard
from clocksync.ntp.keys import KeySet
from clocksync.ntp.mac import SymmetricKey
from clocksync.ntp.responder import Reference, Responder
from clocksync.nts.client import Establishment, NtsAuthenticator
from clocksync.nts.cookies import ClientKeys, CookieJar
from clocksync.nts.server import NtsServer
from clocksync.runtime.mmsg import Address
from clocksync.runtime.simulation import Exponential, Link, World
from clocksync.runtime.units import MILLISECOND, SECOND

CLIENT: Address = ("10.0.0.1", 40_000)
SERVERS: tuple[Address, ...] = (("10.0.1.1", 123), ("10.0.1.2", 123))
LIE_NS = 1000 * SECOND
_LIE = (LIE_NS << 32) // SECOND
KINDS = ("AES128", "SHA1", "SHA512", "nts", "nts", "nts")
ROOM = 40
UNIQUE_IDENTIFIER, COOKIE, AUTHENTICATOR = 0x0104, 0x0204, 0x0404


@dataclass
class Attacker:
    """On the path, with a memory of all he has seen."""

    random: Random
    rate: float
    seen: list[bytes] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)

    def touch(self, data: bytes, is_answer: bool) -> list[bytes]:
        """What goes on instead of `data`."""
        self.seen.append(data)
        if self.random.random() >= self.rate:
            return [data]
        name = self.random.choice(list(ATTACKS))
        changed = ATTACKS[name](self, data, is_answer)
        if changed == [data]:
            return changed
        self.done[name] += 1
        return changed


Attack = Callable[[Attacker, bytes, bool], list[bytes]]
ATTACKS: dict[str, Attack] = {}


def attack(function: Attack) -> Attack:
    ATTACKS[function.__name__] = function
    return function


def lying(data: bytes) -> bytes:
    """An answer whose receive and transmit stamps are far off, all else as it was."""
    stamps = [int.from_bytes(data[at : at + 8], "big") for at in (32, 40)]
    moved = b"".join((stamp + _LIE & (1 << 64) - 1).to_bytes(8, "big") for stamp in stamps)
    return data[:32] + moved + data[48:]


def fields_of(data: bytes) -> list[tuple[int, bytes]]:
    """Extension fields by a reading of this module's own: (type, whole field)."""
    found, at = [], 48
    while len(data) - at > 24:
        kind, size = struct.unpack_from(">HH", data, at)
        found.append((kind, data[at : at + size]))
        at += size
    return found


@attack
def forge(self: Attacker, data: bytes, is_answer: bool) -> list[bytes]:
    """The lie under the proof of the truth."""
    return [lying(data), data] if is_answer else [data]


@attack
def strip(self: Attacker, data: bytes, is_answer: bool) -> list[bytes]:
    """No proof at all: a lying answer, or a request that the server may take for a plain one."""
    return [lying(data)[:48]] if is_answer else [data[:48]]


@attack
def replay(self: Attacker, data: bytes, is_answer: bool) -> list[bytes]:
    """Whatever was seen before, again."""
    return [self.random.choice(self.seen), data]


@attack
def echo_origin(self: Attacker, data: bytes, is_answer: bool) -> list[bytes]:
    """An old answer with the origin of this one, so that it looks like this request's."""
    old = self.random.choice(self.seen)
    return [lying(old[:24] + data[24:32] + old[32:]), data] if is_answer else [data]


@attack
def cut(self: Attacker, data: bytes, is_answer: bool) -> list[bytes]:
    """Some words less, a lie before them."""
    less = 4 * self.random.randint(1, max(1, (len(data) - 48) // 4))
    return [(lying(data) if is_answer else data)[:-less]]


@attack
def cut_a_field(self: Attacker, data: bytes, is_answer: bool) -> list[bytes]:
    """An extension field less."""
    parts = fields_of(data)
    if not parts:
        return [data]
    parts.pop(self.random.randrange(len(parts)))
    head = lying(data) if is_answer else data
    return [head[:48] + b"".join(part for _, part in parts)]


@attack
def truncate_the_code(self: Attacker, data: bytes, is_answer: bool) -> list[bytes]:
    """A MAC that is only as long as its key's number, or one byte longer: easily guessed."""
    if not is_answer or fields_of(data):
        return [data]
    return [lying(data)[: 52 + 4 * self.random.randint(0, 1)]]


@attack
def append(self: Attacker, data: bytes, is_answer: bool) -> list[bytes]:
    """Another extension field behind the authenticator, which vouches for nothing there, and a
    proof that is moved behind it."""
    extra = struct.pack(">HH", 0x0204, 32) + bytes(28)
    return [(lying(data) if is_answer else data) + extra]


@attack
def swap_fields(self: Attacker, data: bytes, is_answer: bool) -> list[bytes]:
    """This one's fields under another one's authenticator: another cookie, another client's."""
    others = [old for old in self.seen if fields_of(old) and old[0] & 7 == data[0] & 7]
    if not others or not fields_of(data):
        return [data]
    other = dict(fields_of(self.random.choice(others)))
    kind = self.random.choice((UNIQUE_IDENTIFIER, COOKIE, AUTHENTICATOR))
    parts = [other.get(k, part) if k == kind else part for k, part in fields_of(data)]
    head = lying(data)[:48] if is_answer else data[:48]
    return [head + b"".join(parts)]


@attack
def flip(self: Attacker, data: bytes, is_answer: bool) -> list[bytes]:
    """One bit of anything."""
    place = self.random.randrange(8 * len(data))
    changed = bytearray(data)
    changed[place // 8] ^= 1 << place % 8
    return [bytes(changed)]


@attack
def kiss(self: Attacker, data: bytes, is_answer: bool) -> list[bytes]:
    """A kiss of death or a NAK that nobody has proved, as good as it can be made."""
    if not is_answer:
        return [data]
    code = self.random.choice((b"DENY", b"RATE", b"NTSN", b"CRYP"))
    head = bytes([data[0] | 0xC0, 0]) + data[2:12] + code + data[16:48]
    identifier = dict(fields_of(data)).get(UNIQUE_IDENTIFIER, bytes(4))
    return [head + identifier, data]


@attack
def swallow(self: Attacker, data: bytes, is_answer: bool) -> list[bytes]:
    """Nothing arrives."""
    return []


@dataclass
class Played:
    """A run that is over."""

    seed: int
    kind: str
    rate: float
    survey: Survey
    attacker: Attacker
    requests: list[bytes]
    exchanged: list[tuple[bytes, bytes]]
    """What a server was sent, and what it sent at once in return."""
    rekeyed: int
    is_settled: bool
    samples_wanted: int


def play(seed: int) -> Played:
    """Run a seed to its end."""
    random = Random(f"authenticated/{seed}")
    kind = random.choice(KINDS)
    rate = random.choice((0.0, 0.1, 0.4, 0.9))
    world = World(seed, codec=NtpCodec(), keep=60)
    settings = MeasureSettings(
        samples=random.choice((4, 8, 12)),
        interval_ns=random.choice((0, 20 * MILLISECOND)),
        timeout_ns=50 * MILLISECOND,
        interleaved=random.random() < 0.5,
        precision_ns=4,
    )
    survey = Survey(settings, Random(f"cookies/{seed}"))
    world.add(CLIENT, survey)
    attacker = Attacker(Random(f"attacker/{seed}"), rate)
    parties = [_Party(world, server, kind, Random(f"{server}/{seed}")) for server in SERVERS]
    run = Played(seed, kind, rate, survey, attacker, [], [], 0, False, settings.samples)
    _put_between(world, run)
    if kind == "nts" and random.random() < 0.4:  # the servers forget all keys meanwhile
        at_ns = random.randrange(100 * MILLISECOND)
        world.at(at_ns, lambda: [party.forget() for party in parties])
    for place, party in enumerate(parties):
        authenticator = party.authenticator(Random(f"client/{place}/{seed}"))
        world.call(
            CLIENT,
            lambda core, now, place=place, how=authenticator: core.add(
                place, [SERVERS[place]], place * 50_000, now, how
            ),
            f"add {place}",
        )
    heard = 0

    def is_over() -> bool:
        nonlocal heard
        for told in world.told[heard:]:
            if isinstance(told.event, KeysWanted):
                address = told.event.address
                party = parties[SERVERS.index(address)]
                run.rekeyed += 1
                world.after(MILLISECOND, lambda p=party, a=address: _rekey(world, survey, p, a))
        heard = len(world.told)
        return sum(isinstance(told.event, HostSettled) for told in world.told) == len(SERVERS)

    run.is_settled = world.run_until(is_over, settings.limit_ns + SECOND)
    world.call(CLIENT, lambda core, now: core.close(), "close")
    return run


class _Party:
    """A server, its secrets, and the honest way to get a share in them."""

    def __init__(self, world: World, address: Address, kind: str, random: Random) -> None:
        self.kind, self.random = kind, random
        self.key = SymmetricKey(7, kind, random.randbytes(16))
        self.jar = CookieJar(random.randbytes)
        nts = NtsServer(self.jar, random.randbytes) if kind == "nts" else None
        keys = None if kind == "nts" else KeySet("keys", {7: self.key}, {})
        reference = Reference(stratum=2, precision=-29)
        world.add(address, Responder(reference, guard=Guard(keys, nts)))
        link = Link(delay=Exponential(20_000, 30_000))
        world.link_both(CLIENT, address, link, link)

    def establishment(self) -> Establishment:
        keys = ClientKeys(self.random.randbytes(32), self.random.randbytes(32))
        cookies = tuple(self.jar.make(keys, 0) for _ in range(8))
        return Establishment(keys.to_server, keys.to_client, cookies)

    def authenticator(self, random: Random) -> Authenticator:
        if self.kind != "nts":
            return KeyAuthenticator(self.key)
        return NtsAuthenticator(self.establishment(), random)

    def forget(self) -> None:
        for _ in range(4):
            self.jar.rotate()


def _rekey(world: World, survey: Survey, party: _Party, address: Address) -> None:
    authenticator = survey.probers[address].authenticator
    assert isinstance(authenticator, NtsAuthenticator)
    authenticator.adopt(party.establishment())
    world.call(CLIENT, lambda core, now: core.rekeyed(address, now), "rekeyed")


def _put_between(world: World, run: Played) -> None:
    last_to: dict[object, bytes] = {}

    def look(sender: object, to: object, data: bytes) -> bool:
        if sender == CLIENT:
            run.requests.append(data)
        elif sender in last_to:
            run.exchanged.append((last_to.pop(sender), data))
        delay_ns = run.attacker.random.randrange(20_000, 200_000)
        for place, changed in enumerate(run.attacker.touch(data, to == CLIENT)):
            at = delay_ns + 300_000 * place  # in this order, and apart
            if sender == CLIENT:
                world.after(at, lambda d=changed, t=to: last_to.__setitem__(t, d))
            world.inject(to, sender, changed, at)
        return True

    world.intercept(look)


def offences(run: Played) -> list[str]:
    """What must not be, and was."""
    found = [*_accepted_forgeries(run), *_links(run), *_amplification(run)]
    if not run.is_settled:
        found.append("some host was never settled")
    if not run.rate:
        found += _refused_truths(run)
    if run.rekeyed > 2 * run.samples_wanted:
        found.append(f"{run.rekeyed} key establishments for {run.samples_wanted} samples")
    return found


def _accepted_forgeries(run: Played) -> list[str]:
    # All clocks of the world are right, so the truth is 0; a lie is a thousand seconds off.
    return [
        f"{address}: a sample says {sample.path}"
        for address, prober in run.survey.probers.items()
        for sample in prober.association.samples
        if 0 not in sample.path
    ] + [
        f"{address}: an unproved {prober.kiss} stopped it"
        for address, prober in run.survey.probers.items()
        if prober.kiss
    ]


def _links(run: Played) -> list[str]:
    """Cookies and identifiers on the wire, each once; and no request without a proof."""
    told = Counter(
        part for data in run.requests for kind, part in fields_of(data) if kind in (0x0104, 0x0204)
    )
    found = [f"{part[:8].hex()} was sent {n} times" for part, n in told.items() if n > 1]
    if any(len(data) <= 48 for data in run.requests):
        found.append("a request without a proof")
    return found


def _amplification(run: Played) -> list[str]:
    return [
        f"{len(answer)} bytes in answer to {len(request)}"
        for request, answer in run.exchanged
        if len(answer) > len(request)
    ]


def _refused_truths(run: Played) -> list[str]:
    """Where nobody attacks every request is answered, but for those that met forgotten keys."""
    found = []
    for address, prober in run.survey.probers.items():
        association = prober.association
        others = set(association.rejections) - {Rejection.NTS_NAK}
        missing = association.asked - association.answered
        if others or missing > association.rejections[Rejection.NTS_NAK]:
            found.append(f"{address}: {missing} unanswered, {association.rejections}")
        if prober.failure:
            found.append(f"{address}: {prober.failure}")
    return found


def check(seed: int) -> Counter[str]:
    """For campaigns: play a seed; what there was in it.

    Raises:
        AssertionError: something was that must not be.
    """
    run = play(seed)
    found = offences(run)
    assert not found, f"seed {seed} ({run.kind}, attacks on {run.rate:.0%}): {'; '.join(found)}"
    accepted = sum(len(p.association.samples) for p in run.survey.probers.values())
    counts = Counter({"runs": 1, f"runs by {run.kind}": 1, "samples": accepted})
    counts["attacks"] = run.attacker.done.total()
    counts["key establishments"] = run.rekeyed
    return counts
