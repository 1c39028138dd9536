"""Where values are sealed and opened: knows the data key of every scope and the key of the blind indexes."""

import hmac
import logging
import secrets
from collections.abc import Collection
from uuid import UUID

from core.errors import KeyMissing, Malformed, NotStored, Unreadable
from core.message import Author, PartId, ReplyId, ThreadId
from core.store import seal
from core.store.database import Database, Row
from core.store.keys import Keys
from core.store.lru import Lru
from core.store.seal import DataKey, Place

logger = logging.getLogger(__name__)

# What reading a row raises that was changed or moved in the database. That the database is away says nothing of a row.
DAMAGED = (Unreadable, Malformed)

_DATA_KEYS = 2_000  # persons; whoever was away longer has theirs read again
_OPENED_BYTES = 8 * 2**20
_LARGE = 2**18  # bytes; a picture, which would push a thousand texts out and is not asked for again
INDEX_SCOPE = b"house|index"

_FIND_KEY = "SELECT id, wrapped FROM keys WHERE scope = %(scope)s"
_FIND_ALL = "SELECT scope, id FROM keys WHERE scope = ANY(%(scopes)s::uuid[])"
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
_FIND_INDEX = "SELECT wrapped FROM house WHERE name = 'index'"


class Vault:
    """Seals under the key of a scope: a person, or the house itself.

    It reads keys over a pool of its own, so that a transaction may wait for a key while it holds a connection. A new
    key is committed before anything is sealed with it, whatever becomes of the transaction that wanted it. It keeps in
    memory what it opened only while it hears of those who are forgotten.
    """

    def __init__(self, keys: Keys, database: Database) -> None:
        self._keys = keys
        self._database = database
        self._index = b""
        self._missing: set[int] = set()
        self._epoch = 0
        self._is_deaf = False
        self._data_keys: Lru[UUID, DataKey] = Lru(_DATA_KEYS)
        self._opened: Lru[tuple[Place, bytes], bytes] = Lru(_OPENED_BYTES)

    async def start(self) -> None:
        """Loads the key of the blind indexes, which survives every change of the encryption keys, or makes it."""
        rows = await self._database.fetch(_FIND_INDEX)
        while not rows:
            wrapped = self._keys.wrap(INDEX_SCOPE, secrets.token_bytes(seal.KEY_BYTES))
            rows = await self._database.fetch(_MAKE_INDEX, {"wrapped": wrapped})
        self._index = self._keys.unwrap(INDEX_SCOPE, rows[0][0])
        self.house = self.blind("house")

    # -------------------------------------------------------------------------------------------------- blind indexes

    def blind(self, *values: str) -> UUID:
        """Equal values give equal ids; nothing can be read from one without the index key."""
        fields = (value.encode("utf-8", "surrogatepass") for value in values)
        joined = b"".join(len(field).to_bytes(4) + field for field in fields)
        return UUID(bytes=hmac.digest(self._index, joined, "sha256")[:16])

    def mac(self, *values: bytes) -> bytes:
        """What only this house can say of these values, 32 bytes."""
        joined = b"".join(len(value).to_bytes(4) + value for value in (b"mac", *values))
        return hmac.digest(self._index, joined, "sha256")

    def person(self, author: Author) -> UUID:
        return self.blind("person", author.adapter, author.workspace, author.id)

    def thread(self, thread: ThreadId) -> UUID:
        return self.blind("thread", thread.adapter, thread.workspace, thread.channel, thread.thread)

    def workspace(self, thread: ThreadId) -> UUID:
        """The place that a thread is in, with rules of its own."""
        return self.blind("workspace", thread.adapter, thread.workspace)

    def part(self, part: PartId) -> UUID:
        return self.blind("part", part.adapter, part.workspace, part.channel, part.id)

    def event(self, adapter: str, event_id: str) -> UUID:
        """The id of an event, of the message it is, and of the reply it will have."""
        return self.blind("reply", adapter, event_id)

    # -------------------------------------------------------------------------------------------------------- sealing

    async def seal(self, table: str, column: str, scope: UUID, row: UUID, plain: bytes) -> bytes:
        place, epoch = Place(table, column, scope.bytes, row.bytes), self._epoch
        blob = seal.seal(await self._data_key(scope), place, plain)
        self._remember(epoch, place, blob, plain)
        return blob

    async def reseal(self, table: str, column: str, scope: UUID, row: UUID, plain: bytes, *, like: bytes) -> bytes:
        """Under the very key that `like` was sealed with; raises Unreadable where that is gone.

        For what goes on from something that is kept already: whoever is being forgotten gets no new key by it.
        """
        place, epoch = Place(table, column, scope.bytes, row.bytes), self._epoch
        key = await self._key_of(scope, seal.key_id(like))
        if key.id != seal.key_id(like):
            raise Unreadable
        blob = seal.seal(key, place, plain)
        self._remember(epoch, place, blob, plain)
        return blob

    async def open(self, table: str, column: str, scope: UUID, row: UUID, blob: bytes) -> bytes:
        """Raises Unreadable."""
        place, epoch = Place(table, column, scope.bytes, row.bytes), self._epoch
        plain = self._opened.get((place, blob))
        if plain is None:
            plain = seal.unseal(await self._key_of(scope, seal.key_id(blob)), place, blob)
            self._remember(epoch, place, blob, plain)
        return plain

    def _remember(self, epoch: int, place: Place, blob: bytes, plain: bytes) -> None:
        if self._may_keep(epoch) and len(plain) < _LARGE:
            self._opened.put((place, blob), plain, len(blob) + len(plain) + 400)

    # ----------------------------------------------------------------------------------------------------- forgetting

    def shred(self, scope: UUID) -> None:
        """Its key is gone: neither that nor anything opened with it is held any longer."""
        self._epoch += 1
        self._data_keys.drop(scope)
        self._opened.drop_all(lambda entry: entry[0].scope == scope.bytes)

    def listen(self, *, is_heard: bool) -> None:
        """While nobody is heard who shreds a key, none is held; nor is one of before, which may be shredded by now."""
        self._epoch += 1
        self._is_deaf = not is_heard
        self._data_keys.clear()
        self._opened.clear()

    async def recheck(self) -> None:
        """Whose key is in the database no more is shredded here too, should nobody have been heard to say so."""
        scopes = {*self._data_keys, *(UUID(bytes=place.scope) for place, _ in self._opened)}
        try:
            found = await self._database.fetch(_FIND_ALL, {"scopes": list(scopes)}) if scopes else []
        except NotStored:  # nobody can say whose it is: nothing is held
            self.listen(is_heard=not self._is_deaf)
            return
        current: dict[UUID, int] = {scope: id_ for scope, id_ in found}  # noqa: C416 - a row is no pair to mypy
        for scope in self._data_keys:
            held = self._data_keys.get(scope)
            if held and scope in scopes and current.get(scope) != held.id:
                self.shred(scope)
        for place, blob in self._opened:
            scope = UUID(bytes=place.scope)
            if scope in scopes and current.get(scope) != seal.key_id(blob):
                self.shred(scope)

    def _may_keep(self, epoch: int) -> bool:
        """What was read before somebody was forgotten may be theirs."""
        return epoch == self._epoch and not self._is_deaf

    async def is_current(self, scope: UUID, key_ids: Collection[int]) -> bool:
        """Whether these, which something was just sealed with, are the key of the scope still; it is read again."""
        self._data_keys.drop(scope)
        key = await self._load(scope)
        return key is not None and all(key_id == key.id for key_id in key_ids)

    # ----------------------------------------------------------------------------------------------------------- keys

    def new_key(self, scope: UUID) -> tuple[bytes, bytes]:
        """The secret of a new key of this scope, and how it is stored."""
        secret = secrets.token_bytes(seal.KEY_BYTES)
        return secret, self._keys.wrap(scope.bytes, secret)

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
        epoch = self._epoch
        rows = await self._database.fetch(_FIND_KEY, {"scope": scope})
        return self._unwrapped(epoch, scope, *rows[0]) if rows else None

    async def _make(self, scope: UUID) -> DataKey:
        rows: list[Row] = []
        epoch = self._epoch
        while not rows:  # another process may commit its key between the two looks of one statement
            _, wrapped = self.new_key(scope)
            rows = await self._database.fetch(_MAKE_KEY, {"scope": scope, "wrapped": wrapped})
        return self._unwrapped(epoch, scope, *rows[0])

    def _unwrapped(self, epoch: int, scope: UUID, key_id: int, wrapped: bytes) -> DataKey:
        try:
            key = DataKey(key_id, self._keys.unwrap(scope.bytes, wrapped))
        except KeyMissing:
            self._miss(seal.key_id(wrapped))
            raise
        if self._may_keep(epoch):
            self._data_keys.put(scope, key)
        return key

    def _miss(self, kid: int) -> None:
        if kid not in self._missing:
            self._missing.add(kid)
            logger.error(
                "the encryption key with id %d is missing in this process: put all that are in use into its "
                "PARLEY_KEYS and restart it; what that key is needed for is left to the other processes",
                kid,
            )

    def missing(self) -> list[bytes]:
        """The encryption keys that were asked for and are not here: their ids, as they stand in a wrapped data key."""
        return [kid.to_bytes(4) for kid in self._missing]


def reply_id(row: UUID) -> ReplyId:
    return ReplyId(row.hex)


def row_id(reply: str) -> UUID | None:
    """The row of a reply id; None where the text is no such id."""
    is_ours = len(reply) == 32 and all(digit in "0123456789abcdef" for digit in reply)
    return UUID(reply) if is_ours else None
