"""Places that the locale data does not know: big cities that are no time zone of their own, regions, usual names."""

# zone | English, other English names / Chinese, other Chinese names; the first name of each is what we say.
CITIES = """
Asia/Shanghai | Beijing, Peking / 北京
Asia/Shanghai | Shenzhen / 深圳
Asia/Shanghai | Guangzhou, Canton / 广州
Asia/Shanghai | Hangzhou / 杭州
Asia/Shanghai | Chengdu / 成都
Asia/Shanghai | Chongqing, Chungking / 重庆
Asia/Shanghai | Wuhan / 武汉
Asia/Shanghai | Xi'an, Xian / 西安
Asia/Shanghai | Nanjing, Nanking / 南京
Asia/Shanghai | Tianjin / 天津
Asia/Shanghai | Suzhou / 苏州
Asia/Shanghai | Qingdao / 青岛
Asia/Shanghai | Dalian / 大连
Asia/Shanghai | Xiamen / 厦门
Asia/Shanghai | Ningbo / 宁波
Asia/Shanghai | Changsha / 长沙
Asia/Shanghai | Zhengzhou / 郑州
Asia/Shanghai | Harbin / 哈尔滨
Asia/Shanghai | Shenyang / 沈阳
Asia/Shanghai | Kunming / 昆明
Asia/Shanghai | Lhasa / 拉萨
Asia/Shanghai | Hefei / 合肥
Asia/Shanghai | Jinan / 济南
Asia/Shanghai | Fuzhou / 福州
Asia/Shanghai | Dongguan / 东莞
Asia/Shanghai | Zhuhai / 珠海
Asia/Shanghai | Haikou / 海口
Asia/Shanghai | Sanya / 三亚
Asia/Taipei | Kaohsiung / 高雄
Asia/Tokyo | Osaka / 大阪
Asia/Tokyo | Kyoto / 京都
Asia/Tokyo | Nagoya / 名古屋
Asia/Tokyo | Sapporo / 札幌
Asia/Tokyo | Fukuoka / 福冈
Asia/Tokyo | Yokohama / 横滨
Asia/Tokyo | Hiroshima / 广岛
Asia/Tokyo | Okinawa / 冲绳
Asia/Seoul | Busan / 釜山
Asia/Seoul | Incheon / 仁川
Asia/Kolkata | New Delhi, Delhi / 新德里, 德里
Asia/Kolkata | Mumbai, Bombay / 孟买
Asia/Kolkata | Bengaluru, Bangalore / 班加罗尔
Asia/Kolkata | Chennai, Madras / 金奈
Asia/Kolkata | Hyderabad / 海得拉巴
Asia/Kolkata | Pune / 浦那
Asia/Kolkata | Ahmedabad / 艾哈迈达巴德
Asia/Karachi | Islamabad / 伊斯兰堡
Asia/Karachi | Lahore / 拉合尔
Asia/Ho_Chi_Minh | Hanoi / 河内
Asia/Ho_Chi_Minh | Da Nang, Danang / 岘港
Asia/Ho_Chi_Minh | Ho Chi Minh City, Saigon, Ho Chi Minh / 胡志明市, 西贡, 胡志明
Asia/Bangkok | Chiang Mai / 清迈
Asia/Bangkok | Phuket / 普吉, 普吉岛
Asia/Makassar | Bali, Denpasar / 巴厘岛
Asia/Jakarta | Surabaya / 泗水
Asia/Manila | Cebu / 宿务
Asia/Kuala_Lumpur | Penang / 槟城
Asia/Dubai | Abu Dhabi / 阿布扎比, 阿布达比
Asia/Qatar | Doha / 多哈
Asia/Riyadh | Jeddah / 吉达
Asia/Riyadh | Mecca / 麦加
Asia/Kuwait | Kuwait City / 科威特城
Asia/Jerusalem | Tel Aviv / 特拉维夫
Europe/Istanbul | Ankara / 安卡拉
Asia/Almaty | Astana / 阿斯塔纳
Asia/Kathmandu | Kathmandu, Katmandu / 加德满都
Asia/Yangon | Mandalay / 曼德勒
Europe/Moscow | Saint Petersburg, St. Petersburg, Petersburg / 圣彼得堡
Asia/Vladivostok | Vladivostok / 符拉迪沃斯托克, 海参崴
Europe/Berlin | Munich, München, Muenchen / 慕尼黑
Europe/Berlin | Frankfurt, Frankfurt am Main / 法兰克福
Europe/Berlin | Hamburg / 汉堡
Europe/Berlin | Cologne, Köln, Koeln / 科隆
Europe/Berlin | Stuttgart / 斯图加特
Europe/Berlin | Düsseldorf, Duesseldorf / 杜塞尔多夫
Europe/Berlin | Leipzig / 莱比锡
Europe/Berlin | Dresden / 德累斯顿
Europe/Zurich | Geneva, Genève / 日内瓦
Europe/Zurich | Basel / 巴塞尔
Europe/Zurich | Bern / 伯尔尼
Europe/Vienna | Salzburg / 萨尔茨堡
Europe/Rome | Milan, Milano / 米兰
Europe/Rome | Venice / 威尼斯
Europe/Rome | Florence / 佛罗伦萨
Europe/Rome | Naples / 那不勒斯
Europe/Rome | Turin / 都灵
Europe/Madrid | Barcelona / 巴塞罗那
Europe/Madrid | Valencia / 瓦伦西亚
Europe/Madrid | Seville / 塞维利亚
Europe/Lisbon | Porto / 波尔图
Europe/Paris | Lyon / 里昂
Europe/Paris | Marseille / 马赛
Europe/Paris | Nice / 尼斯
Europe/Paris | Toulouse / 图卢兹
Europe/Paris | Bordeaux / 波尔多
Europe/Paris | Strasbourg / 斯特拉斯堡
Europe/Amsterdam | Rotterdam / 鹿特丹
Europe/Amsterdam | The Hague, Hague / 海牙
Europe/Brussels | Antwerp / 安特卫普
Europe/Stockholm | Gothenburg / 哥德堡
Europe/London | Manchester / 曼彻斯特
Europe/London | Birmingham / 伯明翰
Europe/London | Liverpool / 利物浦
Europe/London | Edinburgh / 爱丁堡
Europe/London | Glasgow / 格拉斯哥
Europe/London | Cardiff / 加的夫
Europe/London | Belfast / 贝尔法斯特
Europe/London | Oxford / 牛津
Europe/London | Cambridge / 剑桥
Europe/Warsaw | Kraków, Krakow, Cracow / 克拉科夫
Europe/Kyiv | Kyiv, Kiev / 基辅
Europe/Athens | Thessaloniki / 塞萨洛尼基
America/New_York | New York, New York City, NYC / 纽约, 纽约市
America/New_York | Washington, Washington DC, Washington D.C. / 华盛顿, 华盛顿特区
America/New_York | Boston / 波士顿
America/New_York | Philadelphia / 费城
America/New_York | Atlanta / 亚特兰大
America/New_York | Miami / 迈阿密
America/New_York | Orlando / 奥兰多
America/New_York | Pittsburgh / 匹兹堡
America/New_York | Baltimore / 巴尔的摩
America/New_York | Cleveland / 克利夫兰
America/New_York | Charlotte / 夏洛特
America/Chicago | Houston / 休斯顿, 休斯敦
America/Chicago | Dallas / 达拉斯
America/Chicago | Austin / 奥斯汀
America/Chicago | San Antonio / 圣安东尼奥
America/Chicago | Minneapolis / 明尼阿波利斯
America/Chicago | New Orleans / 新奥尔良
America/Chicago | Nashville / 纳什维尔
America/Chicago | Saint Louis, St. Louis / 圣路易斯市
America/Chicago | Kansas City / 堪萨斯城
America/Denver | Salt Lake City / 盐湖城
America/Denver | El Paso / 埃尔帕索
America/Denver | Albuquerque / 阿尔伯克基
America/Los_Angeles | Los Angeles, LA / 洛杉矶
America/Los_Angeles | San Francisco, SF / 旧金山, 三藩市
America/Los_Angeles | Seattle / 西雅图
America/Los_Angeles | San Diego / 圣迭戈
America/Los_Angeles | San Jose, San José / 圣何塞
America/Los_Angeles | Silicon Valley, Palo Alto, Mountain View, Cupertino / 硅谷
America/Los_Angeles | Las Vegas, Vegas / 拉斯维加斯
America/Los_Angeles | Portland / 波特兰
America/Los_Angeles | Sacramento / 萨克拉门托
America/Los_Angeles | Redmond / 雷德蒙德
America/Toronto | Montréal, Montreal / 蒙特利尔
America/Toronto | Ottawa / 渥太华
America/Toronto | Quebec City, Québec City / 魁北克市
America/Edmonton | Calgary / 卡尔加里
America/Vancouver | Victoria / 维多利亚
America/Mexico_City | Guadalajara / 瓜达拉哈拉
America/Sao_Paulo | São Paulo, Sao Paulo / 圣保罗
America/Sao_Paulo | Rio de Janeiro, Rio / 里约热内卢, 里约
America/Sao_Paulo | Brasília, Brasilia / 巴西利亚
America/Guayaquil | Quito / 基多
America/Bogota | Medellín, Medellin / 麦德林
America/Argentina/Buenos_Aires | Buenos Aires / 布宜诺斯艾利斯
Africa/Johannesburg | Cape Town / 开普敦
Africa/Johannesburg | Pretoria / 比勒陀利亚
Africa/Johannesburg | Durban / 德班
Africa/Lagos | Abuja / 阿布贾
Africa/Casablanca | Rabat / 拉巴特
Africa/Casablanca | Marrakesh, Marrakech / 马拉喀什
Africa/Cairo | Alexandria / 亚历山大港
Australia/Sydney | Canberra / 堪培拉
Australia/Brisbane | Gold Coast / 黄金海岸
Pacific/Auckland | Wellington / 惠灵顿
Pacific/Auckland | Christchurch / 基督城
Asia/Taipei | Taipei, Taiwan / 台北, 台湾
Asia/Hong_Kong | Hong Kong, HK, Hongkong / 香港
Asia/Macau | Macao, Macau / 澳门
America/Toronto | Ontario / 安大略
America/Toronto | Quebec, Québec / 魁北克
America/Vancouver | British Columbia, BC / 不列颠哥伦比亚
Australia/Sydney | New South Wales, NSW / 新南威尔士
Australia/Brisbane | Queensland / 昆士兰
Australia/Melbourne | Victoria State / 维多利亚州
Australia/Perth | Western Australia / 西澳
Australia/Hobart | Tasmania / 塔斯马尼亚
Europe/London | England / 英格兰
Europe/London | Scotland / 苏格兰
Europe/London | Wales / 威尔士
Europe/London | Northern Ireland / 北爱尔兰
Europe/Berlin | Bavaria / 巴伐利亚
Asia/Urumqi | Xinjiang time / 新疆时间
Asia/Shanghai | Xinjiang / 新疆
Asia/Shanghai | Urumqi, Ürümqi, Wulumuqi / 乌鲁木齐
Asia/Shanghai | Tibet / 西藏
America/New_York | US Eastern time, Eastern time, ET, US Eastern, East Coast / 美国东部, 美东, 美国东部时间
America/Chicago | US Central time, Central time, CT, US Central / 美国中部, 美中, 美国中部时间
America/Denver | US Mountain time, Mountain time, MT, US Mountain / 美国山地, 美国山区
America/Los_Angeles | US Pacific time, Pacific time, PT, US Pacific, West Coast / 美国西部, 美西, 太平洋时间, 美国太平洋
Europe/Berlin | Central European time / 中欧, 欧洲中部
Europe/Athens | Eastern European time / 东欧
Europe/Lisbon | Western European time / 西欧
Asia/Shanghai | China standard time / 中国标准
Asia/Kolkata | Indian standard time / 印度标准
Asia/Tokyo | Japan standard time / 日本标准
"""

