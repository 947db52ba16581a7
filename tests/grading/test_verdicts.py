"""The default verdict on pairs that graders are known to get wrong, rule by rule."""

import pytest

from rsd.grading.judge import judge
from rsd.grading.verdict import AnswerKind, Options

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
    ("4:3", "3:4"),
    ("n", "N"),
    (r"\infty+1", r"\infty"),
    ("0.0011_3", "0.0011_2"),
    ("not the 5", "5"),
    ("DCBA", "ABCD"),
]


@pytest.mark.parametrize(("answer", "gold"), RIGHT)
def test_accepted(answer: str, gold: str) -> None:
    correct, rule = judge(answer, gold, AnswerKind.MATH, Options())
    assert correct, rule


@pytest.mark.parametrize(("answer", "gold"), WRONG)
def test_rejected(answer: str, gold: str) -> None:
    correct, rule = judge(answer, gold, AnswerKind.MATH, Options())
    assert not correct, rule


@pytest.mark.parametrize(
    ("answer", "gold", "options"),
    [
        ("0.28", r"28\%", Options(percent_scale=False)),
        ("52", "52_8", Options(omitted_base=False)),
        ("0.0833333333333333", r"\frac{1}{12}", Options(decimal_digits=0)),
    ],
)
def test_policies_can_be_strict(answer: str, gold: str, options: Options) -> None:
    assert judge(answer, gold, AnswerKind.MATH, Options())[0]
    assert not judge(answer, gold, AnswerKind.MATH, options)[0]


def test_the_text_of_an_option_stands_for_its_letter() -> None:
    options = Options(choices=("12", "15", "18"))
    assert judge("15", "B", AnswerKind.CHOICE, options) == (True, "choice")
    assert judge("18", "B", AnswerKind.CHOICE, options) == (False, "choice")


def test_math_verify_decides_what_the_parser_does_not_read() -> None:
    correct, rule = judge(r"\lim_{x \to 0} x", r"\lim_{x \to 0} 2x", AnswerKind.MATH, Options())
    assert (correct, rule) == (True, "math-verify")
