"""How people ask for a time in English: patterns with `place`, `at` and `other`, in small or capital letters."""

_P, _O = r"(?P<place>.{1,60}?)", r"(?P<other>.{1,60}?)"
_THE = r"(?:the )?(?:(?:current|local|exact|present) ){0,2}"
_IS = r"(?:'s| is|s)?"
_NOW = (
    r"(?: (?:right now|now|at the moment|at this moment|currently|at present|presently|today|just now|as of now|there|"
    r"right this minute|as we speak|these days|rn))?"
)
_IN = (
    r"(?:over there |over |there |back |down |up |out |across )?(?:in|at|for(?! (?:people|someone|somebody|folks|"
    r"everyone|my)\b)|for (?:people|someone|somebody|folks|everyone|my \w+) in)"
)
_WHAT = r"(?:time|date|day|time and date|date and time|day and time)"
_CLOCK = (
    r"(?:\d{1,2}(?:[:.h]\d{2})?(?::\d{2})? ?(?:am|pm|a\.m\.?|p\.m\.?)|\d{1,2}:\d{2}(?::\d{2})?|\d{1,2} o'?clock|"
    r"(?:12 )?noon|midday|(?:12 )?midnight)(?: in the (?:morning|afternoon|evening)| at night)?"
)
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    r"nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_DAY = (
    r"(?:today|tomorrow|yesterday|tonight|\d{4}-\d{2}-\d{2}|"
    rf"{_MONTH} (?:the )?\d{{1,2}}(?:st|nd|rd|th)?(?:,? \d{{4}}(?!\d))?|"
    rf"(?:the )?\d{{1,2}}(?:st|nd|rd|th)?(?: of)? {_MONTH}(?:,? \d{{4}}(?!\d))?)"
)
_AT = rf"(?:at )?(?P<at>(?:{_DAY}(?: at)?,? )?{_CLOCK}(?: (?:on )?{_DAY})?)"
_GAP = r"(?:time|hours?|time ?zone) (?:difference|diff|gap|offset)"
_AND = r"(?: and | to | vs\.? | versus | & | from |, ?| ?/ ?| - )"

_ZONE = r"(?:time ?zone|(?:utc|gmt) offset|offset (?:from|to) (?:utc|gmt))"
_STILL = r"(?:already|still|yet|now|currently|really|past)"
_PART = (
    r"(?:(?:early |late |the |mid-?)?(?:morning|afternoon|evening|night|night-?time|day-?time|day|midnight|noon|midday)"
    r"(?: time)?(?: or (?:night|day|evening|morning|afternoon|pm|night-?time|day-?time|daytime))?|am or pm|late|early|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)day|tomorrow|office hours|business hours|working hours|lunch ?time|"
    r"breakfast time|"
    r"dinner ?time|bed ?time)"
)

