"""A tiny model that was taught to call a tool where one is offered, in the form of either family.

The templates are our own, with the instructions cut short: what a call looks like is the makers'.
"""

from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GenerationConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from core.engine.prompt import Prompts
from core.turn import Tool, Utterance
from tests.fakes.tiny import CORPUS, SPECIAL, tiny_network

WEATHER = Tool("weather", "Tells the weather.", {"type": "object", "properties": {"city": {"type": "string"}}})
ARGUMENTS = '{"city": "Tokyo"}'

_BEGIN = "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>"
_SEPARATOR = "<｜tool▁sep｜>"
_END = "<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
_TURNS = (
    "{% for m in messages if m.role != 'system' %}<|{{ m.role }}|>{{ m.content }}"
    "{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_SYSTEM = "{{ bos_token }}<|system|>{% for m in messages if m.role == 'system' %}{{ m.content }}{% endfor %}"
_TOOLS = "{% if tools %} tools{% for tool in tools %} {{ tool | tojson }}{% endfor %} call: "

TEMPLATES = {
    "qwen": _SYSTEM + _TOOLS + '<tool_call> {"name": "arguments"} </tool_call>{% endif %}' + _TURNS,
    "deepseek-v3": _SYSTEM + _TOOLS + f"{_BEGIN}function{_SEPARATOR}{_END}{{% endif %}}" + _TURNS,
    "deepseek-v3.1": _SYSTEM + _TOOLS + f"{_BEGIN}{_SEPARATOR}{_END}{{% endif %}}" + _TURNS,
}
CALLS = {
    "qwen": f'<tool_call>\n{{"name": "weather", "arguments": {ARGUMENTS}}}\n</tool_call>',
    "deepseek-v3": f"{_BEGIN}function{_SEPARATOR}weather\n```json\n{ARGUMENTS}\n```{_END}",
    "deepseek-v3.1": f"{_BEGIN}weather{_SEPARATOR}{ARGUMENTS}{_END}",
}
# Qwen's marks are added tokens that a decoder shows, the other ones are special here.
_MARKS = {
    "qwen": [AddedToken(mark, special=False) for mark in ("<tool_call>", "</tool_call>")],
    "deepseek-v3": [
        AddedToken(f"{mark}｜>", special=True)
        for mark in (*_BEGIN.split("｜>")[:2], "<｜tool▁sep", *_END.split("｜>")[:2])
    ],
}
_MARKS["deepseek-v3.1"] = _MARKS["deepseek-v3"]

_QUESTIONS = (
    "What is the weather like today in the browser, in the quick brown fox and in the lazy dog?",
    "Hello! What is the weather?",
    "weather today",
    "你好！今天天气怎么样？",
)


def caller_tokenizer(form: str) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split("\n", "isolated"), pre_tokenizers.Metaspace()]
    )
    tokenizer.decoder = decoders.Metaspace()
    parameters = str(WEATHER.parameters).replace("'", '"')
    corpus = [*CORPUS, CALLS[form], ARGUMENTS, '"name": "description": "parameters": "function"', parameters]
    tokenizer.train_from_iterator(corpus * 8, trainers.BpeTrainer(vocab_size=480, special_tokens=SPECIAL))
    tokenizer.add_tokens(_MARKS[form])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        chat_template=TEMPLATES[form],
    )


def save_caller(folder: Path, form: str = "qwen") -> Path:
    """Takes some seconds. Where no tool is offered it says the sentences of the corpus."""
    tokenizer = caller_tokenizer(form)
    network = tiny_network(len(tokenizer), initializer_range=0.1)
    _teach(network, tokenizer, CALLS[form])
    network.generation_config = GenerationConfig(bos_token_id=0, eos_token_id=[1], pad_token_id=1)
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _teach(network: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, call: str, enough: float = 0.02) -> None:
    lessons = _lessons(tokenizer, call)
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(300):
        optimizer.zero_grad()
        losses = [network(torch.tensor([ids]), labels=torch.tensor([labels])).loss for ids, labels in lessons]
        torch.stack(losses).sum().backward()
        optimizer.step()
        if all(loss.item() < enough for loss in losses):
            network.eval()
            return
    raise AssertionError("the tiny model has not learnt to call")


def _lessons(tokenizer: PreTrainedTokenizerFast, call: str) -> list[tuple[list[int], list[int]]]:
    """What is read, and what is to be said: -100 where nothing is."""
    prompts, lessons = Prompts(tokenizer), []
    sentences = " ".join(CORPUS)
    for question in _QUESTIONS:
        for system, tools, answer in (("Be brief.", (WEATHER,), call), ("Be brief.", (), sentences)):
            prompt = prompts.ids((Utterance("system", system), Utterance("user", question)), tools)
            said = [*tokenizer(answer, add_special_tokens=False).input_ids, 1]
            lessons.append((prompt + said, [-100] * len(prompt) + said))
    return lessons
