"""The default verdict on pairs that graders are known to get wrong, rule by rule."""

import pytest

from rsd.grading import grade
from rsd.grading.compare.answers import compare_answers
from rsd.grading.reply.extract import extract
from rsd.grading.verdict import Options
from rsd.kinds import AnswerKind

RIGHT = [
    # text and choices
    ("East", r"\text{east}"),
    ("B. Carl has a winning strategy.", "B"),
    (r"\text{(B)}", "B"),
    ("B", r"\text{(B)}"),
    ("Option C", "$C$"),
    ("B", "(b)"),
    ("{a}", r"\text{A}"),
    ("Yes, the function is constant.", "Yes."),
    # numbers, units, money, percent
    ("65/169", "5/13"),
    ("1 1/2", "1.5"),
    (r"-1\frac12", "-1.5"),
    ("137.5 miles", r"137\frac12"),
    ("10000", "10{,}000"),
    (r"11,\! 111,\! 111,\! 100", "11111111100"),
    ("1 000", "1000"),
    ("15", r"15\mbox{ cm}^2"),
    ("15 square cm", r"15\mbox{ cm}^2"),
    ("29 cents", "29"),
    ("12th grade", "12"),
    (r"12^{\mathrm{th}} grade", "12"),
    ("36 dollars", r"\$36"),
    ("28 pct", r"28\%"),
    ("0.28", r"28\%"),
    (r"60^\circ", r"\frac{\pi}{3}"),
    (r"4:30 \text{ p.m.}", "4:30 p.m."),
    (r"0.\overline{36}", r"\frac{4}{11}"),
    ("0.0833333333333333", r"\frac{1}{12}"),
    ("52", "52_8"),
    ("7:32", r"\frac{7}{32}"),
    ("6:8", "3:4"),
    ("6:00 PM", "6:00"),
    ("27", r"27 \mathrm{~min}"),
    # times of day
    ("1:58 a.m.", "1:58 am"),
    ("3:30 PM", "3:30 p.m."),
    ("15:30", "3:30 p.m."),
    ("00:35", "12:35 A.M."),
    ("9:03:36 am", "9:03:36 a.m."),
    ("2:15 p.m.", "$2: 15$ PM"),
    (r"9\text{ a.m.}", "9 AM"),
    ("9:00 AM", "9 a.m."),
    ("9", r"9\text{ a.m.}"),
    # Unicode
    ("−5", "-5"),
    ("2√3", r"2\sqrt{3}"),
    ("½", "0.5"),
    ("x²", "x^2"),
    ("90°", "90"),
    # expressions
    ("7/10 * pi", r"\frac{7}{10}\pi"),
    (r"\sqrt{5+2\sqrt{6}}", r"\sqrt{2}+\sqrt{3}"),
    (r"\sqrt[3]{2+\sqrt5}+\sqrt[3]{2-\sqrt5}", "1"),
    ("(x+1)^{400}", "(x+1)^{399}(x+1)"),
    (r"\frac{\cos x}{\sin x}", r"\cot x"),
    (r"\ln(x^2)", r"2\ln x"),
    ("x**2+2*x+1", "(x+1)^2"),
    (r"\frac{n(n+1)}{2}", r"\binom{n+1}{2}"),
    # lists, tuples, sets, matrices
    ("1,-2", "-2,1"),
    (r"1 \pm \sqrt{19}", r"1+\sqrt{19}, 1-\sqrt{19}"),
    ("21, 16 or 11", "$21,16$ or $11$"),
    (r"x=1 \text{ or } x=2", "1, 2"),
    (r"(x, y) = (5, 8) \text{ and } (8, 5)", "$(5, 8), (8, 5)$"),
    (r"\{3,1,2\}", r"\{1,2,3\}"),
    (r"\begin{pmatrix} 1 & 1/2 \\ 1/3 & 4 \end{pmatrix}",
     r"\begin{bmatrix} 1 & 0.5 \\ \frac13 & 4 \end{bmatrix}"),
    (r"\begin{pmatrix}1\\2\end{pmatrix}", "(1,2)"),
    ("(19,0,1)", "19,0,1"),
    ("19,0,1", "(19,0,1)"),
    ("1,0,19", "19,0,1"),
    ("(x,y,z)=(19,0,1)", "19,0,1"),
    ("19,0,1", "(x,y,z)=(19,0,1)"),
    ("x=19, y=0, z=1", "(19,0,1)"),
    ("y=2, x=1", "(x,y)=(1,2)"),
    ("[(1,2),(3,4)]", "(3,4),(1,2)"),
    ("(2,251,252)", "2,251,252"),
    # equations, inequalities, intervals
    (r"y=-\frac12x+\frac34", "2x+4y-3=0"),
    ("x^2/16 + y^2/12 = 1/4", "x^2/4 + y^2/3 = 1"),
    ("k=1", "1"),
    ("1", "$|AB|=1$"),
    ("8 + 14 + 56 = 78", "78"),
    (r"-2 \le x \le 7", r"x \in [-2,7]"),
    ("-x > -1", "x < 1"),
    (r"x<1 \text{ or } x>2", r"(-\infty,1)\cup(2,\infty)"),
    (r"\{x \mid 2 \le x < 5\}", "[2,5)"),
    (r"\mathbb{R}\setminus\{3\}", r"x \neq 3"),
    (r"\frac{\sqrt3}{3}", r"\frac{\sqrt{3}}{3} \approx 0.577"),
    # a value in two forms
    ("90 degrees or π/2 radians", "90"),
    (r"\frac12, 0.5", "1/2"),
    # all real numbers
    (r"\mathbb{R}", r"(-\infty,\infty)"),
    (r"(-\infty, \infty)", r"\mathbb{R}"),
    # a sentence in the box
    ("The dimension of the subspace is 3.", "$3$"),
    ("Each wizard needs to endure at least 101 beard pulls.", "101"),
]  # fmt: skip

