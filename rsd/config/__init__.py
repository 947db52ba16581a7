"""Configuration: one YAML file sets the models, the decoding, and the benchmarks of a run.

Unknown keys are errors. `load` reads a file and applies dotted overrides (`a.b=value`, the value
read as YAML). `Config.digest` identifies all that determines results, so that two runs share a
directory exactly when they would give the same answers. Errors are `ConfigError`s of one line,
`file: key: problem; fix`.
"""

from rsd.config.gateway import GatewayConfig, is_loopback
from rsd.config.issues import ConfigIssue, config_issues, looks_like_path
from rsd.config.loading import differing_keys, load, parse, ready
from rsd.config.models import (
    ModelConfig,
    ModelsConfig,
    RewardModelConfig,
    ServeConfig,
    SpeculativeConfig,
    server_name,
)
from rsd.config.sampling import SAMPLING_KEYS, ModelSampling, SamplingByModel
from rsd.config.schema import Config, DecodingConfig, RunConfig
from rsd.config.strategies import (
    STRATEGIES,
    StrategyFacts,
    load_class,
    strategy_facts,
    strategy_uses,
)
from rsd.config.sweep import Sweep, SweepPoint, load_sweep
from rsd.config.tasks import HubSource, TaskDefinition, TasksConfig

__all__ = [
    "SAMPLING_KEYS",
    "STRATEGIES",
    "Config",
    "ConfigIssue",
    "DecodingConfig",
    "GatewayConfig",
    "HubSource",
    "ModelConfig",
    "ModelSampling",
    "ModelsConfig",
    "RewardModelConfig",
    "RunConfig",
    "SamplingByModel",
    "ServeConfig",
    "SpeculativeConfig",
    "StrategyFacts",
    "Sweep",
    "SweepPoint",
    "TaskDefinition",
    "TasksConfig",
    "config_issues",
    "differing_keys",
    "is_loopback",
    "load",
    "load_class",
    "load_sweep",
    "looks_like_path",
    "parse",
    "ready",
    "server_name",
    "strategy_facts",
    "strategy_uses",
]
