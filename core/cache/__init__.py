"""The answer cache: what was asked and answered before is answered at once, where it is safe."""

from core.cache.cache import LIFETIME, AnswerCache
from core.cache.near import COSINE, Near

__all__ = ["COSINE", "LIFETIME", "AnswerCache", "Near"]
