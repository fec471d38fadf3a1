"""Recipes by what they are for, in plain words; docs/recipes.md has all of them."""

RECIPES = {
    "accurate": "default",
    "large_images": "tiled",
    "x_ray": "potato-line-scanner",
    "tiny_pc": "pixel-pca",
}
