"""What a person who wants to be forgotten reads, and what happens."""

import asyncio
from dataclasses import replace

import pytest

from core.message import CommandName, Message, Reply
from core.ports import State
from core.texts import say
from tests.contracts.test_dialog import ADA, BOB, GUEST, House, eventually


@pytest.fixture
async def house(store):
    async with House(store).at_work() as at_work:
        yield at_work


async def said(house, person=ADA):
    kept = [item async for item in house.store.people.everything(person)]
    return [item.text for item in kept if isinstance(item, Message | Reply)]


async def order(house, args="", **where):
    (reply_id,) = await house.accept(house.command(CommandName.FORGET, args=args, **where))
    facts = await house.until(reply_id)
    return (await house.reply(reply_id)).text, facts.state


async def test_whoever_asks_is_told_first_what_would_be_lost(house):
    _, reply_id = await house.ask("why?")
    await house.until(reply_id)
    for args in ("", "yes please", "no"):
        assert await order(house, args) == (say("forget_me", "en"), State.DONE)
    assert "why?" in await said(house)


@pytest.mark.parametrize(("word", "locale"), [("yes", "en"), ("YES.", "en"), ("是", "zh-CN"), ("确认。", "zh-CN")])
async def test_a_yes_forgets_everything_everywhere(house, word, locale):
    for thread in ("t", "u"):
        await house.until((await house.ask("why?", thread=thread))[1])
    await house.until((await house.ask("mine", author=BOB))[1])
    done = say("forgotten", locale[:2])
    assert await order(house, word, author=replace(ADA, locale=locale)) == (done, State.DONE)
    assert await said(house) == [done]
    assert await said(house, BOB) == ["mine", "answer to mine"]
    await house.until((await house.ask("and now?"))[1])
    assert [turn.text for turn in house.mind.heard[-1].turns if turn.role == "user"] == ["mine", "and now?"]


async def test_what_runs_for_them_elsewhere_is_stopped_and_nobody_elses(house):
    house.mind.gate.clear()
    question, running = await house.ask("what for?", thread="u")
    _, others = await house.ask("mine", thread="v", author=BOB)
    await house.until(running, State.ANSWERING)
    await house.until(others, State.ANSWERING)
    done = say("forgotten", "en")
    assert await order(house, "yes") == (done, State.DONE)
    await eventually(lambda: house.mind.open == {"mine"})
    assert await house.reply(running) is None
    house.mind.gate.set()
    await house.until(others, State.DONE)
    await house.until_idle()
    assert house.door.shown.get(question.id) != "answer to what for?"
    assert await said(house) == [done]


@pytest.mark.parametrize("spread", [0.0, 0.05, 0.3])
async def test_whoever_says_yes_in_two_threads_at_once_is_told_in_both(house, spread):
    await house.until((await house.ask("why?"))[1])
    await house.until((await house.ask("mine", thread="v", author=BOB))[1])
    orders = [house.command(CommandName.FORGET, args="yes", thread=thread) for thread in ("t", "u", "t")]
    for order in orders:
        await house.accept(order)
        await asyncio.sleep(spread)
    done = say("forgotten", "en")
    await eventually(lambda: [house.door.shown.get(order.id) for order in orders] == [done] * 3)
    await house.until_idle()
    assert set(await said(house)) == {done}
    assert await said(house, BOB) == ["mine", "answer to mine"]


async def test_whoever_may_not_ask_is_told_that(house):
    assert await order(house, "yes", author=GUEST) == (say("not_allowed", "en"), State.REFUSED)
