"""What the connector looks at in an activity, before it does anything with it.

Where Teams is known to drop something silently or only shows it wrong, this refuses it, so that a test notices:
suggested actions outside a personal chat or of another kind than imBack, a mention that the text does not contain, an
AI label in a chunk of a stream.
"""

import json

from bench.platforms.teams.conversations import AI, CARD
from bench.platforms.teams.errors import bad
from bench.platforms.teams.journal import Payload

CITATIONS = 20
_NAME, _ABSTRACT, _KEYWORDS, _KEYWORD = 80, 160, 3, 28
_LOOPS = ("default", "custom")


def size(activity: Payload) -> int:
    """How many bytes of UTF-16 it has, written without spaces."""
    return len(json.dumps(activity, ensure_ascii=False, separators=(",", ":")).encode("utf-16-le", "surrogatepass"))


def message(activity: Payload, kind: str) -> None:
    """Raises ServiceError where a message cannot be shown. `kind` is the conversation's."""
    text, attachments = activity.get("text"), activity.get("attachments") or []
    if not isinstance(text, str | None) or not isinstance(attachments, list):
        raise bad("text or attachments are of another type")
    if not text and not attachments:
        raise bad("Activity should have text or attachments")
    for attachment in attachments:
        _attachment(attachment)
    entities(activity)
    loop = (activity.get("channelData") or {}).get("feedbackLoop")
    if loop is not None and (not isinstance(loop, dict) or loop.get("type") not in _LOOPS):
        raise bad("feedbackLoop.type should be default or custom")
    _suggested(activity.get("suggestedActions"), kind)


def entities(activity: Payload) -> None:
    """Raises ServiceError; two AI entities are refused, and more than 20 citations are."""
    given = activity.get("entities") or []
    if not isinstance(given, list) or not all(isinstance(e, dict) and isinstance(e.get("type"), str) for e in given):
        raise bad("entities should be objects with a type")
    ours = [entity for entity in given if entity["type"] == AI]
    if len(ours) > 1:
        raise bad("Only one entity of type https://schema.org/Message is allowed")
    for entity in ours:
        _ai(entity)
    for entity in given:
        if entity["type"] == "mention" and str(entity.get("text")) not in str(activity.get("text")):
            raise bad("The text of a mention should be in the text of the activity")


def _ai(entity: Payload) -> None:
    """ "Bot messages with AI-generated content", Citations."""
    if (entity.get("@type"), entity.get("@context")) != ("Message", "https://schema.org"):
        raise bad("The AI entity should have @type Message and @context https://schema.org")
    claims = entity.get("citation") or []
    if len(claims) > CITATIONS:
        raise bad(f"No more than {CITATIONS} citations are allowed")
    for claim in claims:
        _claim(claim)
    positions = [claim["position"] for claim in claims]
    if len(set(positions)) < len(positions):
        raise bad("Two citations have the same position")


def _claim(claim: Payload) -> None:
    appearance = claim.get("appearance")
    if claim.get("@type") != "Claim" or type(claim.get("position")) is not int or claim["position"] < 1:
        raise bad("A citation should be a Claim with a position")
    if not isinstance(appearance, dict) or appearance.get("@type") != "DigitalDocument":
        raise bad("A citation should have the appearance of a DigitalDocument")
    name, abstract = appearance.get("name"), appearance.get("abstract")
    if not isinstance(name, str) or not 0 < len(name) <= _NAME:
        raise bad(f"A citation's name should have 1 to {_NAME} characters")
    if not isinstance(abstract, str) or not 0 < len(abstract) <= _ABSTRACT:
        raise bad(f"A citation's abstract should have 1 to {_ABSTRACT} characters")
    keywords = appearance.get("keywords") or []
    if len(keywords) > _KEYWORDS or any(len(keyword) > _KEYWORD for keyword in keywords):
        raise bad(f"A citation should have up to {_KEYWORDS} keywords of {_KEYWORD} characters")


def _attachment(attachment: object) -> None:
    if not isinstance(attachment, dict) or not isinstance(attachment.get("contentType"), str):
        raise bad("An attachment should have a contentType")
    if attachment["contentType"] == CARD:
        content = attachment.get("content")
        if not isinstance(content, dict) or content.get("type") != "AdaptiveCard" or not content.get("version"):
            raise bad("The content of an adaptive card should be an AdaptiveCard with a version")


def _suggested(given: Payload | None, kind: str) -> None:
    """ "Suggested actions": in one-on-one chats, and imBack alone."""
    actions = (given or {}).get("actions") or []
    if actions and kind != "personal":
        raise bad("Suggested actions are only for one-on-one chats")
    for action in actions:
        if action.get("type") != "imBack" or not action.get("title") or not action.get("value"):
            raise bad("A suggested action should be an imBack with title and value")
