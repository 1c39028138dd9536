"""OpenAI's moderation, or a server that speaks like it. What it is asked leaves the house."""

from collections.abc import Iterator, Sequence

import aiohttp

from core.errors import Unavailable

_LONGEST, _OVERLAP = 8_000, 200  # characters of one input
_INPUTS = 16  # of one request


class OpenAiJudge:
    """`core.moderation.Judge` over POST {url}/moderations (platform.openai.com/docs/api-reference/moderations)."""

    def __init__(self, url: str, model: str, key: str, *, seconds: float) -> None:
        self._url = f"{url.rstrip('/')}/moderations"
        self._model = model
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._timeout = aiohttp.ClientTimeout(total=seconds)
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def judge(self, texts: Sequence[str]) -> frozenset[str]:
        """The categories that any of these texts is flagged for; raises Unavailable."""
        inputs = [piece for text in texts for piece in _pieces(text)]
        found: set[str] = set()
        for at in range(0, len(inputs), _INPUTS):
            found |= await self._ask(inputs[at : at + _INPUTS])
        return frozenset(found)

    async def _ask(self, inputs: Sequence[str]) -> set[str]:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout, headers=self._headers)
        body = {"model": self._model, "input": list(inputs)}
        try:
            async with self._session.post(self._url, json=body, allow_redirects=False) as response:
                if response.status != 200:
                    raise Unavailable(f"the moderation service answered {response.status}")
                return _flagged(await response.json(), len(inputs))
        except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise Unavailable(f"the moderation service was not understood: {type(error).__name__}") from None


def _flagged(answer: dict[str, list[dict[str, object]]], count: int) -> set[str]:
    """One flagged without a category is flagged all the same. Raises ValueError where any text was not judged."""
    results = answer["results"]
    if len(results) != count:
        raise ValueError
    found: set[str] = set()
    for result in results:
        categories = result.get("categories")
        if result["flagged"]:
            if not isinstance(categories, dict):
                raise ValueError
            found |= {str(name) for name, is_hit in categories.items() if is_hit} or {"other"}
    return found


def _pieces(text: str) -> Iterator[str]:
    """A long text in pieces that overlap, so that what stands across a cut is read whole once."""
    for at in range(0, max(1, len(text) - _OVERLAP), _LONGEST - _OVERLAP):
        yield text[at : at + _LONGEST]
