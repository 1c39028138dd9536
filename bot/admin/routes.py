"""The operator's pages over HTTP: what is looked at before a page is asked, and what is said where none is shown."""

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from aiohttp import web

from adapters.console.texts import language_of
from bot.admin import audit_log, conversations, health, live, models, moderation, pages, plugins, quotas, ratings
from bot.admin.assets import assets
from bot.admin.pages import Html, Look, NavEntry
from bot.admin.place import Place, Places, Unwelcome
from bot.admin.roles import Role, roles_of
from bot.admin.sessions import DOOR, SESSION, cookie, csrf_of, drop_cookie, is_same
from bot.admin.sign_in import SignIn
from bot.admin.texts import say
from bot.admin.visit import Action, Forbidden, Page, Visit, Who
from core.errors import NotFound, NotStored, trace
from core.ports import SignedIn

if TYPE_CHECKING:
    from bot.app import House

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# The menu in its order. A page's module brings PAGES, and ACTIONS where something can be done there.
PAGES: tuple[Page, ...] = (
    *live.PAGES,
    *conversations.PAGES,
    *ratings.PAGES,
    *moderation.PAGES,
    *models.PAGES,
    *plugins.PAGES,
    *quotas.PAGES,
    *audit_log.PAGES,
    *health.PAGES,
)
ACTIONS: tuple[Action, ...] = (*moderation.ACTIONS, *quotas.ACTIONS)

MAX_FORM = 64 * 1024
_YEAR = 365 * 24 * 3600
SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    # Without any, a browser calls the origin of a form "null".
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Vary": "Accept-Language, Cookie",
}


@dataclass(frozen=True, slots=True)
class Caller:
    """A request that came in properly: where, in which look, and by whom, None where nobody is signed in."""

    request: web.Request
    place: Place
    look: Look
    token: str = ""
    session: SignedIn | None = None
    who: Who | None = None


