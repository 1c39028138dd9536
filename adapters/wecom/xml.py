"""The XML of a self-built app, read without trust: no DTD, no entity, nothing deep and nothing endless."""

from collections.abc import Mapping
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from core.errors import Malformed

MAX_BODY = 1024 * 1024  # bytes
_MAX_DEPTH, _MAX_ELEMENTS = 16, 1_000  # the largest of WeCom's events has some dozens
_ROOT = "xml"


class _Fields:
    """Gathers the text of the elements right below the root; who has heard too much stops listening."""

    def __init__(self) -> None:
        self.fields: dict[str, str] = {}
        self._path: list[str] = []
        self._text: list[str] = []
        self._elements = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._elements += 1
        self._path.append(tag)
        if self._path[0] != _ROOT or len(self._path) > _MAX_DEPTH or self._elements > _MAX_ELEMENTS:
            raise Malformed("the XML is not WeCom's")
        if len(self._path) == 2:
            self._text = []

    def data(self, text: str) -> None:
        if len(self._path) == 2:
            self._text.append(text)

    def end(self, tag: str) -> None:
        if len(self._path) == 2:
            self.fields.setdefault(tag, "".join(self._text))
        self._path.pop()

    def close(self) -> Mapping[str, str]:
        return self.fields


def fields_of(body: bytes) -> Mapping[str, str]:
    """The text of each field of `<xml><Field>…</Field></xml>`, of fields in fields nothing; raises Malformed.

    Of two with one name the first counts.
    """
    if len(body) > MAX_BODY:
        raise Malformed("the body is larger than any of WeCom's")
    try:
        text = body.decode()  # whatever encoding the document claims to have
        parser = DefusedXMLParser(target=_Fields(), forbid_dtd=True)
        parser.feed(text)
        fields: Mapping[str, str] = parser.close()
    except (ParseError, DefusedXmlException, ValueError):
        raise Malformed("the XML is not WeCom's") from None
    return fields
