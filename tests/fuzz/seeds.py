"""What fuzzing begins with: for each target small valid inputs, and words that it may join."""

from __future__ import annotations

import json
from pathlib import Path

from rsd.records import GradeRecord, StepRecord, TrajectoryRecord

_ROOT = Path(__file__).parents[2]

_SWEEP = """name: s
base: demo.yaml
overrides: {tasks.limit: 5}
grid:
  decoding.threshold: [0.5, 0.9]
  decoding.temperature: [0.0, 0.7]
points:
  - {label: target, decoding.strategy: target}
"""

_OVERRIDES = (
    "decoding.threshold=0.8",
    "decoding.max_steps=3",
    "models.draft.endpoint=[http://h:1/v1, http://h:2/v1]",
    "run.cache=/tmp/x",
    "tasks.names=[gsm8k, math500]",
    "gateway.models={a: {strategy: draft}}",
    "decoding.lookahead=auto",
    "name=x",
    "models.target.serve.speculative={method: ngram, options: {prompt_lookup_max: 3}}",
)

_ANSWERS = (
    (r"So \boxed{\frac{1}{2}}.", "0.5"),
    (r"The answer is $x^2 - 2x + 1$.", "(x-1)^2"),
    ("#### 1,234.50", "1234.5"),
    (r"\boxed{(1, 2] \cup [3, \infty)}", r"(1,2]\cup[3,\infty)"),
    (
        r"\boxed{\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}}",
        r"\begin{pmatrix}1&2\\3&4\end{pmatrix}",
    ),
    (r"\boxed{3\text{ cm}^2}", "3"),
    ("Therefore (B).", "B"),
    (r"\boxed{12_{8}}, \boxed{25\%}", r"12_8, \frac14"),
    (r"\boxed{\sqrt[3]{5} + \sin 30^\circ + \log_2 8 + 5! + \binom{4}{2}}", "7"),
    (r"\boxed{x = 3 \text{ or } x \in \{1, 2\}}", r"\{1,2,3\}"),
    (r"\boxed{1.5 \times 10^{-3}}", "3/2000"),
    (r"\boxed{|x| < \pi, 3:4, 1\tfrac{2}{3}}", "2"),
)

_ROWS = (
    {"question": "1 + 1?", "answer": "It is 2.\n#### 2", "id": "a", "level": "Level 1"},
    {"problem": "1 + 1?", "solution": r"\boxed{2}", "answer": "2", "unique_id": "a/b.json"},
    {"question": "Q", "choices": ["A) x", "B) y"], "answer": 1, "type": "t"},
    {"question": "Q", "options": "A) 50 B) 42", "Answer": "A", "correct": "B", "rationale": "r"},
    {"question": "Q", "final_answer": ["$2$"], "context": None, "body": "B", "Body": "B"},
    {"question": "Q", "target": 27.0, "input": "I", "cot": "c", "Question": "Q", "Answer": "5 (m)"},
)

_BODIES = (
    {"model": "rsd", "messages": [{"role": "user", "content": "Q?"}], "stream": True, "n": 2},
    {
        "model": "target",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Q"}]}],
        "stop": ["a", "b"],
        "rsd": {"include_steps": True},
        "stream_options": {"include_usage": True},
    },
    {"model": "rsd", "prompt": "Q?", "rsd": {"threshold": 0.5}, "seed": 1, "temperature": 0.3},
    {"model": "draft", "prompt": [[1, 2], [3]], "max_tokens": 5, "top_p": 0.5, "logit_bias": {}},
    {"model": "rsd", "input": [{"role": "user", "content": "Q"}], "reasoning": {"effort": "low"}},
    {"model": "bon-8", "prompt": ["a", "b"], "user": "u", "response_format": {"type": "text"}},
)