ZONES = (
    rf"(?:what|which) {_ZONE} (?:is|are|does|do|would|has) {_P}(?: (?:in|on|at|use|have|follow|observe|belong to|"
    rf"lie in|go by|"
    rf"run on|using|keep))?{_NOW}",
    rf"(?:what|which) {_ZONE} (?:is it|are (?:they|people|we)(?: in| on)?|is (?:used|observed|followed|kept|there)|"
    rf"applies|"
    rf"(?:do|does) (?:they|people|one|it) (?:use|have|follow|observe)){_NOW} {_IN} {_P}{_NOW}",
    rf"in (?:what|which) {_ZONE} (?:is|are|lies|does|do) {_P}(?: lie| located| fall| live| situated)?{_NOW}",
    rf"(?:what{_IS} |which is )?(?:the )?(?:current |local )?{_ZONE} (?:of|in|for|at|used in|"
    rf"that is used in) {_P}{_NOW}",
    rf"(?:what{_IS} )?(?:the )?{_P}(?:'s)? (?:current )?{_ZONE}{_NOW}",
)
HERE = (
    rf"what{_IS} (?:the (?:(?:current|local|exact|present) )*|(?:current|local) ){_WHAT}(?: here)?{_NOW}",
    rf"what time (?:is it|it is|do we have|do you have)(?: here)?{_NOW}",
    rf"what (?:day|date|day of the week|weekday)(?: is it| it is| is today| today is){_NOW}",
    rf"what{_IS} (?:today's date|the day today|today's day)",
    rf"(?:the )?(?:current|exact) {_WHAT}|the {_WHAT}{_NOW}|time (?:right )?now|date today|today's date|the date today",
    r"(?:do you have|(?:have you )?got) the (?:current |exact )?time|which (?:day|weekday|date) is (?:it|"
    r"today)(?: today)?",
)
PLACE = (
    r"(?:what|which) (?:time|day|date|hour|day of the week|weekday) (?:is it|it is)"
    rf"{_NOW} {_IN} {_P}{_NOW}",
    rf"what{_IS} {_THE}{_WHAT}{_NOW} {_IN} {_P}{_NOW}",
    rf"(?:{_THE}(?:time|time and date|date and time)|(?:the )?current (?:day|date)){_NOW} (?:over |back |down |up |"
    rf"out )?in {_P}{_NOW}",
    rf"(?:what{_IS} )?(?:today's |the )?date in {_P}{_NOW}",
    rf"how (?:late|early) is it(?: now)? {_IN} {_P}{_NOW}",
    rf"what (?:time|hour)(?: of (?:the )?day)? (?:do they have|have they got|would it be|will it be|"
    rf"must it be){_NOW} {_IN} {_P}{_NOW}",
    rf"what (?:does|do) the clocks? (?:say|show) {_IN} {_P}{_NOW}",
    rf"what part of the day is it{_NOW} {_IN} {_P}{_NOW}",
    rf"what{_IS} {_THE}(?:time|date|hour) of day {_IN} {_P}{_NOW}",
    rf"what{_IS} the (?:current )?hour {_IN} {_P}{_NOW}",
    rf"what (?:day|date)(?: of the week)? is (?:today|it today) {_IN} {_P}{_NOW}",
    rf"what would (?:the )?(?:current |local )?time be{_NOW} {_IN} {_P}{_NOW}",
    rf"what (?:the )?(?:current |local |exact )*(?:time|date|time and date) is{_NOW} {_IN} {_P}{_NOW}",
    rf"what {_ZONE} {_P} (?:is in|is on|uses|has)",
    rf"time check(?: {_IN}|:)? {_P}{_NOW}",
    rf"(?:have you )?got the (?:current )?time {_IN} {_P}{_NOW}",
    rf"(?:current|local) time (?:of|at|for) {_P}{_NOW}",
    rf"is it(?: {_STILL})? {_PART}(?: {_STILL})?{_NOW} (?:{_IN}) {_P}(?: {_STILL})?{_NOW}",
    rf"(?:has|did) (?:midnight|noon) (?:passed|come|been) in {_P}(?: yet| already)?",
    rf"(?:over )?in {_P},? (?:what time is it|what{_IS} the (?:current )?time){_NOW}",
)
# Little is said besides the place, so that it must be a name that is not also a plain word.
LOOSE = (
    rf"(?:what{_IS} )?{_THE}(?P<place>.{{2,40}}?)(?:'s)? (?:current |local )?time(?: now| right now)?",
    r"(?:current )?(?:time|clock) (?P<place>.{2,40}?)(?: now)?",
)
CONVERT = (
    rf"(?:what{_IS}(?: time is)?|convert|translate|change|turn|when is)? ?(?:the time )?{_AT} (?:in )?{_P}(?: time)? "
    rf"(?:to|in|into|is what time in|is when in|is what in) {_O}(?: time)?",
    rf"(?:convert|translate|change) {_AT}(?P<place>)(?: here)? (?:to|into) {_O}(?: time)?",
    rf"what{_IS} {_THE}time (?:is it )?in {_O},? (?:when|if) it(?:'s| is|s) {_AT} (?:in )?{_P}",
    rf"what time (?:is it|will it be|would it be|is that) in {_O},? (?:when|if) it(?:'s| is|s) {_AT} (?:in )?{_P}",
    rf"(?:when|if) it(?:'s| is|s) {_AT} (?:in )?{_P},? (?:then )?what(?: time is it|{_IS} the time|"
    rf" time will it be| time would it be) in {_O}",
    rf"what time (?:is it|will it be|would it be|is that|would that be|"
    rf"does that make it) in {_O},? {_AT} (?:in )?{_P}(?: time)?",
    rf"what(?: time)? (?:would|will) {_AT} (?:in )?{_P}(?: time)? be in {_O}(?: time)?",
    rf"{_AT} (?:in )?{_P},? (?:what time is (?:it|that)|is what time|what's that) in {_O}",
)
GAP = (
    rf"(?:what{_IS} |how (?:much|big|large) is )?(?:the )?(?:current )?{_GAP} between {_P}(?: and | & | to ){_O}{_NOW}",
    rf"(?:what{_IS} )?(?:the )?(?:current )?{_GAP}(?: from| of|:)? {_P}{_AND}{_O}{_NOW}",
    rf"(?:what{_IS} )?(?:the )?difference in (?:time|hours|time ?zones?) between {_P}(?: and | & ){_O}",
    rf"(?:what{_IS} )?(?:the )?{_P}{_AND}{_O} {_GAP}",
    rf"how (?:far|many hours|much) (?:ahead|behind) is {_P}(?: of| from| to| compared to| compared with)? {_O}",
    rf"how (?:far|many hours|much) (?:ahead of|behind) {_O} is {_P}",
    rf"how many hours (?:is|are) {_P} (?:ahead of|behind|before|after) {_O}",
    rf"how many hours(?: of)? (?:time )?difference (?:is there |are there )?between {_P} and {_O}",
    rf"(?:what{_IS} )?(?:the )?difference between {_P} time and {_O} time",
    rf"how (?:far|many hours|much) (?:ahead|behind|earlier|later) (?:is|are) (?:it in )?{_P} (?:than|vs\.?|versus|"
    rf"relative to)(?: in)? {_O}",
    rf"how (?:much|many hours) (?:later|earlier) is it in {_P} than (?:it is )?(?:in )?{_O}",
    rf"is {_P} (?:ahead or behind|ahead of or behind|behind or ahead of|earlier or later than|"
    rf"later or earlier than) {_O}(?: in time)?",
    rf"is {_P} (?:ahead of|behind) {_O} in time",
    rf"by how many hours is {_P} (?:ahead of|behind) {_O}",
    rf"are {_P} and {_O} (?:in|on) the same time(?: ?zone)?",
    rf"(?:is|are) {_P} (?:in|on) the same time(?: ?zone)? as {_O}",
    rf"do {_P} and {_O} have the same (?:local )?time(?: ?zone)?",
    rf"(?:do|does) {_P} (?:have|share|keep) the same time(?: ?zone)? (?:as|with) {_O}",
    rf"how many (?:hours|time ?zones) apart are {_P} and {_O}",
)
PAIR = (rf"(?:what{_IS} )?(?:the )?{_GAP}(?: of|:)? (?P<pair>.{{4,60}}?)", rf"(?P<pair>.{{4,60}}?) {_GAP}")
