"""How people ask for the weather in English."""

import re

from bot.plugins._weather.names import is_known, is_name, is_written_as_one

# Whoever asks says one of these, so that a message about anything else is left at once.
_HINT = re.compile(
    r"weather|temp|forecast|rain|snow|sun|cloud|wind|storm|thunder|fog|frost|hail|humid|umbrella|coat|jacket|hot|"
    r"cold|warm|"
    r"cool|chill|freez|wet|dry|ic[ey]|degrees|pour|boiling|muggy|mild|overcast|drizzl|sleet|gloves|sweater|boots|"
    r"clear|outside",
    re.IGNORECASE,
)
_POLITE = re.compile(
    r"(?:(?:please|pls|hi|hello|hey|hiya|there|ok|okay|so|and|also|now|parley|quick question|excuse me|sorry|"
    r"good morning|"
    r"good afternoon|good evening|thanks|btw|by the way)\b[ ,!.:;-]*|"
    r"(?:(?:can|could|would|will) you|(?:can|could) someone)(?: please| kindly| quickly)? (?=\w)|"
    r"(?:tell|show|give) (?:me|us)(?: about)?,? *|let (?:me|us) know |(?:what|how) about (?=(?:the |today's |"
    r"tomorrow's )?weather)|"
    r"(?:do you|does anyone|does anybody|do you happen to) know(?: of)?,? *|i was wondering,? *|i(?:'m|"
    r" am) wondering,? *|"
    r"(?:just )?wondering,? *|i wonder,? *|any idea,? *|(?:can|could|may) i (?:get|have|see|ask|know) |i(?:'d|"
    r" would) (?:like|love)"
    r" to (?:know|see|hear) |i (?:want|need) to (?:know|see) |i(?:'d like| would like| want| need) (?=(?:the|"
    r"today's|tomorrow's|a)\b)|"
    r"(?:check|look up|get(?: me)?|fetch|find(?: out)?|pull up|display|see) "
    r"(?=(?:me )?(?:the |today's |tomorrow's |what |how |if |whether )?(?:current |latest )?(?:weather|temp|"
    r"forecast|\w+)))",
    re.IGNORECASE,
)
_COURTESIES = 6
_THANKS = re.compile(
    r"[ ,.!?…。]*(?:[ ,](?:please|pls|plz|thanks|thank you|thx|for me|for us))?[ ,.!?…。]*$", re.IGNORECASE
)

