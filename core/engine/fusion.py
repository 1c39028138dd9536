"""Small operations as one GPU kernel each: compiled once, used by all layers and all shapes."""

import logging
import sys
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

import torch

from core.errors import trace

log = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")


class Fused(Generic[P, R]):
    """A function of tensors, compiled where its first argument is on a GPU; everywhere else it is the function itself.

    Compiling the whole model would spare a few kernels more, and take minutes at every first start.
    """

    def __init__(self, function: Callable[P, R]) -> None:
        self.plain = function
        self._compiled: Callable[P, R] | None = None
        self._is_off = False

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        tensor: Any = args[0]
        if self._is_off or not tensor.is_cuda:
            return self.plain(*args, **kwargs)
        try:
            # Only now: the compiler takes a second and 100 MB to be imported.
            self._compiled = self._compiled or torch.compile(self.plain, dynamic=True)
            return self._compiled(*args, **kwargs)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            log.warning("%s cannot be compiled here, and runs slower: %s", self.plain.__name__, trace(error))
            self._is_off = True
            return self.plain(*args, **kwargs)


def fuse_rotation(network: Any) -> None:
    """The library turns queries and keys in ten small steps, in a function beside each family's model."""
    family: Any = sys.modules[type(network).__module__]
    rotate = getattr(family, "apply_rotary_pos_emb", None)
    if rotate and not isinstance(rotate, Fused):
        family.apply_rotary_pos_emb = Fused(rotate)
