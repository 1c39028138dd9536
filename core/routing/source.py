"""What is written in a programming, query, markup or configuration language, by the form of its lines."""

import re
from collections.abc import Iterable

from core.routing.reading import Lines, any_of

_FENCE = re.compile(r"^\s*(?:```|~~~)\s*([\w+#.-]*)")
_PROSE_TAGS = frozenset({"", "text", "txt", "plain", "plaintext", "md", "markdown", "quote"})
_SYMBOLS = frozenset("{}()[];=<>_$|\\&")
_DENSE = 0.04

_COMMANDS = (
    r"git (?:add|commit|push|pull|checkout|switch|clone|rebase|merge|reset|stash|log|status|diff|branch|cherry-pick)|"
    r"(?:npm|yarn|pnpm) (?:install|i|ci|run|start|test|add|build)|pip3? install|conda (?:install|create|activate)|"
    r"docker(?:-compose)? (?:run|build|compose|exec|ps|logs|pull|push|up|down)|"
    r"kubectl (?:get|apply|logs|describe|exec)|helm (?:install|upgrade)|terraform (?:apply|plan|init)|"
    r"sudo \w+|apt(?:-get)? install|brew install|systemctl \w+|curl -|wget http|ssh -|scp |chmod [\d+u]|"
    r"python3? [\w-]+\.py|python3? -m|go (?:run|build|test) [./]|go mod \w|cargo (?:run|build|test|add)|mvn \w+|"
    r"java -|java \S+\.jar|javac [\w/]+\.java|gcc [\w-]|tar -?[xc]|ls -|rm -|find [./~]|grep -|awk '|sed -"
)
_TYPE = r"(?:int|void|char|float|double|long|bool|boolean|String|auto|size_t)"
_CALLS = r"console\.(?:log|error)|document\.\w+|System\.out\.print\w*|fmt\.\w+|std::\w+|println!|require|printf|println"
_COLUMN = r"[\w.]+(?:\([\w.*]*\))?"
_CLAUSE = r"(?:;|$|where\b|order by\b|group by\b|limit\b|(?:left |inner |right )?join\b)"
_TAGS = (
    r"div|span|html|body|head|script|style|button|input|form|table|tr|td|ul|li|img|p|h[1-6]|template|svg|select|"
    r"option|nav|section"
)

# One such line is enough.
_CERTAIN = any_of(
    # Python
    r"^\s*(?:async )?def \w+ ?\(.*\)",
    r"^\s*class \w+(?:\([\w., =]*\))?:\s*$",
    r"^\s*from [\w.]+ import [\w(*]",
    r"^\s*import (?:[\w.]+ as \w+|\w+\.[\w.*]+;?|static .*;|[\w{}, *]+ from ['\"].*)\s*$",
    r"^\s*(?:for|while|if|elif|with|except)\b.*(?:\w\(|\w\[|==|!=|[<>]).*:\s*$",
    r"\bfor \w+(?:, ?\w+)? in (?:range|enumerate|zip)\(|\bprint\(f?['\"\w]|\blen\(\w+\)",
    r"^\s*@(?:[\w.]+\(.*\)|property|staticmethod|classmethod|dataclass|Override|Autowired|Test)\s*$",
    # JavaScript, Java, C#, PHP
    r"^\s*(?:export )?(?:const|let|var) [\w${}\[\], ]+(?:: ?[\w<>\[\]]+)? ?=",
    r"^\s*(?:export )?(?:default )?(?:async )?function\b ?\*? ?\w* ?\(",
    rf"\b(?:{_CALLS}) ?\(",
    r"\b\w+\.(?:append|push|map|filter|forEach|then|split|join)\(",
    r"\b(?:public|private|protected) (?:static |final |async |override |virtual )*[\w<>\[\], ?]+ \w+ ?[({;=]",
    r"<\?php|\$[a-z_]\w* ?= ?[^=\s]|\$this->",
    # C, C++, Go, Rust
    rf"^\s*(?:unsigned |static |const )*{_TYPE}[ *&]+\w+(?:\[\w*\])? ?(?:\(|=|;)",
    r"^\s*# ?(?:include|define|ifdef|ifndef|pragma)\b",
    r"^\s*(?:for|while|if|switch) ?\(.*\) ?\{",
    r"^\s*\}? ?(?:else|catch|finally)\b.*\{\s*$",
    r"^\s*(?:template ?<|using namespace |typedef |struct \w+ ?\{|enum (?:class )?\w+ ?\{|impl\b.*\{)",
    r"^\s*(?:pub )?(?:async )?fn \w+(?:<[^>]*>)? ?\(",
    r"^func (?:\(\w+ \*?\w+\) )?\w+\(|^package [\w.]+;?\s*$",
    r"\bstd::\w|\blet mut \w|\w := \S",
    # shells and Docker
    r"^\s*#!/|^\s*\$ \w+",
    rf"^\s*(?:\$ |> |# )?(?:{_COMMANDS})",
    r"\| ?(?:grep|awk|sed|xargs|sort|uniq|head|tail|wc|jq|tee)\b",
    r"^\s*(?:FROM [\w./-]+(?::[\w.-]+| AS \w+)|RUN [a-z-]+ .*|ENTRYPOINT \[.*|CMD \[.*|COPY \S+ \S+|WORKDIR /.*)\s*$",
    # SQL
    r"\bSELECT\b.+\bFROM\b|\bINSERT INTO \w|\bUPDATE \w+ SET\b|\bDELETE FROM \w",
    r"\b(?:CREATE|ALTER|DROP) (?:TABLE|INDEX|VIEW|DATABASE)\b",
    rf"\bselect (?:\*|{_COLUMN}(?: ?, ?{_COLUMN})*) from \w+(?: \w)? ?{_CLAUSE}",
    r"\b(?:where|WHERE) [\w.]+ ?(?:<>|!=|[<>=]) ?['\d]",
    r"\b(?:where|WHERE) [\w.]+ (?:like '|LIKE '|in \(|IN \(|is null|IS NULL)",
    # HTML, JSON
    rf"</?(?:{_TAGS})\b[^<>]*>",
    r"\{\s*\"[\w-]+\"\s*:",
)

