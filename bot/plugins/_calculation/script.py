"""One way of writing for the many that people type: full width, superscripts, signs, traditional characters."""

import re
import unicodedata

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_FRACTIONS = {"½": "(1/2)", "⅓": "(1/3)", "⅔": "(2/3)", "¼": "(1/4)", "¾": "(3/4)", "⅕": "(1/5)", "⅛": "(1/8)"}
_RAISED = re.compile(r"[⁰¹²³⁴⁵⁶⁷⁸⁹]+")
_BROKEN = re.compile("[" + "".join(_FRACTIONS) + "]")

_MONEY_WORDS = (
    r"美元|美金|欧元|英镑|日元|港币|港元|人民币|块钱|元(?![旦宵素气宝])|"
    r"(?:dollars?|bucks|euros?|yuan|yen|USD|EUR|GBP|CNY|RMB|JPY|HKD)(?![A-Za-z])"
)
_MONEY = re.compile(rf"[$€£¥](?=\d)|{_MONEY_WORDS}", re.IGNORECASE)
_PRICE = re.compile(rf"[$€£¥](?=\d)|(?<=[\d十百千万亿])\s?(?:{_MONEY_WORDS})", re.IGNORECASE)
_HEIGHT = re.compile(r"(\d)'\s?(\d+)(?:\"|'')")  # 5'10"
# 华氏100度 and 摄氏几度: the number stands within the unit.
_DEGREES = re.compile(
    r"([华摄]氏)(?:温度)?\s*((?:零下|负|-)?\s*(?:\d+(?:\.\d+)?|[零〇一二两三四五六七八九十百千点]+|多少|几))\s*度"
)

_SIGNS = str.maketrans(
    {
        "×": "*",
        "✕": "*",
        "✖": "*",
        "⋅": "*",
        "∙": "*",
        "∗": "*",
        "÷": "/",
        "∕": "/",
        "⁄": "/",
        "−": "-",
        "–": "-",
        "—": "-",
        "﹣": "-",
        "º": "°",
        "【": "(",
        "】": ")",
        "[": "(",
        "]": ")",
        "{": "(",
        "}": ")",
        "，": ",",
        "。": ".",
        "’": "'",
        "‘": "'",
        "“": '"',
        "”": '"',
        "μ": "µ",
        "π": " pi ",
        "℃": "°C",
        "℉": "°F",
        "\u200b": None,
        "\ufeff": None,
    }
)

_TRADITIONAL = str.maketrans(
    "萬億兩點負減幾請問計幫數號開絕對華攝畝噸鐘頭個時間總積階佔為於麼裡裏煩結給換轉將當約錢塊訴餘釐圓週",
    "万亿两点负减几请问计帮数号开绝对华摄亩吨钟头个时间总积阶占为于么里里烦结给换转将当约钱块诉余厘圆周",
)


def normalised(text: str) -> str:
    """NFKC with plain signs and simplified characters; case stays, for it tells Mb from MB."""
    text = _RAISED.sub(lambda found: "^" + found[0].translate(_SUPERSCRIPTS), text)
    text = _BROKEN.sub(lambda found: f" {_FRACTIONS[found[0]]} ", text)
    text = unicodedata.normalize("NFKC", text.translate(_SIGNS)).translate(_SIGNS)
    text = _HEIGHT.sub(r"\1 ft \2 in", text)
    text = _DEGREES.sub(r"\2\1度", " ".join(text.translate(_TRADITIONAL).split()))
    return _priced(text)


def _priced(text: str) -> str:
    """Without the currency, where there is but one: 15% of $240 is asked of the number."""
    currencies = {found.casefold() for found in _MONEY.findall(text)}
    return _PRICE.sub("", text) if len(currencies) == 1 else text
