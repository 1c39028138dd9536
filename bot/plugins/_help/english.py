"""How people ask in English what the assistant can do."""

import re
import unicodedata

_QUOTES = str.maketrans("‘’“”", "''\"\"")
# Whoever asks says one of these, so that a message about anything else is left at once.
_HINT = re.compile(
    r"\b(?:you|u|your|urself|yourself|\w*bot|bot's|ai|assistant|parley|this|help|started|menu|usage|instructions|guide|"
    r"manual|commands?|plugins?|features|functions|capabilities|skills)\b|\bi ask\b"
)
_SHORT = {
    r"\bwhats\b": "what is",
    r"\b(what|who|how|where|here|that|there|it|let)'?s\b": r"\1 is",
    r"\b(what|you|they|we)'re\b": r"\1 are",
    r"\bi'?m\b": "i am",
    r"\bi'd\b": "i would",
    r"\bdon'?t\b": "do not",
    r"\bu\b": "you",
    r"\bur\b": "your",
    r"\bplug-ins?\b": "plugins",
}
_SHORTENED = tuple((re.compile(short), long) for short, long in _SHORT.items())

_OPENING = re.compile(
    r"(?:hi|hello|hey|hiya|howdy|yo|greetings|good (?:morning|afternoon|evening|day)|ok|okay|so|and|alright|um|uh|"
    r"hm+|now|"
    r"oh|sorry|excuse me|quick question|just curious|out of curiosity|curious|i am (?:new|curious)(?: here| to this)?|"
    r"first time here|nice to meet you|thanks|thank you|cool|great|please|pls|parley|bot|assistant|there|again|"
    r"everyone|"
    r"by the way|btw|actually|basically|just|but|one question|just wondering|tell me|(?:may|can|"
    r"could) i ask(?: you)?|let me ask(?: you)?|i would like to ask(?: you)?|i was wondering|i am wondering|i wonder) "
)
_RESIGNED = re.compile(r"(?:(?:oh|ah|but|and) )*well |(?:but|and) what can you do$")  # "oh well, what can you do"
_CLOSING = re.compile(
    r" (?:please|pls|plz|thanks|thank you|thx|then|exactly|actually|anyway|parley|bot|here|right now|now|today|"
    r"currently|"
    r"at the moment|in general|specifically|precisely|basically|again|too|(?:besides|apart from|other than|except|"
    r"beyond|aside from) (?:chatting|talking|answering(?: questions)?|chat|that|this)|in this (?:chat|channel|"
    r"workspace|thread)|"
    r"in short|in a nutshell|briefly|all in all|overall|if i may ask|by the way|btw|and so on|etc)$"
)
_COURTESIES = 5

