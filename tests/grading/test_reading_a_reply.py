"""How a reply is read: its answer section, what it denies, what it states, what that says."""

import pytest

from rsd.grading.reply.boxes import boxed
from rsd.grading.reply.denied import correction, without_denied
from rsd.grading.reply.extract import extract
from rsd.grading.reply.section import Section, answer_section, without_talk
from rsd.grading.values import spellings, without_condition
from rsd.grading.values.numerals import number_in_words, with_multipliers
from rsd.grading.values.units import conversion, is_unit, unit_key
from rsd.kinds import AnswerKind


@pytest.mark.parametrize(
    ("reply", "section"),
    [
        ("<think>4 or 5?</think>It is 5.", "It is 5."),
        ("4 or 5?\n</think>\nIt is 5.", "\nIt is 5."),
        ("<thinking>4</thinking> a <think>b</think> c", " c"),
        ("[THINK]4[/THINK]5", "5"),
        ("◁think▷4◁/think▷5", "5"),
        ("It is 5. <think>or 6", "It is 5. "),
        ("<think>a</think><answer>5</answer>", "5"),
        ("<answer>4</answer> no, <answer>5</answer>", "5"),
        ("<answer>5", "5"),
        ("<ANSWER> x=2 </ANSWER> bye", " x=2 "),
        ("<|channel|>analysis<|message|>4<|end|><|channel|>final<|message|>5<|return|>", "5"),
        ("It is 5.<|im_end|>\n<|im_start|>user\nAnd 6?", "It is 5."),
        ("A <b>bold</b> 5", "A bold 5"),
        ("x <answer> is a tag", " is a tag"),
        ("no tags at all", "no tags at all"),
    ],
)
def test_the_answer_section(reply: str, section: str) -> None:
    assert answer_section(reply) == Section(section)


@pytest.mark.parametrize("reply", ["<think>the answer is 5", "it is 5</think>\n ", "<think>"])
def test_thinking_that_nothing_follows_counts_only_by_its_box(reply: str) -> None:
    assert answer_section(reply).unfinished
    assert extract(reply) is None
    assert extract(reply + r" \boxed{6}") is not None


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("It is 5. Let me know if you need 3 more!", "It is 5."),
        ("It is 5.\n\nCheck: 2 + 3 = 5.", "It is 5."),
        ("It is 5.\n\n*Note: for 2 days.*", "It is 5."),
        ("It is 5. (The next one is 7.)", "It is 5."),
        ("It is 5。如果还有3个问题，请问。", "It is 5。"),
        ("If you have 2 cats, you need 5 bowls.", "If you have 2 cats, you need 5 bowls."),
        ("Check: 2 + 3 = 5.", "Check: 2 + 3 = 5."),
    ],
)
def test_small_talk_and_checks_are_left_out(text: str, kept: str) -> None:
    assert without_talk(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "the answer is not 3",
        "it cannot be 3",
        "I don't think the answer is 3.",
        "I doubt that it is 3.",
        "You might think it is 3, but",
        "If we forgot the last one, it would be 3, but",
        "rather than 3",
        "3 is wrong",
        "3 would be too small",
        "答案不是3",
        "не 3",
    ],
)
def test_a_denied_value_is_blanked(text: str) -> None:
    blanked = without_denied(text)
    assert "3" not in blanked
    assert len(blanked) == len(text)


@pytest.mark.parametrize(
    "text",
    [
        "the answer is 3",
        "it is not even, so it is 3",
        "Of 10 cats 7 are black, so 3 are not.",
        "A is wrong, so 3",
        "people think of 3",
        "no more than that: 3",
    ],
)
def test_a_value_that_stands_is_kept(text: str) -> None:
    assert "3" in without_denied(text)


@pytest.mark.parametrize("text", ["A is wrong", "(b) is not possible", "C fails", "D) too big"])
def test_a_dismissed_option_is_blanked(text: str) -> None:
    assert not without_denied(text).strip()


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("It is 5. Wait, it is 6.", ", it is 6."),
        ("5.\nCorrection: 6", ": 6"),
        ("5. Hmm, no. Actually, 6", " 6"),
        ("It is 5, which is actually odd.", None),
        ("They wait 5 minutes.", None),
    ],
)
def test_a_change_of_mind(text: str, after: str | None) -> None:
    assert correction(text, 0) == after


