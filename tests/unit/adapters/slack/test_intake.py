"""What is counted of events that are not stored, each once."""

import json

import pytest
from slack_bolt.request.async_request import AsyncBoltRequest

from adapters.slack.client import Clients
from adapters.slack.installations import Bot
from adapters.slack.intake import Intake
from adapters.slack.settings import SlackSettings
from core.errors import NotStored, Unreached
from core.ports import Receipt
from tests.fakes.metrics import Numbers

HERE = Bot("T0TOWN", "", "U0BOT", "B0BOT", "xoxb-of-the-tests")
FOLLOW_UP = {"type": "message", "user": "U0ANNA", "text": "and?", "channel": "C0ROOM", "channel_type": "channel",
             "ts": "1700000002.000100", "thread_ts": "1700000001.000100"}  # fmt: skip
MENTION = FOLLOW_UP | {"type": "app_mention", "text": "<@U0BOT> and?"}
REMOVAL = {"type": "app_uninstalled"}


class Town:
    """One workspace and its people; what is `away` raises this."""

    def __init__(self, **away: Exception) -> None:
        self.away = away
        self.numbers = Numbers()
        self.clients = Clients("http://127.0.0.1:9/api/", self._token)
        self.intake = Intake(
            SlackSettings(signing_secret="s", bot_token="xoxb-of-the-tests"),
            installations=self,  # type: ignore[arg-type]
            clients=self.clients,
            people=self,  # type: ignore[arg-type]
            metrics=self.numbers,
            knows=self.knows,
            may=lambda author, thread: True,
        )

    async def told(self, event: dict[str, str]) -> int:
        body = {"type": "event_callback", "team_id": HERE.workspace, "event_id": "Ev01", "event": event}
        request = AsyncBoltRequest(body=json.dumps(body), headers={"content-type": "application/json"})
        try:
            return (await self.intake.take(request, self.accept)).status
        finally:
            await self.clients.close()

    def _ask(self, whom: str) -> None:
        if whom in self.away:
            raise self.away[whom]

    async def _token(self, _: str) -> str:
        return HERE.token

    async def bot(self, *_: object) -> Bot:
        self._ask("installations")
        return HERE

    async def forget(self, *_: object, **__: object) -> None:
        self._ask("forgetting")

    async def introduce(self, author, _):
        self._ask("people")
        return author

    async def knows(self, _: object) -> bool:
        self._ask("threads")
        return True

    async def accept(self, events) -> tuple[Receipt, ...]:
        """As the house does: it counts what it does not take."""
        if "inbox" in self.away:
            self.numbers.count("events", len(events), channel="slack", outcome="not_stored")
            raise self.away["inbox"]
        return ()


@pytest.mark.parametrize(
    ("away", "event"),
    [
        ("installations", MENTION),
        ("threads", FOLLOW_UP),
        ("forgetting", REMOVAL),
        ("inbox", MENTION),
    ],
)
async def test_an_event_that_comes_again_because_the_database_is_away_is_counted_once(away, event):
    town = Town(**{away: NotStored()})
    assert await town.told(event) == 503
    assert dict(town.numbers.counts) == {("events", "slack", "not_stored"): 1}


async def test_one_whose_author_slack_does_not_tell_is_counted_as_refused():
    town = Town(people=Unreached())
    assert await town.told(MENTION) == 503
    assert dict(town.numbers.counts) == {("events", "slack", "refused"): 1}


async def test_one_that_is_stored_is_not_counted_here():
    town = Town()
    assert (await town.told(MENTION), await town.told(FOLLOW_UP)) == (200, 200)
    assert not town.numbers.counts
