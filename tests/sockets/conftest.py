"""What all tests on real sockets need of the machine."""

import socket
import struct
from collections.abc import Iterator

import pytest

from clocksync.runtime.kernel import IS_LINUX, RX_SOFTWARE, SO_TIMESTAMPING, SOFTWARE, receive_stamp

ASKED = 1000


@pytest.fixture(scope="session", autouse=True)
def the_kernel_stamps_what_arrives() -> Iterator[None]:
    """Linux begins to stamp some time after the first socket asked for it, from a work queue: what
    arrives before has no stamp. A socket that asks for it all the time takes that out of the tests.
    """
    if not IS_LINUX:
        yield
        return
    with socket.socket(type=socket.SOCK_DGRAM) as asking:
        asking.bind(("127.0.0.1", 0))
        asking.settimeout(5)
        asking.setsockopt(
            socket.SOL_SOCKET, SO_TIMESTAMPING, struct.pack("=I", RX_SOFTWARE | SOFTWARE)
        )
        for _ in range(ASKED):
            asking.sendto(b"?", asking.getsockname())
            _, control, *_ = asking.recvmsg(16, 512)
            if receive_stamp(control) is not None:
                break
        yield
