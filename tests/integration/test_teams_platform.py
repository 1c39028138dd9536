"""The stand-in for Teams (bench/platforms/teams), vouched for by Microsoft's own library.

Written from learn.microsoft.com and from what others report, never compared with Teams itself.

Vouched for by the unchanged botbuilder-core, botframework-connector and MSAL: the published keys and the tokens signed
with them (CloudAdapter.process_activity lets every good one in and none of FORGERIES), the wire form of every kind of
activity (botbuilder-schema reads it, TurnContext finds the mention), the login (MSAL's client credentials flow and
ManagedIdentityClient), and the connector as far as the SDK calls it: send, reply, update, delete, members, create,
a stream, an error and its Retry-After.

Two things had to be set up around it: MSAL speaks to nobody but https, so that a session of its own leads it to the
stand-in; and the SDK fetches keys in the event loop, so that its bot runs in a thread with a loop of its own.

Not vouched for by anybody: the rules of streams, sizes, limits, entities and of who may write, what Teams sends when
something was clicked or thumbed, and how it redelivers. Below these are tested against what is documented.
"""

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import msal  # type: ignore[import-untyped]
import pytest
import requests
from aiohttp import web
from botbuilder.core import CloudAdapterBase, TurnContext
from botbuilder.integration.aiohttp import CloudAdapter, ConfigurationBotFrameworkAuthentication
from botbuilder.schema import Activity, ConversationParameters, ConversationReference, Entity, ErrorResponseException
from botframework.connector.auth import PasswordServiceClientCredentialFactory

from bench.platforms.teams import APP_ID, APP_PASSWORD, FORGERIES, TENANT, Delivery, Platform
from bench.platforms.teams.errors import ServiceError
from bench.platforms.teams.issuer import ISSUER
from bench.platforms.teams.login import PUBLIC_URL, RESOURCE, SCOPE
from bench.platforms.teams.streams import INFORMATIVE, OUT_OF_ORDER

ANNA, BEN, EVE = "29:anna", "29:ben", "29:eve"
DIRECT, GROUP, TOWN = "a:anna", "19:group@thread.v2", "19:town@thread.tacv2"
CARD = "application/vnd.microsoft.card.adaptive"
SDK_SECONDS = 20


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def teams(clock: Clock) -> AsyncGenerator[Platform, None]:
    async with Platform(clock=clock) as platform:
        platform.add_user(ANNA, "Anna Example")
        platform.add_user(BEN, "Ben Example", locale="zh-CN", role="guest")
        platform.add_user(EVE, "Eve Example", tenant="44444444-4444-4444-8444-444444444444")
        platform.add_chat(DIRECT, "personal", [ANNA])
        platform.add_chat(GROUP, "groupChat", [ANNA, BEN])
        platform.add_chat(TOWN, "channel", [ANNA, BEN, EVE])
        yield platform


# Microsoft's library.


class Led:
    """The session that MSAL is given: everything for login.microsoftonline.com goes to the stand-in."""

    def __init__(self, login_url: str) -> None:
        self._login_url = login_url

    def get(self, url: str, **more: Any) -> requests.Response:
        return requests.get(self._at(url), timeout=SDK_SECONDS, **more)

    def post(self, url: str, **more: Any) -> requests.Response:
        return requests.post(self._at(url), timeout=SDK_SECONDS, **more)

    def close(self) -> None:
        pass

    def _at(self, url: str) -> str:
        assert url.startswith(PUBLIC_URL), url
        return url.replace(PUBLIC_URL, self._login_url)


class Credentials(PasswordServiceClientCredentialFactory):  # type: ignore[misc]
    """The SDK's own, but for where MSAL's requests go."""

    def __init__(self, teams: Platform, password: str) -> None:
        super().__init__(APP_ID, password, TENANT)
        self._led = Led(teams.login_url)

    async def create_credentials(self, *args: Any, **named: Any) -> Any:
        credentials = await super().create_credentials(*args, **named)
        credentials.app = msal.ConfidentialClientApplication(
            APP_ID, self.password, authority=f"{PUBLIC_URL}/{TENANT}", http_client=self._led
        )
        return credentials


class Raw(Entity):  # type: ignore[misc]
    """An entity that keeps all its fields."""

    _attribute_map = {  # noqa: RUF012
        "type": {"key": "type", "type": "str"},
        "additional_properties": {"key": "", "type": "{object}"},
    }

    def __init__(self, type: str, **more: Any) -> None:
        super().__init__(type=type)
        self.additional_properties = more


Turn = Callable[[TurnContext], Awaitable[None]]


class Bot:
    """A bot that is nothing but the SDK, served from a thread of its own; `turn` is what it does."""

    def __init__(self, teams: Platform, *, password: str = APP_PASSWORD) -> None:
        class Config:
            APP_ID, APP_PASSWORD, APP_TYPE, APP_TENANTID = APP_ID, password, "SingleTenant", TENANT
            TO_CHANNEL_FROM_BOT_LOGIN_URL = f"{PUBLIC_URL}/{TENANT}"
            TO_CHANNEL_FROM_BOT_OAUTH_SCOPE = RESOURCE
            TO_BOT_FROM_CHANNEL_TOKEN_ISSUER = ISSUER
            TO_BOT_FROM_CHANNEL_OPENID_METADATA_URL = teams.keys_url
            TO_BOT_FROM_EMULATOR_OPENID_METADATA_URL = teams.keys_url
            OAUTH_URL = "https://token.botframework.com/"
            CALLER_ID = "urn:botframework:test"

        credentials = Credentials(teams, password)
        self.adapter = CloudAdapter(ConfigurationBotFrameworkAuthentication(Config(), credentials_factory=credentials))
        self.seen: list[Activity] = []
        self.references: list[ConversationReference] = []
        self.refusals: list[Exception] = []
        self.turn: Turn | None = None
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="the SDK's bot", daemon=True)
        self._thread.start()

    async def start(self) -> str:
        return str(await self.do(self._serve))

    async def do(self, work: Callable[[], Awaitable[Any]]) -> Any:
        """What `work` returns, done in the bot's loop."""

        async def done() -> Any:
            return await work()

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(done(), self.loop))

    async def stop(self) -> None:
        await self.do(self._runner.cleanup)
        self.loop.call_soon_threadsafe(self.loop.stop)
        await asyncio.to_thread(self._thread.join)
        self.loop.close()

    async def proactively(self, turn: Turn, reference: ConversationReference | None = None) -> None:
        """`continue_conversation` in the bot's loop, as after a restart; raises what the turn raises."""
        found = ConversationReference().deserialize((reference or self.references[-1]).serialize())
        await self.do(lambda: self.adapter.continue_conversation(found, turn, bot_app_id=APP_ID))

    async def _serve(self) -> str:
        app = web.Application()
        app.router.add_post("/", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}/"

    async def _take(self, request: web.Request) -> web.Response:
        activity = Activity().deserialize(await request.json())
        try:
            told = await self.adapter.process_activity(
                request.headers.get("Authorization", ""), activity, self._on_turn
            )
        except Exception as error:
            self.refusals.append(error)
            return web.Response(status=401)
        return web.Response() if told is None else web.json_response(told.body, status=int(told.status))

    async def _on_turn(self, context: TurnContext) -> None:
        self.seen.append(context.activity)
        self.references.append(TurnContext.get_conversation_reference(context.activity))
        if self.turn is not None:
            await self.turn(context)