@pytest.mark.parametrize(
    ("text", "content"),
    [
        (r"\boxed7", "7"),
        (r"\boxed{3}\ \text{dozen}", r"3\ \text{dozen}"),
        (r"\boxed{500}\ \mathrm{nm}", r"500\ \text{nm}"),
        (r"\boxed{5} apples", "5"),
        (r"\boxed{5}\%", r"5 \%"),
        ("(a) \\boxed{2}\n(b) \\boxed{5}", "(a) 2 (b) 5"),
        ("1. So \\boxed{2}\n2. So \\boxed{5}", "(a) 2 (b) 5"),
        ("Part (a): $\\boxed{7}$. Part (b): $\\boxed{9}$.", "(a) 7 (b) 9"),
        ("First \\boxed{2}. Then \\boxed{5}", "5"),
    ],
)
def test_boxes(text: str, content: str) -> None:
    found = boxed(text)
    assert found is not None
    assert found.text == content


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("twelve", "12"),
        ("Twenty-one apples", "21"),
        ("one hundred and five", "105"),
        ("three million", "3000000"),
        ("two thirds", "2/3"),
        ("six and a half", "13/2"),
        ("half a dozen", "6"),
        ("minus four", "-4"),
        ("三十六", "36"),
        ("两万", "20000"),
        ("a", None),
        ("one or two", None),
        ("no solution", None),
        ("ten men and women", None),
        ("5", None),
    ],
)
def test_numbers_in_words(words: str, value: str | None) -> None:
    assert number_in_words(words) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3 million", "3000000"),
        (r"3 \text{ dozen}", "36"),
        ("70k", "70000"),
        ("$1.5M", r"\$1500000"),
        ("2 and a half million", "2500000"),
        ("5万", "50000"),
        ("3.2 млн", "3200000"),
        ("7M", "7M"),
        ("5 thousandths", "5 thousandths"),
        ("6.02 x 10^-3", r"6.02 \times 10^{-3}"),
    ],
)
def test_multipliers(text: str, value: str) -> None:
    assert with_multipliers(text).strip() == value


@pytest.mark.parametrize(
    ("text", "ways"),
    [
        ("5 hours 30 minutes", [r"11/2 \text{ h}", r"330 \text{ min}"]),
        ("5 dollars and 25 cents", [r"21/4 \text{ dollar}", r"525 \text{ cent}"]),
        ("5 feet 6 inches", [r"11/2 \text{ ft}", r"66 \text{ in}"]),
        ("€40", [r"40 \text{ euro}", r"40 \text{euro}"]),
        ("40 USD", [r"40 \text{ dollar}", "40 USD"]),
        ("12个", ["12"]),
        ("3 or more", [r"x \ge 3"]),
        ("at least 3", [r"x \ge 3"]),
        ("all real numbers", [r"(-\infty,\infty)"]),
        (r"\text{no solution}", [r"\emptyset"]),
        ("(a) 2 (b) 5", ["(2, 5)"]),
        ("(b) 2 (a) 5", ["(b) 2 (a) 5"]),
        ("5 is impossible", [r"\text{no value}"]),
        ("5 is the answer", ["5"]),
        ("18 (dollars)", ["18"]),
        ("about 18", ["18"]),
        (r"\textcolor{red}{7}", ["{7}"]),
        ("52_{(8)}", ["52_{8}"]),
    ],
)
def test_what_an_answer_says(text: str, ways: list[str]) -> None:
    assert [way for way in spellings(text) if way in ways] == ways


@pytest.mark.parametrize(
    ("text", "bare"),
    [
        (r"2^n - 1 \text{ for all } n \ge 1", "2^n - 1"),
        ("x+1 where x != 2", "x+1"),
        ("2x + c, where c is a constant", "2x + c"),
        (r"x^2 \text{ with a remainder of } 3", r"x^2 \text{ with a remainder of } 3"),
        ("where it is 5", "where it is 5"),
    ],
)
def test_conditions(text: str, bare: str) -> None:
    assert without_condition(text).strip() == bare


def test_units_meet_under_one_key() -> None:
    for a, b in (
        ("m/s^2", "m s^{-2}"),
        ("square cm", "cm^2"),
        ("km per hour", "km/h"),
        ("feet", "ft"),
    ):
        assert unit_key(a) == unit_key(b)
        assert is_unit(a)
    for a, b in (("m", "cm"), ("MeV", "meV"), ("m", "m^2"), ("hours", "minutes")):
        assert unit_key(a) != unit_key(b)
    assert not is_unit("in 4")
    assert not is_unit("or more")
    assert conversion("km", "cm") == 100_000
    assert conversion("km", "kg") is None


@pytest.mark.parametrize(
    ("reply", "kind", "text"),
    [
        ("The total is **84** apples (7 bags of 12).", AnswerKind.NUMBER, "84"),
        ("She read 120 pages after 6 days.", AnswerKind.NUMBER, "120"),
        ("So it is 6 * 7 = $42.", AnswerKind.NUMBER, "$42"),
        ("He needs 2-3 cups.", AnswerKind.NUMBER, "2-3"),
        ("The point is (3, -2).", AnswerKind.MATH, "(3, -2)"),
        ("The line is y = 2x + 1.", AnswerKind.MATH, "y = 2x + 1"),
        ("The fastest one is **Evelyn**.", AnswerKind.MATH, "Evelyn"),
        ('{"steps": 3, "answer": 18}', AnswerKind.NUMBER, "18"),
        ("La respuesta es 42.", AnswerKind.NUMBER, "42"),
        ("答えは42です。", AnswerKind.NUMBER, "42です"),
    ],
)
def test_the_candidate_meant(reply: str, kind: AnswerKind, text: str) -> None:
    found = extract(reply, kind)
    assert found is not None
    assert found.text == text
