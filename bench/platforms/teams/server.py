"""The HTTP side: the connector, the login and the published keys, each under its address."""

import asyncio
import json
from collections.abc import Callable
from time import monotonic
from typing import Any

from aiohttp import web

from bench.platforms.teams import streams
from bench.platforms.teams.connector import Answer, Connector
from bench.platforms.teams.conversations import split
from bench.platforms.teams.errors import ServiceError, Unauthorized, bad, throttled
from bench.platforms.teams.faults import CONNECTOR, Faults, Hung, Lost, Refused
from bench.platforms.teams.issuer import Issuer
from bench.platforms.teams.journal import Call, Journal, Payload
from bench.platforms.teams.limits import Limits
from bench.platforms.teams.login import Login, LoginError

_BODY_BYTES = 16 * 1024 * 1024
_KEYS = "/keys/v1/.well-known/openidconfiguration"

Work = Callable[[Call], Answer]


class Server:
    """Listens on 127.0.0.1. With `is_limited` rate limits hold, with `is_guarded` a token of the login is wanted."""

    def __init__(
        self, journal: Journal, connector: Connector, login: Login, issuer: Issuer, faults: Faults, limits: Limits
    ) -> None:
        self._journal = journal
        self._connector = connector
        self._login = login
        self._issuer = issuer
        self._faults = faults
        self.limits = limits
        self.is_limited = False
        self.is_guarded = True
        self.url = ""
        self._runner: web.AppRunner | None = None

    @property
    def keys_url(self) -> str:
        return f"{self.url}{_KEYS}"

    @property
    def login_url(self) -> str:
        return f"{self.url}/login"

    @property
    def service_url(self) -> str:
        return f"{self.url}/teams/"

    async def start(self, port: int = 0) -> None:
        app = web.Application(client_max_size=_BODY_BYTES)
        activities = "/teams/v3/conversations/{conversation}/activities"
        members = "/teams/v3/conversations/{conversation}"
        app.add_routes(
            [
                web.post("/teams/v3/conversations", self._create),
                web.post(activities, self._send),
                web.post(f"{activities}/{{activity}}", self._send),
                web.put(f"{activities}/{{activity}}", self._update),
                web.delete(f"{activities}/{{activity}}", self._delete),
                web.get(f"{members}/members", self._members),
                web.get(f"{members}/pagedmembers", self._members),
                web.get(f"{members}/members/{{member}}", self._member),
                web.post("/login/{tenant}/oauth2/v2.0/token", self._token),
                web.get("/login/{tenant}/v2.0/.well-known/openid-configuration", self._login_configuration),
                web.get("/login/common/discovery/instance", self._clouds),
                web.get("/login/metadata/identity/oauth2/token", self._identity),
                web.get(_KEYS, self._openid),
                web.get("/keys/v1/.well-known/keys", self._keys),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port, backlog=1024).start()
        host, bound = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{bound}"

    async def stop(self) -> None:
        self._faults.clear()  # whoever hangs is let go
        if self._runner is not None:
            await self._runner.cleanup()

    # The connector.

    async def _create(self, request: web.Request) -> web.StreamResponse:
        return await self._connected(request, "create", lambda call: self._connector.create(call.args))

    async def _send(self, request: web.Request) -> web.StreamResponse:
        def work(call: Call) -> Answer:
            return self._connector.send(call.conversation, call.args, call.activity)

        return await self._connected(request, "", work)

    async def _update(self, request: web.Request) -> web.StreamResponse:
        def work(call: Call) -> Answer:
            return self._connector.update(call.conversation, call.activity, call.args)

        return await self._connected(request, "update", work)

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        def work(call: Call) -> Answer:
            return self._connector.delete(call.conversation, call.activity)

        return await self._connected(request, "delete", work)

    async def _members(self, request: web.Request) -> web.StreamResponse:
        read = self._connector.paged_members if request.path.endswith("pagedmembers") else self._connector.members
        return await self._connected(request, "members", lambda call: read(call.conversation))

    async def _member(self, request: web.Request) -> web.StreamResponse:
        id = request.match_info["member"]
        return await self._connected(request, "member", lambda call: self._connector.member(call.conversation, id))

    async def _connected(self, request: web.Request, kind: str, work: Work) -> web.StreamResponse:
        args, where = await _body(request), request.match_info
        sent = args if isinstance(args, dict) else {}
        call = Call(kind or _kind_of(sent), sent, where.get("conversation", ""), where.get("activity", ""))

        def done(call: Call) -> Answer:
            self._admit(request, call)
            if not isinstance(args, dict):
                raise bad("The body should be a JSON object")
            return work(call)

        return await self._served(request, call, done)

    def _admit(self, request: web.Request, call: Call) -> None:
        if self.is_guarded:
            self._login.admit(request.headers.get("Authorization", ""))
        if self.is_limited and (seconds := self.limits.wait(call.kind, split(call.conversation)[0])):
            raise throttled(seconds, *(["API calls quota exceeded"] if call.kind == "stream" else []))

    # The login, and the keys.

    async def _token(self, request: web.Request) -> web.StreamResponse:
        tenant = request.match_info["tenant"]
        form = {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
        told: Payload = {key: value for key, value in form.items() if key != "client_secret"}
        call = Call("token", told | {"tenant": tenant})
        return await self._served(request, call, lambda call: (200, self._login.token(tenant, form)))

    async def _identity(self, request: web.Request) -> web.StreamResponse:
        def work(call: Call) -> Answer:
            return 200, self._login.identity_token(request.query, request.headers)

        return await self._served(request, Call("token", dict(request.query)), work)

    async def _login_configuration(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self._login.configuration(request.match_info["tenant"]))

    async def _clouds(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self._login.clouds())

    async def _openid(self, request: web.Request) -> web.StreamResponse:
        return await self._served(request, Call("openid"), lambda call: (200, self._issuer.configuration()))

    async def _keys(self, request: web.Request) -> web.StreamResponse:
        return await self._served(request, Call("keys"), lambda call: (200, self._issuer.jwks()))

    # What is the same for all.

    async def _served(self, request: web.Request, call: Call, work: Work) -> web.StreamResponse:
        """Writes the call down and lets happen what is to happen to it."""
        self._journal.calls.append(call)
        self._journal.tell()
        if seconds := self._faults.seconds(call.kind):
            await asyncio.sleep(seconds)
        response = await self._answered(request, call, work)
        call.ended = monotonic()
        self._journal.tell()
        return response

    async def _answered(self, request: web.Request, call: Call, work: Work) -> web.Response:
        fault, taken = self._faults.take(call.kind), None
        if isinstance(fault, Lost):
            response = _done(call, work) if fault.is_done else web.Response()
            _hang_up(request)
            return response  # the call keeps its status of 0: nobody was answered
        if isinstance(fault, Hung):
            taken = _done(call, work) if fault.is_done else None
            self._journal.tell()
            await self._faults.healed()
        response = _refused(call, fault.error) if isinstance(fault, Refused) else taken or _done(call, work)
        call.status = response.status
        return response


def _kind_of(activity: Payload) -> str:
    if streams.info(activity) is not None:
        return "stream"
    return "typing" if activity.get("type") == "typing" else "send"


def _done(call: Call, work: Work) -> web.Response:
    try:
        status, told = work(call)
    except ServiceError as error:
        return _refused(call, error)
    except Unauthorized:
        call.code = "Unauthorized"
        return _as_json(401, {"message": "Authorization has been denied for this request."})
    except LoginError as error:
        call.code = error.error
        return _as_json(error.status, error.body)
    if call.kind in CONNECTOR and isinstance(told, dict) and "error" in told:
        call.code = told["error"]["code"]
    return web.Response(status=status) if told is None else _as_json(status, told)


def _refused(call: Call, error: ServiceError) -> web.Response:
    call.code = error.code
    headers = {"Retry-After": str(error.retry_after)} if error.retry_after else None
    return _as_json(error.status, error.body, headers)


async def _body(request: web.Request) -> Any:
    raw = await request.read()
    try:
        return json.loads(raw) if raw else {}
    except ValueError:
        return None


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()


def _as_json(status: int, told: Any, headers: dict[str, str] | None = None) -> web.Response:
    body = json.dumps(told).encode()
    return web.Response(body=body, status=status, headers=headers, content_type="application/json", charset="utf-8")
