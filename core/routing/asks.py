"""What is asked for in so many words: a program, a query, a pattern; or a poem, a letter, a translation.

Each pattern needs the verb and its object, in order: "write a Python script" decides, "Python" and "script" do not.
"""

from core.routing.reading import Lines, any_of, asking

_LANGUAGE = (
    r"(?:python3?|javascript|typescript|java|c\+\+|c#|golang|go|rust|ruby|php|kotlin|swift|bash|shell|zsh|sql|perl|"
    r"lua|scala|haskell|powershell|matlab|vba|html|css|node(?:\.?js)?|react|vue ?\d?|django|flask|fastapi|pandas|"
    r"pytorch|spring ?boot|postgres(?:ql)?|mysql|sqlite|mongodb|redis|selenium|arduino|[cr] ?语言|易语言)"
)
_PLEASE = (
    r"(?:^|[.!?:;,]\s*|\b(?:please|can you|could you|would you|can i get you to|help me(?: to)?|i need you to|"
    r"i want you to|i need to|i want to|i'd like you to|i have to|how do i|how can i|how to|how do you|"
    r"how would you|let's|now|then|and)\s+)"
)
_MAKE = r"(?:write|code|implement|build|create|generate|make|develop|program|give me|show me|need|i need|i want)"
_A = r"(?:\s+(?:me|us))?(?:\s+up)?(?:\s+(?:a|an|some|the|another|one|my))?"
_FEW = r"(?:\s+(?!for\b|about\b|to\b|of\b|on\b|with\b|that\b)[\w-]+){0,2}"
_PROGRAM = (
    r"(?:scripts?|programs?|functions?|class|classes|methods?|snippets?|modules?|code|one-liners?|quer(?:y|ies)|"
    r"apps?|decorators?|tests?|library|server|client|bot|cli|component|hook|macro|formula|implementation|example|"
    r"solution)"
)
_NOT_A_PROGRAM = (
    r"(?!['’]?\s*(?:developer|engineer|programmer|course|book|tutor|job|club|meetup|conference|joke|pun|poem))"
)
_DOES = (
    r"(?:takes|returns?|counts?|checks?|finds?|reads?|parses?|converts?|computes?|calculates?|validates?|sorts?|"
    r"reverses?|merges?|prints?|removes?|deletes?|renames?|downloads?|uploads?|sends?|scrapes?|monitors?|extracts?|"
    r"splits?|generates?|detects?|compares?|loops?|iterates?|fetch(?:es)?)"
)
_THING = (
    r"(?:regex|regexp|regular expression|sql query|sql statement|shell script|bash script|dockerfile|"
    r"docker-compose file|makefile|stored procedure|unit tests?|crontab entry|cron expression|binary search|"
    r"linked list|quicksort|merge sort|hash map|trie)"
)
_PIECE = r"(?:code|function|method|class|query|regex|snippet|script|loops?|component)"

