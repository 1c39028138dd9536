"""The vectors of kept answers in memory, one index per shelf: answers are only ever looked for on their own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import faiss
import numpy as np

from core.ports import Shelved


@dataclass(slots=True)
class _Shelf:
    """An exact inner-product index with ids of our own: removing one moves the rows of all behind it."""

    index: Any
    places: dict[int, Shelved] = field(default_factory=dict)


class Shelves:
    """Not for several threads at once. Vectors are of unit length, so that inner products are cosines."""

    def __init__(self, dimension: int) -> None:
        self._dimension = dimension
        self._shelves: dict[str, _Shelf] = {}
        self._ids: dict[str, tuple[str, int]] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._ids)

    def add(self, places: Iterable[Shelved]) -> None:
        """Adds those that are not there; what has a vector of another length is none of ours."""
        by_shelf: dict[str, list[Shelved]] = {}
        for place in places:
            if place.key not in self._ids and len(place.vector) == self._dimension:
                self._next += 1
                self._ids[place.key] = place.shelf, self._next
                by_shelf.setdefault(place.shelf, []).append(place)
        for name, added in by_shelf.items():
            self._put(name, added)

    def _put(self, name: str, added: Sequence[Shelved]) -> None:
        shelf = self._shelves.get(name)
        if shelf is None:
            shelf = self._shelves[name] = _Shelf(faiss.IndexIDMap2(faiss.IndexFlatIP(self._dimension)))
        ids = [self._ids[place.key][1] for place in added]
        shelf.index.add_with_ids(_matrix([place.vector for place in added]), np.array(ids, dtype=np.int64))
        shelf.places.update((id_, replace(place, vector=())) for id_, place in zip(ids, added, strict=True))

    def search(self, name: str, vector: Sequence[float], k: int) -> list[tuple[float, Shelved]]:
        """Up to `k` places of this shelf with their cosines, the nearest first; they come without their vectors."""
        shelf = self._shelves.get(name)
        if shelf is None:
            return []
        faiss.omp_set_num_threads(1)  # of this thread: for a single query, more of them mostly wait for each other
        cosines, ids = shelf.index.search(_matrix([vector]), k)
        found = zip(cosines[0], ids[0], strict=True)
        return [(float(cosine), shelf.places[int(id_)]) for cosine, id_ in found if id_ >= 0]

    def drop(self, key: str) -> None:
        if key in self._ids:
            name, id_ = self._ids[key]
            self._remove(name, [id_])

    def sweep(self, before: datetime) -> None:
        """Drops what was kept before this moment."""
        for name, shelf in list(self._shelves.items()):
            old = [id_ for id_, place in shelf.places.items() if place.kept_at < before]
            if old:
                self._remove(name, old)

    def _remove(self, name: str, ids: Sequence[int]) -> None:
        """All of them at once: each time, the rows behind what goes are moved."""
        shelf = self._shelves[name]
        shelf.index.remove_ids(np.array(ids, dtype=np.int64))
        for id_ in ids:
            del self._ids[shelf.places.pop(id_).key]
        if not shelf.places:
            del self._shelves[name]


def _matrix(vectors: Sequence[Sequence[float]]) -> Any:
    return np.array(vectors, dtype=np.float32)
