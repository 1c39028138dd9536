"""Installing the app: a page that leads to Slack, and the page one comes back to. For workspaces on the list alone."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode, urljoin

from slack_bolt.oauth.async_callback_options import AsyncCallbackOptions, AsyncFailureArgs, AsyncSuccessArgs
from slack_bolt.oauth.async_oauth_flow import AsyncOAuthFlow
from slack_bolt.oauth.async_oauth_settings import AsyncOAuthSettings
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse
from slack_sdk.oauth.installation_store import Installation
from slack_sdk.oauth.state_store.async_state_store import AsyncOAuthStateStore

from adapters.slack.asking import ClientFactory, asking, exchange
from adapters.slack.client import SlackRefused
from adapters.slack.installations import Installations
from adapters.slack.manifest import CALLBACK_PATH, INSTALL_PATH, SCOPES, address
from adapters.slack.pages import HEADERS, HTML, page
from adapters.slack.sealed import STATE_SECONDS
from adapters.slack.settings import SlackSettings
from core.errors import ChannelError, NotStored, Refused
from core.language import language_of
from core.ports import Received, Webhook

log = logging.getLogger(__name__)

# A code that came too late or twice (docs.slack.dev, "oauth.v2.access"); any other refusal is about the app itself.
_STALE = frozenset({"code_already_used", "code_expired", "invalid_code"})


class OAuth:
    """The pages at `/channels/slack/install` and `/channels/slack/oauth`."""

    def __init__(
        self,
        settings: SlackSettings,
        installations: Installations,
        states: AsyncOAuthStateStore,
        client_factory: ClientFactory,
    ) -> None:
        self._settings = settings
        self._problem = _problem_of(settings)
        self._flow = None if self._problem else _Flow(settings, installations, states, client_factory)

    async def handle(self, webhook: Webhook) -> Received:
        """The page for a GET of one of the two paths. Nothing is raised but what is a fault of ours."""
        language = language_of("", webhook.headers.get("accept-language", ""))
        if webhook.method != "GET":
            refusal = page(HTTPStatus.METHOD_NOT_ALLOWED, "method", language)
            return replace(refusal, headers={**refusal.headers, "Allow": "GET"})
        if self._flow is None:
            return page(HTTPStatus.FORBIDDEN, self._problem, language)
        again = ("again", INSTALL_PATH)
        try:
            return await self._flow.answer(webhook, language)
        except _Foreign as error:
            return page(HTTPStatus.FORBIDDEN, "foreign", language, workspace=error.name, id=error.workspace)
        except NotStored:
            return page(HTTPStatus.SERVICE_UNAVAILABLE, "not_stored", language, button=again)
        except SlackRefused as error:
            if error.code in _STALE:
                return page(HTTPStatus.BAD_REQUEST, "bad_code", language, button=again)
            log.error("Slack refused to finish an install. Check client id, client secret and public_url. %s", error)
            return page(HTTPStatus.BAD_GATEWAY, "setup", language)
        except ChannelError as error:
            log.warning("an install could not be finished: %s", error)
            return page(HTTPStatus.BAD_GATEWAY, "away", language, button=again)


class _Foreign(Refused):
    """This workspace may not use this Parley."""

    def __init__(self, workspace: str, name: str) -> None:
        self.workspace = workspace
        self.name = name
        super().__init__(workspace)


class _Flow(AsyncOAuthFlow):
    """Bolt's flow (state, cookie, order of the checks) with our pages, and with errors that do not quote the code.

    Everything is passed: what Bolt is not given it reads from SLACK_ variables, or keeps in files.
    """

    def __init__(
        self,
        settings: SlackSettings,
        installations: Installations,
        states: AsyncOAuthStateStore,
        client_factory: ClientFactory,
    ) -> None:
        self._workspaces = settings.workspaces
        self._installations = installations
        self._client_factory = client_factory
        super().__init__(
            logger=log,
            settings=AsyncOAuthSettings(
                client_id=settings.client_id,
                client_secret=settings.client_secret,
                scopes=list(SCOPES),
                user_scopes=[],
                redirect_uri=address(settings, CALLBACK_PATH),
                install_path=INSTALL_PATH,
                redirect_uri_path=CALLBACK_PATH,
                callback_options=AsyncCallbackOptions(success=_welcome, failure=_failure),
                authorization_url=urljoin(settings.api_url, "../oauth/v2/authorize"),
                installation_store=installations.store,
                state_store=states,
                state_expiration_seconds=STATE_SECONDS,
                logger=log,
            ),
        )

    async def answer(self, webhook: Webhook, language: str) -> Received:
        request = AsyncBoltRequest(
            body="",
            query=dict(webhook.query),
            headers={"cookie": webhook.headers.get("cookie", "")},
            context={"language": language},
        )
        if webhook.path.rstrip("/") == INSTALL_PATH:
            response = await self.handle_installation(request)
            cookie = response.headers["set-cookie"][0]
        else:
            response = await self.handle_callback(request)
            cookie = self.settings.state_utils.build_set_cookie_for_deletion()  # the state was good for this one try
        return Received(response.status, response.body.encode(), HTML, {**HEADERS, "Set-Cookie": cookie})

    async def build_authorize_url(self, state: str, request: AsyncBoltRequest) -> str:
        """docs.slack.dev, "Installing with OAuth"; where one workspace may install, Slack offers that one."""
        only = {"team": next(iter(self._workspaces))} if len(self._workspaces) == 1 else {}
        query = {
            "client_id": self.client_id,
            "scope": ",".join(SCOPES),
            "user_scope": "",
            "redirect_uri": self.redirect_uri or "",
            "state": state,
            **only,
        }
        return f"{self.settings.authorization_url}?{urlencode(query)}"

    async def build_install_page_html(self, url: str, request: AsyncBoltRequest) -> str:
        shown = page(HTTPStatus.OK, "install", request.context["language"], button=("go", url))
        return shown.body.decode()

    async def run_installation(self, code: str) -> Installation:
        """Exchanges the code for a token. Raises _Foreign, which gives the token back, and ChannelError."""
        with asking("oauth.v2.access"):
            granted = await exchange(
                self._client_factory(None),
                self.client_id,
                self.settings.client_secret,
                code=code,
                redirect_uri=self.redirect_uri or "",
            )
            if not isinstance(token := granted["access_token"], str):
                raise TypeError
            enterprise, team = _named(granted.get("enterprise")), _named(granted.get("team"))
            is_org_wide = granted.get("is_enterprise_install") is True
        workspace, name = enterprise if is_org_wide else team
        if workspace not in self._workspaces:
            await self._give_back(token)
            raise _Foreign(workspace, name or workspace)
        with asking("auth.test"):
            own = await self._client_factory(token).auth_test()
            return Installation(
                app_id=granted.get("app_id"),
                enterprise_id=enterprise[0] or None,
                enterprise_name=enterprise[1] or None,
                team_id=None if is_org_wide else team[0],
                team_name=None if is_org_wide else team[1],
                bot_token=token,
                bot_id=own["bot_id"],
                bot_user_id=granted["bot_user_id"],
                bot_scopes=granted.get("scope") or "",
                bot_refresh_token=granted.get("refresh_token"),
                bot_token_expires_in=granted.get("expires_in"),
                user_id=_named(granted.get("authed_user"))[0],
                is_enterprise_install=is_org_wide,
                token_type=granted.get("token_type"),
            )

    async def store_installation(self, request: AsyncBoltRequest, installation: Installation) -> None:
        await self._installations.save(installation)

    async def _give_back(self, token: str) -> None:
        try:
            with asking("auth.revoke"):
                await self._client_factory(token).auth_revoke()
        except ChannelError as error:
            log.warning(
                "The token of a workspace that is not on the list was not kept, but could not be revoked: %s", error
            )


async def _welcome(args: AsyncSuccessArgs) -> BoltResponse:
    installed = args.installation
    team, app = installed.team_id or installed.enterprise_id or "", installed.app_id or ""
    url = f"slack://app?team={quote(team, safe='')}&id={quote(app, safe='')}"
    name = installed.team_name or installed.enterprise_name or team
    return _sent(
        page(HTTPStatus.OK, "installed", args.request.context["language"], button=("open", url), workspace=name)
    )


async def _failure(args: AsyncFailureArgs) -> BoltResponse:
    """`reason` is Bolt's, or whatever the address says after `error=`: it is never shown."""
    language, again = args.request.context["language"], ("again", INSTALL_PATH)
    match args.reason:
        case "access_denied":
            return _sent(page(HTTPStatus.FORBIDDEN, "access_denied", language, button=again))
        case "invalid_browser" | "invalid_state":
            return _sent(page(HTTPStatus.BAD_REQUEST, "bad_state", language, button=again))
        case _:
            return _sent(page(HTTPStatus.BAD_REQUEST, "refused", language, button=again))


def _problem_of(settings: SlackSettings) -> str:
    """The page that says why nothing can be installed here, "" where something can."""
    if not (settings.is_installable and settings.client_secret):
        return "not_set_up"
    if not settings.workspaces:
        return "nobody"
    return "" if settings.public_url.startswith("https://") else "not_https"


def _named(value: Any) -> tuple[str, str]:
    """Id and name of a workspace, organisation or person in Slack's answer."""
    fields: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
    return str(fields.get("id") or ""), str(fields.get("name") or "")


def _sent(shown: Received) -> BoltResponse:
    return BoltResponse(status=shown.status, body=shown.body.decode())
