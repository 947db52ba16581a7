"""The sentences of the families that follow one running quantity."""

from __future__ import annotations

from demo_family.stories import ChainFamily, Event

COLLECTING = ChainFamily(
    name="collecting",
    objects=("marbles", "stickers", "cards", "shells", "stamps", "beads"),
    openings=("{name} has {n} {obj}.", "{name} starts with {n} {obj}."),
    product_openings=("{name} has {a} boxes of {b} {obj}.", "{name} buys {a} packs of {b} {obj}."),
    events=(
        Event("+", ("{she} finds {n} more {obj}.", "{she} buys {n} {obj}.")),
        Event("+", ("{friend} gives {name} {n} {obj}.", "{name} gets {n} {obj} from {friend}.")),
        Event(
            "+*", ("{friend} brings {a} bags of {b} {obj}.", "{she} wins {a} bags of {b} {obj}.")
        ),
        Event("-", ("{she} loses {n} {obj}.", "{she} drops {n} {obj} into a lake.")),
        Event("-", ("{she} gives {n} {obj} to {friend}.", "{friend} takes away {n} {obj}.")),
        Event("-*", ("{she} sells {a} bags of {b} {obj}.",)),
        Event("*", ("{she} trades until there are {n} times as many {obj}.",)),
        Event("/", ("{she} splits the {obj} into {n} equal piles and keeps one pile.",)),
    ),
    questions=("How many {obj} does {name} have now?", "How many {obj} does {name} end up with?"),
)

WORK = ChainFamily(
    name="work",
    objects=("coins", "dollars", "euros"),
    openings=("{name} earns {n} {obj} at work.", "{name} is paid {n} {obj} for a job."),
    product_openings=(
        "{name} works {a} hours for {b} {obj} per hour.",
        "{name} works {a} days for {b} {obj} a day.",
    ),
    events=(
        Event("+", ("{she} gets a bonus of {n} {obj}.", "The boss adds {n} {obj}.")),
        Event("+", ("A customer tips {name} {n} {obj}.", "{she} gets {n} {obj} for an old chair.")),
        Event("+*", ("{she} works {a} extra hours for {b} {obj} per hour.",)),
        Event("-", ("{she} pays {n} {obj} in tax.", "{she} pays {n} {obj} of rent.")),
        Event("-", ("{she} spends {n} {obj} on tools.", "New tools cost {name} {n} {obj}.")),
        Event("-*", ("{she} takes the bus {a} times for {b} {obj}.",)),
        Event("*", ("{she} makes this {n} times.", "The same comes in for {n} weeks.")),
        Event("/", ("{she} shares this in a team of {n} and keeps one equal part.",)),
    ),
    questions=(
        "How many {obj} does {name} have in the end?",
        "How many {obj} are left for {name}?",
    ),
)

BAKING = ChainFamily(
    name="baking",
    objects=("cookies", "muffins", "rolls", "buns", "tarts"),
    openings=("{name} bakes {n} {obj}.", "There are {n} {obj} in the bakery of {name}."),
    product_openings=(
        "{name} bakes {a} trays of {b} {obj}.",
        "{name} makes {a} tins of {b} {obj}.",
    ),
    events=(
        Event("+", ("{she} bakes {n} more {obj}.", "{n} more {obj} come out of the oven.")),
        Event("+", ("{friend} adds {n} {obj}.", "{friend} bakes {n} {obj} for {name}.")),
        Event("+*", ("{a} more trays of {b} {obj} are ready.",)),
        Event("-", ("{n} {obj} get burnt.", "{she} burns {n} {obj}.")),
        Event("-", ("{n} {obj} are eaten.", "Guests eat {n} {obj}.")),
        Event("-*", ("{a} customers buy {b} {obj} each.",)),
        Event("*", ("{she} bakes {n} times as many {obj} for a party.",)),
        Event("/", ("{she} fills {n} equal baskets with the {obj} and keeps one basket.",)),
    ),
    questions=("How many {obj} are there now?", "How many {obj} does {name} have at the end?"),
)

FARM = ChainFamily(
    name="farm",
    objects=("apples", "pears", "plums", "melons", "carrots", "onions"),
    openings=("{name} picks {n} {obj} on a farm.", "A farm has {n} ripe {obj}."),
    product_openings=("A farm has {a} rows of {b} {obj}.", "{name} picks {a} crates of {b} {obj}."),
    events=(
        Event("+", ("The next day {n} {obj} are picked.", "{n} more {obj} get ripe.")),
        Event("+", ("A neighbor brings {n} {obj}.", "{friend} picks {n} {obj} too.")),
        Event("+*", ("{friend} fills {a} sacks of {b} {obj}.",)),
        Event("-", ("{n} {obj} rot.", "Bugs spoil {n} {obj}.")),
        Event("-", ("Horses eat {n} {obj}.", "The farm sells {n} {obj}.")),
        Event("-*", ("{a} trucks take away {b} {obj} each.",)),
        Event("*", ("The harvest grows to {n} times as many {obj}.",)),
        Event("/", ("The {obj} go to {n} shops in equal parts and we look at one shop.",)),
    ),
    questions=("How many {obj} are there now?", "How many {obj} are there in the end?"),
)

READING = ChainFamily(
    name="reading",
    objects=("pages", "poems", "stories"),
    openings=("{name} reads {n} {obj} in May.", "{name} plans to read {n} {obj}."),
    product_openings=(
        "{name} reads for {a} days, {b} {obj} a day.",
        "{name} has {a} books with {b} {obj} each.",
    ),
    events=(
        Event("+", ("The teacher adds {n} {obj}.", "{she} wants {n} {obj} more.")),
        Event("+", ("In June there are {n} more {obj}.", "{friend} lends {name} {n} {obj}.")),
        Event("+*", ("{friend} brings {a} books with {b} {obj} each.",)),
        Event("-", ("{she} skips {n} {obj}.", "{she} leaves out {n} {obj}.")),
        Event("-", ("{n} {obj} are too hard for {name}.", "{n} {obj} get lost.")),
        Event("-*", ("{a} books with {b} {obj} each go back.",)),
        Event("*", ("The class reads {n} times as many {obj}.",)),
        Event("/", ("{she} spreads the {obj} evenly over {n} weeks and we look at one week.",)),
    ),
    questions=("How many {obj} is that now?", "How many {obj} does that make in the end?"),
)

SCHOOL = ChainFamily(
    name="school",
    objects=("pupils", "players", "singers", "dancers"),
    openings=("A school has {n} {obj}.", "{n} {obj} meet in a hall."),
    product_openings=("A school has {a} groups of {b} {obj}.", "{a} buses bring {b} {obj} each."),
    events=(
        Event("+", ("{n} {obj} join.", "{n} new {obj} come in.")),
        Event("+", ("A second school sends {n} {obj}.", "{friend} invites {n} {obj}.")),
        Event("+*", ("{a} cars bring {b} {obj} each.",)),
        Event("-", ("{n} {obj} are ill and go home.", "{n} {obj} have no time.")),
        Event("-", ("{n} {obj} leave for lunch.", "{n} {obj} walk out.")),
        Event("-*", ("{a} vans drive off with {b} {obj} each.",)),
        Event("*", ("Next year it is {n} times as many {obj}.",)),
        Event("/", ("The {obj} form {n} equal teams and we watch one team.",)),
    ),
    questions=("How many {obj} are there in the end?", "How many {obj} is that now?"),
)

CHAIN_TABLES = (COLLECTING, WORK, BAKING, FARM, READING, SCHOOL)