@pytest.fixture
async def bot(teams: Platform) -> AsyncGenerator[Bot, None]:
    bot = Bot(teams)
    teams.endpoint = await bot.start()
    yield bot
    await bot.stop()


def text_of(activity: Activity) -> str:
    return str(TurnContext.remove_recipient_mention(activity)).strip()


class TestMicrosoftsLibraryGetsAlongWithIt:
    async def test_a_question_comes_in_verified_and_its_answer_goes_out(self, teams, bot):
        async def turn(context: TurnContext) -> None:
            await context.send_activity(f"You said: {context.activity.text}")

        bot.turn = turn
        question = await teams.say(DIRECT, ANNA, "6 times 7?")
        assert [(m.text, m.is_bot) for m in teams.messages(DIRECT)] == [
            ("6 times 7?", False),
            ("You said: 6 times 7?", True),
        ]
        assert [(d.kind, d.status) for d in teams.deliveries] == [("message", 200)]
        seen = bot.seen[0]
        assert (seen.id, seen.channel_id, seen.service_url) == (question, "msteams", teams.service_url)
        assert (seen.conversation.id, seen.conversation.conversation_type) == (DIRECT, "personal")
        assert (seen.from_property.id, seen.from_property.aad_object_id) == (ANNA, teams.conversations.people[ANNA].aad)
        assert (seen.recipient.id, seen.locale, seen.channel_data["tenant"]["id"]) == (f"28:{APP_ID}", "en-US", TENANT)
        assert [len(teams.called(kind)) for kind in ("openid", "keys", "send")] == [1, 1, 1]

    async def test_an_answer_in_a_channel_stays_in_its_thread(self, teams, bot):
        async def turn(context: TurnContext) -> None:
            await context.send_activity(text_of(context.activity))

        bot.turn = turn
        first = await teams.say(TOWN, ANNA, f"{teams.bot.mention} one")
        other = await teams.say(TOWN, BEN, f"{teams.bot.mention} other")
        reply = await teams.say(TOWN, BEN, f"{teams.bot.mention} two", thread=first)
        assert [m.text for m in teams.answers(TOWN, first)] == ["one", "two"]
        assert [m.text for m in teams.answers(TOWN, other)] == ["other"]
        assert bot.seen[2].conversation.id == f"{TOWN};messageid={first}"
        assert bot.seen[2].id == reply
        data = bot.seen[0].channel_data
        assert (data["channel"]["id"], data["tenant"]["id"]) == (TOWN, TENANT)

    @pytest.mark.parametrize("name", FORGERIES)
    async def test_no_forged_token_begins_a_turn(self, teams, bot, name):
        activity = a_message(teams)
        refused = await teams.deliver(activity, teams.issuer.forged(name))
        assert (refused.status, bot.seen) == (401, [])
        assert (await teams.deliver(activity)).status == 200
        assert len(bot.seen) == 1

    async def test_a_key_that_follows_another_is_published_beside_it(self, teams, bot):
        teams.issuer.rotate()
        assert (await teams.deliver(a_message(teams))).status == 200
        assert [key["kid"] for key in teams.issuer.jwks()["keys"]] == ["key-2", "key-1", "key-webchat"]
        teams.issuer.rotate(keeps_old=False)
        assert [key["kid"] for key in teams.issuer.jwks()["keys"]] == ["key-3", "key-webchat"]

    async def test_a_message_is_sent_updated_and_deleted_on_the_bots_own_accord(self, teams, bot):
        await teams.say(DIRECT, ANNA, "hello")
        sent: list[str] = []

        async def write(context: TurnContext) -> None:
            sent.append((await context.send_activity("one")).id)
            await context.update_activity(Activity(id=sent[0], type="message", text="two"))

        await bot.proactively(write)
        (answer,) = teams.answers(DIRECT)
        assert (answer.id, answer.text, answer.edits) == (sent[0], "two", 1)
        assert [text for _, text in answer.shown] == ["one", "two"]

        async def delete(context: TurnContext) -> None:
            await context.delete_activity(sent[0])

        await bot.proactively(delete)
        assert teams.answers(DIRECT) == []

        async def write_again(context: TurnContext) -> None:
            await context.update_activity(Activity(id=sent[0], type="message", text="three"))

        with pytest.raises(ErrorResponseException) as raised:
            await bot.proactively(write_again)
        assert raised.value.response.status_code == 403
        assert str(raised.value) == "(ServiceError) Unknown"

    async def test_a_stream_is_one_message_with_label_citation_and_thumbs(self, teams, bot):
        await teams.say(DIRECT, ANNA, "hello")
        ids: list[str] = []

        async def stream(context: TurnContext) -> None:
            def chunk(text: str, **info: Any) -> Activity:
                return Activity(type="typing", text=text, entities=[Raw("streaminfo", **info)])

            begun = await context.send_activity(chunk("Searching…", streamType="informative", streamSequence=1))
            ids.append(begun.id)
            for sequence, text in enumerate(("Six", "Six times seven"), start=2):
                told = await context.send_activity(
                    chunk(text, streamType="streaming", streamId=begun.id, streamSequence=sequence)
                )
                ids.append(told.id)
            final = Activity(type="message", text="Six times seven is 42 [1].")
            final.entities = [Raw("streaminfo", streamType="final", streamId=begun.id), Raw(**cited(1))]
            final.channel_data = {"feedbackLoop": {"type": "default"}}
            ids.append((await context.send_activity(final)).id)

        await bot.proactively(stream)
        (answer,) = teams.answers(DIRECT)
        assert (ids[0], any(ids[1:])) == (answer.id, False)
        assert (answer.text, answer.is_streaming, answer.was_streamed) == ("Six times seven is 42 [1].", False, True)
        assert (answer.is_labelled, len(answer.citations), answer.has_feedback) == (True, 1, True)
        assert [text for _, text in answer.shown] == ["Six", "Six times seven", "Six times seven is 42 [1]."]
        assert [call.status for call in teams.called("stream")] == [201, 202, 202, 202]

    async def test_a_refusal_reaches_the_caller_with_its_code_and_how_long_to_wait(self, teams, bot):
        await teams.say(DIRECT, ANNA, "hello")
        teams.rate_limit("send", seconds=7)

        async def write(context: TurnContext) -> None:
            await context.send_activity("one")

        with pytest.raises(ErrorResponseException) as raised:
            await bot.proactively(write)
        assert (raised.value.response.status_code, raised.value.response.headers["Retry-After"]) == (429, "7")
        assert raised.value.error.error.code == "Throttled"
        await bot.proactively(write)
        assert [m.text for m in teams.answers(DIRECT)] == ["one"]

    async def test_the_roster_is_read_and_a_conversation_is_made(self, teams, bot):
        await teams.say(DIRECT, ANNA, "hello")
        told: dict[str, Any] = {}

        async def read(context: TurnContext) -> None:
            client = context.turn_state[CloudAdapterBase.BOT_CONNECTOR_CLIENT_KEY]
            told["member"] = await client.conversations.get_conversation_member(DIRECT, ANNA)
            told["members"] = await client.conversations.get_conversation_members(GROUP)
            told["paged"] = (await client.conversations.get_conversation_paged_members(TOWN)).members
            parameters = ConversationParameters(
                is_group=False, tenant_id=TENANT, members=[context.activity.from_property]
            )
            told["made"] = await client.conversations.create_conversation(parameters)

        await bot.proactively(read)
        assert (told["member"].id, told["member"].name) == (ANNA, "Anna Example")
        assert [member.id for member in told["members"]] == [ANNA, BEN]
        assert [member.id for member in told["paged"]] == [ANNA, BEN, EVE]
        assert told["made"].id == DIRECT

    async def test_a_wrong_password_is_told_by_the_login(self, teams):
        bot = Bot(teams, password="wrong")
        teams.endpoint = await bot.start()

        async def write(context: TurnContext) -> None:
            await context.send_activity("one")

        await teams.say(DIRECT, ANNA, "hello")
        with pytest.raises(PermissionError, match=r"invalid_client.*AADSTS7000215"):
            await bot.proactively(write)
        await bot.stop()
        assert teams.answers(DIRECT) == []

    async def test_one_token_serves_as_long_as_it_lives(self, teams):
        led = Led(teams.login_url)
        app = await asyncio.to_thread(
            lambda: msal.ConfidentialClientApplication(
                APP_ID, APP_PASSWORD, authority=f"{PUBLIC_URL}/{TENANT}", http_client=led
            )
        )
        told = [await asyncio.to_thread(app.acquire_token_for_client, scopes=[SCOPE]) for _ in range(2)]
        assert told[0]["access_token"] == told[1]["access_token"]
        assert len(teams.called("token")) == 1
        assert "client_secret" not in teams.called("token")[0].args
        teams.login.admit(f"Bearer {told[0]['access_token']}")

    async def test_a_machines_identity_is_let_in_without_a_password(self, teams, monkeypatch):
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", teams.login_url)
        identity = msal.UserAssignedManagedIdentity(client_id=APP_ID)
        with requests.Session() as session:
            client = msal.ManagedIdentityClient(identity, http_client=session)
            told = await asyncio.to_thread(client.acquire_token_for_client, resource=RESOURCE)
        teams.login.admit(f"Bearer {told['access_token']}")

    async def test_every_kind_of_activity_is_understood(self, teams, bot):
        async def turn(context: TurnContext) -> None:
            if context.activity.type == "invoke":
                body: dict[str, Any] = {}
                await context.send_activity(Activity(type="invokeResponse", value=Answer(200, body)))

        class Answer:
            def __init__(self, status: int, body: Any) -> None:
                self.status, self.body = status, body

        bot.turn = turn
        await teams.install(DIRECT, ANNA)
        question = await teams.say(DIRECT, ANNA, "one")
        await teams.edit(DIRECT, question, "two")
        await teams.react(DIRECT, question, ANNA, "like")
        await teams.unreact(DIRECT, question, ANNA, "like")
        await teams.delete(DIRECT, question)
        told = await teams.invoke(DIRECT, ANNA, "message/fetchTask", {"actionName": "feedback"})
        assert (told.status, told.body) == (200, {})
        await teams.uninstall(DIRECT, ANNA)
        assert [activity.type for activity in bot.seen] == [
            "installationUpdate",
            "conversationUpdate",
            "message",
            "messageUpdate",
            "messageReaction",
            "messageReaction",
            "messageDelete",
            "invoke",
            "installationUpdate",
        ]
        added, removed = bot.seen[4:6]
        assert (added.reactions_added[0].type, added.reply_to_id) == ("like", question)
        assert (removed.reactions_removed[0].type, removed.reactions_added) == ("like", None)
        assert bot.seen[3].channel_data["eventType"] == "editMessage"
        assert bot.seen[6].channel_data["eventType"] == "softDeleteMessage"
        assert bot.seen[1].members_added[0].id == f"28:{APP_ID}"


