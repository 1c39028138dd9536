"""Texts as vectors, so that similar ones can be found: a small model of our own, or any of sentence-transformers."""

from core.embedding.ngrams import NgramEmbedder

__all__ = ["NgramEmbedder"]
