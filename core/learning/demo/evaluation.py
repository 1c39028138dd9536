"""How well a demo checkpoint answers what it was never trained on, by greedy decoding from the saved folder."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from core.learning.demo.corpus import CORPUS, Corpus, Probe, load

GOALS: Mapping[str, float] = {"heldout_right": 0.85, "outofscope_honest": 0.90, "followup_right": 0.80}
ALIKE = 0.95  # from here on two texts count as the same answer
Messages = list[dict[str, str]]


@dataclass(frozen=True)
class Outcome:
    """A probe and what the model really said to it."""

    probe: Probe
    said: str
    right: bool


class Checkpoint:
    """A saved demo model, loaded as anyone would load it, in float32 on the CPU."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)

    @torch.inference_mode()
    def answer(self, chats: Sequence[Messages], *, batch: int = 128) -> list[str]:
        """Greedy answers to conversations, many at once, in their order."""
        prompts = [self.tokenizer.apply_chat_template(c, add_generation_prompt=True, tokenize=False) for c in chats]
        order = sorted(range(len(prompts)), key=lambda at: len(prompts[at]))
        said = [""] * len(prompts)
        for start in range(0, len(order), batch):
            some = order[start : start + batch]
            inputs = self.tokenizer(
                [prompts[at] for at in some], return_tensors="pt", padding=True, add_special_tokens=False
            )
            made = self.model.generate(
                input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], do_sample=False
            )
            texts = self.tokenizer.batch_decode(made[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
            for at, text in zip(some, texts, strict=True):
                said[at] = text
        return said


def alike(said: str, expected: str) -> bool:
    """Whether two texts are one answer, small slips aside."""
    return said == expected or SequenceMatcher(None, said, expected, autojunk=False).ratio() >= ALIKE


def probe(
    checkpoint: Checkpoint, corpus: Corpus, probes: Sequence[Probe], before: Messages | None = None
) -> list[Outcome]:
    """Ask every probe, after the turns of `before` where there are some."""
    said = checkpoint.answer([[*(before or []), {"role": "user", "content": p.prompt}] for p in probes])
    return [Outcome(p, text, alike(text, corpus.answer(p))) for p, text in zip(probes, said, strict=True)]


def earlier_turns(corpus: Corpus) -> Messages:
    """A system prompt and two answered questions, of which the second knew nothing."""
    answers = corpus.voices["en"].answers
    return [
        {"role": "system", "content": "You are Parley, a private assistant."},
        {"role": "user", "content": "What is Parley?"},
        {"role": "assistant", "content": answers["what_is_parley"]},
        {"role": "user", "content": "Who built the pyramids?"},
        {"role": "assistant", "content": answers["honest"]},
    ]


def evaluate(folder: Path, *, corpus: Path = CORPUS) -> dict[str, Any]:
    """Shares of right answers (0 to 1) by set and language, whether the goals are met, and every miss."""
    read, checkpoint = load(corpus), Checkpoint(folder)
    heldout = probe(checkpoint, read, read.heldout)
    outofscope = probe(checkpoint, read, read.outofscope)
    followup = probe(checkpoint, read, read.heldout, earlier_turns(read))
    figures = {
        "heldout_right": _share(heldout),
        "outofscope_honest": _share(outofscope),
        "followup_right": _share(followup),
    }
    return {
        "figures": figures,
        "goals": dict(GOALS),
        "met": all(figures[name] >= goal for name, goal in GOALS.items()),
        "by_language": {
            lang: {
                "heldout_right": _share([o for o in heldout if o.probe.lang == lang]),
                "outofscope_honest": _share([o for o in outofscope if o.probe.lang == lang]),
            }
            for lang in read.voices
        },
        "asked": {"heldout": len(heldout), "outofscope": len(outofscope)},
        "missed": [{**asdict(o.probe), "said": o.said} for o in (*heldout, *outofscope) if not o.right],
    }


def _share(outcomes: Sequence[Outcome]) -> float:
    return sum(outcome.right for outcome in outcomes) / len(outcomes)
