"""vLLM plugin: process reward models that vLLM does not ship.

Loaded only inside vLLM processes, through the entry point group ``vllm.general_plugins``.
It imports vllm and torch only, and nothing of the rest of this package.
"""

from __future__ import annotations

__all__ = ["register"]


def register() -> None:
    """Make the plugin's architectures known to vLLM.

    Every vLLM process (API server, engine, each worker) calls this, possibly more than once.
    The model class is given by name, so that no model code is imported before it is needed.
    """
    from vllm import ModelRegistry

    architecture = "Qwen2ForPrmModel"
    if architecture not in ModelRegistry.get_supported_archs():
        ModelRegistry.register_model(architecture, "rsd.vllm_plugin.skywork:Qwen2ForPrmModel")
