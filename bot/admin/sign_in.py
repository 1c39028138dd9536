"""How somebody comes in: by a local admin's password, or vouched for by an OIDC provider; and how they leave."""

import hmac
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any

from aiohttp import web

from bot.admin import pages
from bot.admin.pages import Look, span
from bot.admin.password import Judge
from bot.admin.place import Place, Unwelcome
from bot.admin.sessions import (
    DOOR,
    ERRAND,
    KNOWN,
    SESSION,
    Note,
    cookie,
    csrf_of,
    drop_cookie,
    is_same,
    new_token,
    set_cookie,
)
from bot.admin.texts import Texts, say
from bot.admin.vouching import Errand, NotVouched
from core.errors import NotFound
from core.ports import Admin, Brake, SignedIn

if TYPE_CHECKING:
    from bot.admin.oidc import Provider
    from bot.app import House

log = logging.getLogger(__name__)

LOCAL, OIDC = "local", "oidc"
MAX_NAME = 100  # characters
_ERRAND = timedelta(minutes=10)
_KNOWN = timedelta(days=90)

TEXTS: Texts = {
    "name_label": ("Name", "名称"),
    "password": ("Password", "密码"),
    "with_oidc": ("Sign in with {provider}", "使用 {provider} 登录"),
    "or": ("or with a name and a password", "或使用名称和密码"),
    "nobody": (
        "Nobody can sign in yet. On the server's command line make the first one:",
        "目前还没有人可以登录。请在服务器的命令行创建第一位：",
    ),
    "nobody_docs": (
        "docs/admin.md tells of the roles, and of signing in with your organisation's accounts.",
        "docs/admin.md 说明了各种角色，以及如何使用组织账号登录。",
    ),
    "wrong": (
        "This name and password do not belong together.",
        "名称与密码不匹配。",
    ),
    "wait": (
        "There were too many tries. Wait {span}, then try again.",
        "尝试次数过多。请等待 {span}后再试。",
    ),
    "signed_out": ("You are signed out.", "您已退出登录。"),
    "also_there": ("Sign out of {provider} too", "同时退出 {provider}"),
    "oidc_away": (
        "{provider} does not answer just now. Try again in a moment, or sign in with a name and a password.",
        "{provider} 暂时没有响应。请稍后再试，或使用名称和密码登录。",
    ),
    "oidc_refused": (
        "{provider} did not sign you in. Try again, or ask whoever manages it whether you may use Parley.",
        "{provider} 没有完成登录。请重试，或向其管理员确认您是否可以使用 Parley。",
    ),
    "oidc_invalid": (
        "What {provider} said does not hold, so nobody was signed in. Try again; if it happens twice, the log of the "
        "server says what is wrong.",
        "{provider} 返回的信息无法通过验证，因此没有登录。请重试；如果再次发生，服务器日志中有原因。",
    ),
    "oidc_late": (
        "This sign-in was begun too long ago, in another browser, or twice at once. Please begin again.",
        "这次登录开始得太久、来自另一个浏览器，或同时进行了两次。请重新开始。",
    ),
    "oidc_no_role": (
        "{name} is signed in at {provider}, and none of their groups has a role here. Whoever manages Parley gives one "
        "in app.yaml: `admin.oidc.roles`.",
        "{name} 已在 {provider} 登录，但所属的用户组在这里没有任何角色。请联系管理 Parley 的人在 app.yaml 的 "
        "`admin.oidc.roles` 中授予。",
    ),
}


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long a session lasts at most, and unseen."""

    whole: timedelta
    idle: timedelta


class SignIn:
    """Over one house; `secret` signs what a browser keeps while somebody else vouches for its person."""

    def __init__(self, house: "House", secret: bytes) -> None:
        settings = house.config.settings.admin
        self._admins = house.store.admins
        self._audit = house.store.audit
        self._judge = Judge()
        self._note = Note(secret)
        self._known_by = hmac.digest(secret, b"known browsers", "sha256")
        self._url = settings.url
        self._provider: Provider | None = None
        if settings.oidc.issuer:
            from bot.admin import oidc  # of an extra: who has no provider does without

            self._provider = oidc.Provider(settings.oidc, house.config.secrets.admin_oidc_secret, settings.url)
        self._lifetimes = Lifetimes(timedelta(hours=settings.hours), timedelta(minutes=settings.idle_minutes))

    async def session(self, token: str) -> SignedIn | None:
        """Who shows this token; None where the terms they were let in on are others by now."""
        session = await self._admins.session(token, idle=self._lifetimes.idle)
        if session and session.origin == OIDC and not (self._provider and session.grant == self._provider.grant):
            return None
        return session

    async def page(
        self, request: web.Request, place: Place, look: Look, to: str, *, status: int = 200, **said: Any
    ) -> web.Response:
        """The form. A browser that has no session yet is given what its form is checked with."""
        door = cookie(request, DOOR, place) or new_token()
        facts = {"error": "", "name_was": "", "is_out": "out" in request.query} | said
        facts["provider"] = self._provider.label if self._provider else ""
        is_alone = bool(facts["is_out"] and self._provider and await self._provider.farewell())
        facts["also_there"] = "/admin/sign-in/oidc/out" if is_alone else ""
        nobody = self._provider is None and not await self._admins.all()
        html = pages.render("sign_in.html", look, TEXTS, csrf=csrf_of(door), to=to, nobody=nobody, **facts)
        response = web.Response(status=status, text=html, content_type="text/html", charset="utf-8")
        set_cookie(response, DOOR, place, door, None)
        return response

    async def by_password(
        self, request: web.Request, place: Place, look: Look, form: dict[str, str], to: str, old: str
    ) -> web.Response:
        """Nothing that is said or done here tells whether there is somebody of this name."""
        with self._judge.place() as is_free:  # before anything is counted: in a flood that is nobody's fault
            name = form.get("name", "").strip()[:MAX_NAME]
            if not is_free:
                return await self._too_soon(request, place, look, to, name, timedelta(seconds=1))
            return await self._judged(request, place, look, name, form.get("password", ""), to, old)

    async def _too_soon(
        self, request: web.Request, place: Place, look: Look, to: str, name: str, wait: timedelta
    ) -> web.Response:
        sentence = say("wait", look.language, TEXTS, span=_span(wait, look))
        response = await self.page(request, place, look, to, status=429, error=sentence, name_was=name)
        response.headers["Retry-After"] = str(int(wait.total_seconds()) + 1)
        return response

    async def _judged(
        self, request: web.Request, place: Place, look: Look, name: str, password: str, to: str, old: str
    ) -> web.Response:
        known = self._known_as(request, place, name)
        brakes = (_brake_of(known),) if known else brakes_of(name, request.remote or "")
        if wait := await self._admins.attempt(brakes):
            return await self._too_soon(request, place, look, to, name, wait)
        admin = await self._admins.named(name)
        if not await self._judge.is_right(password, admin.password if admin else None) or admin is None:
            await self._failed(admin)
            sentence = say("wrong", look.language, TEXTS)
            return await self.page(request, place, look, to, status=401, error=sentence, name_was=name)
        session = self._begun(admin.name, admin.roles, admin.name.casefold(), LOCAL)
        try:
            response = await self._welcome(place, session, to, old, admin.password)
        except NotFound:  # changed in this very moment
            sentence = say("wrong", look.language, TEXTS)
            return await self.page(request, place, look, to, status=401, error=sentence, name_was=name)
        await self._admins.forgive([brake.key for brake in brakes])
        note = {"id": known or new_token(), "whose": self._mark(name)}
        set_cookie(response, KNOWN, place, Note(self._known_by).write(note, _KNOWN), _KNOWN)
        return response

    def _known_as(self, request: web.Request, place: Place, name: str) -> str:
        """A browser that this name has come in with before; "" for any other.

        Whoever tries a name from a thousand addresses holds back all but these (OWASP, device cookies).
        """
        note = Note(self._known_by).read(cookie(request, KNOWN, place))
        return str(note["id"]) if note and is_same(note["whose"], self._mark(name)) else ""

    def _mark(self, name: str) -> str:
        """Of whom a browser is known, for who looks into it: no name."""
        return hmac.digest(self._known_by, name.casefold().encode(errors="surrogatepass"), "sha256").hex()

    async def _failed(self, admin: Admin | None) -> None:
        """What was typed for a name that nobody has may be anything, a password too: it is kept nowhere."""
        log.warning("a sign-in to the operator's pages failed")
        known: dict[str, Any] = {"name": admin.name} if admin else {}
        if known or not await self._admins.attempt([_STRANGERS]):
            await self._audit.record("sign-in-failed", by="", origin=LOCAL, **known)

    def _begun(self, name: str, roles: frozenset[str], subject: str, origin: str, grant: str = "") -> SignedIn:
        now = datetime.now(UTC)
        return SignedIn(name, roles, subject, origin, now, now + self._lifetimes.whole, grant)

    async def _welcome(
        self, place: Place, session: SignedIn, to: str, old: str, password: str | None = None
    ) -> web.Response:
        """A new token, whatever the browser brought; the one it had before is worth nothing from here on."""
        token = new_token()
        await self._admins.begin(token, session, password=password)
        if old:
            await self._admins.end(old)
        response = web.Response(status=303, headers={"Location": to})
        set_cookie(response, SESSION, place, token, None)
        return response

    # ------------------------------------------------------------------------------------------------- OpenID Connect

    async def leave(self, request: web.Request, place: Place, look: Look, to: str) -> web.StreamResponse:
        """To the provider. What they must come back with stays in a cookie that nobody else can write."""
        provider = self._known()
        if place.origin != self._url:  # it would send them back to another address, which has other cookies
            if "moved" in request.query:  # a proxy gives every request another name
                raise Unwelcome(421, "bad_host")
            return web.Response(status=303, headers={"Location": f"{self._url}{request.rel_url.update_query(moved=1)}"})
        errand = {"state": new_token(), "nonce": new_token(), "verifier": new_token()}
        try:
            location = await provider.address(Errand(**errand))
        except NotVouched as error:
            return await self._not_vouched(request, place, look, to, error)
        response = web.Response(status=303, headers={"Location": location})
        set_cookie(response, ERRAND, place, self._note.write(errand | {"to": to}, _ERRAND), _ERRAND)
        return response

    async def come_back(self, request: web.Request, place: Place, look: Look, old: str) -> web.StreamResponse:
        """From the provider: once, in the browser that was sent there, and not later than ten minutes after."""
        provider, answer = self._known(), dict(request.query)
        errand = self._note.read(cookie(request, ERRAND, place))
        if errand is None or not is_same(errand["state"], answer.get("state", "")):
            sentence = say("oidc_late", look.language, TEXTS)
            response = await self.page(request, place, look, "/admin", status=400, error=sentence)
        else:
            response = await self._vouched(request, place, look, provider, answer, errand, old)
        drop_cookie(response, ERRAND, place)
        return response

    async def _vouched(
        self,
        request: web.Request,
        place: Place,
        look: Look,
        provider: "Provider",
        answer: dict[str, str],
        errand: dict[str, str],
        old: str,
    ) -> web.Response:
        to = errand.pop("to")
        try:
            vouched = await provider.vouch(answer, Errand(errand["state"], errand["nonce"], errand["verifier"]))
        except NotVouched as error:
            return await self._not_vouched(request, place, look, to, error)
        if not (roles := provider.roles(vouched)):
            if not await self._admins.attempt([_no_role(vouched.subject)]):
                await self._audit.record("sign-in-failed", by="", origin=OIDC, name=vouched.name, why="no role")
            sentence = say("oidc_no_role", look.language, TEXTS, name=vouched.name, provider=provider.label)
            return await self.page(request, place, look, to, status=403, error=sentence)
        session = self._begun(vouched.name, roles, vouched.subject, OIDC, provider.grant)
        return await self._welcome(place, session, to, old)

    async def _not_vouched(
        self, request: web.Request, place: Place, look: Look, to: str, error: NotVouched
    ) -> web.Response:
        log.warning("a sign-in through the provider failed: %s", error)
        if error.why != "away" and not await self._admins.attempt([_STRANGERS]):
            await self._audit.record("sign-in-failed", by="", origin=OIDC, why=error.why)
        status = {"away": 503, "refused": 403}.get(error.why, 400)
        sentence = say(f"oidc_{error.why}", look.language, TEXTS, provider=self._known().label)
        return await self.page(request, place, look, to, status=status, error=sentence)

    async def farewell_there(self) -> web.StreamResponse:
        """To where the provider signs people out: our own session is over before."""
        if not (location := await self._known().farewell()):
            raise NotFound
        return web.Response(status=303, headers={"Location": location})

    def _known(self) -> "Provider":
        if self._provider is None:
            raise NotFound
        return self._provider


# Lines of the audit log about names that nobody has: whoever sends thousands of them fills no disk.
_STRANGERS = Brake("unknown names", free=20, longest=timedelta(hours=1))


def _no_role(subject: str) -> Brake:
    """Lines of the audit log about somebody with an account at the provider, and nothing to look for here."""
    return Brake(f"no role {subject}", free=20, longest=timedelta(hours=1))


def _brake_of(known: str) -> Brake:
    return Brake(f"browser {known}", free=5, longest=timedelta(minutes=15))


def brakes_of(name: str, remote: str) -> tuple[Brake, ...]:
    """One for who is named from where, which soon holds; wider ones for each alone, which lock nobody out for long.

    A name is somebody's typing, so it stands last in its key: none is the key of another brake.
    """
    name, near = name.casefold(), neighbourhood(remote)
    return (
        Brake(f"at {near} name {name}", free=5, longest=timedelta(minutes=15)),
        Brake(f"name {name}", free=20, longest=timedelta(minutes=1)),
        Brake(f"from {near}", free=30, longest=timedelta(minutes=15)),
    )


def neighbourhood(remote: str) -> str:
    """An address; of IPv6 the part that one household has in common."""
    try:
        address = ip_address(remote)
    except ValueError:
        return "nowhere"
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or ip_network((int(address), 64), strict=False))
    return str(address)


def _span(wait: timedelta, look: Look) -> str:
    whole = timedelta(seconds=int(wait.total_seconds()) + 1)
    return span(whole, t=partial(say, language=look.language))
