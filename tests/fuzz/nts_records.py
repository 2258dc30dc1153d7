"""NTS-KE messages, to a client and to a server: an answer, a refusal, or MalformedFrame."""

from clocksync.nts.negotiation import Refused, answer, judge_answer, request
from clocksync.nts.records import Reader, Record, Type, encode, numbered
from clocksync.runtime.errors import MalformedFrame
from tests.fuzz.mutation import main, one_line

PROTOCOL, AEAD = numbered(Type.NEXT_PROTOCOL, 0), numbered(Type.AEAD, 15)
SEEDS = (
    request(),
    encode((PROTOCOL, AEAD, *[Record(Type.COOKIE, bytes(20))] * 8)),
    encode((PROTOCOL, AEAD, Record(Type.SERVER, b"ntp.test"), numbered(Type.PORT, 123))),
    encode((numbered(Type.ERROR, 1),)),
)


def one_input(data: bytes) -> None:
    reader = Reader()
    try:
        half = len(data) // 2
        records = reader.feed(data[:half]) or reader.feed(data[half:])
    except MalformedFrame as error:
        one_line(error)
        return
    if records is None:
        return
    said = answer(records, lambda direction: bytes(32), lambda keys: bytes(100))
    assert Reader().feed(said) is not None
    assert len(said) < 1000
    try:
        agreed = judge_answer(records)
    except Refused as error:
        one_line(error)
        return
    assert 0 < len(agreed.cookies) <= 8
    assert 0 < agreed.port < 65536
    assert agreed.server is None or agreed.server.isprintable()


if __name__ == "__main__":
    main(one_input, SEEDS)
