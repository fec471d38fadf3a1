"""What of every image counts, as it is drawn on one of them."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_DIGITS = 5  # of a share: finer than a pixel of any image, and short enough for a command

Share = Annotated[float, Field(ge=0, le=1), AfterValidator(lambda share: round(share, _DIGITS))]
Polygon = Annotated[tuple[tuple[Share, Share], ...], Field(min_length=3, max_length=100)]
Polygons = Annotated[tuple[Polygon, ...], Field(max_length=10)]


class Area(BaseModel):
    """Polygons [[x, y], …] in shares of width and height from the upper left corner, as a recipe's region has them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ignore: Polygons = Field(default=(), description="Never looked at.")
    inspect: Polygons = Field(default=(), description="All that is looked at, less what is ignored; none: everything.")

    def settings(self) -> dict[str, Any]:
        """As a recipe takes them, by their names."""
        return {f"region.{name}": polygons for name, polygons in self.model_dump(mode="json").items() if polygons}
