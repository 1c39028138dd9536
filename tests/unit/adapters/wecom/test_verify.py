"""Whose a callback is: the check of the URL, the two envelopes, and what stands around the signed part."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.wecom.crypto import Crypto
from adapters.wecom.settings import Callback
from adapters.wecom.verify import MAX_BODY, Forged, echo_of, envelope_json, envelope_xml, opened
from core.ports import Webhook

VECTORS = json.loads((Path(__file__).parents[3] / "data/wecom/vectors.json").read_text(encoding="utf-8"))["vectors"]
BY_ID = {vector["id"]: vector for vector in VECTORS}
URL, XML, JSON = (BY_ID[id] for id in ("tencent-verify-url", "tencent-post-xml", "tencent-post-json"))
ENVELOPES = {"tencent-post-xml": envelope_xml, "tencent-post-json": envelope_json}

NOW = datetime(2030, 1, 2, tzinfo=UTC)
BOT = Crypto(Callback(token="token", aes_key=XML["encoding_aes_key"]))


def crypto_of(vector: dict[str, Any]) -> Crypto:
    key = vector["encoding_aes_key"]
    return Crypto(Callback(token=vector["token"], aes_key=key, receive_id=vector["receive_id"]))


def signed(vector: dict[str, Any], **changes: str) -> Webhook:
    """The published request, with some parameters changed."""
    query = {name: vector[name] for name in ("msg_signature", "timestamp", "nonce")} | changes
    return Webhook("POST", "/channels/wecom-app", query, {}, vector.get("http_body", "").encode(), NOW)


def carrying(message: bytes, crypto: Crypto = BOT, **around: Any) -> Webhook:
    """A callback of the AI bot with this message, as WeCom signs it."""
    told = crypto.seal(message, timestamp=1700000000, nonce="n0nce")
    query = {"msg_signature": told.signature, "timestamp": "1700000000", "nonce": "n0nce"}
    body = json.dumps({"encrypt": told.encrypt, **around}).encode()
    return Webhook("POST", "/channels/wecom", query, {}, body, NOW)


def asked(vector: dict[str, Any], **changes: str) -> Webhook:
    """The GET that checks the URL."""
    query = {name: vector[name] for name in ("msg_signature", "timestamp", "nonce")}
    return Webhook("GET", "/channels/wecom-app", query | {"echostr": vector["encrypt"]} | changes, {}, b"", NOW)


# -------------------------------------------------------------------------------------------------------------- the URL


@pytest.mark.parametrize("id", ["tencent-verify-url", "sbzhu-verify-url"])
def test_the_published_check_of_the_url_is_answered_with_its_number(id):
    assert echo_of(asked(BY_ID[id]), crypto_of(BY_ID[id])) == BY_ID[id]["plaintext"].encode()


def test_a_plus_that_was_not_escaped_is_put_right():
    """As the query is read by every server: "+" is a space there."""
    escaped = parse_qs(f"echostr={URL['echostr_urlencoded']}")["echostr"][0]
    raw = parse_qs(f"echostr={URL['encrypt']}")["echostr"][0]
    assert "+" in escaped
    assert " " in raw
    for echo in (escaped, raw):
        assert echo_of(asked(URL, echostr=echo), crypto_of(URL)) == URL["plaintext"].encode()


@pytest.mark.parametrize("name", ["msg_signature", "timestamp", "nonce", "echostr"])
def test_a_check_without_one_of_its_parameters_is_forged(name):
    whole = asked(URL)
    query = {key: value for key, value in whole.query.items() if key != name}
    with pytest.raises(Forged):
        echo_of(replace(whole, query=query), crypto_of(URL))


@pytest.mark.parametrize("id", list(ENVELOPES))
def test_a_message_is_not_given_away_as_the_answer_to_a_check(id):
    """Whoever has seen one pass knows its signature, and would be told what it says."""
    vector = BY_ID[id]
    assert opened(signed(vector), crypto_of(vector), ENVELOPES[id])
    with pytest.raises(Forged):
        echo_of(asked(vector), crypto_of(vector))


# -------------------------------------------------------------------------------------------------------- the envelopes


@pytest.mark.parametrize("id", list(ENVELOPES))
def test_the_published_bodies_open(id):
    assert opened(signed(BY_ID[id]), crypto_of(BY_ID[id]), ENVELOPES[id]) == BY_ID[id]["plaintext"].encode()


@pytest.mark.parametrize("id", list(ENVELOPES))
@pytest.mark.parametrize("name", ["msg_signature", "timestamp", "nonce"])
@pytest.mark.parametrize("value", ["", " ", "0", "1700000000", "0" * 40])
def test_another_parameter_is_forged(id, name, value):
    with pytest.raises(Forged):
        opened(signed(BY_ID[id], **{name: value}), crypto_of(BY_ID[id]), ENVELOPES[id])


def test_what_stands_around_the_signed_part_changes_nothing():
    message = json.dumps({"aibotid": "aibTESTbot"}).encode()
    assert opened(carrying(message), BOT, envelope_json) == message
    lies = {"tousername": "somebody", "agentid": [1], "ENCRYPT": "x", "receiveid": "ww1"}
    assert opened(carrying(message, BOT, **lies), BOT, envelope_json) == message
    xml = XML["http_body"].replace("<AgentID><![CDATA[218]]>", "<AgentID>999").replace("wx5823bf96d3bd56c7", "ww1")
    assert opened(replace(signed(XML), body=xml.encode()), crypto_of(XML), envelope_xml) == XML["plaintext"].encode()


def test_its_age_is_not_asked_for():
    assert opened(replace(signed(XML), received_at=NOW.replace(year=2099)), crypto_of(XML), envelope_xml)


@pytest.mark.parametrize(
    ("envelope", "body"),
    [
        (envelope_json, b""), (envelope_json, b"{"), (envelope_json, b"[]"), (envelope_json, b"null"),
        (envelope_json, b"{}"), (envelope_json, b'{"encrypt": null}'), (envelope_json, b'{"encrypt": ["a"]}'),
        (envelope_json, b'{"encrypt": NaN}'), (envelope_json, b"[" * 500_000), (envelope_json, b"\xff"),
        (envelope_json, b'{"a": ' + b"9" * 10_000 + b"}"), (envelope_json, XML["http_body"].encode()),
        (envelope_xml, b""), (envelope_xml, b"<xml/>"), (envelope_xml, b"<xml><encrypt>x</encrypt></xml>"),
        (envelope_xml, b"<!DOCTYPE xml><xml/>"), (envelope_xml, JSON["http_body"].encode()),
        (envelope_xml, b"<xml><A><Encrypt>" + XML["encrypt"].encode() + b"</Encrypt></A></xml>"),
    ],
)  # fmt: skip
def test_a_body_without_an_encrypted_part_is_forged(envelope, body):
    with pytest.raises(Forged):
        opened(replace(signed(XML), body=body), crypto_of(XML), envelope)


@pytest.mark.parametrize("sign", ["\\u0000", "\\n", " ", "\\ud800", "="])
def test_the_encrypted_part_is_taken_to_the_letter(sign):
    whole = carrying(b"{}")
    body = whole.body.replace(b'"}', sign.encode() + b'"}')
    assert body != whole.body
    with pytest.raises(Forged):
        opened(replace(whole, body=body), BOT, envelope_json)


def test_a_body_above_a_megabyte_is_not_read():
    body = XML["http_body"].encode()
    roomy = body + b" " * (MAX_BODY - len(body))
    assert opened(replace(signed(XML), body=roomy), crypto_of(XML), envelope_xml) == XML["plaintext"].encode()

    def unread(body: bytes) -> str:
        pytest.fail("it was read")

    with pytest.raises(Forged):
        opened(replace(signed(XML), body=roomy + b" "), crypto_of(XML), unread)


@given(query=st.dictionaries(st.sampled_from(["msg_signature", "timestamp", "nonce", "echostr"]), st.text()))
def test_no_query_brings_anything_but_forged(query):
    with pytest.raises(Forged):
        echo_of(replace(asked(URL), query=query), crypto_of(URL))
