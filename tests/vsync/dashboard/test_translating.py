"""Histories and statuses as messages for the page."""

import json
from importlib import resources

import jsonschema
import pytest

from clocksync.runtime.errors import BadConfig
from clocksync.runtime.history import MalformedHistory
from vsync.dashboard.following import Followed
from vsync.dashboard.running import Files, thinned
from vsync.dashboard.telling import Telling
from vsync.dashboard.translating import Load, Share, Translator, origins
from vsync.simulation.run import draw, play

SCHEMA = json.loads(resources.files("clocksync").joinpath("schemas/dashboard-1.json").read_text())
SECOND = 1_000_000_000


def line(event, at, node=1, **more):
    told = {"node": node, "incarnation": "a", "event": event, "at": at, **more}
    return json.dumps(told, separators=(",", ":")).encode() + b"\n"


def configuration(at, members, node=1, **more):
    keys = {"id": "R5.1.a", "kind": "regular", "ring": "5.1.a", "ring_seq": 5, "timestamp": 7}
    told = {**keys, "error": 1, "reason": "the process started", **more}
    return line("configuration", at, node, members=members, **told)


def deliver(at, name="5.1.a/1.0", node=1, stamp=1_790_000_000_000_000_001):
    return line(
        "deliver", at, node, message=name, origin=2, service="safe", digest="d", timestamp=stamp,
        error=50_000, flags=["suspect"], configuration="R5.1.a",
    )  # fmt: skip


SENT = {"message": "5.1.a/1.0", "handle": "1", "service": "agreed", "digest": "d"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            line("boot", 0, storage="lost"),
            {"kind": "boot", "at_s": 0, "node": 1, "storage": "lost"},
        ),
        (
            configuration(SECOND, [1, 2]),
            {
                "kind": "change", "at_s": 1, "node": 1, "is_regular": True, "id": "R5.1.a",
                "ring": "5.1.a", "members": [1, 2], "joined": [1, 2], "left": [],
                "reason": "the process started",
            },
        ),
        (
            line("send", SECOND // 2, **SENT),
            {"kind": "sent", "at_s": 0.5, "node": 1, "message": "5.1.a/1.0", "service": "agreed"},
        ),
        (
            deliver(2 * SECOND),
            {
                "kind": "got", "at_s": 2, "node": 1, "message": "5.1.a/1.0", "origin": 2,
                "service": "safe", "stamp": "1790000000000000001", "error_bound_s": 5e-05,
                "flags": ["suspect"],
            },
        ),
        (
            line("token", 0, to=2, ring="5.1.a"),
            {"kind": "token", "at_s": 0, "node": 1, "to": 2, "ring": "5.1.a"},
        ),
        (line("crash", 0), {"kind": "end", "at_s": 0, "node": 1, "how": "crash", "why": ""}),
        (line("leave", 0), {"kind": "end", "at_s": 0, "node": 1, "how": "leave", "why": ""}),
    ],
)  # fmt: skip
def test_an_event_becomes_one_message(text, told) -> None:
    assert Translator(Share(), origin_ns=0).line(text) == [told]
    jsonschema.validate([told], SCHEMA)


@pytest.mark.parametrize(
    "text",
    [
        line("submit", 0, handle="1", service="agreed", digest="d"),
        line("observe", 0, timestamp=5),
        line("recovered", 0, ring="5.1.a", obligations=[1]),
        line("of the future", 0),
        b'{"event":"healed"}\n',
        b'{"event":"quiet"}\n',
        line("boot", 0),  # without its storage: vsync check complains, a picture goes on
    ],
)
def test_what_is_not_drawn_gives_nothing(text) -> None:
    assert Translator(Share()).line(text) == []


def test_rubbish_is_named_with_its_file() -> None:
    translator = Translator(Share(), name="some.jsonl")
    translator.line(line("boot", 0, storage="kept"))
    with pytest.raises(MalformedHistory, match=r"^some\.jsonl:2: no JSON"):
        translator.line(b"no json\n")


def test_who_joined_and_left_is_told_against_the_configuration_before() -> None:
    translator = Translator(Share())
    translator.line(configuration(0, [1, 2, 3]))
    [told] = translator.line(configuration(5, [1, 2, 4], id="R9"))
    assert (told["joined"], told["left"]) == ([4], [3])


def test_members_choose_the_same_messages_and_all_are_counted() -> None:
    share, load = Share(0.25), Load()
    one, two = (Translator(share, load, 0) for _ in range(2))
    names = [f"5.1.a/{number}" for number in range(400)]
    chosen = [
        {told["message"] for name in names for told in translator.line(deliver(5, name, node))}
        for node, translator in enumerate((one, two), 1)
    ]
    assert chosen[0] == chosen[1]
    assert 50 < len(chosen[0]) < 150
    assert [(told["node"], told["got"]) for told in load.told()] == [(1, 400), (2, 400)]
    assert thinned(share) == ["1 in 4 messages is drawn; rates count them all"]


def test_counts_stay_bounded_however_long_a_history_is() -> None:
    load = Load(width_ns=1)
    for at in range(3 * Load.MOST):
        load.count(1, at, "send")
    told = load.told()
    assert len(told) <= Load.MOST
    assert sum(message["sent"] for message in told) == 3 * Load.MOST


