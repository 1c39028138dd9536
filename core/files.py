"""Which files are text, by what is said of them, and what they say."""

import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE

from core.message import Attachment

# A platform knows a file's type by its suffix at best, and no platform knows them all: either may say that it is text.
_TYPE = re.compile(
    r"text/.*|.*\+(?:json|xml|yaml)|application/(?:x-)?(?:csh|csv|ecmascript|graphql|httpd-php|javascript|json5?|jsonl|"
    r"jsonlines|latex|ndjson|perl|php|python|python-code|ruby|sh|shellscript|sql|tex|toml|typescript|xml|yaml)"
)
_NAME = re.compile(
    r"(?:docker|make|gem|rake|proc|jenkins)file|license|readme|.*\.(?:adoc|asm|awk|bash|bat|bib|c|cc|cfg|clj|cmake|conf|"
    r"cpp|cs|css|csv|cxx|dart|diff|env|erl|exs?|fish|go|gradle|graphql|groovy|h|hpp|hs|html?|ini|ipynb|java|jl|jsx?|"
    r"json[5l]?|kts?|less|lock|log|lua|m|markdown|md|mjs|mm?l|ndjson|nix|patch|php|pl|pm|po|properties|proto|ps1|pyi?|r|"
    r"rb|rs|rst|s[ac]ss|scala|sh|sql|srt|svelte|svg|swift|tex|text|tf|toml|tsx?|tsv|txt|vb|vtt|vue|xhtml|xml|ya?ml|zig|"
    r"zsh)"
)


def is_text(attachment: Attachment) -> bool:
    """Whether a file is said to be text, by its media type or by its name."""
    kind = attachment.media_type.partition(";")[0].strip().lower()
    return bool(_TYPE.fullmatch(kind) or _NAME.fullmatch(attachment.name.strip().lower()))


def decoded(data: bytes) -> str | None:
    """The text of a file in UTF-8, or in UTF-16 where it begins with its mark; None where it is no such text."""
    is_wide = data.startswith((BOM_UTF16_BE, BOM_UTF16_LE))
    try:
        text = data.decode("utf-16") if is_wide else data.removeprefix(BOM_UTF8).decode()
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text
