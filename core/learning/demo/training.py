"""How the demo checkpoint is made: corpus → tokenizer → a small Llama, trained in float32 and saved in bfloat16."""

import math
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch.nn import functional
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from core.learning.demo.corpus import CORPUS, LANGUAGES, Corpus, load, refuse_leaks
from core.learning.demo.samples import Conversation, conversations
from core.learning.demo.tokenizer import ASSISTANT, BOS, EOS, SYSTEM, USER, train_tokenizer

IGNORED = -100
Progress = Callable[[float, str], None]  # the share that is done (0 to 1), and what is being done


@dataclass(frozen=True)
class Recipe:
    """Sizes and lengths of one training; the defaults make the bundled checkpoint."""

    seed: int = 20
    vocab: int = 3072
    hidden: int = 224
    layers: int = 4
    heads: int = 7
    inner: int = 576
    positions: int = 1024
    steps: int = 2200
    batch_tokens: int = 3072
    pool: int = 1024  # conversations that are sorted by length together
    rate: float = 3e-3
    muon_rate: float = 0.02
    warmup: int = 100
    decay: float = 0.05
    dropout: float = 0.1  # of BPE merges in questions: one word, seen in many pieces
    threads: int = 2


QUICK = Recipe(vocab=1200, hidden=64, layers=2, heads=2, inner=128, steps=12, batch_tokens=1024, pool=64, warmup=2)


@dataclass(frozen=True)
class Report:
    """What a training made and what it took."""

    folder: Path
    seconds: float
    steps: int
    questions: int
    tokens: int
    parameters: int
    megabytes: float
    loss: float


@dataclass(frozen=True)
class Encoded:
    """One training sequence; labels are IGNORED wherever the model is not the one who speaks."""

    ids: tuple[int, ...]
    labels: tuple[int, ...]


def train(
    out: Path,
    *,
    quick: bool = False,
    progress: Progress | None = None,
    recipe: Recipe | None = None,
    corpus: Path = CORPUS,
) -> Report:
    """Make the whole checkpoint in the folder `out`. `quick` only proves the pipeline: it learns nothing.

    Raises Leaked where a prompt of the held-out files is among the trained ones.
    """
    recipe = recipe or (QUICK if quick else Recipe())
    tell = progress or (lambda share, what: None)
    started = time.perf_counter()
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    read = load(corpus)
    refuse_leaks(read)
    tell(0.0, "tokenizer")
    tokenizer = train_tokenizer(_texts(read, recipe, quick), vocab_size=recipe.vocab, positions=recipe.positions)
    model = _model(recipe, tokenizer)
    encoder = Encoder(tokenizer, recipe.dropout)
    loss, questions, tokens = _fit(model, _batches(read, encoder, recipe), recipe, tell)
    tell(1.0, "saving")
    _save(model, tokenizer, recipe, out)
    return Report(
        folder=out,
        seconds=time.perf_counter() - started,
        steps=recipe.steps,
        questions=questions,
        tokens=tokens,
        parameters=model.num_parameters(),
        megabytes=(out / "model.safetensors").stat().st_size / 1e6,
        loss=loss,
    )


def _texts(corpus: Corpus, recipe: Recipe, quick: bool) -> Iterator[str]:
    """What the tokenizer learns from: questions as they will be typed, and every answer as often as it matters."""
    for conversation in islice(conversations(corpus, random.Random(recipe.seed)), 500 if quick else 12_000):
        for exchange in conversation.exchanges:
            yield exchange.question
    for lang in LANGUAGES:
        for answer in corpus.voices[lang].answers.values():
            yield from [answer] * 20
        yield from corpus.voices[lang].words["system"]


