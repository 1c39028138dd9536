"""Where values are sealed and opened: knows the data key of every scope and the key of the blind indexes."""

import hmac
import secrets
from uuid import UUID

from core.errors import Malformed, Unreadable
from core.message import Author, PartId, ReplyId, ThreadId
from core.store import seal
from core.store.database import Database, Row
from core.store.keys import Keys
from core.store.lru import Lru
from core.store.seal import DataKey, Place

# What reading a row raises that was changed or moved in the database. That the database is away says nothing of a row.
DAMAGED = (Unreadable, Malformed)

_DATA_KEYS = 2_000  # persons; whoever was away longer has theirs read again
_OPENED_BYTES = 8 * 2**20
_LARGE = 2**18  # bytes; a picture, which would push a thousand texts out and is not asked for again
_INDEX_SCOPE = b"house|index"

_FIND_KEY = "SELECT id, wrapped FROM keys WHERE scope = %(scope)s"
_MAKE_KEY = """
    WITH made AS (
        INSERT INTO keys (scope, wrapped) VALUES (%(scope)s, %(wrapped)s)
        ON CONFLICT (scope) DO NOTHING RETURNING id, wrapped
    )
    SELECT id, wrapped FROM made UNION ALL SELECT id, wrapped FROM keys WHERE scope = %(scope)s LIMIT 1
"""
_MAKE_INDEX = """
    WITH made AS (
        INSERT INTO house (name, wrapped) VALUES ('index', %(wrapped)s)
        ON CONFLICT (name) DO NOTHING RETURNING wrapped
    )
    SELECT wrapped FROM made UNION ALL SELECT wrapped FROM house WHERE name = 'index' LIMIT 1
"""
_STALE = """
    SELECT 'keys', id::text, uuid_send(scope), wrapped FROM keys WHERE substr(wrapped, 2, 4) <> %(primary)s
    UNION ALL SELECT 'house', name, %(index_scope)s, wrapped FROM house WHERE substr(wrapped, 2, 4) <> %(primary)s
    LIMIT 500
"""
_REWRAP = {
    "keys": "UPDATE keys SET wrapped = %(fresh)s WHERE id = %(id)s::bigint AND wrapped = %(wrapped)s",
    "house": "UPDATE house SET wrapped = %(fresh)s WHERE name = %(id)s AND wrapped = %(wrapped)s",
}
_FIND_INDEX = "SELECT wrapped FROM house WHERE name = 'index'"


class Vault:
    """Seals under the key of a scope: a person, or the house itself.

    It reads keys over a pool of its own, so that a transaction may wait for a key while it holds a connection. A new
    key is committed before anything is sealed with it, whatever becomes of the transaction that wanted it.
    """

    def __init__(self, keys: Keys, database: Database) -> None:
        self._keys = keys
        self._database = database
        self._index = b""
        self._data_keys: Lru[UUID, DataKey] = Lru(_DATA_KEYS)
        self._opened: Lru[tuple[Place, bytes], bytes] = Lru(_OPENED_BYTES)

    async def start(self) -> None:
        """Loads the key of the blind indexes, which survives every change of the encryption keys, or makes it."""
        rows = await self._database.fetch(_FIND_INDEX)
        while not rows:
            wrapped = self._keys.wrap(_INDEX_SCOPE, secrets.token_bytes(seal.KEY_BYTES))
            rows = await self._database.fetch(_MAKE_INDEX, {"wrapped": wrapped})
        self._index = self._keys.unwrap(_INDEX_SCOPE, rows[0][0])
        self.house = self.blind("house")

    async def rewrap(self) -> int:
        """Wraps every data key with the primary encryption key, so that an older one can be retired; how many."""
        params = {"primary": self._keys.primary.to_bytes(4), "index_scope": _INDEX_SCOPE}
        total = 0
        while stale := await self._database.fetch(_STALE, params):
            async with self._database.transaction() as transaction:
                for table, id_, scope, wrapped in stale:
                    fresh = self._keys.wrap(scope, self._keys.unwrap(scope, wrapped))
                    transaction.later(_REWRAP[table], {"fresh": fresh, "id": id_, "wrapped": wrapped})
            total += len(stale)
        return total

    # -------------------------------------------------------------------------------------------------- blind indexes

    def blind(self, *values: str) -> UUID:
        """Equal values give equal ids; nothing can be read from one without the index key."""
        fields = (value.encode("utf-8", "surrogatepass") for value in values)
        joined = b"".join(len(field).to_bytes(4) + field for field in fields)
        return UUID(bytes=hmac.digest(self._index, joined, "sha256")[:16])

    def person(self, author: Author) -> UUID:
        return self.blind("person", author.adapter, author.workspace, author.id)

    def thread(self, thread: ThreadId) -> UUID:
        return self.blind("thread", thread.adapter, thread.workspace, thread.channel, thread.thread)

    def part(self, part: PartId) -> UUID:
        return self.blind("part", part.adapter, part.workspace, part.channel, part.id)

    def event(self, adapter: str, event_id: str) -> UUID:
        """The id of an event, of the message it is, and of the reply it will have."""
        return self.blind("reply", adapter, event_id)

    # -------------------------------------------------------------------------------------------------------- sealing

    async def seal(self, table: str, column: str, scope: UUID, row: UUID, plain: bytes) -> bytes:
        place = Place(table, column, scope.bytes, row.bytes)
        blob = seal.seal(await self._data_key(scope), place, plain)
        self._remember(place, blob, plain)
        return blob

    async def open(self, table: str, column: str, scope: UUID, row: UUID, blob: bytes) -> bytes:
        """Raises Unreadable."""
        place = Place(table, column, scope.bytes, row.bytes)
        plain = self._opened.get((place, blob))
        if plain is None:
            plain = seal.unseal(await self._key_of(scope, seal.key_id(blob)), place, blob)
            self._remember(place, blob, plain)
        return plain

    def _remember(self, place: Place, blob: bytes, plain: bytes) -> None:
        if len(plain) < _LARGE:
            self._opened.put((place, blob), plain, len(blob) + len(plain) + 400)

    async def _data_key(self, scope: UUID) -> DataKey:
        found = self._data_keys.get(scope)
        return found or await self._load(scope) or await self._make(scope)

    async def _key_of(self, scope: UUID, key_id: int) -> DataKey:
        found = self._data_keys.get(scope)
        if found is None or found.id != key_id:
            found = await self._load(scope)
        if found is None:
            raise Unreadable
        return found

    async def _load(self, scope: UUID) -> DataKey | None:
        rows = await self._database.fetch(_FIND_KEY, {"scope": scope})
        return self._unwrapped(scope, *rows[0]) if rows else None

    async def _make(self, scope: UUID) -> DataKey:
        rows: list[Row] = []
        while not rows:  # another process may commit its key between the two looks of one statement
            wrapped = self._keys.wrap(scope.bytes, secrets.token_bytes(seal.KEY_BYTES))
            rows = await self._database.fetch(_MAKE_KEY, {"scope": scope, "wrapped": wrapped})
        return self._unwrapped(scope, *rows[0])

    def _unwrapped(self, scope: UUID, key_id: int, wrapped: bytes) -> DataKey:
        key = DataKey(key_id, self._keys.unwrap(scope.bytes, wrapped))
        self._data_keys.put(scope, key)
        return key


def reply_id(row: UUID) -> ReplyId:
    return ReplyId(row.hex)


def row_id(reply: str) -> UUID | None:
    """The row of a reply id; None where the text is no such id."""
    is_ours = len(reply) == 32 and all(digit in "0123456789abcdef" for digit in reply)
    return UUID(reply) if is_ours else None
