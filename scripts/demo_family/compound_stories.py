"""Stories in which several quantities meet: shopping, travel and ages."""

from __future__ import annotations

import random
from itertools import pairwise

from demo_family.chain_tables import CHAIN_TABLES
from demo_family.problems import Family, Problem, Story, Value
from demo_family.stories import (
    MEN,
    WOMEN,
    chain_families,
    draw_factors,
    draw_operand,
    draw_people,
    fitting_operands,
)

GOODS = ("pens", "books", "cups", "hats", "kites", "lamps", "balls", "socks", "toys", "maps")
VEHICLES = ("bus", "train", "car", "boat", "bike", "truck")


def _split_level(rng: random.Random, level: int, most_extras: int) -> tuple[list[bool], int]:
    """Kinds of the parts of a sum (True: a product) and extra steps, `level` steps in all.

    A product takes a step, and joining n parts takes n - 1.
    """
    products, plain, extras = rng.choice(
        [
            (products, plain, extras)
            for products in range(1, 5)
            for plain in range(3)
            for extras in range(most_extras + 1)
            if products + (products + plain - 1) + extras == level
        ]
    )
    kinds = [True] * products + [False] * plain
    rng.shuffle(kinds)
    return kinds, extras


def _join(story: Story, total: Value | None, part: Value) -> Value:
    return part if total is None else story.compute(total, "+", part, "Together")


def _join_plain(story: Story, total: Value | None, sentence: str, part: Value) -> Value:
    if total is None:
        story.say(sentence)
        return part
    return story.tell(sentence, total, "+", part)


def tell_shopping(rng: random.Random, level: int) -> Problem:
    """Items at a price each and fees, then a voucher and the change."""
    story = Story(rng, "shopping")
    scale, words = story.scale, draw_people(rng)
    name, she = words["name"], words["she"]
    kinds, extras = _split_level(rng, level, 2)
    goods = iter(rng.sample(GOODS, len(kinds)))
    fees = iter(rng.sample(("a bag", "delivery", "gift paper"), 3))
    total: Value | None = None
    for position, is_product in enumerate(kinds):
        who = name if position == 0 else she
        if is_product:
            count, price = draw_factors(rng, scale)
            sentence = f"{who} buys {count} {next(goods)} for {price} coins each."
            total = _join(story, total, story.tell(sentence, Value(count), "*", Value(price)))
        else:
            fee = scale.draw(rng, 2, scale.summand)
            sentence = f"{who} pays {fee} coins for {next(fees)}."
            total = _join_plain(story, total, sentence, Value(fee))
    assert total is not None
    question = f"How many coins does {name} pay?"
    if extras == 2 or (extras == 1 and rng.random() < 0.5):
        off = draw_operand(rng, "-", total.number, scale)
        total = story.tell(f"A voucher takes {off} coins off.", total, "-", Value(off))
        extras -= 1
    if extras:
        paid = total.number + scale.draw(rng, 2, scale.summand)
        story.tell(f"{name} hands over {paid} coins.", Value(paid), "-", total)
        question = f"How many coins does {name} get back?"
    return story.finish(question)


def tell_travel(rng: random.Random, level: int) -> Problem:
    """Legs by hours and speed or by distance, then what is left or a repeated trip."""
    story = Story(rng, "travel")
    scale, name = story.scale, draw_people(rng)["name"]
    kinds, extras = _split_level(rng, level, 1)
    vehicles = rng.sample(VEHICLES, len(kinds))
    total: Value | None = None
    for position, (is_product, vehicle) in enumerate(zip(kinds, vehicles, strict=True)):
        who = f"{name} goes" if position == 0 else f"Then {name} goes"
        if is_product:
            hours, speed = draw_factors(rng, scale)
            sentence = f"{who} {hours} hours by {vehicle} at {speed} km per hour."
            total = _join(story, total, story.tell(sentence, Value(hours), "*", Value(speed)))
        else:
            distance = scale.draw(rng, 2, scale.summand)
            sentence = f"{who} {distance} km by {vehicle}."
            total = _join_plain(story, total, sentence, Value(distance))
    assert total is not None
    question = rng.choice((f"How many km does {name} go?", "How many km is the whole way?"))
    if extras:
        times = fitting_operands("*", total.number, scale)
        if times and rng.random() < 0.7:
            n = rng.choice(times)
            story.tell(f"{name} makes this trip {n} times.", total, "*", Value(n))
        else:
            plan = total.number + scale.draw(rng, 2, scale.summand)
            story.tell(f"The plan is {plan} km.", Value(plan), "-", total)
            question = "How many km of the plan are left?"
    return story.finish(question)


def tell_ages(rng: random.Random, level: int) -> Problem:
    """A chain of people, each one's age told by the one before; perhaps a sum at the end."""
    story = Story(rng, "ages")
    people = rng.sample(WOMEN + MEN, level + 1)
    ages = [Value(rng.randint(6, 60))]
    story.say(f"{people[0]} is {ages[0].number} years old.")
    adds_up = level > 2 and rng.random() < 0.5
    links = level - 1 if adds_up else level
    for before, person in pairwise(people[: links + 1]):
        ages.append(_tell_age(story, before, person, ages[-1]))
    last = people[links]
    if not adds_up:
        return story.finish(f"How old is {last}?")
    before = people[links - 1]
    story.compute(ages[-2], "+", ages[-1], f"{before} and {last} together")
    return story.finish(f"How old are {before} and {last} together?")


def _tell_age(story: Story, before: str, person: str, age: Value) -> Value:
    rng, years = story.rng, age.number
    operators = ["+"] if years <= 80 else []
    operators += ["-"] if years >= 12 else []
    operators += ["*"] if years <= 24 else []
    divisors = [k for k in range(2, 7) if years % k == 0 and years // k >= 3]
    operators += ["/"] if divisors else []
    operator = rng.choice(operators)
    if operator == "+":
        n, relation = rng.randint(2, 19), "{person} is {n} years older than {before}."
    elif operator == "-":
        n, relation = rng.randint(2, years - 5), "{person} is {n} years younger than {before}."
    elif operator == "*":
        n, relation = (
            rng.randint(2, min(4, 96 // years)),
            "{person} is {n} times as old as {before}.",
        )
    else:
        n, relation = rng.choice(divisors), "{before} has {n} times the age of {person}."
    sentence = relation.format(n=n, before=before, person=person)
    return story.tell(sentence, age, operator, Value(n))


FAMILIES: dict[str, Family] = {
    **chain_families(CHAIN_TABLES),
    "shopping": tell_shopping,
    "travel": tell_travel,
    "ages": tell_ages,
}
"""Every family of stories by name."""
