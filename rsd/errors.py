"""The exceptions of rsd, one per boundary that can fail.

    RsdError
    ├── ConfigError     a file, key or override is wrong; found before the first request
    ├── LaunchError     a vLLM server could not be started, or died
    ├── BackendError    a generator's server did not give a usable answer
    │   └── ContextError    the prompt no longer fits the model's context
    ├── ScorerError     the reward model's server did not give a usable reward
    ├── GradingError    the grading workers cannot run (never: an answer is hard to grade)
    └── StoreError      a run directory cannot be read or written, or is in use

Every message names the thing, the place and the mend, in one line.
"""

from __future__ import annotations


class RsdError(Exception):
    """Base of all errors that rsd raises on purpose."""


class ConfigError(RsdError):
    """Configuration, a command line or an input file is wrong. Exit code 2."""


class LaunchError(RsdError):
    """A vLLM server process could not be started, or ended by itself."""


class BackendError(RsdError):
    """A draft or target server failed to answer, or answered something unusable."""


class ContextError(BackendError):
    """The server refused a prompt because it does not fit the model's context length."""


class ScorerError(RsdError):
    """The reward model's server failed, or its reward is not a finite number."""


class GradingError(RsdError):
    """The grading workers could not be started or kept alive."""


class StoreError(RsdError):
    """A run directory is unreadable, not writable, or in use."""
