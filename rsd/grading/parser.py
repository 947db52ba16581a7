"""A recursive-descent parser of answers. It evaluates nothing, and its depth is bounded."""

from __future__ import annotations

import re
from fractions import Fraction

from rsd.grading.tokens import FUNCTIONS, GREEK, CannotParse, Token, tokenize
from rsd.grading.tree import Based, Call, Matrix, Node, Num, Quantity, Rel, Seq, Sym, Text

MAX_DEPTH = 40

_END = Token("end", "")
_RELATIONS = {
    "=": "=", "==": "=", "<": "<", ">": ">", "<=": "<=", ">=": ">=", "!=": "!=", "<>": "!=",
    "le": "<=", "ge": ">=", "ne": "!=", "in": "in", "to": "to", "->": "to", "sim": "sim",
    "subset": "subset", "subseteq": "subset", "perp": "perp", "parallel": "parallel",
    "cong": "cong", "propto": "propto", "implies": "implies", "Rightarrow": "implies",
    "notin": "notin", "iff": "iff", "approx": "approx",
}  # fmt: skip
_SET_OPERATORS = {"cup": "cup", "cap": "cap", "setminus": "setminus"}
_ACCENTS = frozenset(
    "overline underline vec hat bar tilde dot ddot widehat widetilde overrightarrow "
    "overleftrightarrow overset check mathbb mathscr".split()
)
_SYMBOLS = GREEK | frozenset(
    "infty ldots angle triangle square hbar ell partial nabla emptyset aleph forall exists "
    "circ Box diamond clubsuit heartsuit spadesuit diamondsuit imath jmath top bot pounds".split()
)
_NO_UNIT = re.compile(
    r"(?i)\b(?:with|without|remainder|more|less|than|if|when|for|where|not|plus|minus|least|most)\b"
)
_ARGUMENTS = frozenset({"max", "min", "gcd", "lcm"})
_CLOSING = {"(": (")", "]"), "[": ("]", ")"), "\\{": ("\\}",), "{": ("}",)}
_FENCES = {"lfloor": "rfloor", "lceil": "rceil", "langle": "rangle", "lVert": "rVert"}
_MATRICES = frozenset("matrix pmatrix bmatrix Bmatrix array smallmatrix tabular".split())


def parse(text: str) -> Node:
    """The tree of `text`. Raises CannotParse for whatever is not read to its end."""
    parser = Parser(tokenize(text))
    node = parser.listing()
    if parser.next.kind != "end":
        raise CannotParse(f"unexpected {parser.next.value!r}")
    return node


