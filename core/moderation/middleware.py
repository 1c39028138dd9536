"""The stage that reads the question before anybody answers it, and the answer before anybody sees it."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from time import perf_counter

from core.errors import Unavailable
from core.message import Chunk, Replace, Screened, Source, Text, Verdict
from core.moderation.findings import Findings
from core.moderation.output import Output
from core.moderation.rulebook import Rulebook
from core.moderation.rules import Action, Rule, Rules
from core.moderation.screen import Screening, screened
from core.moderation.windows import Judge as Judge  # is looked for here as well
from core.moderation.windows import Windows, outside_rule, told_apart
from core.ports import Incident, Metrics, Store
from core.reading import Reading
from core.texts import say
from core.turn import Answer, Chunks, Turn

UNCHECKED = "unchecked"
_AT_ONCE = 10_000  # characters are screened in ten milliseconds or so


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Why there is no answer: a sentence of core.texts, and the rule where one was hit."""

    sentence: str
    rule: Rule

    def said(self, language: str) -> str:
        return say(self.sentence, language).format(category=self.rule.called(language))


class Moderation:
    """Refuses, masks or flags by the rules; what may not be shown is never shown first.

    A `judge` outside the house is asked too, where there is one: where it can't be reached, nothing is answered unless
    it `fails_open`. Raises NotStored where what was found can't be kept.
    """

    def __init__(
        self,
        rulebook: Rulebook,
        store: Store,
        metrics: Metrics,
        *,
        judge: Judge | None = None,
        fails_open: bool = False,
    ) -> None:
        self._rulebook = rulebook
        self._store = store
        self._metrics = metrics
        self._judge = judge
        self._fails_open = fails_open

    def __call__(self, turn: Turn, call_next: Answer) -> Chunks:
        return self._moderated(turn, call_next)

    async def _moderated(self, turn: Turn, call_next: Answer) -> Chunks:
        rules, findings = await self._rulebook.current(), Findings(turn)
        turn, refusal = await self._asked(turn, rules, findings)
        if refusal:
            yield Text(refusal.said(turn.language), Source.MODERATION)
            yield await self._refused(turn, findings, refusal)
            return
        output = Output(rules, turn.language, findings)
        windows = Windows() if self._judge else None
        async with aclosing(call_next(turn)) as chunks:  # closed by a refusal: what is being generated ends with it
            async for chunk in chunks:
                shown, refusal = await self._looked_at(output.take(chunk), output, windows)
                for piece in shown:
                    yield piece
                if refusal:
                    break
            else:
                shown, refusal = await self._looked_at(output.close(), output, windows, is_last=True)
                for piece in shown:
                    yield piece
        if refusal:
            yield Replace(refusal.said(turn.language), Source.MODERATION)
            yield await self._refused(turn, findings, refusal)
            return
        await self._keep(turn, findings)
        yield Screened(findings.verdict, findings.categories)

    # ---------------------------------------------------------------------------------------------------- the question

    async def _asked(self, turn: Turn, rules: Rules, findings: Findings) -> tuple[Turn, _Refusal | None]:
        """The question and all that was read with it, as it may be answered."""
        began = perf_counter()
        text = await self._screened(turn.message.text, turn, rules, findings)
        files = [
            await self._screened(f"{file.name}\n{file.text}", turn, rules, findings) for file in turn.reading.files
        ]
        names = [await self._screened(attached.name, turn, rules, findings) for attached in turn.message.attachments]
        self._metrics.observe("moderation_seconds", perf_counter() - began)
        refusal = next((one.refusal for one in (text, *files, *names) if one.refusal), None)
        if refusal:
            return turn, _Refusal("refused_question", refusal.rule)
        if self._judge:
            sent = [turn.message.text, *(file.text for file in turn.reading.files)]
            if judged := await self._judged(self._judge, [text for text in sent if text.strip()], findings):
                return turn, judged
        return await self._masked(turn, text, await self._read(turn, files, rules, findings)), None

    async def _screened(
        self, text: str, turn: Turn, rules: Rules, findings: Findings, where: str = "question"
    ) -> Screening:
        if len(text) < _AT_ONCE:
            screening = screened(text, rules, turn.language)
        else:  # a file, which others' answers do not wait for
            screening = await asyncio.to_thread(screened, text, rules, turn.language)
        findings.add(where, screening.hits)
        return screening

    async def _read(self, turn: Turn, files: Sequence[Screening], rules: Rules, findings: Findings) -> Reading:
        """What others said before is no reason to refuse this question: it is left out where it may not be read."""
        reading, earlier = turn.reading, []
        for said in turn.reading.earlier:
            screening = await self._screened(said.text, turn, rules, findings, "thread")
            text = f"[{screening.refusal.rule.called(turn.language)}]" if screening.refusal else screening.text
            earlier.append(replace(said, text=text))
        masked = [
            replace(file, text=screening.text.partition("\n")[2]) if screening.is_masked else file
            for file, screening in zip(reading.files, files, strict=True)
        ]
        return replace(reading, earlier=tuple(earlier), files=tuple(masked))

    async def _masked(self, turn: Turn, text: Screening, reading: Reading) -> Turn:
        """With its masks, which stand in what is kept from now on too."""
        message = turn.message
        if text.text == message.text and reading == turn.reading:
            return turn
        async with self._store.unit() as unit:
            if text.text != message.text:
                await unit.threads.edit(message.thread, message.id, message.author, text.text)
            if reading != turn.reading:
                await unit.threads.keep_reading(message.thread, message.id, reading)
        return replace(turn, message=replace(message, text=text.text), reading=reading)

    # ------------------------------------------------------------------------------------------------------ the answer

    async def _looked_at(
        self, shown: Sequence[Chunk], output: Output, windows: Windows | None, *, is_last: bool = False
    ) -> tuple[Sequence[Chunk], _Refusal | None]:
        """What may be shown of these chunks, and why nothing more may."""
        if output.refusal:
            return (), _Refusal("refused_answer", output.refusal)
        if windows is None or self._judge is None:
            return shown, None
        released, to_judge = windows.take(shown, is_last=is_last)
        if to_judge and (refusal := await self._judged(self._judge, to_judge, output.findings, where="answer")):
            return (), refusal
        return released, None

    async def _judged(
        self, judge: Judge, texts: Sequence[str], findings: Findings, where: str = "question"
    ) -> _Refusal | None:
        try:
            categories = await judge.judge(texts) if texts else frozenset()
        except Unavailable:
            self._metrics.count("moderation_failures", kind="judge")
            unchecked = Rule("judge/unreachable", UNCHECKED, Action.REFUSE)
            if self._fails_open:
                return None
            findings.note(where, unchecked)
            return _Refusal(UNCHECKED, unchecked)
        if not categories:
            return None
        rules = [outside_rule(category) for category in told_apart(categories)]
        for rule in rules:
            findings.note(where, rule)
        return _Refusal(f"refused_{where}", rules[0])

    # ------------------------------------------------------------------------------------------------- what comes of it

    async def _refused(self, turn: Turn, findings: Findings, refusal: _Refusal) -> Screened:
        await self._keep(turn, findings)
        return Screened(Verdict.REFUSED, (refusal.rule.category,))

    async def _keep(self, turn: Turn, findings: Findings) -> None:
        incidents: Sequence[Incident] = findings.incidents()
        if not incidents:
            return
        async with self._store.unit() as unit:
            for incident in incidents:
                await unit.incidents.record(turn.reply_id, turn.message.thread, turn.message.author, incident)
        for incident in incidents:
            self._metrics.count(
                "moderation_hits", where=incident.where, category=incident.category, action=incident.action
            )