# Without it: one rule of the stand-in after the other.

AI = {"type": "https://schema.org/Message", "@type": "Message", "@context": "https://schema.org", "@id": ""}


def cited(count: int, **appearance: Any) -> dict[str, Any]:
    """The AI entity with this many citations."""
    claims = [
        {
            "@type": "Claim",
            "position": position,
            "appearance": {"@type": "DigitalDocument", "name": f"Page {position}", "abstract": "…"} | appearance,
        }
        for position in range(1, count + 1)
    ]
    return AI | {"additionalType": ["AIGeneratedContent"], "citation": claims}


def message(text: str, *entities: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "message", "text": text, "entities": list(entities)} | more


def chunk(text: str, sequence: int | None, stream: str = "", kind: str = "streaming", **more: Any) -> dict[str, Any]:
    info: dict[str, Any] = {"type": "streaminfo", "streamType": kind}
    info |= {"streamId": stream} if stream else {}
    info |= {"streamSequence": sequence} if sequence is not None else {}
    return {"type": "message" if kind == "final" else "typing", "text": text, "entities": [info]} | more


def final(text: str, stream: str, **more: Any) -> dict[str, Any]:
    return chunk(text, None, stream, "final", **more)


class Client:
    """Speaks to the connector with a token of the login; what is refused is raised as a ServiceError."""

    def __init__(self, teams: Platform, session: aiohttp.ClientSession) -> None:
        self.teams = teams
        self.session = session
        form = {"grant_type": "client_credentials", "client_id": APP_ID, "client_secret": APP_PASSWORD, "scope": SCOPE}
        self.token = teams.login.token(TENANT, form)["access_token"]

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        url = f"{self.teams.service_url}v3/conversations{path}"
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.session.request(method, url, json=body, headers=headers) as response:
            raw = await response.read()
            told: Any = json.loads(raw) if raw else None
            if response.status >= 400:
                error = told.get("error", {"code": "", "message": told.get("message", "")})
                wait = int(response.headers.get("Retry-After", 0))
                raise ServiceError(response.status, error["code"], error["message"], wait)
            return response.status, told

    async def send(self, conversation: str, activity: Any) -> str:
        """The id, "" where none is told."""
        _, told = await self.call("POST", f"/{conversation}/activities", activity)
        return str(told.get("id", ""))

    async def update(self, conversation: str, id: str, activity: Any) -> None:
        await self.call("PUT", f"/{conversation}/activities/{id}", activity)

    async def delete(self, conversation: str, id: str) -> None:
        await self.call("DELETE", f"/{conversation}/activities/{id}")


