"""Files of keys: keys, or BadConfig in one line that tells no secret."""

from clocksync.ntp.keys import Dialect, parse_keys
from clocksync.runtime.errors import BadConfig
from tests.fuzz.mutation import main, one_line

SEEDS = (
    b"# keys\n1 SHA1 HEX:00112233\n2 AES128 ASCII:0123456789abcdef\n",
    b"3 MD5 weak\n4 SHA512 00112233445566778899aabbccddeeff # theirs\n5 x\n",
)


def one_input(data: bytes) -> None:
    for dialect in Dialect:
        try:
            keys = parse_keys(data, "keys", dialect)
        except BadConfig as error:
            one_line(error)
            continue
        for number, key in keys.keys.items():
            assert key.number == number
            assert len(key.mac(data)) in (20, 24)
        for reason in keys.unusable.values():
            assert reason.isprintable()


if __name__ == "__main__":
    main(one_input, SEEDS)
