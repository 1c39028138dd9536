"""How words and signs make a sum: brackets, then powers, then products, then sums."""

from decimal import Decimal

from bot.plugins._calculation.faults import Fault, quoted
from bot.plugins._calculation.functions import ANGLES, FUNCTIONS
from bot.plugins._calculation.nodes import (
    Binary,
    Call,
    Compound,
    Constant,
    Fraction,
    Measure,
    Negative,
    Node,
    Number,
    Percent,
)
from bot.plugins._calculation.tokens import Token, tokens
from bot.plugins._calculation.units import Unit

DEPTH = 25

_STARTS = {"number", "open", "function", "constant", "many", "hundredth", "negative"}
# Those that need no brackets; "round 2" and "max 5" are said of other things.
_LOOSE = {"sqrt", "cbrt", "ln", "log", "log10", "log2", "factorial", "abs", *ANGLES}
_END = Token("end", "", "")


def parsed(text: str) -> Node:
    """The sum that the whole text is; raises Fault where it is none."""
    return _Grammar(tokens(text)).whole()


def halved(node: Node) -> Node:
    return Binary("/", node, Number(Decimal(2)))


class _Grammar:
    def __init__(self, words: tuple[Token, ...]) -> None:
        self._words = words
        self._position = 0
        self._depth = 0

    def whole(self) -> Node:
        if not self._words:
            raise Fault("empty")
        node = self._sum()
        if self._next.kind != "end":
            raise self._surprise()
        return node

    @property
    def _next(self) -> Token:
        return self._after(0)

    def _after(self, steps: int) -> Token:
        position = self._position + steps
        return self._words[position] if position < len(self._words) else _END

    def _take(self, kind: str, *values: str) -> Token | None:
        token = self._next
        if token.kind != kind or (values and token.value not in values):
            return None
        self._position += 1
        return token

    def _need(self, kind: str) -> Token:
        token = self._take(kind)
        if token is None:
            raise self._surprise()
        return token

    def _surprise(self) -> Fault:
        if self._next.kind == "end":
            return Fault("unfinished")
        return Fault("unexpected", text=quoted(self._next.text))

    def _sum(self) -> Node:
        node = self._product()
        while sign := self._take("sign", "+", "-"):
            node = Binary(str(sign.value), node, self._product())
        return node

    def _product(self) -> Node:
        node = self._signed()
        while sign := self._product_sign(node):
            node = Binary(sign, node, self._signed())
        return node

    def _product_sign(self, left: Node) -> str:
        if sign := self._take("sign", "*", "/", "//", "mod"):
            return str(sign.value)
        if self._next.kind == "hash" and self._take("hash"):
            return "mod"  # one that makes a percentage was taken with its number
        return "*" if _is_share(left) and self._take("of") else ""

    def _signed(self) -> Node:
        self._depth += 1
        if self._depth > DEPTH:
            raise Fault("deep", limit=DEPTH)
        node = self._signed_once()
        self._depth -= 1
        return node

    def _signed_once(self) -> Node:
        if self._take("sign", "-"):
            return Negative(self._signed())
        if self._take("sign", "+"):
            return self._signed()
        return self._power()

    def _power(self) -> Node:
        base = self._applied()
        if not self._take("sign", "^"):
            return base
        exponent = self._signed()
        if isinstance(exponent, Measure) and self._after(-1).kind == "unit":  # 10^3 m are a thousand metres
            return Measure(Binary("^", base, exponent.number), exponent.unit)
        return Binary("^", base, exponent)

    def _applied(self) -> Node:
        """An operand with all that stands behind it: 5!, 15%, 十二的平方."""
        node = self._operand()
        for _ in range(DEPTH):
            changed = self._behind(node)
            if changed is None:
                return node
            node = changed
        raise Fault("deep", limit=DEPTH)

    def _behind(self, node: Node) -> Node | None:
        if self._take("bang"):
            if self._next.kind == "bang":  # 5!! is 15 to mathematicians, and (5!)! to others
                raise Fault("double_factorial")
            return Call("factorial", (node,))
        if self._take("percent") or (self._next.kind == "hash" and not self._is_remainder() and self._take("hash")):
            return Percent(node)
        if token := self._take("applied"):
            return _apply(str(token.value), node)
        return self._belonging(node) if self._take("de") else None

    def _is_remainder(self) -> bool:
        return self._after(1).kind in _STARTS

    def _belonging(self, owner: Node) -> Node:
        """What follows 的: 二的十次方, 240的15%, 15%的240, 3的4倍, 30度的正弦."""
        if token := self._take("applied"):
            return _apply(str(token.value), owner)
        if self._next.kind == "function" and self._next.value in ANGLES:
            return Call(str(self._need("function").value), (owner,))
        node = self._operand()
        if self._take("powered"):
            return Binary("^", owner, node)
        if self._take("rooted"):
            return Call("root", (owner, node))
        if self._take("fold"):
            return Binary("*", owner, node)
        if self._take("percent") or self._take("hash"):
            node = Percent(node)
        if not (_is_share(node) or isinstance(owner, Percent | Fraction)):
            raise self._surprise()
        return Binary("*", owner, node)

    def _operand(self) -> Node:
        node = self._bare()
        if token := self._take("unit"):
            return self._compound(_measure(node, token))
        return node

    def _compound(self, node: Measure) -> Node:
        """Five feet ten inches are one length, 两斤半 one weight."""
        if self._next.text == "半" and self._after(1).kind != "unit" and isinstance(node.number, Number):
            return Measure(Number(node.number.value + _number(self._need("number")).value), node.unit)
        amounts = [node]
        while self._next.kind == "number" and self._is_same_kind(self._after(1), node.unit):
            number = self._need("number")
            amounts.append(_measure(_number(number), self._need("unit")))
        return Compound(tuple(amounts)) if len(amounts) > 1 else node

    def _is_same_kind(self, token: Token, unit: Unit) -> bool:
        return isinstance(token.value, Unit) and token.value.kind == unit.kind

    def _bare(self) -> Node:
        if token := self._take("number"):
            return self._counted(_number(token))
        if self._take("open"):
            node = self._sum()
            self._need("close")
            return node
        if token := self._take("constant"):
            return Constant(str(token.value))
        if token := self._take("function"):
            return self._call(str(token.value))
        return self._worded()

    def _counted(self, number: Number) -> Node:
        """Two thirds, 三分之二, or the number alone."""
        if self._take("out_of"):
            return Fraction(_number(self._need("number")), number)
        if token := self._take("part"):
            return Fraction(number, _number(token))
        is_broken = (self._next.kind, self._next.value) == ("sign", "/") and self._after(1).kind == "number"
        if is_broken and self._after(2).kind == "unit":  # 3/4 cup
            self._position += 1
            return Fraction(number, _number(self._need("number")))
        return number

    def _worded(self) -> Node:
        if token := self._take("hundredth"):
            number = _number(self._need("number"))
            return Percent(number) if token.value == 100 else Fraction(number, _number(token))
        if token := self._take("part"):
            return Fraction(Number(Decimal(1)), _number(token))
        if token := self._take("many"):
            return Binary("*", _number(token), self._signed())
        if self._take("negative"):
            number = _number(self._need("number"))
            return Number(-number.value)
        raise self._surprise()

    def _call(self, name: str) -> Node:
        arguments = self._arguments() if self._take("open") else (self._loose_argument(name),)
        if name in FUNCTIONS:
            FUNCTIONS[name].checked(name, len(arguments))
        elif name in ANGLES and len(arguments) != 1:
            raise Fault("arguments", text=f"`{name}`", wanted=("1 angle", " 1 个角"), example=f"{name}(30°)")
        return Call("log10" if name == "log" and len(arguments) == 1 else name, arguments)

    def _loose_argument(self, name: str) -> Node:
        if self._next.kind not in _STARTS or name not in _LOOSE:
            raise self._surprise()
        return self._signed()

    def _arguments(self) -> tuple[Node, ...]:
        found = [self._sum()]
        while self._take("comma"):
            found.append(self._sum())
        self._need("close")
        return tuple(found)


def _number(token: Token) -> Number:
    if not isinstance(token.value, Decimal):
        raise Fault("unexpected", text=quoted(token.text))
    return Number(token.value)


def _measure(node: Node, token: Token) -> Measure:
    if not isinstance(token.value, Unit):
        raise Fault("unexpected", text=quoted(token.text))
    return Measure(node, token.value)


def _is_share(node: Node) -> bool:
    """Whether "of" may follow: a percentage or a fraction."""
    return isinstance(node, Percent | Fraction) or (isinstance(node, Binary) and node.operator == "/")


def _apply(name: str, node: Node) -> Node:
    if name.startswith("^"):
        return Binary("^", node, Number(Decimal(name[1:])))
    if name == "1/":
        return Binary("/", Number(Decimal(1)), node)
    return halved(node) if name == "/2" else Call(name, (node,))
