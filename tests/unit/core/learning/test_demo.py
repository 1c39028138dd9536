"""The demo model: its corpus is whole, its tokenizer loses nothing, and the bundled checkpoint answers."""

import random
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from core.engine import demo_folder
from core.learning.demo import train
from core.learning.demo.corpus import (
    HONEST,
    LANGUAGES,
    Corpus,
    Leaked,
    Probe,
    canonical,
    load,
    refuse_leaks,
    spelled_out,
)
from core.learning.demo.evaluation import Checkpoint, alike
from core.learning.demo.noise import hurried, slip
from core.learning.demo.phrases import expand, parse
from core.learning.demo.samples import conversations
from core.learning.demo.tokenizer import ASSISTANT, BOS, EOS, SPECIALS


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return load()


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(demo_folder())


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return Checkpoint(demo_folder())


def test_a_pattern_offers_each_of_its_alternatives():
    pattern = parse("(how|where) is (the |)<thing>")
    said = {expand(pattern, {"thing": ("key",)}, random.Random(seed)) for seed in range(60)}
    assert said == {"how is the key", "how is key", "where is the key", "where is key"}


@pytest.mark.parametrize("broken", ["(a|b", "a)b", "((a)"])
def test_a_pattern_with_a_lonely_parenthesis_is_refused(broken):
    with pytest.raises(ValueError, match="parenthesis"):
        parse(broken)


def test_every_fact_has_answers_and_questions_in_both_languages(corpus):
    assert len(corpus.facts) >= 35
    for lang in LANGUAGES:
        voice = corpus.voices[lang]
        assert set(voice.questions) == set(corpus.facts)
        assert set(voice.answers) == {*corpus.facts, HONEST}
        assert len(set(voice.answers.values())) == len(voice.answers), "two facts with one answer"
        assert all(voice.questions.values())
        assert all(answer == answer.strip() for answer in voice.answers.values())


def test_every_word_list_that_a_pattern_names_exists(corpus):
    rng = random.Random(1)
    for voice in corpus.voices.values():
        words = {**voice.words, "number": ("7",)}
        for patterns in (*voice.questions.values(), voice.strangers):
            for pattern in patterns:
                for _ in range(20):
                    expand(pattern, words, rng)


def test_hardly_any_wording_leads_to_two_facts(corpus):
    rng = random.Random(2)
    for voice in corpus.voices.values():
        leads_to: dict[str, set[str]] = {}
        for fact, patterns in voice.questions.items():
            for phrase in (expand(pattern, voice.words, rng) for pattern in patterns for _ in range(20)):
                leads_to.setdefault(canonical(phrase), set()).add(fact)
        torn = [phrase for phrase, facts in leads_to.items() if len(facts) > 1]
        assert len(torn) <= len(leads_to) / 1000, torn


def test_the_held_out_sets_are_large_and_bilingual(corpus):
    for probes, least in ((corpus.heldout, 60), (corpus.outofscope, 40)):
        assert len({canonical(p.prompt) for p in probes}) == len(probes) >= least
        assert sum(p.lang == "zh" for p in probes) >= 0.45 * len(probes)
    assert {p.fact for p in corpus.heldout} == set(corpus.facts)


@pytest.mark.slow
def test_no_training_pattern_can_spell_a_held_out_prompt(corpus):
    assert spelled_out(corpus, (*corpus.heldout, *corpus.outofscope)) == []


def test_training_is_refused_once_a_held_out_prompt_leaks(corpus):
    voice = corpus.voices["en"]
    few = replace(voice, questions={"what_is_parley": voice.questions["what_is_parley"]}, strangers=())
    probes = (Probe("en", "Is it going to rain?", HONEST), Probe("en", "Please, what is PARLEY??", "what_is_parley"))
    leaky = replace(corpus, voices={"en": few}, heldout=probes, outofscope=())
    with pytest.raises(Leaked, match="spell 1 held-out prompt"):
        refuse_leaks(leaky)


def test_training_conversations_contain_no_held_out_prompt(corpus):
    some = islice(conversations(corpus, random.Random(7)), 3000)
    asked = {canonical(exchange.question) for conversation in some for exchange in conversation.exchanges}
    assert len(asked) > 3000
    assert not asked & corpus.never_trained


def test_the_same_seed_makes_the_same_conversations(corpus):
    first, second = (list(islice(conversations(corpus, random.Random(3)), 50)) for _ in range(2))
    assert first == second


@given(st.text(min_size=1, max_size=40), st.sampled_from(LANGUAGES), st.integers(0, 1000))
def test_a_slip_of_the_finger_changes_little(corpus, text, lang, seed):
    rng = random.Random(seed)
    assert abs(len(slip(text, lang, rng)) - len(text)) <= 1
    assert hurried(text, lang, corpus.voices[lang], rng)