# Without one of these words none of the English patterns can match: most lines are spared them.
_ASK_WORD = any_of(
    r"\b(?:write|code|implement|build|create|generate|make|develop|program|give|show|need|want|port|translate|convert|"
    r"rewrite|migrate|explain|review|fix|debug|refactor|optimi[sz]e|test|simplify|speed|clean|comment|document|"
    r"what does)\b",
    ignore_case=True,
)
_ENGLISH_ASKS = (
    rf"{_MAKE}{_A}{_FEW}\s+{_LANGUAGE}\s+(?:[\w-]+\s+)?{_PROGRAM}\b{_NOT_A_PROGRAM}",
    rf"(?:write|implement|code|create){_A}{_FEW}\s+(?:function|method|program|class|script)s?\s+"
    rf"(?:in\s+{_LANGUAGE}|(?:that|which|to)\s+{_DOES})\b",
    rf"(?:write|implement|give me|need|i need|show me){_A}(?:\s+[\w-]+){{0,2}}?\s+{_THING}\b"
    r"(?!\s+(?:joke|pun|poem|song|story))",
    rf"implement\b.*\bin {_LANGUAGE}(?!\w)",
    rf"(?:explain|review|fix|debug|refactor|optimi[sz]e|test|simplify|speed up|clean up|comment|document)\s+"
    rf"(?:this|my|the following|these)\s+(?:{_LANGUAGE}\s+)?{_PIECE}\b",
)
_ENGLISH_CODE = any_of(
    rf"{_PLEASE}(?:{'|'.join(_ENGLISH_ASKS)})",
    rf"\b(?:port|translate|convert|rewrite|migrate)\b.{{0,60}}\b(?:in)?to {_LANGUAGE}(?![\w-])(?!\s+(?:island|coffee))",
    r"\bwhat does (?:this|the following) (?:code|function|regex|query|script|command|snippet|loop|line of code) "
    r"(?:do|mean|return)\b",
    ignore_case=True,
)
_CHINESE_CODE = any_of(
    rf"用\s*{_LANGUAGE}\s*(?:来|去|帮我|给我)?\s*(?:写(?!一?[首篇封])|实现|编写|开发|画|读|处理|生成|把|计算|统计|做一?个|"
    r"怎么|如何|爬|解析|打印|求)",
    rf"(?:写|编写|实现|生成|来|给我|要|封装)\s*(?:一|两|几)?[个段条份些下]?\s*(?:简单的?|完整的?|小)?\s*{_LANGUAGE}\s*的?\s*"
    r"(?:脚本|代码|函数|程序|类|语句|查询|爬虫|组件|接口|小程序|例子|示例|方法|装饰器|测试|命令)(?!员)",
    r"(?:写|编写|给我?|来|生成|实现)\s*(?:一|两|几)?[个段条份]\s*(?:简单的?|完整的?|小)?\s*"
    r"(?:代码|函数(?!的)|正则|SQL|爬虫(?!类|动物|宠物)|存储过程|单元测试|shell|递归函数|装饰器|Dockerfile|"
    r"Makefile|存储函数)(?!\s*(?:工程师|开发|岗|简历|课))",
    r"(?:写|编写)\s*(?:正则|SQL|单元测试|单测)(?!的?(?:作者|笑话|诗|心得|教程|工程师))",
    r"(?:解释|优化|重构|看看|检查|调试|修改|改写|简化|测试|review|注释)(?:一下|下)?(?:这|我的|下面的?|以下)(?:[一几]?[段个条份])?\s*"
    rf"(?:{_LANGUAGE}\s*)?(?:的\s*)?(?:代码|函数|SQL|正则|查询语句|存储过程)",
    r"这段代码(?:是|在|为什么|哪里|怎么|有|能|做|干|的)",
    r"(?:正则|正则表达式)(?:怎么|如何)?(?:写|匹配|提取|校验|验证)|SQL\s*(?:怎么|如何)(?:写|查|去重|统计|分组)",
    ignore_case=True,
)

