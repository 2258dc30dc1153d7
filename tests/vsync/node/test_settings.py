"""Settings files: what they may say, what they come to, how they are refused."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.errors import BadConfig
from vsync.config import RingConfig
from vsync.identity import Service
from vsync.node.declared import DISCOVERY, ELSEWHERE, KEYS, RING, reference, ring_key
from vsync.node.presets import PRESETS
from vsync.node.settings import Discovery, Settings, number_of, parse, read_id

FULL = """
group = "orders"
id = "hostname"
listen = "[::]:5410"
key_file = "/etc/vsync/orders.key"
state = "/var/lib/vsync"
history = "/var/log/h.jsonl"
service = "safe"
preset = "wan"
mtu = 1280
multicast = false
token_timeout = "2.5s"
status_socket = "/run/vsync/"
metrics = "9464"
wait_for_peers = "1m"

[peers]
2 = "[fd00::2]:5410"

[ring]
token_hold = "20ms"
backoff = ["1s", "20s"]
drift_ppm = 100
fair_share = true
window = 90
"""


def test_a_full_file_comes_to_what_it_says():
    said = parse(FULL, "f.toml")
    assert (said.group, said.id, said.listen) == ("orders", "hostname", "[::]:5410")
    assert said.peers == {2: "[fd00::2]:5410"}
    assert said.service is Service.SAFE
    assert said.wait_for_peers == 60_000_000_000
    config = said.config()
    assert config.token_loss_ns == 2_500_000_000
    assert config.datagram_bytes == 1280 - 48
    assert config.token_hold_ns == 20_000_000
    assert config.backoff_ns == (1_000_000_000, 20_000_000_000)
    assert (config.drift_ppm, config.fair_share, config.window) == (100.0, True, 90)
    assert config.visit_max == PRESETS["wan"].ring["visit_max"]


def test_nothing_said_is_the_local_network_as_ever():
    assert parse("", "f").config() == RingConfig.within(1_000_000_000, datagram_bytes=1472)


@pytest.mark.parametrize(
    ("listen", "size"),
    [
        ("10.0.0.1:5410", 1472),
        ("[fd00::1]:5410", 1452),
        ("[fe80::1%eth0]:5410", 1452),
        ("shop-1.example:5410", 1452),
    ],
)
def test_a_datagram_has_room_for_the_headers_of_the_address_or_of_any_that_a_name_may_mean(
    listen, size
):
    assert parse(f'listen = "{listen}"', "f").config().datagram_bytes == size


@pytest.mark.parametrize("name", PRESETS)
def test_each_preset_is_possible(name):
    config = parse(f'preset = "{name}"', "f").config()
    assert config.token_loss_ns == PRESETS[name].token_timeout
    assert config.datagram_bytes == PRESETS[name].mtu - 28


def test_the_small_window_of_loopback_is_that_of_large_datagrams():
    assert parse('preset = "loopback"', "f").config().window == 5
    assert parse('preset = "loopback"\nmtu = 1500', "f").config().window == 700


def test_every_tunable_can_be_said_once_in_one_place():
    fields = set(RingConfig.__annotations__)
    assert set(RING.values()) | {f"{name}_ns" for name in ELSEWHERE} | set(ELSEWHERE) >= fields
    assert not set(RING) & set(KEYS)
    text = reference()
    for name in (
        *KEYS,
        *(f"discovery.{key}" for key in DISCOVERY),
        *(f"ring.{key}" for key in RING),
    ):
        assert text.count(f"| `{name}` |") == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("grop = 'x'", "f: grop is no key: did you mean group?"),
        ("qqq = 1", "f: qqq is no key; there are discovery, group, history, id,"),
        ("id = 0", "f: id = 0: allowed is 1 to 65534"),
        ("id = true", "f: id = True: allowed is"),
        ("id = 'me'", "f: id = 'me': allowed is"),
        ("group = ''", "f: group = '': allowed is a name"),
        ("id = " + "9" * 5000, "f is no TOML: "),
        ("listen = 'a:" + "9" * 5000 + "'", "f: listen = 'a:99"),
        ("metrics = '" + "9" * 5000 + "'", "f: metrics = '99"),
        ("[peers]\n" + "9" * 5000 + " = 'a:1'", "f: peers = {'99"),
        ('group = "a\\u0007b"', "allowed is a name"),
        ("listen = '10.0.0.1'", 'allowed is "host:port"'),
        ("listen = '10.0.0.1:99999'", 'allowed is "host:port"'),
        ("peers = 'dns:x:1'", "f: peers = 'dns:x:1': allowed is a table"),
        ("[peers]\nx = 'a:1'", "allowed is a table of ids"),
        ("[peers]\n0 = 'a:1'", "allowed is a table of ids"),
        ("[peers]\n2 = 5", "allowed is a table of ids"),
        ("service = 'fast'", 'f: service = \'fast\': allowed is "agreed" or "safe"'),
        ("preset = 'moon'", 'allowed is "loopback", "lan" or "wan"'),
        ("mtu = 100", "f: mtu = 100: allowed is 576 to 65000"),
        ("mtu = 1e3", "allowed is 576 to 65000"),
        ("token_timeout = 5", "f: token_timeout = 5: allowed is a duration such as"),
        ("token_timeout = '-5s'", "allowed is a duration"),
        ("token_timeout = '25h'", "allowed is a duration"),
        ("token_timeout = 'soon'", "allowed is a duration"),
        ("token_timeout = '0s'", "f: [ring]: token_loss_ns = 0"),
        ("metrics = ':1'", "f: metrics"),
        ("metrics = 9464", "f: metrics = 9464"),
        ("ring = 5", "f: ring = 5: allowed is a table, [ring]"),
        ("[ring]\nwindw = 5", "f: ring.windw is no key: did you mean window?"),
        ("[ring]\nwindow = -5", "f: ring.window = -5: allowed is a whole number"),
        ("[ring]\nwindow = 0", "f: ring.window = 0: allowed is a whole number from 1"),
        ("[ring]\nwindow = 5000", "window = 5000 must be less than gap_max = 3000"),
        ("[ring]\ntoken_hold = 5", "f: ring.token_hold = 5: allowed is a duration"),
        ("[ring]\nbackoff = '1s'", "allowed is two durations"),
        ("[ring]\ndrift_ppm = nan", "drift_ppm = nan"),
        ("[ring]\ndrift_ppm = true", "allowed is a number"),
        ("[ring]\nfair_share = 1", "allowed is true or false"),
        ("[ring]\ntoken_loss = '1s'", "f: ring.token_loss cannot be set here: say token_timeout"),
        ("[ring]\ntoken_loss_ns = 1", "say token_timeout"),
        ("[ring]\ncluster = 1", "it comes from the group's name"),
        ("discovery = []", "allowed is a table, [discovery]"),
        ("[discovery]\nmembers = 3", "needs one of dns and zeroconf"),
        ("[discovery]\nzeroconf = true\ndns = 'a{id}'", "needs one of dns and zeroconf"),
        ("[discovery]\ndns = 'name'\nmembers = 3", "discovery.dns = 'name': allowed is"),
        ("[discovery]\ndns = '{id}{x}'\nmembers = 3", "allowed is"),
        ("[discovery]\ndns = '{id}'", "discovery.members is missing"),
        ("[discovery]\ndns = '{id}'\nmembers = 3", "discovery.port is missing"),
        ("[discovery]\ndms = 'a'", "discovery.dms is no key: did you mean dns?"),
        ("[peers]\n2='a:1'\n[discovery]\ndns = '{id}'\nmembers = 3", "contradict each other"),
        ("key_file = 'k'\ninsecure_plaintext = true", "key_file and insecure_plaintext"),
        ("x = [", "f is no TOML: "),
        ("a = 1\na = 2", "f is no TOML: "),
        ("a" * 10, "f is no TOML: "),
        ("a = " + "[" * 5000, "f is no TOML"),
    ],
)
def test_what_is_wrong_is_one_line_with_file_key_and_what_is_allowed(text, says):
    with pytest.raises(BadConfig) as refused:
        parse(text, "f")
    message = str(refused.value)
    assert says in message or ("no TOML" in message and says == "allowed")
    assert "\n" not in message
    assert message.startswith("f")
    assert len(message) < 500


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=5,
)


WHOLE = {
    field: int(ring_key(field).allowed.rpartition(" ")[2])
    for field in RING.values()
    if ring_key(field).allowed.startswith("a whole number from")
}


def what_is_wrong_with(**settings):
    try:
        RingConfig(**settings)
    except BadConfig as error:
        return str(error)
    return ""


@pytest.mark.parametrize("field", WHOLE)
def test_the_least_whole_number_that_is_allowed_is_the_least_that_a_ring_can_have(field):
    # The least may contradict another setting.
    assert "at least" not in what_is_wrong_with(**{field: WHOLE[field]})
    assert f"at least {WHOLE[field]}" in what_is_wrong_with(**{field: WHOLE[field] - 1})


@given(st.sampled_from([*KEYS, "ring", "discovery"]), VALUES)
def test_no_value_does_more_than_be_refused(name, value):
    from vsync.node.settings import _discovery, _ring, _table, _values

    try:
        if name == "ring":
            _ring(_table(value, "f", name), "f")
        elif name == "discovery":
            _discovery(_table(value, "f", name), "f", None)
        else:
            _values({name: value}, KEYS, "f", "")
    except BadConfig as error:
        refused = error
    else:
        return
    assert str(refused).startswith("f: ")


@given(st.text(max_size=60))
def test_no_text_does_more_than_be_refused(text):
    with suppress(BadConfig):
        assert isinstance(parse(text, "f"), Settings)


def test_what_is_said_later_goes_over_what_was_said_before():
    below = parse(FULL, "f")
    said = Settings(id=4, mtu=1500, peers={3: "10.0.0.3:1"}, ring={"window": 50})
    both = said.over(below)
    assert (both.id, both.mtu, both.group) == (4, 1500, "orders")
    assert both.peers == {3: "10.0.0.3:1"}
    assert both.ring["window"] == 50
    assert both.ring["token_hold_ns"] == 20_000_000
    assert Settings().over(below) == below
    found = Settings(discovery=Discovery(dns="a{id}", members=2, port=1)).over(below)
    assert found.all_peers(1) == {2: "a2:1"}
    bare = Settings(insecure_plaintext=True).over(below)
    assert (bare.key_file, bare.insecure_plaintext) == (None, True)


def test_names_of_members_are_made_from_their_numbers():
    text = "[discovery]\ndns = 'vsync-{ordinal}.vsync'\nmembers = 3\nport = 5410"
    said = parse(text, "f")
    assert said.all_peers(2) == {1: "vsync-0.vsync:5410", 3: "vsync-2.vsync:5410"}
    text = "listen = '0.0.0.0:7'\n[discovery]\ndns = 'host{id}'\nmembers = 2"
    assert parse(text, "f").all_peers(1) == {2: "host2:7"}
    by_zeroconf = parse("listen = 'a:1'\n[discovery]\nzeroconf = true\nmembers = 2", "f")
    assert by_zeroconf.all_peers(1) == {}


def test_a_list_that_is_the_same_for_all_may_name_ourselves():
    assert parse("[peers]\n1 = 'a:1'\n2 = 'b:1'", "f").all_peers(1) == {2: "b:1"}


@pytest.mark.parametrize(
    ("host", "number"), [("vsync-0", 1), ("vsync-12.vsync.svc", 13), ("a7", 8), ("7", 8)]
)
def test_a_hosts_name_gives_a_number(host, number):
    assert number_of("hostname", host) == number


@pytest.mark.parametrize("host", ["vsync", "vsync-0a", "", "x99999", "a" + "9" * 5000])
def test_a_hosts_name_without_a_number_is_refused(host):
    with pytest.raises(BadConfig, match="does not end with a number"):
        number_of("hostname", host)


@pytest.mark.parametrize("text", ["", "x", "0", "-1", "65535", "1.5", "٣", "1e3", "9" * 5000])
def test_a_number_of_a_member_is_a_number(text):
    with pytest.raises(BadConfig, match=r"--id .* is not in 1 to 65534"):
        read_id(text, "--id")
