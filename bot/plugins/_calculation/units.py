"""Units people write, in English and Chinese, and how much of one is how much of another.

What a person writes is looked up here and never handed to pint, whose parser can be kept busy for ever.
"""

import re
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import cache
from typing import Any

PRECISION = 50  # digits

# What pint does not know, or knows otherwise: China's market units, and the acre of 1959.
_OWN = (
    "jin = 0.5 * kilogram",
    "liang = 0.05 * kilogram",
    "chinese_mu = 2000 / 3 * meter ** 2",
    "li_of_way = 500 * meter",
    "chinese_chi = 1 / 3 * meter",
    "chinese_cun = 1 / 30 * meter",
    "chinese_zhang = 10 / 3 * meter",
    "common_acre = 4046.8564224 * meter ** 2",
)

# kind: name for pint | shown in English | shown in Chinese | symbols, by case | English names, any case | Chinese names
_TABLE = """
length: kilometer | km | 公里 | km Km KM | kilometers kilometer kilometres kilometre kms | 公里 千米
length: meter | m | 米 | m | meters meter metres metre | 米 公尺
length: decimeter | dm | 分米 | dm | decimeters decimeter decimetres decimetre | 分米
length: centimeter | cm | 厘米 | cm CM | centimeters centimeter centimetres centimetre cms | 厘米 公分
length: millimeter | mm | 毫米 | mm MM | millimeters millimeter millimetres millimetre | 毫米
length: micrometer | µm | 微米 | µm um | micrometers micrometer microns micron | 微米
length: nanometer | nm | 纳米 | nm | nanometers nanometer nanometres nanometre | 纳米
length: mile | miles | 英里 | mi | miles mile | 英里
length: nautical_mile | nautical miles | 海里 | nmi | nautical_miles nautical_mile | 海里
length: yard | yd | 码 | yd | yards yard yds | 码
length: foot | ft | 英尺 | ft | feet foot | 英尺
length: inch | in | 英寸 | in | inches inch | 英寸
length: light_year | light years | 光年 | ly | light_years light_year lightyears lightyear | 光年
length: li_of_way | li | 里 | | li | 里 华里 市里 里路 里地
length: chinese_chi | chi | 市尺 | | chi | 尺 市尺
length: chinese_cun | cun | 市寸 | | cun | 寸 市寸
length: chinese_zhang | zhang | 市丈 | | zhang | 丈
mass: kilogram | kg | 公斤 | kg Kg KG | kilograms kilogram kilos kilo kgs | 公斤 千克
mass: gram | g | 克 | g | grams gram | 克
mass: milligram | mg | 毫克 | mg | milligrams milligram | 毫克
mass: microgram | µg | 微克 | µg ug mcg | micrograms microgram | 微克
mass: metric_ton | t | 吨 | t | tonnes tonne tons ton metric_tons metric_ton | 吨 公吨
mass: short_ton | short tons | 美吨 | | short_tons short_ton | 美吨 短吨
mass: pound | lb | 磅 | lb | pounds pound lbs | 磅
mass: ounce | oz | 盎司 | oz | ounces ounce | 盎司
mass: stone | st | 英石 | st | stones stone | 英石
mass: carat | ct | 克拉 | ct | carats carat | 克拉
mass: jin | jin | 斤 | | jin catties catty | 斤 市斤
mass: liang | liang | 两 | | liang taels tael | 两 市两
area: meter ** 2 | m² | 平方米 | m^2 m2 | square_meters square_meter square_metres square_metre sqm | 平方米 平米
area: kilometer ** 2 | km² | 平方公里 | km^2 km2 | square_kilometers square_kilometer | 平方公里 平方千米
area: centimeter ** 2 | cm² | 平方厘米 | cm^2 cm2 | square_centimeters square_centimeter square_centimetres | 平方厘米
area: foot ** 2 | ft² | 平方英尺 | ft^2 ft2 | square_feet square_foot sqft sq_ft | 平方英尺
area: inch ** 2 | in² | 平方英寸 | in^2 in2 | square_inches square_inch | 平方英寸
area: mile ** 2 | square miles | 平方英里 | mi^2 mi2 | square_miles square_mile | 平方英里
area: hectare | ha | 公顷 | ha | hectares hectare | 公顷
area: common_acre | acres | 英亩 | ac | acres acre | 英亩
area: chinese_mu | mu | 亩 | | mu | 亩 市亩
volume: liter | L | 升 | L l | liters liter litres litre | 升 公升
volume: milliliter | mL | 毫升 | mL ml ML | milliliters milliliter millilitres millilitre | 毫升
volume: meter ** 3 | m³ | 立方米 | m^3 m3 | cubic_meters cubic_meter cubic_metres cubic_metre | 立方米
volume: centimeter ** 3 | cm³ | 立方厘米 | cm^3 cm3 cc | cubic_centimeters cubic_centimeter | 立方厘米
volume: foot ** 3 | ft³ | 立方英尺 | ft^3 ft3 | cubic_feet cubic_foot | 立方英尺
volume: gallon | US gallons | 美制加仑 | gal | gallons gallon US_gallons US_gallon | 加仑 美制加仑
volume: imperial_gallon | imperial gallons | 英制加仑 | | imperial_gallons imperial_gallon | 英制加仑
volume: quart | US quarts | 美制夸脱 | qt | quarts quart | 夸脱
volume: pint | US pints | 美制品脱 | pt | pints pint | 品脱
volume: cup | US cups | 美制杯 | | cups cup | 量杯
volume: fluid_ounce | US fl oz | 美制液量盎司 | floz fl_oz | fluid_ounces fluid_ounce | 液量盎司 液体盎司
volume: tablespoon | tbsp | 汤匙 | tbsp | tablespoons tablespoon | 汤匙
volume: teaspoon | tsp | 茶匙 | tsp | teaspoons teaspoon | 茶匙
time: second | s | 秒 | s | seconds second secs sec | 秒 秒钟
time: millisecond | ms | 毫秒 | ms | milliseconds millisecond | 毫秒
time: microsecond | µs | 微秒 | µs us | microseconds microsecond | 微秒
time: nanosecond | ns | 纳秒 | ns | nanoseconds nanosecond | 纳秒
time: minute | min | 分钟 | min | minutes minute mins | 分钟
time: hour | h | 小时 | h | hours hour hrs hr | 小时 个小时 钟头 个钟头
time: day | days | 天 | d | days day | 天
time: week | weeks | 周 | wk | weeks week | 周 星期 个星期
temperature: degree_Celsius | °C | °C | °C C | \
degrees_celsius degree_celsius degrees_c deg_c celsius centigrade c | 摄氏度 度摄氏 摄氏
temperature: degree_Fahrenheit | °F | °F | °F F | \
degrees_fahrenheit degree_fahrenheit degrees_f deg_f fahrenheit f | 华氏度 度华氏 华氏
temperature: kelvin | K | K | K | kelvins kelvin | 开尔文 开氏度
data: bit | bit | 比特 | | bits bit | 比特
data: byte | bytes | 字节 | B | bytes byte | 字节
data: kilobyte | kB | kB | kB KB | kilobytes kilobyte kb | 千字节
data: megabyte | MB | MB | MB | megabytes megabyte mb | 兆字节
data: gigabyte | GB | GB | GB | gigabytes gigabyte gb | 吉字节
data: terabyte | TB | TB | TB | terabytes terabyte tb | 太字节
data: petabyte | PB | PB | PB | petabytes petabyte pb |
data: kibibyte | KiB | KiB | KiB | kibibytes kibibyte kib |
data: mebibyte | MiB | MiB | MiB | mebibytes mebibyte mib |
data: gibibyte | GiB | GiB | GiB | gibibytes gibibyte gib |
data: tebibyte | TiB | TiB | TiB | tebibytes tebibyte tib |
data: kilobit | kbit | kbit | kbit Kbit Kb | kilobits kilobit |
data: megabit | Mbit | Mbit | Mbit Mb | megabits megabit |
data: gigabit | Gbit | Gbit | Gbit Gb | gigabits gigabit |
speed: kilometer / hour | km/h | 公里/小时 | km/h kmh kph KM/H | kilometers_per_hour kilometres_per_hour | \
公里/小时 公里每小时 千米每小时 千米/小时
speed: meter / second | m/s | 米/秒 | m/s | meters_per_second metres_per_second | 米/秒 米每秒
speed: mile / hour | mph | 英里/小时 | mph mi/h | miles_per_hour | 英里/小时 英里每小时
speed: foot / second | ft/s | 英尺/秒 | ft/s | feet_per_second | 英尺/秒 英尺每秒
speed: knot | knots | 节 | kn | knots knot | 节
rate: megabit / second | Mbit/s | Mbit/s | Mbps Mb/s Mbit/s | megabits_per_second |
rate: gigabit / second | Gbit/s | Gbit/s | Gbps Gb/s Gbit/s | gigabits_per_second |
rate: megabyte / second | MB/s | MB/s | MB/s MBps | megabytes_per_second |
energy: joule | J | 焦耳 | J | joules joule | 焦耳 焦
energy: kilojoule | kJ | 千焦 | kJ KJ | kilojoules kilojoule | 千焦
energy: calorie | cal | 卡 | cal | | 卡 小卡
energy: kilocalorie | kcal | 千卡 | kcal | kilocalories kilocalorie calories calorie | 千卡 大卡 卡路里
energy: kilowatt_hour | kWh | 千瓦时 | kWh KWh kwh | kilowatt_hours kilowatt_hour | 千瓦时 度电
power: watt | W | 瓦 | W | watts watt | 瓦特 瓦
power: kilowatt | kW | 千瓦 | kW KW | kilowatts kilowatt | 千瓦
power: megawatt | MW | 兆瓦 | MW | megawatts megawatt | 兆瓦
power: horsepower | hp | 英制马力 | hp | horsepower | 英制马力
power: metric_horsepower | PS | 马力 | PS | metric_horsepower | 马力 公制马力
pressure: pascal | Pa | 帕 | Pa | pascals pascal | 帕斯卡 帕
pressure: kilopascal | kPa | 千帕 | kPa | kilopascals kilopascal | 千帕
pressure: megapascal | MPa | 兆帕 | MPa | megapascals megapascal | 兆帕
pressure: bar | bar | 巴 | bar | bars | 巴
pressure: psi | psi | psi | psi | |
pressure: atmosphere | atm | 大气压 | atm | atmospheres atmosphere | 标准大气压 大气压 个大气压
pressure: millimeter_Hg | mmHg | 毫米汞柱 | mmHg mmhg | | 毫米汞柱
frequency: hertz | Hz | 赫兹 | Hz | hertz | 赫兹 赫
frequency: kilohertz | kHz | 千赫 | kHz KHz | kilohertz | 千赫
frequency: megahertz | MHz | 兆赫 | MHz | megahertz | 兆赫
frequency: gigahertz | GHz | 吉赫 | GHz | gigahertz | 吉赫
angle: degree | ° | ° | ° deg | degrees degree | 度 角度
angle: radian | rad | 弧度 | rad | radians radian | 弧度
"""