_DAY = (
    r"(?:(?:for |on )?(?:today and tomorrow|(?:later )?today|tonight|tomorrow(?: morning| afternoon| evening| night)?|"
    r"this (?:morning|afternoon|evening))|right now|now|currently|at the moment|at present|just now|as of now|"
    r"these hours)"
)
_PREP = r"(?:(?:over |up |down |out |back |there |outside )?(?:in|for|at|around|near))"
_IN = r"(?:(?:over |up |down |out |back |there |outside )?in)"
_PLACE = r"(?P<place>[^?!;:]{2,60}?)"
_WORD = r"(?:weather(?: forecast| report| conditions?| update| outlook| situation)?|temps?|temperatures?)"
_SUBJECT = (
    rf"(?:(?:the |a |today's |tomorrow's |tonight's |this (?:morning|evening)'s )?(?:current |local |"
    rf"latest |outside |outdoor )?{_WORD})"
)
_IS = r"(?:'s|s| is| will| are|'re)"
_LOOKING = (
    r"(?: (?:be|going to be|gonna be|supposed to be|expected to be|looking|look|looks|doing|"
    r"shaping up))?(?: like| looking)?"
)
_STATE = (
    r"(?:(?:very |really |too |that |so |still |currently |already |actually )?(?:cold|hot|warm|cool|chilly|"
    r"freezing|sunny|cloudy|"
    r"windy|stormy|rainy|snowy|foggy|wet|dry|humid|icy|raining|snowing|storming|pouring|drizzling|hailing|sleeting|"
    r"thundering|"
    r"muggy|overcast|mild|frosty|misty|hazy|boiling|sweltering|breezy|clear outside)(?: out| outside)?)"
)
_FALL = r"(?:rain|snow|hail|storm|thunder|pour|drizzle|freeze|clear up|cool down|warm up)"
_STUFF = (
    r"(?:rain|snow|fog|hail|frost|sunshine|sun|wind|showers|storms?|a storm|thunderstorms?|a thunderstorm|"
    r"thunder|precipitation|ice)"
)
_KIT = (
    r"(?:(?:an? |my |some |the )?(?:umbrella|brolly|coat|winter coat|jacket|warm jacket|rain jacket|raincoat|"
    r"rain coat|sweater|gloves|"
    r"boots|warm clothes|sunscreen|sun cream|sunglasses|hat|rain boots|scarf))"
)
_WEAR = rf"(?:need|bring|take|carry|pack|wear|have|grab)(?: to (?:bring|take|carry|pack|wear|have))? {_KIT}"
_WHETHER = (
    rf"(?:(?:will|would|might|could) it(?: still)? (?:{_FALL}|(?:be|get|stay|remain|feel) {_STATE})|"
    rf"is it (?:going to|gonna|supposed to|expected to|likely to|about to|set to) (?:{_FALL}|be {_STATE}|"
    rf"get {_STATE})|is it {_STATE}|"
    rf"(?:will there be|is there(?: going to be)?) (?:any |much )?{_STUFF}|is (?:any )?{_STUFF} (?:expected|"
    rf"forecast|likely|coming|due)|"
    rf"(?:will|is) (?:today|tomorrow|tonight) (?:going to )?be {_STATE}|any {_STUFF}(?: expected| forecast| coming)?|"
    rf"does it look like (?:(?:it's|it is) going to |it will )?(?:{_STUFF}|{_FALL})|"
    rf"(?:can|should) (?:i|we) expect (?:any )?{_STUFF}|(?:do|will|should|would|must) (?:i|we) {_WEAR}|"
    rf"is the sun (?:shining|out)|"
    rf"how {_STATE} (?:is it|will it be|will it get|is it going to (?:be|get)|does it feel)|"
    r"how many degrees (?:celsius |fahrenheit )?(?:is it|will it be|are there|do they have)|"
    r"how many degrees(?: now| right now)?|"
    rf"(?:what(?:'s| is| are)? )?(?:the )?(?:chances?|odds|probability|likelihood) of {_STUFF}|how likely is {_STUFF}|"
    r"what(?:'s| is)? (?:the )?(?:current )?(?:humidity|wind speed|wind|wind like)|what(?:'s| is) it like outside|"
    r"how(?:'s| is) it (?:looking )?outside)"
)
_TOLD = (
    rf"(?:(?:what|how) {_SUBJECT}(?: is|'s| will be|looks| is going to be| is looking)(?: like| looking)?|"
    rf"how {_STATE} (?:it is|it's|it will be|it'll be|it is going to be|it's going to be|it gets)|"
    rf"(?:if|whether) (?:(?:it's|it is|it'll be|it will be|it is going to be|it's going to be) {_STATE}|"
    rf"(?:it will|it'll|it's going to|it is going to|it might) {_FALL}|there(?:'s| is|'ll be| will be) (?:any |"
    rf"going to be )?{_STUFF}|"
    rf"(?:i|we) (?:will |should |would |'ll )?{_WEAR}))"
)
_ASKS = (
    rf"(?:(?:what|how) (?:does|do|will) {_SUBJECT} look(?: like)?|what (?:(?:kind|sort|type) of )?weather (?:is it|"
    rf"is there|do they have|"
    rf"are they having|will there be|(?:can|should) (?:i|we) expect)|(?:what|how){_IS} {_SUBJECT}{_LOOKING}|"
    rf"what{_IS} it like outside|how{_IS} it outside)"
)
_ENGLISH = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"(?:{_ASKS}|{_SUBJECT}|{_TOLD})(?:,? {_DAY})? {_PREP} {_PLACE}(?: like| looking)?(?:,? {_DAY})?(?: like)?",
        rf"{_WHETHER}(?:,? {_DAY})? {_IN} {_PLACE}(?:,? {_DAY})?",
        rf"(?:what{_IS} )?(?:the )?forecast in {_PLACE},? {_DAY}",
        rf"in {_PLACE},? (?:{_ASKS}|{_WHETHER})(?:,? {_DAY})?",
        rf"(?:is|does) (?:the weather (?:good|nice|bad|ok|okay|fine|better|any good)|it (?:rain|"
        rf"snow)) in {_PLACE},? {_DAY}",
        rf"(?:is|does) (?:the weather (?:good|nice|bad|ok|okay|fine|better|any good)|it (?:rain|"
        rf"snow)),? {_DAY},? in {_PLACE}",
        rf"{_ASKS},? {_DAY},? {_PREP} {_PLACE}",
    )
)
# Two words alone ask as well, if one of them is written as a name is, or is a place that everybody knows.
_NAME = r"(?P<place>[A-Za-z][\w.'-]*?(?:,? [A-Za-z][\w.'-]*?){0,3}?)"
_TOLD_SHORT = r"(?:(?i:what|how)(?i:'s| is|s| will)? )?(?:(?i:the |today's |tomorrow's |current |local ))*"
_SHORT = tuple(
    re.compile(form)
    for form in (
        rf"{_TOLD_SHORT}{_NAME}(?:'s)? (?:(?i:current ))?(?i:weather(?: forecast| report|"
        rf" update)?)(?i: (?:be )?like| look like| looking)?"
        rf"(?:,? (?i:{_DAY}))?",
        rf"(?i:(?:current )?weather(?: forecast)?)[,:]? {_NAME}(?:,? (?i:{_DAY}))?",
    )
)
_OF_A_KNOWN = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"(?:what{_IS} )?(?:the |today's |tomorrow's |a )?(?:latest |current )?forecast(?: like|"
        rf" looking)?(?: {_DAY})? {_PREP} {_PLACE}(?:,? {_DAY})?",
        rf"(?:what{_IS} |how{_IS} )?{_PLACE}(?:'s)? (?:current )?(?:forecast|temperature|temp)(?: like|"
        rf" looking)?(?:,? {_DAY})?",
        rf"(?:(?:do|will|should|would) (?:i|we) {_WEAR}) for {_PLACE}(?:,? {_DAY})?",
        rf"what (?:does|do) the (?:weather )?forecasts? say (?:for|in|about) {_PLACE}(?:,? {_DAY})?",
        rf"(?:an |the |current )*(?:temperature|temp|forecast|umbrella)(?: in)? {_PLACE}(?:,? {_DAY})?",
        rf"(?:humidity|wind speed|chances? of rain|chances? of snow) in {_PLACE}(?:,? {_DAY})?",
        rf"(?:will|is) {_PLACE} (?:going to )?(?:get|see|have|getting|be getting|expecting) (?:any |"
        rf"some )?{_STUFF}(?:,? {_DAY})?",
        rf"(?:is|will) {_PLACE} (?:be )?{_STATE} {_DAY}",
    )
)


def place_in(line: str) -> str:
    """The place that an English message asks the weather of, "" for none."""
    if not _HINT.search(line):
        return ""
    line = _bare(line)
    return _asked(line) or _short(line) or _known(line)


def _bare(line: str) -> str:
    line = _THANKS.sub("", line)
    for _ in range(_COURTESIES):
        match = _POLITE.match(line)
        if match is None:
            break
        line = line[match.end() :]
    return line


def _first(forms: tuple[re.Pattern[str], ...], line: str) -> str:
    for form in forms:
        match = form.fullmatch(line)
        if match and is_name(match["place"].strip(" ,.")):
            return match["place"].strip(" ,.")
    return ""


def _asked(line: str) -> str:
    """Where the word itself is said, any name does: "is it hot in yoga class" is about something else."""
    place = _first(_ENGLISH, line)
    return place if "weather" in line.casefold() or is_written_as_one(place) else ""


def _short(line: str) -> str:
    place = _first(_SHORT, line)
    return place if place != "Nice" and is_written_as_one(place) else ""


def _known(line: str) -> str:
    place = _first(_OF_A_KNOWN, line)
    return place if place and is_known(place) else ""
