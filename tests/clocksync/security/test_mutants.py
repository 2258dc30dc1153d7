"""The tests beside this one notice when a protection is missing: each is taken out once."""

import inspect
from collections.abc import Callable
from importlib import import_module
from itertools import count
from types import SimpleNamespace

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from clocksync.security import handshake, sealer
from clocksync.security.derivation import datagram_key
from clocksync.security.handshake import Handshake
from clocksync.security.keyring import Step
from clocksync.security.replay import ReplayWindow
from clocksync.security.sealer import Sealer
from tests.clocksync.security.talk import share_the_answers

Plant = Callable[[pytest.MonkeyPatch], None]

MUTANTS: list[tuple[Plant, str]] = []


def mutant(test: str) -> Callable[[Plant], Plant]:
    """`test` fails with it: ``module:function``, in this folder."""

    def register(plant: Plant) -> Plant:
        MUTANTS.append((plant, test))
        return plant

    return register


# Datagrams


@mutant("replay:test_all_of_a_window_in_reverse_come_in_once")
def there_is_no_replay_window(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ReplayWindow, "refusal", lambda self, counter: None)


@mutant("replay:test_a_forged_counter_moves_no_window")
def the_window_moves_before_the_tag_was_checked(patch: pytest.MonkeyPatch) -> None:
    right = ReplayWindow.refusal

    def refusal(self: ReplayWindow, counter: int) -> str | None:
        reason = right(self, counter)
        if reason is None:
            self.mark(counter)
        return reason

    patch.setattr(ReplayWindow, "refusal", refusal)


class Careless:
    """AES-GCM whose decryption leaves the tag alone."""

    def __init__(self, key: bytes) -> None:
        self.key, self.encrypt = key, AESGCM(key).encrypt

    def decrypt(self, nonce: bytes, data: bytes, associated: bytes) -> bytes:
        counter = modes.CTR(bytes(nonce) + b"\0\0\0\2")  # SP 800-38D section 7.1
        return Cipher(algorithms.AES(self.key), counter).decryptor().update(bytes(data[:-16]))


@mutant("datagram:test_every_bit_is_covered")
def the_tag_is_not_checked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sealer, "AESGCM", Careless)


class Headless(Careless):
    """AES-GCM that leaves the header alone."""

    def __init__(self, key: bytes) -> None:
        cipher = AESGCM(key)
        self.encrypt = lambda nonce, data, _: cipher.encrypt(nonce, data, None)
        self.open = cipher.decrypt

    def decrypt(self, nonce: bytes, data: bytes, associated: bytes) -> bytes:
        return self.open(nonce, data, None)


@mutant("datagram:test_every_bit_is_covered")
def the_header_is_not_authenticated(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sealer, "AESGCM", Headless)


@mutant("rotation:test_the_counter_goes_on_over_all_keys")
def the_counter_starts_again_with_another_key(patch: pytest.MonkeyPatch) -> None:
    right = Sealer.use

    def use(self: Sealer, keys: object) -> None:
        self._next_number = count(1).__next__
        right(self, keys)  # type: ignore[arg-type]

    patch.setattr(Sealer, "use", use)


@mutant("datagram:test_no_two_datagrams_are_alike")
def the_counter_stands_still(patch: pytest.MonkeyPatch) -> None:
    right = Sealer.seal

    def seal(self: Sealer, kind: int, body: bytes) -> bytes:
        self._next_number = count(1).__next__
        return right(self, kind, body)

    patch.setattr(Sealer, "seal", seal)


@mutant("datagram:test_another_implementation_of_the_recipe_opens_it")
def all_incarnations_have_one_key(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        sealer,
        "datagram_key",
        lambda key, cluster, sender, incarnation: datagram_key(key, cluster, sender, bytes(16)),
    )


@mutant("rotation:test_the_window_is_common_to_all_keys")
def windows_are_forgotten_with_keys(patch: pytest.MonkeyPatch) -> None:
    right = Sealer.use

    def use(self: Sealer, keys: object) -> None:
        for peer in self._handshake.peers.values():
            if peer.believed is not None:
                peer.believed = peer.believed._replace(window=ReplayWindow(0))
        right(self, keys)  # type: ignore[arg-type]

    patch.setattr(Sealer, "use", use)


# Rotation


@mutant("rotation:test_what_the_command_writes_is_what_rotates")
def a_new_key_is_used_at_once(patch: pytest.MonkeyPatch) -> None:
    right = sealer.KeyRing.rotated

    def rotated(self: sealer.KeyRing, fresh: bytes) -> tuple[Step, sealer.KeyRing]:
        step, ring = right(self, fresh)
        return step, sealer.KeyRing(ring.keys, ring.keys[-1].id)

    patch.setattr(sealer.KeyRing, "rotated", rotated)


@mutant("rotation:test_what_was_sealed_before_a_change_is_opened_after_it")
def only_the_used_key_opens(patch: pytest.MonkeyPatch) -> None:
    right = Sealer.use
    patch.setattr(
        Sealer,
        "use",
        lambda self, keys: right(self, sealer.KeyRing((keys.sealing,), keys.used)),
    )


# The handshake


@mutant("handshake:test_a_join_of_the_dead_replayed_after_our_restart_does_nothing")
def nobody_has_to_echo_a_challenge(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Handshake, "_is_answered", lambda *_: True)


