"""Which detectors learn on, and why others do not."""

from urushi.recipe import Recipe
from urushi.scoring import ScoringGraph


def obstacle(recipe: Recipe, graph: ScoringGraph) -> str | None:
    """Why learning cannot go on without all images, or None."""
    if not graph.model.is_additive:
        return (
            f"what {recipe.model.name} learns, as this recipe has it, is no sum over images. It goes on with "
            "feature_pyramid, which is the default, with feature_reconstruction and model.kind=pca, padim, dfm, and "
            "with pixel_pca of small images"
        )
    if graph.score.learns:
        return f"its score {recipe.score.name} learns from all images together"
    if recipe.tiling.tile_px:
        return "it learns from tiles, which are drawn by chance"
    if recipe.augmentation.transforms:
        return "its recipe varies the images by chance"
    return None


def refusal(recipe: Recipe, graph: ScoringGraph) -> str:
    """Why a detector without sums does not learn on."""
    found = obstacle(recipe, graph)
    if found:
        return f"learning cannot go on: {found}. Fit anew on all images"
    return (
        "learning cannot go on: the file has no sums over the images that it learnt from; an older Urushi made it, or "
        "it was made final. Fit anew on all images"
    )
