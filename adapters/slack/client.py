"""Slack's Web API for one workspace: waits where Slack asks for it, and says in our words what went wrong."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from aiohttp import ClientConnectorError, ClientError, ClientSession, ClientTimeout, TCPConnector
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.posting import PostingClient
from core.errors import ChannelError, RateLimited, Undeliverable

log = logging.getLogger(__name__)

# For the libraries: they would write down payloads, and addresses that hold a ticket. What matters we say ourselves.
QUIET = logging.getLogger("slack")
QUIET.setLevel(logging.CRITICAL)

_TIMEOUT = 15.0  # seconds for one call
PATIENCE = 60.0  # seconds a call waits at most for Slack to take it again
_TRIES = 4
_BACKOFF = 0.5  # seconds, about, before the second; twice as long before each further one
_DEFAULT_WAIT = 1.0  # where Slack says 429 and not how long

# What repeating changes nothing: these are tried again where Slack failed; the others might say a thing twice.
_REPEATABLE = frozenset(
    {
        "assistant_threads_setStatus", "assistant_threads_setSuggestedPrompts", "auth_test", "bots_info",
        "chat_delete", "chat_stopStream", "chat_update", "conversations_history", "conversations_open",
        "conversations_replies", "files_info", "users_info",
    }
)  # fmt: skip

# Slack's error codes (docs.slack.dev, "Errors" of each method), and what the operator is told.
_REMEDIES = {
    "account_inactive": "the app was removed from this workspace; install it again",
    "invalid_auth": "Slack does not accept the token; install the app again, or replace PARLEY_SLACK_BOT_TOKEN",
    "is_archived": "the channel was archived",
    "channel_not_found": "the bot is not in this channel; invite it",
    "not_in_channel": "the bot is not in this channel; invite it",
    "missing_scope": "the app lacks a scope; add it to the manifest and install the app again",
    "not_allowed_token_type": "this is another kind of token; PARLEY_SLACK_BOT_TOKEN begins with xoxb-",
    "msg_blocks_too_long": "the message is longer than Slack takes; please report this",
    "invalid_blocks": "Slack does not take the form of this message; please report this",
    "no_text": "Slack found no text in the message; please report this",
    "restricted_action": "a rule of this workspace forbids the bot to write here",
    "thread_not_found": "the thread was deleted",
    "message_not_found": "the message was deleted",
    "token_expired": "Slack does not accept the token any more; install the app again",
    "token_revoked": "the token was revoked; install the app again",
    "user_not_found": "Slack does not know this person",
}
# The one method that is called with the app token.
_OPENING = "apps.connections.open"
_ANOTHER = (
    "Slack does not accept the app token; make another under Basic Information, App-Level Tokens, and replace "
    "PARLEY_SLACK_APP_TOKEN"
)
_WITH_SCOPE = (
    "PARLEY_SLACK_APP_TOKEN lacks the scope connections:write; make another that has it under Basic Information, "
    "App-Level Tokens"
)
# What another token would mend.
_TOKEN = frozenset({"account_inactive", "invalid_auth", "not_authed", "token_expired", "token_revoked"})
_OTHER_TOKEN = frozenset({"missing_scope", "no_permission", "not_allowed_token_type"})
_TOKEN_WAIT = timedelta(seconds=30)
_TRANSIENT = frozenset({"fatal_error", "internal_error", "request_timeout", "service_unavailable", "team_added_to_org"})


class SlackRefused(Undeliverable):
    """Slack refuses this."""

    def __init__(self, code: str, detail: str = "") -> None:
        self.code = code
        super().__init__(detail or f"{_REMEDIES.get(code, 'its error code tells why')} ({code})")

    @property
    def is_about_token(self) -> bool:
        """Whether another token would be let in."""
        return self.code in _TOKEN


class StreamEnded(SlackRefused):
    """Slack has ended the stream of this message."""


class MissingScope(SlackRefused):
    """The app may not do this: a scope is missing."""


class NotLetIn(RateLimited):
    """Slack does not accept our token, and answers wait until it does."""

    def __init__(self, refused: SlackRefused) -> None:
        super().__init__(_TOKEN_WAIT, refused.detail)


class Unsure(ChannelError):
    """Slack did not say whether it took the message."""


class Paces:
    """When each method of one workspace may be called again. Slack counts by method, workspace and app."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self.writers = 0  # answers that are growing right now

    def hold(self, method: str, seconds: float) -> None:
        self._until[method] = max(self._until.get(method, 0.0), monotonic() + seconds)

    def wait_of(self, method: str) -> float:
        """Seconds until this method may be called; 0 where it may now."""
        return max(0.0, self._until.get(method, 0.0) - monotonic())


