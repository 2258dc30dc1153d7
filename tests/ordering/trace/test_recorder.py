"""A recorder writes what a live program did, in the order in which it did it."""

import asyncio
import threading

import pytest

from clocksync.runtime.errors import MalformedFrame
from ordering.trace import Recorder, Run, TracedStreams, read_events, read_run
from ordering.trace.streams import MESSAGE_BYTES_MAX


def texts(recorder):
    return [event.text for event in recorder.events]


def test_a_decorated_function_keeps_its_result_and_its_name_and_leaves_a_span():
    recorder = Recorder("a", reading=lambda: 0)

    @recorder.traced
    def double(number, *, by=2):
        recorder.local("multiplies")
        return number * by

    assert (double(4, by=3), double.__name__) == (12, "double")
    assert texts(recorder) == ["double begins", "multiplies", "double ends"]


def test_a_decorated_coroutine_spans_its_waiting():
    recorder = Recorder("a", reading=lambda: 0)

    @recorder.traced
    async def wait():
        await asyncio.sleep(0)
        recorder.local("woke")
        return 5

    assert asyncio.run(wait()) == 5
    assert texts(recorder) == ["wait begins", "woke", "wait ends"]


def test_a_span_that_fails_says_so_and_lets_the_failure_pass():
    recorder = Recorder("a", reading=lambda: 0)
    with pytest.raises(ZeroDivisionError), recorder.span("division"):
        _ = 1 // 0
    assert texts(recorder) == ["division begins", "division fails: ZeroDivisionError"]


def test_a_line_is_in_the_file_before_the_message_leaves(tmp_path):
    path = tmp_path / "a.jsonl"
    with Recorder("a", path, reading=lambda: 5) as recorder:
        recorder.wrap(b"hello", "greets")
        (event,) = read_events(path.read_text())
        assert (event.text, event.message, event.at_ns) == ("greets", "a:1", 5)
        recorder.local("grüßt \n\u2028")
        assert len(path.read_text("utf-8").split("\n")) == 3
    assert read_run(path).events[1].text == "grüßt \n\u2028"
    assert recorder.events == []


@pytest.mark.parametrize("data", [b"", b"hello", b"\xc5\x00", b"\xc5\x04\x00\x01\x00\x00"])
def test_a_foreign_message_leaves_no_event(data):
    recorder = Recorder("a", reading=lambda: 0)
    with pytest.raises(MalformedFrame):
        recorder.unwrap(data)
    assert recorder.events == []


def test_a_sender_that_has_no_event_of_its_own_is_refused():
    recorder = Recorder("a", reading=lambda: 0)
    with pytest.raises(MalformedFrame, match="without events"):
        recorder.receive(b"\x01\x01b" + b"\x05" + b"\x00\x00")


def test_threads_that_share_a_recorder_leave_one_line_of_events(tmp_path):
    path = tmp_path / "a.jsonl"
    with Recorder("a", path, reading=lambda: 0) as recorder:
        threads = [
            threading.Thread(target=lambda: [recorder.local() for _ in range(50)]) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [event.index for event in read_events(path.read_text())] == list(range(1, 201))


def test_messages_over_asyncio_streams_are_recorded_at_both_ends():
    client, server = Recorder("client", reading=lambda: 0), Recorder("server", reading=lambda: 0)

    async def answer(reader, writer):
        streams = TracedStreams(server, reader, writer)
        question = await streams.receive("is asked")
        await streams.send(question.upper(), "answers")
        await streams.close()

    async def ask():
        listening = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with listening:
            port = listening.sockets[0].getsockname()[1]
            streams = TracedStreams(client, *await asyncio.open_connection("127.0.0.1", port))
            await streams.send(b"how far?", "asks")
            reply = await streams.receive("is answered")
            with pytest.raises(asyncio.IncompleteReadError):
                await streams.receive("never comes")
            await streams.close()
            return reply

    assert asyncio.run(ask()) == b"HOW FAR?"
    run = Run([*client.events, *server.events])
    assert [event.text for event in run.events] == ["asks", "is asked", "answers", "is answered"]
    assert len(run.messages()) == 2


def test_a_stream_that_speaks_something_else_is_refused():
    async def attempt(data):
        reader = asyncio.StreamReader()
        reader.feed_data(data)
        reader.feed_eof()
        recorder = Recorder("a", reading=lambda: 0)
        with pytest.raises(MalformedFrame):
            await TracedStreams(recorder, reader, None).receive()
        with pytest.raises(ValueError, match="at most"):
            await TracedStreams(recorder, reader, None).send(bytes(MESSAGE_BYTES_MAX // 2 + 1))
        return recorder.events

    for data in (b"GET / HTTP/1.1\r\n", b"\x00\x00\x00\x05hello"):
        assert asyncio.run(attempt(data)) == []