# zone | code, English / Chinese, ...: the states of the USA, by the time that most of their people live by.
STATES = """
America/New_York | CT Connecticut/康涅狄格, DE Delaware/特拉华, FL Florida/佛罗里达, ME Maine/缅因
America/New_York | GA Georgia (USA)/佐治亚
America/New_York | MD Maryland/马里兰, MA Massachusetts/马萨诸塞, NH New Hampshire/新罕布什尔, NJ New Jersey/新泽西
America/New_York | NY New York State/纽约州, NC North Carolina/北卡罗来纳, OH Ohio/俄亥俄, PA Pennsylvania/宾夕法尼亚
America/New_York | RI Rhode Island/罗得岛, SC South Carolina/南卡罗来纳, VT Vermont/佛蒙特, VA Virginia/弗吉尼亚
America/New_York | WV West Virginia/西弗吉尼亚, KY Kentucky/肯塔基, DC District of Columbia/哥伦比亚特区
America/Detroit | MI Michigan/密歇根
America/Indiana/Indianapolis | IN Indiana/印第安纳
America/Chicago | AL Alabama/亚拉巴马, AR Arkansas/阿肯色, IL Illinois/伊利诺伊, IA Iowa/艾奥瓦, KS Kansas/堪萨斯
America/Chicago | LA Louisiana/路易斯安那, MN Minnesota/明尼苏达, MS Mississippi/密西西比, MO Missouri/密苏里
America/Chicago | NE Nebraska/内布拉斯加, ND North Dakota/北达科他, OK Oklahoma/俄克拉何马, SD South Dakota/南达科他
America/Chicago | TN Tennessee/田纳西, TX Texas/得克萨斯, WI Wisconsin/威斯康星
America/Denver | CO Colorado/科罗拉多, MT Montana/蒙大拿, NM New Mexico/新墨西哥, UT Utah/犹他, WY Wyoming/怀俄明
America/Boise | ID Idaho/爱达荷
America/Phoenix | AZ Arizona/亚利桑那
America/Los_Angeles | CA California/加利福尼亚, NV Nevada/内华达, OR Oregon/俄勒冈, WA Washington State/华盛顿州
America/Anchorage | AK Alaska/阿拉斯加
Pacific/Honolulu | HI Hawaii/夏威夷
"""
STATE_NAMES = {"加州": "CA", "麻省": "MA", "德州": "TX", "得州": "TX", "佛州": "FL", "佐治亚州": "GA"}