WRONG = [
    ("180", r"\text{east}"),
    ("Yes", "No"),
    ("C. Neither of them has", "A"),
    ("(c)", "(a)"),
    ("(+5)(b+2)", "(a+5)(b+2)"),
    ("(0,1)", "[0,1)"),
    ("[1,2]", "(1,2)"),
    ("1,2", "1,-2"),
    ("-2,-1,1,7", "-2,1"),
    ("-4,-5", "-4"),
    ("1,1", "1"),
    ("1", "1,1"),
    ("2,2,3", "2,3"),
    (r"\{2,2,3\}", r"\{2,3\}"),
    ("111,111,000", "11,111,111,100"),
    ("32, 349", "32349"),
    ("16384.60", "16,386.16"),
    ("123456789012345678", "123456789012345679"),
    ("5.001", "5"),
    ("0.333", r"\frac13"),
    ("1112122_3", "1112112_3"),
    ("40_8", "40_9"),
    ("(1+√3)/2", "2"),
    ("2+sqrt(3), 2-sqrt(3)", "2"),
    ("11a+c", "7=11a+c"),
    ("100", "100!"),
    ("1/2006!", "1/2004!"),
    ("10^{-400}", "10^{-401}"),
    ("2^{1000}+1", "2^{1000}"),
    ("2x-11y+10z+13=0", "5x-7y+11z+4=0"),
    ("x^2+2=0", "x^2+1=0"),
    ("5 cm", "5 m"),
    (r"5 \text{ cm}^3", r"5 \text{ cm}^2"),
    ("(1,2)", "(2,1)"),
    (r"\{1,3\}", "(3,1)"),
    (r"\{x | -3<=x<1\}", r"\{x | -2<=x<1\}"),
    ("x > 2", r"[2,\infty)"),
    (r"\sqrt{x^2}", "x"),
    ("a^2+b^2", "(a+b)^2"),
    ("> 0", "0"),
    ("6:00 AM", "6:00 PM"),
    ("6:00", "7:00"),
    ("3:05", "15:05"),
    ("6:05", "12:10"),
    ("9 m", r"9\text{ a.m.}"),
    ("Yes.+1", "Yes."),
    ("vitamin C", "vitamin C deficiency"),
    (r"\lfloor\sqrt{n-2}\rfloor", r"\lfloor\sqrt{n-1}\rfloor"),
    ("(1,0,19)", "19,0,1"),
    ("(x,y,z)=(1,0,19)", "19,0,1"),
    ("x=1, y=0, z=19", "(19,0,1)"),
    ("x=2, y=1", "(x,y)=(1,2)"),
    ("a_1=-1, a_2=1", "(-1,1)"),
    ("x=1, x=2", "(1,2)"),
    ("3.33333", r"\frac{10}{3}"),
    ("10/3", "3.33"),
    ("10/3", "3.33334"),
    ("4:3", "3:4"),
    ("n", "N"),
    (r"\infty+1", r"\infty"),
    ("0.0011_3", "0.0011_2"),
    ("not the 5", "5"),
    ("DCBA", "ABCD"),
]


