"""The control lane: stop, ratings, edits and deletions act at once and never wait behind the answer they concern."""

import logging
from datetime import UTC, datetime, timedelta

from core.commands import question_of
from core.hall import Hall
from core.language import language_of
from core.message import Author, Command, Deleted, Edited, Feedback, Reply, ReplyId, Source, Verdict
from core.ports import Claim, Mark, State, Unit
from core.texts import say

log = logging.getLogger(__name__)

_FEEDBACK_RETRY = timedelta(seconds=2)
_WRONG = 2  # out of 5; a thumb down is 1


async def act(hall: Hall, claim: Claim, *, refusal: str = "not_allowed") -> None:
    """Does what one control event asks for and ends its row, in one transaction.

    `refusal` names what is said to whoever may not, "" where that is nothing. Raises LeaseLost, NotStored, and
    KeyMissing where another process may do it.
    """
    async with hall.store.unit() as unit:
        match claim.event:
            case Feedback() as feedback:
                is_finished = await _rate(hall, unit, claim, feedback)
            case Edited() as edited:
                is_finished = await _edit(hall, unit, claim, edited)
            case Deleted() as deleted:
                is_finished = await _delete(hall, unit, claim, deleted)
            case Command() as command:
                is_finished = await _stop(hall, unit, claim, command, refusal)
            case _:
                is_finished = True
        if is_finished:
            await unit.inbox.finish(claim)


async def take_back(hall: Hall, claim: Claim) -> bool:
    """Does what a deletion may do whoever its author is: takes back their own words, or those that are still to come.

    Whether that was all. Raises LeaseLost or NotStored.
    """
    deleted = claim.event
    if not isinstance(deleted, Deleted):
        return False
    async with hall.store.unit() as unit:
        if await unit.threads.erase(deleted.thread, deleted.message_id, deleted.author):
            await unit.inbox.mark(Mark.ERASE, thread=deleted.thread, message_id=deleted.message_id)
        elif not await unit.threads.forestall(claim):
            return False
        await unit.inbox.finish(claim)
    return True


async def _stop(hall: Hall, unit: Unit, claim: Claim, command: Command, refusal: str) -> bool:
    if not hall.access.allows(command.author, command.thread):
        if refusal:
            await _answer(hall, unit, claim, command, refusal, State.REFUSED)
        return True
    whose: Author | None = None if hall.access.is_admin(command.author) else command.author
    which = ReplyId(command.args) if command.args else None
    if not await unit.inbox.mark(Mark.STOP, thread=command.thread, author=whose, reply=which, before=claim):
        await _answer(hall, unit, claim, command, "nothing_to_stop")
    return True


async def _edit(hall: Hall, unit: Unit, claim: Claim, edited: Edited) -> bool:
    """An edit redoes an unfinished turn and corrects the history; it never starts a turn of its own.

    A message that could not be stored at first may come after its edit: it is to be answered as it is now.
    """
    text = question_of(edited.text)

    async def is_changed() -> bool:
        return await unit.threads.edit(edited.thread, edited.message_id, edited.author, text)

    is_let_in = hall.access.allows(edited.author, edited.thread)
    # Where nothing can be forestalled, the message may have come just now.
    if is_let_in and (await is_changed() or (not await unit.threads.forestall(claim) and await is_changed())):
        await unit.inbox.amend(edited.thread, edited.message_id, text)
    return True


async def _delete(hall: Hall, unit: Unit, claim: Claim, deleted: Deleted) -> bool:
    """Everybody may take back their own words; whoever is let in may erase others', where the platform lets them.

    A message that could not be stored at first may come after its deletion: it is not to be answered then.
    """
    is_let_in = hall.access.allows(deleted.author, deleted.thread)
    by = None if is_let_in else deleted.author

    async def is_gone() -> bool:
        return await unit.threads.erase(deleted.thread, deleted.message_id, by)

    # Where nothing can be forestalled, the message may have come just now.
    is_erased = await is_gone() or (not await unit.threads.forestall(claim) and await is_gone())
    if is_erased or is_let_in:
        await unit.inbox.mark(Mark.ERASE, thread=deleted.thread, message_id=deleted.message_id)
    return True


async def _rate(hall: Hall, unit: Unit, claim: Claim, feedback: Feedback) -> bool:
    """Whether the row is finished: a vote on an answer not known yet is tried again for a while."""
    reply = await unit.ratings.resolve(feedback)
    if reply is None:
        if datetime.now(UTC) - claim.received_at < hall.terms.feedback_patience:
            await unit.inbox.release(claim, _FEEDBACK_RETRY)
            return False
        hall.metrics.count("feedback", channel=feedback.author.adapter, score="unknown_target")
        log.warning("a rating through %s names no answer of ours; it was dropped", feedback.author.adapter)
        return True
    if await _may_rate(hall, unit, feedback.author, reply):
        await unit.ratings.record(feedback)
        await _appeal(hall, unit, feedback, reply)
        if feedback.score is not None and feedback.score <= _WRONG:  # nobody else is given this answer
            await unit.cached.block(reply.id)
        score = "none" if feedback.score is None else str(feedback.score)
        hall.metrics.count("feedback", channel=feedback.author.adapter, score=score)
    return True


async def _appeal(hall: Hall, unit: Unit, feedback: Feedback, reply: Reply) -> None:
    """A thumb down on their own refusal says that it was wrong."""
    is_down = feedback.score is not None and feedback.score <= _WRONG
    if is_down and reply.verdict is Verdict.REFUSED and reply.asker.is_same_person(feedback.author):
        comment = "\n".join(filter(None, (feedback.reason, feedback.comment)))
        if await unit.incidents.appeal(feedback.author, reply.id, comment=comment):
            hall.metrics.count("moderation_appeals", channel=feedback.author.adapter)


async def _may_rate(hall: Hall, unit: Unit, author: Author, reply: Reply) -> bool:
    """Whether they may ask where the answer stands, or where its question does: a private one may stand elsewhere."""
    if hall.access.allows(author, reply.thread):
        return True
    question = await unit.replies.question(reply.id)
    return question is not None and hall.access.allows(author, question.thread)


async def _answer(
    hall: Hall, unit: Unit, claim: Claim, command: Command, name: str, state: State = State.DELIVERING
) -> None:
    """Leaves a sentence in the outbox, in answer to a command of this lane."""
    reply = Reply(
        id=claim.reply_id,
        thread=command.thread,
        asker=command.author,
        in_reply_to=command.id,
        text=say(name, language_of("", command.author.locale)),
        source=Source.HOUSE,
    )
    await unit.turns.begin(claim)
    await unit.replies.open(claim, reply)
    delivery = await unit.outbox.open(claim, reply, lease=hall.terms.lease)
    await unit.replies.save(reply)
    await unit.turns.move(reply.id, state)
    await unit.outbox.ready(delivery, keep=False)
