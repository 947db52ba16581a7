"""How tokens are sampled: ranges and neutral values of the keys, and values for one model."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from rsd.config.strict import PositiveFloat, PositiveInt, Share, Strict
from rsd.protocols import Sampling
from rsd.types import Source

Temperature = Annotated[float, Field(ge=0, allow_inf_nan=False)]
TopP = Annotated[float, Field(gt=0, le=1)]
PresencePenalty = Annotated[float, Field(ge=-2, le=2)]
RepetitionPenalty = Annotated[PositiveFloat, Field(allow_inf_nan=False)]


class ModelSampling(Strict):
    """What one model samples with, in place of the values in `decoding`; None: the value there."""

    temperature: Temperature | None = None
    top_p: TopP | None = None
    top_k: PositiveInt | None = None
    min_p: Share | None = None
    presence_penalty: PresencePenalty | None = None
    repetition_penalty: RepetitionPenalty | None = None

    @model_serializer(mode="wrap")
    def _without_unset(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in serialize(self).items() if value is not None}


class SamplingByModel(Strict):
    """Values for the draft and for the target."""

    draft: ModelSampling = ModelSampling()
    target: ModelSampling = ModelSampling()

    def of(self, source: Source) -> ModelSampling:
        """The values for one model."""
        return self.draft if source == "draft" else self.target


class SamplingKeys(Strict):
    """The keys of the section `decoding` that say how models sample."""

    temperature: Temperature = 0.0
    top_p: TopP = 1.0
    top_k: PositiveInt | None = Field(None, description="most probable tokens to draw from")
    min_p: Share = Field(0.0, description="least probability, relative to the most probable token")
    presence_penalty: PresencePenalty = Field(0.0, description="on tokens that the step has")
    repetition_penalty: RepetitionPenalty = Field(
        1.0, description="on tokens that prompt and solution have; 1 is none"
    )
    sampling: Literal["model"] | SamplingByModel | None = Field(
        None, description="values for draft and target; model: each checkpoint's own"
    )

    def sampling_of(self, source: Source) -> ModelSampling:
        """The values that differ from those in this section for the model `source`."""
        own = self.sampling
        return own.of(source) if isinstance(own, SamplingByModel) else ModelSampling()

    def sampled(self, source: Source) -> Sampling:
        """How the model `source` samples, once `sampling: model` is replaced by its numbers."""
        own = self.sampling_of(source)
        values = {key: getattr(own, key) for key in SAMPLING_KEYS}
        return Sampling(
            **{key: getattr(self, key) if it is None else it for key, it in values.items()}
        )


SAMPLING_KEYS = tuple(ModelSampling.model_fields)
"""The keys that say how a model samples, each a field of `rsd.protocols.Sampling`."""

TRUNCATIONS = ("top_p", "top_k", "min_p")
"""The keys that leave the less probable tokens out, which has no effect at temperature 0."""