@pytest.fixture
async def client(teams: Platform) -> AsyncGenerator[Client, None]:
    async with aiohttp.ClientSession() as session:
        yield Client(teams, session)


@contextmanager
def refused(status: int, code: str = "", text: str = "") -> Iterator[None]:
    with pytest.raises(ServiceError) as raised:
        yield
    error = raised.value
    assert (error.status, error.code if code else "") == (status, code)
    assert text in error.message


def a_message(teams: Platform, chat: str = DIRECT, text: str = "hello") -> dict[str, Any]:
    """An activity as Teams sends it; nobody has got it."""
    return teams.envelope(chat, ANNA).message(teams.new_id(), text)


class TestWhoMayCall:
    async def test_without_a_token_of_the_login_nothing_is_done(self, teams, client):
        good, client.token = client.token, "token-nobody"
        with refused(401):
            await client.send(DIRECT, message("one"))
        client.token = good
        await client.send(DIRECT, message("two"))
        assert [m.text for m in teams.answers(DIRECT)] == ["two"]
        assert [call.status for call in teams.called("send")] == [401, 201]

    async def test_a_token_ends(self, teams, client, clock):
        clock.now += 3600
        with refused(401):
            await client.send(DIRECT, message("one"))

    async def test_all_tokens_can_be_ended(self, teams, client):
        teams.login.expire()
        with refused(401):
            await client.send(DIRECT, message("one"))

    async def test_a_removed_or_blocked_bot_may_not_write(self, teams, client):
        teams.block(DIRECT)
        with refused(403, "ConversationBlockedByUser"):
            await client.send(DIRECT, message("one"))
        teams.block(DIRECT, is_blocked=False)
        teams.conversations.all[DIRECT].has_bot = False
        with refused(403, "BotNotInConversationRoster"):
            await client.send(DIRECT, message("one"))
        with refused(404, "ConversationNotFound"):
            await client.send("a:nobody", message("one"))

    async def test_the_login_can_refuse_and_hang(self, teams, client):
        teams.fail("token", 401, "invalid_client")
        form = {"grant_type": "client_credentials", "client_id": APP_ID, "client_secret": APP_PASSWORD, "scope": SCOPE}
        url = f"{teams.login_url}/{TENANT}/oauth2/v2.0/token"
        async with client.session.post(url, data=form) as response:
            assert response.status == 401
        teams.hang("token")
        hanging = asyncio.create_task(client.session.post(url, data=form).__aenter__())
        await teams.until(lambda: len(teams.called("token")) == 2)
        assert not hanging.done()
        teams.heal()
        assert (await hanging).status == 200

    async def test_the_keys_can_hang(self, teams, client):
        teams.hang("openid")
        hanging = asyncio.create_task(client.session.get(teams.keys_url).__aenter__())
        await teams.until(lambda: teams.called("openid"))
        assert not hanging.done()
        teams.heal()
        assert (await (await hanging).json())["jwks_uri"] == teams.issuer.keys_uri