# Countries of several zones, and the one that nearly all of their people live by.
MAIN_ZONES = {
    "AR": "America/Argentina/Buenos_Aires",
    "CL": "America/Santiago",
    "CN": "Asia/Shanghai",
    "CY": "Asia/Nicosia",
    "DE": "Europe/Berlin",
    "EC": "America/Guayaquil",
    "ES": "Europe/Madrid",
    "GL": "America/Nuuk",
    "KZ": "Asia/Almaty",
    "MN": "Asia/Ulaanbaatar",
    "MY": "Asia/Kuala_Lumpur",
    "NZ": "Pacific/Auckland",
    "PF": "Pacific/Tahiti",
    "PG": "Pacific/Port_Moresby",
    "PS": "Asia/Gaza",
    "PT": "Europe/Lisbon",
    "UA": "Europe/Kyiv",
    "UZ": "Asia/Tashkent",
}

# What people call countries besides the name in the locale data.
COUNTRIES = {
    "AE": "UAE, United Arab Emirates, Emirates, 阿联酋",
    "BA": "Bosnia",
    "CD": "DR Congo, Congo",
    "CI": "Ivory Coast",
    "CN": "PRC, mainland China, 中国大陆, 国内",
    "CZ": "Czech Republic, 捷克共和国",
    "GB": "UK, U.K., Britain, Great Britain, 大不列颠",
    "KP": "North Korea, 朝鲜, 北朝鲜",
    "KR": "South Korea, Korea, 南韩",
    "MM": "Myanmar, Burma, 缅甸",
    "NL": "Holland, the Netherlands, 荷兰",
    "NZ": "纽西兰",
    "SA": "沙特",
    "TR": "Turkey",
    "US": "USA, U.S., U.S.A., US, America, the States, United States of America",
    "VA": "Vatican",
}

