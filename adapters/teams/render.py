"""From answers to what Teams is sent: activities in its wire form, as plain dicts. Pure."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.teams.inline import escaped
from adapters.teams.markdown import rendered, settled
from adapters.teams.texts import say
from core.message import Citation, Image

Activity = dict[str, Any]

# Characters of Markdown in one message. All of it may take some 100 KB in UTF-16, 80 are advised (learn.microsoft.com,
# "Format your bot messages"): that leaves as much again for escapes and for what stands under the text.
LIMIT = 20_000

_STATUS = 1_000  # characters of an informative update (learn.microsoft.com, "Stream bot messages")
_SUGGESTIONS = 3  # are shown (learn.microsoft.com, "Dynamically guide users with suggested actions")
# learn.microsoft.com, "Enhance AI-generated bot messages": beyond 20 citations a message is refused.
_CITATIONS, _NAME, _ABSTRACT = 20, 80, 160
_CITABLE = 1_000  # characters of an address; a longer one is left out


@dataclass(frozen=True, slots=True, kw_only=True)
class Foot:
    """What stands under a message.

    An answer bears the label of what an AI made, and two thumbs; where it takes several messages, or is still growing,
    the thumbs stand under the last one of the whole answer alone.
    """

    is_answer: bool = False
    has_thumbs: bool = True
    sources: tuple[Citation, ...] = ()
    language: str = "en"

    @property
    def above(self) -> "Foot":
        """What stands under the messages before the last one."""
        return LABEL if self.is_answer else PLAIN


PLAIN = Foot()
"""Nothing at all."""
LABEL = Foot(is_answer=True, has_thumbs=False)
"""That an AI made it."""


def typing() -> Activity:
    """The sign that somebody is writing."""
    return {"type": "typing"}


def informative(text: str, stream_id: str = "", sequence: int = 1) -> Activity:
    """What is going on before there is text; the first one, without a stream's id, begins a stream."""
    return _typed(text[:_STATUS], "informative", stream_id, sequence)


def streaming(stream_id: str, sequence: int, text: str) -> Activity:
    """All the text there is so far, as far as it is certain how it will read: each begins with the one before.

    It bears no label: in a stream Teams takes one with the final message alone.
    """
    return _typed(settled(text), "streaming", stream_id, sequence)


def final(stream_id: str, text: str, foot: Foot = PLAIN) -> Activity:
    """The message a stream ends with: it goes on from what was streamed, and bears no sequence."""
    activity = message(text, foot)
    info = {"type": "streaminfo", "streamId": stream_id, "streamType": "final"}
    return activity | {"entities": [info, *activity.get("entities", ())]}


def message(text: str, foot: Foot = PLAIN) -> Activity:
    """A message, or what takes the place of one: an update bears the same, and no `streaminfo`."""
    activity: Activity = {
        "type": "message",
        "textFormat": "markdown",
        "text": _with_sources(rendered(text), foot) or "…",
    }
    if foot.is_answer or foot.sources:
        activity["entities"] = [_label(foot)]
    if foot.is_answer and foot.has_thumbs:
        activity["channelData"] = {"feedbackLoop": {"type": "default"}}
    return activity


def suggesting(activity: Activity, suggestions: Sequence[str]) -> Activity:
    """The message with what may be asked next, for a personal chat: Teams shows it under the last message alone."""
    actions = [{"type": "imBack", "title": text, "value": text} for text in suggestions[:_SUGGESTIONS]]
    return {**activity, "suggestedActions": {"actions": actions}} if actions else activity


def picture(image: Image) -> Activity:
    """A message that is a picture; PNG, JPEG and GIF are shown."""
    url = f"data:{image.media_type};base64,{b64encode(image.data).decode()}"
    attachment = {"contentType": image.media_type, "contentUrl": url, "name": image.alt}
    return {"type": "message", "summary": image.alt, "attachments": [attachment]}


def _typed(text: str, kind: str, stream_id: str, sequence: int) -> Activity:
    info: dict[str, Any] = {"type": "streaminfo", "streamType": kind, "streamSequence": sequence}
    if stream_id:
        info["streamId"] = stream_id
    return {"type": "typing", "text": text, "entities": [info]}


# ------------------------------------------------------------------------------------------------------------- sources


def _label(foot: Foot = PLAIN) -> Mapping[str, Any]:
    """The one entity about the message itself: with two of them it is refused."""
    label: dict[str, Any] = {
        "type": "https://schema.org/Message",
        "@type": "Message",
        "@context": "https://schema.org",
        "@id": "",
    }
    if foot.is_answer:
        label["additionalType"] = ["AIGeneratedContent"]
    if foot.sources:
        label["citation"] = [_claim(*each) for each in enumerate(foot.sources[:_CITATIONS], 1)]
    return label


def _claim(position: int, source: Citation) -> Mapping[str, Any]:
    name = _cut(source.title or source.url or str(position), _NAME)
    document = {"@type": "DigitalDocument", "name": name, "abstract": _cut(source.excerpt or name, _ABSTRACT)}
    if _is_citable(source.url):
        document["url"] = source.url
    return {"@type": "Claim", "position": position, "appearance": document}


def _is_citable(url: str) -> bool:
    return url.startswith(("https://", "http://")) and len(url) <= _CITABLE


def _cut(text: str, length: int) -> str:
    words = " ".join(text.split())
    return words if len(words) <= length else f"{words[: length - 1].rstrip()}…"


def _with_sources(text: str, foot: Foot = PLAIN) -> str:
    """The text, with the number of each source in it: that is where Teams shows it. Those beyond are links."""
    cited = [f"[{number}]" for number in range(1, len(foot.sources[:_CITATIONS]) + 1)]
    missing = [number for number in cited if number not in text]
    beyond = [_listed(source) for source in foot.sources[_CITATIONS:]]
    if not missing and not beyond:
        return text
    return f"{text}\n\n{say('sources', foot.language)} {' '.join([*missing, *beyond])}".lstrip()


def _listed(source: Citation) -> str:
    title = escaped(_cut(source.title, _NAME))
    return rendered(f"[{title}]({source.url})") if _is_citable(source.url) else title
