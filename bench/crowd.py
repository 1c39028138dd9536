"""What many people do all day: messages at random moments, whether or not the last ones are answered, and more."""

import asyncio
import json
import random
from collections import Counter, deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import aiohttp

from bench.sink import Sink

GUESTS = 300  # at the console at one time
PERSONS = 500  # at the door that are about
THREADS = 400  # at the door that are spoken in
_STAYS = 0.9  # of the guests of the console; who leaves makes room for somebody new
_NEW_PERSON = 0.3  # of the new threads at the door
_LONG = 30  # messages, after which a thread at the door is left
_KEPT = 8  # threads that a guest goes on in
_SECONDS = 60.0  # that an answer may take
_AGAIN = 1.0  # seconds until somebody who was turned away comes back
_AT_ONCE = 100  # things that are done; a machine that can't keep up is given no more
# fmt: off
_WORDS = (
    "what", "is", "said", "here", "once", "and", "in", "its", "order", "whoever", "asks", "reads", "it", "before",
    "the", "others", "have", "come",
)
_THINGS = (
    "river", "lamp", "engine", "garden", "letter", "window", "market", "harbour", "violin", "forest", "bridge",
    "kettle",
)
# fmt: on

Doing = Callable[[], Awaitable[None]]


class Unanswered(Exception):
    """Somebody was refused, or had no answer."""


class TurnedAway(Exception):
    """The server had no time, and said so (503): it is asked again, as platforms and browsers do."""


class CutOff(Exception):
    """A page lost its stream, and would open it again."""


@dataclass(slots=True)
class Guest:
    """Somebody at the console: what their browser keeps, their threads, and the answers they were given last."""

    headers: dict[str, str] = field(default_factory=dict)
    threads: deque[str] = field(default_factory=lambda: deque(maxlen=_KEPT))
    reply: str = ""


@dataclass(slots=True)
class Thread:
    """A conversation at the door, and how many messages were said in it."""

    name: str
    person: str
    messages: int = 0


@dataclass(frozen=True, slots=True)
class Said:
    """The id of something that was said at the door, and of what it is answered with."""

    id: str
    reply: str


