"""Reads a formula as Qwen2.5-Math's evaluation does: as far as it can be read.

Its first parser takes the longest beginning that is a formula and ignores the rest (`1,2` is 1),
takes every letter for a symbol (`pi` is p times i, and even `\\pi` has no value), takes `f(x)` for
a function whatever the letter, and knows neither mixed numbers nor number bases.
"""

from __future__ import annotations

import re
from fractions import Fraction

from rsd.grading.formula.tokens import CannotParse
from rsd.grading.formula.tree import Call, Node, Num, Rel, Sym

MAX_DEPTH = 30
MAX_LENGTH = 1_500

_SCANNER = re.compile(
    r"(?P<space>\s+|\\[,:;!]|\\(?:quad|qquad|left|right|thinspace|displaystyle)(?![a-zA-Z]))"
    r"|(?P<cmd>\\[a-zA-Z]+)|(?P<brace>\\[{}])"
    r"|(?P<num>(?:\d+(?:,\d{3})*)?\.\d+|\d+(?:,\d{3})*)"
    r"|(?P<letter>[a-zA-Z])|(?P<op>[-+*/^_!=<>(){}\[\]|:',])|(?P<bad>.)",
    re.DOTALL,
)
_FUNCTIONS = frozenset(
    "sin cos tan csc sec cot arcsin arccos arctan arccsc arcsec arccot sinh cosh tanh "
    "ln log lg exp".split()
)
_RELATIONS = {"=": "=", "<": "<", ">": ">", "\\lt": "<", "\\gt": ">", "\\le": "<=", "\\leq": "<=",
              "\\ge": ">=", "\\geq": ">=", "\\ne": "!=", "\\neq": "!="}  # fmt: skip
_GROUPS = {"(": ")", "[": "]", "{": "}", "\\{": "\\}"}
_FENCES = {"\\lfloor": "\\rfloor", "\\lceil": "\\rceil"}


def parse_beginning(text: str) -> Node:
    """The tree of the longest readable beginning of `text`. Raises CannotParse if there is none."""
    return _Beginning(text[:MAX_LENGTH]).relation()


