"""The responder: silence, or an answer that is no longer than the request and echoes it."""

from clocksync.ntp.packet import Mode, NtpPacket
from clocksync.ntp.responder import Responder
from tests.fuzz.mutation import main

TIME = 1_790_000_000_123_456_789
SEEDS = (
    NtpPacket(transmit_timestamp=0x0123456789ABCDEF).encode(),
    NtpPacket(version=3, transmit_timestamp=1).encode(),
    NtpPacket(origin_timestamp=5, receive_timestamp=6, transmit_timestamp=7).encode(),
    # An unknown extension field of 28 bytes (RFC 7822), and a MAC of 20.
    NtpPacket(transmit_timestamp=9).encode() + bytes.fromhex("0a0a001c") + bytes(24),
    NtpPacket(transmit_timestamp=9).encode() + b"\0\0\0\1" + bytes(16),
)


def one_input(data: bytes) -> None:
    reply = Responder().reply(data, b"\xc0\x00\x02\x01", TIME, TIME + 1_000, now=0)
    if reply is None:
        return
    assert len(reply) == 48 <= len(data)
    request, answer = NtpPacket.decode(data[:48]), NtpPacket.decode(reply)
    assert request.mode == Mode.CLIENT
    assert (answer.mode, answer.version) == (Mode.SERVER, request.version)
    assert answer.origin_timestamp == request.transmit_timestamp


if __name__ == "__main__":
    main(one_input, SEEDS)
