"""Who may see the operator's pages, in memory: `core.ports.Admins` with the whole of its promise."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from core.errors import NotFound, Refused
from core.ports import Admin, Audit, Brake, SignedIn


def now() -> datetime:
    return datetime.now(UTC)


class MemoryAdmins:
    def __init__(self, audit: Audit, must_be_up: Callable[[], None]) -> None:
        self._audit = audit
        self._must_be_up = must_be_up
        self._admins: dict[str, Admin] = {}
        self._sessions: dict[str, SignedIn] = {}
        self._tries: dict[str, tuple[int, datetime, datetime]] = {}

    async def add(self, name: str, *, roles: Collection[str], password: str, by: str) -> None:
        self._must_be_up()
        if name.casefold() in self._admins:
            raise Refused
        self._admins[name.casefold()] = Admin(name, frozenset(roles), password, now())
        await self._audit.record("admin-added", by=by, name=name, roles=sorted(roles))

    async def named(self, name: str) -> Admin | None:
        self._must_be_up()
        return self._admins.get(name.casefold())

    async def all(self) -> tuple[Admin, ...]:
        self._must_be_up()
        return tuple(sorted(self._admins.values(), key=lambda admin: admin.name))

    async def change(
        self, name: str, *, by: str, roles: Collection[str] | None = None, password: str | None = None
    ) -> int:
        admin = self._held(name)
        changed = replace(
            admin,
            roles=admin.roles if roles is None else frozenset(roles),
            password=admin.password if password is None else password,
        )
        self._admins[name.casefold()] = changed
        if roles is None:
            await self._audit.record("admin-password", by=by, name=admin.name)
        else:
            before = sorted(admin.roles)
            await self._audit.record("admin-roles", by=by, name=admin.name, roles=sorted(roles), before=before)
        return self._end(lambda session: _is_local(session, name))

    async def remove(self, name: str, *, by: str) -> int:
        admin = self._held(name)
        del self._admins[name.casefold()]
        await self._audit.record("admin-removed", by=by, name=admin.name)
        return self._end(lambda session: _is_local(session, name))

    def _held(self, name: str) -> Admin:
        self._must_be_up()
        if name.casefold() not in self._admins:
            raise NotFound
        return self._admins[name.casefold()]

    def _end(self, is_over: Callable[[SignedIn], bool]) -> int:
        over = [token for token, session in self._sessions.items() if is_over(session)]
        for token in over:
            del self._sessions[token]
        return len(over)

    async def begin(self, token: str, session: SignedIn, *, password: str | None = None) -> None:
        self._must_be_up()
        if session.origin == "local":
            admin = self._held(session.subject)
            if admin.password != password or admin.roles != session.roles:
                raise NotFound
        self._sessions[token] = replace(session, seen_at=now())
        await self._audit.record("sign-in", by=session.by, origin=session.origin, roles=sorted(session.roles))

    async def session(self, token: str, *, idle: timedelta) -> SignedIn | None:
        self._must_be_up()
        found = self._sessions.get(token)
        if found is None or found.expires_at <= now() or (found.seen_at or found.began_at) <= now() - idle:
            return None
        self._sessions[token] = replace(found, seen_at=now())
        return found

    async def end(self, token: str) -> None:
        self._must_be_up()
        if session := self._sessions.pop(token, None):
            await self._audit.record("sign-out", by=session.by, origin=session.origin)

    async def end_all(self, name: str, *, by: str) -> int:
        self._must_be_up()
        ended = self._end(lambda session: session.expires_at > now() and session.name.casefold() == name.casefold())
        if ended:
            await self._audit.record("admin-signed-out", by=by, name=name, sessions=ended)
        return ended

    async def sessions(self) -> tuple[SignedIn, ...]:
        self._must_be_up()
        found = (session for session in self._sessions.values() if session.expires_at > now())
        return tuple(sorted(found, key=lambda session: session.expires_at, reverse=True))

    async def attempt(self, brakes: Collection[Brake]) -> timedelta:
        self._must_be_up()
        waits = [self._tries[brake.key][2] - now() for brake in brakes if brake.key in self._tries]
        if (wait := max(waits, default=timedelta(0))) > timedelta(0):
            return max(wait, timedelta(seconds=1))
        for brake in brakes:
            self._count(brake)
        return timedelta(0)

    def _count(self, brake: Brake) -> None:
        failures, tried_at, _ = self._tries.get(brake.key, (0, now(), now()))
        failures = 1 if tried_at < now() - timedelta(days=1) else failures + 1
        over = failures - 1 - brake.free
        wait = min(timedelta(seconds=2 ** min(over, 20)), brake.longest) if over >= 0 else timedelta(0)
        self._tries[brake.key] = failures, now(), now() + wait

    async def forgive(self, keys: Sequence[str]) -> None:
        self._must_be_up()
        for key in keys:
            self._tries.pop(key, None)


def _is_local(session: SignedIn, name: str) -> bool:
    return session.origin == "local" and session.subject.casefold() == name.casefold()