_CURRENCIES = re.compile(
    r"(?:USD|EUR|GBP|CNY|RMB|JPY|HKD|dollars?|euros?|pounds? sterling|yuan|yen|renminbi|bitcoins?|BTC)\b"
    r"|美元|欧元|英镑|人民币|日元|港币|港元|台币|韩元|美金|比特币",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as pint calls it, what it measures, and how it is written in English and Chinese."""

    name: str
    kind: str
    english: str
    chinese: str

    def shown(self, language: str, is_one: bool = False) -> str:
        if language == "zh":
            return self.chinese
        is_plural = self.english.endswith("s") and not self.english.endswith("/s") and len(self.english) > 3
        return self.english[:-1] if is_one and is_plural else self.english


def _read() -> tuple[dict[str, Unit], dict[str, Unit]]:
    symbols: dict[str, Unit] = {}
    names: dict[str, Unit] = {}
    for line in _TABLE.strip().splitlines():
        kind, _, rest = line.partition(": ")
        name, english, chinese, exact, words, characters = (cell.strip() for cell in rest.split("|"))
        unit = Unit(name, kind, english, chinese)
        symbols |= {symbol.replace("_", " "): unit for symbol in [*exact.split(), *characters.split()]}
        names |= {word.replace("_", " ").lower(): unit for word in words.split()}
    return symbols, names


_SYMBOLS, _NAMES = _read()
DEGREE = _SYMBOLS["°"]
CELSIUS = _SYMBOLS["°C"]
FAHRENHEIT = _SYMBOLS["°F"]
OUNCE = _SYMBOLS["oz"]
FLUID_OUNCE = _SYMBOLS["fl oz"]


def _pattern(words: dict[str, Unit]) -> str:
    longest_first = sorted(words, key=len, reverse=True)
    return "|".join(re.escape(word) + (r"(?![A-Za-z0-9^])" if word[-1].isascii() else "") for word in longest_first)


_SYMBOL = re.compile(_pattern(_SYMBOLS))
_NAME = re.compile(_pattern(_NAMES), re.IGNORECASE)


def unit_at(text: str, start: int) -> tuple[Unit, int] | None:
    """The longest unit that is written at `start`, and where it ends."""
    found = [(table[key(match[0])], match.end()) for table, key, match in _matches(text, start) if match]
    return max(found, key=lambda pair: pair[1], default=None)


def _matches(text: str, start: int) -> list[tuple[dict[str, Unit], Any, re.Match[str] | None]]:
    return [(_SYMBOLS, str, _SYMBOL.match(text, start)), (_NAMES, str.lower, _NAME.match(text, start))]


def unit_named(text: str) -> Unit | None:
    """The unit that is meant by the whole text."""
    found = unit_at(text, 0)
    return found[0] if found and found[1] == len(text) else None


def currency_in(text: str) -> str:
    """The first currency that is named, "" where there is none."""
    found = _CURRENCIES.search(text)
    return found[0] if found else ""


def converted(number: Decimal, unit: Unit, target: Unit) -> Decimal:
    """So much of a unit in another one of the same kind."""
    if unit == target:
        return number
    with localcontext(prec=PRECISION):
        return Decimal(_registry().Quantity(number, unit.name).to(target.name).magnitude)


@cache
def _registry() -> Any:
    import pint  # takes a third of a second, which those who never ask for a unit are spared

    with localcontext(prec=PRECISION):
        registry: Any = pint.UnitRegistry(non_int_type=Decimal)
        for definition in _OWN:
            registry.define(definition)
    return registry
