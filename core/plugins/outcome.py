"""What comes of calling a plugin, however it goes: chunks to show, and words for the model."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from core.errors import Malformed, ParleyError, trace
from core.message import Chunk, Image, Source, Sources, Text
from core.plugin import Asked, Result
from core.plugins.registry import Loaded, Registry
from core.plugins.signature import Unfit
from core.plugins.worker import Broken, Hung
from core.ports import Metrics
from core.texts import say

log = logging.getLogger(__name__)

_LONGEST = 40_000  # characters shown to a person
_READ = 8_000  # characters a model reads of it
_CUT = "…"


class _NoAnswer(ParleyError):
    """A plugin answers with words, pictures and sources."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`chunks` are words, pictures and sources, all from a plugin; never without words."""

    chunks: Sequence[Chunk]

    @property
    def text(self) -> str:
        """The words, as much of them as a model reads."""
        return _bounded("".join(chunk.text for chunk in self.chunks if isinstance(chunk, Text)), _READ)


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs plugins each in its own worker. Whatever goes wrong is said in a sentence, and harms nothing else."""

    registry: Registry
    metrics: Metrics

    async def check(self, loaded: Loaded, arguments: Mapping[str, Any]) -> None:
        """Raises Malformed where the arguments do not fit, or nobody can tell."""
        name = loaded.plugin.name
        try:
            await loaded.check(arguments)
        except Hung:
            self.registry.switch_off(name, "it never ends checking its arguments", "检查参数时没有结束")
            raise Malformed("they could not be checked") from None
        except (TimeoutError, Broken) as error:
            log.warning("the plugin %s could not check its arguments: %s", name, type(error).__name__)
            raise Malformed("they could not be checked") from None

    async def run(self, loaded: Loaded, arguments: Mapping[str, Any], asked: Asked) -> Outcome:
        began, name = monotonic(), loaded.plugin.name
        outcome, chunks = await self._tried(loaded, arguments, asked)
        self.metrics.count("plugin_calls", plugin=name, outcome=outcome)
        self.metrics.observe("plugin_seconds", monotonic() - began, plugin=name)
        return Outcome(chunks)

    async def _tried(self, loaded: Loaded, arguments: Mapping[str, Any], asked: Asked) -> tuple[str, Sequence[Chunk]]:
        plugin, name = loaded.plugin, loaded.plugin.name

        def sentence(key: str) -> Sequence[Chunk]:
            return [Text(say(key, asked.language).format(name=name), Source.PLUGIN)]

        try:
            result = await loaded.call(arguments, asked)
            return "ok", _chunks(result) or sentence("plugin_empty")
        except Unfit as error:
            return "refused", [Text(error.said(asked.language), Source.PLUGIN)]
        except TimeoutError:
            log.warning("the plugin %s did not answer within %g s", name, plugin.timeout)
            return "timeout", sentence("plugin_unsure" if plugin.confirm else "plugin_slow")
        except Hung:
            seconds = f"{plugin.timeout:g}"
            english = f"it hung for more than {seconds} s; a restart brings it back"
            self.registry.switch_off(name, english, f"超过 {seconds} 秒没有响应，重启后恢复")
            return "hung", sentence("plugin_hung")
        except Exception as error:
            log.warning("the plugin %s failed: %s", name, trace(error))
            return "failed", sentence("plugin_unsure" if plugin.confirm else "plugin_failed")


def _chunks(result: Result) -> Sequence[Chunk]:
    """What may be shown of a result, as a plugin's; empty where it says nothing."""
    is_several = isinstance(result, Sequence) and not isinstance(result, str)
    given: Iterable[Chunk | str] = result if is_several else (result,)  # type: ignore[assignment]
    chunks: list[Chunk] = []
    left = _LONGEST
    for item in given:
        chunk = Text(item) if isinstance(item, str) else item
        if isinstance(chunk, Text):
            chunks.append(Text(_bounded(chunk.text, left), Source.PLUGIN))
            left = max(0, left - len(chunk.text))
        elif isinstance(chunk, Image | Sources):
            chunks.append(replace(chunk, source=Source.PLUGIN))
        else:
            raise _NoAnswer(type(item).__name__)
    return chunks if any(not isinstance(chunk, Text) or chunk.text.strip() for chunk in chunks) else []


def _bounded(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: max(0, limit - 1)]}{_CUT}"