class Routes:
    """Handlers over one house."""

    def __init__(
        self, house: "House", secret: bytes, shown: Sequence[Page] = PAGES, acted: Sequence[Action] = ACTIONS
    ) -> None:
        self._house = house
        self._places = Places.of(house.config.settings)
        self._sign_in = SignIn(house, secret)
        self._pages = shown
        self._actions = acted

    def table(self) -> list[web.RouteDef]:
        """Every address below `/admin`."""
        return [
            web.get("/admin", self._guarded(self._home)),
            web.get("/admin/", self._guarded(self._home)),
            web.get("/admin/sign-in", self._guarded(self._shows_sign_in)),
            web.post("/admin/sign-in", self._guarded(self._signs_in)),
            web.get("/admin/sign-in/oidc", self._guarded(self._leaves), allow_head=False),
            web.get("/admin/sign-in/oidc/out", self._guarded(self._leaves_for_good), allow_head=False),
            web.get("/admin/oidc", self._guarded(self._returns), allow_head=False),
            web.post("/admin/sign-out", self._guarded(self._signs_out)),
            web.get("/admin/static/{digest}/{name}", self._asset),
            *(web.get(page.path, self._guarded(self._shown(page))) for page in self._pages),
            *(web.post(action.path, self._guarded(self._acted(action))) for action in self._actions),
            web.get("/admin/{rest:.*}", self._guarded(self._nowhere)),
        ]

    # ------------------------------------------------------------------------------------------------ pages, actions

    def _shown(self, page: Page) -> Callable[[Caller], Awaitable[web.StreamResponse]]:
        async def show(caller: Caller) -> web.StreamResponse:
            visit = self._visit(caller, page, page.role)
            return _html(200, await page.show(visit))

        return show

    def _acted(self, action: Action) -> Callable[[Caller], Awaitable[web.StreamResponse]]:
        async def act(caller: Caller) -> web.StreamResponse:
            page = Page("action", action.path, _nothing, action.role, action.texts)
            visit = self._visit(caller, page, action.role)
            form = await read_form(caller.request)
            if not is_same(visit.csrf, form.get("csrf", "")):
                raise Unwelcome(403, "csrf")
            done = await action.act(visit.told(form))
            return _seen(done.location)

        return act

    def _visit(self, caller: Caller, page: Page, role: Role) -> Visit:
        """Raises Forbidden, or SignInFirst."""
        if caller.who is None:
            raise _SignInFirst
        if not caller.who.may(role):
            raise Forbidden(role)
        return Visit(
            house=self._house,
            who=caller.who,
            look=caller.look,
            page=page,
            path=caller.request.path,
            csrf=csrf_of(caller.token),
            nav=tuple(self._menu(caller, page)),
            query=dict(caller.request.query),
            match=dict(caller.request.match_info),
        )

    def _menu(self, caller: Caller, here: Page | None) -> Iterator[NavEntry]:
        marked = (here.name, here.under) if here else ()
        for page in self._pages:
            if "nav" in page.texts and caller.who and caller.who.may(page.role):
                yield NavEntry(page.path, say("nav", caller.look.language, page.texts), page.name in marked)

    async def _home(self, caller: Caller) -> web.StreamResponse:
        if caller.who is None:
            raise _SignInFirst
        return _seen(next(self._menu(caller, None)).path)

    async def _nowhere(self, caller: Caller) -> web.StreamResponse:
        if caller.who is None:
            raise _SignInFirst
        raise NotFound

    # ---------------------------------------------------------------------------------------------- signing in and out

    async def _shows_sign_in(self, caller: Caller) -> web.StreamResponse:
        to = own_path(caller.request.query.get("to", ""))
        return _seen(to) if caller.who else await self._sign_in.page(caller.request, caller.place, caller.look, to)

    async def _signs_in(self, caller: Caller) -> web.StreamResponse:
        form = await read_form(caller.request)
        door = cookie(caller.request, DOOR, caller.place)
        if not (door and is_same(csrf_of(door), form.get("csrf", ""))):
            raise Unwelcome(403, "csrf")
        to = own_path(form.get("to", ""))
        return await self._sign_in.by_password(caller.request, caller.place, caller.look, form, to, caller.token)

    async def _leaves(self, caller: Caller) -> web.StreamResponse:
        to = own_path(caller.request.query.get("to", ""))
        return await self._sign_in.leave(caller.request, caller.place, caller.look, to)

    async def _returns(self, caller: Caller) -> web.StreamResponse:
        return await self._sign_in.come_back(caller.request, caller.place, caller.look, caller.token)

    async def _leaves_for_good(self, caller: Caller) -> web.StreamResponse:
        return await self._sign_in.farewell_there()

    async def _signs_out(self, caller: Caller) -> web.StreamResponse:
        form = await read_form(caller.request)
        if caller.session and not is_same(csrf_of(caller.token), form.get("csrf", "")):
            raise Unwelcome(403, "csrf")
        if caller.token:
            await self._house.store.admins.end(caller.token)
        response = _seen("/admin/sign-in?out")
        drop_cookie(response, SESSION, caller.place)
        return response

    # ----------------------------------------------------------------------------------------------- what they build on

    def _guarded(self, work: Callable[[Caller], Awaitable[web.StreamResponse]]) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            look = look_of(request)
            caller: Caller | None = None
            try:
                place = self._places.check(request.method, request.scheme, request.headers)
                caller = await self._caller(request, place, look)
                response = await work(caller)
            except _SignInFirst:
                response = _to_sign_in(request)
            except Unwelcome as error:
                response = self._notice(error.status, error.name, look, caller)
            except Forbidden as error:
                role = say(f"role_{error.role}", look.language)
                name = caller.who.name if caller and caller.who else ""
                response = self._notice(403, "forbidden", look, caller, {"role": role, "name": name})
            except NotFound:
                response = self._notice(404, "not_found", look, caller)
            except NotStored:
                response = self._notice(503, "not_stored", look, caller)
                response.headers["Retry-After"] = "2"
            except (web.HTTPException, ConnectionResetError):
                raise
            except Exception as error:
                log.error("%s %s failed: %s", request.method, request.rel_url.path, trace(error))
                response = self._notice(500, "internal", look, caller)
            return _dressed(request, response, look)

        return handle

    async def _caller(self, request: web.Request, place: Place, look: Look) -> Caller:
        token = cookie(request, SESSION, place)
        session = await self._sign_in.session(token) if token else None
        if session is None:
            return Caller(request, place, look, token)
        who = Who(session.name, roles_of(session.roles), session.by)
        return Caller(request, place, look, token, session, who)

    def _notice(
        self, status: int, why: str, look: Look, caller: Caller | None, facts: Mapping[str, str] | None = None
    ) -> web.Response:
        sentence = say(why, look.language, None, **(facts or {}))
        nav = tuple(self._menu(caller, None)) if caller else ()
        csrf = csrf_of(caller.token) if caller and caller.who else ""
        who = caller.who if caller else None
        html = pages.render("error.html", look, sentence=sentence, nav=nav, csrf=csrf, visit=None, who=who)
        return _html(status, html)

    async def _asset(self, request: web.Request) -> web.StreamResponse:
        asset = assets().get(request.match_info["name"])
        if asset is None or asset.digest != request.match_info["digest"]:
            raise web.HTTPNotFound
        headers = {"Cache-Control": "public, max-age=31536000, immutable", "ETag": f'"{asset.digest}"'}
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return web.Response(status=304, headers=headers)
        return web.Response(body=asset.body, headers={**headers, "Content-Type": asset.media_type})