class Crowd:
    """Speaks to the server at `url`; `done` counts what was done, `complaints` tell what went wrong.

    A guest does one thing at a time. Of what is done, each is one message; what goes with some of them (votes, stops,
    edits, deletions, pages) comes on top.
    """

    def __init__(self, url: str, sink: Sink, *, seed: int = 1) -> None:
        self.done: Counter[str] = Counter()
        self.complaints: list[str] = []
        self.turned_away = self.cut_off = self.late = 0
        self._url, self._sink = url, sink
        self._chance = random.Random(seed)
        self._number = 0
        self._guests: deque[Guest] = deque()
        self._threads: list[Thread] = []
        self._persons = 0
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._http: aiohttp.ClientSession
        # How often each is done, in a thousand messages.
        self._doings: dict[str, tuple[int, Doing]] = {
            "said in a thread at the door": (299, self._say),
            "said in a new thread at the door": (100, self._say_anew),
            "edited": (60, self._edit),
            "deleted": (40, self._delete),
            "sums, for a plugin": (50, self._reckon),
            "followed to the end": (150, self._follow),
            "left half way": (90, self._leave),
            "asked, and read later": (60, self._come_back),
            "asked twice": (50, self._repeat),
            "voted on": (50, self._vote),
            "answered again": (30, self._regenerate),
            "stopped": (20, self._stop),
            "forgotten": (1, self._forget),
        }

    async def go(self, seconds: float, per_second: float) -> None:
        """Returns once everything that was begun has ended."""
        began, at = perf_counter(), 0.0
        names, weights = list(self._doings), [weight for weight, _ in self._doings.values()]
        # Closed in the end, so that no connection stays open in between.
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        async with (
            aiohttp.ClientSession(
                connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
            ) as self._http,
            asyncio.TaskGroup() as group,
        ):
            while (at := at + self._chance.expovariate(per_second)) < seconds:
                await asyncio.sleep(max(0.0, began + at - perf_counter()))
                await self._gate.acquire()
                at = max(at, perf_counter() - began)  # what could not be asked in time is not made up for
                (name,) = self._chance.choices(names, weights)
                group.create_task(self._do(name, self._doings[name][1]))

    async def _do(self, name: str, doing: Doing) -> None:
        try:
            async with asyncio.timeout(_SECONDS):
                while not await self._is_done(doing):
                    self.turned_away += 1
                    await asyncio.sleep(_AGAIN)
            self.done[name] += 1
        except TimeoutError:
            self.late += 1
        except (Unanswered, aiohttp.ClientError) as error:
            self.complaints.append(f"{name}: {type(error).__name__} {error}")
        finally:
            self._gate.release()

    async def _is_done(self, doing: Doing) -> bool:
        """False where it is to be done again."""
        try:
            await doing()
        except TurnedAway:
            return False
        except CutOff:
            self.cut_off += 1
        return True

    def _words(self) -> str:
        self._number += 1
        return f"{self._number} {' '.join(self._chance.choices(_WORDS, k=self._chance.randint(8, 60)))}"

    # ------------------------------------------------------------------------------------------------------- the door

    async def _say(self) -> None:
        await self._whole(await self._post(self._thread(), self._words()))

    async def _say_anew(self) -> None:
        await self._whole(await self._post(self._new_thread(), self._words()))

    async def _reckon(self) -> None:
        sum_ = f"{self._chance.randint(2, 999)} * {self._chance.randint(2, 999)}"
        await self._whole(await self._post(self._thread(), sum_))

    async def _edit(self) -> None:
        """Half of the edits come while the question is answered."""
        thread = self._thread()
        said = await self._post(thread, self._words())
        await asyncio.sleep(self._chance.choice((0.1, 3.0)))
        await self._tell(thread, edited=said.id, text=self._words())
        await self._whole(said)

    async def _delete(self) -> None:
        thread = self._thread()
        said = await self._post(thread, self._words())
        await asyncio.sleep(self._chance.choice((0.1, 3.0)))
        await self._tell(thread, deleted=said.id)
        await self._whole(said)

    def _thread(self) -> Thread:
        if len(self._threads) < THREADS:
            return self._new_thread()
        index = self._chance.randrange(THREADS)
        if self._threads[index].messages >= _LONG:
            del self._threads[index]
            return self._new_thread()
        return self._threads[index]

    def _new_thread(self) -> Thread:
        self._persons += self._chance.random() < _NEW_PERSON
        person = self._persons + self._chance.randrange(PERSONS)
        self._number += 1
        thread = Thread(f"thread {self._number}", f"person {person}")
        self._threads.append(thread)
        if len(self._threads) > THREADS:
            del self._threads[0]
        return thread

    async def _post(self, thread: Thread, text: str) -> Said:
        thread.messages += 1
        said = await self._tell(thread, text=text)
        self._sink.expect(said.reply)
        return said

    async def _whole(self, said: Said) -> None:
        await self._sink.expect(said.reply).wait()

    async def _tell(self, thread: Thread, **what: str) -> Said:
        self._number += 1
        event = {"id": f"event {self._number}", "thread": thread.name, "author": thread.person, **what}
        async with self._http.post(f"{self._url}/channels/bench", json={"events": [event]}) as response:
            _check(response)
            (reply,) = (await response.json())["replies"]
        return Said(event["id"], reply)

    # ---------------------------------------------------------------------------------------------------- the console

    async def _follow(self) -> None:
        guest = self._guest()
        await self._ask(guest, self._words())
        self._return(guest)

    async def _leave(self) -> None:
        """Closes the page while the answer grows."""
        guest = self._guest()
        async with aclosing(self._events(guest, "/chat", **self._question(guest))) as events:
            async for name, _ in events:
                if name != "start":
                    break
        self._return(guest)

    async def _come_back(self) -> None:
        guest = self._guest()
        taken = await self._call(guest, "POST", "/chat", Prefer="respond-async", body=self._question(guest))
        await asyncio.sleep(self._chance.uniform(0, 3))
        await self._call(guest, "GET", f"/threads/{taken['thread']}")
        await self._call(guest, "GET", f"/t/{taken['thread']}")
        self._return(guest)

    async def _repeat(self) -> None:
        """Nothing that is theirs or of this moment: the answer may be kept, and be given again."""
        guest = self._guest()
        one, other = self._chance.sample(_THINGS, 2)
        guest.threads.clear()
        await self._ask(guest, f"How does a {one} differ from a {other}?")
        guest.threads.clear()
        await asyncio.sleep(0.5)
        await self._ask(guest, f"How does a {one} differ from a {other}?")
        self._return(guest)

    async def _vote(self) -> None:
        guest = self._guest()
        await self._ask(guest, self._words())
        for rating in self._chance.choices(("up", "down", "none"), k=2):
            await self._call(guest, "POST", "/feedback", body={"reply_id": guest.reply, "rating": rating})
        self._return(guest)

    async def _regenerate(self) -> None:
        guest = self._guest()
        await self._ask(guest, self._words())
        await self._read(self._events(guest, "/regenerate", reply_id=guest.reply))
        self._return(guest)

    async def _stop(self) -> None:
        guest = self._guest()
        is_stopped = False
        async with aclosing(self._events(guest, "/chat", **self._question(guest))) as events:
            async for name, _ in events:
                if name == "delta" and not is_stopped:
                    is_stopped = True
                    await self._call(guest, "POST", "/stop", body={"thread": guest.threads[-1]})
        self._return(guest)

    async def _forget(self) -> None:
        """They do not come back."""
        guest = self._guest()
        await self._ask(guest, self._words())
        await self._ask(guest, "/forget-me yes")

    def _guest(self) -> Guest:
        """Somebody who does nothing just now."""
        is_known = len(self._guests) >= GUESTS and self._chance.random() < _STAYS
        return self._guests.popleft() if is_known else Guest()

    def _return(self, guest: Guest) -> None:
        self._guests.append(guest)
        if len(self._guests) > GUESTS:
            self._guests.popleft()

    def _question(self, guest: Guest) -> dict[str, str]:
        """Half of the questions go on in a thread that there is."""
        question = {"prompt": self._words()}
        if guest.threads and self._chance.random() < 0.5:
            question["thread"] = self._chance.choice(guest.threads)
        return question

    async def _ask(self, guest: Guest, text: str) -> None:
        await self._read(self._events(guest, "/chat", **(self._question(guest) | {"prompt": text})))

    async def _read(self, events: AsyncGenerator[tuple[str, Any], None]) -> None:
        state = ""
        async with aclosing(events):
            async for name, data in events:
                state = data["state"] if name == "done" else state
        if not state:
            raise CutOff
        if state != "done":
            raise Unanswered(f"an answer ended as {state!r}")

    async def _events(self, guest: Guest, path: str, **body: str) -> AsyncGenerator[tuple[str, Any], None]:
        headers = guest.headers | {"Accept": "text/event-stream"}
        async with self._http.post(self._url + path, json=body, headers=headers) as response:
            _remember(guest, response)
            name = ""
            async for line in response.content:
                if line.startswith(b"event:"):
                    name = line[6:].strip().decode()
                elif line.startswith(b"data:"):
                    data = json.loads(line[5:])
                    if name == "start":
                        guest.reply = data["reply_id"]
                        _go_on(guest, data["thread"])
                    yield name, data

    async def _call(
        self, guest: Guest, method: str, path: str, *, body: dict[str, str] | None = None, **headers: str
    ) -> Any:
        async with self._http.request(method, self._url + path, json=body, headers=guest.headers | headers) as response:
            _remember(guest, response)
            if response.content_type != "application/json":
                return await response.read()
            answer = await response.json()
            if "thread" in answer and "reply_id" in answer:
                _go_on(guest, answer["thread"])
            return answer


def _check(response: aiohttp.ClientResponse) -> None:
    if response.status == 503:
        raise TurnedAway
    if response.status >= 400:
        raise Unanswered(f"{response.method} {response.url.path} was answered with {response.status}")


def _remember(guest: Guest, response: aiohttp.ClientResponse) -> None:
    _check(response)
    if token := response.headers.get("X-CSRF-Token"):
        guest.headers["X-CSRF-Token"] = token
    if cookie := response.headers.get("Set-Cookie"):
        guest.headers["Cookie"] = cookie.partition(";")[0]


def _go_on(guest: Guest, thread: str) -> None:
    if thread not in guest.threads:
        guest.threads.append(thread)
    else:  # the newest one is the last
        guest.threads.remove(thread)
        guest.threads.append(thread)