@pytest.mark.parametrize(("answer", "gold"), RIGHT)
def test_accepted(answer: str, gold: str) -> None:
    correct, rule = compare_answers(answer, gold, AnswerKind.MATH, Options())
    assert correct, rule


@pytest.mark.parametrize(("answer", "gold"), WRONG)
def test_rejected(answer: str, gold: str) -> None:
    correct, rule = compare_answers(answer, gold, AnswerKind.MATH, Options())
    assert not correct, rule


@pytest.mark.parametrize(
    ("answer", "gold", "options"),
    [
        ("0.28", r"28\%", Options(percent_scale=False)),
        ("52", "52_8", Options(omitted_base=False)),
        ("0.0833333333333333", r"\frac{1}{12}", Options(decimal_digits=0)),
        ("10/3", "3.33333", Options(rounded_gold=0)),
        (r"\cos 40^\circ", "0.7660", Options(rounded_gold=5)),
    ],
)
def test_policies_can_be_strict(answer: str, gold: str, options: Options) -> None:
    assert compare_answers(answer, gold, AnswerKind.MATH, Options())[0]
    assert not compare_answers(answer, gold, AnswerKind.MATH, options)[0]


def test_few_decimals_pass_where_the_policy_says_so() -> None:
    options = Options(decimal_digits=3)
    assert compare_answers("0.333", r"\frac13", AnswerKind.MATH, options)[0]
    assert not compare_answers("0.34", r"\frac13", AnswerKind.MATH, options)[0]
    assert not compare_answers("3.14", r"\frac{17}{5}", AnswerKind.MATH, options)[0]


DISEASES = ("scurvy", "iron overload", "beriberi", "vitamin C deficiency")
NUMBERS = ("12", "15", "18")
FORMULAS = (r"\frac{1}{2}", r"\frac{1}{3}", "E = mc^2", r"\frac{B}{2}")
LETTERS = ("F", "G", "H")


@pytest.mark.parametrize(
    ("response", "choices", "letter"),
    [
        (r"\boxed{vitamin C deficiency}", DISEASES, "D"),
        (r"\boxed{\text{Vitamin C deficiency}}", DISEASES, "D"),
        ("The answer is vitamin C deficiency.", DISEASES, "D"),
        ("It is a lack of vitamin C. The answer is (D).", DISEASES, "D"),
        (r"\boxed{C}", DISEASES, "C"),
        (r"\boxed{C) beriberi}", DISEASES, "C"),
        (r"\boxed{\text{The answer is B}}", DISEASES, "B"),
        (r"\boxed{because A and B}", DISEASES, "B"),
        (r"\boxed{15}", NUMBERS, "B"),
        (r"\boxed{15.0}", NUMBERS, "B"),
        ("#### 18", NUMBERS, "C"),
        (r"\boxed{0.5}", FORMULAS, "A"),
        (r"\boxed{E=mc^2}", FORMULAS, "C"),
        (r"\boxed{B/2}", FORMULAS, "D"),
        (r"\boxed{G}", LETTERS, "B"),
        (r"\boxed{B}", LETTERS, "B"),
    ],
)
def test_an_option_is_named_by_its_letter_its_text_or_its_value(
    response: str, choices: tuple[str, ...], letter: str
) -> None:
    options = Options(choices=choices)
    found = extract(response, AnswerKind.CHOICE, choices)
    assert found is not None
    for gold in "ABCD":
        correct, _ = compare_answers(found.text, gold, AnswerKind.CHOICE, options)
        assert correct is (gold == letter)


def test_math_verify_decides_what_the_parser_does_not_read() -> None:
    correct, rule = compare_answers(
        r"\lim_{x \to 0} x", r"\lim_{x \to 0} 2x", AnswerKind.MATH, Options()
    )
    assert (correct, rule) == (True, "math-verify")


@pytest.mark.parametrize(
    ("response", "gold", "correct"),
    [
        (r"So the capital is \boxed{\text{Paris}}.", "Paris", True),
        ("The answer is **paris**.", "Paris", True),
        (r"\boxed{New  York}", "new york", True),
        (r"\boxed{Lyon}", "Paris", False),
        (r"\boxed{7.0}", "7", False),  # a text is no number
        (r"\boxed{1/2}", "0.5", False),
        ("I do not know.", "Paris", False),
    ],
)
def test_texts_are_compared_as_texts(response: str, gold: str, correct: bool) -> None:
    assert grade(response, gold, "mine", kind=AnswerKind.TEXT).correct is correct
