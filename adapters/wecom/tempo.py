"""How long things take through the long connection, and how often they are done."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Tempo:
    """All in seconds. WeCom's own rules are in document 101463 of developer.work.weixin.qq.com.

    The connection: it is opened within `dial_within`, a frame is answered within `ack_within`, and one that was not may
    be so for `late_within` more. It is pinged every `ping_every`, and dead where two pings in a row go unanswered. A
    lost one is opened again after `retry_least`, each further time after twice as long, up to `retry_most`; one that
    held for `stable_after` begins a new count. Where we were refused or another program has taken the bot over, that
    waits for `slow_retry`. The database may take `lock_settles` to tell that the name is another process's.

    A question whose answer is not begun after `waiting_after` is told that it waits.

    An answer: one that is whole `at_once` after its first word, or so after `first_after` without one, needs a single
    frame. While there is nothing new the person sees a sign of life every `sign_every`. A stream ends after
    `stream_lasts`, for WeCom ends it six minutes after its first frame. What comes then is pushed in pieces that are
    gathered for `push_every`; without any, a sign of life is pushed every `push_sign_every`, the first one after
    `push_sign_after` where there is no stream.
    """

    dial_within: float = 10.0
    ack_within: float = 5.0
    late_within: float = 10.0
    ping_every: float = 30.0
    retry_least: float = 1.0
    retry_most: float = 30.0
    stable_after: float = 60.0
    slow_retry: float = 300.0
    lock_settles: float = 2.0

    waiting_after: float = 2.0
    at_once: float = 0.05
    first_after: float = 0.3
    sign_every: float = 10.0
    stream_lasts: float = 330.0
    push_every: float = 60.0
    push_sign_every: float = 300.0
    push_sign_after: float = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackTempo:
    """By URL callback, in seconds since the question: WeCom asks on for `life`, which is its own (document 101031).

    What there is by `safe` ends the stream while somebody still asks for it. An end that nobody has asked for within
    `unasked` goes out by itself, so that it holds nobody up; one that was told is told the same for `linger` more, for
    that answer may have got lost. A poll waits `patience` for something new. The stream of a text that is final for
    `orphaned`, and waits to be delivered, is ended without what only a delivery has.
    """

    life: float = 360.0
    safe: float = 330.0
    unasked: float = 20.0
    linger: float = 30.0
    patience: float = 0.5
    orphaned: float = 15.0


CALLBACK_TEMPO = CallbackTempo()