def test_histories_of_several_machines_are_laid_over_each_other() -> None:
    # The second machine's clock began at another time; its quickest delivery came at once as well.
    assert origins([(100, 90), (7_000, 6_985)], apart_ns=50) == [100, 6_995]
    assert origins([(100, 90), (150, None), (None, None)], apart_ns=50) == [100, 100, 100]


def test_a_simulated_run_validates_and_comes_in_order(tmp_path) -> None:
    path = tmp_path / "run.jsonl"
    played = play(draw(8, 3, SECOND, ("crash", "partition"), quiet_end=False), tells_tokens=True)
    path.write_text("".join(json.dumps(event) + "\n" for event in played.events))
    files = Files([path])
    told = files.whole()
    files.close()
    jsonschema.validate(told, SCHEMA)
    assert [m["at_s"] for m in told] == sorted(m["at_s"] for m in told)
    counted = sum(m["got"] for m in told if m["kind"] == "load")
    drawn = sum(m["kind"] == "got" for m in told)
    assert counted == drawn == sum(e["event"] == "deliver" for e in played.events) > 0


# Files that grow


def test_a_torn_line_waits_for_its_rest(tmp_path) -> None:
    path = tmp_path / "h.jsonl"
    path.write_bytes(b'{"a":1}\n{"b"')
    followed = Followed(path)
    assert list(followed.lines()) == [b'{"a":1}\n']
    with path.open("ab") as file:
        file.write(b":2}\n")
    assert followed.has_more
    assert list(followed.lines()) == [b'{"b":2}\n']
    followed.close()


def test_a_file_begun_anew_is_read_from_its_beginning(tmp_path) -> None:
    path = tmp_path / "h.jsonl"
    path.write_bytes(b'{"first":1}\n{"first":2}\n')
    followed = Followed(path)
    list(followed.lines())
    path.write_bytes(b'{"b":1}\n')
    assert list(followed.lines()) == [b'{"b":1}\n']
    followed.close()


def test_a_file_that_is_not_there_is_one_line(tmp_path) -> None:
    with pytest.raises(BadConfig, match=r"none.jsonl cannot be read"):
        Followed(tmp_path / "none.jsonl")


# Running members


def answer(**more):
    configured = {
        "id": "R5.1.a", "kind": "regular", "members": [1, 2], "joined": [2], "left": [],
        "reason": "a process asked for a new ring",
    }  # fmt: skip
    return {
        "id": 1, "pid": 77, "uptime_ns": 4 * SECOND, "group": "orders", "state": "operational",
        "ring": {"id": "5.1.a", "members": [1, 2]}, "configuration": configured,
        "rotation_ns": 882_000, "rotations": 1000, "retransmissions": 0,
        "accepted": {"messages": 50, "bytes": 1}, "backlog_bytes": 0,
        "send_queue": {"messages": 0, "messages_max": 100, "bytes": 0, "bytes_max": 1},
        "clock_error_ns": 300, "encrypted": True, "transport": "unicast",
        "clocks": {"members": {"2": {"offset_ns": -1_000, "error_ns": 2_000}}},
        "changes": [{"to": "operational", "cause": "x", "age_ns": SECOND}], **more,
    }  # fmt: skip


def test_a_first_answer_tells_of_the_boot_the_configuration_and_the_clocks() -> None:
    told = list(Telling(1).answer(answer(), 10.0))
    jsonschema.validate(told, SCHEMA)
    assert [m["kind"] for m in told] == ["boot", "change", "status", "clock"]
    assert [m["at_s"] for m in told] == [6.0, 9.0, 10.0, 10.0]


def test_locks_are_told_where_a_member_uses_them() -> None:
    held = {"service": "locks", "name": "till", "holder": 2, "waiting": [1, 3]}
    told = list(Telling(1).answer(answer(locks=[held, held | {"holder": None}]), 10.0))
    jsonschema.validate(told, SCHEMA)
    assert [lock["holder"] for lock in told[2]["locks"]] == [2, None]
    assert told[2]["locks"][0]["waiting"] == [1, 3]


def test_the_next_answer_tells_what_is_new_and_rates() -> None:
    telling = Telling(1)
    list(telling.answer(answer(), 10.0))
    more = answer(accepted={"messages": 150, "bytes": 1}, rotations=3000)
    [status, _] = telling.answer(more, 12.0)
    assert (status["sent_per_s"], status["turns_per_s"]) == (50.0, 1000.0)


def test_a_member_that_does_not_answer_is_told_once_and_again_when_it_is_back() -> None:
    telling = Telling(1)
    list(telling.answer(answer(), 10.0))
    assert [m["how"] for m in telling.silence("nobody listens", 11.0)] == ["silent"]
    assert list(telling.silence("nobody listens", 12.0)) == []
    back = list(telling.answer(answer(pid=78, uptime_ns=SECOND), 20.0))
    assert [(m["kind"], m["at_s"]) for m in back[:2]] == [("boot", 19.0), ("change", 19.0)]


def test_a_member_of_another_version_is_an_error_of_one_kind() -> None:
    with pytest.raises(KeyError):
        list(Telling(1).answer({"id": 1}, 0.0))
