"""Fakes to test strategies, scorers and runs without a model. Shipped, so that users can test
their own.

`ScriptedGenerator` and `ScriptedScorer` run in the process. `rsd.testing.fake_vllm` is a server
that answers as vLLM does, with faults on demand, and `rsd.testing.server` runs it on a port;
these two need fastapi and uvicorn (`pip install -e '.[gateway]'` in a clone).
"""

from rsd.testing.scripted import (
    GeneratorCall,
    LikelihoodCall,
    ScorerCall,
    ScriptedGenerator,
    ScriptedScorer,
)
from rsd.testing.tokenizers import ByteTokenizer, CheckpointTokenizer, save_byte_tokenizer

__all__ = [
    "ByteTokenizer",
    "CheckpointTokenizer",
    "GeneratorCall",
    "LikelihoodCall",
    "ScorerCall",
    "ScriptedGenerator",
    "ScriptedScorer",
    "save_byte_tokenizer",
]