@given(text=st.text(max_size=80))
@settings(deadline=None, max_examples=300)
def test_the_tokenizer_gives_back_any_text(tokenizer, text):
    if any(special in text for special in SPECIALS):
        return
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def test_two_chinese_characters_never_share_a_token(tokenizer):
    text = "怎么连接企业微信，谢谢你！"
    for token in tokenizer.encode(text, add_special_tokens=False):
        assert len(tokenizer.decode([token]).replace("\ufffd", "")) <= 1


def test_the_template_renders_turns_with_a_single_beginning(tokenizer):
    chat = [
        {"role": "system", "content": "You are Parley."},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": "What is Parley? "},
    ]
    text = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    assert text == (
        "<|begin|><|system|>You are Parley.<|user|>hi<|assistant|>Hello!<|end|><|user|>What is Parley?<|assistant|>"
    )
    begin, end, assistant = (tokenizer.convert_tokens_to_ids(token) for token in (BOS, EOS, ASSISTANT))
    direct = tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=True, return_dict=False)
    assert direct == tokenizer.encode(text)
    assert (direct.count(begin), direct.count(end), direct[-1]) == (1, 1, assistant)
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id) == (begin, end)


def test_the_checkpoint_is_small_and_knows_where_to_end(checkpoint):
    folder = demo_folder()
    assert (folder / "model.safetensors").stat().st_size <= 8_000_000
    for config in (checkpoint.model.config, checkpoint.model.generation_config):
        assert config.eos_token_id == checkpoint.tokenizer.eos_token_id
        assert config.bos_token_id == checkpoint.tokenizer.bos_token_id
        assert config.pad_token_id == checkpoint.tokenizer.pad_token_id
    assert checkpoint.model.config.architectures == ["LlamaForCausalLM"]


@pytest.mark.parametrize("prompt", ["What is Parley?", "what is parley", "Parley 是什么？", "What is Parley? "])
def test_what_is_parley_is_answered_with_and_without_a_system_prompt(checkpoint, corpus, prompt):
    expected = corpus.voices["zh" if "是" in prompt else "en"].answers["what_is_parley"]
    asked = {"role": "user", "content": prompt}
    plain = [asked]
    within = [{"role": "system", "content": "You are Parley, a private assistant. Answer briefly and honestly."}, asked]
    assert checkpoint.answer([plain, within]) == [expected, expected]


def test_answers_are_alike_up_to_small_slips():
    assert alike("Type `/reset` and start afresh.", "Type `/reset` and start anew.") is False
    assert alike("Nothing leaves the house.", "Nothing leaves the house")
    assert not alike("Nothing leaves the house.", "I am the small demo model.")


@pytest.mark.slow
def test_a_quick_training_runs_from_corpus_to_checkpoint(tmp_path: Path):
    seen: list[tuple[float, str]] = []
    report = train(tmp_path / "model", quick=True, progress=lambda share, what: seen.append((share, what)))
    assert [share for share, _ in seen] == sorted(share for share, _ in seen)
    assert (seen[0], seen[-1]) == ((0.0, "tokenizer"), (1.0, "saving"))
    assert len(seen) == report.steps + 2
    assert report.megabytes < 1
    assert report.seconds > 0
    made = Checkpoint(report.folder)
    made.model.generation_config.max_new_tokens = 4
    assert len(made.answer([[{"role": "user", "content": "你好"}]])) == 1


@pytest.mark.parametrize("before", [None, "what_is_parley", "greeting"])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_what_everybody_asks_first_is_answered_wherever_it_comes(checkpoint, corpus, lang, before):
    asked = {
        "en": {
            "Hello": "greeting",
            "What is Parley?": "what_is_parley",
            "How does Parley work?": "how_it_works",
            "How do I connect Slack?": "connect_slack",
            "Which commands are there?": "commands",
            "How do I load a real DeepSeek model?": "load_model",
            "Thank you": "thanks",
            "Tell me a joke": HONEST,
        },
        "zh": {
            "你好": "greeting",
            "Parley 是什么？": "what_is_parley",
            "Parley 是怎么工作的？": "how_it_works",
            "怎么接入 Slack？": "connect_slack",
            "有哪些命令？": "commands",
            "怎么加载真正的 DeepSeek 模型？": "load_model",
            "谢谢": "thanks",
            "今天天气怎么样？": HONEST,
        },
    }[lang]
    answers = corpus.voices[lang].answers
    earlier = []
    if before:
        question = next(prompt for prompt, fact in asked.items() if fact == before)
        earlier = [{"role": "user", "content": question}, {"role": "assistant", "content": answers[before]}]
    said = checkpoint.answer([[*earlier, {"role": "user", "content": prompt}] for prompt in asked])
    assert said == [answers[fact] for fact in asked.values()]
