"""How soon a question in Slack is answered, beside a bare Bolt app, and whether kill -9 makes either forget it."""

import argparse
import asyncio
import random
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Any

from bench import model_peer, slack_rival
from bench.database import folder, server
from bench.platforms.slack import SIGNING_SECRET, Message, Platform
from bench.platforms.slack.payloads import CHANNEL
from bench.process import ParleyServe, ServerProcess, running
from bench.report import Figure, Progress, at_least, at_most, none_of, percentile, report, told
from bench.until import until
from core.store import Keys

RATES = (10, 30)  # questions a second
AT_ONCE = 300
KILLED = 20
_PEOPLE = 50
_WORDS = ("what", "is", "said", "of", "this", "here", "and", "who", "has", "asked", "it", "before", "us")
_AFTER = 0.3  # seconds from the last acknowledgement to the kill
_THINKS = 2.0  # seconds
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Size:
    """How much is asked. The seconds of one rate are spread over `slices`, ours and the rival's in turn."""

    seconds: float = 60
    slices: int = 3
    drains: int = 3
    warm_up: int = 100  # questions, after which every person is known
    quiet: float = 5.0  # seconds in which an answer that comes twice would come


@dataclass(slots=True)
class Contestant:
    """An app that is measured. `asked` are the questions so far by their ts, with what was said in each."""

    name: str
    process: ServerProcess
    path: str
    thinks: float
    asked: dict[str, str] = field(default_factory=dict)

    @property
    def events_url(self) -> str:
        return self.process.url + self.path


class Peer(ServerProcess):
    """One of our own modules in a process, told its port."""

    def __init__(self, folder: Path, module: str, *arguments: str) -> None:
        super().__init__(folder, module, [], {})
        self._command += ["--port", str(self.port), *arguments]


