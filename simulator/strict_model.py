"""The base of all sections of a scenario file: unknown keys are refused, and values are immutable."""

from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Seconds: TypeAlias = Annotated[float, Field(ge=0)]


class StrictModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
