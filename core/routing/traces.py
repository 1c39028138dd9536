"""What machines say when something fails: stack traces, compilers, package managers, shells."""

from core.routing.reading import Lines, any_of

_SOURCE_FILE = r"[\w./\\-]+\.(?:c|cc|cpp|h|hpp|go|rs|java|ts|tsx|swift|kt|cs|py|tex)"
_TRACE = any_of(
    # Python
    r"Traceback \(most recent call last\)",
    r'^\s*File "[^"]+", line \d+',
    # Java and its kin
    r"^\s*at [\w$.<>/ ]+ ?\((?:node:|[^()\s]*[./<])[^()\s]*:\d+(?::\d+)?\)",
    r'Exception in thread "',
    r"^\s*Caused by: \w+\.[\w.]+",
    r"\b(?:[a-z]\w{0,30}\.){1,9}[A-Z]\w{0,60}(?:Exception|Error)\b",
    # JavaScript, TypeScript, C#
    r"^\s*at .+\.(?:js|ts|jsx|tsx|mjs):\d+",
    r"^\s*at [\w.<>`]+\(.*\) in .+:line \d+",
    r"\.(?:ts|tsx|cs)\(\d+,\d+\): error",
    r"\berror (?:TS|CS|LNK|MSB)\d{3,5}\b|\berror C\d{4}: ",
    r"\bnpm ERR! |\bnpm error |\bgyp ERR! ",
    # Go, Rust, C
    r"\bgoroutine \d+ \[",
    r"^panic: (?:runtime error|assignment to|close of|send on|interface conversion|test timed out|\w+\()",
    r"^thread '[^']*' (?:\(\d+\) )?panicked at",
    r"\berror\[E\d{4}\]",
    rf"(?:^|\s){_SOURCE_FILE}:\d+(?::\d+)?:? ",
    r"\bundefined reference to [`'‘]",
    r"\bSegmentation fault\b|\bcore dumped\b",
    r"^(?:make|ld|gcc|clang|collect2|cc1)(?:\[\d+\])?: (?:\*\*\*|error|fatal)",
    r"^\s+\^[~^]*\s*$",
    # any of them
    r"\b[A-Z][A-Za-z]{2,40}(?:Error|Exception|Warning): \S",
    # databases, containers, shells
    r"\bORA-\d{5}\b|\bERROR \d{4} \(\w{5}\)|\bSQLSTATE\b",
    r"\bCrashLoopBackOff\b|\bImagePullBackOff\b|\bOOMKilled\b",
    r"\b(?:bash|zsh|sh): (?:line \d+: )?\S+: (?:command not found|No such file|Permission denied)",
    r"\bfatal: (?:not a git|refusing to|unable to|remote|could not|bad|ambiguous)",
    r"\b(?:EADDRINUSE|ECONNREFUSED|ENOENT|ERESOLVE|EACCES|ETIMEDOUT)\b",
)


def is_trace(lines: Lines) -> bool:
    return any(map(_TRACE, lines))