def main(argv: Sequence[str]) -> dict[str, Any]:
    parser = argparse.ArgumentParser("parley bench slack", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2 seconds in place of 60 at a rate, to see that it runs")
    parser.add_argument("--database", default="", help="a PostgreSQL server's URL; a temporary embedded one else")
    options = parser.parse_args(argv)
    size = Size(seconds=2, slices=1, drains=1, warm_up=20, quiet=1) if options.quick else Size()
    return asyncio.run(measure(options.database, size))


async def measure(url: str, size: Size) -> dict[str, Any]:
    progress = Progress("slack")
    with folder() as place:
        async with server(url) as database, Platform() as slack:
            workspace = Workspace(slack, progress)
            async with database.new() as own, workspace.contestants(place, own, thinks=0) as pair:
                figures = [
                    *await workspace.rates(pair, size),
                    *await workspace.drains(pair, size.drains),
                    *await workspace.as_subscribed(pair[0], size.seconds / size.slices),
                    *workspace.counted(pair),
                ]
            async with database.new() as own, workspace.contestants(place, own, thinks=_THINKS) as pair:
                figures += await workspace.kills(pair, size.quiet)
            return report("slack", figures, postgres=await database.version())


class Workspace:
    """One workspace, in which people ask one app or the other."""

    def __init__(self, slack: Platform, progress: Progress) -> None:
        self._slack = slack
        self._progress = progress
        self.patience = _PATIENCE
        self._chance = random.Random(1)
        self._people = [f"U0ASKER{number:02d}" for number in range(_PEOPLE)]
        for person in self._people:
            slack.add_user(person, f"Person {person[-2:]}")
        slack.add_channel(CHANNEL, members=self._people)
        # The bare app hears of mentions alone; so does ours, where the two are compared.
        slack.courier.subscriptions = frozenset({"app_mention"})

    @asynccontextmanager
    async def contestants(
        self, place: Path, url: str, *, thinks: float
    ) -> AsyncGenerator[tuple[Contestant, Contestant], None]:
        """Parley, with an echo where the model takes no time, and the bare app, each in a process of its own."""
        model = Peer(place, "bench.model_peer", "--seconds", str(thinks))
        engine = {"PARLEY_ENGINE__BACKEND": "remote", "PARLEY_REMOTE__URLS": f'["{model.url}/v1"]'}
        parley = ParleyServe(
            place,
            {
                "DATABASE_URL": url,
                "PARLEY_KEYS": Keys.generate().dump(),
                "PARLEY_CONSOLE__ENABLED": "false",
                "PARLEY_SLACK__ENABLED": "true",
                "PARLEY_SLACK__API_URL": self._slack.api_url,
                "PARLEY_SLACK_SIGNING_SECRET": SIGNING_SECRET,
                "PARLEY_SLACK_BOT_TOKEN": self._slack.bot.token,
                **(engine if thinks else {"PARLEY_ENGINE__BACKEND": "echo"}),
            },
        )
        asks = ["--slack", self._slack.api_url, "--model", f"{model.url}/v1"]
        knows = ["--secret", SIGNING_SECRET, "--token", self._slack.bot.token]
        rival = Peer(place, "bench.slack_rival", *asks, *knows)
        self._progress("starting both")
        async with running(model), running(parley, rival):
            yield (
                Contestant("Parley", parley, "/channels/slack", thinks),
                Contestant("the bare app", rival, slack_rival.PATH, thinks),
            )

    # ---------------------------------------------------------------------------------------------------- how soon

    async def rates(self, pair: Sequence[Contestant], size: Size) -> list[Figure]:
        for app in pair:
            await self.ask(app, size.warm_up, rate=20)
        figures: list[Figure] = []
        for rate in RATES:
            values: dict[str, list[float]] = {app.name: [] for app in pair}
            # In turns: a machine is not equally fast all the time.
            for _ in range(size.slices):
                for app in pair:
                    asked = await self.ask(app, round(rate * size.seconds / size.slices), rate=rate)
                    values[app.name] += self.latencies(asked)
            figures += self._compared(f"{rate}/s", *values.values())
        return figures

    def _compared(self, what: str, ours: Sequence[float], theirs: Sequence[float]) -> list[Figure]:
        figures = [told(f"{what}: questions to each", len(ours), "count")]
        for share in (0.5, 0.99):
            mine, other, name = percentile(ours, share), percentile(theirs, share), f"p{100 * share:.0f}"
            self._progress(f"{what}: {name} {mine:.1f} ms, the bare app {other:.1f} ms")
            figures += [
                told(f"{what}: posted to first chat call, Parley, {name}", mine, "ms"),
                told(f"{what}: posted to first chat call, bare app, {name}", other, "ms"),
                at_most(f"{what}: {name}, times the bare app's", mine / other, "ratio", 2),
            ]
        return figures

    async def drains(self, pair: Sequence[Contestant], times: int) -> list[Figure]:
        rates: dict[str, list[float]] = {app.name: [] for app in pair}
        for _ in range(times):
            for app in pair:
                asked = await self.ask(app, AT_ONCE)
                posted, shown = self._posted(asked).values(), self._shown(asked).values()
                rates[app.name].append(len(shown) / (max(shown) - min(posted)))
                self._progress(f"{AT_ONCE} at once: {app.name} {rates[app.name][-1]:.0f} a second")
        ours, theirs = (median(values) for values in rates.values())
        return [
            told(f"{AT_ONCE} at once: begun by Parley", ours, "1/s"),
            told(f"{AT_ONCE} at once: begun by the bare app", theirs, "1/s"),
            at_least(f"{AT_ONCE} at once: times the bare app's", ours / theirs, "ratio", 1),
        ]

    async def as_subscribed(self, app: Contestant, seconds: float) -> list[Figure]:
        """As in a channel all of which we hear: of each mention a second event, and of each answer its echo."""
        heard, self._slack.courier.subscriptions = self._slack.courier.subscriptions, None
        rate = RATES[-1]
        values = self.latencies(await self.ask(app, round(rate * seconds), rate=rate))
        await self._slack.settle()
        self._slack.courier.subscriptions = heard
        what = f"{rate}/s, hearing every message: posted to first chat call, Parley"
        return [
            told(f"{what}, p50", percentile(values, 0.5), "ms"),
            told(f"{what}, p99", percentile(values, 0.99), "ms"),
        ]

    def counted(self, pair: Sequence[Contestant]) -> list[Figure]:
        """Whether all of that was answered, and once."""
        ours, theirs = pair
        return [
            told("questions to Parley", len(ours.asked), "count"),
            none_of("lost by Parley", len(ours.asked) - self.answered(ours.asked)),
            none_of("answered twice by Parley", self.repeated(ours.asked)),
            told("questions to the bare app", len(theirs.asked), "count"),
            told("lost by the bare app", len(theirs.asked) - self.answered(theirs.asked), "count"),
            told("answered twice by the bare app", self.repeated(theirs.asked), "count"),
        ]

    # ------------------------------------------------------------------------------------------------------- killed

    async def kills(self, pair: Sequence[Contestant], quiet: float) -> list[Figure]:
        ours, theirs = pair
        seconds = await self._kill(ours, self.patience, quiet)
        await self._kill(theirs, _THINKS + quiet, quiet)
        what = f"kill -9, {KILLED} acknowledged"
        return [
            at_least(f"{what}: answered by Parley", self.answered(ours.asked), "count", KILLED),
            none_of(f"{what}: answered twice by Parley", self.repeated(ours.asked)),
            told(f"{what}: until Parley had answered all, its start included", seconds, "s"),
            told(f"{what}: answered by the bare app", self.answered(theirs.asked), "count"),
        ]

    async def _kill(self, app: Contestant, patience: float, quiet: float) -> float:
        """Seconds from the kill until all was answered, or patience ended."""
        asked = [await self._say(app) for _ in range(KILLED)]
        await self._slack.settle()
        assert all(delivery.is_accepted for delivery in self._slack.deliveries[-KILLED:])
        await asyncio.sleep(_AFTER)
        await app.process.kill()
        killed_at = monotonic()
        await app.process.start()
        self._progress(f"{app.name} was killed and is up again after {monotonic() - killed_at:.1f} s")
        await self._until_answered(asked, app, patience)
        seconds = monotonic() - killed_at
        self._progress(f"{app.name}: {self.answered(app.asked)} of {KILLED} answered after {seconds:.1f} s")
        await asyncio.sleep(quiet)
        return seconds

    # ------------------------------------------------------------------------------------------------------- asking

    async def ask(self, app: Contestant, count: int, rate: float = 0) -> list[str]:
        """Asks, open loop and at random moments, or all at once; the questions' ts once they were answered."""
        began, at, asked = monotonic(), 0.0, []
        for _ in range(count):
            if rate:
                at += self._chance.expovariate(rate)
                await asyncio.sleep(max(0.0, began + at - monotonic()))
            asked.append(await self._say(app))
        await self._until_answered(asked, app, self.patience)
        return asked

    async def _say(self, app: Contestant) -> str:
        """One question in a thread of its own."""
        self._slack.events_url = app.events_url
        said = f"{len(app.asked)} {' '.join(self._chance.choices(_WORDS, k=12))}?"
        person = self._chance.choice(self._people)
        ts = await self._slack.say(CHANNEL, person, f"<@{self._slack.bot.user}> {said}", wait=False)
        app.asked[ts] = model_peer.answer_to(said, app.thinks)
        return ts

    async def _until_answered(self, asked: Collection[str], app: Contestant, patience: float) -> None:
        async def are_answered() -> bool:
            return self.answered({ts: app.asked[ts] for ts in asked}) == len(asked)

        with suppress(TimeoutError):
            await until(are_answered, timeout=patience, every=0.05)
        await self._slack.settle()

    # -------------------------------------------------------------------------------------------------- looking back

    def answered(self, asked: Mapping[str, str]) -> int:
        """How many of these have their whole answer."""
        return sum(any(_says(each, expected) for each in self._answers(ts)) for ts, expected in asked.items())

    def repeated(self, asked: Mapping[str, str]) -> int:
        """Messages of the app beyond one for each question."""
        return sum(max(0, len(self._answers(ts)) - 1) for ts in asked)

    def _answers(self, ts: str) -> list[Message]:
        return self._slack.answers(CHANNEL, ts)

    def latencies(self, asked: Collection[str]) -> list[float]:
        """Milliseconds from posting to the first chat call."""
        posted, shown = self._posted(asked), self._shown(asked)
        return [1000 * (at - posted[ts]) for ts, at in shown.items()]

    def _posted(self, asked: Collection[str]) -> dict[str, float]:
        """When each was sent out first."""
        found: dict[str, float] = {}
        wanted = set(asked)
        for delivery in self._slack.deliveries:
            ts = delivery.payload["event"].get("ts", "")
            if ts in wanted:
                found.setdefault(ts, delivery.at)
        return found

    def _shown(self, asked: Collection[str]) -> dict[str, float]:
        """When the first of its chat calls came in."""
        found: dict[str, float] = {}
        wanted = set(asked)
        for call in self._slack.calls:
            ts = call.args.get("thread_ts", "")
            if call.method.startswith("chat.") and ts in wanted:
                found.setdefault(ts, call.at)
        return found


def _says(message: Message, expected: str) -> bool:
    return not message.is_streaming and expected in (message.markdown or message.text)
