"""What every room of a unit works with: its transaction, the vault, and the wake-ups to send once it is committed."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from core.ports import Claim, Delivery, Signal, SignalKind
from core.store.database import Transaction
from core.store.lru import Lru
from core.store.signals import Hub
from core.store.vault import Vault

Params = dict[str, Any]
# Whose an event is that is kept to be known again, and belongs to no person any more.
NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Desk:
    """The things at hand in one unit. `askers` remembers whose key a reply is sealed with."""

    tx: Transaction
    vault: Vault
    hub: Hub
    askers: Lru[UUID, UUID]
    signals: list[Signal] = field(default_factory=list)

    def wake(self, kind: SignalKind, key: str = "") -> str:
        """Wakes this process once the unit is committed; what is returned is what NOTIFY tells the others."""
        signal = Signal(kind, key)
        if signal not in self.signals:
            self.signals.append(signal)
        return self.hub.payload_of(kind, key)

    def spread(self) -> None:
        for signal in self.signals:
            self.hub.publish(signal)


class Room:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._tx = desk.tx
        self._vault = desk.vault


def token(claim: Claim) -> Params:
    """What the row must still say for this claim to hold it."""
    return {"id": claim.id, "owner": claim.owner, "attempts": claim.attempts}


def delivery_token(delivery: Delivery) -> Params:
    return {"id": delivery.reply.id, "owner": delivery.owner, "attempts": delivery.attempts}
