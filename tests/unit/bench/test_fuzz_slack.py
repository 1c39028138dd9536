"""The fuzzer is only as good as its claims: what it calls forged is forged, what it calls signed would be believed."""

import logging
from datetime import UTC, datetime
from random import Random

import pytest

from adapters.slack.verify import refusal
from bench import fuzz_slack
from bench.fuzz import Tally, _listened
from bench.fuzz_slack import _GROUPS, CANARY, request
from bench.platforms.slack import SIGNING_SECRET
from bench.slack_forged import FORGED
from bench.slack_posts import Post, payload, post
from bench.slack_signed import SPOILED, WHOLE
from bench.wire import Answer, Request
from core.errors import trace
from core.ports import Webhook

ALL = [request(number, Random(f"a seed/{number}")) for number in range(4_000)]


def webhook(made: Post) -> Webhook:
    headers = {name.decode("latin-1").lower(): value.decode("utf-8", "surrogateescape") for name, value in made.headers}
    return Webhook("POST", "/channels/slack", {}, headers, made.body, datetime.now(UTC))


def made_by(change, seed: int) -> Post:
    made = post(payload(Random(seed)), Random(seed))
    change(made, Random(seed))
    return made


@pytest.mark.parametrize("name", FORGED)
def test_nothing_that_is_called_forged_would_be_believed(name):
    believed = [seed for seed in range(300) if refusal(webhook(made_by(FORGED[name], seed)), SIGNING_SECRET) is None]
    assert believed == []


@pytest.mark.parametrize("change", [*WHOLE.values(), *SPOILED.values()])
def test_what_is_called_signed_would_be_believed(change):
    refused = [seed for seed in range(300) if refusal(webhook(made_by(change, seed)), SIGNING_SECRET) is not None]
    # A body that is no UTF-8 cannot be verified by slack_sdk, and is refused for that.
    assert len(refused) < 20
    assert not [seed for seed in refused if is_utf_8(made_by(change, seed).body)]


def is_utf_8(body: bytes) -> bool:
    return "�" not in body.decode(errors="replace")


def test_a_number_and_a_seed_name_a_request():
    # All but the moment it was signed at.
    again = [request(number, Random(f"a seed/{number}")) for number in range(4_000)]
    assert [(each.kind, body(each)) for each in again] == [(each.kind, body(each)) for each in ALL]


def body(made: Request) -> bytes:
    return made.data.partition(b"\r\n\r\n")[2]


def test_every_change_has_its_turn():
    expected = {f"{group.name}: {name}" for group in _GROUPS for name in group.changes if group.share > 0.01}
    assert expected <= {each.kind for each in ALL}


def test_about_half_of_all_is_unsigned_and_the_door_is_open_to_some():
    assert 0.4 < sum(not each.may_count for each in ALL) / len(ALL) < 0.7
    assert sum(each.is_whole for each in ALL) > 50


def test_what_people_write_carries_the_canary_and_ids_do_not():
    made = [payload(Random(seed)) for seed in range(200)]
    assert any(CANARY in str(each) for each in made)
    messages = [each["event"] for each in made if isinstance(each.get("event"), dict) and "text" in each["event"]]
    assert messages
    assert all(CANARY in event["text"] and CANARY not in event.get("user", "") for event in messages)
    assert len({event["ts"] for event in messages if "subtype" not in event}) > len(messages) // 3


def test_the_tally_counts_what_must_not_happen():
    tally = Tally()
    tally.add(1, Request("forged: any", b""), Answer(401, 0.001))
    tally.add(2, Request("signed: any", b"", may_count=True), Answer(500, 0.002))
    tally.add(3, Request("whole: any", b"", may_count=True, is_whole=True), Answer(404, 0.003))
    tally.add(4, Request("astray: any", b""), Answer(0, 0.004))
    tally.add(5, Request("astray: cut", b"", is_cut=True), Answer(0, 0.005))
    tally.stored |= {"1", "2", ""}
    assert tally.stored - tally.may_count == {"1", ""}
    assert tally.stored & tally.may_count == {"2"}
    assert (tally.silent, tally.hung_up, tally.turned_away) == (1, 1, 1)
    assert tally.seconds == {1: [0.001, 0.002, 0.003, 0.004]}
    assert tally.examples == {
        "signed: any: answered with 500": 2,
        "whole: any: answered with 404": 3,
        "astray: any: answered with 0": 4,
    }


def test_the_log_is_read_and_afterwards_left_as_it_was():
    before, room = as_it_is(), logging.getLogger("adapters.slack")
    with _listened(fuzz_slack) as log:
        room.debug("a harmless line")
        room.info("somebody said %s", CANARY)
        room.warning("the secret is %s", SIGNING_SECRET)
        room.error("it failed: %s", trace(failure()))
        logging.getLogger("asyncio").error("a task failed", exc_info=failure())
    assert (log.lines > 5, log.canaries, log.faults) == (True, 2, 2)
    assert len(log.examples) == 2  # both faults are of one place
    assert as_it_is() == before


def as_it_is() -> tuple[object, ...]:
    levels = {name: logging.getLogger(name).level for name in ("", "adapters", "bench", "bot", "core")}
    return logging.getLogger().handlers, levels


def failure() -> Exception:
    try:
        raise ValueError("a foreign message")
    except ValueError as error:
        return error