class TestMessages:
    async def test_in_a_channel_the_address_makes_the_thread_and_nothing_else(self, teams, client):
        root = await teams.say(TOWN, ANNA, "one", is_heard=False)
        reply = await client.send(f"{TOWN};messageid={root}", message("two"))
        new = await client.send(TOWN, message("three", replyToId=root))
        assert [m.id for m in teams.messages(TOWN, root)] == [root, reply]
        assert teams.message(TOWN, new).thread == new
        with refused(404, "ActivityNotFoundInConversation"):
            await client.send(f"{TOWN};messageid=17", message("four"))

    async def test_only_a_message_of_the_bot_can_be_changed(self, teams, client):
        question = await teams.say(DIRECT, ANNA, "one", is_heard=False)
        with refused(403, "NotEnoughPermissions"):
            await client.update(DIRECT, question, message("two"))
        with refused(404, "ActivityNotFoundInConversation"):
            await client.update(DIRECT, "17", message("two"))
        with refused(404, "ActivityNotFoundInConversation"):
            await client.delete(DIRECT, "17")

    async def test_typing_has_no_id(self, teams, client):
        assert await client.send(GROUP, {"type": "typing"}) == ""
        assert (teams.answers(GROUP), len(teams.called("typing"))) == ([], 1)

    async def test_a_text_with_a_card_becomes_two_messages_without_an_id(self, teams, client):
        card = {"contentType": CARD, "content": {"type": "AdaptiveCard", "version": "1.5"}}
        assert await client.send(DIRECT, message("one", attachments=[card])) == ""
        assert [(m.text, m.card() is not None) for m in teams.answers(DIRECT)] == [("one", False), ("", True)]

    async def test_what_is_too_large_is_refused_by_its_size_in_utf_16(self, teams, client):
        with refused(413, "MessageSizeTooBig"):
            await client.send(DIRECT, message("问" * (51 * 1024)))
        await client.send(DIRECT, message("问" * (50 * 1024 - 100)))
        teams.max_bytes = 2000
        with refused(413):
            await client.send(DIRECT, message("a" * 1000))

    @pytest.mark.parametrize(
        ("activity", "text"),
        [
            ({"type": "message"}, "should have text or attachments"),
            ({"type": "telegram"}, "Unknown activity type"),
            ([], "JSON object"),
            (message("[1]", cited(1), cited(1)), "Only one entity"),
            (message("[1]", cited(21)), "No more than 20"),
            (message("[1]", cited(1, name="n" * 81)), "name should have"),
            (message("[1]", cited(1, abstract="a" * 161)), "abstract should have"),
            (message("[1]", cited(1, keywords=["a", "b", "c", "d"])), "keywords"),
            (message("one", {"@type": "Message"}), "entities should be"),
            (message("one", {"type": "mention", "text": "<at>Anna</at>"}), "mention should be in the text"),
            (message("one", channelData={"feedbackLoop": {"type": "often"}}), "feedbackLoop"),
            (message("one", attachments=[{"contentType": CARD, "content": {"type": "Card"}}]), "AdaptiveCard"),
            (
                message("one", suggestedActions={"actions": [{"type": "openUrl", "title": "a", "value": "b"}]}),
                "imBack",
            ),
        ],
    )
    async def test_what_is_not_sound_is_refused(self, teams, client, activity, text):
        with refused(400, "Bad Argument", text):
            await client.send(DIRECT, activity)
        assert teams.answers(DIRECT) == []

    async def test_twenty_citations_are_shown_where_the_text_refers_to_them(self, teams, client):
        await client.send(DIRECT, message("see [2] and [20]", cited(20)))
        (answer,) = teams.answers(DIRECT)
        assert [claim["position"] for claim in answer.citations] == [2, 20]

    async def test_suggestions_are_for_a_personal_chat_and_say_their_value(self, teams, client):
        suggested = {"actions": [{"type": "imBack", "title": "More", "value": "Tell me more"}]}
        with refused(400, text="one-on-one"):
            await client.send(GROUP, message("one", suggestedActions=suggested))
        id = await client.send(DIRECT, message("one", suggestedActions=suggested))
        teams.endpoint = teams.url  # where nobody takes it
        await teams.choose(DIRECT, id, ANNA, "More")
        assert [d.activity["text"] for d in teams.deliveries] == ["Tell me more"]
        with pytest.raises(LookupError):
            await teams.choose(DIRECT, id, ANNA, "Less")

    async def test_a_new_thread_is_made_in_a_channel(self, teams, client):
        body = {"isGroup": True, "channelData": {"channel": {"id": TOWN}}, "activity": message("one")}
        status, told = await client.call("POST", "", body)
        assert (status, told["id"]) == (201, f"{TOWN};messageid={told['activityId']}")
        assert [m.text for m in teams.answers(TOWN)] == ["one"]
        with refused(403, "ForbiddenOperationException"):
            await client.call("POST", "", {"members": [{"id": EVE}], "tenantId": TENANT})

    async def test_the_roster_knows_guests_and_strangers(self, teams, client):
        _, ben = await client.call("GET", f"/{TOWN}/members/{BEN}")
        _, eve = await client.call("GET", f"/{TOWN}/members/{teams.conversations.people[EVE].aad}")
        assert (ben["userRole"], ben["tenantId"] == TENANT) == ("guest", True)
        assert (eve["id"], eve["tenantId"] == TENANT) == (EVE, False)
        with refused(404):
            await client.call("GET", f"/{GROUP}/members/{EVE}")

    async def test_who_is_no_member_sees_nothing(self, teams, client):
        await client.send(GROUP, message("one"))
        assert [len(teams.messages(GROUP, viewer=person)) for person in (ANNA, BEN, EVE)] == [1, 1, 0]


