"""Stories about one running quantity: an opening, events that change it, a question.

Each family is a table of sentences. Placeholders: `{name}` and `{friend}` are people, `{she}`
the pronoun of the first, `{obj}` what is counted, `{n}` the number of an event (`{a}` and `{b}`
where an event has two). A step repeats the sentence that it works on, then computes.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from demo_family.problems import DeadEnd, Family, Problem, Scale, Story, Value

WOMEN = ("Anna", "Mia", "Sara", "Lena", "Nora", "Ruth", "Ella", "Iris")
SIDE_WORDS = {"+": "Together", "-": "That leaves"}
"""How the second step of an event with two numbers begins."""

MEN = ("Tom", "Ben", "Leo", "Omar", "Paul", "Max", "Hugo", "Ivan")


@dataclass(frozen=True)
class Event:
    """Something that happens to the running quantity.

    `kind` is the operation; `"+*"` and `"-*"` first multiply two numbers of the event, then add
    or subtract the product, which takes two steps.
    """

    kind: str
    sentences: tuple[str, ...]

    @property
    def cost(self) -> int:
        return len(self.kind)


@dataclass(frozen=True)
class ChainFamily:
    """The sentences of one family of stories about a running quantity."""

    name: str
    objects: tuple[str, ...]
    openings: tuple[str, ...]
    product_openings: tuple[str, ...]
    events: tuple[Event, ...]
    questions: tuple[str, ...]


def draw_people(rng: random.Random) -> dict[str, str]:
    """Two different people and the pronoun of the first."""
    first_is_woman = rng.random() < 0.5
    name = rng.choice(WOMEN if first_is_woman else MEN)
    friend = rng.choice([other for other in WOMEN + MEN if other != name])
    return {"name": name, "friend": friend, "she": "she" if first_is_woman else "he"}


def fitting_operands(operator: str, value: int, scale: Scale) -> range | list[int]:
    """The numbers that a multiplication, division or subtraction of `value` may use."""
    unit = scale.unit
    if operator == "*":
        return range(2, min(9, scale.product * unit // value) + 1) if value <= 99 * unit else []
    if operator == "/":
        units = value // unit
        return [k for k in range(2, 10) if units % k == 0 and 2 <= units // k <= 99]
    return range(2 * unit, min(value - 2 * unit, scale.summand * unit) + 1, unit)


def draw_operand(rng: random.Random, operator: str, value: int, scale: Scale) -> int:
    """A number that `value` can be combined with exactly; raises `DeadEnd` if there is none."""
    if operator == "+":
        return scale.draw(rng, 2, scale.summand)
    operands = fitting_operands(operator, value, scale)
    if not operands:
        raise DeadEnd(f"nothing fits {value} {operator}")
    return rng.choice(operands)


def draw_factors(rng: random.Random, scale: Scale) -> tuple[int, int]:
    """A count of 2 to 9 and what each one holds; the product stays in bounds."""
    count = rng.randint(2, 9)
    return count, scale.draw(rng, 2, min(scale.price, scale.product // count))


def tell_chain(family: ChainFamily, rng: random.Random, level: int) -> Problem:
    """One story of exactly `level` steps, or `DeadEnd`."""
    story = Story(rng, family.name)
    words = {**draw_people(rng), "obj": rng.choice(family.objects)}
    if rng.random() < 0.4:
        a, b = draw_factors(rng, story.scale)
        sentence = rng.choice(family.product_openings).format(**words, a=a, b=b)
        value = story.tell(sentence, Value(a), "*", Value(b))
    else:
        value = Value(story.scale.draw(rng, 10, story.scale.opening))
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
        if event.cost > room or (event.kind == "-*" and value < 20 * story.scale.unit):
            continue
        if event.kind in "*/-" and not fitting_operands(event.kind, value, story.scale):
            continue
        fitting.append(event)
    if not fitting:
        raise DeadEnd("no event fits")
    weights = [3 if event.kind in "*/" else 1 for event in fitting]
    return story.rng.choices(fitting, weights=weights)[0]


def _tell_event(story: Story, event: Event, words: dict[str, str], value: Value) -> Value:
    rng, scale = story.rng, story.scale
    sentence = rng.choice(event.sentences)
    if event.cost == 1:
        n = draw_operand(rng, event.kind, value.number, scale)
        return story.tell(sentence.format(**words, n=n), value, event.kind, Value(n))
    a, b = draw_factors(rng, scale)
    if event.kind == "-*" and a * b >= value.number:
        a, b = 2, scale.draw(rng, 2, value.number // scale.unit // 2 - 1)
    side = story.tell(sentence.format(**words, a=a, b=b), Value(a), "*", Value(b))
    return story.compute(value, event.kind[0], side, SIDE_WORDS[event.kind[0]])


def _family(table: ChainFamily) -> Family:
    return lambda rng, level: tell_chain(table, rng, level)


def chain_families(tables: tuple[ChainFamily, ...]) -> dict[str, Family]:
    return {table.name: _family(table) for table in tables}
