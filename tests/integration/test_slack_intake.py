"""What Slack tells the house: kept before it is acknowledged, whichever way it comes and whatever is slow or gone."""

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import asynccontextmanager, nullcontext
from io import BytesIO
from time import time
from typing import Any

import aiohttp
import psycopg
import pytest

from bench.database import Server
from bench.platforms.slack import SIGNING_SECRET, Delivery, Platform, payloads
from bench.until import until
from core.errors import Misconfigured
from core.store.database import conninfo
from tests.fakes.engine import ScriptedEngine, say
from tests.postgres import start_embedded
from tests.slack import ANNA, TOWN, WAYS, Town, town_with
from tests.slack_moves import answer, at_rest, is_finished, reply_of, shown, stored, votes

pytestmark = pytest.mark.timeout(90)


@pytest.fixture(scope="module")
def postgres() -> Generator[Server, None, None]:
    """A database server that belongs to these tests alone, so that they may break it off."""
    embedded = start_embedded()
    server = Server(embedded.url, embedded.data)
    yield server
    server.close()
    embedded.stop()


@pytest.fixture
async def database(postgres: Server, monkeypatch) -> AsyncGenerator[Server, None]:
    """Where the next house keeps everything."""
    async with postgres.new() as url:
        monkeypatch.setattr("tests.house.database", lambda: nullcontext(url))
        yield postgres


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine(say("An answer."))


@pytest.fixture
def house(engine, tmp_path, monkeypatch) -> Any:
    """Opens a town."""

    @asynccontextmanager
    async def opened(**settings: str) -> AsyncIterator[Town]:
        async with town_with(engine, tmp_path, monkeypatch, **settings) as town:
            town.slack.courier.retry_delays = (0.2,) * 50
            yield town

    return opened


@asynccontextmanager
async def away(database: Server) -> AsyncIterator[None]:
    """Breaks the database off, and starts it again."""
    await asyncio.to_thread(database.break_off)
    try:
        yield
    finally:
        await asyncio.to_thread(database.start_again)


async def tried(slack: Platform, count: int) -> list[Delivery]:
    """The deliveries that were not taken, once there are so many, each tried at least once."""

    def found() -> list[Delivery]:
        return [each for each in slack.deliveries if each.attempts and not each.is_accepted]

    return await slack.until(lambda: found() if len(found()) >= count else None)


class TestWhatIsNotKept:
    async def test_is_not_acknowledged_over_http_and_answered_once_it_is_told_again(self, house, database, engine):
        async with house() as town:
            async with away(database):
                asking = asyncio.create_task(town.slack.say(TOWN, ANNA, f"{town.mention} a question"))
                refused = await tried(town.slack, 2)
                assert {attempt.status for each in refused for attempt in each.attempts} == {503}
                assert max(attempt.seconds for each in refused for attempt in each.attempts) < 3
            asked = await asking
            assert all(each.is_accepted for each in refused)
            reply = await answer(town, asked, "An answer.")
            await at_rest(town)
            assert (town.slack.answers(TOWN, asked), len(engine.asked)) == ([reply], 1)

    async def test_stays_unacknowledged_in_the_socket_and_is_answered_once_it_comes_again(
        self, house, database, engine
    ):
        async with house(way="socket") as town:
            town.slack.courier.ack_seconds = 1.0
            async with away(database):
                asking = asyncio.create_task(town.slack.say(TOWN, ANNA, f"{town.mention} a question"))
                refused = await tried(town.slack, 2)
                assert {attempt.reason for each in refused for attempt in each.attempts} == {"timeout"}
            town.slack.courier.ack_seconds = 3.0
            asked = await asking
            assert all(each.is_accepted for each in refused)
            reply = await answer(town, asked, "An answer.")
            await at_rest(town)
            assert (town.slack.answers(TOWN, asked), len(engine.asked)) == ([reply], 1)

    @pytest.mark.parametrize("way", WAYS)
    async def test_keeps_a_modal_open_with_what_the_person_wrote(self, house, database, way):
        async with house(way=way) as town:
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} a question")
            reply = await answer(town, asked)
            await town.slack.click(TOWN, reply.ts, ANNA, "feedback", is_positive=False)
            (view,) = await town.slack.until(lambda: town.slack.open_views(ANNA))
            written = {"reason": {"reason": "unclear"}, "comment": {"comment": "Too short."}}
            async with away(database):
                await town.slack.submit(view, ANNA, written)
                sentence = "This could not be saved just now. Please send it again in a moment."
                assert (view.is_open, view.errors) == (True, {"comment": sentence})
            await until(lambda: _is_taken(town, view, written), timeout=20, every=0.2)
            assert town.slack.open_views(ANNA) == []
            await at_rest(town)
            (vote,) = await votes(town, reply_of(reply))
            assert (vote.score, vote.reason, vote.comment) == (1, "unclear", "Too short.")

    async def test_a_command_and_a_press_are_not_taken_either(self, house, database, engine):
        async with house() as town:
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} a question")
            reply = await answer(town, asked)
            async with away(database):
                ordered = await town.slack.command(TOWN, ANNA, "/parley", "a question")
                pressed = await town.slack.click(TOWN, reply.ts, ANNA, "feedback")
                assert (ordered.status, pressed.status) == (503, 503)
            assert len(engine.asked) == 1


