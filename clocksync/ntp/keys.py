"""Files of symmetric keys, as chrony and ntpsec write them.

::

    # number  type     secret
    1         AES128   HEX:5A4B...          chrony
    2         SHA256   ASCII:some text      chrony; without a prefix it is text too
    3         AES      0f1e2d...            ntpsec: over 20 characters are hexadecimal digits

Both read the same columns and the same comments, but not the same secret: one of more than 20
hexadecimal digits without a prefix is text to chrony and bytes to ntpsec. A reader who guessed
would authenticate nothing and say nothing, so such a key is refused unless the caller says whose
file it is. A key that cannot be used (MD5, an unknown type, a length that does not fit) is no
reason to refuse its neighbours: it is told when somebody asks for it. Nothing here, no error
either, ever tells what a secret is.
"""

import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from clocksync.ntp.mac import CIPHER_KEY_BYTES, DIGESTS, SymmetricKey
from clocksync.runtime.errors import BadConfig

HIGHEST_NUMBER = 2**32 - 1
LONGEST_PLAIN = 20
"""Characters of a secret that ntpsec takes as text; longer ones are digits."""
NTPSEC_BYTES_MAX = 32
"""What ntpsec takes of a secret in digits; it leaves the rest away, and so must we."""
_SAY = "say --keys-format chrony or ntpsec"
_COMMENTS = "#!;%"
_NAMES = {
    **{name: name for name in (*DIGESTS, *CIPHER_KEY_BYTES)},
    **{name.replace("SHA", "SHA-", 1): name for name in DIGESTS if not name.startswith("SHA3")},
    # ntpsec's names; AES alone is AES-128 there.
    **dict.fromkeys(("AES", "AES-128", "AES-128-CMAC", "AES128CMAC", "AES-CMAC"), "AES128"),
    **dict.fromkeys(("AES-256", "AES-256-CMAC", "AES256CMAC"), "AES256"),
}
_WEAK = frozenset({"MD5", "M", "MD4", "MDC2", "RIPEMD160", "TIGER", "WHIRLPOOL"})


class Dialect(Enum):
    """Whose file it is."""

    AUTO = "auto"
    CHRONY = "chrony"
    NTPSEC = "ntpsec"


class _Unusable(Exception):
    """Why a key cannot be used: what to do about it."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys of a file. Of those that cannot be used only the reason is kept."""

    name: str
    keys: Mapping[int, SymmetricKey] = field(repr=False)
    unusable: Mapping[int, str]

    def __getitem__(self, number: int) -> SymmetricKey:
        """The key of that number.

        Raises:
            BadConfig: there is none, or it cannot be used; the message says why.
        """
        found = self.keys.get(number)
        if found is not None:
            return found
        if number in self.unusable:
            raise BadConfig(f"key {number} of {self.name} {self.unusable[number]}")
        raise BadConfig(f"{self.name} has no key {number}: it has {_listed(self.keys)}")

    def get(self, number: int) -> SymmetricKey | None:
        """The key of that number, if it can be used."""
        return self.keys.get(number)


def parse_keys(text: bytes, name: str, dialect: Dialect = Dialect.AUTO) -> KeySet:
    """The keys in the text of a file; `name` is what messages call it.

    Raises:
        BadConfig: a line is no key, a number occurs twice, or there is none at all.

    >>> parse_keys(b"1 AES128 HEX:000102030405060708090A0B0C0D0E0F", "keys")[1]
    SymmetricKey(number=1, algorithm='AES128')
    """
    keys: dict[int, SymmetricKey] = {}
    unusable: dict[int, str] = {}
    for line_number, words in _lines(text):
        where = f"{name}, line {line_number}"
        number = _number(words[0], where)
        if number in keys or number in unusable:
            raise BadConfig(f"{where}: key {number} is there twice: remove one")
        try:
            keys[number] = _key(number, words[1:], dialect)
        except _Unusable as reason:
            unusable[number] = str(reason)
    if not keys and not unusable:
        raise BadConfig(f"{name} holds no key: write a number, a type and a secret a line")
    return KeySet(name, keys, unusable)


def _lines(text: bytes) -> Iterator[tuple[int, list[str]]]:
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.decode("latin-1").strip()
        if not line or line[0] in _COMMENTS:
            continue
        words: list[str] = []
        for word in line.split():
            if word.startswith("#"):
                break
            words.append(word)
        yield number, words


def _number(word: str, where: str) -> int:
    if not (word.isascii() and word.isdigit() and 0 < int(word[:12]) <= HIGHEST_NUMBER):
        raise BadConfig(f"{where} does not begin with the number of a key (1 to {HIGHEST_NUMBER})")
    return int(word)


def _key(number: int, words: list[str], dialect: Dialect) -> SymmetricKey:
    if len(words) == 1:
        raise _Unusable("has no type, so it is one of MD5, which is broken: make one of AES128")
    if len(words) > 2:
        raise _Unusable("is kept to some addresses, which is not supported: make one without")
    if not words:
        raise _Unusable("has no secret")
    given = words[0].upper()
    algorithm = _NAMES.get(given)
    if algorithm is None:
        if given in _WEAK:
            raise _Unusable(f"is of type {given}, which is refused (RFC 8573): make one of AES128")
        raise _Unusable("is of a type that is not known: use AES128, AES256, SHA256 or SHA512")
    secret = _secret(words[1], dialect)
    wanted = CIPHER_KEY_BYTES.get(algorithm, len(secret))
    if len(secret) != wanted:
        raise _Unusable(f"has {len(secret)} bytes, but {algorithm} takes exactly {wanted}")
    return SymmetricKey(number, algorithm, secret)


def _secret(word: str, dialect: Dialect) -> bytes:
    if dialect is not Dialect.NTPSEC:
        prefix, colon, rest = word.partition(":")
        if colon and prefix == "HEX":
            return _digits(rest)
        if colon and prefix == "ASCII":
            word, dialect = rest, Dialect.CHRONY
    if "#" in word and dialect is not Dialect.CHRONY:
        if dialect is Dialect.AUTO:
            raise _Unusable(f"has a # that ends it for ntpsec only: {_SAY}")
        word = word.partition("#")[0]
    if dialect is Dialect.NTPSEC and len(word) > LONGEST_PLAIN:
        return _digits(word[: 2 * NTPSEC_BYTES_MAX])
    if dialect is Dialect.AUTO and len(word) > LONGEST_PLAIN and set(word) <= set(string.hexdigits):
        raise _Unusable(f"is text to chrony and hexadecimal digits to ntpsec: {_SAY}")
    if not word:
        raise _Unusable("has no secret")
    return word.encode("latin-1")


def _digits(word: str) -> bytes:
    try:
        secret = bytes.fromhex(word) if " " not in word else b""
    except ValueError:
        secret = b""
    if not secret:
        raise _Unusable("should be hexadecimal digits, two a byte, and is not")
    return secret


def _listed(keys: Mapping[int, object]) -> str:
    if not keys:
        return "none that can be used"
    return ", ".join(map(str, sorted(keys)[:10])) + (", ..." if len(keys) > 10 else "")
