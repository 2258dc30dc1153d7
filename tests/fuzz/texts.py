"""What people and chronyd write: durations, hosts, tracking lines."""

from clocksync.chronyd import parse_tracking
from clocksync.measuring.settings import HostSpec
from clocksync.ntp.packet import printable
from clocksync.runtime.errors import BadConfig, NotSynchronised
from clocksync.runtime.units import format_duration, parse_duration
from tests.fuzz.mutation import main, one_line

SEEDS = (
    b"250ns",
    b"-1.5 ms",
    b"[2001:db8::1]:123",
    b"ntp.example.org:1123",
    b"fe80::1%eth0",
    b"C0000201,192.0.2.1,3,1790000000.1,-0.000000123,0.000000456,0.000000789,1.5,-0.001,0.02,"
    b"0.000300,0.000400,64.2,Normal",
)


def one_input(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    try:
        duration = parse_duration(text)
    except ValueError as error:
        one_line(error)
    else:
        short = abs(duration) < 10**18
        assert not short or parse_duration(format_duration(duration, digits=20)) == duration
    try:
        spec = HostSpec.parse(text)
    except BadConfig as error:
        one_line(error)
    else:
        assert 0 < spec.port < 65536
    try:
        parse_tracking(text)
    except NotSynchronised as error:
        one_line(error)
    assert printable(data).isascii()


if __name__ == "__main__":
    main(one_input, SEEDS)
