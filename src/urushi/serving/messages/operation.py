"""How the station stands, and who changed what."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field


class Health(BaseModel):
    """That the station runs."""

    status: Literal["ok"] = "ok"
    urushi: str = Field(examples=["0.1.0"])


class ChangeFound(BaseModel):
    """A line of the audit trail."""

    id: int
    time: datetime
    author: str = Field(examples=["anna"])
    action: str = Field(examples=["version"])
    subject: str = Field(examples=["part"])
    before: dict[str, Any]
    after: dict[str, Any]
    reason: str | None
