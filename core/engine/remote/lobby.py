"""Before the first question: which of the servers are up, and what they serve."""

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import Any

from core.engine.remote.endpoints import Endpoint, Endpoints
from core.engine.remote.faults import status_of
from core.errors import Misconfigured

log = logging.getLogger(__name__)

PAUSE = 1.0  # seconds between two rounds of asking
PATIENCE = 5.0  # seconds for one list of models


@dataclass(frozen=True, slots=True)
class Served:
    """A model by its name on the servers, and the tokens of context they give it where they say so."""

    name: str
    context: int | None = None


async def meet(endpoints: Endpoints, name: str, *, seconds: float, rest: float) -> Served:
    """Asks all of them until one has answered; the others rest. `name` may be "" for the only model there is.

    Raises Misconfigured where none answers within `seconds`, or one of them says that it does not have the model.
    """
    end = time.monotonic() + seconds
    while not (found := await _round(endpoints, name, rest)):
        if time.monotonic() >= end:
            urls = ", ".join(endpoint.url for endpoint in endpoints)
            raise Misconfigured(
                f"No model server answered at {urls} within {seconds:.0f} s. Start it, or correct the URL."
            )
        await asyncio.sleep(min(PAUSE, max(0.0, end - time.monotonic())))
    if len(names := sorted({served.name for served in found})) > 1:
        raise Misconfigured(f"The servers have different models: {', '.join(names)}. Name one that all of them have.")
    return Served(names[0], min((served.context for served in found if served.context), default=None))


async def _round(endpoints: Endpoints, name: str, rest: float) -> list[Served]:
    answers = await asyncio.gather(*(_served(endpoint, name) for endpoint in endpoints))
    for endpoint, served in zip(endpoints, answers, strict=True):
        if not served:
            endpoint.rest(rest)
    return [served for served in answers if served]


async def _served(endpoint: Endpoint, name: str) -> Served | None:
    """What this server has of the model; None while it can't be reached."""
    try:
        async with asyncio.timeout(PATIENCE):
            page = await endpoint.client.models.list()
        models = {str(model.id): model for model in page.data}
    except Exception as error:
        if (status := status_of(error)) in {401, 403}:
            raise Misconfigured(f"{endpoint.url} refuses the key. Set PARLEY_ENGINE_KEY.") from None
        if status == 404:
            raise Misconfigured(f"{endpoint.url} has no list of models. Most servers' addresses end in /v1.") from None
        log.info("%s is not up yet (%s).", endpoint.url, type(error).__name__)
        return None
    return _chosen(endpoint.url, models, name)


def _chosen(url: str, models: dict[str, Any], name: str) -> Served:
    if name in models or (name and not models):  # some servers list what they have cached, and not what they serve
        return Served(name, _context(models.get(name)))
    if not name and len(models) == 1:
        return _chosen(url, models, next(iter(models)))
    has = ", ".join(sorted(models)) or "none"
    wanted = f"does not have the model {name!r}" if name else "has not exactly one model"
    raise Misconfigured(f"{url} {wanted}. It has: {has}. Name one of them as remote.model.")


def _context(model: Any) -> int | None:
    # vLLM and SGLang tell it.
    length = getattr(model, "max_model_len", None)
    return length if isinstance(length, int) and length > 0 else None
