"""Nobody on the path gets a sample accepted; and bugs that would let him are noticed."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from clocksync.ntp import authentication, mac
from clocksync.ntp.authentication import KeyAuthenticator
from clocksync.ntp.mac import SymmetricKey
from clocksync.ntp.packet import LongPacket
from clocksync.nts import client, fields, server
from clocksync.nts.aead import Aead
from clocksync.nts.client import NtsAuthenticator
from tests.cluster.authenticated_world import ATTACKS, offences, play

pytestmark = pytest.mark.slow
SEEDS = 60
SEEDS_OF_THE_RIGHT_CODE = 300


def test_nobody_on_the_path_gets_a_sample_accepted() -> None:
    done: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    accepted = rekeyed = quiet = 0
    for seed in range(SEEDS_OF_THE_RIGHT_CODE):
        run = play(seed)
        assert offences(run) == [], f"seed {seed} ({run.kind}, attacks on {run.rate:.0%})"
        done += run.attacker.done
        kinds[run.kind] += 1
        rekeyed += run.rekeyed
        quiet += not run.rate
        accepted += sum(len(p.association.samples) for p in run.survey.probers.values())
    # The runs had something to show: every attack was tried, and truth went through all the same.
    assert set(done) == set(ATTACKS)
    assert len(kinds) == 4
    assert min(rekeyed, quiet) > 3
    assert accepted > 5 * SEEDS_OF_THE_RIGHT_CODE


def test_one_seed_gives_one_run() -> None:
    first, second = play(7), play(7)
    assert first.requests == second.requests
    assert first.attacker.seen == second.attacker.seen


Plant = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Mutant:
    plant: Plant
    seen_as: str


MUTANTS: list[Mutant] = []


def mutant(seen_as: str) -> Callable[[Plant], Plant]:
    def register(plant: Plant) -> Plant:
        MUTANTS.append(Mutant(plant, seen_as))
        return plant

    return register


@mutant("a sample says")
def a_plain_answer_is_taken(patch: pytest.MonkeyPatch) -> None:
    right = KeyAuthenticator.open
    patch.setattr(
        KeyAuthenticator, "open", lambda s, p: right(s, p) if isinstance(p, LongPacket) else None
    )


@mutant("a sample says")
def a_plain_answer_is_taken_for_nts(patch: pytest.MonkeyPatch) -> None:
    right = NtsAuthenticator.open
    patch.setattr(
        NtsAuthenticator, "open", lambda s, p: right(s, p) if isinstance(p, LongPacket) else None
    )


@mutant("a sample says")
def any_code_of_the_right_key_is_taken(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SymmetricKey, "verifies", lambda s, m, c, v=4: mac.number_of(c) == s.number)


@mutant("a sample says")
def a_code_is_compared_as_far_as_it_goes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SymmetricKey, "verifies", lambda s, m, c, v=4: s.mac(m, v).startswith(c))


@mutant("a sample says")
def the_code_does_not_cover_the_header(patch: pytest.MonkeyPatch) -> None:
    right = SymmetricKey.mac
    patch.setattr(SymmetricKey, "mac", lambda s, m, v=4: right(s, m[48:], v))


@mutant("an unproved")
def a_crypto_nak_is_an_answer(patch: pytest.MonkeyPatch) -> None:
    right, nak = KeyAuthenticator.open, authentication.Rejection.CRYPTO_NAK
    patch.setattr(KeyAuthenticator, "open", lambda s, p: None if (r := right(s, p)) is nak else r)


@mutant("a sample says")
def what_does_not_open_is_taken_all_the_same(patch: pytest.MonkeyPatch) -> None:
    right = Aead.open
    patch.setattr(Aead, "open", lambda s, t, n, a: right(s, t, n, a) or b"")


@mutant("a sample says")
def the_seal_does_not_cover_the_header(patch: pytest.MonkeyPatch) -> None:
    seal, unseal = Aead.seal, Aead.open
    patch.setattr(Aead, "seal", lambda s, p, n, a: seal(s, p, n, a[48:] if len(a) > 48 else a))
    patch.setattr(Aead, "open", lambda s, p, n, a: unseal(s, p, n, a[48:] if len(a) > 48 else a))


@mutant("a sample says")
def an_answer_without_a_seal_is_taken(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(NtsAuthenticator, "_unsealed", lambda s, p, f: None)


@mutant("an unproved")
def a_kiss_needs_no_proof(patch: pytest.MonkeyPatch) -> None:
    for kind in (KeyAuthenticator, NtsAuthenticator):
        right = kind.open
        patch.setattr(kind, "open", lambda s, p, r=right: None if not p.stratum else r(s, p))


@mutant("was sent")
def a_cookie_is_spent_twice(patch: pytest.MonkeyPatch) -> None:
    right = NtsAuthenticator.seal

    def seal(self, packet):
        cookie = self._cookies[0]
        sealed = right(self, packet)
        self._cookies.appendleft(cookie)
        return sealed

    patch.setattr(NtsAuthenticator, "seal", seal)


@mutant("was sent")
def an_identifier_is_used_twice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(client, "IDENTIFIER_BYTES", 0)
    patch.setattr(server, "IDENTIFIER_BYTES", 0)


@mutant("accepts none of the cookies")
def fresh_cookies_are_thrown_away(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(NtsAuthenticator, "_keep", lambda s, cookies: None)
    patch.setattr(NtsAuthenticator, "is_exhausted", property(lambda s: not s._cookies))


@mutant("bytes in answer to")
def more_cookies_are_given_than_there_is_room_for(patch: pytest.MonkeyPatch) -> None:
    right = server.NtsServer._seal
    patch.setattr(
        server.NtsServer, "_seal", lambda s, a, e, k, count, now: right(s, a, e, k, count + 1, now)
    )


@mutant("key establishments for")
def new_keys_are_fetched_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(NtsAuthenticator, "is_exhausted", property(lambda s: False))
    patch.setattr(NtsAuthenticator, "must_rekey", property(lambda s: True))


@pytest.mark.parametrize("case", MUTANTS, ids=lambda case: case.plant.__name__)
def test_a_planted_bug_is_seen(case: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    case.plant(monkeypatch)
    said: list[str] = []
    for seed in range(SEEDS):
        said += offences(play(seed))
        if any(case.seen_as in words for words in said):
            return
    pytest.fail(f"nothing seen in {SEEDS} seeds but {said[:3]}")


def test_the_fields_are_told_apart_as_the_world_does() -> None:
    assert (fields.UNIQUE_IDENTIFIER, fields.COOKIE, fields.AUTHENTICATOR) == (
        0x0104,
        0x0204,
        0x0404,
    )
