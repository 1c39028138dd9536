"""How WeCom refuses: an errcode with an errmsg (developer.work.weixin.qq.com, document 90313)."""

from bench.platforms.wecom.journal import Payload

BUSY, WRONG_SECRET, BAD_MEDIA, BAD_CORP, BAD_TOKEN, NO_TOKEN = -1, 40001, 40007, 40013, 40014, 41001
EXPIRED, INVALID, LIMITED, BAD_AGENT, NO_RECEIVER, NO_CHAT = 42001, 40058, 45009, 301002, 81013, 93006
CONCURRENT, NO_REQUEST, STREAM_OVER, WRONG_BOT, UNTRUSTED_IP = 6000, 846605, 846608, 853000, 60020

_MESSAGES = {
    BUSY: "system busy",
    WRONG_SECRET: "invalid credential",
    BAD_MEDIA: "invalid media_id",
    BAD_CORP: "invalid corpid",
    BAD_TOKEN: "invalid access_token",
    NO_TOKEN: "access_token missing",
    EXPIRED: "access_token expired",
    INVALID: "invalid request parameter",
    LIMITED: "api freq out of limit",
    BAD_AGENT: "not allow operate another agent with this accesstoken",
    NO_RECEIVER: "user & party & tag all invalid",
    NO_CHAT: "invalid chatid",
    CONCURRENT: "concurrent requests of one req_id",
    NO_REQUEST: "invalid req_id",
    STREAM_OVER: "stream message update expired",
    WRONG_BOT: "invalid bot_id or secret",
    UNTRUSTED_IP: "not allow to access from your ip",
}


class ApiError(Exception):
    """Answered as `{"errcode", "errmsg"}`. `detail` is said behind the usual words, `message` in their place."""

    def __init__(self, code: int, detail: str = "", *, message: str = "") -> None:
        self.code = code
        self.message = message or f"{_MESSAGES.get(code, 'refused')}{f': {detail}' if detail else ''}"
        super().__init__(self.message)

    @property
    def body(self) -> Payload:
        return {"errcode": self.code, "errmsg": self.message}


def invalid(detail: str) -> ApiError:
    """What WeCom says of most of what is wrong with a body."""
    return ApiError(INVALID, detail)
