"""Reward-guided speculative decoding (RSD, arXiv 2501.19324) on vLLM servers.

A draft model writes a reasoning step, a process reward model scores it, and a step scored
below the threshold is written again by the target model. Start reading at
`rsd.decoding.strategies.speculative`: that loop is what the rest of the package serves.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("rsd")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0.0.0+source"
