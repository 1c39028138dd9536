"""The record of each turn: where it is, who wrote the answer, what it cost, and when."""

from uuid import UUID

from core.errors import LeaseLost
from core.message import ReplyId, Usage, Written
from core.ports import Claim, State, TurnFacts
from core.store.room import Room, token
from core.store.vault import row_id

_MOST_TOKENS = 2**31 - 1  # what a column holds: several rounds of a server that miscounts may add up to more
_BEGIN = """
    INSERT INTO turns (reply_id, state, received_at, started_at, adapter)
    SELECT reply_id, 'screening', created_at, now(), adapter FROM inbox
    WHERE id = %(id)s AND status = 1 AND owner = %(owner)s AND attempts = %(attempts)s
    ON CONFLICT (reply_id) DO UPDATE SET
        state = 'screening', attempts = turns.attempts + 1, started_at = now(), first_text_at = NULL,
        finished_at = NULL, model = '', source = '', seed = NULL, prompt_tokens = 0, completion_tokens = 0
"""
# A turn only goes forward: what an owner that lost its lease still says is too late.
_MOVE = """
    UPDATE turns SET state = %(state)s,
        first_text_at = CASE WHEN %(first_text)s THEN COALESCE(first_text_at, now()) ELSE first_text_at END,
        finished_at = CASE WHEN %(is_final)s THEN now() END
        {written}
    WHERE reply_id = %(id)s AND (
        state IN ('received', 'screening', 'answering')
        OR state = 'delivering' AND (%(is_final)s OR %(state)s = 'delivering')
    )
"""
_WRITTEN = """,
        model = %(model)s, source = %(source)s, seed = %(seed)s::bigint,
        prompt_tokens = %(prompt)s, completion_tokens = %(completion)s
"""
_MOVE_ONLY = _MOVE.format(written="")
_MOVE_WRITTEN = _MOVE.format(written=_WRITTEN)
_GET = """
    SELECT state, model, source, seed, prompt_tokens, completion_tokens, attempts,
        received_at, started_at, first_text_at, finished_at
    FROM turns WHERE reply_id = %(id)s
"""


class PostgresTurns(Room):
    """`ports.Turns`."""

    async def begin(self, claim: Claim) -> None:
        self._tx.later(_BEGIN, token(claim), LeaseLost)

    async def move(
        self, reply_id: ReplyId, state: State, *, written: Written | None = None, first_text: bool = False
    ) -> None:
        params = {
            "id": UUID(reply_id),
            "state": state.value,
            "first_text": first_text,
            "is_final": state.is_final,
        }
        if written is None:
            self._tx.later(_MOVE_ONLY, params)
        else:
            self._tx.later(_MOVE_WRITTEN, params | _facts(written))

    async def get(self, reply_id: ReplyId) -> TurnFacts | None:
        id_ = row_id(reply_id)
        rows = await self._tx.fetch(_GET, {"id": id_}) if id_ else []
        if not rows:
            return None
        state, model, source, seed, prompt, completion, *rest = rows[0]
        return TurnFacts(reply_id, State(state), model, source, seed, Usage(prompt, completion), *rest)


def _facts(written: Written) -> dict[str, object]:
    return {
        "model": written.model,
        "source": written.source.value,
        "seed": written.seed,
        "prompt": min(written.usage.prompt_tokens, _MOST_TOKENS),
        "completion": min(written.usage.completion_tokens, _MOST_TOKENS),
    }