class Parser:
    """One pass over a list of tokens."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self.bars = 0

    @property
    def next(self) -> Token:
        return self.tokens[self.at] if self.at < len(self.tokens) else _END

    def peek(self, ahead: int = 1) -> Token:
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else _END

    def take(self) -> Token:
        token = self.next
        self.at += 1
        return token

    def is_op(self, *values: str) -> bool:
        return self.next.kind == "op" and self.next.value in values

    def is_cmd(self, *values: str) -> bool:
        return self.next.kind == "cmd" and self.next.value in values

    def expect(self, *values: str) -> str:
        if self.next.kind in ("op", "cmd") and self.next.value in values:
            return self.take().value
        raise CannotParse(f"expected {values[0]!r}, not {self.next.value!r}")

    # Lists and relations

    def listing(self) -> Node:
        """Relations between commas, semicolons, "and", "or": one node, or a bare sequence."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise CannotParse("nested too deeply")
        rows: list[list[Node]] = [[]]
        commas = False
        while not self._closing():
            if self.next.kind == "sep" or self.is_op(",", ";"):
                separator = self.take()
                if separator.value == ";":
                    rows.append([])
                else:
                    commas = True
                continue
            if rows[-1] and not commas and len(rows) == 1 and not self._separated():
                raise CannotParse(f"unexpected {self.next.value!r}")
            rows[-1].append(self.relation())
            if not (self._closing() or self.next.kind == "sep" or self.is_op(",", ";")):
                raise CannotParse(f"unexpected {self.next.value!r}")
        self.depth -= 1
        rows = [row for row in rows if row]
        if commas and len(rows) > 1:
            return Seq("", tuple(r[0] if len(r) == 1 else Seq("", tuple(r)) for r in rows))
        items = [item for row in rows for item in row]
        return items[0] if len(items) == 1 else Seq("", tuple(items))

    def _separated(self) -> bool:
        previous = self.tokens[self.at - 1] if self.at else _END
        return previous.kind == "sep" or previous.value in (",", ";")

    def _closing(self) -> bool:
        token = self.next
        if token.kind in ("end", "cmd") and token.value in ("", "rfloor", "rceil", "rangle"):
            return True
        if token.kind in ("end", "amp"):
            return True
        if token.kind == "op" and token.value == "|" and self.bars:
            return True
        return token.kind == "op" and token.value in (")", "]", "}", "\\}", "&")

    def relation(self) -> Node:
        sides, ops = [self.side()], []
        while self.next.kind in ("op", "cmd") and self.next.value in _RELATIONS:
            ops.append(_RELATIONS[self.take().value])
            sides.append(self.side())
        return Rel(tuple(ops), tuple(sides)) if ops else sides[0]

    def side(self) -> Node:
        parts = [self.with_unit()]
        while self.is_op(":"):
            self.take()
            parts.append(self.with_unit())
        return parts[0] if len(parts) == 1 else Call("ratio", tuple(parts))

    def with_unit(self) -> Node:
        value = self.sets()
        if self.next.kind != "text" or isinstance(value, Text):
            return value
        words: list[str] = []
        while self.next.kind in ("text", "num", "word") or self.is_op("^", "/", ".", "-", "{", "}"):
            if self.is_op("}") and words.count("{") <= words.count("}"):
                break
            if self.next.kind == "num" and words[-1] not in ("^", "{"):
                raise CannotParse("a number after a unit")
            words.append(self.take().value)
        unit = " ".join(words)
        if self.is_cmd("cdot") or _NO_UNIT.search(unit) or len(words) > 12:
            raise CannotParse(f"no unit: {unit}")
        return Quantity(value, unit)

    def sets(self) -> Node:
        left = self.sum()
        while self.next.kind == "cmd" and self.next.value in _SET_OPERATORS:
            name = _SET_OPERATORS[self.take().value]
            left = Call(name, (left, self.sum()))
        return left

    # Arithmetic

    def sum(self) -> Node:
        left = self.term()
        while True:
            if self.is_op("+"):
                self.take()
                left = Call("+", (left, self.term()))
            elif self.is_op("-"):
                self.take()
                left = Call("-", (left, self.term()))
            elif self.is_cmd("pm", "mp"):
                left = Call(self.take().value, (left, self.term()))
            else:
                return left

    def term(self) -> Node:
        left = self.unary()
        while True:
            if self.is_op("*") or self.is_cmd("cdot", "times"):
                self.take()
                left = Call("*", (left, self.unary()))
            elif self.is_op("/") or self.is_cmd("div"):
                self.take()
                left = Call("/", (left, self.unary()))
            elif self._begins_factor():
                left = self._juxtaposed(left)
            else:
                return left

    def _begins_factor(self) -> bool:
        token = self.next
        if token.kind == "op":
            return token.value in ("(", "{", "[", "\\{") or (token.value == "|" and not self.bars)
        if token.kind == "cmd":
            known = token.value in _SYMBOLS or token.value in _ACCENTS or token.value in _FENCES
            return known or token.value in ("frac", "sqrt", "surd", "binom")
        return token.kind in ("num", "word", "begin")

    def _juxtaposed(self, left: Node) -> Node:
        """A product without a sign, or a mixed number such as `1 1/2` and `2\\frac58`."""
        previous = self.tokens[self.at - 1]
        whole = isinstance(left, Num) and previous.kind == "num" and previous.value.isdigit()
        if self.next.kind == "num" and previous.kind == "num":
            slash = self.peek().value == "/" and self.peek(2).kind == "num"
            if not (whole and slash and self.next.value.isdigit()):
                raise CannotParse("two numbers side by side")
            above = Fraction(self.take().value)
            self.take()
            return _mixed(left, above / _divisor(self.take().value))
        is_frac = self.is_cmd("frac")
        right = self.power()
        if whole and is_frac and isinstance(right, Call) and right.name == "/":
            above_, below = right.args
            if (
                isinstance(above_, Num)
                and isinstance(below, Num)
                and 0 < above_.value < below.value
            ):
                return _mixed(left, above_.value / below.value)
        return Call("*", (left, right))

    def unary(self) -> Node:
        signs = 0
        while self.is_op("-", "+"):
            signs += self.take().value == "-"
        if self.is_cmd("pm", "mp"):
            return Call(self.take().value, (Num(Fraction(0)), self.unary()))
        value = self.power()
        return Call("neg", (value,)) if signs % 2 else value

    def power(self) -> Node:
        base = self.atom()
        while True:
            if self.is_op("^", "**"):
                self.take()
                base = self._raised(base)
            elif self.is_op("_"):
                self.take()
                base = _subscripted(base, self._raw())
            elif self.is_op("!"):
                self.take()
                base = Call("!", (base,))
            elif self.is_op("'"):
                self.take()
                base = Sym(base.name + "'") if isinstance(base, Sym) else Call("'", (base,))
            elif self.is_op("%", "\\%"):
                self.take()
                base = Call("%", (base,))
            elif self.is_cmd("circ"):
                self.take()
                base = Call("deg", (base,))
            else:
                return base

    def _raised(self, base: Node) -> Node:
        if self.is_cmd("circ"):
            self.take()
            return Call("deg", (base,))
        if self.is_op("'", "*"):
            mark = self.take().value
            return Sym(base.name + mark) if isinstance(base, Sym) else Call(mark, (base,))
        if self.is_op("{") and self.peek(2).value == "}":
            inner = self.peek()
            if inner.value == "circ" or inner.kind == "text" or inner.value in ("'", "*"):
                self.at += 3
                if inner.kind == "text":
                    return Quantity(base, inner.value)
                return Call("deg" if inner.value == "circ" else inner.value, (base,))
        return Call("^", (base, self._exponent()))

    def _exponent(self) -> Node:
        if self.is_op("-", "+"):
            negative = self.take().value == "-"
            value = self._exponent()
            return Call("neg", (value,)) if negative else value
        value = self.atom()
        if self.is_op("^", "**"):
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise CannotParse("nested too deeply")
            self.take()
            value = Call("^", (value, self._exponent()))
            self.depth -= 1
        return value

    def _raw(self) -> str:
        """A subscript, as text."""
        if not self.is_op("{"):
            return self.take().value
        self.take()
        parts, open_ = [], 1
        while open_:
            token = self.take()
            if token.kind == "end":
                raise CannotParse("unclosed subscript")
            open_ += (token.value == "{") - (token.value == "}")
            parts.append(token.value)
        return "".join(parts[:-1])

    # Atoms

    def atom(self) -> Node:
        self.depth += 1
        if self.depth > 3 * MAX_DEPTH:
            raise CannotParse("nested too deeply")
        node = self._atom()
        self.depth -= 1
        return node

    def _atom(self) -> Node:
        token = self.take()
        if token.kind == "num":
            return self._number(token.value)
        if token.kind == "word":
            if token.value in FUNCTIONS:
                return self._function(token.value)
            low = token.value.lower()
            return Sym("infty" if low in ("oo", "inf", "infinity", "infty") else token.value)
        if token.kind == "text":
            words = [token.value]
            while self.next.kind == "text":
                words.append(self.take().value)
            return Text(" ".join(words))
        if token.kind == "begin":
            return self._environment(token.value)
        if token.kind == "op":
            return self._bracket(token.value)
        if token.kind == "cmd":
            return self._command(token.value)
        raise CannotParse(f"unexpected {token.value!r}")

    def _number(self, digits: str) -> Node:
        if "." in digits and self.is_cmd("overline", "dot", "bar"):
            self.take()
            return _repeating(digits, self._raw())
        mantissa = digits.lower().split("e")[0]
        significant = len(mantissa.replace(".", "").lstrip("0")) if "." in digits else 0
        exponent = digits.lower().partition("e")[2] or "0"
        if len(exponent) > 5:
            raise CannotParse("too large a power of ten")
        return Num(Fraction(digits), significant)

    def _bracket(self, opening: str) -> Node:
        if opening == "$":
            return Call("$", (self.power(),))
        if opening == "|":
            self.bars += 1
            inner = self.listing()
            self.bars -= 1
            self.expect("|")
            return Call("abs", (inner,))
        if opening not in _CLOSING:
            raise CannotParse(f"unexpected {opening!r}")
        bars, self.bars = self.bars, 0
        inner = self.listing()
        if opening == "{" and self.is_cmd("choose"):
            self.take()
            inner = Call("binom", (inner, self.listing()))
        if opening == "\\{" and (self.is_op("|", ":")):
            self.take()
            inner = Call("where", (inner, self.listing()))
        self.bars = bars
        closing = self.expect(*_CLOSING[opening])
        return _bracketed(opening, closing, inner)

    def _command(self, name: str) -> Node:
        if name == "frac":
            above = self._argument()
            return Call("/", (above, self._argument()))
        if name == "binom":
            above = self._argument()
            return Call("binom", (above, self._argument()))
        if name in ("sqrt", "surd"):
            return self._root()
        if name in _FENCES:
            inner = self.listing()
            self.expect(_FENCES[name])
            return Seq("<>", _items(inner)) if name == "langle" else Call(name, (inner,))
        if name == "emptyset":
            return Seq("{}", ())
        if name in _ACCENTS:
            return Sym(f"{name}({self._raw()})")
        if name in _SYMBOLS:
            return Sym(name)
        raise CannotParse(f"unexpected \\{name}")

    def _argument(self) -> Node:
        """An argument of `\\frac` and the like: a group, or one digit, or one symbol."""
        token = self.next
        if token.kind == "num" and len(token.value) > 1:
            self.tokens[self.at] = Token("num", token.value[1:])
            return Num(Fraction(token.value[0]))
        return self.atom()

    def _root(self) -> Node:
        degree: Node = Num(Fraction(2))
        if self.is_op("["):
            self.take()
            degree = self.listing()
            self.expect("]")
        return Call("root", (self.atom(), degree))

    def _function(self, name: str) -> Node:
        if name in ("sqrt", "cbrt"):
            return self._root() if name == "sqrt" else Call("root", (self.atom(), Num(Fraction(3))))
        base: Node | None = None
        exponent: Node | None = None
        for _ in range(2):
            if self.is_op("_"):
                self.take()
                base = self._exponent()
            elif self.is_op("^", "**"):
                self.take()
                exponent = self._exponent()
        arguments = (self._function_argument(name),)
        if base is not None:
            arguments += (base,)
        inverse = Call("neg", (Num(Fraction(1)),))
        if exponent == inverse and name in ("sin", "cos", "tan", "cot", "sec", "csc"):
            return Call("arc" + name, arguments)
        value: Node = Call(name, arguments)
        return value if exponent is None else Call("^", (value, exponent))

    def _function_argument(self, name: str) -> Node:
        if self.is_op("(", "{", "[", "|") or name in _ARGUMENTS:
            return self.atom()
        negative = self.is_op("-")
        if negative:
            self.take()
        value = self.power()
        while self._begins_factor() and not self.is_op("(", "["):
            if self.next.kind == "word" and self.next.value in FUNCTIONS:
                break
            value = Call("*", (value, self.power()))
        return Call("neg", (value,)) if negative else value

    def _environment(self, name: str) -> Node:
        rows: list[list[Node]] = [[]]
        bars, self.bars = self.bars, 0
        while self.next.kind != "end" or self.next.value == "":
            if self.next is _END:
                raise CannotParse(f"unclosed {name}")
            if self.next.kind == "sep" and self.next.value == "\\\\":
                self.take()
                rows.append([])
            elif self.is_op("&"):
                self.take()
            else:
                rows[-1].append(self._cell())
        if self.take().value != name:
            raise CannotParse(f"unclosed {name}")
        self.bars = bars
        cells = tuple(tuple(row) for row in rows if row)
        if name in _MATRICES:
            return Matrix(cells)
        return Matrix(cells, "vmatrix" if name in ("vmatrix", "Vmatrix") else "cases")

    def _cell(self) -> Node:
        items: list[Node] = []
        while not self._closing() and self.next.kind != "end":
            if self.is_op(",", ";") or (self.next.kind == "sep" and self.next.value != "\\\\"):
                self.take()
            elif self.next.kind == "sep":
                break
            else:
                items.append(self.relation())
        if not items:
            raise CannotParse("an empty cell")
        return items[0] if len(items) == 1 else Seq("", tuple(items))


