"""Ready-made replicated objects: a dictionary, a counter, a queue. Values are JSON.

Verbs that change something make a *command*, to be submitted to the object's replica; what comes
of it is the result of ``Applied``. Reading is local and at once: it sees every command that was
applied here, so after ``Applied`` one's own.

>>> config = ReplicatedDict()
>>> command = config.set("limit", 10)

Values are kept as the text of their JSON (canonical: sorted keys, no spaces), so nobody can change
the state through a value that was read, and equal texts are equal values: 1 and 1.0 differ. What is
no JSON (bytes, sets, NaN, keys that are no strings) is refused by the verb, at the caller. Nothing
is ever unpickled.
"""

import json
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple
from zlib import crc32

from vsync.replication.machine import Context, Replicated

PIECE_ITEMS = 64
"""How many items of a state travel in one piece."""


class BadCommand(NamedTuple):
    """The result of a command that is none: it changed nothing."""

    why: str


def encoded(value: object) -> str:
    """The canonical text of a value.

    Raises:
        ValueError: it is no JSON; the message says what is not.
    """
    _check(value)
    return json.dumps(value, separators=(",", ":"), sort_keys=True, allow_nan=False)


def _check(value: object, depth: int = 0) -> None:
    # The standard library turns keys into strings, and tuples into lists, without a word.
    if depth > 100:
        raise ValueError("a value is nested more than 100 deep")
    match value:
        case None | bool() | int() | str():
            return
        case float():
            if value != value or value in (float("inf"), float("-inf")):
                raise ValueError(f"{value!r} is no JSON")
        case list():
            for each in value:
                _check(each, depth + 1)
        case dict():
            for key, each in value.items():
                if not isinstance(key, str):
                    raise ValueError(f"the key {key!r} is no string: JSON has no others")
                _check(each, depth + 1)
        case _:
            raise ValueError(f"a {type(value).__name__} is no JSON: {value!r}")


def _command(*parts: object) -> bytes:
    return encoded(list(parts)).encode()


def _parts(command: bytes) -> list[object]:
    """The parts of a command; none for what is no command."""
    try:
        value = json.loads(command)
    except (ValueError, RecursionError):
        return []
    return value if isinstance(value, list) else []


def _in_pieces(items: Iterable[object]) -> Iterator[bytes]:
    rest = iter(items)
    while part := list(islice(rest, PIECE_ITEMS)):
        yield json.dumps(part, separators=(",", ":")).encode()


def _out_of_pieces(pieces: Iterable[bytes]) -> Iterator[object]:
    for piece in pieces:
        yield from json.loads(piece)


