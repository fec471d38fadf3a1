"""urushi demo: the whole way on real photographs, without any data of one's own."""

from pathlib import Path
from typing import Annotated

import typer

from urushi.cli import _completion, _console, evaluate
from urushi.cli.fit import report_fit

# Tiles of one photograph overlap. With folds, each held-out tile would lack neighbours that the final fit knows, and
# fewer false alarms than stated would come; with one split, held-out tiles and new ones are alike to the same fit.
HALF_HELD_OUT = ("split.n_folds=0", "split.calibration_fraction=0.5")


def demo(
    out: Annotated[Path, typer.Option(help="Folder for images, detector and report.")] = Path("demo"),
    recipe: Annotated[
        str, typer.Option(help="Name of a recipe, or path of a TOML.", autocompletion=_completion.recipe)
    ] = "default",
    false_alarm_rate: Annotated[float, typer.Option(help="Share of good parts that may be called anomalous.")] = 0.05,
    warn_rate: Annotated[
        float | None, typer.Option(help="Share of good parts that may be unsure or anomalous; none: no band.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same pictures and detector.")] = 0,
) -> None:
    """Fit, evaluate and report on tiles of a real photograph.

    Half of the good tiles are held out, so that the stated false-alarm rate is guaranteed on average.
    """
    from urushi.cli.fit import chosen_recipe
    from urushi.data.dataset import find_dataset
    from urushi.data.demo import make_demo
    from urushi.detector import Detector

    _console.note(f"writing images to {out / 'images'}")
    images = make_demo(out / "images", seed=seed)
    _console.note(f"images: {images} (a real brick wall; the defects are synthetic, of three strengths)")
    good = [sample.path for sample in find_dataset(images).normal_training()]
    band = [] if warn_rate is None else [f"threshold.warn_rate={warn_rate}"]
    chosen = chosen_recipe(recipe, [*HALF_HELD_OUT, *band], false_alarm_rate)
    detector = Detector.fit(
        good, chosen, seed=seed, folder=out / "part.urushi.training", progress="bar", card={"recipe": recipe}
    )
    detector.save(out / "part.urushi")
    report_fit(detector, out / "part.urushi", good)
    found = evaluate.run(detector, images, evaluate.samples_to_test(images), report=out / "report.html", seed=seed)
    evaluate.print_figures(found)
    print(f"Open {out / 'report.html'} in a browser. Try your own: urushi fit GOOD_DIR -o part.urushi")
