"""A model on other machines, behind any server that speaks OpenAI's chat completions."""

import asyncio
import random
import secrets
from collections.abc import AsyncGenerator, Awaitable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from core.engine.remote.chunks import Answer
from core.engine.remote.endpoints import Endpoint, Endpoints, connect
from core.engine.remote.faults import fault
from core.engine.remote.lobby import meet
from core.engine.remote.request import SEEDS, body, bounded, estimate
from core.errors import Busy, EngineError, Malformed, TooLong, Unavailable
from core.ports import Capabilities, Conversation, Delta, Model
from core.trail import trail
from core.turn import SamplingParams

T = TypeVar("T")

# What vLLM, SGLang and Ray Serve LLM can do. A seed is sent where one is asked for, but they batch in half precision,
# where the same seed need not say the same again.
REMOTE = Capabilities(seed=False, exact_count=False, queue_position=False)

REST = 10.0  # seconds for which a server that was away is asked last
GRACE = 2.0  # seconds to wait for the count of tokens once the answer is whole


class RemoteEngine:
    """Asks the server with the fewest requests of this process under way. openai is imported by `start()`.

    `base_urls` end in /v1; `model` is its name there, "" for the only one they serve; `context` is in tokens, less
    where the server says so. Seconds: `timeout` for a whole answer, `silence` until its first piece and between two,
    `start_timeout` for the servers to come up. At most `limit` requests are under way, then it is Busy.
    `capabilities` say what the servers can do: what they cannot is not sent.
    """

    def __init__(
        self,
        base_urls: Sequence[str],
        model: str = "",
        *,
        api_key: str = "",
        context: int = 8192,
        timeout: float = 300,
        connect_timeout: float = 5,
        silence: float = 20,
        start_timeout: float = 120,
        limit: int = 128,
        capabilities: Capabilities = REMOTE,
    ) -> None:
        self._urls, self._name, self._context = tuple(base_urls), model, context
        self._api_key, self._connect_timeout, self._start_timeout = api_key, connect_timeout, start_timeout
        self._timeout, self._silence = timeout, silence
        self._capabilities = replace(capabilities, exact_count=False, queue_position=False)
        self._limit, self._in_house = limit, 0
        self._endpoints: Endpoints | None = None
        self._model: Model | None = None

    @property
    def model(self) -> Model:
        """Raises Unavailable before the engine was started."""
        if not self._model:
            raise Unavailable
        return self._model

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    @property
    def addresses(self) -> tuple[str, ...]:
        """Its servers', as they may be shown; () before the start."""
        return tuple(endpoint.url for endpoint in self._endpoints or ())

    @property
    def limit(self) -> int:
        """Requests that may be under way at once."""
        return self._limit

    @property
    def in_house(self) -> int:
        """Requests under way."""
        return self._in_house

    async def start(self) -> None:
        """Waits until a server says that it has the model; raises Misconfigured where none does."""
        if self._endpoints:
            return
        # Importing the library takes half a second, in which others have better things to do.
        endpoints = await asyncio.to_thread(connect, self._urls, self._api_key, self._connect_timeout)
        try:
            served = await meet(endpoints, self._name, seconds=self._start_timeout, rest=REST)
        except BaseException:
            await endpoints.close()
            raise
        self._model = Model(served.name, served.name, min(self._context, served.context or self._context))
        self._endpoints = endpoints

    async def stop(self) -> None:
        """Closes every connection; whoever has no answer yet is told Unavailable."""
        endpoints, self._endpoints = self._endpoints, None
        if endpoints:
            await endpoints.close()

    async def stream(self, conversation: Conversation, params: SamplingParams) -> AsyncGenerator[Delta, None]:
        """Raises Unavailable, Busy, Malformed or TooLong before the first delta, Unavailable also later."""
        endpoints, model = self._live(), self.model
        prompt = self._measured(conversation)
        params = bounded(params, model.context - prompt)
        if params.seed is None and self._capabilities.seed:
            params = replace(params, seed=random.randrange(SEEDS))
        request = body(model.name, conversation, params, self._capabilities)
        answer = Answer(params.stop, prompt)
        with self._place():
            async with aclosing(self._answered(endpoints, request, answer)) as deltas:
                async for delta in deltas:
                    yield delta
            for delta in answer.last(model.version, params.seed):
                yield delta

    async def count(self, conversation: Conversation) -> int:
        """About how many tokens the prompt has, rather too many: the servers keep their tokenizer to themselves."""
        return estimate(conversation)

    def _live(self) -> Endpoints:
        if not self._endpoints:
            raise Unavailable
        return self._endpoints

    def _measured(self, conversation: Conversation) -> int:
        if not conversation.turns or not conversation.turns[-1].text.strip():
            raise Malformed("there is no question")
        prompt, context = estimate(conversation), self.model.context
        if prompt >= context:
            raise TooLong(f"it has about {prompt} tokens, and fewer than {context} can be read")
        return prompt

    @contextmanager
    def _place(self) -> Iterator[None]:
        if self._in_house >= self._limit:
            raise Busy(f"{self._limit} are being answered or wait; please ask again in a moment")
        self._in_house += 1
        try:
            yield
        finally:
            self._in_house -= 1

    async def _answered(
        self, endpoints: Endpoints, request: dict[str, Any], answer: Answer
    ) -> AsyncGenerator[Delta, None]:
        """Asks one server after the other until one begins to answer; what has begun is never asked again.

        Where nobody does, it is Busy if one is full and the others are full or away.
        """
        error: EngineError = Unavailable()
        now = asyncio.get_running_loop().time
        end = now() + self._timeout
        for endpoint in endpoints.in_order():
            try:
                async with aclosing(self._asked(endpoint, request, answer, end)) as deltas:
                    async for delta in deltas:
                        yield delta
                return
            except Exception as problem:
                if answer.is_whole:  # only the count of its tokens is missing
                    return
                if isinstance(problem, TimeoutError) and now() > end - 0.05 and answer.expire():
                    return
                found = fault(problem, endpoint.url)
                if found.is_away or found.is_slow:
                    endpoint.rest(REST)
                is_last = answer.has_begun or not found.may_pass_on or not self._endpoints
                error = found.error if is_last or not isinstance(error, Busy) else error
                if is_last:
                    break
        raise error from None

    async def _asked(
        self, endpoint: Endpoint, request: dict[str, Any], answer: Answer, end: float
    ) -> AsyncGenerator[Delta, None]:
        """One server's deltas, `end` on the loop's clock. However it ends, the connection is closed or given back."""
        now = asyncio.get_running_loop().time
        first = min(end, now() + self._silence)
        create: Any = endpoint.client.chat.completions.create
        with endpoint.busy():
            chunks = await _by(first, create(**request, extra_headers=_named()))
            answer.begin()
            try:
                while not answer.is_stopped:
                    next_ = min(end, now() + self._silence) if answer.has_begun else first
                    limit = now() + GRACE if answer.is_whole else next_
                    chunk = await _by(limit, anext(chunks, None))
                    if chunk is None:
                        break
                    for delta in answer.feed(chunk):
                        yield delta
            finally:
                await chunks.close()


def _named() -> dict[str, str]:
    """What the server's own log knows the request by: vLLM makes its id of this header, and wants each only once."""
    turn = trail().turn
    return {"X-Request-Id": f"{turn}-{secrets.token_hex(3)}"} if turn else {}


async def _by(when: float, awaitable: Awaitable[T]) -> T:
    async with asyncio.timeout_at(when):
        return await awaitable