_ASIDE = r"(?:please|can you|could you|would you|help me|hi|hey|hello|i need you to)"
_PROSE = (
    r"(?:poem|haiku|limerick|sonnet|ballad|story|short story|song|joke|riddle|speech|toast|eulogy|essay|letter|"
    r"e-?mail|card|birthday card|blog post|linkedin post|cover letter|press release|newsletter|diary entry|obituary|"
    r"wedding vows|lyrics|fairy tale|fable|rap|thank-you note|love letter|farewell mail|apology)"
)
_NOT_ITS_OBJECT = (
    r"(?!for\b|to\b|that\b|which\b|of\b|in\b|with\b|scripts?\b|functions?\b|regex\w*\b|class\b|programs?\b|query\b|"
    r"code\b|html\b|api\b|parser\b|unit\b|tests?\b)"
)
# "a poem about", not "a poem generator".
_GOES_ON = (
    r"(?=\s*(?:$|[.,:;!?\"“(]|(?:about|for|from|of|as|on|in the style|in which|where|explaining|asking|saying|telling|"
    r"inviting|thanking|apologi[sz]ing)\b|to (?!text\b|speech\b|pdf\b|html\b)|that (?:rhymes|says|explains|thanks)\b))"
)
_LAY_READER = (
    r"(?:\w+[- ]year[- ]old|grand\w+|mother|mom|mum|dad|father|kids?|child|daughter|son|wife|husband|boss|ceo|lawyer|"
    r"layman|lay person|non-technical|customers|clients)"
)
_TONGUE = r"(?:english|chinese|french|german|spanish|italian|japanese|korean|russian|portuguese|arabic|dutch)"
_PROSE_ASK = any_of(
    rf"^\W*(?:{_ASIDE}[\s,]+){{0,3}}(?:write|compose|draft|tell|recite)(?:\s+(?:me|us))?"
    rf"(?:\s+(?:a|an|another|some|two|three))?(?:\s+{_NOT_ITS_OBJECT}[\w'-]+){{0,3}}?\s+{_PROSE}{_GOES_ON}",
    rf"\btranslate\b.{{0,60}}\b(?:in)?to {_TONGUE}\b",
    r"^\W*(?:please )?(?:correct|check) (?:the|my) (?:grammar|spelling)\b",
    r"\b(?:what's|what is|explain|get) the joke\b|\b(?:rhymes?|synonyms?) (?:for|with)\b",
    r"\b(?:as|like|as if it were) a (?:bedtime story|fairy tale|fable|nursery rhyme|children's book)\b",
    r"^\W*(?:please )?(?:proofread|rephrase|paraphrase|reword)\b",
    r"^\W*(?:please )?(?:make|rewrite|rephrase) (?:this|it|that)(?: \w+)? (?:sound )?(?:more |a bit |much ){0,3}"
    r"(?:friendlier|friendly|formal|formally|polite|politely|professional|casual|warmer|kinder)\b",
    rf"\bexplain\b.{{0,60}}\bto (?:my |a |our |an ){_LAY_READER}\b",
    r"^\W*(?:who (?:invented|founded|coined)|how (?:do you|is|to) pronounced?|how do i pronounce)\b",
    r"(?:写|来|作|编|起草|拟)\s*(?:一|两|几)?\s*(?:首|封|篇|副|则|阕)",
    r"(?:讲|说|编)\s*(?:一|两|几)?个?[^，。,.]{0,14}(?:笑话|故事|冷笑话|段子)",
    r"(?:写|起草|拟|想|来)\s*(?:一|两|几)?[个段份句条点张]?[^，。,.：:]{0,12}(?:祝福语?|贺词|致辞|演讲稿|发言稿|文案|朋友圈|"
    r"情书|打油诗|检讨书?|祝酒词|颁奖词|周报|工作总结|年终总结|自我介绍|道歉信|求职信|感谢信|告别信|广告语|口号|小说|作文|歌词|"
    r"台词|贺卡)",
    r"(?:翻译|译)成\s*(?:英文|英语|中文|汉语|日文|日语|法语|法文|德语|德文|西班牙语|韩语|俄语|意大利语|葡萄牙语|阿拉伯语|文言文|白话)",
    r"(?:给|跟|向|和)(?:我)?(?:奶奶|爷爷|外婆|姥姥|妈妈?|爸爸?|父母|爸妈|老板|领导|客户|孩子|小孩|小学生|小朋友|儿子|女儿|外行|老婆|"
    r"老公|非技术)[^，。,.]{0,4}(?:解释|讲讲|讲清|说明|科普)|大白话|别用术语|不(?:用|要)(?:技术)?术语",
    r"(?:改|写|说)得?(?:更|再)?(?:正式|客气|委婉|口语|温和|礼貌|活泼)|润色|有没有语病|换个说法|改(?:一下)?病句",
    r"是什么梗|笑点(?:在|是)|押韵|(?:近|同|反)义词|(?:讲|说|写)成一?个?(?:童话|睡前故事|寓言|故事)",
    r"是谁(?:发明|创造|创办|创立)的?|怎么发音",
    ignore_case=True,
)
# Beside these an ask for prose may be meant otherwise ("an email with a regex in it"): no rule then.
_MACHINERY = any_of(
    r"\b(?:regex|regexp|validator|parser|generator|smtp|template engine|html|api|endpoint|function that|"
    r"script that|at run ?time|automatically)\b",
    r"正则|脚本(?!怎么|设计)|函数|代码|接口|HTML|生成器|模板|批量|自动发|注释",
    ignore_case=True,
)


def asks_for_code(lines: Lines) -> bool:
    return any(_CHINESE_CODE(line) or (_ASK_WORD(line) and _ENGLISH_CODE(line)) for line in asking(lines))


def asks_for_prose(lines: Lines) -> bool:
    asks = asking(lines)
    return any(map(_PROSE_ASK, asks)) and not any(map(_MACHINERY, asks))
