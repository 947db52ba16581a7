"""One made-up row of each benchmark, in the layout of its local file, and what it should become."""

from __future__ import annotations

from typing import Any

Expected = tuple[str, str]
"""Question and gold answer."""

ROWS: dict[str, tuple[dict[str, Any], Expected]] = {
    "demo": (
        {"id": "d-1", "level": 2, "question": "How many?", "answer": "1 + 1 = 2\n#### 2"},
        ("How many?", "2"),
    ),
    "gsm8k": (
        {"question": "How much?", "answer": "#### is not it\n<<2*3=6>>6\n#### 1,234", "idx": 0},
        ("How much?", "1,234"),
    ),
    "math500": (
        {
            "unique_id": "test/algebra/1.json",
            "problem": "Find $x$.",
            "solution": r"First \boxed{1}, but then \boxed{\frac{\{1\}}{2}}.",
            "answer": r"\frac{\{1\}}{2}",
            "subject": "Algebra",
            "level": 3,
        },
        ("Find $x$.", r"\frac{\{1\}}{2}"),
    ),
    "math": (
        {
            "problem": "How many?",
            "level": "Level 5",
            "type": "Algebra",
            "solution": r"There are $\boxed 7$ of them.",
            "idx": 0,
        },
        ("How many?", "7"),
    ),
    "gaokao2023en": (
        {
            "source": "x/01Q.en",
            "question": r"Solve $a \neq b$:\n(A) 1\n(B) 2",
            "answer": "$3$, $4$",
        },
        ("Solve $a \\neq b$:\n(A) 1\n(B) 2", "3, 4"),
    ),
    "olympiadbench": (
        {
            "id": 1606,
            "subfield": "Algebra",
            "context": None,
            "question": "How long?",
            "solution": ["..."],
            "final_answer": [r"$\frac{4}{5}$."],
            "answer_type": "Numerical",
            "unit": "minute",
            "error": None,
        },
        ("How long?", r"\frac{4}{5}"),
    ),
    "minerva_math": (
        {"problem": "Find it.", "solution": r"\boxed{1.6} \mathrm{~cm}", "type": "A", "idx": 0},
        ("Find it.", "1.6"),
    ),
    "college_math": (
        {
            "data_source": "a.b",
            "question_number": "1.2",
            "question": "Simplify.",
            "answer": r"$10-4 n$",
            "license": "CC BY",
            "data_topic": "a.c",
        },
        ("Simplify.", "10-4 n"),
    ),
    "amc23": (
        {"id": 4, "problem": "How far?", "answer": 27.0, "url": "u", "question": "How far?"},
        ("How far?", "27"),
    ),
    "aime24": (
        {"id": 75, "problem": "Find $m+n$.", "answer": "073", "url": "u", "question": "-"},
        ("Find $m+n$.", "073"),
    ),
    "svamp": (
        {
            "ID": "chal-7",
            "Body": "There are 2 groups of 5 apples",
            "Question": "How many apples?",
            "Answer": 10.0,
            "Type": "Multiplication",
            "idx": 0,
        },
        ("There are 2 groups of 5 apples. How many apples?", "10"),
    ),
    "asdiv": (
        {
            "idx": 0,
            "body": "Seven red apples are here.",
            "question": "How many?",
            "solution_type": "Addition",
            "answer": "7 (red apples)",
            "formula": "7=7",
        },
        ("Seven red apples are here. How many?", "7"),
    ),
    "mawps": (
        {"input": "Who has more M&amp;Ms ?", "target": 0.5, "type": "singleeq", "idx": 0},
        ("Who has more M&Ms ?", "0.5"),
    ),
    "tabmwp": (
        {
            "pid": "16",
            "table_title": "Coins",
            "table": "Name | Coins\nAnn | 2",
            "question": "Who has most? ",
            "choices": ["Ann", "Bob"],
            "answer": "Ann",
            "unit": None,
            "ans_type": "extractive_text",
            "grade": 5,
        },
        (
            'Read this table about "Coins" and answer the question.\nName | Coins\nAnn | 2\n'
            "Who has most? Choose one of these: Ann; Bob",
            "Ann",
        ),
    ),
    "gpqa": (
        {"question": "Which one?\n", "choices": ["one", "two\n(or so)", "3", "4"], "answer": 1},
        ("Which one?\nAnswer Choices: (A) one (B) two (or so) (C) 3 (D) 4", "B"),
    ),
    "mmlu_stem": (
        {"question": "Which?", "choices": ["8", "2", "24", "120"], "answer": 2, "type": "algebra"},
        ("Which?\nAnswer Choices: (A) 8 (B) 2 (C) 24 (D) 120", "C"),
    ),
    "sat_math": (
        {
            "id": "0",
            "question": "Which?",
            "options": "A. 1,190 B. $f(6)$ C. A or B D. 4",
            "Answer": "D",
        },
        ("Which?\nAnswer Choices: (A) 1,190 (B) $f(6)$ (C) A or B (D) 4", "D"),
    ),
    "aqua": (
        {
            "question": "Which?",
            "options": ["A)5(√3 + 1)", "B) 6", "C)A)", "D)8", "E)None of these"],
            "rationale": "...",
            "correct": "A",
        },
        ("Which?\nAnswer Choices: (A) 5(√3 + 1) (B) 6 (C) A) (D) 8 (E) None of these", "A"),
    ),
    **dict.fromkeys(
        ("aime25", "aime26"),
        ({"problem_idx": 3, "problem": "How far?", "answer": "027"}, ("How far?", "027")),
    ),
    **dict.fromkeys(
        ("hmmt_feb25", "hmmt_nov25", "hmmt_feb26", "brumo25"),
        (
            {"problem_idx": 3, "problem": "How far?", "answer": r"$\frac{1}{2}$"},
            ("How far?", r"\frac{1}{2}"),
        ),
    ),
    "beyond_aime": ({"problem": "How far?", "answer": 27}, ("How far?", "27")),
    "imo_answerbench": (
        {"Problem ID": "a-1", "Problem": "Find all.", "Short Answer": "$3$", "Category": "Algebra"},
        ("Find all.", "3"),
    ),
    **dict.fromkeys(
        ("olymmath_easy", "olymmath_hard"),
        (
            {"unique_id": "H-1", "problem": "Find it.", "answer": r"$\sqrt{2}$", "subject": "A"},
            ("Find it.", r"\sqrt{2}"),
        ),
    ),
    "omni_math": (
        {"problem": "Find it.", "answer": "$2^n$", "difficulty": 8.5, "source": "imo"},
        ("Find it.", "2^n"),
    ),
}

GPQA_ON_THE_HUB = {
    "Record ID": "rec1",
    "Question": "Which one?\n",
    "Correct Answer": "right\n",
    "Incorrect Answer 1": "wrong",
    "Incorrect Answer 2": "false",
    "Incorrect Answer 3": "untrue",
    "Canary String": "private",
}