class TestStreams:
    async def test_it_begins_with_an_id_and_grows_under_it(self, teams, client):
        stream = await client.send(DIRECT, chunk("Searching…", 1, kind="informative"))
        (answer,) = teams.answers(DIRECT)
        assert (answer.id, answer.text, answer.informative, answer.is_streaming) == (stream, "", "Searching…", True)
        assert await client.send(DIRECT, chunk("Six", 2, stream)) == ""
        assert (answer.text, answer.informative, answer.is_streaming) == ("Six", "", True)
        assert await client.send(DIRECT, final("Six.", stream)) == ""
        assert (answer.text, answer.is_streaming, answer.edits) == ("Six.", False, 0)

    @pytest.mark.parametrize("chat", [GROUP, TOWN])
    async def test_outside_a_personal_chat_there_is_none(self, teams, client, chat):
        with refused(405):
            await client.send(chat, chunk("Six", 1))
        assert teams.answers(chat) == []

    async def test_a_chat_has_one_at_a_time(self, teams, client):
        stream = await client.send(DIRECT, chunk("Six", 1))
        with refused(403, "ContentStreamNotAllowed", "Content stream is not allowed"):
            await client.send(DIRECT, chunk("Seven", 1))
        await client.send(DIRECT, final("Six", stream))
        assert await client.send(DIRECT, chunk("Seven", 1)) != stream

    async def test_a_bot_may_be_forbidden_to_stream(self, teams, client):
        teams.streams.is_allowed = False
        with refused(403, "ContentStreamNotAllowed", "Content stream is not allowed"):
            await client.send(DIRECT, chunk("Six", 1))

    async def test_what_comes_out_of_order_is_dropped(self, teams, client):
        stream = await client.send(DIRECT, chunk("Six", 1))
        await client.send(DIRECT, chunk("Six times seven", 3, stream))
        status, told = await client.call("POST", f"/{DIRECT}/activities", chunk("Six times", 2, stream))
        assert (status, told["error"]["code"], teams.calls[-1].code) == (202, OUT_OF_ORDER, OUT_OF_ORDER)
        assert teams.answers(DIRECT)[0].text == "Six times seven"

    async def test_a_text_that_takes_something_back_ends_it(self, teams, client):
        stream = await client.send(DIRECT, chunk("Six times", 1))
        with refused(403, "ContentStreamNotAllowed", "should contain the previously streamed content"):
            await client.send(DIRECT, chunk("Seven times", 2, stream))
        with refused(403, "ContentStreamNotAllowed"):
            await client.send(DIRECT, chunk("Six times seven", 3, stream))
        await client.update(DIRECT, stream, message("Seven times"))
        assert [(m.text, m.edits) for m in teams.answers(DIRECT)] == [("Seven times", 1)]

    async def test_a_final_text_that_differs_is_a_bad_request_and_the_stream_goes_on(self, teams, client):
        stream = await client.send(DIRECT, chunk("Six times", 1))
        with refused(400, "BadRequest"):
            await client.send(DIRECT, final("Seven", stream))
        await client.send(DIRECT, final("Six times seven", stream))

    async def test_after_two_minutes_it_is_over_and_the_message_can_be_edited(self, teams, client, clock):
        stream = await client.send(DIRECT, chunk("Six", 1))
        clock.now += 120
        await client.send(DIRECT, chunk("Six times", 2, stream))
        clock.now += 1
        for late in (chunk("Six times seven", 3, stream), final("Six times seven", stream)):
            with refused(403, "ContentStreamNotAllowed", "exceeded streaming time"):
                await client.send(DIRECT, late)
        await client.update(DIRECT, stream, message("Six times seven", cited(0)))
        (answer,) = teams.answers(DIRECT)
        assert (answer.text, answer.is_labelled) == ("Six times seven", True)
        assert await client.send(DIRECT, chunk("Another", 1))

    async def test_time_runs_out_for_a_stream_that_nobody_goes_on_with(self, teams, client, clock):
        await client.send(DIRECT, chunk("Six", 1))
        clock.now += 121
        assert not teams.answers(DIRECT)[0].is_streaming
        assert await client.send(DIRECT, chunk("Another", 1))

    async def test_a_test_can_end_streams_at_once(self, teams, client):
        stream = await client.send(DIRECT, chunk("Six", 1))
        assert teams.expire_streams() == 1
        with refused(403, text="exceeded streaming time"):
            await client.send(DIRECT, chunk("Six times", 2, stream))

    async def test_stop_is_told_with_the_next_request(self, teams, client):
        stream = await client.send(DIRECT, chunk("Six", 1))
        assert teams.stop_stream(DIRECT).id == stream
        for late in (chunk("Six times", 2, stream), final("Six times", stream)):
            with refused(403, "ContentStreamNotAllowed", "canceled by user"):
                await client.send(DIRECT, late)
        assert [m.text for m in teams.answers(DIRECT)] == ["Six"]
        with pytest.raises(LookupError):
            teams.stop_stream(DIRECT)

    async def test_a_finished_message_is_not_streamed_again(self, teams, client):
        stream = await client.send(DIRECT, chunk("Six", 1))
        await client.send(DIRECT, final("Six", stream))
        with refused(403, "ContentStreamNotAllowed", "already completed streamed message"):
            await client.send(DIRECT, chunk("Six times", 2, stream))
        sent = await client.send(DIRECT, message("one"))
        with refused(403, "ContentStreamNotAllowed", "already completed"):
            await client.send(DIRECT, chunk("one two", 2, sent))
        with refused(404):
            await client.send(DIRECT, chunk("one two", 2, "17"))

    async def test_what_is_too_large_ends_it(self, teams, client):
        stream = await client.send(DIRECT, chunk("Six", 1))
        with refused(403, "ContentStreamNotAllowed", "Message size too large"):
            await client.send(DIRECT, chunk("Six" + "a" * 60_000, 2, stream))
        await client.update(DIRECT, stream, message("Six"))

    async def test_an_open_one_cannot_be_edited_unless_the_test_says_so(self, teams, client):
        stream = await client.send(DIRECT, chunk("Six", 1))
        with refused(400, text="still streamed"):
            await client.update(DIRECT, stream, message("Seven"))
        teams.streams.edits_open_streams = True
        await client.update(DIRECT, stream, message("Seven"))
        assert [m.text for m in teams.answers(DIRECT)] == ["Seven"]

    @pytest.mark.parametrize(
        ("activity", "text"),
        [
            (chunk("", 2, "S"), "should include text"),
            (chunk("a", None, "S"), "should include streamSequence"),
            (chunk("a" * (INFORMATIVE + 1), 2, "S", "informative"), "1000 characters"),
            (chunk("a", 2, "S", "thinking"), "streamType should be"),
            (chunk("a", 2, "S") | {"type": "message"}, "should be typing"),
            (chunk("a", 2, "S", attachments=[{"contentType": CARD}]), "only for the final"),
            (chunk("a", 2, "S", channelData={"feedbackLoop": {"type": "default"}}), "only for the final"),
            (final("Six", "S") | {"type": "typing"}, "should be message"),
            (chunk("Six", 3, "S", "final"), "should not include streamSequence"),
            (chunk("a", 2), "should have streamSequence 1"),
            (chunk("a", None, "", "final"), "should include streamId"),
        ],
    )
    async def test_what_is_not_sound_is_refused_and_it_goes_on(self, teams, client, activity, text):
        stream = await client.send(DIRECT, chunk("Six", 1))
        given = json.loads(json.dumps(activity).replace('"S"', f'"{stream}"'))
        with refused(400, "BadRequest", text):
            await client.send(DIRECT, given)
        await client.send(DIRECT, final("Six", stream))


class TestLimits:
    async def test_seven_a_second_and_eight_in_two(self, teams, client, clock):
        teams.has_limits = True
        for number in range(7):
            await client.send(DIRECT, message(f"{number}"))
        with pytest.raises(ServiceError) as raised:
            await client.send(DIRECT, message("7"))
        assert (raised.value.status, raised.value.code, raised.value.retry_after) == (429, "Throttled", 1)
        await client.send(GROUP, message("elsewhere"))
        clock.now += 1
        await client.send(DIRECT, message("7"))
        with refused(429):
            await client.send(DIRECT, message("8"))

    async def test_sixty_in_half_a_minute_and_1800_in_an_hour(self, teams, client, clock):
        limits = teams.limits
        for _ in range(60):
            clock.now += 0.4
            assert not limits.wait("send", DIRECT)
        assert limits.wait("update", DIRECT) == 7
        for _ in range(1740):
            clock.now += 1.5 if _ else 7
            assert not limits.wait("send", DIRECT)
        clock.now += 2
        assert limits.wait("send", DIRECT) > 60

    async def test_they_hold_for_edits_typing_and_streams_and_threads_of_a_channel_share_them(self, teams, client):
        teams.has_limits = True
        root = await teams.say(TOWN, ANNA, "one", is_heard=False)
        id = await client.send(f"{TOWN};messageid={root}", message("two"))
        for number in range(3):
            await client.update(TOWN, id, message(f"{number}"))
            await client.send(TOWN, {"type": "typing"})
        with refused(429):
            await client.update(TOWN, id, message("last"))

    async def test_a_stream_can_be_kept_to_one_request_a_second(self, teams, client, clock):
        teams.has_limits, teams.limits.stream_interval = True, 1.0
        stream = await client.send(DIRECT, chunk("Six", 1))
        with refused(429, text="API calls quota exceeded"):
            await client.send(DIRECT, chunk("Six times", 2, stream))
        clock.now += 1
        await client.send(DIRECT, chunk("Six times", 2, stream))

    async def test_without_them_nobody_waits(self, teams, client):
        for number in range(70):
            await client.send(DIRECT, message(f"{number}"))


