"""Slack's text: what is escaped in it, and what in it calls people."""

import re

# `<@U…>`, `<#C…>`, `<!here>`, `<!subteam^S…>`, `<!date^…>` and links keep their brackets ("Formatting message text").
_CONTROL = r"<(?:@[UW]|#[CGD]|!|https?://|mailto:|tel:|slack://)[^<>\n]*>"
_RAW = re.compile(rf"({_CONTROL})|(&(?:amp|lt|gt);)|([&<>])")
_NAMES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}

_PING = re.compile(r"<(?:!(?:channel|here|everyone|group|subteam\^\w+)|@[UW]\w+)(?:\|[^>]*)?>")
_PARSED_PING = re.compile(r"(?<!\w)@(?:channel|here|everyone)\b")


def escaped(text: str, *, is_typed: bool = False) -> str:
    """As Slack keeps it. An app's `&amp;` is one already; a person who typed it meant the five characters."""

    def escape(match: re.Match[str]) -> str:
        control, entity, raw = match.groups()
        if control or (entity and not is_typed):
            return control or entity
        return _NAMES[raw] if raw else entity.replace("&", "&amp;", 1)

    return _RAW.sub(escape, text)


def pings(text: str, *, is_parsed: bool = False) -> list[str]:
    """All in it that calls somebody; with `parse: full` or `link_names` a plain `@channel` does, too."""
    found = [match.group() for match in _PING.finditer(text)]
    return found + ([match.group() for match in _PARSED_PING.finditer(text)] if is_parsed else [])
