"""[I/O] Traced asyncio streams: messages over a byte stream, each sending and receipt recorded.

A message is its length in four bytes, big-endian, and the recorder's envelope.
"""

import asyncio

from clocksync.runtime.errors import MalformedFrame
from ordering.trace.recorder import Recorder

MESSAGE_BYTES_MAX = 16 * 1024 * 1024
"""A longer announcement is taken for a stream that speaks something else."""


class TracedStreams:
    """The two ends that ``asyncio.open_connection`` gives, recording what passes.

    Both sides of the connection must use it::

        reader, writer = await asyncio.open_connection(host, port)
        streams = TracedStreams(recorder, reader, writer)
        await streams.send(b"ping", "asks")
        answer = await streams.receive("is answered")
        await streams.close()
    """

    def __init__(
        self, recorder: Recorder, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.recorder = recorder
        self._reader = reader
        self._writer = writer

    async def send(self, message: bytes, text: str = "") -> None:
        """Record the sending, then send.

        Raises:
            ValueError: the message is longer than half of ``MESSAGE_BYTES_MAX``.
            ConnectionError: the connection is lost; the sending stays recorded.
        """
        if len(message) > MESSAGE_BYTES_MAX // 2:
            raise ValueError(f"a message of {len(message)} bytes: {MESSAGE_BYTES_MAX // 2} at most")
        data = self.recorder.wrap(message, text)
        self._writer.write(len(data).to_bytes(4, "big") + data)
        await self._writer.drain()

    async def receive(self, text: str = "") -> bytes:
        """Wait for a message, record its receipt, and return it.

        Raises:
            asyncio.IncompleteReadError: the other side closed.
            MalformedFrame: what came is no traced message.
        """
        size = int.from_bytes(await self._reader.readexactly(4), "big")
        if size > MESSAGE_BYTES_MAX:
            raise MalformedFrame("message over its maximum")
        return self.recorder.unwrap(await self._reader.readexactly(size), text)

    async def close(self) -> None:
        """Close the connection."""
        self._writer.close()
        await self._writer.wait_closed()
