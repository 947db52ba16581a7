"""Stories about one running quantity: an opening, events that change it, a question.

Each family is a table of sentences. Placeholders: `{name}` and `{friend}` are people,
`{she}`, `{her}` the pronouns of the first, `{obj}` what is counted, `{n}` the number of an event
(`{a}` and `{b}` where an event has two), `{eq}` the equation of a step.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from demo_family.problems import DeadEnd, Family, Problem, Scale, Story, Value

WOMEN = ("Anna", "Mia", "Sara", "Lena", "Nora", "Ruth", "Ella", "Iris")
MEN = ("Tom", "Ben", "Leo", "Omar", "Paul", "Max", "Hugo", "Ivan")


@dataclass(frozen=True)
class Event:
    """Something that happens to the running quantity.

    `kind` is the operation; `"+*"` and `"-*"` first multiply two numbers of the event, then add
    or subtract the product, which takes two steps (`side_step` is the first).
    """

    kind: str
    sentences: tuple[str, ...]
    step: str
    side_step: str = ""

    @property
    def cost(self) -> int:
        return len(self.kind)


@dataclass(frozen=True)
class ChainFamily:
    """The sentences of one family of stories about a running quantity."""

    name: str
    objects: tuple[str, ...]
    openings: tuple[str, ...]
    product_openings: tuple[tuple[str, str], ...]
    events: tuple[Event, ...]
    questions: tuple[str, ...]


def draw_people(rng: random.Random) -> dict[str, str]:
    """Two different people and the pronouns of the first."""
    first_is_woman = rng.random() < 0.5
    name = rng.choice(WOMEN if first_is_woman else MEN)
    friend = rng.choice([other for other in WOMEN + MEN if other != name])
    pronouns = ("she", "her") if first_is_woman else ("he", "his")
    return {"name": name, "friend": friend, "she": pronouns[0], "her": pronouns[1]}


def draw_summand(rng: random.Random, scale: Scale) -> int:
    """A number to add: mostly one or two digits, on the large scale sometimes three."""
    if scale.summand > 99 and rng.random() < 0.2:
        return rng.randint(100, scale.summand)
    return rng.randint(3, min(99, scale.summand))


def fitting_operands(operator: str, value: int, scale: Scale) -> range | list[int]:
    """The numbers that a multiplication, division or subtraction of `value` may use."""
    if operator == "*":
        return range(2, min(9, scale.product // value) + 1) if value <= 99 else []
    if operator == "/":
        return [k for k in range(2, 10) if value % k == 0 and 2 <= value // k <= 99]
    return range(2, min(value - 2, scale.summand) + 1)


def draw_operand(rng: random.Random, operator: str, value: int, scale: Scale) -> int:
    """A number that `value` can be combined with exactly; raises `DeadEnd` if there is none."""
    if operator == "+":
        return draw_summand(rng, scale)
    operands = fitting_operands(operator, value, scale)
    if not operands:
        raise DeadEnd(f"nothing fits {value} {operator}")
    return rng.choice(operands)


def draw_factors(rng: random.Random, scale: Scale) -> tuple[int, int]:
    """A count and what each one holds."""
    return rng.randint(2, scale.count), rng.randint(3, scale.price)


def tell_chain(family: ChainFamily, rng: random.Random, level: int) -> Problem:
    """One story of exactly `level` steps, or `DeadEnd`."""
    story = Story(rng, family.name)
    words = {**draw_people(rng), "obj": rng.choice(family.objects)}
    if rng.random() < 0.4:
        sentence, step = rng.choice(family.product_openings)
        a, b = draw_factors(rng, story.scale)
        story.say(sentence.format(**words, a=a, b=b))
        value = story.compute(Value(a), "*", Value(b), step.format(**words, eq="{eq}"))
    else:
        value = Value(rng.randint(12, story.scale.opening))
        story.say(rng.choice(family.openings).format(**words, n=value.number))
    unused = list(family.events)
    while len(story.steps) < level:
        event = _draw_event(story, unused, value.number, level - len(story.steps))
        unused.remove(event)
        value = _tell_event(story, event, words, value)
    return story.finish(rng.choice(family.questions).format(**words))


def _draw_event(story: Story, unused: list[Event], value: int, room: int) -> Event:
    """An unused event that fits; multiplication and division are preferred where possible."""
    fitting = []
    for event in unused:
        if event.cost > room or (event.kind == "-*" and value < 20):
            continue
        if event.kind in "*/-" and not fitting_operands(event.kind, value, story.scale):
            continue
        fitting.append(event)
    if not fitting:
        raise DeadEnd("no event fits")
    weights = [3 if event.kind in "*/" else 1 for event in fitting]
    return story.rng.choices(fitting, weights=weights)[0]


def _tell_event(story: Story, event: Event, words: dict[str, str], value: Value) -> Value:
    rng = story.rng
    sentence = rng.choice(event.sentences)
    step = event.step.format(**words, eq="{eq}")
    if event.cost == 1:
        n = draw_operand(rng, event.kind, value.number, story.scale)
        story.say(sentence.format(**words, n=n))
        return story.compute(value, event.kind, Value(n), step)
    a, b = draw_factors(rng, story.scale)
    if event.kind == "-*" and a * b >= value.number:
        a, b = 2, rng.randint(2, (value.number - 2) // 2)
    story.say(sentence.format(**words, a=a, b=b))
    side = story.compute(Value(a), "*", Value(b), event.side_step.format(**words, eq="{eq}"))
    return story.compute(value, event.kind[0], side, step)


def _family(table: ChainFamily) -> Family:
    return lambda rng, level: tell_chain(table, rng, level)


def chain_families(tables: tuple[ChainFamily, ...]) -> dict[str, Family]:
    return {table.name: _family(table) for table in tables}
