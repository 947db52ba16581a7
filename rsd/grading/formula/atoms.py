"""The smallest parts of a formula: numbers, symbols, brackets, roots, functions, matrices."""

from __future__ import annotations

from abc import abstractmethod
from fractions import Fraction

from rsd.grading.formula.tokens import FUNCTIONS, CannotParse, Token
from rsd.grading.formula.tree import Call, Matrix, Node, Num, Seq, Sym, Text

MAX_DEPTH = 40

_ACCENTS = frozenset(
    "overline underline vec hat bar tilde dot ddot widehat widetilde overrightarrow "
    "overleftrightarrow overset check mathbb mathscr".split()
)
UNREAD = frozenset(
    "int iint iiint oint sum prod coprod bigcup bigcap lim limsup liminf sup inf pmod bmod mod "
    "stackrel not rfloor rceil rangle rVert choose over hline multicolumn underbrace overbrace "
    "tag label ref includegraphics xrightarrow".split()
)
_ARGUMENTS = frozenset({"max", "min", "gcd", "lcm"})
_CLOSING = {"(": (")", "]"), "[": ("]", ")"), "\\{": ("\\}",), "{": ("}",)}
_FENCES = {"lfloor": "rfloor", "lceil": "rceil", "langle": "rangle", "lVert": "rVert"}
_MATRICES = frozenset("matrix pmatrix bmatrix Bmatrix array smallmatrix tabular".split())
_END = Token("end", "")


class TokenStream:
    """Tokens and the place reached in them. `bars` counts the open `|...|`; with `in_set` a bar or
    colon begins the condition of a set."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self.bars = 0
        self.in_set = False

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

    def raw(self) -> str:
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


class Atoms(TokenStream):
    """Parses one atom at a time; `Parser` parses what an atom contains."""

    @abstractmethod
    def listing(self) -> Node: ...

    @abstractmethod
    def relation(self) -> Node: ...

    @abstractmethod
    def power(self) -> Node: ...

    @abstractmethod
    def closing(self) -> bool: ...

    @abstractmethod
    def begins_factor(self) -> bool: ...

    @abstractmethod
    def exponent(self) -> Node: ...

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
            return _repeating(digits, self.raw())
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
        outside = self.bars, self.in_set
        self.in_set = opening == "\\{"
        self.bars = int(self.in_set)
        inner = self.listing()
        if opening == "{" and self.is_cmd("choose"):
            self.take()
            inner = Call("binom", (inner, self.listing()))
        if opening == "\\{" and (self.is_op("|", ":")):
            self.take()
            self.bars, self.in_set = 0, False
            inner = Call("where", (inner, self.listing()))
        self.bars, self.in_set = outside
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
            return Seq("<>", items_of(inner)) if name == "langle" else Call(name, (inner,))
        if name == "emptyset":
            return Seq("{}", ())
        if name in _ACCENTS:
            return Sym(f"{name}({self.raw()})")
        if name in UNREAD:
            raise CannotParse(f"\\{name} is not read")
        return Sym(name)

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
                base = self.exponent()
            elif self.is_op("^", "**"):
                self.take()
                exponent = self.exponent()
        arguments: tuple[Node, ...] = (self._function_argument(name),)
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
        while self.begins_factor() and not self.is_op("(", "["):
            if self.next.kind == "word" and self.next.value in FUNCTIONS:
                break
            value = Call("*", (value, self.power()))
        return Call("neg", (value,)) if negative else value

    def _environment(self, name: str) -> Node:
        rows: list[list[Node]] = [[]]
        bars, self.bars = self.bars, 0
        while self.next.kind != "end" or self.next.value == "":
            if self.next.kind == "end" and not self.next.value:
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
        while not self.closing() and self.next.kind != "end":
            if self.is_op(",", ";") or (self.next.kind == "sep" and self.next.value != "\\\\"):
                self.take()
            elif self.next.kind == "sep":
                break
            else:
                items.append(self.relation())
        if not items:
            raise CannotParse("an empty cell")
        return items[0] if len(items) == 1 else Seq("", tuple(items))


def items_of(node: Node) -> tuple[Node, ...]:
    return node.items if isinstance(node, Seq) and not node.brackets else (node,)


def _bracketed(opening: str, closing: str, inner: Node) -> Node:
    if opening == "{":
        return inner
    brackets = opening.removeprefix("\\") + closing.removeprefix("\\")
    if brackets == "()" and not (isinstance(inner, Seq) and not inner.brackets):
        return inner
    if isinstance(inner, Matrix):
        return inner
    return Seq(brackets, items_of(inner))


def _repeating(digits: str, period: str) -> Node:
    if not period.isdigit() or len(period) > 50:
        raise CannotParse("a repeating decimal without digits")
    decimals = len(digits.partition(".")[2])
    return Num(Fraction(digits) + Fraction(int(period), (10 ** len(period) - 1) * 10**decimals))
