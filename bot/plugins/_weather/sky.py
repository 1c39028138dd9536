"""The sky in words.

Codes: WMO code table 4677, as far as Open-Meteo uses it (open-meteo.com/en/docs, "WMO Weather interpretation codes").
"""

_WORDS: dict[int, tuple[str, str]] = {
    0: ("clear sky", "晴"),
    1: ("mainly clear", "大部晴朗"),
    2: ("partly cloudy", "多云"),
    3: ("overcast", "阴"),
    45: ("fog", "雾"),
    48: ("freezing fog", "冻雾"),
    51: ("light drizzle", "小毛毛雨"),
    53: ("drizzle", "毛毛雨"),
    55: ("dense drizzle", "浓毛毛雨"),
    56: ("light freezing drizzle", "小冻毛毛雨"),
    57: ("freezing drizzle", "冻毛毛雨"),
    61: ("light rain", "小雨"),
    63: ("rain", "中雨"),
    65: ("heavy rain", "大雨"),
    66: ("light freezing rain", "小冻雨"),
    67: ("freezing rain", "冻雨"),
    71: ("light snow", "小雪"),
    73: ("snow", "中雪"),
    75: ("heavy snow", "大雪"),
    77: ("snow grains", "米雪"),
    80: ("light showers", "小阵雨"),
    81: ("showers", "阵雨"),
    82: ("violent showers", "强阵雨"),
    85: ("snow showers", "阵雪"),
    86: ("heavy snow showers", "强阵雪"),
    95: ("thunderstorm", "雷暴"),
    96: ("thunderstorm with hail", "雷暴伴冰雹"),
    99: ("thunderstorm with heavy hail", "雷暴伴强冰雹"),
}


def words(code: int | None, language: str) -> str:
    """Of this code in "en" or "zh"; "" for one that is unknown."""
    english, chinese = _WORDS.get(code, ("", "")) if code is not None else ("", "")
    return chinese if language == "zh" else english
