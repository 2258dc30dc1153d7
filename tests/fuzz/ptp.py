"""The PTP codec and a listener: MalformedFrame or a message, and a core that bears all of them."""

from random import Random

from clocksync.ptp.codec import PtpCodec, made
from clocksync.ptp.frames import (
    Announce,
    DelayReq,
    DelayResp,
    FollowUp,
    MessageType,
    PdelayReq,
    PtpHeader,
    Sync,
)
from clocksync.ptp.listener import ListenerSettings, PtpListener
from clocksync.runtime.core import Arrival, Send, Stamp
from clocksync.runtime.errors import MalformedFrame
from tests.fuzz.mutation import main

MASTER = ("10.0.0.1", 320)
SEEDS = (
    *(
        made(cls, source_clock=7, source_port=1, sequence=3).encode()
        for cls in (Announce, Sync, FollowUp, DelayReq, DelayResp, PdelayReq)
    ),
    made(Sync, source_clock=7, source_port=1, flags=0x0200, seconds=2**31).encode() + bytes(2),
    PtpHeader(message_type=MessageType.MANAGEMENT, message_length=40).encode() + bytes(6),
)


def one_input(data: bytes) -> None:
    try:
        message = PtpCodec().decode(data)
    except MalformedFrame:
        return
    raw = message.encode()
    assert data.startswith(raw)
    assert PtpCodec().decode(data[: message.message_length]) == message
    assert str(message).isprintable()
    listener = PtpListener(
        "it", frozenset({"10.0.0.1"}), ("224.0.1.129", 319), ListenerSettings(), Random(1)
    )
    listener.start(0)
    for now, frame in enumerate((*map(PtpCodec().decode, SEEDS[:3]), message, message)):
        for effect in listener.on_frame(Arrival(frame, MASTER, Stamp(10**18)), now):
            if isinstance(effect, Send):
                listener.on_sent(effect.tag, Stamp(10**18), now)
    assert listener.failure
    assert all(sample.truth for sample in listener.samples)
    assert listener.claims is None or all(map(str.isprintable, listener.claims.words))


if __name__ == "__main__":
    main(one_input, SEEDS)
