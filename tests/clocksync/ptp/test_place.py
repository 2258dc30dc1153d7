"""How PTP masters are named, and how they are not."""

import pytest

from clocksync.measuring.credentials import Credentials
from clocksync.measuring.settings import HostSpec
from clocksync.ptp.place import PtpPlace
from clocksync.runtime.errors import BadConfig


@pytest.mark.parametrize(
    ("text", "name", "place"),
    [
        ("ptp://10.0.0.1%eth0", "10.0.0.1", PtpPlace("eth0")),
        (" ptp://gm.example%eth0.5/24 ", "gm.example", PtpPlace("eth0.5", 24)),
        ("ptp://gm%eth0?domain=255", "gm", PtpPlace("eth0", 255)),
        ("ptp://gm%eth0/3?hybrid", "gm", PtpPlace("eth0", 3, hybrid=True)),
        ("ptp://gm%eth0?hybrid=1&domain=3", "gm", PtpPlace("eth0", 3, hybrid=True)),
        ("ptp://fe80::1%eth0", "fe80::1", PtpPlace("eth0")),
        ("ptp://[fe80::1]%eth0", "fe80::1", PtpPlace("eth0")),
    ],
)
def test_a_master_has_a_host_and_an_interface(text: str, name: str, place: PtpPlace) -> None:
    spec = HostSpec.parse(text)
    assert (spec.text, spec.name, spec.port, spec.ptp) == (text.strip(), name, 319, place)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ptp://", "interface"),
        ("ptp://10.0.0.1", "by which interface to listen"),
        ("ptp://10.0.0.1%", "by which interface"),
        ("ptp://%eth0", "by which interface"),
        ("ptp://10.0.0.1%eth0/256", "between 0 and 255"),
        ("ptp://10.0.0.1%eth0/", "between 0 and 255"),
        ("ptp://10.0.0.1%eth0?domain=x", "between 0 and 255"),
        ("ptp://10.0.0.1%eth0?domain=\u0663", "between 0 and 255"),
        ("ptp://10.0.0.1%eth0/1?domain=2", "two domains"),
        ("ptp://10.0.0.1%eth0?unicast", "'unicast' is no option"),
        ("ptp://10.0 0.1%eth0", "no host"),
    ],
)
def test_what_names_no_master_is_refused_in_one_line(text: str, says: str) -> None:
    with pytest.raises(BadConfig, match=says) as error:
        HostSpec.parse(text)
    assert "\n" not in str(error.value)


def test_nts_and_ptp_exclude_each_other() -> None:
    with pytest.raises(BadConfig, match="NTS cannot authenticate"):
        HostSpec.parse("ptp://10.0.0.1%eth0", nts=True)


def test_keys_and_ptp_exclude_each_other() -> None:
    spec = HostSpec.parse("ptp://10.0.0.1%eth0")
    for named in ({"key": 5}, {"key_of": {spec.text: 5}}):
        with pytest.raises(BadConfig, match="speaks PTP, which has no keys"):
            Credentials(keys={5: None}, **named).check([spec])
    others = Credentials(keys={5: None}, key_of={"10.0.0.7": 5})
    assert others.authenticator(spec) is None