class TestFaults:
    @pytest.mark.parametrize(
        ("status", "code"), [(412, "PreconditionFailed"), (502, "ServiceError"), (504, "ServiceError")]
    )
    async def test_the_connector_fails_as_often_as_it_is_told_and_does_nothing(self, teams, client, status, code):
        teams.fail("send", status, times=2, retry_after=3)
        for _ in range(2):
            with pytest.raises(ServiceError) as raised:
                await client.send(DIRECT, message("one"))
            assert (raised.value.status, raised.value.code, raised.value.retry_after) == (status, code, 3)
        assert teams.answers(DIRECT) == []
        await client.send(DIRECT, message("one"))
        assert len(teams.answers(DIRECT)) == 1

    async def test_kinds_of_calls_fail_apart(self, teams, client):
        teams.fail("stream", 502)
        teams.fail("update", 502)
        id = await client.send(DIRECT, message("one"))
        with refused(502):
            await client.send(DIRECT, chunk("Six", 1))
        with refused(502):
            await client.update(DIRECT, id, message("two"))
        teams.fail("*", 502)
        with refused(502):
            await client.send(DIRECT, {"type": "typing"})
        with pytest.raises(ValueError, match="no such kind"):
            teams.fail("telegram", 502)

    async def test_a_call_is_lost_before_or_after_it_was_done(self, teams, client):
        teams.drop("send")
        with pytest.raises(aiohttp.ClientError):
            await client.send(DIRECT, message("one"))
        assert teams.answers(DIRECT) == []
        teams.swallow("send")
        with pytest.raises(aiohttp.ClientError):
            await client.send(DIRECT, message("two"))
        assert [m.text for m in teams.answers(DIRECT)] == ["two"]
        assert [call.status for call in teams.called("send")] == [0, 0]

    async def test_an_answer_can_be_kept_back_after_all_was_done(self, teams, client):
        teams.hang("send", is_done=True)
        sending = asyncio.create_task(client.send(DIRECT, message("one")))
        await teams.until(lambda: teams.answers(DIRECT))
        assert not sending.done()
        teams.heal()
        assert await sending == teams.answers(DIRECT)[0].id

    async def test_a_slow_connector_takes_its_time_for_every_call(self, teams, client):
        teams.delay("*", 0.2)
        await asyncio.gather(*(client.send(DIRECT, message(f"{number}")) for number in range(5)))
        calls = teams.called("send")
        assert all(call.ended - call.at >= 0.2 for call in calls)
        assert max(call.ended for call in calls) - min(call.at for call in calls) < 0.8


