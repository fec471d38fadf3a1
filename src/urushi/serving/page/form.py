"""What a form of the page sends, and where it leads."""

from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator


class Form(BaseModel):
    """Fields of a form or of an address; what was left empty comes as '' and is None."""

    model_config = ConfigDict(extra="ignore")

    @field_validator("*", mode="before")
    @classmethod
    def _empty(cls, value: Any) -> Any:
        return None if value == "" else value


def own(place: str) -> str:
    """A path of this station, whatever was asked for."""
    is_own = place.startswith("/") and not place.startswith(("//", "/\\")) and place.isprintable() and place.isascii()
    return place if is_own else "/"
