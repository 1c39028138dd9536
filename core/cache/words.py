"""The words that decide whether an answer may be shared: who is meant, when, and what asks for something new each time.

The lists are wide on purpose: a word too many costs an answer from the cache, a word too few gives somebody another's.
"""

import re


def _words(text: str) -> str:
    return r"(?<![\w'])(?:" + "|".join(text.split()) + r")(?![\w])"


# Every word stands for the person, their company or their place.
_PERSONAL_EN = _words(
    "i i'm i've i'd i'll im ive id me my mine myself we we're we've we'd we'll us our ours ourselves "
    "lets let's he she him her his hers they them their theirs"
)
_PERSONAL_ZH = "我|咱|俺|本人|鄙人|自己|他|她|它们|贵公司|本公司|公司里|公司的|部门|同事|老板"
# "How do I …" asks for anybody.
_IMPERSONAL = re.compile(r"\bhow (?:do|does|can|could|would|should|to) (?:i|we|one|you)\b")

_MONTHS = "january february march april june july august september october november december"
_DATES_EN = _words(
    "today today's todays tonight tomorrow yesterday now nowadays current currently latest newest recent recently "
    "upcoming ago soon lately clock o'clock monday tuesday wednesday thursday friday saturday sunday weekend weekends "
    f"live weather forecast news headlines score scores price prices stock stocks rate rates {_MONTHS}"
)
_DATES_PHRASES_EN = (
    r"\b(?:this|last|next|past|coming) "
    r"(?:second|minute|hour|morning|afternoon|evening|night|day|week|month|quarter|year|decade|time|release|version)s?\b"
    r"|\b(?:what|which|the) (?:time|day|date|week|month|year)\b|\bso far\b|\bthese days\b|\bat the moment\b"
    r"|\b(?:is|are) (?:still|already|yet)\b|\bup to date\b|\b(?:19|20)\d\d-\d\d?-\d\d?\b"
)
_DATES_ZH = (
    "今天|今日|今晚|今早|今晨|今年|今夜|明天|明日|明早|明晚|明年|昨天|昨日|昨晚|昨夜|去年|前天|后天|前年|后年|当天|当日|"
    "现在|现今|目前|当前|眼下|此刻|如今|最近|最新|近期|近来|近日|刚才|刚刚|即将|本周|本月|本年|本季|这周|上周|下周|周末|"
    "这个?月|上个?月|下个?月|这几天|前几天|过几天|星期|礼拜|周[一二三四五六日天]|几点|几号|几月|时间是|什么时候|天气|新闻|"
    "股价|汇率|油价|房价|价格|行情|实时|截至|至今|还有多久"
)
# Without what was said or shown before, or without knowing the place, there is nothing they could mean.
_CONTEXT_EN = _words("above below previous earlier continue attached attachment here") + (
    r"|\bthis (?:channel|group|chat|thread|conversation|file|document|image|picture|message|page|link|room|server)\b"
    r"|\bthe (?:file|document|attachment|conversation|message|rest) *$|\bgo on\b"
)
_CONTEXT_ZH = (
    "上面|上述|以上|下面|以下|前面|附件|继续|接着|刚说|这里|此处|"
    "这[份张篇段]|这个(?:文件|群|频道|会话|图|链接)|本群|群里|频道里"
)
# Whoever asks again wants another one.
_VARIETY_EN = _words(
    "random randomly joke jokes riddle poem story another again different surprise roll dice coin lottery pick choose "
    "shuffle guess"
)
_VARIETY_ZH = "随机|随便|笑话|段子|谜语|写一?首|写一?个故事|再[来讲说写给]|换一?个|另外?一|骰子|硬币|抽签|抽一|猜"

_PRIVATE = re.compile(
    "|".join(
        (
            _PERSONAL_EN,
            _PERSONAL_ZH,
            _DATES_EN,
            _DATES_PHRASES_EN,
            _DATES_ZH,
            _CONTEXT_EN,
            _CONTEXT_ZH,
            _VARIETY_EN,
            _VARIETY_ZH,
            r"[@＠]|<[@#!]",  # somebody, or somewhere
        )
    )
)


def is_for_everybody(text: str) -> bool:
    """Whether a canonical text means the same to whoever asks it, wherever and whenever."""
    return not _PRIVATE.search(_IMPERSONAL.sub("", text.casefold()))
