"""Values that adapters must keep, sealed under the house's own key."""

from core.store.database import Database
from core.store.vault import Vault

_GET = "SELECT body FROM secrets WHERE id = %(id)s"
_PUT = """
    INSERT INTO secrets (id, body) VALUES (%(id)s, %(body)s) ON CONFLICT (id) DO UPDATE SET body = EXCLUDED.body
"""
_DELETE = "DELETE FROM secrets WHERE id = %(id)s"


class PostgresSecrets:
    """`ports.Secrets`."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database = database
        self._vault = vault

    async def get(self, name: str) -> bytes | None:
        id_ = self._vault.blind("secret", name)
        rows = await self._database.fetch(_GET, {"id": id_})
        return await self._vault.open("secrets", "body", self._vault.house, id_, rows[0][0]) if rows else None

    async def put(self, name: str, value: bytes) -> None:
        id_ = self._vault.blind("secret", name)
        body = await self._vault.seal("secrets", "body", self._vault.house, id_, value)
        await self._database.fetch(_PUT, {"id": id_, "body": body})

    async def delete(self, name: str) -> None:
        await self._database.fetch(_DELETE, {"id": self._vault.blind("secret", name)})
