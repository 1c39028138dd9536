"""How people ask for the weather in Chinese."""

import re

from bot.plugins._weather.names import is_chinese_name, is_known

_HAN = r"\u3400-\u4dbf\u4e00-\u9fff"
_BESIDE_HAN = re.compile(rf"(?<=[{_HAN}])\s+|\s+(?=[{_HAN}])")
_SIMPLIFIED = str.maketrans(
    "麼氣預報現會嗎們問請樣濕溫風颳熱傘陽陰點況雲還沒乾", "么气预报现会吗们问请样湿温风刮热伞阳阴点况云还没干"
)
# Whoever asks says one of these, so that a message about anything else is left at once.
_HINT = re.compile(
    r"天气|天氣|[气氣][温溫]|温度|溫度|湿度|[雨雪风風冷热熱晴阴伞傘雾霾雷]|[几少]度|降温|凉|暖|闷|太阳|冰雹|多云"
)
_POLITE = re.compile(
    r"(?:你好|您好|嗨|哈[喽啰]|hi|hello|hey|在吗|早上好|下午好|晚上好|请问(?:一下|下)?|请|麻烦|劳驾|劳烦|帮我|帮忙|"
    r"我?想知道|"
    r"我?想问(?:问|一下|下)?|我?想查(?:一下|下|查)?|我?想了解(?:一下|下)?|问一下|问下|告诉我|跟我说|给我|能不能|"
    r"能否|可不可以|可以|能(?=[告查帮说])|"
    r"查一下|查下|查查|查询(?:一下)?|查|看一下|看下|看看|说一下|说说|播报(?:一下)?|报一下|了解一下|有人知道|知道|"
    r"一下|下(?![雨雪])|你(?=[能可知帮])|"
    r"parley|那么|[,。!~、:])",
    re.IGNORECASE,
)
_COURTESIES = 8
_CLOSING = re.compile(r"(?:谢谢[你您]?|多谢|[吗呢啊呀吧嘛哦了啦么]|(?<!有)没(?:有)?|[\s?!.,。…~])+$")
_QUESTION = re.compile(r"(?:吗|么|没|没有|\?|呢|吧)[啊呀\s?!.。…~]*(?:谢谢[你您]?|多谢)?[\s!.。~]*$")

_DAY = (
    r"(?:今明两天|今天晚上|明天晚上|今天早上|明天早上|今天上午|明天上午|今天下午|明天下午|今天白天|明天白天|"
    r"今天夜里|今天|今日|今儿|明天|明日|明儿|"
    r"今晚|明晚|明早|今早|今夜|现在|目前|当前|此刻|此时|这会儿|眼下|一会儿|待会儿?|等会儿?|等下)"
)
_GO = r"(?:(?:我们?|咱们?)?(?:出门|要|想|打算|准备)?(?:去|飞|到))"
_THERE = r"(?:那边|那里|那儿|这边|这里)?"
_PLACE = rf"(?P<place>[{_HAN}·]{{2,10}}?|[A-Za-z][A-Za-z .,'-]{{1,40}}?)"
_WHERE = rf"(?:{_DAY}?的?{_GO}?{_PLACE}{_THERE},?{_DAY}?)"
_WHEN = (
    rf"(?:{_DAY}的?{_GO}?{_PLACE}{_THERE}|"
    rf"{_GO}?{_PLACE.replace('<place>', '<before>')}{_THERE},?{_DAY})"
)  # one day is named
_SKY = r"(?:天气|气温)(?:预报|情况|状况|信息|实况)?"
_HOW = (
    r"(?:怎么样|怎样|如何|咋样|咋个样|好不好|好|冷不冷|热不热|是什么样的?|是?多少度?|是?几度|是什么|是啥|好吗|"
    r"糟不糟|有多[冷热]|会怎么样|"
    r"会如何|行不行|还好|查询|怎么说)"
)
_FALLING = (
    r"(?:(?:下|有)?(?:大|小|暴|中|阵|雷阵|雷)?[雨雪]|(?:下|有)冰雹|刮?(?:大|台|沙尘)?风|起风|(?:大)?降温|升温|打雷|"
    r"起雾|(?:有)?雾霾?|有霾|有?沙尘暴|(?:打|来|有)台风|出太阳|有太阳|"
    r"放晴|转晴|变天|天晴|晴天?|阴天?|结冰|(?:带|打|用|拿)(?:雨)?伞|转[冷暖凉]|回暖|变[冷热凉]|多云|雷暴|"
    r"穿(?:厚)?外套|穿羽绒服)"
)
_FEEL = r"(?:冷|热|凉|暖和|凉快|闷热|潮湿|晒|闷|干燥|风大|雨大|雪大|冻人?)"
_OR_NOT = (
    r"(?:(?:会不会|要不要|用不用|需不需要|有没有|是不是(?:在|要|会|还在|正在)?|是否(?:会|要|有|在|需要)?|有无)"
    rf"(?:需要|得)?(?:{_FALLING}|很?{_FEEL})|下不下[雨雪]|下[雨雪]不(?:下)?|刮不刮风|冷不冷|热不热|晒不晒|闷不闷|"
    rf"潮不潮|凉不凉|晴不晴|带不带伞|[风雨雪雾]大不大|"
    r"暖不暖和|凉不凉快|(?:是)?(?:晴天还是(?:阴天|雨天|下雨)|下雨还是(?:晴天|下雪)|冷还是热|热还是冷|阴天还是晴天)|"
    r"[雨雪](?:停了没|停没停)|降水概率(?:是)?(?:多少|多大|高不高)?|下(?:雨|雪)的?(?:概率|可能性|"
    r"几率)(?:是)?(?:有?多大|有?多少|大不大|高不高)?)"
)
_FIGURE = (
    r"(?:的?(?:最高|最低|室外|实时|当前)?(?:气温|温度|(?:空气)?湿度|风力|风速|体感温度)(?:大概|大约|现在|有|会|"
    r"会有|是|能到|能达到)*(?:多少|几|多高|多低|多大|怎么样|"
    r"如何)?(?:摄氏)?(?:度|级)?)"
)
_DEGREES = (
    r"(?:(?:的)?(?:温度)?(?:是|有|会|大概|大约|能到|会有|最高|最低)*(?:多少|几)(?:摄氏)?度|(?:有|"
    r"会)?多[冷热凉]|(?:风有?多大|几级风|是?什么天|[下有]多大的?[雨雪])|冷不冷|热不热)"
)
_YES = r"(?:还|正|在|会|将|要|可能|需要|得|用|应该|必须|有|是|适合|还会|还在|很|特别|太|真的)"

