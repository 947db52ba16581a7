"""Fakes to test strategies, scorers and runs without a model, your own included.

`ScriptedGenerator` and `ScriptedScorer` run in the process. `rsd.testing.fake_vllm` is a server
that answers as vLLM does, with faults on demand, and `rsd.testing.server` runs it on a port;
these two need fastapi and uvicorn (`pip install -e '.[gateway]'` in a clone).
"""

from rsd.testing.scripted import ScriptedGenerator, ScriptedScorer
from rsd.testing.tokenizers import ByteTokenizer, CheckpointTokenizer

__all__ = ["ByteTokenizer", "CheckpointTokenizer", "ScriptedGenerator", "ScriptedScorer"]