def _model(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.hidden,
        intermediate_size=recipe.inner,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        max_position_embeddings=recipe.positions,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    config.is_parley_demo = True  # the engine and the pages say so
    return LlamaForCausalLM(config)


class Encoder:
    """Conversations → token ids, with the same tokens around the parts as the chat template puts there."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, dropout: float) -> None:
        self._exact = tokenizer.backend_tokenizer
        self._loose = Tokenizer.from_str(self._exact.to_str())
        self._loose.model.dropout = dropout
        self._ids: Mapping[str, Any] = {
            token: self._exact.token_to_id(token) for token in (BOS, EOS, SYSTEM, USER, ASSISTANT)
        }

    def encode(self, conversation: Conversation) -> Encoded:
        """One training sequence; only the assistant's words and its end token are learned."""
        ids, labels = [self._ids[BOS]], [IGNORED]

        def put(part: list[int], *, learned: bool) -> None:
            ids.extend(part)
            labels.extend(part if learned else [IGNORED] * len(part))

        if conversation.system:
            put([self._ids[SYSTEM], *self._exact.encode(conversation.system).ids], learned=False)
        for exchange in conversation.exchanges:
            question = self._loose.encode(exchange.question.strip()).ids
            put([self._ids[USER], *question, self._ids[ASSISTANT]], learned=False)
            answer = [*self._exact.encode(exchange.answer).ids, self._ids[EOS]]
            put(answer[: exchange.cut], learned=True)
        return Encoded(tuple(ids), tuple(labels))


Batch = tuple[torch.Tensor, torch.Tensor, int]


def _batches(corpus: Corpus, encoder: Encoder, recipe: Recipe) -> Iterator[Batch]:
    """Endless (ids, labels, questions) batches of sequences of like length, both tensors [rows, tokens]."""
    rng = random.Random(recipe.seed + 1)
    source = conversations(corpus, rng)
    while True:
        pool = list(islice(source, recipe.pool))
        encoded = sorted(((encoder.encode(c), len(c.exchanges)) for c in pool), key=lambda pair: len(pair[0].ids))
        rows: list[list[tuple[Encoded, int]]] = [[]]
        for pair in encoded:
            if (len(rows[-1]) + 1) * len(pair[0].ids) > recipe.batch_tokens and rows[-1]:
                rows.append([])
            rows[-1].append(pair)
        rng.shuffle(rows)
        for row in rows:
            yield *_padded([e for e, _ in row]), sum(n for _, n in row)


def _padded(rows: list[Encoded]) -> tuple[torch.Tensor, torch.Tensor]:
    """Padded at the right end, where a causal model never looks: no mask is needed."""
    width = max(len(row.ids) for row in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    labels = torch.full((len(rows), width), IGNORED)
    for at, row in enumerate(rows):
        ids[at, : len(row.ids)] = torch.tensor(row.ids)
        labels[at, : len(row.labels)] = torch.tensor(row.labels)
    return ids, labels


def _fit(model: LlamaForCausalLM, batches: Iterator[Batch], recipe: Recipe, tell: Progress) -> tuple[float, int, int]:
    """Train in place. Returns the loss of the last steps, the questions and the tokens seen."""
    model.train()
    optimizers = _optimizers(model, recipe)
    schedules = [torch.optim.lr_scheduler.LambdaLR(each, lambda step: _rate(step, recipe)) for each in optimizers]
    smooth, questions, tokens = 0.0, 0, 0
    for step, (ids, labels, asked) in enumerate(islice(batches, recipe.steps), start=1):
        loss = _loss(model, ids, labels)
        model.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            schedule.step()
        smooth = loss.item() if step == 1 else 0.97 * smooth + 0.03 * loss.item()
        questions, tokens = questions + asked, tokens + ids.numel()
        tell(step / recipe.steps, f"{step}/{recipe.steps}, loss {smooth:.3f}")
    return smooth, questions, tokens


def _loss(model: LlamaForCausalLM, ids: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean over the learned tokens; the head runs on these alone, which saves half of its work."""
    hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
    wanted = labels[:, 1:]
    learned = wanted != IGNORED
    return functional.cross_entropy(model.lm_head(hidden[learned]), wanted[learned])


def _optimizers(model: LlamaForCausalLM, recipe: Recipe) -> tuple[torch.optim.Optimizer, ...]:
    """Muon for the matrices within the layers, AdamW for embeddings and norms: fewer steps to the same loss."""
    within = [p for name, p in model.named_parameters() if p.ndim > 1 and "embed" not in name]
    around = [p for name, p in model.named_parameters() if p.ndim <= 1 or "embed" in name]
    return (
        torch.optim.Muon(within, lr=recipe.muon_rate, momentum=0.95, weight_decay=recipe.decay),
        torch.optim.AdamW(around, lr=recipe.rate, betas=(0.9, 0.98), eps=1e-8, weight_decay=0.0),
    )


def _rate(step: int, recipe: Recipe) -> float:
    """Linear warm-up, then half a cosine down to 2 % of the peak."""
    if step < recipe.warmup:
        return (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def _save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, recipe: Recipe, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        do_sample=False,
        max_new_tokens=320,
    )
    torch.nn.Module.bfloat16(model)
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    (out / "model.safetensors").chmod(0o644)  # the library writes it for its owner alone