class Standing:
    """Whether Slack accepts our token in one workspace. The operator is told when that changes, and once."""

    def __init__(self, workspace: str) -> None:
        self._workspace = workspace
        self._is_good = True

    def look_at(self, refused: SlackRefused) -> None:
        """Any other refusal than that of the token says nothing of it."""
        if refused.is_about_token and self._is_good:
            self._is_good = False
            log.error(
                "Slack does not accept the token of %s (%s), so nobody there is answered. Install the app there again, "
                "or replace PARLEY_SLACK_BOT_TOKEN and restart; answers that wait are sent then.",
                self._workspace,
                refused.code,
            )

    def restore(self) -> None:
        """Slack has answered."""
        if not self._is_good:
            self._is_good = True
            log.info("Slack accepts the token of %s again", self._workspace)


class Client:
    """What one workspace is told, with its token. Methods go by slack_sdk's names."""

    def __init__(self, sdk: AsyncWebClient, paces: Paces, standing: Standing | None = None) -> None:
        self.sdk = sdk
        self.paces = paces
        self._standing = standing

    async def call(self, method: str, *, patience: float = PATIENCE, **arguments: Any) -> Mapping[str, Any]:
        """The answer's fields.

        Waits up to `patience` seconds where Slack asks for it or fails. Raises RateLimited, StreamEnded, MissingScope,
        SlackRefused, Unsure (it may have been taken) or ChannelError (it was not).
        """
        deadline = monotonic() + patience
        failures = 0
        while True:
            await self._until_allowed(method, deadline)
            try:
                return await self._once(method, arguments)
            except RateLimited as limited:
                wait = limited.retry_after.total_seconds()
                if monotonic() + wait > deadline:
                    raise
            except ChannelError as error:
                failures += 1
                pause = random.uniform(0.5, 1.0) * _BACKOFF * 2**failures
                is_final = isinstance(error, SlackRefused) or method not in _REPEATABLE or failures == _TRIES
                if is_final or monotonic() + pause > deadline:
                    raise
                await asyncio.sleep(pause)

    async def _until_allowed(self, method: str, deadline: float) -> None:
        while wait := self.paces.wait_of(method):
            if monotonic() + wait > deadline:
                raise RateLimited(timedelta(seconds=wait), f"{_name(method)} has to wait {wait:.0f} s")
            # Whoever waited for the same moment does not all come at once.
            await asyncio.sleep(wait + random.uniform(0, 0.2))

    async def _once(self, method: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        calling: Callable[..., Awaitable[Any]] = getattr(self.sdk, method)
        try:
            response = await calling(**arguments)
        except SlackApiError as error:
            told = self._told(method, error)
            if self._standing and isinstance(told, SlackRefused):
                self._standing.look_at(told)
            raise told from None
        except (ClientError, TimeoutError, OSError, SlackClientError) as error:
            raise Unsure(f"{_name(method)}: {in_words(error)}") from None
        except (AttributeError, KeyError, TypeError, ValueError):  # what slack_sdk meets in an answer that is no JSON
            raise Unsure(f"{_name(method)}: an answer that cannot be read") from None
        if self._standing:
            self._standing.restore()
        data = response.data
        return data if isinstance(data, Mapping) else {}

    def _told(self, method: str, error: SlackApiError) -> ChannelError:
        response = error.response
        # Where the answer is no JSON, slack_sdk hands out aiohttp's response in place of its own.
        status = int(getattr(response, "status_code", 0) or getattr(response, "status", 0))
        data = getattr(response, "data", None)
        fields: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
        if status == 429 or fields.get("error") == "ratelimited":
            seconds = _retry_after(response.headers)
            self.paces.hold(method, seconds)
            log.info("Slack limits %s: the next call in %.0f s", _name(method), seconds)
            return RateLimited(timedelta(seconds=seconds), f"{_name(method)} in {seconds:.0f} s")
        if status >= 500 or ("error" not in fields and status < 400):
            return Unsure(f"{_name(method)}: HTTP status {status}")
        if "error" not in fields:
            # No words of Slack's own: something between us may be at fault, and that passes.
            hint = f"{_name(method)}: HTTP status {status}; check slack.api_url, and the proxy where there is one"
            return SlackRefused("unknown_method", hint) if status == 404 else ChannelError(hint)
        return refusal(method, str(fields["error"]), fields)


def in_words(error: Exception) -> str:
    """What kept a call from being answered."""
    if isinstance(error, ClientConnectorError):
        return "no connection"
    return "no answer in time" if isinstance(error, TimeoutError) else "the connection broke"


def refusal(method: str, code: str, data: Mapping[str, Any]) -> ChannelError:
    """What Slack's error code means to us."""
    if _name(method) == _OPENING and (code in _TOKEN or code in _OTHER_TOKEN):
        return SlackRefused(code, f"{_OPENING}: {_WITH_SCOPE if code == 'missing_scope' else _ANOTHER} ({code})")
    match code:
        case "message_not_in_streaming_state":
            return StreamEnded(code, f"{_name(method)}: the stream has ended")
        case "missing_scope":
            needed = data.get("needed") or "?"
            return MissingScope(code, f"{_name(method)} needs the scope {needed}; add it to the manifest and reinstall")
        case "ratelimited":
            return RateLimited(timedelta(seconds=_DEFAULT_WAIT), _name(method))
        case code if code in _TRANSIENT:
            return Unsure(f"{_name(method)}: {code}")
        case _:
            return SlackRefused(code, f"{_name(method)}: {_REMEDIES.get(code, 'its error code tells why')} ({code})")


class Clients:
    """The clients of all workspaces, over one pool of connections. `token_of` knows each one's token, None where none.

    Opened on first use, closed by `close`.
    """

    def __init__(self, api_url: str, token_of: Callable[[str], Awaitable[str | None]]) -> None:
        self._api_url = api_url
        self._token_of = token_of
        self._paces: dict[str, Paces] = {}
        self._standings: dict[str, Standing] = {}
        self._session: ClientSession | None = None

    async def of(self, workspace: str) -> Client:
        """Raises Undeliverable where the app is not installed there, ChannelError where Slack does not say."""
        token = await self._token_of(workspace)
        if token is None:
            raise SlackRefused("not_installed", "the app is not installed in this workspace (any more)")
        paces = self._paces.setdefault(workspace, Paces())
        standing = self._standings.setdefault(workspace, Standing(workspace))
        return Client(self.sdk(token), paces, standing)

    def sdk(self, token: str | None = None) -> AsyncWebClient:
        """slack_sdk's own client. It repeats nothing by itself: a repeated post could say a thing twice."""
        return PostingClient(token=token, base_url=self._api_url, session=self.session, retry_handlers=[], logger=QUIET)

    def is_slacks(self, url: str) -> bool:
        """Whether an address is one of Slack's own, over TLS: no other is shown a token or an answer."""
        try:
            given, own = urlsplit(url), urlsplit(self._api_url)
            is_below = (
                given.scheme == "https" and "@" not in given.netloc and str(given.hostname).endswith(f".{own.hostname}")
            )
            return is_below or given[:2] == own[:2]
        except ValueError:
            return False

    @property
    def session(self) -> ClientSession:
        if self._session is None or self._session.closed:
            # Answers wait for Slack's limits, not for a connection.
            self._session = ClientSession(
                timeout=ClientTimeout(total=_TIMEOUT), connector=TCPConnector(limit=0, keepalive_timeout=30)
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def _retry_after(headers: Mapping[str, Any]) -> float:
    found = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    try:
        return max(float(found), 0.1)
    except (TypeError, ValueError):
        return _DEFAULT_WAIT


def _name(method: str) -> str:
    """As Slack's pages write it."""
    return method.replace("_", ".")
