"""The only code that talks to servers.

`Server` is one vLLM server; `CompletionsGenerator` and the scorers turn it into a `Generator`
or a `Scorer`; `connect` opens what a configuration describes.
"""

from rsd.backends.connect import (
    TOKENIZER_PROBES,
    Backends,
    connect,
    open_scorer,
    parameter_count,
    tokenizers_agree,
)
from rsd.backends.generator import CompletionsGenerator
from rsd.backends.server import Server, ServerInfo
from rsd.backends.skywork import SkyworkScorer, load_encode

__all__ = [
    "TOKENIZER_PROBES",
    "Backends",
    "CompletionsGenerator",
    "Server",
    "ServerInfo",
    "SkyworkScorer",
    "connect",
    "load_encode",
    "open_scorer",
    "parameter_count",
    "tokenizers_agree",
]
