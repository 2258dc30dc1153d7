"""AES-SIV against a second one, written here from RFC 5297 and checked by its vectors."""

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC
from hypothesis import given
from hypothesis import strategies as st

from clocksync.nts.aead import Aead, takes_empty_text

HIGHEST = 1 << 128


def cmac(key: bytes, data: bytes) -> int:
    code = CMAC(algorithms.AES(key))
    code.update(data)
    return int.from_bytes(code.finalize(), "big")


def doubled(value: int) -> int:
    value <<= 1
    return value ^ HIGHEST ^ 0x87 if value >= HIGHEST else value


def siv(key: bytes, associated: list[bytes], plain: bytes) -> bytes:
    """RFC 5297 sections 2.4 to 2.6."""
    first, second = key[: len(key) // 2], key[len(key) // 2 :]
    sum_ = cmac(first, bytes(16))
    for part in associated:
        sum_ = doubled(sum_) ^ cmac(first, part)
    if len(plain) >= 16:
        end = int.from_bytes(plain[-16:], "big") ^ sum_
        last = plain[:-16] + end.to_bytes(16, "big")
    else:
        padded = int.from_bytes(plain + b"\x80" + bytes(15 - len(plain)), "big")
        last = (doubled(sum_) ^ padded).to_bytes(16, "big")
    tag = cmac(first, last).to_bytes(16, "big")
    counter = int.from_bytes(tag, "big") & ~(1 << 63 | 1 << 31)
    cipher = Cipher(algorithms.AES(second), modes.CTR(counter.to_bytes(16, "big"))).encryptor()
    return tag + cipher.update(plain)


def test_the_second_one_is_right() -> None:
    """RFC 5297 appendix A.1 and A.2."""
    key = bytes.fromhex("fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")
    associated = bytes.fromhex("101112131415161718191a1b1c1d1e1f2021222324252627")
    plain = bytes.fromhex("112233445566778899aabbccddee")
    assert siv(key, [associated], plain).hex() == (
        "85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c"
    )
    key = bytes.fromhex("7f7e7d7c7b7a79787776757473727170404142434445464748494a4b4c4d4e4f")
    one = "00112233445566778899aabbccddeeffdeaddadadeaddadaffeeddccbbaa99887766554433221100"
    three = [bytes.fromhex(one), bytes.fromhex("102030405060708090a0")]
    three.append(bytes.fromhex("09f911029d74e35bd84156c5635688c0"))
    text = b"this is some plaintext to encrypt using SIV-AES"
    assert siv(key, three, text).hex() == (
        "7bdb6e3b432667eb06f4d14bff2fbd0fcb900f2fddbe404326601965c889bf17"
        "dba77ceb094fa663b7a3f748ba8af829ea64ad544a272e9c485b62a3fd5c0d"
    )


@given(
    st.booleans(),
    st.binary(min_size=32, max_size=32),
    st.binary(max_size=80) | st.just(b""),
    st.binary(min_size=1, max_size=20),
    st.binary(max_size=200),
)
def test_both_seal_alike_and_only_the_same_opens(empty, key, plain, nonce, associated) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("clocksync.nts.aead.takes_empty_text", lambda: empty and takes_empty_text())
        _seal_and_open(Aead(key), key, plain, nonce, associated)


def _seal_and_open(aead: Aead, key: bytes, plain: bytes, nonce: bytes, associated: bytes) -> None:
    sealed = aead.seal(plain, nonce, associated)
    assert sealed == siv(key, [associated, nonce], plain)
    assert aead.open(sealed, nonce, associated) == plain
    assert aead.open(sealed, nonce, associated + b"\0") is None
    assert aead.open(sealed, nonce + b"\0", associated) is None
    assert aead.open(sealed[:-1], nonce, associated) is None
    assert aead.open(sealed[:7], nonce, associated) is None
    assert Aead(bytes([key[0] ^ 1]) + key[1:]).open(sealed, nonce, associated) is None