class _SignInFirst(Exception):
    pass


async def _nothing(_: Visit) -> Html:
    raise NotFound


def own_path(text: str) -> str:
    """Where somebody wanted to go, where that is one of these pages; else where the pages begin."""
    path, mark, query = text.partition("?")
    is_ours = path.startswith("/admin/") and not path.startswith(("/admin/sign-in", "/admin/oidc", "/admin//"))
    is_plain = text.isascii() and text.isprintable() and not set(text) & set('\\"<>#') and ".." not in path
    return f"{path}{mark}{query}" if is_ours and is_plain and len(text) <= 2000 else "/admin"


async def read_form(request: web.Request) -> dict[str, str]:
    """The fields of a posted form; the last one of a name counts. Raises Unwelcome."""
    if request.content_type != "application/x-www-form-urlencoded" or "Content-Encoding" in request.headers:
        raise Unwelcome(415, "bad_form")
    if (request.charset or "utf-8").lower() != "utf-8":  # some of Python's make letters that nobody can write
        raise Unwelcome(415, "bad_form")
    try:
        fields = await request.clone(client_max_size=MAX_FORM).post()
    except web.HTTPRequestEntityTooLarge:
        raise Unwelcome(413, "bad_form") from None
    except (ValueError, LookupError):
        raise Unwelcome(400, "bad_form") from None
    return {name: value for name, value in fields.items() if isinstance(value, str)}


def look_of(request: web.Request) -> Look:
    """Chosen on a page, else as the browser is set."""
    chosen = (request.query.get("lang", ""), request.cookies.get("parley_lang", ""))
    language = language_of(request.headers.get("Accept-Language", ""), *chosen)
    themes = (request.query.get("theme", ""), request.cookies.get("parley_theme", ""))
    return Look(language, next((theme for theme in themes if theme in ("light", "dark")), ""))


def _dressed(request: web.Request, response: web.StreamResponse, look: Look) -> web.StreamResponse:
    """With the headers of these pages, and what the reader has just chosen kept for a year."""
    for name, value in SECURITY.items():
        response.headers.setdefault(name, value)
    for name, value in (("lang", look.language), ("theme", look.theme)):
        if value and request.query.get(name) == value:
            response.set_cookie(f"parley_{name}", value, max_age=_YEAR, path="/", samesite="Strict")
    return response


def _html(status: int, html: Html) -> web.Response:
    return web.Response(status=status, text=html, content_type="text/html", charset="utf-8")


def _seen(path: str) -> web.Response:
    return web.Response(status=303, headers={"Location": path})


def _to_sign_in(request: web.Request) -> web.Response:
    """A page that was asked for is shown afterwards; a fragment's script reads the status."""
    if request.headers.get("Sec-Fetch-Dest", "document") not in ("document", ""):
        return web.Response(status=401)
    wanted = request.rel_url.raw_path_qs if request.method == "GET" else ""
    to = own_path(wanted)
    return _seen(f"/admin/sign-in?{urlencode({'to': to})}" if to != "/admin" else "/admin/sign-in")
