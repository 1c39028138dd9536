"""The answer cache as it is set: for how long an answer is kept, and what finds near hits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

from bot.config import CacheSettings, Config
from bot.extras import lacks
from bot.model import locate
from bot.texts import say
from core.cache import AnswerCache, Near
from core.embedding import NgramEmbedder
from core.engine import Routed
from core.errors import Misconfigured
from core.ports import Embedder, Engine, Metrics, Store

NGRAMS = "ngrams"


async def open_cache(
    config: Config, store: Store, engine: Engine, metrics: Metrics, stack: AsyncExitStack, *, is_screened: bool
) -> tuple[AnswerCache, ...]:
    """The cache where it is on, closed with the stack; `is_screened` says whether moderation stands before it.

    Raises Misconfigured where near hits are wanted and cannot be looked for.
    """
    settings = config.settings.cache
    if not settings.enabled:
        return ()

    def version_of(route: str) -> str:
        return engine.model_of(route).version if isinstance(engine, Routed) else engine.model.version

    near = await _near(config, store) if settings.near else None
    lifetime = _lifetime(settings)
    cache = AnswerCache(store, metrics, version_of, lifetime=lifetime, is_screened=is_screened, near=near)
    stack.push_async_callback(cache.close)
    await stack.enter_async_context(_heeding(cache))
    return (cache,)


@asynccontextmanager
async def _heeding(cache: AnswerCache) -> AsyncIterator[None]:
    heeding = asyncio.create_task(cache.heed(), name="cache heeds")
    try:
        yield
    finally:
        heeding.cancel()
        await asyncio.gather(heeding, return_exceptions=True)


def _lifetime(settings: CacheSettings) -> timedelta:
    return timedelta(hours=settings.hours)


async def _near(config: Config, store: Store) -> Near:
    settings = config.settings.cache
    embedder = await _embedder(config, settings.embedder)
    near = Near(store, embedder, lifetime=_lifetime(settings), cosine=settings.cosine)
    try:
        await near.start()
    except ModuleNotFoundError as error:
        if not lacks("cache", error):
            raise
        raise Misconfigured(say("config_cache_package")) from None
    return near


async def _embedder(config: Config, name: str) -> Embedder:
    if name == NGRAMS:
        return NgramEmbedder()
    from core.embedding.transformer import TransformerEmbedder  # brings torch, which other processes do without

    return await asyncio.to_thread(TransformerEmbedder, str(locate(config, name)))
