"""Symmetric keys in conversation: the client's authenticator and the responder with a guard."""

from dataclasses import replace

import pytest

from clocksync.ntp.access import AccessList
from clocksync.ntp.authentication import KeyAuthenticator
from clocksync.ntp.checks import Rejection
from clocksync.ntp.codec import NtpCodec
from clocksync.ntp.guard import Guard
from clocksync.ntp.keys import KeySet
from clocksync.ntp.mac import SymmetricKey
from clocksync.ntp.packet import LongPacket, NtpPacket, kiss_code, lengthened
from clocksync.ntp.responder import KISS_DENY, Outcome, Responder
from clocksync.ntp.trailer import CRYPTO_NAK, encode_field
from clocksync.runtime.core import Arrival, Send, Stamp
from clocksync.runtime.units import SECOND

TIME = 1_790_000_000 * SECOND
CLIENT = b"\xc0\x00\x02\x01"
KEY = SymmetricKey(5, "AES128", bytes(range(16)))
SHA512 = SymmetricKey(6, "SHA512", b"six")
OTHER = SymmetricKey(5, "AES128", bytes(16))
UNKNOWN = SymmetricKey(7, "SHA1", b"seven")
KEYS = KeySet("keys", {5: KEY, 6: SHA512}, {})
REQUEST = NtpPacket(transmit_timestamp=77)


def server(required: bool = False, **settings: object) -> Responder:
    return Responder(guard=Guard(KEYS, required=required), **settings)  # type: ignore[arg-type]


def ask(responder: Responder, request: NtpPacket) -> NtpPacket | None:
    data = responder.reply(request.encode(), CLIENT, TIME, TIME, 0)
    if data is None:
        return None
    assert len(data) <= len(request.encode())
    return NtpCodec().decode(data)


@pytest.mark.parametrize("key", [KEY, SHA512])
@pytest.mark.parametrize("version", [3, 4])
def test_an_authenticated_request_gets_an_authenticated_answer(key, version) -> None:
    client, responder = KeyAuthenticator(key), server()
    request = client.seal(replace(REQUEST, version=version))
    answer = ask(responder, request)
    assert answer is not None
    assert client.open(answer) is None
    assert (answer.origin_timestamp, answer.version) == (77, version)
    assert len(answer.encode()) == len(request.encode())
    assert responder.counts == {Outcome.BASIC: 1}


@pytest.mark.parametrize("key", [OTHER, UNKNOWN])
def test_a_key_that_is_not_accepted_gets_a_crypto_nak_and_no_time(key: SymmetricKey) -> None:
    client, responder = KeyAuthenticator(key), server()
    answer = ask(responder, client.seal(REQUEST))
    assert isinstance(answer, LongPacket)
    assert answer.trailer == CRYPTO_NAK
    assert (kiss_code(answer), answer.stratum, answer.leap) == ("CRYP", 0, 3)
    assert client.open(answer) is Rejection.CRYPTO_NAK
    assert responder.counts == {Outcome.KISSED_UNPROVEN: 1}


def test_a_code_that_is_cut_is_none() -> None:
    sealed = KeyAuthenticator(KEY).seal(REQUEST)
    for size in (8, 12, 16):
        answer = ask(server(), lengthened(REQUEST, sealed.trailer[:size]))
        assert isinstance(answer, LongPacket)
        assert answer.trailer == CRYPTO_NAK
    assert ask(server(), lengthened(REQUEST, sealed.trailer[:4])) is None  # as good as a NAK
    assert ask(server(), lengthened(REQUEST, CRYPTO_NAK)) is None


def test_the_code_covers_the_extension_fields_before_it() -> None:
    field = encode_field(0x7777, bytes(32))
    message = REQUEST.encode() + field
    answer = ask(server(), lengthened(REQUEST, field + KEY.mac(message)))
    assert answer is not None
    assert KeyAuthenticator(KEY).open(answer) is None
    changed = encode_field(0x7777, b"\1" * 32)
    answer = ask(server(), lengthened(REQUEST, changed + KEY.mac(message)))
    assert isinstance(answer, LongPacket)
    assert answer.trailer == CRYPTO_NAK


@pytest.mark.parametrize(
    ("answer", "rejection"),
    [
        (NtpPacket(mode=4), Rejection.UNAUTHENTICATED),
        (lengthened(NtpPacket(mode=4), encode_field(1, bytes(28))), Rejection.UNAUTHENTICATED),
        (lengthened(NtpPacket(mode=4), CRYPTO_NAK), Rejection.CRYPTO_NAK),
        (lengthened(NtpPacket(mode=4), bytes(3)), Rejection.MALFORMED),
        (KeyAuthenticator(UNKNOWN).seal(NtpPacket(mode=4)), Rejection.WRONG_KEY),
        (KeyAuthenticator(OTHER).seal(NtpPacket(mode=4)), Rejection.FORGED),
    ],
)
def test_an_answer_that_is_not_authentic_has_a_named_reason(answer, rejection) -> None:
    assert KeyAuthenticator(KEY).open(answer) is rejection


def test_who_asks_without_a_key_is_answered_unless_one_is_required() -> None:
    assert ask(server(), REQUEST) is not None
    responder = server(required=True)
    assert ask(responder, REQUEST) is None
    assert ask(responder, KeyAuthenticator(KEY).seal(REQUEST)) is not None
    assert responder.counts == {Outcome.UNAUTHENTICATED: 1, Outcome.BASIC: 1}


def test_a_server_without_keys_is_silent_to_a_mac() -> None:
    for responder in (Responder(), Responder(guard=Guard())):
        assert ask(responder, KeyAuthenticator(KEY).seal(REQUEST)) is None
        assert responder.counts == {Outcome.AUTHENTICATED: 1}


def test_a_kiss_is_authenticated_too() -> None:
    denying = server(access=AccessList(deny=["0.0.0.0/0"]), denied_kiss=KISS_DENY)
    client = KeyAuthenticator(KEY)
    answer = ask(denying, client.seal(REQUEST))
    assert answer is not None
    assert (kiss_code(answer), client.open(answer)) == ("DENY", None)
    assert denying.counts == {Outcome.KISSED_DENIED: 1}


def test_the_same_core_authenticates_in_simulation() -> None:
    responder, client = server(required=True), KeyAuthenticator(KEY)
    arrival = Arrival(client.seal(REQUEST), ("192.0.2.1", 123), Stamp(TIME))
    (effect,) = responder.on_frame(arrival, 0)
    assert isinstance(effect, Send)
    assert isinstance(effect.frame, NtpPacket)
    assert client.open(effect.frame) is None
    assert responder.on_frame(replace(arrival, frame=REQUEST), 0) == []
    assert Responder().on_frame(arrival, 0) == []
