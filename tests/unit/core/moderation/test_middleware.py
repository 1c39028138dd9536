"""What a moderated turn asks, shows, keeps and counts."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Unavailable
from core.manuscript import Manuscript
from core.message import (
    Ask,
    Attachment,
    Chunk,
    Citation,
    Image,
    Reasoning,
    Replace,
    Reply,
    ReplyId,
    Screened,
    Source,
    Sources,
    Status,
    StatusKind,
    Text,
    Utterance,
    Verdict,
    Written,
)
from core.moderation import Action, Moderation, Rulebook
from core.moderation.middleware import Judge
from core.moderation.rulebook import compiled
from core.ports import Kept, State
from core.reading import ReadFile, Reading
from core.turn import Answer, Chunks, Turn
from tests.fakes.metrics import Numbers
from tests.fakes.store import MemoryStore, ReplyRow
from tests.store_moves import ROOM, add, message

FILE = """
- category: games
  names: {en: betting games, zh: 博彩}
  words: [zorbling, 赌博]
- category: secret
  action: mask
  words: [nightjar]
- category: gossip
  action: flag
  words: [gossip]
"""
RULES = compiled({"rules.yaml": FILE}, {})
WRITTEN = Written("echo@1")


class Answerer:
    """The rest of the line: says what it was told to, and remembers what it was asked and how it ended."""

    def __init__(self, *chunks: Chunk) -> None:
        self.chunks = chunks
        self.asked: list[Turn] = []
        self.said = 0
        self.is_closed = False

    def __call__(self, turn: Turn) -> Chunks:
        self.asked.append(turn)
        return self._answer()

    async def _answer(self) -> Chunks:
        try:
            for chunk in self.chunks:
                self.said += 1
                yield chunk
        finally:
            self.is_closed = True


class Jury:
    """A judge who flags what it is told to, and can be away."""

    def __init__(self, **flagged: str) -> None:
        self.flagged = flagged
        self.heard: list[str] = []
        self.is_away = False

    async def judge(self, texts: Sequence[str]) -> frozenset[str]:
        if self.is_away:
            raise Unavailable
        self.heard += texts
        return frozenset(c for word, c in self.flagged.items() for text in texts if word in text)


@pytest.fixture
def rules(tmp_path: Path) -> Rulebook:
    (tmp_path / "rules.yaml").write_text(FILE, encoding="utf-8")
    rulebook = Rulebook([tmp_path], {"mobile": Action.MASK})
    rulebook.load()
    return rulebook


class Stage:
    def __init__(self, rules: Rulebook) -> None:
        self.store, self.metrics, self.rules = MemoryStore(), Numbers(), rules

    def moderation(self, judge: Judge | None = None, *, fails_open: bool = False) -> Moderation:
        return Moderation(self.rules, self.store, self.metrics, judge=judge, fails_open=fails_open)

    async def run(
        self, turn: Turn, answer: Answer, judge: Judge | None = None, *, fails_open: bool = False
    ) -> list[Chunk]:
        asked = turn.message
        reply = Reply(id=turn.reply_id, thread=asked.thread, asker=asked.author, in_reply_to=asked.id)
        row = ReplyRow(1, reply, turn.reply_id, asked.return_address, asked.visibility)
        self.store.tables.replies[reply.id] = row  # it was begun
        return [chunk async for chunk in self.moderation(judge, fails_open=fails_open)(turn, answer)]

    async def kept(self) -> list[Kept]:
        async with self.store.unit() as unit:
            return list(await unit.incidents.newest(limit=10))


@pytest.fixture
def stage(rules: Rulebook) -> Stage:
    return Stage(rules)


def turn(text: str = "Hello", **more: object) -> Turn:
    said = {name: more.pop(name) for name in ("attachments",) if name in more}
    return replace(Turn(message=message(text, **said), reply_id=ReplyId("1" * 32)), **more)  # type: ignore[arg-type]


def manuscript(chunks: Sequence[Chunk]) -> Manuscript:
    written = Manuscript()
    for chunk in chunks:
        written.take(chunk)
    return written


def words(text: str, size: int = 3) -> list[Chunk]:
    return [Text(text[at : at + size]) for at in range(0, len(text), size)]


async def test_what_is_clean_passes_as_it_is(stage: Stage):
    answer = Answerer(Status(StatusKind.THINKING), *words("Hello to you, and good day"), WRITTEN)
    chunks = await stage.run(turn(), answer)
    written = manuscript(chunks)
    assert (written.text, written.written) == ("Hello to you, and good day", WRITTEN)
    assert chunks[0] == Status(StatusKind.THINKING)
    assert chunks[-1] == Screened(Verdict.CLEAN)
    assert written.state is State.DELIVERING
    assert not await stage.kept()


@pytest.mark.parametrize(
    "asked",
    [
        turn("Tell me of zorbling"),
        turn("Read this", reading=Reading(files=(ReadFile("a.txt", "all about z o r b l i n g"),))),
        turn("Read this", reading=Reading(files=(ReadFile("zorbling.txt", ""),))),
        turn("Look", attachments=(Attachment("1", "zorbling.png", "image/png"),)),
        turn("", attachments=(Attachment("1", "赌博.png", "image/png"),)),
    ],
)
async def test_a_question_that_may_not_be_asked_is_answered_by_nobody(stage: Stage, asked: Turn):
    answer = Answerer(Text("never"))
    written = manuscript(await stage.run(asked, answer))
    assert not answer.asked
    assert "betting games" in written.text
    assert "zorbling" not in written.text
    assert (written.state, written.source) == (State.REFUSED, Source.MODERATION)
    assert written.screened.categories == ("games",)


async def test_a_refusal_is_said_in_the_persons_language(stage: Stage):
    written = manuscript(await stage.run(turn("赌博", language="zh"), Answerer()))
    assert "博彩" in written.text
    assert "/appeal" in written.text


async def test_an_answer_that_may_not_be_shown_is_cut_off_and_taken_back(stage: Stage):
    answer = Answerer(*words("Well then, the zorbling of it all goes on and on. " * 3), WRITTEN)
    chunks = await stage.run(turn(), answer)
    shown = "".join(chunk.text for chunk in chunks if isinstance(chunk, Text))
    assert "Well then, the ".startswith(shown)
    assert shown
    assert isinstance(chunks[-2], Replace)
    assert "betting games" in chunks[-2].text
    assert answer.is_closed
    assert answer.said < len(answer.chunks)
    assert manuscript(chunks).state is State.REFUSED


@given(st.lists(st.integers(1, 30), min_size=1, max_size=30))
async def test_no_way_of_writing_it_shows_any_of_what_is_refused(sizes: list[int]):
    text, at, pieces = "Some say that 赌 * 博 is z0rb ling and zorbling, and no more.", 0, list[Chunk]()
    for size in sizes:
        pieces.append(Text(text[at : at + size]))
        at += size
    pieces.append(Text(text[at:]))
    rules = Rulebook([], {})
    rules.rules = RULES
    chunks = await Stage(rules).run(turn(), Answerer(*pieces))
    assert "Some say that ".startswith("".join(chunk.text for chunk in chunks if isinstance(chunk, Text)))
    assert manuscript(chunks).state is State.REFUSED


async def test_all_that_an_answer_has_is_looked_at(stage: Stage):
    for chunk in (
        Ask("1", "Shall I go zorbling?"),
        Image(b"", "image/png", "zorbling"),
        Sources((Citation("zorbling", "https://example.com"),)),
        Sources((Citation("", "https://example.com/zorbling"),)),
        Replace("zorbling", Source.ENGINE),
        Text("zorbling", Source.CACHE),
        Text("zorbling", Source.PLUGIN),
    ):
        written = manuscript(await stage.run(turn(), Answerer(Text("Fine. "), chunk, Text(" More."))))
        assert written.state is State.REFUSED, chunk
        assert not written.extras


async def test_nobody_is_asked_to_say_yes_to_what_is_masked(stage: Stage):
    written = manuscript(await stage.run(turn(), Answerer(Text("Well. "), Ask("1", "Shall I write to the nightjar?"))))
    assert written.state is State.REFUSED
    assert not written.extras
    assert "nightjar" not in written.text


async def test_extras_keep_their_place_among_the_words(stage: Stage):
    image, sources = Image(b"1", "image/png", "a cat"), Sources((Citation("T", "u"),))
    answer = Answerer(Text("One zorb"), image, Text(" two, "), Text("three", Source.PLUGIN), sources, Text("."))
    written = manuscript(await stage.run(turn(), answer))
    assert written.text == "One zorb two, three."
    assert [(placed.at, placed.extra) for placed in written.extras] == [(8, image), (19, sources)]


async def test_what_an_engine_takes_back_is_forgotten(stage: Stage):
    answer = Answerer(Text("The zor"), Replace("Never mind the b", Source.ENGINE), Text("ling, "), WRITTEN)
    written = manuscript(await stage.run(turn(), answer))
    assert written.text == "Never mind the bling, "
    assert written.state is State.DELIVERING


async def test_masks_stand_in_what_is_asked_shown_and_kept(stage: Stage):
    asked = turn("Call 13800138000 about the nightjar", reading=Reading(files=(ReadFile("n.txt", "13800138000"),)))
    await add(stage.store, asked.message)
    answer = Answerer(*words("I called 138 0013 8000 and the nightjar."), WRITTEN)
    written = manuscript(await stage.run(asked, answer))
    assert written.text == "I called [phone number] and the [secret]."
    assert written.screened.verdict is Verdict.MASKED
    (seen,) = answer.asked
    assert seen.message.text == "Call [phone number] about the [secret]"
    assert seen.reading.files[0].text == "[phone number]"
    async with stage.store.unit() as unit:
        assert await unit.threads.reading(ROOM, asked.message.id) == seen.reading
    assert "13800138000" not in str((stage.store.tables.messages, await stage.kept()))


async def test_what_others_said_before_is_left_out_and_no_reason_to_refuse(stage: Stage):
    earlier = (Utterance("user", "Let us go zorbling", "Bob"), Utterance("user", "or for a walk", "Ann"))
    answer = Answerer(Text("A walk."))
    written = manuscript(await stage.run(turn("Which?", reading=Reading(earlier=earlier)), answer))
    assert written.text == "A walk."
    assert [said.text for said in answer.asked[0].reading.earlier] == ["[betting games]", "or for a walk"]


async def test_a_thought_that_may_not_be_read_ends_there_and_the_answer_stands(stage: Stage):
    answer = Answerer(Reasoning("They mean zorb"), Reasoning("ling, surely"), Text("A fine sport."), WRITTEN)
    written = manuscript(await stage.run(turn(), answer))
    assert written.text == "A fine sport."
    assert written.thought == ""
    assert "zorbling" not in written.reasoning


async def test_a_clean_thought_is_kept(stage: Stage):
    written = manuscript(await stage.run(turn(), Answerer(Reasoning("Hm"), Reasoning(", well"), Text("Yes."), WRITTEN)))
    assert (written.thought, written.text) == ("Hm, well", "Yes.")


async def test_what_was_found_is_kept_and_counted(stage: Stage):
    asked = turn("Some gossip")
    await stage.run(asked, Answerer(Text("No zorbling, please")))
    refused, flagged = await stage.kept()
    assert (refused.incident.where, refused.incident.action, refused.incident.excerpt) == (
        "answer",
        "refuse",
        "zorbling",
    )
    assert (flagged.incident.where, flagged.incident.category) == ("question", "gossip")
    assert refused.asker == asked.message.author
    assert stage.metrics.counts["moderation_hits", "answer", "games", "refuse"] == 1


async def test_a_flag_changes_nothing_but_the_verdict(stage: Stage):
    written = manuscript(await stage.run(turn("Any gossip?"), Answerer(Text("None."), WRITTEN)))
    assert (written.text, written.screened.verdict) == ("None.", Verdict.FLAGGED)


async def test_a_rule_that_is_written_while_the_house_is_open_counts_from_then_on(
    stage: Stage, tmp_path: Path, monkeypatch
):
    monkeypatch.setattr("core.moderation.rulebook._LOOK_AGAIN", 0.0)
    assert manuscript(await stage.run(turn("quaffing"), Answerer(Text("a")))).state is State.DELIVERING
    (tmp_path / "more.yaml").write_text("category: drinks\nwords: [quaffing]\n", encoding="utf-8")
    assert manuscript(await stage.run(turn("quaffing"), Answerer(Text("a")))).state is State.REFUSED


async def test_a_file_that_becomes_wrong_leaves_the_rules_as_they_were(
    stage: Stage, tmp_path: Path, monkeypatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr("core.moderation.rulebook._LOOK_AGAIN", 0.0)
    (tmp_path / "rules.yaml").write_text("category: [", encoding="utf-8")
    assert manuscript(await stage.run(turn("zorbling"), Answerer(Text("a")))).state is State.REFUSED
    assert "rules.yaml" in caplog.text


# ------------------------------------------------------------------------------------------------ a judge outside


async def test_a_judge_reads_the_question_and_whole_windows_of_the_answer_before_they_are_shown(stage: Stage):
    jury = Jury(quarrel="violence")
    text = "All is well here. " * 60
    heard: list[tuple[int, int]] = []

    async def watch() -> AsyncGenerator[Chunk, None]:
        async for chunk in stage.moderation(jury)(turn("Well?"), Answerer(*words(text, 7))):
            heard.append((sum(map(len, jury.heard)), len(getattr(chunk, "text", ""))))
            yield chunk

    written = manuscript([chunk async for chunk in watch()])
    assert written.text == text
    assert jury.heard[0] == "Well?"
    assert all(read >= 400 for read, _ in heard[:-1])


async def test_what_the_judge_flags_is_refused_by_its_name(stage: Stage):
    jury = Jury(quarrel="violence", hurt="self-harm")
    written = manuscript(await stage.run(turn("A quarrel"), Answerer(Text("never")), jury))
    assert "violence" in written.text
    written = manuscript(await stage.run(turn("Hm"), Answerer(Text("so much quarrel")), jury))
    assert (written.state, written.screened.categories) == (State.REFUSED, ("judge_violence",))
    assert (await stage.kept())[0].incident.rules == ("judge/violence",)


async def test_what_only_the_judge_has_a_name_for_is_refused_by_ours(stage: Stage):
    """Its words are shown to nobody, and make no series of their own."""
    jury = Jury(quarrel="S1: <b>hazard</b>", hurt="S2", loud="violence")
    written = manuscript(await stage.run(turn("A quarrel that may hurt"), Answerer(Text("never")), jury))
    assert "something that must not be talked about here" in written.text
    assert (written.state, written.screened.categories) == (State.REFUSED, ("judge_other",))
    (kept,) = await stage.kept()
    assert (kept.incident.category, kept.incident.rules) == ("judge_other", ("judge/other",))
    written = manuscript(await stage.run(turn("A loud quarrel"), Answerer(Text("never")), jury))
    assert "because of violence" in written.text
    assert {kept.incident.category for kept in await stage.kept()} == {"judge_other", "judge_violence"}


@pytest.mark.parametrize("fails_open", [False, True])
async def test_where_the_judge_is_away_the_setting_decides(stage: Stage, fails_open: bool):
    jury = Jury()
    jury.is_away = True
    written = manuscript(await stage.run(turn(), Answerer(Text("Hello.")), jury, fails_open=fails_open))
    assert (written.text == "Hello.") is fails_open
    assert written.state is (State.DELIVERING if fails_open else State.REFUSED)
    assert stage.metrics.counts["moderation_failures", "judge"] >= 1


async def test_local_rules_decide_before_the_judge_is_asked(stage: Stage):
    jury = Jury()
    await stage.run(turn("zorbling"), Answerer(), jury)
    assert not jury.heard
