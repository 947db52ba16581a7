from __future__ import annotations

import json
from pathlib import Path

import pytest

from rsd.errors import ConfigError
from rsd.prompts import TEMPLATES, render
from rsd.protocols import Sampling
from rsd.testing.reasoner import ToyReasoner, load_solutions, worked_steps

QUESTIONS = [f"Ann has {n} pens and gets 5. How many?" for n in range(40)]
SOLUTIONS = {
    question: [
        f"She has {n} + 5 = {n + 5} pens.",
        "So it is.",
        f"The answer is \\boxed{{{n + 5}}}.",
    ]
    for n, question in enumerate(QUESTIONS)
}
GREEDY = Sampling()
KNOWING = ToyReasoner(SOLUTIONS)
MAKING_UP = ToyReasoner()


def prm_text(question: str, steps: list[str]) -> str:
    return f"<|endoftext|>{question}\n" + "".join(f"{step}\n\n" for step in steps)


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("reasoner", [KNOWING, MAKING_UP])
def test_going_on_step_by_step_writes_what_is_written_at_once(
    reasoner: ToyReasoner, template: str
) -> None:
    for question in QUESTIONS:
        for write in (reasoner.draft, reasoner.target):
            prompt = render(template, question)
            whole = write(prompt, GREEDY)
            for position in range(len(whole) + 1):
                assert write(prompt + whole[:position], GREEDY) == whole[position:]


def test_the_target_writes_the_solution_and_the_draft_errs_in_about_half() -> None:
    wrong = 0
    for question, solution in SOLUTIONS.items():
        prompt = render("plain", question)
        assert KNOWING.target(prompt, GREEDY).split("\n\n") == solution
        drafted = KNOWING.draft(prompt, GREEDY).split("\n\n")
        if drafted != solution:
            wrong += 1
            assert drafted[-1] != solution[-1]
            assert "boxed" in drafted[-1]
    assert 10 < wrong < 30


@pytest.mark.parametrize("reasoner", [KNOWING, MAKING_UP])
def test_a_corrected_draft_goes_on_rightly(reasoner: ToyReasoner) -> None:
    corrected = 0
    for question in QUESTIONS:
        prompt = render("plain", question)
        right = reasoner.target(prompt, GREEDY).split("\n\n")
        drafted = reasoner.draft(prompt, GREEDY).split("\n\n")
        if drafted != right:
            wrong_at = next(k for k, step in enumerate(drafted) if step != right[k])
            done = "".join(f"{step}\n\n" for step in right[: wrong_at + 1])
            if wrong_at + 1 < len(right):
                assert reasoner.draft(prompt + done, GREEDY).split("\n\n") == right[wrong_at + 1 :]
                corrected += 1
    assert corrected


@pytest.mark.parametrize("reasoner", [KNOWING, MAKING_UP])
def test_who_goes_on_from_a_wrong_step_ends_wrong(reasoner: ToyReasoner) -> None:
    for question in QUESTIONS:
        prompt = render("plain", question)
        right, derailed = (
            reasoner.target(prompt + begun, GREEDY).split("\n\n")[-1]
            for begun in ("", "Nonsense.\n\n")
        )
        assert "boxed" in derailed
        assert derailed != right


@pytest.mark.parametrize("reasoner", [KNOWING, MAKING_UP])
def test_rewards_tell_right_steps_from_wrong_ones(reasoner: ToyReasoner) -> None:
    seen = set()
    for question in QUESTIONS:
        prompt = render("plain", question)
        right = reasoner.target(prompt, GREEDY).split("\n\n")
        drafted = reasoner.draft(prompt, GREEDY).split("\n\n")
        for k, step in enumerate(drafted):
            reward = reasoner.reward(prm_text(question, [*right[:k], step]))
            assert (reward >= 0.75) == (step == right[k])
            assert 0 <= reward <= 1
            seen.add(step == right[k])
        assert reasoner.reward(prm_text(question, [right[0], ""])) < 0.5
    assert seen == {True, False}


def test_with_a_temperature_the_seed_chooses_the_errors() -> None:
    prompts = [render("plain", question) for question in QUESTIONS]

    def drafts(temperature: float, seed: int) -> list[str]:
        return [KNOWING.draft(p, Sampling(temperature=temperature, seed=seed)) for p in prompts]

    assert drafts(0.8, 1) == drafts(0.8, 1)
    assert drafts(0.8, 1) != drafts(0.8, 2)
    assert drafts(0.0, 1) == drafts(0.0, 2)


def test_worked_solutions_become_steps() -> None:
    worked = "Half is 48/2 = <<48/2=24>>24 clips.\nIn all 48+24 = 72.\n#### 72"
    assert worked_steps(worked, "72") == [
        "Half is 48/2 = 24 clips.",
        "In all 48+24 = 72.",
        "The answer is \\boxed{72}.",
    ]


def test_solutions_are_read_where_the_file_is(tmp_path: Path) -> None:
    assert load_solutions(["demo"], tmp_path) == {}
    file = tmp_path / "gsm8k" / "test.jsonl"
    file.parent.mkdir()
    file.write_text(json.dumps({"question": "Q?", "answer": "1 + 1 = 2.\n#### 2"}) + "\n")
    assert load_solutions(["demo", "gsm8k"], tmp_path) == {
        "Q?": ["1 + 1 = 2.", "The answer is \\boxed{2}."]
    }
    file.write_text('{"question": 1}\n')
    with pytest.raises(ConfigError, match="not rows of gsm8k"):
        load_solutions(["gsm8k"], tmp_path)