_BOT = (
    r"(?:(?:this|the|our) (?:little |new |ai |chat |slack |teams |virtual |parley )?(?:chat ?bot|bot|assistant)|"
    r"this ai|parley)"
)
_S = rf"(?:you|{_BOT})"
_OURS = rf"(?:your|(?:{_BOT})'s)"
_US = r"(?:me|us|people|users|someone|somebody|everyone|(?:my|our|the) team|a team|(?:my|our) work)"
_BE, _CAN = r"(?:are|is)", r"(?:can|could|will|would|might|may)"
_TASKS = (
    r"(?:things?|stuff|tasks?|jobs?|requests?|questions?|problems?|topics?|subjects?|areas|work|help|support|services)"
)
_KINDS = r"(?:(?:kinds?|sorts?|types?) of )"
_WHAT = (
    rf"(?:what(?: all| else| exactly| specifically| on earth)*(?: other)?(?: {_KINDS}?{_TASKS})?|"
    rf"which {_KINDS}?{_TASKS}|"
    r"how much|what all)"
)
_TO_US = rf"(?: (?:for|with|to help) {_US})?"
_ACT = (
    rf"(?:do(?: best| well)?{_TO_US}|help(?: {_US})?(?: out)?(?: with| do| to do)?|assist(?: {_US})?(?: with| in)?|"
    rf"offer(?: {_US})?|provide(?: {_US})?(?: with)?|handle{_TO_US}|answer(?: for {_US})?|"
    rf"support(?: {_US})?(?: with| in)|"
    rf"take care of(?: for {_US})?|be (?:used|useful|helpful|asked|good)(?: for| about)?|(?:accomplish|perform|"
    rf"manage|solve){_TO_US})"
)
_GOOD = (
    rf"(?:able to {_ACT}|capable of(?: doing| helping {_US} with| helping with)?{_TO_US}|"
    rf"(?:(?:really |most |especially |particularly )?(?:good|best|great|useful|helpful|skilled|handy)|used|here|"
    rf"made|built|"
    rf"designed|meant|intended) (?:for|at|with|at doing|in)|"
    rf"(?:designed|meant|supposed|trained|programmed|made|built|here|allowed|equipped|configured|set up) to {_ACT}|for)"
)
_FEATURE = (
    r"(?:features?|functions?|functionality|functionalities|commands?|skills?|abilities|ability|capabilities|"
    r"capability|"
    r"plugins?|tools?|options|services|superpowers|talents|strengths|use cases|uses|shortcuts?|add-ons|"
    r"integrations|tricks|"
    r"specialties|skill set|skillset|possibilities|limitations|limits)"
)
_SORT = (
    r"(?:(?:special|main|key|other|available|built-?in|supported|different|slash|chat|cool|useful|basic|top|best|"
    r"core|full|"
    r"various|hidden|important|possible|current|most useful|kinds of|sorts of|types of|kind of|sort of|type of) )"
)
_FEATURES = rf"(?:{_SORT}{{0,2}}{_FEATURE}(?: (?:and|or) {_FEATURE})?)"
_KNOWN = rf"(?:{_SORT}{{0,2}}(?:commands|plugins|features|functions|capabilities|skills))"  # named without an owner
_HAVE = (
    r"(?:have|has|got|offers?|supports?|provides?|knows?|comes? with|understands?|accepts?|responds? to|"
    r"includes?|react to)"
)
_I = r"(?:i|we|one|people|someone|you|users)"
_MAY = r"(?:can|could|do|should|may|might|would|must)"
_WORK = (
    r"(?:(?:use|using|utilize|utilise|operate|work with|interact with|talk to|talk with|speak to|communicate with|"
    r"chat with|"
    r"make use of|make the most of|make the most out of|get the most out of|benefit from|start using|begin using|"
    rf"get started with|start with|begin with|get help from|make the best use of|get the best out of) (?:{_S}|this)|"
    rf"get started|ask {_S} (?:something|things|questions|for help|for something)|use this (?:tool|chat|app|thing|"
    rf"service))"
)
_EASILY = r"(?: best| properly| correctly| effectively| efficiently| well)?"

