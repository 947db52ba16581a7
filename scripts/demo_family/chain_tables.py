"""The sentences of the families that follow one running quantity."""

from __future__ import annotations

from demo_family.stories import ChainFamily, Event

COLLECTING = ChainFamily(
    name="collecting",
    objects=("marbles", "stickers", "cards", "shells", "stamps", "beads"),
    openings=("{name} has {n} {obj}.", "{name} starts with {n} {obj}."),
    product_openings=(
        ("{name} has {a} boxes with {b} {obj} in each box.", "{name} has {eq} {obj}."),
        ("{name} buys {a} packs of {b} {obj}.", "{name} buys {eq} {obj}."),
    ),
    events=(
        Event("+", ("{she} finds {n} more {obj}.",), "Now {she} has {eq} {obj}."),
        Event(
            "+",
            ("{friend} gives {name} {n} {obj}.", "{name} gets {n} {obj} from {friend}."),
            "With the gift {she} has {eq} {obj}.",
        ),
        Event(
            "+*",
            ("{friend} brings {a} bags of {b} {obj} for {name}.",),
            "Then {name} has {eq} {obj}.",
            "{friend} brings {eq} {obj}.",
        ),
        Event("-", ("{she} loses {n} {obj}.",), "After the loss {she} has {eq} {obj}."),
        Event(
            "-",
            ("{she} gives {n} {obj} to {friend}.", "{friend} takes {n} of the {obj}."),
            "{she} keeps {eq} {obj}.",
        ),
        Event(
            "-*",
            ("{she} sells {a} bags of {b} {obj}.",),
            "That leaves {eq} {obj}.",
            "{she} sells {eq} {obj}.",
        ),
        Event(
            "*",
            ("{she} trades until {she} has {n} times as many {obj}.",),
            "The trades make it {eq} {obj}.",
        ),
        Event(
            "/",
            (
                "{she} puts all {obj} into {n} equal piles and keeps one pile.",
                "{she} splits the {obj} into {n} equal piles and keeps only one.",
            ),
            "One pile has {eq} {obj}.",
        ),
    ),
    questions=("How many {obj} does {name} have now?", "How many {obj} does {name} end up with?"),
)

WORK = ChainFamily(
    name="work",
    objects=("coins", "dollars", "euros"),
    openings=("{name} earns {n} {obj} at work.", "{name} is paid {n} {obj} for a job."),
    product_openings=(
        ("{name} works {a} hours and earns {b} {obj} per hour.", "{name} earns {eq} {obj}."),
        ("{name} works for {a} days at {b} {obj} a day.", "The work pays {eq} {obj}."),
    ),
    events=(
        Event("+", ("{she} gets a bonus of {n} {obj}.",), "The bonus makes it {eq} {obj}."),
        Event("+", ("A customer tips {name} {n} {obj}.",), "With the tip it is {eq} {obj}."),
        Event(
            "+*",
            ("{she} works {a} extra hours for {b} {obj} per hour.",),
            "Together that is {eq} {obj}.",
            "The extra hours pay {eq} {obj}.",
        ),
        Event("-", ("{she} pays {n} {obj} in tax.",), "After tax {she} has {eq} {obj}."),
        Event(
            "-",
            ("{she} spends {n} {obj} on new tools.", "New tools cost {name} {n} {obj}."),
            "After the tools {she} has {eq} {obj}.",
        ),
        Event(
            "-*",
            ("{she} takes the bus {a} times for {b} {obj} each time.",),
            "After the bus {she} has {eq} {obj}.",
            "The bus costs {eq} {obj}.",
        ),
        Event(
            "*",
            ("{she} makes the same amount in each of {n} weeks.",),
            "In all weeks {she} makes {eq} {obj}.",
        ),
        Event(
            "/",
            (
                "The money is shared equally by a team of {n} and {name} gets one share.",
                "{name} and the team share it equally, {n} people in all.",
            ),
            "One share is {eq} {obj}.",
        ),
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
        ("{name} bakes {a} trays of {b} {obj}.", "{name} bakes {eq} {obj}."),
        ("{a} ovens make {b} {obj} each for {name}.", "The ovens make {eq} {obj}."),
    ),
    events=(
        Event("+", ("{she} bakes {n} more {obj}.",), "With the new ones there are {eq} {obj}."),
        Event("+", ("{friend} adds {n} {obj}.",), "{friend} raises this to {eq} {obj}."),
        Event(
            "+*",
            ("Then {a} more trays of {b} {obj} are ready.",),
            "All in all there are {eq} {obj}.",
            "The new trays hold {eq} {obj}.",
        ),
        Event("-", ("{n} {obj} get burnt.", "{she} burns {n} {obj}."), "{eq} {obj} are good."),
        Event("-", ("{n} {obj} are eaten.", "Guests eat {n} {obj}."), "{eq} {obj} are not eaten."),
        Event(
            "-*",
            ("{a} customers buy {b} {obj} each.",),
            "The shop still has {eq} {obj}.",
            "Customers buy {eq} {obj}.",
        ),
        Event("*", ("{she} bakes this many on each of {n} days.",), "The days give {eq} {obj}."),
        Event(
            "/",
            (
                "The {obj} go into {n} equal baskets and only one basket stays.",
                "{she} fills {n} equal baskets and keeps one basket.",
            ),
            "One basket has {eq} {obj}.",
        ),
    ),
    questions=("How many {obj} are there now?", "How many {obj} does {name} have at the end?"),
)

