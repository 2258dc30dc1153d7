"""Message authentication codes against the vectors of their RFCs, and what is no MAC."""

import hashlib

import pytest

from clocksync.ntp.mac import CIPHER_KEY_BYTES, DIGESTS, SymmetricKey, number_of
from clocksync.ntp.packet import NtpPacket

# RFC 4493 section 4.
KEY_128 = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
# NIST SP 800-38B, example of CMAC-AES256.
KEY_256 = bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
MESSAGE = bytes.fromhex(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
)
REQUEST = NtpPacket(transmit_timestamp=0x0123456789ABCDEF).encode()


@pytest.mark.parametrize(
    ("algorithm", "key", "length", "code"),
    [
        ("AES128", KEY_128, 0, "bb1d6929e95937287fa37d129b756746"),
        ("AES128", KEY_128, 16, "070a16b46b4d4144f79bdd9dd04a287c"),
        ("AES128", KEY_128, 40, "dfa66747de9ae63030ca32611497c827"),
        ("AES128", KEY_128, 64, "51f0bebf7e3b9d92fc49741779363cfe"),
        ("AES256", KEY_256, 0, "028962f61b7bf89efc6b551f4667d983"),
        ("AES256", KEY_256, 64, "e1992190549f6ed5696a2c056c315410"),
    ],
)
def test_aes_cmac_is_that_of_the_rfc(algorithm, key, length, code) -> None:
    mac = SymmetricKey(9, algorithm, key).mac(MESSAGE[:length])
    assert mac.hex() == "00000009" + code


@pytest.mark.parametrize("algorithm", sorted(DIGESTS))
def test_a_digest_is_over_the_key_and_then_the_packet_cut_to_20_bytes(algorithm: str) -> None:
    key = SymmetricKey(2**32 - 1, algorithm, b"secret")
    whole = hashlib.new(DIGESTS[algorithm], b"secret" + REQUEST).digest()
    assert key.mac(REQUEST) == b"\xff\xff\xff\xff" + whole[:20]
    assert key.mac(REQUEST, version=3) == b"\xff\xff\xff\xff" + whole


@pytest.mark.parametrize("algorithm", [*CIPHER_KEY_BYTES, *DIGESTS])
def test_only_the_whole_mac_verifies(algorithm: str) -> None:
    key = SymmetricKey(5, algorithm, bytes(CIPHER_KEY_BYTES.get(algorithm, 20)))
    mac = key.mac(REQUEST)
    assert key.verifies(REQUEST, mac)
    assert number_of(mac) == 5
    for size in range(len(mac)):
        assert not key.verifies(REQUEST, mac[:size])
    assert not key.verifies(REQUEST, mac + b"\0")
    for place in range(len(mac)):
        wrong = mac[:place] + bytes([mac[place] ^ 1]) + mac[place + 1 :]
        assert not key.verifies(REQUEST, wrong)
    assert not key.verifies(REQUEST[:-1] + b"\0", mac)


def test_a_key_never_shows_its_secret() -> None:
    key = SymmetricKey(5, "SHA1", b"very-secret")
    assert "very" not in f"{key} {key!r} {[key]} { ({5: key}) }"
