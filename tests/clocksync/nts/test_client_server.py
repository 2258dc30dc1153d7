"""NTS-protected NTP as a conversation: one client's authenticator and one server's guard."""

import random
from dataclasses import replace

import pytest

from clocksync.ntp.access import RateLimit
from clocksync.ntp.checks import Rejection
from clocksync.ntp.codec import NtpCodec
from clocksync.ntp.guard import Guard
from clocksync.ntp.packet import HEADER_BYTES, LongPacket, NtpPacket, kiss_code, lengthened
from clocksync.ntp.responder import Outcome, Responder
from clocksync.ntp.trailer import encode_field, parse
from clocksync.nts.client import Establishment, NtsAuthenticator
from clocksync.nts.cookies import COOKIE_BYTES, KEPT, ClientKeys, CookieJar
from clocksync.nts.fields import AUTHENTICATOR, COOKIE, COOKIE_PLACEHOLDER, UNIQUE_IDENTIFIER
from clocksync.nts.server import NtsServer
from clocksync.runtime.errors import BadConfig
from clocksync.runtime.units import SECOND

TIME = 1_790_000_000 * SECOND
CLIENT = b"\xc0\x00\x02\x01"


class Pair:
    """A client and a server that share what key establishment would have given them."""

    def __init__(self, **responder: object) -> None:
        self.random = random.Random(1)
        self.jar = CookieJar(self.random.randbytes, rotate_ns=10 * SECOND)
        self.client = NtsAuthenticator(self.establishment(), self.random)
        guard = Guard(nts=NtsServer(self.jar, self.random.randbytes))
        self.server = Responder(guard=guard, **responder)  # type: ignore[arg-type]
        self.now = 0

    def establishment(self, cookies: int = 8) -> Establishment:
        keys = ClientKeys(self.random.randbytes(32), self.random.randbytes(32))
        return Establishment(
            keys.to_server,
            keys.to_client,
            tuple(self.jar.make(keys, 0) for _ in range(cookies)),
        )

    def ask(self) -> LongPacket:
        return self.client.seal(NtpPacket(transmit_timestamp=self.random.getrandbits(64)))

    def answer(self, request: NtpPacket) -> NtpPacket:
        data = self.server.reply(request.encode(), CLIENT, TIME, TIME, self.now)
        assert data is not None
        assert len(data) <= len(request.encode())
        return NtpCodec().decode(data)


def kinds(packet: LongPacket) -> list[int]:
    return [field.kind for field in parse(packet.trailer, 4).fields]


def test_a_request_carries_an_identifier_a_cookie_and_a_seal() -> None:
    request = Pair().ask()
    assert kinds(request) == [UNIQUE_IDENTIFIER, COOKIE, AUTHENTICATOR]
    assert len(request.encode()) == 48 + 36 + (4 + COOKIE_BYTES) + 40


def test_an_answer_brings_a_cookie_for_the_one_spent() -> None:
    pair = Pair()
    for _ in range(30):
        answer = pair.answer(pair.ask())
        assert isinstance(answer, LongPacket)
        assert kinds(answer) == [UNIQUE_IDENTIFIER, AUTHENTICATOR]
        assert pair.client.open(answer) is None
        assert pair.client.cookies == 8


@pytest.mark.parametrize("lost", range(1, 8))
def test_lost_cookies_are_made_up_for_by_placeholders(lost: int) -> None:
    pair = Pair()
    for _ in range(lost):
        pair.ask()
    request = pair.ask()
    assert kinds(request).count(COOKIE_PLACEHOLDER) == lost
    assert pair.client.open(pair.answer(request)) is None
    assert pair.client.cookies == 8


def test_large_cookies_have_as_many_placeholders_as_there_is_room_for() -> None:
    pair = Pair()
    pair.client.adopt(replace(pair.establishment(), cookies=(bytes(300),) * 3))
    request = pair.ask()
    assert len(request.encode()) <= 1024
    assert kinds(request).count(COOKIE_PLACEHOLDER) == 1


