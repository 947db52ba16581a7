from __future__ import annotations

import gzip
import json
from base64 import b64decode
from pathlib import Path
from typing import Any

from analysis.made_up_runs import draft, grade, solution, target, write_run

from rsd.analysis import analyze
from rsd.analysis.report import trajectories
from rsd.analysis.report.trajectories import Packed, pack
from rsd.records import read_run
from rsd.types import StopReason


def packed(*directories: Path, **options) -> Packed:
    return pack([analyze(read_run(directory)) for directory in directories], **options)


def unpacked(block: str) -> Any:
    return json.loads(gzip.decompress(b64decode(block)))


def test_the_index_tells_what_became_of_each_problem(rsd_run, target_run):
    index = unpacked(packed(rsd_run, target_run).index)
    assert [run["label"] for run in index["runs"]] == ["RSD δ=0.7", "target alone"]
    assert [run["threshold"] for run in index["runs"]] == ["0.7", None]
    assert index["id"] == ["1", "2", "3"]
    assert index["question"][1] == "What is 2?"
    assert index["outcome"] == ["rwr", "rrr"]
    assert index["routed"] == ["101", "111"]
    assert index["differ"] == ["010", "000"]
    assert index["chunk"] == [0, 0, 0]


def test_outcomes_without_a_verdict_and_absent_problems(tmp_path, rsd_run):
    solutions = [
        solution("1", [], stop_reason=StopReason.ERROR, error="lost"),
        solution("2", []),
        solution("9", []),
    ]
    run = write_run(tmp_path / "r", solutions, [grade("9", None)])
    index = unpacked(packed(run, rsd_run).index)
    assert index["outcome"] == ["fu.g", "rwr."]


def test_problems_are_in_natural_order_samples_by_themselves(tmp_path):
    solutions = [solution(problem_id, []) for problem_id in ("10", "2", "1")]
    solutions += [solution("2", [], sample=1), solution("0", [], task="other", level="hard")]
    index = unpacked(packed(write_run(tmp_path / "r", solutions, [])).index)
    assert list(zip(index["id"], index["sample"], strict=True)) == [
        ("1", 0), ("2", 0), ("2", 1), ("10", 0), ("0", 0),
    ]  # fmt: skip
    assert [index["tasks"][i] for i in index["task"]] == ["demo"] * 4 + ["other"]
    assert [index["levels"][i] for i in index["level"]] == [""] * 4 + ["hard"]


def test_digits_of_other_scripts_sort_as_letters(tmp_path):
    solutions = [solution(problem_id, []) for problem_id in ("٣a", "²", "10", "9")]
    index = unpacked(packed(write_run(tmp_path / "r", solutions, [])).index)
    assert index["id"] == ["²", "٣a", "9", "10"]


def test_a_chunk_has_whole_problems(tmp_path):
    text = 'a\x00</script>\u2028\u202e"\\'
    step = draft(0, False, 20, 5, 18, 6).model_copy(update={"text": text})
    steps = [step, target(0, 20, 7)]
    one = solution("1", steps, gold="8" * 5000)
    run = write_run(tmp_path / "r", [one], [grade("1", False, correct_paper=True)])
    (chunk,) = packed(run).chunks
    (problem,) = unpacked(chunk)
    assert problem["gold"] == "8" * 5000
    its = problem["solutions"]["0"]
    assert its["steps"] == [
        [0, "draft", 0, "0.250", 5, 0, text],
        [0, "target", 1, None, 7, 0, "target step 0"],
    ]
    assert its["grade"] == {"prediction": "1", "how": "number", "correct": False, "paper": True}
    assert its["seconds"] == 10


def test_seconds_are_left_out_where_the_step_cache_answered(tmp_path):
    step = draft(0, True, 20, 5, 18, 6).model_copy(update={"score_from_cache": True})
    (chunk,) = packed(write_run(tmp_path / "r", [solution("1", [step])], [])).chunks
    assert unpacked(chunk)[0]["solutions"]["0"]["seconds"] is None


def test_many_problems_are_packed_in_chunks_up_to_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(trajectories, "CHUNK", 500)
    run = write_run(tmp_path / "r", [solution(str(i), []) for i in range(20)], [])
    whole = packed(run)
    assert len(whole.chunks) > 2
    index = unpacked(whole.index)
    for number, chunk in enumerate(whole.chunks):
        wanted = [index["question"][i] for i in range(20) if index["chunk"][i] == number]
        assert [problem["question"] for problem in unpacked(chunk)] == wanted
    cut = packed(run, most=1)
    assert len(cut.chunks) == 1
    assert cut.without_steps == unpacked(cut.index)["chunk"].count(None) > 0
    assert cut.problems == 20


def test_the_same_runs_are_packed_alike(rsd_run):
    assert packed(rsd_run) == packed(rsd_run)
