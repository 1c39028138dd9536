"""The bundled demo model: its corpus, how it is trained, and how well it answers."""

from core.learning.demo.evaluation import evaluate
from core.learning.demo.training import Report, train

__all__ = ["Report", "evaluate", "train"]