def test_an_answer_is_accepted_once() -> None:
    pair = Pair()
    answer = pair.answer(pair.ask())
    assert pair.client.open(answer) is None
    assert pair.client.open(answer) is Rejection.WRONG_IDENTIFIER
    assert pair.client.cookies == 8


def test_answers_may_come_in_another_order() -> None:
    pair = Pair()
    first, second = pair.ask(), pair.ask()
    assert pair.client.open(pair.answer(second)) is None
    assert pair.client.open(pair.answer(first)) is None


def test_an_answer_to_somebody_else_is_none_to_us() -> None:
    pair, other = Pair(), Pair()
    other.client.adopt(other.establishment())
    pair.ask()
    assert pair.client.open(other.answer(other.ask())) is Rejection.WRONG_IDENTIFIER


def test_what_is_not_sealed_is_not_opened() -> None:
    pair = Pair()
    answer = pair.answer(pair.ask())
    assert isinstance(answer, LongPacket)
    bare = NtpCodec().decode(answer.encode()[:HEADER_BYTES])
    assert pair.client.open(bare) is Rejection.UNAUTHENTICATED
    assert pair.client.open(lengthened(bare, answer.trailer[:36])) is Rejection.UNAUTHENTICATED
    other = replace(answer, receive_timestamp=answer.receive_timestamp + 1)
    assert pair.client.open(other) is Rejection.FORGED
    assert pair.client.open(lengthened(bare, answer.trailer[36:])) is Rejection.WRONG_IDENTIFIER
    assert pair.client.open(lengthened(bare, answer.trailer[:-3])) is Rejection.MALFORMED
    cut = encode_field(AUTHENTICATOR, bytes.fromhex("00100400") + bytes(32))
    assert pair.client.open(lengthened(bare, answer.trailer[:36] + cut)) is Rejection.MALFORMED
    # After all that the true one still counts.
    assert pair.client.open(answer) is None


def test_what_follows_the_seal_is_not_looked_at() -> None:
    pair = Pair()
    answer = pair.answer(pair.ask())
    assert isinstance(answer, LongPacket)
    extra = encode_field(UNIQUE_IDENTIFIER, bytes(32)) + encode_field(0x7777, bytes(28))
    assert pair.client.open(replace(answer, trailer=answer.trailer + extra)) is None


def test_a_stale_cookie_gets_a_nak_and_wants_new_keys_once() -> None:
    pair = Pair()
    for _ in range(KEPT):
        pair.jar.rotate()
    assert pair.client.open(pair.answer(pair.ask())) is None  # the oldest key that is kept
    pair.client.adopt(pair.establishment())
    for _ in range(KEPT + 1):
        pair.jar.rotate()
    nak = pair.answer(pair.ask())
    assert kiss_code(nak) == "NTSN"
    assert len(nak.encode()) == 48 + 36
    assert pair.client.open(nak) is Rejection.NTS_NAK
    assert pair.client.must_rekey
    assert not pair.client.is_exhausted
    pair.client.adopt(pair.establishment())
    assert not pair.client.must_rekey
    assert pair.client.is_exhausted  # but for an answer, which makes all well
    assert pair.client.open(pair.answer(pair.ask())) is None
    assert not pair.client.is_exhausted
    assert pair.server.counts == {Outcome.BASIC: 2, Outcome.KISSED_UNPROVEN: 1}


def test_a_nak_of_somebody_who_does_not_see_the_request_is_not_heard() -> None:
    pair = Pair()
    pair.ask()
    nak = NtpPacket(leap=3, mode=4, reference_id=int.from_bytes(b"NTSN", "big"))
    forged = lengthened(nak, encode_field(UNIQUE_IDENTIFIER, bytes(32)))
    assert pair.client.open(forged) is Rejection.WRONG_IDENTIFIER
    assert pair.client.open(nak) is Rejection.UNAUTHENTICATED
    assert not pair.client.must_rekey


def test_an_answer_after_a_nak_makes_it_undone() -> None:
    pair = Pair()
    request = pair.ask()
    nak = NtpPacket(leap=3, mode=4, reference_id=int.from_bytes(b"NTSN", "big"))
    forged = lengthened(nak, request.trailer[:36])
    assert pair.client.open(forged) is Rejection.NTS_NAK
    assert pair.client.open(pair.answer(request)) is None
    assert not pair.client.must_rekey


