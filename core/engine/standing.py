"""How the engines stand right now, for whoever operates them: which there are, where they run, how busy they are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from core.engine.breaker import Circuit
from core.engine.fallback import Fallback
from core.engine.guarded import Guarded
from core.engine.local import LocalEngine
from core.engine.machine import Machine
from core.engine.remote import RemoteEngine
from core.engine.routed import Routed
from core.errors import Unavailable
from core.ports import Engine, Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One engine. `name` is the operator's, "" where there is only one; `model` is None until it has been started.

    `places` tells by route ("" where there is one) which it is in the order of those asked, the first is 1. `slots` may
    be taken at once, None where it does not say; `taken` are, and `waiting` have been told nothing yet. `machine` is
    None for an engine elsewhere, at these `addresses`.
    """

    name: str = ""
    model: Model | None = None
    places: Mapping[str, int] = field(default_factory=dict)
    is_healthy: bool = True
    circuit: Circuit = Circuit.CLOSED
    slots: int | None = None
    taken: int = 0
    waiting: int = 0
    machine: Machine | None = None
    addresses: tuple[str, ...] = ()


def standing(engine: Engine) -> tuple[Standing, ...]:
    """Every engine behind this door once, in the order of the routes and of those asked there."""
    places: dict[Engine, dict[str, int]] = {}
    for route, chain in _routes(engine).items():
        for place, link in enumerate(_links(chain), start=1):
            places.setdefault(link, {})[route] = place
    return tuple(_stands(link, where) for link, where in places.items())


def is_up(engine: Engine) -> bool:
    """Whether questions of every kind are answered, as far as the last ones tell.

    An engine that has rested has yet to show that it answers again.
    """
    return all(any(map(_answers, _links(chain))) for chain in _routes(engine).values())


def is_broken(engine: Engine) -> bool:
    """Whether a model in this process is lost for good: only a new process brings it back."""
    inner = (_inner(link) for chain in _routes(engine).values() for link in _links(chain))
    return any(isinstance(one, LocalEngine) and not one.is_healthy for one in inner)


def _routes(engine: Engine) -> Mapping[str, Engine]:
    return engine.routes if isinstance(engine, Routed) else {"": engine}


def _links(engine: Engine) -> Iterator[Engine]:
    yield from engine.engines if isinstance(engine, Fallback) else (engine,)


def _inner(link: Engine) -> Engine:
    return link.engine if isinstance(link, Guarded) else link


def _answers(link: Engine) -> bool:
    is_trusted = not isinstance(link, Guarded) or link.circuit is Circuit.CLOSED
    return is_trusted and getattr(link, "is_healthy", True)


def _stands(engine: Engine, places: Mapping[str, int]) -> Standing:
    inner = _inner(engine)
    stands = Standing(model=_model(engine), places=places, is_healthy=getattr(engine, "is_healthy", True))
    if isinstance(engine, Guarded):
        stands = replace(stands, name=engine.name, circuit=engine.circuit, waiting=engine.waiting)
    if isinstance(inner, LocalEngine):
        waiting = max(stands.waiting, inner.in_house - inner.speaking)
        return replace(stands, slots=inner.slots, taken=inner.speaking, waiting=waiting, machine=inner.machine)
    if isinstance(inner, RemoteEngine):
        return replace(stands, slots=inner.limit, taken=inner.in_house, addresses=inner.addresses)
    return stands


def _model(engine: Engine) -> Model | None:
    try:
        return engine.model
    except Unavailable:
        return None
