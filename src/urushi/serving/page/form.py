"""What a form of the page sends."""

from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator


class Form(BaseModel):
    """Fields of a form or of an address; what was left empty comes as '' and is None."""

    model_config = ConfigDict(extra="ignore")

    @field_validator("*", mode="before")
    @classmethod
    def _empty(cls, value: Any) -> Any:
        return None if value == "" else value
