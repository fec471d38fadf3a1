"""Fields that many messages have."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from urushi.serving.tables import LARGEST_ID
from urushi.serving.versions import NAME

Number = Annotated[int, Field(ge=1, le=LARGEST_ID)]


VerdictKind = Literal["ok", "ng", "unsure"]


def _shown(text: str) -> str:
    """Raises ValueError for characters that cannot be shown: control and bidi characters, lone surrogates."""
    if not text.isprintable():
        raise ValueError("holds characters that cannot be shown")
    return text


Word = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_shown)]


Sentence = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_shown)]


Name = Annotated[str, Field(pattern=f"^{NAME}$")]