_DIRECT = (
    rf"(?:in )?(?:{_WHAT}|(?:what|which) (?:ways|areas|respects)) (?:can|could) {_S}(?: possibly| actually| really|"
    rf" even| all)? {_ACT}",
    rf"{_WHAT} {_BE} {_S}(?: actually| really| all)? {_GOOD}",
    rf"{_WHAT} (?:do|does) {_S}(?: actually| really| even)? (?:do(?: best)?{_TO_US}|offer(?: {_US})?|"
    rf"help(?: {_US})? with|"
    r"know how to do|specialize in|specialise in|excel at|provide)",
    rf"{_WHAT} (?:can|could|should|may|might) (?:i|we|people|one) (?:do with {_S}|"
    rf"ask(?: {_S})?(?: for| about| to do(?: for {_US})?| for help with| to help (?:me |us )?with)?|"
    rf"use {_S} (?:for|to do)|(?:get|expect|learn|request) from {_S}|say to {_S}|have {_S} do|get {_S} to do|"
    rf"talk to {_S} about|"
    rf"type(?: here)?|get help with|turn to {_S} for|come to {_S} for|make {_S} do|let {_S} do)",
    rf"{_WHAT} {_CAN} be (?:done|asked) (?:with|of|by) {_S}",
    rf"(?:what|which|how many|what all|what other) {_FEATURES} (?:(?:do|does|can|could) {_S}(?: actually|"
    rf" all)? {_HAVE}(?: to offer)?|have you got|"
    rf"can {_S} (?:use|call|access|run))|what have you (?:got )?to offer|"
    rf"what is it(?: that)? {_S} (?:can )?do(?:es)?(?: {_TO_US})?",
    rf"(?:what|which) {_FEATURES} {_BE} (?:available|there|offered|built) (?:in|with|by|for|on|into) {_S}",
    rf"(?:what|which) {_FEATURES} (?:can|could|may|do) (?:i|we) (?:use|get|have)(?: with| from| in) {_S}",
    rf"(?:what|which) {_KNOWN} (?:are there|are available|are supported|are enabled|are installed|are active|"
    rf"are loaded|exist|(?:can|could|may) (?:i|we) use|"
    r"do (?:i|we) have|are available to (?:me|us)|are there for (?:me|us))",
    rf"what {_BE} (?:all )?(?:(?:of )?(?:{_OURS} (?:own )?)(?:{_FEATURES}|purpose|job|role|use|specialty|"
    rf"speciality|area of expertise)|"
    rf"the {_FEATURES} (?:of|in|for) {_S}|(?:the )?(?:{_SORT}{{0,2}})(?:slash )?commands|"
    rf"the (?:slash )?(?:commands|plugins)"
    rf"(?: (?:i|we) can use)?|(?:some |some of |the |all the |all of |a few )*(?:{_KINDS}of )?(?:{_TASKS}|"
    rf"{_FEATURES}) (?:that |which )?"
    rf"(?:{_S} {_CAN} {_ACT}|{_S} {_HAVE}|(?:i|we) can (?:ask(?: {_S})?(?: to do| for| about)?|do with {_S}|"
    rf"use {_S} for)))",
    rf"(?:do|does) (?:you|{_BOT}) (?:have|support|offer|know) (?:a |any |some |an )*(?:(?:special|list of|other|"
    rf"full|built-?in|useful) )*(?:commands|features|"
    r"functions|plugins|skills|tools|abilities|capabilities|command list|feature list|menu|help menu|help page|"
    r"help|manual|"
    r"user manual|user guide|guide|instructions|tutorial)",
    rf"(?:is|are) there (?:a |any |some |an )*(?:(?:full|complete|slash) )*(?:list of (?:your |all |the |"
    rf"available )*{_FEATURES}|"
    r"commands(?: list)?|command list|help menu|help page|help command|help|menu|"
    rf"(?:manual|user guide|guide|instructions|tutorial|documentation) (?:for|on|to|about) (?:using )?{_S})",
    rf"how {_CAN} {_S}(?: best| actually| possibly)? (?:help|assist|support|be useful to|be helpful to|"
    rf"be of help to|serve|make (?:my|our) (?:work|job|life|day) easier)"
    rf"(?: {_US})?(?: out)?|how (?:do|does) {_S} (?:help|assist) {_US}|how {_CAN} {_S} be (?:useful|helpful|"
    rf"of (?:help|use|service|"
    rf"assistance)|used)(?: (?:to|for|by) {_US})?",
    rf"how {_MAY} {_I}{_EASILY} {_WORK}{_EASILY}|how to{_EASILY} {_WORK}{_EASILY}|how am i supposed to {_WORK}|"
    rf"how is {_BOT} used|what is the (?:best|right) way to {_WORK}",
    rf"where (?:can|do|could|should) (?:i|we) (?:find|see|get|look up)(?: a list of| an overview of|"
    rf" all)* (?:(?:{_OURS}|the|your) )"
    rf"(?:{_KNOWN}|help(?: page| menu)?|command list)|where (?:do|should|can) (?:i|we) (?:start|begin) with {_S}",
    rf"(?:is there )?anything else (?:that )?{_S} can {_ACT}",
    rf"{_CAN} you (?:help|assist)(?: me| us)?(?: out)?|what {_BE} {_S} and what {_CAN} (?:you|it) do",
)
_INDIRECT = (
    rf"{_WHAT} (?:that )?{_S}(?: actually| really| all)? (?:{_CAN}(?: actually| all)? {_ACT}|{_BE}(?: all)? {_GOOD}|"
    rf"(?:do|does|offers?|provides?|helps? with)(?: best)?{_TO_US}|know how to do)",
    rf"(?:what|which) {_FEATURES} (?:{_S} (?:can )?{_HAVE}|there are|are there|are available|(?:i|we) (?:can|"
    rf"could) use|exist)",
    rf"what (?:all )?{_OURS} {_FEATURES} {_BE}",
    rf"{_WHAT} (?:i|we) (?:can|could|should|may) (?:do with {_S}|ask(?: {_S})?(?: for| about| to do)?|use {_S} for|"
    rf"(?:get|expect) from {_S})",
    rf"how {_S} {_CAN}(?: best)? (?:help|assist|support|be useful to)(?: {_US})?(?: out)?",
    rf"how {_S} {_CAN} be (?:used|of help|useful)",
    rf"how (?:to|(?:i|we) (?:can|could|should|am supposed to)){_EASILY} {_WORK}{_EASILY}",
    rf"(?:everything|anything|all|all the things|the things|some things|some of the things|things|"
    rf"all of the things) (?:that )?"
    rf"{_S} {_CAN} {_ACT}",
)
_SUMMARY = (
    r"(?:(?:a |an |the |me |full |complete |short |quick |brief |little |small |whole |nice |entire |handy |"
    r"detailed |some |any |few )*"
    r"(?:list|listing|overview|summary|rundown|run-down|tour|introduction|intro|description|explanation|catalogue|"
    r"catalog|demo|"
    r"demonstration|guide|idea|outline|walkthrough|breakdown|sense|impression|examples?|instructions)"
    r" (?:of|to|for|on|about|with|into))"
)
_THING = "|".join(
    (
        rf"{_OURS} (?:own )?(?:{_FEATURES}(?: list)?|instructions|manual|user guide|help(?: page| menu| text)?|"
        rf"menu|usage|options)",
        rf"(?:all|each|every|some|most|more)(?: of)?(?: (?:{_OURS}|"
        rf"the))? {_FEATURES}(?: (?:that )?{_S} (?:can )?{_HAVE})?",
        rf"(?:the )?{_FEATURES} (?:of {_S}|(?:that )?{_S} (?:can )?{_HAVE}|(?:that )?(?:i|we) can use|"
        rf"available to (?:me|us))",
        r"(?:the |all |all the )?(?:available |supported |slash )*(?:commands|plugins|features|capabilities|"
        r"functions)(?: list)?",
        r"(?:the |your )?(?:command|feature|plugin|function) (?:list|overview|menu)",
        r"(?:the |a |your |some )?(?:help|help menu|help page|help text|help screen|main menu|menu|user guide|"
        r"user manual|usage|"
        r"usage instructions|instructions|how-to)",
        rf"(?:using|working with|how to use|talking to) {_S}",
    )
)
_TELL = (
    r"(?:(?:(?:can|could|would|will) you (?:please |kindly |maybe |quickly )?|would you mind |please |kindly |"
    r"mind )?(?:"
    r"tell(?:ing)?(?: me| us)?(?: (?:more|something|a bit|a little|a bit more|a little more|briefly|everything|"
    r"all))?(?: about)?|"
    r"show(?:ing)?(?: me| us)?|give(?: me| us)?|giving(?: me| us)|list(?:ing)?(?: out| up| me| for me)?|"
    r"let me (?:know|see)|"
    r"let us (?:know|see)|explain(?:ing)?(?: to me| to us| me| us)?(?: briefly)?|describ(?:e|ing)(?: to me|"
    r" to us)?(?: briefly)?|"
    r"remind(?:ing)? me(?: of| about)?|teach(?:ing)? me|print|display|open|bring up|pull up|outline|summari[sz]e|"
    r"walk(?:ing)? me "
    r"through|go over|run me through|enumerate|name|share(?: with me| with us)?|introduce(?: me to| us to)?|"
    r"present|view|see|get|"
    r"send me|fill me in on|clarify|provide(?: me with| us with)?)|"
    r"(?:i|we)(?: would|'d)? (?:also |just |really )?(?:want|like|need|love|wish|have) to (?:know|see|learn|"
    r"find out|understand|"
    r"hear|get)(?: more)?(?: about)?|(?:i|we)(?: would|'d)? (?:want|like|need)|i am (?:curious|wondering|"
    r"interested|asking|"
    r"not sure|unsure)(?: about| in)?|(?:can|could|may) (?:i|we) (?:know|see|ask|have|get|find out)|not sure|no idea|"
    r"i (?:do not know|have no idea|forgot|forget)|do you mind telling me|help me (?:understand|find out|learn)|"
    r"any idea|tips on|tell)"
)
_SAID = "|".join(_INDIRECT)
_TOLD = (
    rf"{_TELL} (?:{_SAID}|{_THING}|{_SUMMARY} (?:{_SAID}|{_THING}|{_S}|yourself))",
    rf"(?:a |the |full |complete |short |quick )*{_SUMMARY} (?:{_SAID}|{_OURS} {_FEATURES}|(?:all |the |"
    rf"available )*{_KNOWN})",
    r"(?:(?:can|could|would|will) you (?:please )?)?(?:introduce yourself|tell (?:me|"
    r"us) (?:about )?yourself and what you can do)"
    r"(?: to (?:me|us|the team|everyone|the group|the channel))?",
    rf"{_OURS} (?:{_FEATURES}|help|menu|instructions|user guide|manual)",
    rf"(?:any |some )?(?:instructions|tips|guidance|documentation|docs|tutorial|guide) (?:on|for|"
    rf"about)(?: how to)? (?:using|use|working with) {_S}",
)
_HELP = (
    r"help(?: me| us)?(?: out)?|help (?:menu|page|command|text|screen|info|information|section|list|overview|guide)|"
    r"(?:i|we)(?: really| just| also)? (?:need|want)(?: some| your| a bit of| a little| any)? help|need(?: some)? help|"
    r"i could use some help|(?:get|show|open|see|view|display|give me|some)(?: the)? help|"
    r"(?:can|could|may) i (?:get|have)(?: some| your| a little)? help|"
    r"(?:the |main |full |command |your )?(?:menu|user guide|user manual|usage instructions|usage|instructions)|"
    r"(?:all |available |slash |supported |list |list of |bot |your )*(?:commands|features|plugins|capabilities|"
    r"functions)(?: list)?|"
    r"(?:command|feature|plugin|function) (?:list|overview|menu)|getting started|help me get started"
)
_ONE = "|".join((*_DIRECT, *_TOLD, _HELP))
_OWN = r"how (?:do|can|should) i (?:use|ask for) (?:it|that|them|those|these)"
_WHO = r"(?:(?:who|what) are you(?: exactly)? (?:and )?|what is this (?:bot |thing )?and )"
_ASKED = re.compile(rf"{_WHO}?(?:{_ONE})(?: (?:(?:and|or|then|please) )?(?:{_ONE}|{_SAID}|{_OWN}))?")


def asks(text: str) -> bool:
    line = _worded(text)
    if not _HINT.search(line) or _RESIGNED.match(line):
        return False
    for _ in range(_COURTESIES):
        if _ASKED.fullmatch(line):
            return True
        opening = _OPENING.match(line)
        line = _CLOSING.sub("", line[opening.end() :] if opening else line)
    return bool(_ASKED.fullmatch(line))


def _worded(text: str) -> str:
    """The words alone, in small letters, without what shortens them."""
    line = unicodedata.normalize("NFKC", text).translate(_QUOTES).casefold()
    line = " ".join(re.sub(r"[,.!?:;…~()*]+| - | — | – ", " ", line).split())
    for short, long in _SHORTENED:
        line = short.sub(long, line)
    return line
