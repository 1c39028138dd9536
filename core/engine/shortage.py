"""Whether an error says that memory is short: each allocator has its own way to say it."""

import torch

_WORDS = ("allocate memory", "out of memory", "alloc_failed")


def is_short_of_memory(error: Exception) -> bool:
    """Also for the processor's allocator, which raises a plain RuntimeError, and for CUDA's libraries."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error).lower() for word in _WORDS)
