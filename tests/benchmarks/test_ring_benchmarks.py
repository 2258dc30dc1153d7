"""What the ring benchmarks work out of what they measure."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import corosync
from benchmarks.ring_crash import OURS, Outages, print_outages
from benchmarks.ring_floor import Member, Task
from benchmarks.ring_hosts import Failed, Host, Network, Program, python
from benchmarks.ring_model import Costs, fitted, simulated
from benchmarks.ring_tables import THREE, Case, Measured, Results, latency, limit, print_all

NETWORK = Network()
HOSTS = [Host(f"n{n}", f"v{n}", f"10.67.0.{n}") for n in (1, 2, 3)]


def ran(rotations: float, messages: float, cpu: float) -> SimpleNamespace:
    """What the model looks at in a result of ``vsync bench``."""
    return SimpleNamespace(
        rotations_per_second=rotations,
        messages_per_second=messages,
        cpu_percent=[cpu, cpu - 10, cpu - 10],
        size=1000,
    )


def results() -> Results:
    found = Results()
    for program, encrypted, rates in (
        ("vsync, encrypted", True, (800.0, 1000.0, 900.0)),
        ("bare ring, AES-GCM", True, (1800.0,)),
        ("corosync, knet aes256+sha256", True, (30.0,)),
        ("corosync, knet", False, (20.0,)),
        ("corosync, udp", False, (40.0,)),
    ):
        for rate in rates:
            found.add(Case(NETWORK, program, encrypted, 64), Measured(rate, (0.5, 0.5), 170.0))
    return found


def test_a_ratio_is_of_medians_and_to_a_peer_with_the_same_protection(capsys):
    print_all(results(), cores=2)
    told = capsys.readouterr().out.splitlines()
    ours = next(line for line in told if "vsync, encrypted" in line).split()
    assert ours[3:] == ["900", "800", "1,000", "0.1", "30.0", "50", "170", "50", "50"]


def test_the_best_peer_is_taken():
    plain = Case(NETWORK, "vsync, plaintext", False, 64)
    assert results().best(plain, "corosync") == 40.0
    assert results().best(plain, "bare ring") == 0.0


@pytest.mark.parametrize(("strangers", "word"), [(0.0, "waiting"), (10.0, "processors")])
def test_processors_that_others_take_are_not_there(strangers, word):
    found = results()
    found.strangers_percent = strangers
    assert word in limit(found, list(found.rates), cores=2)


def test_latency_stands_beside_the_peer_with_the_same_protection():
    found = Results()
    found.add_latency("vsync, encrypted, SAFE", 64, (300.0, 600.0))
    found.add_latency("corosync, knet aes256+sha256, AGREED", 64, (150.0, 300.0))
    found.add_latency("corosync, udp, AGREED", 64, (50.0, 100.0))
    found.add_latency(f"vsync, encrypted, AGREED{THREE}", 64, (500.0, 900.0))
    found.add_latency(f"corosync, knet aes256+sha256, AGREED{THREE}", 64, (250.0, 500.0))
    beside = list(latency(found).columns[-1].cells)
    assert beside == ["2.00", "-", "2.00", "-", "-"]


def test_an_outage_over_what_is_asked_shows(capsys):
    outages = Outages()
    outages.add(OURS, 100, "kill -9", 120_000_000)
    outages.add(OURS, 50, "kill -9", 80_000_000)
    print_outages(outages)
    told = capsys.readouterr().out.splitlines()
    assert [line.split()[-2:] for line in told if OURS in line] == [
        ["1.20", "within"],
        ["1.60", "OVER"],
    ]


def test_the_model_explains_the_runs_it_was_fitted_to():
    costs = fitted(ran(2000.0, 2000.0, 20.0), ran(100.0, 90_000.0, 60.0), cores=2)
    assert costs.rotation(3) == pytest.approx(0.01)
    assert costs.per_rotation / costs.rotation(3) == pytest.approx(90_000)
    assert costs.hop == pytest.approx(1 / 6000)
    assert costs.message_own == pytest.approx((0.6 - 0.2 * 100 / 2000) / 90_000)
    assert costs.rotation(6) > 1.9 * costs.rotation(3) > 1.9 * costs.rotation_own(3)


def test_a_simulated_ring_costs_what_the_model_says_within_what_the_protocol_saves():
    costs = Costs(1024, 60e-6, 9e-6, 3e-6, 950.0, 2)
    found = simulated(4, costs)
    assert found == simulated(4, costs)
    assert 0.5 < found.rotation / costs.rotation_own(4) < 1.5


@pytest.mark.parametrize("transport", [corosync.SEALED, corosync.UDP])
def test_a_configuration_of_corosync_balances_its_braces(transport):
    text = corosync.configuration(HOSTS, 2, transport, 9000, 200, Path("there"))
    assert text.count("{") == text.count("}")
    assert ("crypto_cipher: aes256" in text) == transport.encrypted
    assert ("netmtu" in text) == (transport.transport == "udp")
    assert "token: 200\n" in text


@pytest.mark.parametrize("encrypted", [True, False])
@pytest.mark.parametrize("size", [64, 1400, 65_536])
def test_the_bare_ring_delivers_what_it_cuts(size, encrypted, monkeypatch):
    monkeypatch.setattr(Member, "_open_sockets", lambda self: None)
    member = Member(Task(0, ["10.67.0.1"], size, 1472, encrypted, True))
    handed: list[bytes] = []
    monkeypatch.setattr(member, "_hand_over", handed.extend)
    for sequence, body in enumerate(member._bodies(b"x" * size), 1):
        datagram = member._seal(sequence.to_bytes(8, "big") + bytes([0, member.packed]) + body)
        assert len(datagram) <= 1472
        member.store[sequence] = member._open(datagram)
    member._deliver()
    assert {message.rstrip(b" ") for message in handed} == {b"x" * size}
    assert len(handed) == max(1, member.packed)


@pytest.mark.slow
def test_a_program_that_ends_says_why():
    program = Program(python("no_such_module_here"))
    with pytest.raises(Failed, match="no_such_module_here"):
        program.expect("ready")
    program.end()
