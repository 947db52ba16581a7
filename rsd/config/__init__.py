"""Configuration: one YAML file says which models, how to decode, which benchmarks.

Unknown keys are errors. `load` reads a file and applies dotted overrides (`a.b=value`, the
value read as YAML); `Config.digest` names what determines results, so that two runs share a
directory exactly when they would give the same answers. Errors are `ConfigError`s of one line
that names file, key and mend.
"""

from rsd.config.addresses import is_loopback
from rsd.config.doubts import Doubt, doubts, looks_like_path
from rsd.config.gateway import GatewayConfig
from rsd.config.loading import differing_keys, load, parse, ready
from rsd.config.models import (
    ModelConfig,
    ModelsConfig,
    RewardModelConfig,
    ServeConfig,
    SpeculativeConfig,
    server_name,
)
from rsd.config.schema import Config, DecodingConfig, RunConfig
from rsd.config.strategies import (
    STRATEGY_KEYS,
    StrategyUses,
    load_class,
    strategy_keys,
    strategy_uses,
)
from rsd.config.sweep import Sweep, SweepPoint, load_sweep
from rsd.config.tasks import HubSource, TaskDefinition, TasksConfig

__all__ = [
    "STRATEGY_KEYS",
    "Config",
    "DecodingConfig",
    "Doubt",
    "GatewayConfig",
    "HubSource",
    "ModelConfig",
    "ModelsConfig",
    "RewardModelConfig",
    "RunConfig",
    "ServeConfig",
    "SpeculativeConfig",
    "StrategyUses",
    "Sweep",
    "SweepPoint",
    "TaskDefinition",
    "TasksConfig",
    "differing_keys",
    "doubts",
    "is_loopback",
    "load",
    "load_class",
    "load_sweep",
    "looks_like_path",
    "parse",
    "ready",
    "server_name",
    "strategy_keys",
    "strategy_uses",
]