async def _is_taken(town: Town, view: Any, written: Any) -> bool:
    await town.slack.submit(view, ANNA, written)
    return not view.is_open


class TestWhatIsSlow:
    @pytest.mark.parametrize("way", WAYS)
    async def test_a_slow_database_is_not_waited_for_until_slack_gives_up(self, house, engine, way):
        async with house(way=way) as town:
            async with await psycopg.AsyncConnection.connect(conninfo(town.database)) as other:
                await other.execute("LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE")
                asking = asyncio.create_task(town.slack.say(TOWN, ANNA, f"{town.mention} a question"))
                refused = await tried(town.slack, 2)
                if way == "http":
                    assert {(each.attempts[0].status, each.attempts[0].reason) for each in refused} == {
                        (503, "http_error")
                    }
                    assert max(each.attempts[0].seconds for each in refused) < 3
            asked = await asking
            reply = await answer(town, asked)
            await at_rest(town)
            assert (town.slack.answers(TOWN, asked), len(engine.asked)) == ([reply], 1)

    async def test_nor_is_slack_itself_where_it_does_not_say_who_asks(self, house, engine):
        async with house() as town:
            town.slack.delay("users.info", 4.0)
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} a question")
            first = next(each for each in town.slack.deliveries if each.kind == "app_mention").attempts[0]
            assert first.status == 503
            assert first.seconds < 3
            await answer(town, asked)
            await at_rest(town)
            assert len(town.slack.called("users.info")) == 1, "the first call went on, and told it"
            assert len(engine.asked) == 1


class TestWhatIsAskedOfTheOperator:
    async def test_the_environment_of_the_library_changes_nothing(self, house, engine, tmp_path, monkeypatch):
        home = tmp_path / "home"
        home.mkdir()
        monkeypatch.setenv("HOME", str(home))
        for name in ("BOT_TOKEN", "SIGNING_SECRET", "CLIENT_ID", "CLIENT_SECRET", "VERIFICATION_TOKEN", "APP_TOKEN"):
            monkeypatch.setenv(f"SLACK_{name}", "nonsense")
        async with house() as town:
            asked = await town.slack.say(TOWN, ANNA, f"{town.mention} a question")
            await answer(town, asked)
            await town.slack.command(TOWN, ANNA, "/parley", "another")
            await town.slack.until(lambda: "An answer." in map(shown, town.slack.ephemeral))
            assert all(call.is_ok for call in town.slack.calls)
        assert list(home.iterdir()) == []

    @pytest.mark.parametrize("way", WAYS)
    async def test_a_wrong_bot_token_is_told_at_start_and_a_question_adds_one_line(self, house, caplog, way):
        async with house(way=way, PARLEY_SLACK_BOT_TOKEN="xoxb-wrong") as town:
            await until(lambda: _says(caplog, "replace PARLEY_SLACK_BOT_TOKEN"))
            town.slack.courier.retry_delays = (0.02,) * 3
            await town.slack.say(TOWN, ANNA, f"{town.mention} a question")
            assert len(await tried(town.slack, 2)) == 2
        assert caplog.text.count("does not say who the bot is") == 1
        assert caplog.text.count("was not stored, so it is not acknowledged: SlackRefused") == 1
        assert "xoxb-wrong" not in caplog.text

    @pytest.mark.parametrize("secret", ["", "   "])
    async def test_without_a_signing_secret_the_house_does_not_open(self, house, secret):
        with pytest.raises(Misconfigured, match="PARLEY_SLACK_SIGNING_SECRET"):
            async with house(PARLEY_SLACK_SIGNING_SECRET=secret):
                raise AssertionError("it did")


