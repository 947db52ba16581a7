"""The only code that talks to servers.

`Server` is one vLLM server; `CompletionsGenerator` and the scorers turn it into a `Generator`
or a `Scorer`; `connect` opens what a configuration describes. Several replicas of a server are
behind a router, which is not ours.
"""

from rsd.backends.aggregation import AGGREGATIONS, AggregatedScorer
from rsd.backends.breaker import CircuitBreaker, GuardedGenerator, GuardedScorer
from rsd.backends.cache import CachedGenerator, CachedScorer, StepCache
from rsd.backends.cache_store import StepStore
from rsd.backends.checkpoint import recommended_sampling, with_model_sampling
from rsd.backends.connect import (
    REWARD_MODELS,
    TOKENIZER_PROBES,
    Backends,
    connect,
    open_scorer,
    open_servers,
    parameter_count,
    scoring_role,
    speculative_parameter_count,
    tokenizers_agree,
)
from rsd.backends.generator import CompletionsGenerator
from rsd.backends.judge import JudgeScorer
from rsd.backends.math_shepherd import MathShepherdScorer
from rsd.backends.metrics import ServerMetrics, parse_metrics, read_metrics
from rsd.backends.prompting import Prompts
from rsd.backends.qwen25_math import Qwen25MathScorer
from rsd.backends.retries import Backoff, RetryStatistics, counting_retries
from rsd.backends.rlhflow import RlhflowScorer
from rsd.backends.server import Server, ServerInfo
from rsd.backends.sessions import one_problem
from rsd.backends.skywork import SkyworkScorer
from rsd.backends.speculation import read_speculation
from rsd.backends.tokenizer import leave_torch_out, load_tokenizer, plain_encode

__all__ = [
    "AGGREGATIONS",
    "REWARD_MODELS",
    "TOKENIZER_PROBES",
    "AggregatedScorer",
    "Backends",
    "Backoff",
    "CachedGenerator",
    "CachedScorer",
    "CircuitBreaker",
    "CompletionsGenerator",
    "GuardedGenerator",
    "GuardedScorer",
    "JudgeScorer",
    "MathShepherdScorer",
    "Prompts",
    "Qwen25MathScorer",
    "RetryStatistics",
    "RlhflowScorer",
    "Server",
    "ServerInfo",
    "ServerMetrics",
    "SkyworkScorer",
    "StepCache",
    "StepStore",
    "connect",
    "counting_retries",
    "leave_torch_out",
    "load_tokenizer",
    "one_problem",
    "open_scorer",
    "open_servers",
    "parameter_count",
    "parse_metrics",
    "plain_encode",
    "read_metrics",
    "read_speculation",
    "recommended_sampling",
    "scoring_role",
    "speculative_parameter_count",
    "tokenizers_agree",
    "with_model_sampling",
]
