"""What is remembered: PostgreSQL behind the store's Protocols, sealed at rest."""

from core.store.database import Pool
from core.store.keys import Keys
from core.store.postgres import PostgresStore

__all__ = ["Keys", "Pool", "PostgresStore"]
