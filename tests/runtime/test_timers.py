"""Named timers in a heap, against a dictionary that does the same slowly."""

from hypothesis import given
from hypothesis import strategies as st

from clocksync.runtime.timers import Timers

names = st.sampled_from("abc")
steps = st.lists(
    st.one_of(
        st.tuples(st.just("set"), names, st.integers(0, 20)),
        st.tuples(st.just("cancel"), names, st.just(0)),
        st.tuples(st.just("ring"), st.just(""), st.integers(0, 20)),
    ),
    max_size=40,
)


@given(steps)
def test_timers_are_due_as_if_each_name_had_one_entry(steps: list[tuple[str, str, int]]) -> None:
    timers = Timers()
    pending: dict[str, tuple[int, int]] = {}
    for serial, (verb, name, time) in enumerate(steps):
        if verb == "set":
            timers.set(name, time)
            pending[name] = (time, serial)
        elif verb == "cancel":
            timers.cancel(name)
            pending.pop(name, None)
        else:
            due = sorted((name for name in pending if pending[name][0] <= time), key=pending.get)
            assert list(timers.due(time)) == due
            for name in due:
                del pending[name]
        earliest = min((at for at, _ in pending.values()), default=None)
        assert timers.next_due() == earliest


def test_what_is_set_or_cancelled_while_timers_ring_counts() -> None:
    timers = Timers()
    for name, due in (("first", 1), ("second", 2), ("third", 3)):
        timers.set(name, due)
    rung = []
    for name in timers.due(10):
        rung.append(name)
        if name == "first":
            timers.cancel("second")
            timers.set("third", 11)
            timers.set("new", 9)
    assert rung == ["first", "new"]
    assert timers.next_due() == 11


def test_cleared_timers_are_forgotten() -> None:
    timers = Timers()
    timers.set("one", 1)
    timers.clear()
    assert timers.next_due() is None
    assert list(timers.due(5)) == []