_USAGE = {
    "prompt_tokens": 2,
    "completion_tokens": 3,
    "prompt_tokens_details": {"cached_tokens": 1},
}
_CHOICE = {
    "index": 0, "text": "abc", "finish_reason": "stop", "stop_reason": "|",
    "token_ids": [1, 2, 3], "prompt_token_ids": [4, 5],
}  # fmt: skip
_CARD = {"id": "m", "root": "org/m", "max_model_len": 4096}
_ANSWERED = (
    {"model": "m", "choices": [_CHOICE], "usage": _USAGE},
    {"model": "m", "choices": [_CHOICE | {"finish_reason": None}]},
    {"data": [_CARD, {"id": "a", "root": None}]},
    {"version": "0.32.0"},
    {"tokens": [1, 2, 151643], "count": 3},
    {"data": [{"index": 1, "probs": [0.25]}, {"index": 0, "probs": [1]}]},
    {"token_logprobs": [-0.5, -9999.0, 0]},
    {"usage": _USAGE},
)
_PAGE = """# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0"} 1.0
vllm:prompt_tokens_total{engine="0"} 1e3
vllm:cache_config_info{block_size="16",num_gpu_blocks="64"} 1.0
"""


def seeds(target: str) -> list[bytes]:
    """Inputs of `target` that its parser accepts, or nearly."""
    if target in ("extraction", "verdict", "grader"):
        return [
            bytes([place]) + f"{response}\0{gold}".encode()
            for place, (response, gold) in enumerate(_ANSWERS)
        ]
    if target == "config":
        return [path.read_bytes() for path in sorted((_ROOT / "configs").glob("*.yaml"))]
    return {
        "override": [text.encode() for text in _OVERRIDES],
        "sweep": [_SWEEP.encode()],
        "records": [_record(_trajectory()), _record(_grade())],
        "rows": [_line(row) for row in _ROWS],
        "answer": [
            *(bytes([place]) + _line(each) for place, each in enumerate(_ANSWERED)),
            bytes([len(_ANSWERED)]) + _PAGE.encode(),
        ],
        "gateway": [bytes([place]) + _line(b) for b in _BODIES for place in range(3)],
    }[target]


def words(target: str) -> list[bytes]:
    """Texts that are worth trying anywhere in an input of `target`."""
    joined = b" ".join(seeds(target))
    found = {word for word in joined.replace(b'"', b" ").split() if 2 < len(word) < 30}
    return sorted(found | set(_WORDS))


_WORDS = (
    *(rb"\u0000", rb"\ud800", b"\x1b[31m", b"\xe2\x80\xae", b"../..", b"~", b"%s", b"{}"),
    *(b"1e999", b".nan", b"-.inf", b"NaN", b"null", b"&a ", b"*a", b"<<: ", b"!!int ", b"? "),
    *(b"!!python/object/apply:os.system", b"2001-02-30", b"99999999999999999999", b"0x", b"1:60"),
    *(
        b"\\sqrt{",
        b"\\frac{",
        b"\\boxed{",
        b"^{",
        b"_{",
        b"\\begin{",
        b"\\text{",
        b"\\left(",
        b"!!",
    ),
    *(b"${HOME}", b"base: ", b"api_key: ", b"$", b"\\\\", b"\\infty", b"\\pm", b"\\%", b"\\,"),
)


def _line(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _record(record: TrajectoryRecord | GradeRecord) -> bytes:
    return record.model_dump_json().encode() + b"\n"


def _trajectory() -> TrajectoryRecord:
    step = StepRecord(
        index=0, source="draft", text="s", reward=0.5, accepted=True, tokens=1, prompt_tokens=2,
        seconds=0.1, started_at=1.0,
    )  # fmt: skip
    return TrajectoryRecord.model_validate(
        {
            "task": "demo",
            "problem_id": "a",
            "question": "Q",
            "gold": "2",
            "response": "s",
            "stop_reason": "eos",
            "steps": [step.model_dump()],
            "usage": {"draft": {"requests": 1}},
            "started_at": 1.0,
            "seconds": 0.2,
        }
    )


def _grade() -> GradeRecord:
    return GradeRecord(
        task="demo", problem_id="a", prediction="2", correct=True, correct_paper=True, how="box/x"
    )
