"""Histories: MalformedHistory, or events."""

from clocksync.runtime.history import MalformedHistory, parse_history
from tests.fuzz.mutation import main, one_line

SEEDS = (
    b'{"event":"quiet"}\n',
    b'{"node":1,"incarnation":1,"time":5,"event":"deliver","message":[1,2,"x"]}\n{"event":"x"}\n',
)


def one_input(data: bytes) -> None:
    try:
        for event in parse_history(data.splitlines(keepends=True), "fuzz"):
            assert isinstance(event, dict)
    except MalformedHistory as error:
        one_line(error)


if __name__ == "__main__":
    main(one_input, SEEDS)
