"""The stage that lets plugins answer: by command, by what is asked, or because the model calls them."""

import json
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from core.errors import Malformed, TooLong
from core.message import Ask, Chunk, Image, Replace, Source, Sources, Status, StatusKind, Text, ToolCall, Usage, Written
from core.plugin import Asked, Permission, Setup
from core.plugins.asking import question
from core.plugins.choosing import Choice, Chooser
from core.plugins.outcome import Outcome, Runner
from core.plugins.registry import Loaded, Registry
from core.ports import Metrics, Store
from core.reading import EMPTY
from core.texts import say
from core.turn import Answer, Chunks, Pending, ToolResult, Turn

ROUNDS = 3  # of calls the model may make before it has to answer
LIFETIME = timedelta(hours=1)  # of a call that waits for a yes
_CALLS = 4  # in one round; a model that wants more has lost its way
_GAP = "\n\n"

Setups = Callable[[str, Sequence[str]], Setup]
"""What a plugin is handed, by its name and the hosts it may ask."""


class Plugins:
    """A stage of the turn. `setups` makes what a plugin is handed. Raises NotStored where a question can't be kept."""

    def __init__(self, registry: Registry, store: Store, metrics: Metrics, setups: Setups) -> None:
        self._registry, self._store, self._metrics, self._setups = registry, store, metrics, setups
        self._runner, self._chooser = Runner(registry, metrics), Chooser(registry)

    async def close(self) -> None:
        """Ends the thread that chooses; the registry is closed by whoever opened it."""
        await self._chooser.close()

    def __call__(self, turn: Turn, call_next: Answer) -> Chunks:
        return self._confirmed(turn, turn.confirmed, call_next) if turn.confirmed else self._chosen(turn, call_next)

    async def _chosen(self, turn: Turn, call_next: Answer) -> Chunks:
        # What came with a message belongs to the question, and no plugin reads it.
        is_plain = not turn.message.attachments or turn.message.text.lstrip().startswith(("/", "／"))
        choice = await self._chooser.choose(turn.message.text, turn.is_admin, turn.language) if is_plain else None
        chunks = self._answer(turn, choice) if choice else self._converse(turn, call_next)
        async with aclosing(chunks):
            async for chunk in chunks:
                yield chunk

    # ------------------------------------------------------------------------------------------- a plugin by itself

    def _answer(self, turn: Turn, choice: Choice) -> Chunks:
        if choice.problem:
            return _sentence(choice.problem)
        pending = Pending(choice.loaded.plugin.name, choice.arguments)
        is_asked = choice.loaded.plugin.confirm
        return (self._asked if is_asked else self._said)(turn, choice.loaded, pending)

    async def _asked(self, turn: Turn, loaded: Loaded, pending: Pending) -> Chunks:
        yield await self._ask(turn, loaded, pending)

    async def _said(self, turn: Turn, loaded: Loaded, pending: Pending) -> Chunks:
        yield Status(StatusKind.WORKING, source=Source.PLUGIN)
        outcome = await self._run(turn, loaded, pending)
        for chunk in outcome.chunks:
            yield chunk
        yield Written(f"plugin/{loaded.plugin.name}", source=Source.PLUGIN)

    def _confirmed(self, turn: Turn, pending: Pending, call_next: Answer) -> Chunks:
        loaded = self._found(pending.plugin, turn)
        if loaded is None:
            return _sentence(say("plugin_gone", turn.language))
        return (
            self._resumed(turn, loaded, pending, call_next)
            if pending.is_for_model
            else self._said(turn, loaded, pending)
        )

    def _found(self, name: str, turn: Turn) -> Loaded | None:
        loaded = self._registry.by_name(name)
        may = loaded is not None and (turn.is_admin or loaded.plugin.permission is Permission.EVERYBODY)
        return loaded if may else None

    async def _ask(self, turn: Turn, loaded: Loaded, pending: Pending) -> Ask:
        """Its asker is to say yes first: the call waits in the database, and the thread does not."""
        message = turn.message
        async with self._store.unit() as unit:
            await unit.asks.keep(turn.reply_id, message.thread, message.author, pending, lifetime=LIFETIME)
        self._metrics.count("plugin_calls", plugin=loaded.plugin.name, outcome="asked")
        return Ask(turn.reply_id, question(loaded.plugin, pending.arguments, turn.language))

    async def _run(self, turn: Turn, loaded: Loaded, pending: Pending) -> Outcome:
        setup = self._setups(loaded.plugin.name, loaded.plugin.hosts)
        asked = Asked(
            http=setup.http,
            settings=setup.settings,
            secrets=setup.secrets,
            message=turn.message,
            language=turn.language,
            now=datetime.now(UTC),
            help=say("help", turn.language) + more_help(self._registry, turn.language),
        )
        return await self._runner.run(loaded, pending.arguments, asked)

    # ---------------------------------------------------------------------------------------------- the model's calls

    def _converse(self, turn: Turn, call_next: Answer) -> Chunks:
        if not turn.tools:
            return call_next(turn)
        return self._go_on(_Conversation(turn, is_tainted=_hears_others(turn)), call_next)

    async def _resumed(self, turn: Turn, loaded: Loaded, pending: Pending, call_next: Answer) -> Chunks:
        """The call the model asked for is made, and the model reads what comes of it."""
        conversation = _Conversation(turn, is_tainted=_hears_others(turn) or loaded.plugin.outward)
        yield Status(StatusKind.WORKING, source=Source.PLUGIN)
        for chunk in conversation.learn(pending, await self._run(turn, loaded, pending)):
            yield chunk
        async with aclosing(self._go_on(conversation, call_next)) as chunks:
            async for said in chunks:
                yield said

    async def _go_on(self, conversation: "_Conversation", call_next: Answer) -> Chunks:
        turn = conversation.turn
        for number in range(ROUNDS + 1):
            tools = self._registry.tools(turn.is_admin) if turn.tools and number < ROUNDS else ()
            async with aclosing(conversation.round(call_next, replace(turn, tools=tools))) as chunks:
                async for chunk in chunks:
                    yield chunk
            calls = conversation.calls[:_CALLS] if tools else []
            if not calls:
                break
            yield Status(StatusKind.WORKING, source=Source.PLUGIN)
            for call in calls:
                answer = await self._called(conversation, call)
                if isinstance(answer, Ask):
                    yield replace(answer, text=conversation.gap() + answer.text)
                    yield conversation.written()
                    return
                for chunk in answer:
                    yield chunk
        yield conversation.written()

    async def _called(self, conversation: "_Conversation", call: ToolCall) -> Ask | Sequence[Chunk]:
        """What the person is shown at once, and the model reads the rest of; or what they are asked first."""
        turn, loaded = conversation.turn, self._found(call.name, conversation.turn)
        try:
            if loaded is None:
                raise Malformed("there is no such tool")
            pending = Pending(loaded.plugin.name, _arguments(call), is_for_model=True)
            await self._runner.check(loaded, pending.arguments)
        except Malformed as error:
            self._metrics.count("plugin_calls", plugin=loaded.plugin.name if loaded else "unknown", outcome="refused")
            conversation.refuse(call, str(error))
            return ()
        if loaded.plugin.confirm or (loaded.plugin.outward and conversation.is_tainted):
            return await self._ask(turn, loaded, pending)
        conversation.is_tainted |= loaded.plugin.outward
        return conversation.learn(pending, await self._run(turn, loaded, pending))


