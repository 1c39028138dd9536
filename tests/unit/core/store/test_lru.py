"""A memory with a bound."""

from core.store.lru import Lru


def test_what_was_used_longest_ago_is_forgotten_first():
    memory: Lru[str, int] = Lru(2)
    memory.put("a", 1)
    memory.put("b", 2)
    assert memory.get("a") == 1
    memory.put("c", 3)
    assert (memory.get("a"), memory.get("b"), memory.get("c")) == (1, None, 3)


def test_its_weight_never_passes_its_bound():
    memory: Lru[int, bytes] = Lru(100)
    for number in range(1000):
        memory.put(number % 7, b"", number % 40)
        assert sum(weight for _, weight in memory._entries.values()) == memory._weight <= 100


def test_what_is_too_heavy_is_not_kept():
    memory: Lru[str, int] = Lru(10)
    memory.put("a", 1, 5)
    memory.put("a", 2, 11)
    assert memory.get("a") is None
    assert len(memory) == 0