@mutant("handshake:test_hellos_of_earlier_lives_are_worth_nothing_to_those_who_restarted")
def challenges_are_no_secret(patch: pytest.MonkeyPatch) -> None:
    right = Handshake.__init__

    def init(self: Handshake, *given: object) -> None:
        right(self, *given[:-1], b"the same for all")  # type: ignore[arg-type]

    patch.setattr(Handshake, "__init__", init)


@mutant("handshake:test_an_answer_held_back_is_worth_nothing_once_another_was_believed")
def a_challenge_counts_for_ever(patch: pytest.MonkeyPatch) -> None:
    right = Handshake._challenge
    nobody = handshake.Peer()
    patch.setattr(Handshake, "_challenge", lambda self, one, peer, now: right(self, one, nobody, 0))


@mutant("handshake:test_a_superseded_incarnation_is_not_believed_again_even_if_it_lives")
def the_former_incarnation_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    right = Handshake._believe

    def believe(self: Handshake, hello: handshake.Hello, now_ns: int) -> handshake.Peer:
        peer = right(self, hello, now_ns)
        peer.superseded.clear()
        return peer

    patch.setattr(Handshake, "_believe", believe)


@mutant("handshake:test_a_member_that_restarts_supersedes_itself")
def the_former_incarnation_is_still_opened(patch: pytest.MonkeyPatch) -> None:
    right = Sealer._open_channels

    def keep(self: Sealer) -> None:
        former = getattr(self, "_channels", {})
        right(self)
        self._channels = former | self._channels

    patch.setattr(Sealer, "_open_channels", keep)


@mutant("handshake:test_a_join_of_the_living_replayed_after_our_restart_does_nothing")
def the_window_of_somebody_new_begins_at_the_beginning(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(handshake, "ReplayWindow", lambda floor: ReplayWindow(0))


@mutant("handshake:test_a_guessed_challenge_is_not_believed")
def no_echo_is_as_good_as_one(patch: pytest.MonkeyPatch) -> None:
    right = Handshake._challenge
    patch.setattr(Handshake, "_challenge", lambda *given: right(*given) & 1 or 1)


@mutant("handshake:test_what_we_sent_reflected_at_us_does_nothing")
def the_tag_of_a_hello_is_not_checked_and_we_talk_to_ourselves(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(handshake, "hmac", _trusting())
    patch.setattr(handshake, "REFLECTED", "something else")


@mutant("handshake:test_a_hello_for_one_shown_to_another_does_nothing")
def the_tag_of_a_hello_is_not_checked(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(handshake, "hmac", _trusting())


def _trusting() -> SimpleNamespace:
    return SimpleNamespace(digest=handshake.hmac.digest, compare_digest=lambda *_: True)


@mutant("handshake:test_hellos_replayed_change_nothing_and_draw_no_answer")
@mutant("handshake:test_a_hello_draws_an_answer_to_each_of_eight_addresses_it_comes_from")
def every_hello_is_answered(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Handshake, "_is_first", lambda *_: True)


@mutant("handshake:test_a_flood_of_replayed_hellos_keeps_no_newcomer_waiting")
def strangers_share_how_often_they_are_answered(patch: pytest.MonkeyPatch) -> None:
    share_the_answers(patch)


@mutant("handshake:test_what_answered_a_hail_is_worth_nothing_once_another_was_believed")
def a_hail_can_be_answered_at_any_time(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(handshake, "_is_new_since", lambda *_: True)


@mutant("handshake:test_a_holder_of_the_key_fills_no_memory_with_numbers_or_lives")
def as_many_peers_as_come(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Handshake, "_make_room", lambda *_: None)


@mutant("handshake:test_a_holder_of_the_key_fills_no_memory_with_numbers_or_lives")
def as_many_lives_as_come(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(handshake, "SUPERSEDED_MAX", None)


@mutant("handshake:test_nobody_speaks_as_anybody")
def anybody_may_be_prompted(patch: pytest.MonkeyPatch) -> None:
    """Who invents a datagram of number 65535 would have us hail."""
    patch.setattr(sealer, "ANYBODY", -1)


@mutant("handshake:test_small_datagrams_draw_a_hello_when_they_add_up_to_one")
def any_datagram_draws_a_hello(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(handshake, "HELLO_BYTES", 1)


@mutant("handshake:test_invented_numbers_leave_nothing_behind")
def invented_numbers_are_remembered(patch: pytest.MonkeyPatch) -> None:
    right = Handshake.prompt

    def prompt(self: Handshake, sender: int, size: int, now_ns: int) -> None:
        self.peers.setdefault(sender, handshake.Peer())
        right(self, sender, size, now_ns)

    patch.setattr(Handshake, "prompt", prompt)


@pytest.mark.parametrize(("plant", "test"), MUTANTS, ids=[plant.__name__ for plant, _ in MUTANTS])
def test_a_protection_left_out_fails_its_test(
    plant: Plant, test: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, _, name = test.partition(":")
    run = getattr(import_module(f"tests.clocksync.security.test_{module}"), name)
    assert not inspect.signature(run).parameters
    run()  # with the protection it passes
    plant(monkeypatch)
    with pytest.raises((AssertionError, InvalidTag)):
        run()