def more_help(registry: Registry, language: str) -> str:
    """What stands behind the house's own help: what plugins there are for everybody; "" where none are."""
    guide = registry.guide(language)
    return f"{_GAP}{say('plugins', language)}{_GAP}{guide}" if guide else ""


async def _sentence(text: str) -> Chunks:
    yield Text(text, Source.PLUGIN)


def _hears_others(turn: Turn) -> bool:
    """Whether what others wrote may speak to the model: it lies in the prompt from the beginning."""
    return turn.hears_others or turn.reading != EMPTY


@dataclass(eq=False)
class _Conversation:
    """One question on its way through rounds of calls. It `is_tainted` once words of others lie in the prompt."""

    turn: Turn
    is_tainted: bool

    def __post_init__(self) -> None:
        self.calls: list[ToolCall] = []
        self._results: list[ToolResult] = list(self.turn.results)
        self._has_said = self._is_round_begun = False
        self._written: list[Written] = []

    async def round(self, call_next: Answer, asked: Turn) -> Chunks:
        """What the model says next; its calls are kept, and so is by whom it was said."""
        self.calls, self._is_round_begun = [], False
        asked = replace(asked, results=tuple(self._results))
        # Results may be longer than the room that was left: what was said before makes way for them.
        tries = (asked, replace(asked, history=())) if self._results and asked.history else (asked,)
        for one in tries:
            try:
                async with aclosing(self._heard(call_next, one)) as chunks:
                    async for chunk in chunks:
                        yield chunk
                return
            except TooLong:
                if one is tries[-1] or self._is_round_begun:
                    raise

    async def _heard(self, call_next: Answer, asked: Turn) -> Chunks:
        async with aclosing(call_next(asked)) as chunks:
            async for chunk in chunks:
                match chunk:
                    case ToolCall():
                        self.calls.append(chunk)
                    case Written():
                        self._written.append(chunk)
                    case Replace(source=Source.ENGINE):  # another model begins, and wants what it wants
                        self.calls = []
                        self._is_round_begun = self._has_said = bool(chunk.text)
                        yield chunk
                    case Text(text) if text:
                        yield replace(chunk, text=("" if self._is_round_begun else self.gap()) + text)
                        self._is_round_begun = self._has_said = True
                    case _:
                        yield chunk

    def gap(self) -> str:
        """What stands between what was said before and what comes now."""
        return _GAP if self._has_said else ""

    def learn(self, pending: Pending, outcome: Outcome) -> Sequence[Chunk]:
        """The model reads the words next; pictures and sources are for the person, and returned."""
        self._results.append(ToolResult(pending.plugin, pending.arguments, outcome.text))
        return [chunk for chunk in outcome.chunks if isinstance(chunk, Image | Sources)]

    def refuse(self, call: ToolCall, why: str) -> None:
        self._results.append(ToolResult(call.name, {}, why))

    def written(self) -> Written:
        """By whom all of it was said, at what cost."""
        if not self._written:
            return Written("", source=Source.PLUGIN)
        usages = [written.usage for written in self._written]
        usage = Usage(sum(u.prompt_tokens for u in usages), sum(u.completion_tokens for u in usages))
        return replace(self._written[-1], usage=usage, is_fallback=any(w.is_fallback for w in self._written))


def _arguments(call: ToolCall) -> dict[str, Any]:
    """Raises Malformed."""
    try:
        arguments = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        raise Malformed("the arguments are not JSON") from None
    if not isinstance(arguments, dict):
        raise Malformed("the arguments are not a JSON object")
    return arguments
