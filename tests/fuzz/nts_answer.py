"""A client's authenticators fed with what claims to be an answer: only what is one is accepted."""

from clocksync.ntp.authentication import KeyAuthenticator
from clocksync.ntp.codec import NtpCodec
from clocksync.ntp.packet import NtpPacket
from clocksync.runtime.errors import MalformedFrame
from tests.clocksync.nts.test_client_server import Pair
from tests.clocksync.test_guard import KEY, SHA512
from tests.fuzz.mutation import main

PAIR = Pair()
REQUEST = PAIR.ask()
TRUE = PAIR.answer(REQUEST).encode()
ANSWER = NtpPacket(mode=4, stratum=2, origin_timestamp=5).encode()
KEYED = tuple(ANSWER + key.mac(ANSWER) for key in (KEY, SHA512))
NAK = NtpPacket(leap=3, mode=4, reference_id=int.from_bytes(b"NTSN", "big")).encode()
SEEDS = (TRUE, *KEYED, NAK + REQUEST.encode()[48:84], ANSWER + bytes(4))


def one_input(data: bytes) -> None:
    try:
        packet = NtpCodec().decode(data)
    except MalformedFrame:
        return
    # Said again: what an answer changes, whether it is accepted or not, must not hide the next one.
    PAIR.client._outstanding[REQUEST.trailer[4:36]] = None
    if PAIR.client.open(packet) is None:
        assert data.startswith(TRUE)
    for key, true in zip((KEY, SHA512), KEYED, strict=True):
        if KeyAuthenticator(key).open(packet) is None:
            assert data == true


if __name__ == "__main__":
    main(one_input, SEEDS)
