"""The reading of the kernel's control messages raises nothing."""

from clocksync.runtime.kernel import error_queue_verdict, receive_stamp
from tests.fuzz.mutation import main

# level, kind, length, data; repeated.
SEEDS = (
    b"\x01\x25\x30" + b"\x01" * 48,
    b"\x01\x23\x10" + b"\x01" * 16,
    b"\x01\x25\x30" + b"\x01" * 48 + b"\x00\x0b\x10" + b"\0\0\0\0\x04" + bytes(11),
    b"\x29\x19\x2c" + b"\x6f\0\0\0\x03" + bytes(39),
)


def one_input(data: bytes) -> None:
    control, at = [], 0
    while at + 3 <= len(data):
        level, kind, size = data[at : at + 3]
        control.append((level, kind, data[at + 3 : at + 3 + size]))
        at += 3 + size
    receive_stamp(control)
    error_queue_verdict(control)


if __name__ == "__main__":
    main(one_input, SEEDS)