def _items(node: Node) -> tuple[Node, ...]:
    return node.items if isinstance(node, Seq) and not node.brackets else (node,)


def _bracketed(opening: str, closing: str, inner: Node) -> Node:
    if opening == "{":
        return inner
    brackets = opening.removeprefix("\\") + closing.removeprefix("\\")
    if brackets == "()" and not (isinstance(inner, Seq) and not inner.brackets):
        return inner
    if isinstance(inner, Matrix):
        return inner
    return Seq(brackets, _items(inner))


def _mixed(whole: Node, part: Fraction) -> Node:
    assert isinstance(whole, Num)
    return Num(whole.value + part)


def _divisor(digits: str) -> Fraction:
    value = Fraction(digits)
    if not value:
        raise CannotParse("division by zero")
    return value


def _subscripted(base: Node, subscript: str) -> Node:
    if isinstance(base, Num) and base.value.denominator == 1 and not base.digits:
        return Based(str(base.value), subscript)
    if isinstance(base, Sym):
        return Sym(f"{base.name}_{subscript}")
    return Call("_", (base, Sym(subscript)))


def _repeating(digits: str, period: str) -> Node:
    if not period.isdigit() or len(period) > 50:
        raise CannotParse("a repeating decimal without digits")
    decimals = len(digits.partition(".")[2])
    return Num(Fraction(digits) + Fraction(int(period), (10 ** len(period) - 1) * 10**decimals))
