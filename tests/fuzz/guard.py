"""The responder with a guard: silence, or an answer no longer than the request; time only for the
plain, and for what its key or cookie proves."""

from clocksync.ntp.guard import Guard
from clocksync.ntp.packet import NtpPacket, kiss_code
from clocksync.ntp.responder import Responder
from clocksync.ntp.trailer import CRYPTO_NAK
from clocksync.nts.server import NtsServer
from tests.clocksync.nts.test_client_server import CLIENT, TIME, Pair
from tests.clocksync.test_guard import KEY, KEYS, SHA512
from tests.fuzz.mutation import main

PAIR = Pair()
REQUEST = NtpPacket(transmit_timestamp=9).encode()
SEALED = PAIR.ask().encode()
PAIR.ask()
SEEDS = (
    SEALED,
    PAIR.ask().encode(),
    REQUEST + KEY.mac(REQUEST),
    REQUEST + SHA512.mac(REQUEST),
    REQUEST + CRYPTO_NAK,
    REQUEST + bytes.fromhex("0a0a001c") + bytes(24),
)


def one_input(data: bytes) -> None:
    responder = Responder(guard=Guard(KEYS, NtsServer(PAIR.jar, PAIR.random.randbytes)))
    reply = responder.reply(data, CLIENT, TIME, TIME + 1_000, now=0)
    if reply is None:
        return
    assert 48 <= len(reply) <= len(data)
    answer, _ = NtpPacket.decode_prefix(reply)
    if len(reply) > 52 and answer.stratum == 0:
        assert kiss_code(answer) == "NTSN"
    if data not in SEEDS and answer.stratum and len(reply) > 48:
        # What was changed behind the seal, where nobody vouches for it, is all that may differ.
        assert any(data.startswith(seed) for seed in SEEDS)


if __name__ == "__main__":
    main(one_input, SEEDS)
