"""A ring that did not come about is never taken part in again (corosync 6aa47fde)."""

from tests.vsync.talk import drops
from tests.vsync.test_gathering import gathering, wanted_commit
from vsync.states import State, Timer


def test_the_commit_token_of_an_attempt_given_up_is_not_taken_again() -> None:
    talk = gathering()
    made = wanted_commit(talk)
    talk.hear(1, made)
    assert talk.state is State.COMMIT
    talk.fire(Timer.TOKEN_LOSS)
    assert talk.state is State.GATHER
    assert drops(talk.hear(1, made)) == ["commit token of the past"]