class TestWhatIsSentToUs:
    async def post(self, town: Town, body: bytes, secret: str = SIGNING_SECRET, **more: str) -> tuple[int, bytes]:
        headers = payloads.headers(body, secret, int(time())) | more
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{town.house}/channels/slack", data=BytesIO(body), headers=headers) as response,
        ):
            return response.status, await response.read()

    async def test_the_handshake_is_answered_with_its_challenge(self, house, caplog):
        async with house() as town:
            body = json.dumps(payloads.url_verification("a-challenge")).encode()
            status, answered = await self.post(town, body)
            assert (status, json.loads(answered)) == (200, {"challenge": "a-challenge"})
            assert (await self.post(town, body, "another secret"))[0] == 401
            assert "had a wrong or old signature" in caplog.text

    async def test_what_nobody_knows_is_taken_and_forgotten(self, house):
        async with house() as town:
            for event in ({"type": "channel_rename", "channel": {"id": TOWN}}, {"type": "message", "subtype": "new"}):
                payload = payloads.event_callback(event)
                assert (await town.slack.deliver(payload)).attempts[0].status == 200
            for payload in (
                {"type": "app_rate_limited", "team_id": "T0PARLEY1", "api_app_id": "A0PARLEY1"},
                payloads.event_callback({"type": "message"}, team="T0UNKNOWN"),
            ):
                assert (await self.post(town, json.dumps(payload).encode()))[0] == 200
            assert stored(town) == 0

    async def test_what_is_forged_stale_or_too_large_is_refused(self, house, caplog):
        async with house() as town:
            body = json.dumps(payloads.event_callback(payloads.mention_event(payloads.said("a canary")))).encode()
            assert (await self.post(town, body))[0] == 200
            heard = stored(town)
            old = payloads.headers(body, SIGNING_SECRET, int(time()) - 301)
            for more in (old, {"X-Slack-Signature": "v0=0"}, {"X-Slack-Signature": ""}):
                assert (await self.post(town, body, **more))[0] == 401
            assert (await self.post(town, body.replace(b"a canary", b"\xff")))[0] == 401
            assert (await self.post(town, b"x" * 10_000_000))[0] == 413
            await at_rest(town)
            assert stored(town) == heard
        assert "canary" not in caplog.text


