"""A list of tokens with a place in it."""

from __future__ import annotations

from rsd.grading.formula.tokens import CannotParse, Token

_END = Token("end", "")


class TokenStream:
    """What every part of the parser reads from. `bars` counts the open `|...|`;
    `in_set` says that a bar or colon begins the condition of a set."""

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
