"""What stands in a place's stead: whether it can be the name of one, and whether it is known to be."""

import re

from bot.plugins._time.places import SeveralZones, UnknownPlace, find

# No name of a place has one of these: the message says more, or speaks of something else.
_NOT_OF_A_NAME = """
    a about after all am an and any anywhere app application april are article as august bad balloon be been before
    beautiful because book both but celsius channel chinese cloudy code cold compare compared cool current did do does
    december degrees during dry english essay excel extreme fahrenheit february fiction film foggy for forecast french
    front game general german get good great had has have heaven hell her here his hot how i if in is it january
    japanese java javascript july june kelvin korean last later lovely lyrics map march may mean meant movie music my
    next nice november novel october of on or our outer painting poem poetry python rainy record report sentence
    september severe she should similar snowy so somewhere song space spanish spring station story stormy summer sunny
    terrible that their theory there these they this those through to today tomorrow tonight us versus via vs warm was
    we weather week weekend wet what when where which while who why will windy winter winters with without write year
    yesterday you your autumn monday tuesday wednesday thursday friday saturday sunday morning evening night noon mars
    venus jupiter saturn mercury neptune uranus pluto moon sun sky oven fridge freezer room office kitchen house car
    garage tent cave desert bed outside inside indoors outdoors home work school minecraft skyrim antiquity
    russian italian portuguese polish dutch greek turkish hindi arabic latin swedish danish norwegian finnish thai
    react rust golang sql html css django flask node kotlin swift ruby perl typescript unity blender figma llms
    pytorch tensorflow bash linux windows android ios docker kubernetes interstellar inception titanic shining
    hamlet macbeth narnia mordor hogwarts westeros gotham atlantis
"""
_STRANGE = frozenset(_NOT_OF_A_NAME.split())
_WITH_THE = frozenset({"hague", "netherlands", "gambia", "bahamas", "philippines", "maldives", "bronx", "vatican"})
_NOT_OF_A_CHINESE_NAME = re.compile(
    r"[的是吗我你您它写说谈聊讲爱恨怕靠看猜]|他们|她们|什么|怎么|怎样|如何|为何|为啥|哪|这[个种里边些儿次]|"
    r"那[个种里边些儿次]|"
    r"关于|研究|学习|描写|描述|预测|讨厌|喜欢|影响|关注|昨天|前天|后天|上周|下周|本周|周末|星期|去年|今年|明年|"
    r"最近|近期|往年|历史|"
    r"全球|世界|极端|恶劣|坏|糟|[高低]温|潮湿|寒冷|炎热|对流|雷雨|下雨|下雪|太空|空间|宇宙|火星|月球|太阳|冬[天季]|"
    r"夏[天季]|"
    r"春[天季]|秋[天季]|室外|户外|室内|当地|本地|家里|附近|外面|手机|软件|苹果|华为|小米|墨迹|桌面|电脑|程序|代码|应用|"
    r"今天|明天|天气|天氣|因为|所以|如果|但|以及|还是|每天|平时|一般|通常|沸点|水温|体温|大自然|人工|异常|不同|"
    r"各种|所有|任何|"
    r"月亮|冰箱|空调|身体|脚|头|手|皮肤|房间|宿舍|教室|公司|地球|星球|行星|水星|金星|木星|土星|海底|深海|山顶|车里|"
    r"屋|窗|衣服|"
    r"开水|热水|冷水|咖啡|烤箱|机器|模型|芯片|发动机|参数|时候|记得|提醒|通知|运动|旅游|出门|出差|股市|楼市|市场|"
    r"市面|[子柜箱包桶杯瓶盒房屋]里$|小说|电影|游戏|里面|外边|"
    r"今晚|明晚|今早|明早|现在|目前|[和与跟或把被让]|^会(?![泽理宁同昌东])|(?<!新)会$|^[要有没能想去]|"
    r"[要有没想现]$|适合|"
    r"老家|学校|校园|操场|地铁|电池|显卡|处理器|主板|硬盘|服务器|主机|心情|爱情|感情|人生|命运|地下|车厢|高铁|飞机|火车|食堂|图书馆|"
    r"体育馆|泳池|海边|山上|楼上|楼下|阳台|厨房|卧室|客厅|浴室|被子|小孩|孩子|宝宝|老人|男人|女人|朋友|同事|领导|老师|学生|妈妈|爸爸|"
    r"奶奶|爷爷|老婆|老公|系统|设备|基金|股票|大盘|行情|话题|新闻|节目|直角|角形|近视|比赛|生活|工作|单位|办公|(?:币|酒|饭|菜|机|器|炉|箱)$"
)
_NAMES_ALL_THE_SAME = frozenset(
    {"聊城", "爱丁堡", "爱尔兰", "爱沙尼亚", "爱荷华", "爱知", "呼和浩特", "和田", "头屯河", "汕头"}
)
_NAMES_ALL_THE_SAME |= frozenset({"包头", "泰和", "让胡路", "平和", "政和", "敦和", "大和", "旅顺口", "窗岭"})
_SMALL = frozenset(
    [
        "de",
        "la",
        "le",
        "du",
        "of",
        "the",
        "upon",
        "am",
        "an",
        "der",
        "do",
        "da",
        "dos",
        "del",
        "y",
        "el",
        "al",
        "les",
        "sur",
        "on",
    ]
)
_WORD = re.compile(r"[^\W\d_][^\W\d_.'-]*(?:[.'-]+[^\W\d_]+)*\.?")  # "St. John's" and "Stratford-upon-Avon" too


def is_name(place: str) -> bool:
    """Whether it can be an English name of a place."""
    if place == "Nice":
        return True
    words = re.findall(r"[^\s,]+", place.casefold())
    if words[:1] == ["the"] and (len(words) == 1 or words.pop(1) not in _WITH_THE):
        return False
    if words == ["town"] or (re.search("[A-Z]{2}", place) and not is_known(place)):  # "in LLMs" is nowhere
        return False
    return all(map(_WORD.fullmatch, words)) and 0 < len(words) <= 6 and _STRANGE.isdisjoint(words)


def is_written_as_one(place: str) -> bool:
    """Whether it begins with capitals as a name does, or is so well known that it need not."""
    words = [word for word in re.findall(r"[^\s,]+", place) if word not in _SMALL]
    return is_known(place) or all(word[:1].isupper() or not word[:1].isascii() for word in words)


def is_chinese_name(place: str) -> bool:
    """Whether it can be a name of a place in a Chinese sentence."""
    if place.isascii():
        return is_name(place)
    return place in _NAMES_ALL_THE_SAME or not _NOT_OF_A_CHINESE_NAME.search(place)


def is_known(place: str) -> bool:
    """Whether it is a city or a country that everybody knows: few words are needed around it."""
    try:
        find(place)
    except SeveralZones:
        return True
    except UnknownPlace:
        return False
    return True