# Each says by itself that it asks.
_ASKING = tuple(
    re.compile(form)
    for form in (
        # 柏林天气, 北京今天天气怎么样, 明天上海的气温是多少, 北京今天什么天气
        rf"{_WHERE}的?{_SKY}(?:现在|今天|明天)?(?:会)?{_HOW}?",
        rf"{_WHERE}(?:是|会是)?(?:什么|啥|怎样的?|怎么样的?)(?:样的?)?天气",
        # 上海明天会不会下雨, 北京今天下不下雨
        rf"{_WHERE}{_OR_NOT}",
        # 东京现在几度, 杭州今天最高气温多少
        rf"{_WHEN}{_DEGREES}",
        rf"{_WHEN}{_FIGURE}",
    )
)
# These only say that it is so, where nothing behind them makes a question of it.
_SAYING = tuple(
    re.compile(form)
    for form in (
        rf"{_WHERE}{_YES}{{1,3}}(?:{_FALLING})",
        rf"{_WHEN}{_YES}{{0,3}}(?:{_FALLING}|{_FEEL})",
    )
)
# For a place that everybody knows, the day need not be said.
_OF_A_KNOWN = (re.compile(rf"{_WHERE}(?:{_DEGREES}|{_FIGURE})"),)
_SAYING_OF_A_KNOWN = (re.compile(rf"{_WHERE}{_YES}{{0,3}}(?:{_FALLING}|{_FEEL})"),)


def place_in(line: str) -> str:
    """The place that a Chinese message asks the weather of, "" for none."""
    if not _HINT.search(line):
        return ""
    line = _BESIDE_HAN.sub("", line.translate(_SIMPLIFIED))
    bare, is_question = _bare(line), bool(_QUESTION.search(line))
    forms, known = (_ASKING + _SAYING, _OF_A_KNOWN + _SAYING_OF_A_KNOWN) if is_question else (_ASKING, _OF_A_KNOWN)
    places = (place for form in forms if (place := _matched(form, bare)))
    others = (place for form in known if (place := _matched(form, bare)) and is_known(place))
    return next(places, "") or next(others, "")


def _bare(line: str) -> str:
    for _ in range(_COURTESIES):
        match = _POLITE.match(line)
        if match is None or match.end() == len(line):
            break
        line = line[match.end() :]
    return _CLOSING.sub("", line)


def _matched(form: re.Pattern[str], line: str) -> str:
    match = form.fullmatch(line)
    place = (match["place"] or match.groupdict().get("before") or "") if match else ""
    return place.strip(" ,.") if place and is_chinese_name(place) else ""
