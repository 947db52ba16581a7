"""Stories in which several quantities meet: shopping, travel and ages."""

from __future__ import annotations

import random
from itertools import pairwise

from demo_family.chain_tables import CHAIN_TABLES
from demo_family.problems import DeadEnd, Family, Problem, Story, Value
from demo_family.stories import (
    MEN,
    WOMEN,
    chain_families,
    draw_factors,
    draw_people,
    draw_summand,
)

GOODS = ("pens", "books", "cups", "hats", "kites", "lamps", "balls", "socks", "toys", "maps")
VEHICLES = ("bus", "train", "car", "boat", "bike", "truck")


def _split_level(rng: random.Random, level: int, most_extras: int) -> tuple[int, int, int]:
    """Products, plain summands and extra steps that together take `level` steps.

    Adding `products + plain` parts takes one step fewer than there are parts.
    """
    choices = [
        (products, plain, extras)
        for products in range(1, 5)
        for plain in range(3)
        for extras in range(most_extras + 1)
        if products + (products + plain - 1) + extras == level
    ]
    return rng.choice(choices)


def _add_up(story: Story, parts: list[Value], sentence: str) -> Value:
    total = parts[0]
    for part in parts[1:]:
        total = story.compute(total, "+", part, sentence)
    return total


def tell_shopping(rng: random.Random, level: int) -> Problem:
    """Items at a price each, fees, then a voucher and the change."""
    story = Story(rng, "shopping")
    words = draw_people(rng)
    name, she = words["name"], words["she"]
    products, fees, extras = _split_level(rng, level, 2)
    goods = rng.sample(GOODS, products)
    counts = [draw_factors(rng, story.scale) for _ in goods]
    wishes = [
        f"{count} {item} for {price} coins each"
        for item, (count, price) in zip(goods, counts, strict=True)
    ]
    listed = wishes[0] if len(wishes) == 1 else ", ".join(wishes[:-1]) + f" and {wishes[-1]}"
    story.say(rng.choice((f"{name} buys {listed}.", f"In a shop {name} picks {listed}.")))
    parts = [
        story.compute(Value(count), "*", Value(price), f"The {item} cost {{eq}} coins.")
        for item, (count, price) in zip(goods, counts, strict=True)
    ]
    fee_names = rng.sample(("a bag", "delivery", "gift paper"), fees)
    for fee in fee_names:
        amount = rng.randint(2, min(60, story.scale.summand))
        story.say(
            rng.choice(
                (f"{she} pays {amount} coins for {fee}.", f"The price of {fee} is {amount} coins.")
            )
        )
        parts.append(Value(amount))
    total = _add_up(story, parts, "The sum is {eq} coins.")
    question = f"How many coins does {name} pay?"
    if extras == 2 or (extras == 1 and rng.random() < 0.5):
        if total.number < 12:
            raise DeadEnd
        off = rng.randint(2, min(99, story.scale.summand, total.number - 5))
        story.say(f"A voucher takes {off} coins off.")
        total = story.compute(total, "-", Value(off), "With the voucher it is {eq} coins.")
        extras -= 1
    if extras:
        paid = total.number + draw_summand(rng, story.scale)
        story.say(f"{name} gives the clerk {paid} coins.")
        story.compute(Value(paid), "-", total, "The change is {eq} coins.")
        question = f"How many coins does {name} get back?"
    return story.finish(question)


def tell_travel(rng: random.Random, level: int) -> Problem:
    """Legs by hours and speed or by distance, then what is left or a repeated trip."""
    story = Story(rng, "travel")
    name = draw_people(rng)["name"]
    products, plain, extras = _split_level(rng, level, 1)
    kinds = ["product"] * products + ["plain"] * plain
    rng.shuffle(kinds)
    vehicles = rng.sample(VEHICLES, len(kinds))
    parts = []
    for position, (kind, vehicle) in enumerate(zip(kinds, vehicles, strict=True)):
        start = f"{name} goes" if position == 0 else rng.choice((f"then {name} goes", "next is"))
        verb = "" if start.endswith("goes") else "a ride of "
        if kind == "plain":
            distance = draw_summand(rng, story.scale)
            story.say(f"{start} {verb}{distance} km by {vehicle}.")
            parts.append(Value(distance))
        else:
            hours, speed = draw_factors(rng, story.scale)
            story.say(f"{start} {verb}{hours} hours by {vehicle} at {speed} km per hour.")
            sentence = f"The {vehicle} goes {{eq}} km."
            parts.append(story.compute(Value(hours), "*", Value(speed), sentence))
    total = _add_up(story, parts, "So far it is {eq} km.")
    question = rng.choice((f"How many km does {name} go?", "How many km is the whole way?"))
    if extras:
        most = min(9, story.scale.product // total.number) if total.number <= 99 else 0
        if most >= 2 and rng.random() < 0.7:
            times = rng.randint(2, most)
            story.say(f"{name} makes the whole trip {times} times.")
            story.compute(Value(times), "*", total, "All trips are {eq} km.")
        else:
            plan = total.number + draw_summand(rng, story.scale)
            story.say(f"The plan is {plan} km.")
            story.compute(Value(plan), "-", total, "To the goal it is {eq} km.")
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
    first = rng.choice((0, links - 1))
    sentence = f"{people[first]} and {last} are {{eq}} years old together."
    story.compute(ages[first], "+", ages[-1], sentence)
    return story.finish(f"How old are {people[first]} and {last} together?")


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
        n, relation = rng.choice(divisors), "{before} is {n} times as old as {person}."
    story.say(relation.format(n=n, before=before, person=person))
    return story.compute(age, operator, Value(n), f"{person} is {{eq}} years old.")


FAMILIES: dict[str, Family] = {
    **chain_families(CHAIN_TABLES),
    "shopping": tell_shopping,
    "travel": tell_travel,
    "ages": tell_ages,
}
"""Every family of stories by name."""