# Cities to name where a country has several zones, by their time zone.
EXAMPLES = {
    "AU": ("Australia/Sydney", "Australia/Perth"),
    "BR": ("America/Sao_Paulo", "America/Manaus"),
    "CA": ("America/Toronto", "America/Vancouver"),
    "CD": ("Africa/Kinshasa", "Africa/Lubumbashi"),
    "ID": ("Asia/Jakarta", "Asia/Makassar"),
    "MX": ("America/Mexico_City", "America/Tijuana"),
    "RU": ("Europe/Moscow", "Asia/Vladivostok"),
    "US": ("America/New_York", "America/Los_Angeles"),
}

# Abbreviations are offsets: EST is UTC-5 in summer too. In minutes, with what the ambiguous ones are taken for.
ABBREVIATIONS = {
    "ACDT": 630, "ACST": 570, "ADT": -180, "AEDT": 660, "AEST": 600, "AKDT": -480, "AKST": -540, "ART": -180,
    "AWST": 480, "BRT": -180, "BST": 60, "CAT": 120, "CDT": -300, "CEST": 120, "CET": 60, "CST": -360, "EAT": 180,
    "EDT": -240, "EEST": 180, "EET": 120, "EST": -300, "GMT": 0, "HKT": 480, "HST": -600, "ICT": 420, "IST": 330,
    "JST": 540, "KST": 540, "MDT": -360, "MSK": 180, "MST": -420, "NPT": 345, "NZDT": 780, "NZST": 720, "PDT": -420,
    "PHT": 480, "PKT": 300, "PST": -480, "SAST": 120, "SGT": 480, "UTC": 0, "WAT": 60, "WEST": 60, "WET": 0,
    "WIB": 420, "Z": 0, "ZULU": 0,
}  # fmt: skip
MEANINGS = {
    "CST": ("US Central Standard Time", "美国中部标准时间"),
    "IST": ("India Standard Time", "印度标准时间"),
    "BST": ("British Summer Time", "英国夏令时"),
    "MST": ("US Mountain Standard Time", "美国山地标准时间"),
}
UTC_NAMES = ("UTC", "Etc/UTC", "Coordinated Universal Time", "universal time", "协调世界时", "世界标准时", "世界时")
GMT_NAMES = (
    "GMT",
    "Etc/GMT",
    "Greenwich",
    "Greenwich Mean Time",
    "格林尼治",
    "格林威治",
    "格林尼治标准",
    "格林威治标准",
)

# Places whose name is a plain word before "time": "nice time" asks for nothing.
PLAIN_WORDS = frozenset(
    {"nice", "casey", "davis", "resolute", "regina", "nome", "rio", "austin", "charlotte", "florence", "victoria"}
    | {"turkey", "chad", "jordan", "georgia", "jersey", "guinea", "oral", "chita", "samara", "cambridge", "phoenix"}
    | {"art", "bc", "cat", "eat", "west", "wet"}
    | {"troll", "dawson", "us", "la", "sf", "bern", "reunion", "pt", "ct", "mt", "et", "z", "virginia"}
)
