"""The NTP codec: MalformedFrame or a packet that encodes to the bytes it came from."""

from clocksync.ntp.codec import NtpCodec
from clocksync.ntp.packet import NtpPacket, kiss_code, reference_id_text
from clocksync.runtime.errors import MalformedFrame
from tests.fuzz.mutation import main

SEEDS = (
    NtpPacket().encode(),
    NtpPacket(3, 4, 4, 0, 6, -23, 300, 2000, 0x52415445, 1, 2, 3, 2**64 - 1).encode() + bytes(20),
)


def one_input(data: bytes) -> None:
    try:
        packet = NtpCodec().decode(data)
    except MalformedFrame:
        assert len(data) < 48
        return
    assert packet.encode() == data
    text = f"{packet} {kiss_code(packet)} {reference_id_text(packet.reference_id, packet.stratum)}"
    assert text.isascii()
    assert text.isprintable()


if __name__ == "__main__":
    main(one_input, SEEDS)
