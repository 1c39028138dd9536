"""The demo model's tokenizer: byte-level BPE that never glues two Chinese characters together."""

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

BOS, EOS, PAD = "<|begin|>", "<|end|>", "<|pad|>"
SYSTEM, USER, ASSISTANT = "<|system|>", "<|user|>", "<|assistant|>"
SPECIALS = (PAD, BOS, EOS, SYSTEM, USER, ASSISTANT)
# Glued characters hide the one that matters in an unseen sentence, so each stands alone.
_CJK = r"[\u3000-\u303f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uff00-\uffef]"
CHAT_TEMPLATE = """\
{{ bos_token }}
{%- for message in messages -%}
    {%- if message['role'] == 'system' -%}
        {{ '<|system|>' + message['content'] | trim }}
    {%- elif message['role'] == 'user' -%}
        {{ '<|user|>' + message['content'] | trim }}
    {%- elif message['role'] == 'assistant' -%}
        {{ '<|assistant|>' + message['content'] | trim + eos_token }}
    {%- else -%}
        {{ raise_exception('Only the roles system, user and assistant are known, not ' + message['role']) }}
    {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{ '<|assistant|>' }}
{%- endif -%}
"""


def train_tokenizer(texts: Iterable[str], *, vocab_size: int, positions: int) -> PreTrainedTokenizerFast:
    """Learn the merges from texts and wrap them for transformers; `positions` is the longest sequence in tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(_CJK), behavior="isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=list(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        additional_special_tokens=[SYSTEM, USER, ASSISTANT],
        chat_template=CHAT_TEMPLATE,
        model_max_length=positions,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
