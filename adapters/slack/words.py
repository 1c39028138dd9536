"""Slack's own way of writing text, read as Markdown: escaped, with people, channels and links in angle brackets."""

import re

# What a slash command says is not escaped: any other angle bracket in it is the person's own.
_TOKEN = re.compile(
    r"<(?P<target>@\w+|#[CDG]\w+|!(?:here|channel|everyone|group|(?:subteam|date)\^[^<>|\n]*)|"
    r"(?:[a-z][a-z0-9+.-]*://|mailto:|tel:)[^<>|\n]*)(?:\|(?P<label>[^<>\n]*))?>"
)


def decoded(text: str, bot_user: str = "") -> str:
    """What a person wrote, with the bot's own mention taken out.

    Slack escapes `&`, `<` and `>` and writes `<@USER>`, `<#CHANNEL|name>`, `<!here>` and `<url|label>`
    (docs.slack.dev, "Formatting message text").
    """
    own = re.compile(rf" ?<@{re.escape(bot_user)}(?:\|[^<>\n]*)?>[,:，：]?") if bot_user else None
    text = own.sub("", text) if own else text
    plain = _TOKEN.sub(lambda token: _read(token["target"], token["label"] or ""), text)
    return plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").strip()


def mentions(text: str, user: str) -> bool:
    """Whether this person is mentioned."""
    return any(token["target"] == f"@{user}" for token in _TOKEN.finditer(text))


def begins_with_another(text: str, bot_user: str) -> bool:
    """Whether the text turns to somebody else: it begins with a mention that is not the bot's."""
    token = _TOKEN.match(text.lstrip())
    return token is not None and token["target"].startswith("@") and token["target"] != f"@{bot_user}"


def clean(text: str) -> str:
    """Without what no database and no tokenizer takes: NUL and lone surrogates."""
    return text.replace("\0", "").encode(errors="replace").decode()


def _read(target: str, label: str) -> str:
    match target[:1]:
        case "@" | "#":
            return target[0] + (label.lstrip("@#") or target[1:])
        case "!":
            name = target[1:].partition("^")[0]
            return label or f"@{name}"
    address = target.removeprefix("mailto:").removeprefix("tel:")
    return address if not label or label == address else f"[{label}]({address})"
