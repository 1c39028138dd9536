"""Which place a message asks the weather of, where it asks that and nothing else."""

import unicodedata
from collections.abc import Mapping

from bot.plugins._weather import chinese, english

_LONGEST = 160  # characters
_QUOTES = str.maketrans("‘’", "''")


def asked_for(text: str) -> Mapping[str, str] | None:
    """The place as it was written, under "place"; None where the message asks for something else, or for more.

    A whole message is looked at, and what stands in the place's stead has to look like one: "weather in Berlin" asks,
    "the weather in Berlin is bad" and "weather in winter" do not. Takes time in proportion to the text.
    """
    if len(text) > _LONGEST:
        return None
    line = " ".join(unicodedata.normalize("NFKC", text).translate(_QUOTES).split())
    place = english.place_in(line) or chinese.place_in(line)
    return {"place": place} if place else None
