"""Inventories: what they say is read, and what they must not say is one line that says where."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync import BadConfig
from clocksync.inventory import parse_inventory, select

GOOD = """
[defaults]
max_offset = "1ms"
samples = 4

[groups.core]
max_offset = "100us"

[hosts.ntp1]
address = "ntp1.example.org"
group = "core"

[hosts."lab.x"]
address = "10.0.0.7"
port = 1123
samples = 16
max_error = "5ms"
"""


def test_a_host_takes_what_it_does_not_say_from_its_group_and_from_the_defaults() -> None:
    one, two = parse_inventory(GOOD)
    assert (one.name, one.spec.name, one.spec.port, one.group) == (
        "ntp1", "ntp1.example.org", 123, "core",
    )  # fmt: skip
    assert (one.samples, one.offset_max_ns, one.error_max_ns) == (4, 100_000, None)
    assert (two.name, two.spec.port, two.group) == ("lab.x", 1123, None)
    assert (two.samples, two.offset_max_ns, two.error_max_ns) == (16, 1_000_000, 5_000_000)
    assert two.target.limits is not None
    assert two.target.limits.error_ns == 5_000_000
    assert one.host.offset_max_ns == 100_000


def test_an_address_left_out_is_the_name() -> None:
    (one,) = parse_inventory('[hosts."ntp.example.org"]')
    assert one.spec.name == "ntp.example.org"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("samples = 16", 'samples = "16"', "f:16: hosts.lab.x.samples: must be a whole number"),
        ("samples = 16", "samples = 0", "f:16: hosts.lab.x.samples: must be a whole number"),
        ("samples = 16", "samples = true", "f:16: hosts.lab.x.samples: must be"),
        ("samples = 16", "sample = 16", "f:16: hosts.lab.x.sample: unknown; there are address"),
        ("port = 1123", "port = 70000", "f:15: hosts.lab.x.port: must be a whole number"),
        ('"10.0.0.7"', '"10.0.0.7:99"', "f:15: hosts.lab.x.port: contradicts the port"),
        ('"10.0.0.7"', '"a b"', "f:14: hosts.lab.x.address: 'a b' is no host name"),
        ('"10.0.0.7"', "7", "f:14: hosts.lab.x.address: must be a name or an address in quotes"),
        ('"1ms"', "1", "f:3: defaults.max_offset: must be a duration in quotes"),
        ('"1ms"', '"-1ms"', "f:3: defaults.max_offset: must be a duration"),
        ('"100us"', '"soon"', "f:7: groups.core.max_offset: must be a duration"),
        ('group = "core"', 'group = "cor"', "f:11: hosts.ntp1.group: no such group; there are"),
        ("[groups.core]", "[groups.core]\nport=1\nhosts=[]", "f:8: groups.core.hosts: unknown"),
        ("[hosts.ntp1]", "[host.ntp1]", "f:9: host: unknown; there are defaults, groups and hosts"),
        ("[hosts.ntp1]", "[hosts.'n t']", "f:9: hosts.n t: no name"),
        ("[hosts.ntp1]", "[hosts.ntp1", "f:9: no TOML: "),
        ("[hosts.ntp1]", "[hosts.'lab.x']", "f:13: no TOML: "),
    ],
)
def test_what_is_wrong_is_one_line_with_its_place(old: str, new: str, says: str) -> None:
    with pytest.raises(BadConfig) as error:
        parse_inventory(GOOD.replace(old, new, 1), "f")
    assert str(error.value).startswith(says)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "hosts = 3", "[hosts]\na = 3", "[hosts]", "[[hosts]]"])
def test_what_names_no_host_is_no_inventory(text: str) -> None:
    with pytest.raises(BadConfig, match=r"^f"):
        parse_inventory(text, "f")


@given(st.text(max_size=200))
def test_any_text_is_an_inventory_or_refused(text: str) -> None:
    with contextlib.suppress(BadConfig):  # and nothing else is raised
        assert parse_inventory(text, "f")


def test_groups_choose_and_a_group_nobody_is_of_is_refused() -> None:
    entries = parse_inventory(GOOD)
    assert select(entries, (), "f") == entries
    assert [entry.name for entry in select(entries, ["core"], "f")] == ["ntp1"]
    with pytest.raises(BadConfig, match="no host is of the group 'x': there are core"):
        select(entries, ["x"], "f")
