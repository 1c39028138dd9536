"""Who may see the operator's pages: local admins, everybody's sessions, and passwords that were tried too often."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from core.errors import NotFound, Refused
from core.ports import Admin, Brake, SignedIn
from core.store import bodies
from core.store.audit import PostgresAudit
from core.store.database import Database, Transaction
from core.store.vault import DAMAGED, Vault

LOCAL = "local"

_ADD = "INSERT INTO admins (id, body) VALUES (%(id)s, %(body)s) ON CONFLICT (id) DO NOTHING RETURNING id"
_GET = "SELECT body FROM admins WHERE id = %(id)s"
_GET_AND_HOLD = f"{_GET} FOR SHARE"
_GET_TO_CHANGE = f"{_GET} FOR UPDATE"
_ALL = "SELECT id, body FROM admins ORDER BY id"
_PUT = "UPDATE admins SET body = %(body)s WHERE id = %(id)s"
_DROP = "DELETE FROM admins WHERE id = %(id)s"

_BEGIN = """
    INSERT INTO admin_sessions (id, who, body, seen_at, expires_at)
    VALUES (%(id)s, %(who)s, %(body)s, now(), %(expires_at)s)
"""
# Seen once a minute is often enough, and a page that is looked at needs no write.
_SEEN = """
    WITH here AS (
        SELECT id, body, seen_at FROM admin_sessions
        WHERE id = %(id)s AND expires_at > now() AND seen_at > now() - %(idle)s::interval
    ), touched AS (
        UPDATE admin_sessions SET seen_at = now() FROM here
        WHERE admin_sessions.id = here.id AND here.seen_at < now() - interval '1 minute'
    )
    SELECT body, seen_at FROM here
"""
_END = "DELETE FROM admin_sessions WHERE id = %(id)s RETURNING body"
_END_ALL = """
    WITH gone AS (DELETE FROM admin_sessions WHERE who = %(who)s RETURNING 1) SELECT count(*) FROM gone
"""
_SESSIONS = "SELECT id, who, body, seen_at FROM admin_sessions WHERE expires_at > now() ORDER BY expires_at DESC"
_PURGE = (
    "DELETE FROM admin_sessions WHERE expires_at < now()",
    "DELETE FROM admin_tries WHERE tried_at < now() - interval '1 day' AND free_at < now()",
)

_TRY = """
    INSERT INTO admin_tries (key, failures, tried_at, free_at)
    VALUES (%(key)s, 1, now(), now() + CASE
        WHEN %(free)s < 1 THEN LEAST(interval '1 second', %(longest)s::interval) ELSE interval '0'
    END)
    ON CONFLICT (key) DO UPDATE SET tried_at = now(),
        failures = CASE
            WHEN admin_tries.tried_at < now() - interval '1 day' THEN 1 ELSE admin_tries.failures + 1
        END,
        free_at = now() + CASE
            WHEN admin_tries.tried_at < now() - interval '1 day' OR admin_tries.failures < %(free)s THEN interval '0'
            ELSE LEAST(
                %(longest)s::interval,
                interval '1 second' * power(2, LEAST(admin_tries.failures - %(free)s, 20))
            )
        END
    WHERE admin_tries.free_at <= now()
    RETURNING failures