class TestTheSocket:
    @pytest.fixture(autouse=True)
    def soon(self, monkeypatch, caplog):
        caplog.set_level(logging.INFO)
        monkeypatch.setattr("adapters.slack.socket_mode.PING_SECONDS", 0.2)
        monkeypatch.setattr("adapters.slack.socket_mode._RETRY_SECONDS", 0.2)
        monkeypatch.setattr("adapters.slack.socket_mode._ADDRESS_EVERY", 0.1)
        monkeypatch.setattr("adapters.slack.socket_mode._LOOK_SECONDS", 0.05)

    @pytest.fixture
    async def town(self, house):
        async with house(way="socket") as town:
            town.slack.courier.ack_seconds = 1.0
            await town.slack.until(lambda: town.slack.sockets.links)
            yield town

    async def _asks(self, town: Town) -> None:
        """And is answered exactly once."""
        asked = await town.slack.say(TOWN, ANNA, f"{town.mention} a question")
        reply = await answer(town, asked)
        await at_rest(town)
        assert town.slack.answers(TOWN, asked) == [reply]

    async def test_is_replaced_when_slack_announces_its_end(self, town):
        await self._asks(town)
        old = town.slack.sockets.links[0]
        await town.slack.disconnect()
        await self._asks(town)
        await town.slack.until(lambda: [each for each in town.slack.sockets.links if each is not old])
        await town.slack.until(lambda: len(town.slack.sockets.links) == 1)

    async def test_stays_after_a_mere_warning(self, town):
        await town.slack.disconnect("warning")
        await self._asks(town)

    async def test_is_replaced_when_it_is_cut(self, town, caplog):
        await until(lambda: _says(caplog, "the socket to Slack is open"))
        town.slack.cut_sockets()
        await self._asks(town)
        assert "the socket to Slack was lost" in caplog.text

    async def test_is_replaced_when_it_falls_silent(self, town):
        town.slack.mute_sockets()
        await self._asks(town)
        assert len(town.slack.called("apps.connections.open")) > 1

    async def test_what_is_on_its_way_when_it_is_cut_is_told_again_and_answered_once(self, town):
        town.slack.delay("users.info", 0.5)
        asking = asyncio.create_task(town.slack.say(TOWN, ANNA, f"{town.mention} a question"))
        await town.slack.until(lambda: town.slack.called("users.info"))
        town.slack.cut_sockets()
        asked = await asking
        reply = await answer(town, asked)
        await at_rest(town)
        assert town.slack.answers(TOWN, asked) == [reply]

    async def test_is_asked_for_again_while_there_are_too_many(self, house, monkeypatch):
        monkeypatch.setattr("bench.platforms.slack.sockets._MOST", 0)
        async with house(way="socket") as town:
            began = asyncio.get_running_loop().time()
            await town.slack.until(lambda: len(town.slack.called("apps.connections.open")) > 3)
            assert asyncio.get_running_loop().time() - began > 0.2, "one after another, not as fast as can be"
            monkeypatch.setattr("bench.platforms.slack.sockets._MOST", 10)
            await self._asks(town)

    @pytest.mark.parametrize("error", ["internal_error", "invalid_auth"])
    async def test_is_asked_for_until_slack_gives_one(self, house, monkeypatch, caplog, error):
        monkeypatch.setattr("bench.platforms.slack.Platform.start", _start_with(lambda slack: _no_socket(slack, error)))
        async with house(way="socket") as town:
            await self._asks(town)
            assert len(town.slack.called("apps.connections.open")) > 2
        assert caplog.text.count("Slack gives no socket") == 1

    async def test_another_one_is_asked_for_where_its_address_does_not_open(self, town, monkeypatch):
        monkeypatch.setattr("adapters.slack.socket_mode._ADDRESS_SECONDS", 0.5)
        town.slack.state.tickets = _Lost()
        town.slack.cut_sockets()
        await self._asks(town)


async def _says(caplog: pytest.LogCaptureFixture, words: str) -> bool:
    return words in caplog.text


class _Lost(set[str]):
    """The first two tickets are good for nothing."""

    count = 0

    def add(self, ticket: str) -> None:
        self.count += 1
        if self.count > 2:
            super().add(ticket)


def _no_socket(slack: Platform, error: str) -> None:
    slack.fail("apps.connections.open", error=error, times=2)


def _start_with(prepare: Any) -> Any:
    start = Platform.start

    async def started(slack: Platform, port: int = 0) -> None:
        await start(slack, port)
        prepare(slack)

    return started


@pytest.mark.parametrize("way", WAYS)
async def test_nothing_that_was_said_and_nothing_that_opens_a_door_is_logged(way, house, engine, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr("adapters.slack.writer._STREAM_EVERY", 0.02)
    engine.script = say("canary words that the model says")
    engine.delay = 0.05
    async with house(way=way) as town:
        slack = town.slack
        for method in ("chat.startStream", "chat.appendStream", "chat.stopStream", "users.info"):
            slack.break_(method)
        asked = await slack.say(TOWN, ANNA, f"{town.mention} a canary question")
        await answer(town, asked)
        await slack.say(TOWN, ANNA, "another canary", thread_ts=asked)
        reply = await answer(town, asked, count=2)
        slack.fail("views.open", error="invalid_arguments")
        await slack.click(TOWN, reply.ts, ANNA, "feedback", is_positive=False)
        await slack.click(TOWN, reply.ts, ANNA, "feedback", is_positive=False)
        (view,) = await slack.until(lambda: slack.open_views(ANNA))
        await slack.submit(view, ANNA, {"comment": {"comment": "a canary comment"}})
        await slack.command(TOWN, ANNA, "/parley", "a canary in private")
        await slack.until(lambda: [each for each in slack.ephemeral if is_finished(each)])
        slack.cut_sockets()
        await at_rest(town)
        secrets = (slack.bot.token, SIGNING_SECRET, "xapp-", "ticket=", "/link/", f"{slack.url}/response/")
    assert len(caplog.records) > 10
    for word in ("canary", *secrets):
        assert word not in caplog.text