class ReplicatedDict(Replicated):
    """A dictionary from strings to values."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    # Commands

    @staticmethod
    def set(key: str, value: object) -> bytes:
        """Put a value; the result is None.

        Raises:
            ValueError: the value is no JSON, or the key no string.
        """
        return _command("set", _key(key), encoded(value))

    @staticmethod
    def delete(key: str) -> bytes:
        """Take a key out; the result is whether it was there."""
        return _command("delete", _key(key))

    @staticmethod
    def compare_and_set(key: str, expected: object, value: object) -> bytes:
        """Put `value` if the key holds `expected`; the result is whether it did.

        Raises:
            ValueError: one of them is no JSON.
        """
        return _command("cas", _key(key), encoded(expected), encoded(value))

    @staticmethod
    def create(key: str, value: object) -> bytes:
        """Put a value if the key is not there; the result is whether it was not."""
        return _command("create", _key(key), encoded(value))

    @staticmethod
    def read(key: str) -> bytes:
        """Read in the order of commands: the result is a list of the value, empty without one.

        A local read (:meth:`get`) may be behind what others see; this one is not.
        """
        return _command("read", _key(key))

    # Reads

    def get(self, key: str, default: object = None) -> object:
        """The value of a key, as it is here now."""
        text = self._texts.get(key)
        return default if text is None else json.loads(text)

    def items(self) -> list[tuple[str, object]]:
        """All keys with their values."""
        return [(key, json.loads(text)) for key, text in self._texts.items()]

    def __contains__(self, key: object) -> bool:
        return key in self._texts

    def __len__(self) -> int:
        return len(self._texts)

    # State

    def apply(self, command: bytes, context: Context) -> object:
        texts = self._texts
        match _parts(command):
            case ["set", str(key), str(text)]:
                texts[key] = text
                return None
            case ["delete", str(key)]:
                return texts.pop(key, None) is not None
            case ["cas", str(key), str(expected), str(text)]:
                if texts.get(key) != expected:
                    return False
                texts[key] = text
                return True
            case ["create", str(key), str(text)]:
                if key in texts:
                    return False
                texts[key] = text
                return True
            case ["read", str(key)]:
                return [json.loads(texts[key])] if key in texts else []
        return BadCommand("no command of a dictionary")

    def snapshot(self) -> Iterable[bytes]:
        # A copy shares the texts: a million entries take some milliseconds.
        return _in_pieces(dict(self._texts).items())

    def restore(self, pieces: Iterable[bytes]) -> None:
        texts: dict[str, str] = {}
        for item in _out_of_pieces(pieces):
            match item:
                case [str(key), str(text)]:
                    texts[key] = text
        self._texts = texts

    def digest(self) -> int:
        """A number that is equal where states are."""
        return crc32(repr(list(self._texts.items())).encode())


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise ValueError(f"the key {key!r} is no string")
    return key


class Counter(Replicated):
    """A whole number, of any size."""

    def __init__(self) -> None:
        self.value = 0

    @staticmethod
    def add(amount: int = 1) -> bytes:
        """Add to it; the result is the value after that.

        Raises:
            ValueError: the amount is no integer.
        """
        if type(amount) is not int:
            raise ValueError(f"{amount!r} is no integer")
        return _command("add", amount)

    def apply(self, command: bytes, context: Context) -> object:
        match _parts(command):
            case ["add", int(amount)]:
                self.value += amount
                return self.value
        return BadCommand("no command of a counter")

    def snapshot(self) -> Iterable[bytes]:
        return [json.dumps(self.value).encode()]

    def restore(self, pieces: Iterable[bytes]) -> None:
        (self.value,) = (int(json.loads(piece)) for piece in pieces)

    def digest(self) -> int:
        """A number that is equal where states are."""
        return self.value


class Taken(NamedTuple):
    """What a take got."""

    was_there: bool
    value: object = None


class Queue(Replicated):
    """First in, first out; every item goes to one taker."""

    def __init__(self) -> None:
        self._texts: deque[str] = deque()

    @staticmethod
    def put(value: object) -> bytes:
        """Put an item at the end; the result is how many are there then.

        Raises:
            ValueError: it is no JSON.
        """
        return _command("put", encoded(value))

    @staticmethod
    def take() -> bytes:
        """Take the first item; the result is :class:`Taken`."""
        return _command("take")

    def peek(self) -> list[object]:
        """All items, as they are here now."""
        return [json.loads(text) for text in self._texts]

    def __len__(self) -> int:
        return len(self._texts)

    def apply(self, command: bytes, context: Context) -> object:
        match _parts(command):
            case ["put", str(text)]:
                self._texts.append(text)
                return len(self._texts)
            case ["take"]:
                return Taken(True, json.loads(self._texts.popleft())) if self._texts else NOTHING
        return BadCommand("no command of a queue")

    def snapshot(self) -> Iterable[bytes]:
        return _in_pieces(list(self._texts))

    def restore(self, pieces: Iterable[bytes]) -> None:
        self._texts = deque(text for text in _out_of_pieces(pieces) if isinstance(text, str))

    def digest(self) -> int:
        """A number that is equal where states are."""
        return crc32(repr(list(self._texts)).encode())


NOTHING = Taken(False)
"""What a take gets from an empty queue."""