"""
_WAIT = "SELECT free_at - now() FROM admin_tries WHERE key = %(key)s"
_FORGIVE = "DELETE FROM admin_tries WHERE key = ANY(%(keys)s)"


class _TooSoon(Exception):
    pass


class PostgresAdmins:
    """`ports.Admins`."""

    def __init__(self, database: Database, vault: Vault, audit: PostgresAudit) -> None:
        self._database = database
        self._vault = vault
        self._audit = audit

    # --------------------------------------------------------------------------------------------------- local admins

    async def add(self, name: str, *, roles: Collection[str], password: str, by: str) -> None:
        admin = Admin(name, frozenset(roles), password, datetime.now(UTC))
        async with self._database.transaction() as tx:
            if not await tx.fetch(_ADD, await self._sealed(admin)):
                raise Refused
            await self._audit.add(tx, "admin-added", by=by, details={"name": name, "roles": sorted(roles)})

    async def named(self, name: str) -> Admin | None:
        id_ = self._who(LOCAL, name)
        rows = await self._database.fetch(_GET, {"id": id_})
        return await self._opened(id_, rows[0][0]) if rows else None

    async def all(self) -> tuple[Admin, ...]:
        found = [await self._opened(id_, body) for id_, body in await self._database.fetch(_ALL)]
        return tuple(sorted((admin for admin in found if admin), key=lambda admin: admin.name))

    async def change(
        self, name: str, *, by: str, roles: Collection[str] | None = None, password: str | None = None
    ) -> int:
        id_ = self._who(LOCAL, name)
        async with self._database.transaction() as tx:
            admin = await self._held(tx, _GET_TO_CHANGE, id_)
            changed = replace(
                admin,
                roles=admin.roles if roles is None else frozenset(roles),
                password=admin.password if password is None else password,
            )
            tx.later(_PUT, await self._sealed(changed))
            ((ended,),) = await tx.fetch(_END_ALL, {"who": id_})
            what: dict[str, Any] = {"name": admin.name}
            if roles is not None:
                what |= {"roles": sorted(changed.roles), "before": sorted(admin.roles)}
            action = "admin-roles" if roles is not None else "admin-password"
            await self._audit.add(tx, action, by=by, details=what)
        return int(ended)

    async def remove(self, name: str, *, by: str) -> int:
        id_ = self._who(LOCAL, name)
        async with self._database.transaction() as tx:
            admin = await self._held(tx, _GET_TO_CHANGE, id_)
            tx.later(_DROP, {"id": id_})
            ((ended,),) = await tx.fetch(_END_ALL, {"who": id_})
            await self._audit.add(tx, "admin-removed", by=by, details={"name": admin.name})
        return int(ended)

    async def _held(self, tx: Transaction, sql: str, id_: UUID) -> Admin:
        rows = await tx.fetch(sql, {"id": id_})
        admin = await self._opened(id_, rows[0][0]) if rows else None
        if admin is None:
            raise NotFound
        return admin

    def _who(self, origin: str, subject: str) -> UUID:
        return self._vault.blind("admin", origin, subject.casefold() if origin == LOCAL else subject)

    async def _sealed(self, admin: Admin) -> dict[str, Any]:
        id_ = self._who(LOCAL, admin.name)
        body = {"name": admin.name, "roles": sorted(admin.roles), "password": admin.password}
        said = bodies.dump(body | {"made_at": admin.made_at.isoformat()})
        return {"id": id_, "body": await self._vault.seal("admins", "body", self._vault.house, id_, said)}

    async def _opened(self, id_: UUID, sealed: bytes) -> Admin | None:
        """A row that was changed or moved in the database is nobody."""
        try:
            said = bodies.load(await self._vault.open("admins", "body", self._vault.house, id_, sealed))
        except DAMAGED:
            return None
        made_at = datetime.fromisoformat(said["made_at"])
        return Admin(said["name"], frozenset(said["roles"]), said["password"], made_at)

    # ------------------------------------------------------------------------------------------------------- sessions

    async def begin(self, token: str, session: SignedIn, *, password: str | None = None) -> None:
        who, id_ = self._who(session.origin, session.subject), self._session(token)
        async with self._database.transaction() as tx:
            if session.origin == LOCAL:  # what was looked at before may be another's by now
                admin = await self._held(tx, _GET_AND_HOLD, who)
                if admin.password != password or admin.roles != session.roles:
                    raise NotFound
            body = await self._vault.seal("admin_sessions", "body", self._vault.house, id_, _dumped(session))
            tx.later(_BEGIN, {"id": id_, "who": who, "body": body, "expires_at": session.expires_at})
            what = {"origin": session.origin, "roles": sorted(session.roles)}
            await self._audit.add(tx, "sign-in", by=session.by, details=what)

    async def session(self, token: str, *, idle: timedelta) -> SignedIn | None:
        id_ = self._session(token)
        rows = await self._database.fetch(_SEEN, {"id": id_, "idle": idle})
        session = await self._read(id_, rows[0][0], rows[0][1]) if rows else None
        return session if session and session.expires_at > datetime.now(UTC) else None

    async def end(self, token: str) -> None:
        id_ = self._session(token)
        async with self._database.transaction() as tx:
            rows = await tx.fetch(_END, {"id": id_})
            session = await self._read(id_, rows[0][0], datetime.now(UTC)) if rows else None
            if session:
                await self._audit.add(tx, "sign-out", by=session.by, details={"origin": session.origin})

    async def end_all(self, name: str, *, by: str) -> int:
        whose = {who for who, session in await self._open_sessions() if session.name.casefold() == name.casefold()}
        ended = 0
        async with self._database.transaction() as tx:
            for who in sorted(whose):
                ((count,),) = await tx.fetch(_END_ALL, {"who": who})
                ended += count
            if ended:
                await self._audit.add(tx, "admin-signed-out", by=by, details={"name": name, "sessions": ended})
        return ended

    async def sessions(self) -> tuple[SignedIn, ...]:
        return tuple(session for _, session in await self._open_sessions())

    async def _open_sessions(self) -> list[tuple[UUID, SignedIn]]:
        rows = await self._database.fetch(_SESSIONS)
        found = [(who, await self._read(id_, body, seen_at)) for id_, who, body, seen_at in rows]
        return [(who, session) for who, session in found if session]

    def _session(self, token: str) -> UUID:
        return self._vault.blind("admin session", token)

    async def _read(self, id_: UUID, sealed: bytes, seen_at: datetime) -> SignedIn | None:
        try:
            said = bodies.load(await self._vault.open("admin_sessions", "body", self._vault.house, id_, sealed))
        except DAMAGED:
            return None
        return _loaded(said, seen_at)

    # ---------------------------------------------------------------------------------------------------------- tries

    async def attempt(self, brakes: Iterable[Brake]) -> timedelta:
        keyed = sorted((self._vault.blind("admin try", brake.key), brake) for brake in brakes)
        wait = timedelta(0)
        try:
            async with self._database.transaction() as tx:
                for key, brake in keyed:
                    params = {"key": key, "free": brake.free, "longest": brake.longest}
                    if not await tx.fetch(_TRY, params):
                        ((wait,),) = await tx.fetch(_WAIT, {"key": key})
                        raise _TooSoon  # and nothing was counted
        except _TooSoon:
            return max(wait, timedelta(seconds=1))
        return timedelta(0)

    async def forgive(self, keys: Sequence[str]) -> None:
        await self._database.fetch(_FORGIVE, {"keys": [self._vault.blind("admin try", key) for key in keys]})

    async def purge(self) -> None:
        """Forgets sessions that are over, and tries of days ago."""
        for sql in _PURGE:
            await self._database.fetch(sql)


def _dumped(session: SignedIn) -> bytes:
    return bodies.dump(
        {
            "name": session.name,
            "subject": session.subject,
            "origin": session.origin,
            "roles": sorted(session.roles),
            "grant": session.grant,
            "began_at": session.began_at.isoformat(),
            "expires_at": session.expires_at.isoformat(),
        }
    )


def _loaded(said: Mapping[str, Any], seen_at: datetime) -> SignedIn:
    return SignedIn(
        said["name"],
        frozenset(said["roles"]),
        said["subject"],
        said["origin"],
        datetime.fromisoformat(said["began_at"]),
        datetime.fromisoformat(said["expires_at"]),
        said["grant"],
        seen_at,
    )
