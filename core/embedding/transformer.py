"""An embedder of sentence-transformers, by its folder or hub id, run on the processor by transformers."""

import asyncio
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from transformers import AutoModel, AutoTokenizer
from transformers.utils.hub import cached_file

from core.errors import Misconfigured, Refused

UNKNOWN = 0.1  # the share of a text's tokens that it does not know, from which on its vector says nothing of the text
_LONGEST = 512  # tokens
_POOLING = "1_Pooling/config.json"


class TransformerEmbedder:
    """`ports.Embedder` of any such model with a tokenizer and safetensors. One text at a time is read at once."""

    def __init__(self, source: str) -> None:
        """Loads it; blocks. Raises Misconfigured with what to do."""
        try:
            self._tokenizer: Any = AutoTokenizer.from_pretrained(source)
            self._network: Any = AutoModel.from_pretrained(source, use_safetensors=True, dtype=torch.float32).eval()
            pooling = _pooling(source)
        except (OSError, ValueError, ImportError, RuntimeError, KeyError) as error:
            raise Misconfigured(
                f"The embedder {source} could not be loaded ({type(error).__name__}). Name a folder with config.json, "
                "tokenizer.json and *.safetensors, or the hub id of one that was pulled before; or set cache.embedder "
                "to ngrams."
            ) from error
        self._takes_first = bool(pooling.get("pooling_mode_cls_token"))
        self._longest = min(_LONGEST, self._tokenizer.model_max_length, self._network.config.max_position_embeddings)
        revision = getattr(self._network.config, "_commit_hash", None) or _fingerprint(Path(source))
        self.name = f"{Path(source).name}@{revision[:8]}"
        self.dimension = int(self._network.config.hidden_size)
        self._lock = Lock()

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """Unit vectors; raises Refused where more than a tenth of a text's tokens are unknown, or it is too long."""
        return await asyncio.to_thread(lambda: [self._vector(text) for text in texts])

    def _vector(self, text: str) -> list[float]:
        with self._lock, torch.inference_mode():
            encoded = self._tokenizer(text, return_tensors="pt")
            self._check(encoded["input_ids"][0].tolist())
            states = self._network(**encoded).last_hidden_state[0]
            mask = encoded["attention_mask"][0].unsqueeze(-1)
            pooled = states[0] if self._takes_first else (states * mask).sum(0) / mask.sum(0)
            return list(torch.nn.functional.normalize(pooled, dim=0).tolist())

    def _check(self, tokens: list[int]) -> None:
        special = set(self._tokenizer.all_special_ids) - {self._tokenizer.unk_token_id}
        read = [token for token in tokens if token not in special]
        unknown = read.count(self._tokenizer.unk_token_id)
        if not read or len(tokens) > self._longest or unknown > UNKNOWN * len(read):
            raise Refused("this embedder does not know the words.")


def _pooling(source: str) -> dict[str, Any]:
    """How the vectors of the tokens become one; the mean where nothing says so."""
    file = cached_file(
        source, _POOLING, _raise_exceptions_for_missing_entries=False, _raise_exceptions_for_connection_errors=False
    )
    return dict(json.loads(Path(file).read_text(encoding="utf-8"))) if file else {}


def _fingerprint(folder: Path) -> str:
    """Of a folder: the sizes of its weights and the start of them."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        digest.update(f"{path.name}:{path.stat().st_size}:".encode())
        with path.open("rb") as file:
            digest.update(file.read(2**20))
            file.seek(-min(2**20, path.stat().st_size), 2)
            digest.update(file.read())
    return digest.hexdigest()
