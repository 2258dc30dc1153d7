"""Lines of standard input in an event loop, whatever it is: a pipe, a file, nothing.  [I/O]"""

import asyncio
import os
import stat
import sys
from collections.abc import AsyncIterator


def is_nothing() -> bool:
    """Whether nobody can say anything there: closed, or /dev/null, as a service has it."""
    if sys.stdin is None or sys.stdin.closed:
        return True
    status = os.fstat(sys.stdin.fileno())
    is_device = stat.S_ISCHR(status.st_mode)
    return is_device and status.st_rdev == os.stat(os.devnull).st_rdev  # noqa: PTH116  no folder


async def lines() -> AsyncIterator[bytes]:
    """Line by line, without their ends."""
    if stat.S_ISREG(os.fstat(sys.stdin.fileno()).st_mode):
        # An event loop cannot wait for a file, which is always ready.
        while line := await asyncio.to_thread(sys.stdin.buffer.readline):
            yield line.rstrip(b"\n")
        return
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    async for line in reader:
        yield line.rstrip(b"\n")