# Two such lines are.
_LIKELY = any_of(
    r"[)\]}\"'] ?;\s*(?://.*)?$",
    r"^\s*(?:break|continue|return\b[^;]*|\w+(?:\+\+|--)|[\w.]+ ?[-+*/]?= ?[^;]+);\s*$",
    r"^\s*for \w+(?:, ?\w+)* in [\w.]+:\s*$",
    r"^\s*[}\])]+[;,)]*\s*$",
    r"\{\s*$",
    r"=> ?[{(\w]",
    r"^\s*[a-z_]\w*(?:\.\w+|\[\w+\])* ?[-+*/|]?= ?(?:[\w.]+[(\[]|\[|\{|['\"]|new |\w+\.\w+|\w+ ?[-+*/] ?\w+|-?\w+\s*$)",
    r"^\s+return\b",
    r"\b\w+\.\w+\([^()]*\)",
    r"^\s+-? ?[a-z][\w.-]*:(?:\s+\S.*)?$",
    r"^[a-z][\w.-]*:\s*$",
    r"^\s*[a-zA-Z_][\w.-]*=\S+\s*$",
    r"^\s*(?://|/\*).*$",
    r"^\s*(?:select|group by|order by|left join|inner join)\b .*[\w,;)]$|^\s*from \w+(?: [a-z])?[,;]?$",
    r"^\s*[.#]?[\w-]+(?:[ ,>]+[.#]?[\w-]+){0,6} ?\{",
)


def is_source(lines: Lines, likely: int = 2) -> bool:
    """Whether one line is surely source, or `likely` of them probably are."""
    return any(map(_CERTAIN, lines)) or sum(map(_LIKELY, lines)) >= likely


def is_fenced(lines: Lines) -> bool:
    """A fence that names a language, or whose content looks like source; a quoted letter is none."""
    fences = [(at, found[1].lower()) for at, line in enumerate(lines) if (found := _FENCE.match(line))]
    if not fences:
        return False
    if any(tag not in _PROSE_TAGS for _, tag in fences):
        return True
    inside = lines[fences[0][0] + 1 : fences[1][0] if len(fences) > 1 else None]
    return is_source(inside, likely=1) or _density(inside) > _DENSE


def _density(lines: Iterable[str]) -> float:
    """The share of characters that prose does without."""
    text = "".join(lines)
    return sum(character in _SYMBOLS for character in text) / (len(text) or 1)