FARM = ChainFamily(
    name="farm",
    objects=("apples", "pears", "plums", "melons", "carrots", "onions"),
    openings=("{name} picks {n} {obj} on a farm.", "A farm has {n} ripe {obj}."),
    product_openings=(
        ("A farm has {a} rows with {b} {obj} in each row.", "The farm has {eq} {obj}."),
        ("{name} picks {a} crates of {b} {obj}.", "{name} picks {eq} {obj}."),
    ),
    events=(
        Event("+", ("The next day {n} {obj} are picked.",), "The next day makes it {eq} {obj}."),
        Event("+", ("A neighbor brings {n} {obj}.",), "The neighbor makes it {eq} {obj}."),
        Event(
            "+*",
            ("{friend} picks {a} sacks of {b} {obj} too.",),
            "Together they have {eq} {obj}.",
            "{friend} picks {eq} {obj}.",
        ),
        Event("-", ("{n} {obj} rot.", "Bugs spoil {n} {obj}."), "{eq} {obj} stay fresh."),
        Event("-", ("Horses eat {n} {obj}.",), "The horses leave {eq} {obj}."),
        Event(
            "-*",
            ("{a} trucks take away {b} {obj} each.",),
            "The trucks leave {eq} {obj}.",
            "The trucks take {eq} {obj}.",
        ),
        Event("*", ("The harvest grows to {n} times this size.",), "The harvest is {eq} {obj}."),
        Event(
            "/",
            (
                "The {obj} are split equally between {n} shops and one shop belongs to {name}.",
                "{n} shops get equal parts and {name} owns one shop.",
            ),
            "One shop gets {eq} {obj}.",
        ),
    ),
    questions=("How many {obj} are there now?", "How many {obj} are there in the end?"),
)

READING = ChainFamily(
    name="reading",
    objects=("pages", "poems", "stories"),
    openings=("{name} reads {n} {obj} in May.", "{name} plans to read {n} {obj}."),
    product_openings=(
        ("{name} reads {b} {obj} a day for {a} days.", "{name} reads {eq} {obj}."),
        ("{name} has {a} books with {b} {obj} each.", "The books have {eq} {obj}."),
    ),
    events=(
        Event("+", ("{her} teacher adds {n} {obj}.",), "The teacher makes it {eq} {obj}."),
        Event("+", ("In June there are {n} more {obj}.",), "June makes it {eq} {obj}."),
        Event(
            "+*",
            ("{friend} lends {name} {a} books with {b} {obj} each.",),
            "The loan makes it {eq} {obj}.",
            "{friend} lends {eq} {obj}.",
        ),
        Event("-", ("{she} skips {n} {obj}.",), "Without those there are {eq} {obj}."),
        Event("-", ("{n} {obj} are too hard for {name}.",), "{eq} {obj} are not too hard."),
        Event(
            "-*",
            ("{a} books with {b} {obj} each go back.",),
            "When they are back {eq} {obj} remain.",
            "The books that go back have {eq} {obj}.",
        ),
        Event("*", ("{her} class reads {n} times as many {obj}.",), "The class reads {eq} {obj}."),
        Event(
            "/",
            (
                "The {obj} are spread evenly over {n} weeks and we look at one week.",
                "{name} spreads them evenly over {n} weeks and we look at one week.",
            ),
            "One week has {eq} {obj}.",
        ),
    ),
    questions=("How many {obj} is that now?", "How many {obj} does that make in the end?"),
)

SCHOOL = ChainFamily(
    name="school",
    objects=("pupils", "players", "singers", "dancers"),
    openings=("A school has {n} {obj}.", "{n} {obj} meet in a hall."),
    product_openings=(
        ("A school has {a} groups of {b} {obj}.", "The school has {eq} {obj}."),
        ("{a} buses bring {b} {obj} each to a hall.", "The buses bring {eq} {obj}."),
    ),
    events=(
        Event("+", ("{n} {obj} join.", "{n} new {obj} come in."), "Now there are {eq} {obj}."),
        Event("+", ("A second school sends {n} {obj}.",), "Both schools have {eq} {obj}."),
        Event(
            "+*",
            ("Then {a} cars bring {b} {obj} each.",),
            "With the cars there are {eq} {obj}.",
            "The cars bring {eq} {obj}.",
        ),
        Event("-", ("{n} {obj} are ill and go home.",), "{eq} {obj} are well."),
        Event("-", ("{n} {obj} leave for lunch.",), "{eq} {obj} do not leave."),
        Event(
            "-*",
            ("{a} vans drive off with {b} {obj} each.",),
            "{eq} {obj} are still there.",
            "The vans take {eq} {obj}.",
        ),
        Event("*", ("Next year it is {n} times as many {obj}.",), "Next year has {eq} {obj}."),
        Event(
            "/",
            (
                "The {obj} form {n} equal teams and we watch one team.",
                "They form {n} equal teams and only one team stays.",
            ),
            "One team has {eq} {obj}.",
        ),
    ),
    questions=("How many {obj} are there in the end?", "How many {obj} is that now?"),
)

CHAIN_TABLES = (COLLECTING, WORK, BAKING, FARM, READING, SCHOOL)
