"""What each family of models wants that its own files do not say."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Family:
    """A family is known by what stands in its chat template: all of `known_by`, after the prompt's end `opens`.

    `types` are the architectures it has, all where none is named. `takes_system` is False where its makers advise
    against a system prompt: it then stands before the first question. `brings_system` is True where the template has a
    system prompt of its own, which ours must replace even when it is empty; `after_system` is what a system prompt
    must end with. `marks` are words in plain text by which it tells the speakers apart, `ends` tokens that end an
    answer.
    """

    name: str
    known_by: tuple[str, ...]
    types: tuple[str, ...] = ()
    opens: bool = False
    takes_system: bool = True
    brings_system: bool = False
    after_system: str = ""
    marks: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()


_SPOKEN = ("\n\nUser:", "\n\nAssistant:")

# The first one that fits; sources are the model cards.
FAMILIES = (
    # R1 and its distillations of January 2025: "Avoid adding a system prompt", and their template opens the reasoning.
    # R1-0528 and what was distilled from it take a system prompt and open their reasoning themselves: they are plain.
    Family("r1", ("<｜Assistant｜>",), opens=True, takes_system=False),
    # Trained without system prompts. DeepSeek V2 speaks the same way, and takes one.
    Family("llm-chat", ("User: ", "Assistant:"), types=("llama",), takes_system=False, marks=_SPOKEN),
    Family("v2-chat", ("User: ", "Assistant:"), marks=_SPOKEN),
    # The template's own system prompt refuses whatever is not computer science.
    Family(
        "coder",
        ("### Instruction:", "### Response:"),
        brings_system=True,
        after_system="\n",
        marks=("\n### Instruction:", "\n### Response:"),
        ends=("<|EOT|>",),
    ),
)

PLAIN = Family("plain", ())


def family_of(template: str, model_type: str, opens_reasoning: bool) -> Family:
    """The family of a chat template; `model_type` as in config.json, "" where it is not known."""

    def fits(family: Family) -> bool:
        is_type = not family.types or model_type in family.types
        return is_type and all(mark in template for mark in family.known_by) and (opens_reasoning or not family.opens)

    return next(filter(fits, FAMILIES), PLAIN)
