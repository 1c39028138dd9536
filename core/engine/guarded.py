"""An engine behind its breaker, whose doings are counted."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass, field
from time import monotonic

from core.engine.breaker import LONGEST, Breaker, Circuit
from core.errors import Busy, EngineError, Malformed, TooLong, Unavailable, trace
from core.message import NO_USAGE
from core.ports import Capabilities, Conversation, Delta, Engine, Metrics, Model
from core.turn import SamplingParams, Utterance

log = logging.getLogger(__name__)

_TRIAL = Conversation("", (Utterance("user", "Hello"),)), SamplingParams(max_new_tokens=1)
_LOOK = 5.0  # seconds until it is looked again whether there is something to try out


class Guarded:
    """Passes everything on to `engine`, known as `name` to the operator; while its breaker is open, it is Unavailable.

    Only Unavailable and what nobody expected count as failures: who is Busy lives, and a bad request is the asker's.
    Once it has rested it is tried out with one token, so that an outage ends though nobody asks.
    Several chains may hold it: starting and stopping it again does nothing.
    """

    def __init__(self, engine: Engine, name: str, metrics: Metrics, breaker: Breaker | None = None) -> None:
        self.name = name
        self.engine = engine
        self._metrics, self._breaker = metrics, breaker or Breaker()
        self._starting, self._is_started, self._model_name = asyncio.Lock(), False, ""
        self._waiting: set[_Request] = set()
        self._shown: Circuit | None = None
        self._trying: asyncio.Task[None] | None = None

    @property
    def model(self) -> Model:
        return self.engine.model

    @property
    def capabilities(self) -> Capabilities:
        return self.engine.capabilities

    @property
    def circuit(self) -> Circuit:
        """What its breaker does with the next request."""
        return self._breaker.circuit

    @property
    def waiting(self) -> int:
        """Requests that were told nothing yet."""
        return len(self._waiting)

    @property
    def is_healthy(self) -> bool:
        """Whether a question would be tried on it."""
        is_sound: bool = getattr(self.engine, "is_healthy", True)
        return self._is_started and is_sound and self._breaker.circuit is not Circuit.OPEN

    async def start(self) -> None:
        async with self._starting:
            if not self._is_started:
                await self.engine.start()
                self._is_started, self._model_name = True, self.engine.model.name
                self._trying = asyncio.create_task(self._try_out(), name=f"try out {self.name}")
                self._show()

    async def stop(self) -> None:
        self._is_started = False
        try:
            if self._trying:
                self._trying.cancel()
                await asyncio.gather(self._trying, return_exceptions=True)
        finally:
            await self.engine.stop()

    async def count(self, conversation: Conversation) -> int:
        return await self.engine.count(conversation)

    async def stream(self, conversation: Conversation, params: SamplingParams) -> AsyncGenerator[Delta, None]:
        """Raises Unavailable, Busy, Malformed or TooLong and nothing else."""
        if not self._is_started:
            raise Unavailable
        with self._tried() as request:
            async with aclosing(self.engine.stream(conversation, params)) as deltas:
                async for delta in deltas:
                    request.hear(delta)
                    yield delta

    async def _try_out(self) -> None:
        """Asks for one token after each rest, until the engine is stopped."""
        while self._is_started:
            await asyncio.sleep(self._breaker.rests_for or _LOOK)
            if not self._breaker.has_rested:
                continue
            with suppress(EngineError), self._tried(is_trial=True) as request:
                async with aclosing(self.engine.stream(*_TRIAL)) as deltas:
                    async for delta in deltas:
                        request.hear(delta)
            if self._breaker.has_rested:  # it told nothing of itself
                await asyncio.sleep(LONGEST)

    @contextmanager
    def _tried(self, *, is_trial: bool = False) -> Iterator["_Request"]:
        """Tells the breaker and the metrics how the request ends."""
        try:
            admitted = self._breaker.admit()
        except Unavailable:
            self._metrics.count("engine_requests", engine=self.name, outcome="turned_away")
            raise
        request = _Request(self.name, self._model_name, self._metrics, self._breaker, admitted, self._waiting, is_trial)
        try:
            yield request
        except (Busy, Malformed, TooLong) as error:
            request.end("busy" if isinstance(error, Busy) else "refused")
            raise
        except EngineError:
            request.end("failed")
            raise
        except Exception as error:
            log.error("The engine %s failed in a way nobody expected: %s", self.name, trace(error))
            request.end("failed")
            raise Unavailable from None
        finally:
            request.end("cancelled")  # where it has not ended otherwise, nobody listens any more
            self._show()

    def _show(self) -> None:
        circuit, before = self._breaker.circuit, self._shown
        if circuit is before:
            return
        self._shown = circuit
        self._metrics.gauge("engine_breaker", circuit, engine=self.name)
        if circuit is Circuit.CLOSED and before is not None:
            log.info("The engine %s answers again.", self.name)
        elif circuit is not Circuit.CLOSED and before is Circuit.CLOSED:
            log.warning("The engine %s failed several times in a row, is let alone and tried out by itself.", self.name)


@dataclass(eq=False)
class _Request:
    """One request and what becomes of it; `waiting` holds those that were told nothing yet. A trial is nobody's."""

    engine: str
    model: str
    metrics: Metrics
    breaker: Breaker
    admitted: int
    waiting: "set[_Request]"
    is_trial: bool = False
    began: float = field(default_factory=monotonic)
    first: float = 0.0
    outcome: str = ""

    def __post_init__(self) -> None:
        self._wait(self.waiting.add)

    def hear(self, delta: Delta) -> None:
        """Notes the first word and the last."""
        if self in self.waiting and (delta.text or delta.reasoning or delta.tool_call or delta.finish):
            self.breaker.speak(self.admitted)
            self.first = monotonic()
            self._time("time_to_first_token", self.first - self.began)
            self._wait(self.waiting.discard)
        if delta.finish:
            self._spend(delta)
            self.end("timeout" if delta.finish == "timeout" else "answered")

    def end(self, outcome: str) -> None:
        """How it ended; only the first of several ends counts."""
        if self.outcome:
            return
        self.outcome = outcome
        match outcome:
            case "answered" | "timeout" if not self.is_trial:  # a word is no proof of a whole answer
                self.breaker.succeed(self.admitted)
            case "failed":
                self.breaker.fail(self.admitted)
            case "busy":
                self.breaker.speak(self.admitted)
            case _:
                self.breaker.withdraw(self.admitted)
        self.metrics.count("engine_requests", engine=self.engine, outcome=outcome)
        self._time("request_duration", monotonic() - self.began, error_type="" if outcome == "answered" else outcome)
        if self in self.waiting:
            self._wait(self.waiting.discard)

    def _spend(self, delta: Delta) -> None:
        usage, reused = delta.usage or NO_USAGE, delta.timings.reused if delta.timings else 0
        kinds = {"prompt": usage.prompt_tokens, "completion": usage.completion_tokens, "reused": reused}
        for kind, tokens in kinds.items():
            if not tokens:
                continue
            self.metrics.count("engine_tokens", tokens, engine=self.engine, kind=kind)
        for kind, tokens in (("input", usage.prompt_tokens), ("output", usage.completion_tokens)):
            self._observe("gen_ai_client_token_usage", tokens, gen_ai_token_type=kind)
        if self.first and usage.completion_tokens > 1:
            self._time("time_per_output_token", (monotonic() - self.first) / (usage.completion_tokens - 1))

    def _time(self, what: str, seconds: float, **labels: str) -> None:
        self._observe(f"gen_ai_server_{what}_seconds", seconds, **labels)

    def _observe(self, name: str, value: float, **labels: str) -> None:
        self.metrics.observe(name, value, **labels, engine=self.engine, gen_ai_request_model=self.model)

    def _wait(self, change: "Callable[[_Request], None]") -> None:
        change(self)
        self.metrics.gauge("engine_waiting", len(self.waiting), engine=self.engine)
