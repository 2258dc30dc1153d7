"""Files of keys: what chrony and ntpsec write, what they read differently, what is refused."""

from pathlib import Path

import pytest

from clocksync.cli import options
from clocksync.ntp.keyfile import FILE_BYTES_MAX, read_keys
from clocksync.ntp.keys import Dialect, parse_keys
from clocksync.runtime.errors import BadConfig

HEX16 = "00112233445566778899aabbccddeeff"
SECRET = "correct-horse"


def one(line: str, dialect: Dialect = Dialect.AUTO):
    return parse_keys(line.encode(), "keys", dialect)[1]


@pytest.mark.parametrize(
    ("line", "dialect", "algorithm", "secret"),
    [
        ("1 SHA1 HEX:0A0b", Dialect.AUTO, "SHA1", b"\x0a\x0b"),
        ("1 sha256 ASCII:abc", Dialect.CHRONY, "SHA256", b"abc"),
        ("1 SHA256 ASCII:HEX:00", Dialect.CHRONY, "SHA256", b"HEX:00"),
        ("1\tSHA3-512   abc", Dialect.AUTO, "SHA3-512", b"abc"),
        (f"1 AES128 HEX:{HEX16}", Dialect.AUTO, "AES128", bytes.fromhex(HEX16)),
        (f"1 AES256 HEX:{HEX16}{HEX16}", Dialect.AUTO, "AES256", bytes.fromhex(HEX16 * 2)),
        (f"1 SHA512 {HEX16}", Dialect.CHRONY, "SHA512", HEX16.encode()),
        (f"1 SHA512 {HEX16}", Dialect.NTPSEC, "SHA512", bytes.fromhex(HEX16)),
        (f"1 AES {HEX16} # theirs", Dialect.NTPSEC, "AES128", bytes.fromhex(HEX16)),
        (f"1 AES-256 {HEX16 * 2}", Dialect.NTPSEC, "AES256", bytes.fromhex(HEX16 * 2)),
        (f"1 SHA-1 {HEX16 * 3}", Dialect.NTPSEC, "SHA1", bytes.fromhex(HEX16 * 2)),
        ("1 AES128CMAC 0123456789abcdef", Dialect.NTPSEC, "AES128", b"0123456789abcdef"),
        ("1 SHA1 HEX:00", Dialect.NTPSEC, "SHA1", b"HEX:00"),
        ("1 SHA1 abc#def", Dialect.NTPSEC, "SHA1", b"abc"),
        ("1 SHA1 abc#def", Dialect.CHRONY, "SHA1", b"abc#def"),
        ("1 SHA1 not-hex-but-longer-than-twenty", Dialect.AUTO, "SHA1",
         b"not-hex-but-longer-than-twenty"),
    ],
)  # fmt: skip
def test_a_line_is_read_as_its_program_reads_it(line, dialect, algorithm, secret) -> None:
    key = one(line, dialect)
    assert (key.number, key.algorithm, key.secret) == (1, algorithm, secret)


@pytest.mark.parametrize(
    ("line", "dialect", "words"),
    [
        (f"1 MD5 {SECRET}", Dialect.AUTO, "is of type MD5, which is refused (RFC 8573)"),
        (f"1 M {SECRET}", Dialect.NTPSEC, "is of type M, which is refused"),
        (f"1 TIGER {SECRET}", Dialect.CHRONY, "is of type TIGER, which is refused"),
        (f"1 {SECRET}", Dialect.CHRONY, "has no type, so it is one of MD5"),
        (f"1 ROT13 {SECRET}", Dialect.AUTO, "is of a type that is not known"),
        (f"1 AES128 {SECRET}", Dialect.AUTO, "has 13 bytes, but AES128 takes exactly 16"),
        ("1 SHA1 HEX:", Dialect.AUTO, "should be hexadecimal digits"),
        ("1 SHA1 HEX:0", Dialect.AUTO, "should be hexadecimal digits"),
        ("1 SHA1 ASCII:", Dialect.AUTO, "has no secret"),
        ("1", Dialect.AUTO, "has no secret"),
        (f"1 SHA1 {HEX16}", Dialect.AUTO, "text to chrony and hexadecimal digits to ntpsec: say"),
        ("1 SHA1 abc#def", Dialect.AUTO, "has a # that ends it for ntpsec only: say"),
        (f"1 SHA1 {SECRET} 192.0.2.0/24", Dialect.NTPSEC, "is kept to some addresses"),
    ],
)
def test_a_key_that_cannot_be_used_is_told_when_it_is_asked_for(line, dialect, words) -> None:
    keys = parse_keys(f"{line}\n2 SHA1 fine\n".encode(), "keys", dialect)
    assert keys[2].secret == b"fine"
    assert keys.get(1) is None
    with pytest.raises(BadConfig) as caught:
        keys[1]
    assert words in str(caught.value)
    assert SECRET not in f"{caught.value} {keys}"
    assert HEX16 not in f"{caught.value} {keys}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no key"),
        ("# nothing\n! at\n; all\n% here", "holds no key"),
        ("one SHA1 abc", "keys, line 1 does not begin with the number of a key"),
        ("0 SHA1 abc", "does not begin with the number"),
        ("4294967296 SHA1 abc", "does not begin with the number"),
        ("\u0661 SHA1 abc", "does not begin with the number"),
        ("1 SHA1 abc\n\n1 SHA1 def", "keys, line 3: key 1 is there twice"),
        ("1 MD5 abc\n1 SHA1 def", "key 1 is there twice"),
    ],
)
def test_a_file_that_is_none_is_refused_in_one_line(text: str, words: str) -> None:
    with pytest.raises(BadConfig) as caught:
        parse_keys(text.encode(), "keys")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "abc" not in str(caught.value)


def test_a_number_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(BadConfig, match=r"^keys has no key 9: it has 1, 2$"):
        parse_keys(b"2 SHA1 a\n1 SHA1 b", "keys")[9]


def test_the_commands_offer_the_same_formats() -> None:
    assert {one.value for one in options.Dialect} == {one.value for one in Dialect}


def test_only_a_file_of_the_owners_alone_is_read(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text("1 SHA1 abc\n")
    for mode in (0o644, 0o640, 0o602):
        path.chmod(mode)
        with pytest.raises(BadConfig, match=rf"open to others .*{mode:04o}\): chmod 600 "):
            read_keys(path)
    path.chmod(0o600)
    assert read_keys(path)[1].secret == b"abc"
    with pytest.raises(BadConfig, match="is no regular file: name a file of keys"):
        read_keys(tmp_path)
    with pytest.raises(OSError, match="No such file"):
        read_keys(tmp_path / "other")
    path.write_bytes(b"#" * (FILE_BYTES_MAX + 1))
    with pytest.raises(BadConfig, match="too long"):
        read_keys(path)
