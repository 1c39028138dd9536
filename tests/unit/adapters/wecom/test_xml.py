"""The XML of callbacks: what is read of it, and what is not even looked at."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.wecom.xml import MAX_BODY, _Fields, fields_of
from core.errors import Malformed

VECTORS = json.loads((Path(__file__).parents[3] / "data/wecom/vectors.json").read_text(encoding="utf-8"))["vectors"]

BOMB = """<?xml version="1.0"?><!DOCTYPE xml [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><xml><Content>&c;</Content></xml>"""
FILE = '<!DOCTYPE xml [<!ENTITY f SYSTEM "file:///etc/hostname">]><xml><Content>&f;</Content></xml>'
NET = '<!DOCTYPE xml SYSTEM "http://127.0.0.1:1/x.dtd"><xml><Content>1</Content></xml>'
PARAMETER = '<!DOCTYPE xml [<!ENTITY % p SYSTEM "http://127.0.0.1:1/p"> %p;]><xml/>'
INSIDE = '<!DOCTYPE xml [<!ENTITY e "x">]><xml><Content>&e;</Content></xml>'


def test_the_published_body_and_its_message_are_read():
    vector = next(each for each in VECTORS if each["id"] == "tencent-post-xml")
    outer = fields_of(vector["http_body"].encode())
    assert outer == {"ToUserName": vector["receive_id"], "Encrypt": vector["encrypt"], "AgentID": "218"}
    assert fields_of(vector["plaintext"].encode()) == {
        "ToUserName": vector["receive_id"],
        "FromUserName": "mycreate",
        "CreateTime": "1409659813",
        "MsgType": "text",
        "Content": "hello",
        "MsgId": "4561255354251345929",
        "AgentID": "218",
    }


def test_text_is_put_together_of_all_its_pieces():
    body = "<xml><A>1 &lt; 2 &amp; <![CDATA[<b>]]>&#x4f60;<!-- no --><?no more?>好</A><B/><C> \n</C></xml>"
    assert fields_of(body.encode()) == {"A": "1 < 2 & <b>你好", "B": "", "C": " \n"}


def test_what_stands_deeper_is_left_out_and_of_two_the_first_counts():
    body = b"<xml>x<A>1<B>2</B>3</A><A>4</A><C><A>5</A></C>y</xml>"
    assert fields_of(body) == {"A": "13", "C": ""}


def test_a_mark_of_the_byte_order_and_a_claimed_encoding_change_nothing():
    for head in ("\ufeff", '<?xml version="1.0" encoding="utf-8"?>', '<?xml version="1.0" encoding="utf-16"?>'):
        assert fields_of(f"{head}<xml><A>你好</A></xml>".encode()) == {"A": "你好"}


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"<xml>", b"<xml></XML>", b"<xml/><xml/>", b"text", b"{}", b"<html/>", b"<XML><A>1</A></XML>",
        b"<xml xmlns='u'><A/></xml>", b"<xml>\0</xml>", b"<xml>&#0;</xml>", b"<xml>&#xD800;</xml>", b"<xml>\xff</xml>",
        b"<xml>&nbsp;</xml>", b"<xml>&e;</xml>", "<xml/>".encode("utf-16"), "<xml/>".encode("utf-32"),
        b"<xml><A>1</A>" + b" " * MAX_BODY + b"</xml>", b"<xml " + b"a='1' a='2'" + b"/>",
        b"<xml>" + b"<a>" * 20 + b"</a>" * 20 + b"</xml>", b"<xml>" + b"<a/>" * 1_001 + b"</xml>",
    ],
)  # fmt: skip
def test_what_is_no_xml_of_wecom_is_malformed(body):
    with pytest.raises(Malformed):
        fields_of(body)


@pytest.mark.parametrize("body", [BOMB, FILE, NET, PARAMETER, INSIDE, "<!DOCTYPE xml><xml><A>1</A></xml>"])
def test_no_document_may_bring_a_grammar_or_entities_of_its_own(body):
    with pytest.raises(Malformed) as caught:
        fields_of(body.encode())
    assert str(caught.value).endswith("the XML is not WeCom's")


@pytest.mark.parametrize(
    "body",
    [
        b"<xml>" + b"<a>" * 340_000,
        b"<xml>" + b"<a/>" * 260_000 + b"</xml>",
    ],
    ids=["deep", "wide"],
)
def test_of_a_megabyte_of_mischief_little_is_heard(body, monkeypatch):
    """Anybody may send it, for it is read before the signature is."""
    heard: list[str] = []
    usual = _Fields.start

    def counted(fields: _Fields, tag: str, attributes: Mapping[str, str]) -> None:
        heard.append(tag)
        usual(fields, tag, attributes)

    monkeypatch.setattr(_Fields, "start", counted)
    assert len(body) <= MAX_BODY
    with pytest.raises(Malformed):
        fields_of(body)
    assert len(heard) <= 1_001


@given(st.binary(max_size=300))
def test_no_bytes_at_all_bring_anything_but_fields_or_malformed(body):
    with suppress(Malformed):
        fields_of(body)


@given(st.text(max_size=100))
def test_no_text_in_a_field_brings_anything_but_fields_or_malformed(text):
    with suppress(Malformed):
        assert set(fields_of(f"<xml><A>{text}</A></xml>".encode("utf-8", "replace"))) >= {"A"}