class _Beginning:
    def __init__(self, text: str) -> None:
        self.tokens = [
            (m.lastgroup or "", m[0]) for m in _SCANNER.finditer(text) if m.lastgroup != "space"
        ]
        self.at = 0
        self.depth = 0
        self.bars = 0

    @property
    def kind(self) -> str:
        kind = self.tokens[self.at][0] if self.at < len(self.tokens) else "end"
        if kind == "bad":
            raise CannotParse("an unknown character")
        return kind

    @property
    def value(self) -> str:
        return self.tokens[self.at][1] if self.kind != "end" else ""

    def take(self) -> str:
        value = self.value
        self.at += 1
        return value

    def expect(self, value: str) -> None:
        if self.take() != value:
            raise CannotParse(f"expected {value!r}")

    def relation(self) -> Node:
        sides, ops = [self.sum()], []
        while self.value in _RELATIONS:
            ops.append(_RELATIONS[self.take()])
            sides.append(self.sum())
        return Rel(tuple(ops), tuple(sides)) if ops else sides[0]

    def sum(self) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise CannotParse("nested too deeply")
        left = self.product()
        while self.value in ("+", "-"):
            left = Call(self.take(), (left, self.product()))
        self.depth -= 1
        return left

    def product(self) -> Node:
        left = self.unary()
        while self.value in ("*", "/", ":", "\\times", "\\cdot", "\\div"):
            division = self.take() in ("/", ":", "\\div")
            left = Call("/" if division else "*", (left, self.unary()))
        return left

    def unary(self) -> Node:
        negative = False
        while self.value in ("+", "-"):
            negative ^= self.take() == "-"
        node = self.postfix()
        while self._begins_atom():
            node = Call("*", (node, self.postfix()))
        return Call("neg", (node,)) if negative else node

    def _begins_atom(self) -> bool:
        if self.kind in ("num", "letter"):
            return True
        if self.kind == "cmd":
            return self.value not in _RELATIONS and self.value not in (
                "\\times", "\\cdot", "\\div", "\\rfloor", "\\rceil",
            )  # fmt: skip
        return self.value in _GROUPS or (self.value == "|" and not self.bars)

    def postfix(self) -> Node:
        node = self.atom()
        while self.value in ("^", "!"):
            if self.take() == "!":
                node = Call("!", (node,))
            elif self.value == "{":
                self.take()
                node = Call("^", (node, self.sum()))
                self.expect("}")
            else:
                node = Call("^", (node, self._one()))
        return node

    def _one(self) -> Node:
        """An exponent or argument without braces: one number, letter or command."""
        if self.kind not in ("num", "letter", "cmd"):
            raise CannotParse("expected an atom")
        return self.atom(applies=False)

    def atom(self, applies: bool = True) -> Node:
        kind, value = self.kind, self.take()
        if kind == "num":
            return Num(Fraction(value.replace(",", "")))
        if kind == "letter":
            return self._symbol(value, applies)
        if kind == "cmd":
            return self._command(value, applies)
        if value == "|":
            self.bars += 1
            inner = self.sum()
            self.bars -= 1
            self.expect("|")
            return Call("abs", (inner,))
        if value in _GROUPS:
            bars, self.bars = self.bars, 0
            inner = self.sum()
            self.bars = bars
            self.expect(_GROUPS[value])
            return inner
        raise CannotParse(f"unexpected {value!r}")

    def _symbol(self, name: str, applies: bool) -> Node:
        if self.value == "_":
            self.take()
            name += "_" + self._subscript()
        while self.value == "'":
            name += self.take()
        if applies and self.value == "(":
            start = self.at
            try:
                return self._applied(name)
            except CannotParse:
                self.at = start
        return Sym(f"<{name}>")

    def _applied(self, name: str) -> Node:
        self.take()
        arguments = [self.sum()]
        while self.value == ",":
            self.take()
            arguments.append(self.sum())
        self.expect(")")
        return Call(f"<{name}>", tuple(arguments))

    def _subscript(self) -> str:
        if self.value != "{":
            return self.take()
        self.take()
        parts = []
        while self.value not in ("}", ""):
            parts.append(self.take())
        self.expect("}")
        return "".join(parts)

    def _command(self, value: str, applies: bool) -> Node:
        name = value[1:]
        if name in ("frac", "dfrac", "tfrac", "binom", "dbinom", "tbinom"):
            arguments = (self._argument(), self._argument())
            return Call("binom" if "binom" in name else "/", arguments)
        if name == "sqrt":
            degree: Node = Num(Fraction(2))
            if self.value == "[":
                self.take()
                degree = self.sum()
                self.expect("]")
            return Call("root", (self._argument(), degree))
        if name in _FUNCTIONS:
            return self._function(name)
        if value in _FENCES:
            inner = self.sum()
            self.expect(_FENCES[value])
            return Call(name, (inner,))
        if name in ("int", "sum", "prod", "lim"):
            raise CannotParse(f"{value} is not read")
        if name in ("mathit", "overline") and self.value == "{":
            return Sym(f"<{name} {self._subscript()}>")
        return self._symbol(name, applies)

    def _argument(self) -> Node:
        if self.value != "{":
            return self._one()
        self.take()
        inner = self.sum()
        self.expect("}")
        return inner

    def _function(self, name: str) -> Node:
        base: tuple[Node, ...] = ()
        exponent: Node | None = None
        for _ in range(2):
            if self.value == "_":
                self.take()
                base = (self._argument(),)
            elif self.value == "^":
                self.take()
                exponent = self._argument()
        if self.value == "(":
            argument = self.atom()
        else:
            argument = self.postfix()
            while self._begins_atom() and self.value[1:] not in _FUNCTIONS:
                argument = Call("*", (argument, self.postfix()))
        if exponent == Call("neg", (Num(Fraction(1)),)) and name in ("sin", "cos", "tan"):
            return Call("arc" + name, (argument,))
        value = Call("lg" if name == "lg" else name, (argument, *base))
        return value if exponent is None else Call("^", (value, exponent))