class Inbox:
    """A bot that only writes down, and answers what it is told to."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.headers: list[str] = []
        self.answers: list[tuple[int, Any]] = []
        self.silent = 0
        self.release = asyncio.Event()

    async def take(self, request: web.Request) -> web.Response:
        self.taken.append(await request.json())
        self.headers.append(request.headers.get("Authorization", ""))
        if self.silent:
            self.silent -= 1
            await self.release.wait()
        status, body = self.answers.pop(0) if self.answers else (200, None)
        return web.Response(status=status) if body is None else web.json_response(body, status=status)


@pytest.fixture
async def inbox(teams: Platform) -> AsyncGenerator[Inbox, None]:
    inbox = Inbox()
    app = web.Application()
    app.router.add_post("/", inbox.take)
    runner = web.AppRunner(app, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    teams.endpoint = f"http://{host}:{port}/"
    yield inbox
    inbox.release.set()
    await runner.cleanup()


class TestPeople:
    async def test_a_message_that_names_the_bot_says_so_and_repeats_itself_as_html(self, teams, inbox):
        await teams.say(TOWN, BEN, f"{teams.bot.mention} 1 < 2?")
        (told,) = inbox.taken
        mentioned = {"id": f"28:{APP_ID}", "name": "Parley"}
        assert told["text"] == "<at>Parley</at> 1 < 2?"
        assert told["entities"][0] == {"type": "mention", "mentioned": mentioned, "text": "<at>Parley</at>"}
        assert told["entities"][1]["type"] == "clientInfo"
        (html,) = told["attachments"]
        assert html["contentType"] == "text/html"
        assert ">Parley</span> 1 &lt; 2?</div>" in html["content"]
        assert (told["locale"], told["conversation"]["isGroup"]) == ("zh-CN", True)
        assert told["conversation"]["id"] == f"{TOWN};messageid={told['id']}"

    async def test_in_a_group_the_bot_hears_what_names_it_or_everything(self, teams, inbox):
        await teams.say(GROUP, ANNA, "one")
        await teams.say(GROUP, ANNA, f"two {teams.bot.mention}")
        await teams.say(GROUP, ANNA, "three", is_heard=True)
        teams.conversations.all[GROUP].hears_all = True
        await teams.say(GROUP, ANNA, "four")
        assert [told["text"] for told in inbox.taken] == ["two <at>Parley</at>", "three", "four"]
        assert len(teams.messages(GROUP)) == 4

    async def test_edits_and_deletions_name_the_message(self, teams, inbox):
        id = await teams.say(DIRECT, ANNA, "one")
        await teams.edit(DIRECT, id, "two")
        await teams.delete(DIRECT, id)
        await teams.undelete(DIRECT, id)
        told = [(t["type"], t["id"], t.get("text"), t["channelData"].get("eventType")) for t in inbox.taken]
        assert told == [
            ("message", id, "one", None),
            ("messageUpdate", id, "two", "editMessage"),
            ("messageDelete", id, None, "softDeleteMessage"),
            ("messageUpdate", id, "two", "undeleteMessage"),
        ]

    async def test_a_reaction_names_its_target_and_thread(self, teams, client, inbox):
        root = await teams.say(TOWN, ANNA, f"{teams.bot.mention} one")
        id = await client.send(f"{TOWN};messageid={root}", message("two"))
        await teams.react(TOWN, id, BEN, "heart")
        await teams.unreact(TOWN, id, BEN, "heart")
        added, removed = inbox.taken[1:]
        assert (added["reactionsAdded"], added["replyToId"]) == ([{"type": "heart"}], id)
        assert removed["reactionsRemoved"] == [{"type": "heart"}]
        assert added["conversation"]["id"] == f"{TOWN};messageid={root}"
        assert "text" not in added

    async def test_thumbs_come_as_an_invoke_with_json_in_a_string(self, teams, client, inbox):
        bare = await client.send(DIRECT, message("one"))
        with pytest.raises(LookupError):
            await teams.feedback(DIRECT, bare, ANNA)
        id = await client.send(DIRECT, message("two", channelData={"feedbackLoop": {"type": "default"}}))
        inbox.answers = [(200, {}), (200, None), (200, {"status": "ok"}), (501, None)]
        told = [await teams.feedback(DIRECT, id, ANNA, "dislike", 'too "short"') for _ in range(4)]
        first = inbox.taken[0]
        assert (first["name"], first["replyToId"]) == ("message/submitAction", id)
        assert first["value"]["actionValue"]["reaction"] == "dislike"
        assert json.loads(first["value"]["actionValue"]["feedback"]) == {"feedbackText": 'too "short"'}
        assert [bool(delivery.problem) for delivery in told] == [False, True, True, True]
        await teams.feedback(DIRECT, id, ANNA, with_target=False)
        assert "replyToId" not in inbox.taken[-1]

    async def test_a_button_of_a_card_is_pressed_and_its_answer_is_for_the_clicker(self, teams, client, inbox):
        again = {"type": "Action.Execute", "title": "Again", "verb": "regenerate", "data": {"reply": "r1"}}
        send = {"type": "Action.Submit", "title": "Send", "data": {"a": 1}}
        card = {"type": "AdaptiveCard", "version": "1.5", "actions": [again, send]}
        id = await client.send(GROUP, {"type": "message", "attachments": [{"contentType": CARD, "content": card}]})
        new = {"type": "AdaptiveCard", "version": "1.5", "body": []}
        inbox.answers = [(200, {"statusCode": 200, "type": CARD, "value": new})]
        told = await teams.click(GROUP, id, ANNA, "regenerate", {"more": "x"})
        assert (told.kind, told.problem) == ("adaptiveCard/action", "")
        value = inbox.taken[0]["value"]
        assert value["action"] == again | {"data": {"reply": "r1", "more": "x"}}
        answer = teams.message(GROUP, id)
        assert (answer.card(ANNA), answer.card(BEN)) == (new, card)
        await teams.click(GROUP, id, BEN, "Send")
        assert (inbox.taken[1]["type"], inbox.taken[1]["value"], inbox.taken[1]["replyToId"]) == (
            "message",
            {"a": 1},
            id,
        )
        with pytest.raises(LookupError):
            await teams.click(GROUP, id, ANNA, "regenerate")

    @pytest.mark.parametrize("answer", [(200, {}), (200, {"statusCode": 500}), (501, None), (200, None)])
    async def test_a_button_that_is_not_answered_properly_shows_a_problem(self, teams, client, inbox, answer):
        again = {"type": "Action.Execute", "title": "Again", "verb": "regenerate"}
        card = {"type": "AdaptiveCard", "version": "1.5", "actions": [again]}
        id = await client.send(DIRECT, {"type": "message", "attachments": [{"contentType": CARD, "content": card}]})
        inbox.answers = [answer]
        assert (await teams.click(DIRECT, id, ANNA, "Again")).problem

    async def test_being_added_and_removed_is_told(self, teams, inbox):
        await teams.install(GROUP, ANNA)
        await teams.join(GROUP, EVE)
        await teams.uninstall(GROUP, ANNA)
        told = [(t["type"], t.get("action"), [m["id"] for m in t.get("membersAdded", [])]) for t in inbox.taken]
        assert told == [
            ("installationUpdate", "add", []),
            ("conversationUpdate", None, [f"28:{APP_ID}"]),
            ("conversationUpdate", None, [EVE]),
            ("installationUpdate", "remove", []),
        ]
        assert EVE in teams.conversations.all[GROUP].members


class TestDelivery:
    async def test_what_nobody_answers_is_sent_again_as_it_was(self, teams, inbox):
        teams.courier.ack_seconds, inbox.silent = 0.1, 1
        id = await teams.say(DIRECT, ANNA, "one")
        assert inbox.taken[0] == inbox.taken[1]
        assert (inbox.taken[0]["id"], len(inbox.taken)) == (id, 2)
        (delivery,) = teams.deliveries
        assert [(a.status, a.reason) for a in delivery.attempts] == [(None, "timeout"), (200, "")]

    async def test_it_is_given_up_after_that(self, teams, inbox):
        teams.courier.ack_seconds, inbox.silent = 0.1, 5
        await teams.say(DIRECT, ANNA, "one")
        assert (len(inbox.taken), teams.deliveries[0].is_accepted) == (2, False)

    async def test_redelivery_can_be_switched_off(self, teams, inbox):
        teams.courier.ack_seconds, teams.courier.redeliveries, inbox.silent = 0.1, 0, 5
        await teams.say(DIRECT, ANNA, "one")
        assert len(inbox.taken) == 1

    async def test_an_invoke_is_sent_once(self, teams, inbox):
        teams.courier.ack_seconds, inbox.silent = 0.1, 5
        delivery = await teams.invoke(DIRECT, ANNA, "message/submitAction", {})
        assert (len(inbox.taken), delivery.problem != "") == (1, True)

    async def test_errors_are_answers_unless_told_otherwise(self, teams, inbox):
        inbox.answers = [(503, None), (503, None)]
        await teams.say(DIRECT, ANNA, "one")
        assert len(inbox.taken) == 1
        teams.courier.retries_errors = True
        await teams.say(DIRECT, ANNA, "two")
        assert [told["text"] for told in inbox.taken] == ["one", "two", "two"]

    async def test_what_is_said_without_waiting_is_settled_later(self, teams, inbox):
        inbox.silent = 1
        await teams.say(DIRECT, ANNA, "one", wait=False)
        await teams.until(lambda: teams.deliveries)
        inbox.release.set()
        await teams.settle()
        assert teams.deliveries[0].is_accepted

    async def test_any_activity_goes_out_under_any_header(self, teams, inbox):
        told: Delivery = await teams.deliver({"type": "telegram"}, "Bearer nothing")
        assert (told.status, inbox.taken, inbox.headers) == (200, [{"type": "telegram"}], ["Bearer nothing"])
