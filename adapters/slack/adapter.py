"""Slack as a front door: events come in over HTTP or Socket Mode, answers go out through the Web API."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from http import HTTPStatus

from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

from adapters.slack import files, socket_mode, thread
from adapters.slack.client import Client, Clients, NotLetIn, Paces, SlackRefused
from adapters.slack.delivery import ThreadDelivery
from adapters.slack.installations import Bot, Installations
from adapters.slack.intake import Intake, Knows, May
from adapters.slack.manifest import CALLBACK_PATH, EVENTS_PATH, INSTALL_PATH
from adapters.slack.oauth import OAuth
from adapters.slack.people import People
from adapters.slack.sealed import SealedStates
from adapters.slack.settings import SlackSettings
from adapters.slack.sound import is_sound
from adapters.slack.texts import say_to_operator
from adapters.slack.verify import Unsigned, refusal
from adapters.slack.whisper import WhisperDelivery
from core.errors import Misconfigured, Undeliverable
from core.message import Attachment, Chunk, Message
from core.ports import Accept, Delivery, Leader, Ledger, Metrics, Received, Secrets, Webhook
from core.turn import Utterance


class SlackAdapter:
    """The door to Slack. `knows` tells whether a thread is one of ours, `may` who may ask where."""

    name = "slack"

    def __init__(
        self,
        settings: SlackSettings,
        *,
        secrets: Secrets,
        leader: Callable[[str], Leader],
        metrics: Metrics,
        knows: Knows,
        may: May,
    ) -> None:
        """Raises Misconfigured where requests could not be told from forged ones."""
        if not (settings.is_socket or settings.signing_secret.strip()):
            raise Misconfigured(say_to_operator("no_signing_secret"))
        self._settings = settings
        self._metrics = metrics
        self._unsigned = Unsigned(metrics)
        self._clients = Clients(settings.api_url, self._token)
        self._installations = Installations(settings, secrets, leader, self._clients.sdk)
        states = SealedStates(secrets, leader, settings.client_secret)
        self._oauth = OAuth(settings, self._installations, states, self._clients.sdk)
        self._people = People(self._clients)
        self._intake = Intake(
            settings,
            installations=self._installations,
            clients=self._clients,
            people=self._people,
            metrics=metrics,
            knows=knows,
            may=may,
        )

    async def receive(self, webhook: Webhook, accept: Accept) -> Received:
        """Verifies, writes down and acknowledges one request; below it, the pages to install the app."""
        if webhook.path != EVENTS_PATH:
            is_page = webhook.path in (INSTALL_PATH, CALLBACK_PATH) and self._settings.is_installable
            return await self._oauth.handle(webhook) if is_page else Received(HTTPStatus.NOT_FOUND)
        if refused := refusal(webhook, self._settings.signing_secret):
            if refused.status == HTTPStatus.UNAUTHORIZED:
                self._unsigned.note(webhook.received_at)
            return refused
        try:
            request = AsyncBoltRequest(body=webhook.body.decode(), headers=dict(webhook.headers))
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
            return Received(HTTPStatus.BAD_REQUEST)
        if not is_sound(request):
            return Received(HTTPStatus.BAD_REQUEST)
        return _received(await self._intake.take(request, accept))

    async def listen(self, accept: Accept) -> None:
        """Asks Slack once who we are, and holds its socket open until cancelled; without Socket Mode there is none."""
        if not self._settings.is_socket:
            await self._installations.greet()
            return

        async def take(request: AsyncBoltRequest) -> BoltResponse:
            return await self._intake.take(request, accept)

        opener = Client(self._clients.sdk(), Paces())
        await asyncio.gather(self._installations.greet(), socket_mode.hold(opener, self._settings.app_token, take))

    async def deliver(self, delivery: Delivery, chunks: AsyncIterator[Chunk], ledger: Ledger) -> None:
        """Shows the answer where it was asked for."""
        try:
            await self._deliver(delivery, chunks, ledger)
        except SlackRefused as refused:
            if not refused.is_about_token:
                raise
            raise NotLetIn(refused) from None

    async def _deliver(self, delivery: Delivery, chunks: AsyncIterator[Chunk], ledger: Ledger) -> None:
        bot = await self._bot(delivery.reply.thread.workspace)
        client = await self._clients.of(bot.workspace)
        if "response_url" in delivery.return_address:
            await WhisperDelivery(self._clients, client, delivery, ledger, self._metrics).show(chunks)
        else:
            await ThreadDelivery(client, bot, delivery, ledger, self._metrics).show(chunks)

    async def earlier(self, message: Message, limit: int) -> tuple[Utterance, ...]:
        """What was said in the thread before this message, oldest first. Raises ChannelError."""
        bot = await self._bot(message.thread.workspace)
        client = await self._clients.of(bot.workspace)
        return await thread.earlier(client, self._people, bot, message, limit)

    async def fetch(self, attachment: Attachment, limit: int) -> bytes:
        """The bytes of what came with a message. Raises Refused above `limit`, NotFound, ChannelError."""
        return await files.fetch(self._clients, attachment, limit)

    async def close(self) -> None:
        await self._installations.stop()
        await self._clients.close()

    async def _bot(self, workspace: str) -> Bot:
        bot = await self._installations.of_workspace(workspace)
        if bot is None:
            raise Undeliverable("the app is not installed in this workspace (any more)")
        return bot

    async def _token(self, workspace: str) -> str | None:
        bot = await self._installations.of_workspace(workspace)
        return bot.token if bot else None


def _received(response: BoltResponse) -> Received:
    """Bolt's answer as ours; Slack reads the body of commands, modals and the handshake."""
    headers: Mapping[str, str] = {name: values[0] for name, values in response.headers.items() if values}
    kind = headers.get("content-type", "text/plain;charset=utf-8")
    kept = {name: value for name, value in headers.items() if name not in ("content-type", "content-length")}
    return Received(response.status, (response.body or "").encode(), kind, kept)