def test_no_cookie_left_wants_new_keys() -> None:
    pair = Pair()
    for _ in range(8):
        assert not pair.client.must_rekey
        pair.ask()
    assert pair.client.must_rekey


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:-1] + bytes([data[-1] ^ 1]),
        lambda data: data[:47] + bytes([data[47] ^ 1]) + data[48:],
        lambda data: data[:60] + bytes([data[60] ^ 1]) + data[61:],
        lambda data: data[:120] + bytes([data[120] ^ 1]) + data[121:],
        lambda data: data[:48] + data[84:],  # no identifier
        lambda data: data[:84] + data[84 + 4 + COOKIE_BYTES :],  # no cookie
        lambda data: data[:48] + data[48:84] * 2 + data[84:],
    ],
)
def test_a_request_that_was_changed_gets_a_nak_and_no_time(spoil) -> None:
    pair = Pair()
    data = pair.server.reply(spoil(pair.ask().encode()), CLIENT, TIME, TIME, 0)
    assert data is not None
    assert kiss_code(NtpCodec().decode(data)) == "NTSN"
    assert pair.server.counts == {Outcome.KISSED_UNPROVEN: 1}


def test_a_request_of_nts_without_a_seal_is_a_plain_one() -> None:
    pair = Pair()
    plain = lengthened(NtpPacket(transmit_timestamp=5), pair.ask().trailer[:36])
    assert len(pair.answer(plain).encode()) == HEADER_BYTES
    assert pair.server.guard is not None
    pair.server.guard.required = True
    assert pair.server.reply(plain.encode(), CLIENT, TIME, TIME, 0) is None
    assert pair.server.counts[Outcome.UNAUTHENTICATED] == 1


def test_a_client_over_the_limit_is_told_so_in_a_way_it_can_believe() -> None:
    pair = Pair(limit=RateLimit(10 * SECOND, burst=1))
    assert pair.client.open(pair.answer(pair.ask())) is None
    kiss = pair.answer(pair.ask())
    assert kiss_code(kiss) == "RATE"
    assert pair.client.open(kiss) is None
    assert pair.server.reply(pair.ask().encode(), CLIENT, TIME, TIME, 0) is None


def test_master_keys_are_renewed_with_time_and_kept_for_a_while() -> None:
    rng = random.Random(3)
    jar = CookieJar(rng.randbytes, rotate_ns=10)
    keys = ClientKeys(rng.randbytes(32), rng.randbytes(32))
    cookie = jar.make(keys, 100)
    assert len(cookie) == COOKIE_BYTES
    assert jar.open(cookie, 100 + 10 * (KEPT + 1) - 1) == keys
    assert jar.open(cookie, 100 + 10 * (KEPT + 1)) is None
    later = jar.make(keys, 1_000_000)  # after a silence
    assert jar.open(cookie, 1_000_000) is None
    assert jar.open(later, 1_000_000 + 10) == keys
    assert jar.open(later[:-1], 1_000_000) is None
    assert jar.open(bytes(COOKIE_BYTES), 1_000_000) is None
    assert CookieJar(rng.randbytes).open(later, 0) is None
    with pytest.raises(BadConfig):
        CookieJar(rng.randbytes, rotate_ns=0)


def test_two_cookies_of_one_client_have_nothing_in_common_but_their_master_key() -> None:
    rng = random.Random(3)
    jar = CookieJar(rng.randbytes)
    keys = ClientKeys(rng.randbytes(32), rng.randbytes(32))
    one, other = jar.make(keys, 0), jar.make(keys, 0)
    assert one[:4] == other[:4]
    assert sum(a == b for a, b in zip(one[4:], other[4:], strict=True)) < 8


def test_no_key_is_in_a_repr() -> None:
    pair = Pair()
    told = repr((pair.establishment(), pair.client, pair.jar, ClientKeys(b"secret", b"secret")))
    assert told == (
        "(Establishment(server=None, port=123), NtsAuthenticator(8 cookies), CookieJar(1 keys), "
        "ClientKeys())"
    )
