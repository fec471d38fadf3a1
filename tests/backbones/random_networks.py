"""Small random networks in Hugging Face layout."""

import json
from pathlib import Path
from typing import Any

IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
STAGES = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 2, 1]}
WINDOWS = {"embed_dim": 8, "depths": [1, 1, 2, 1], "num_heads": [1, 2, 2, 4], "window_size": 4, "image_size": 64}
LAYERS = {"hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2}
PATCHES = {**LAYERS, "intermediate_size": 48, "image_size": 64, "patch_size": 16}
# model_type -> the class that is saved, and its config
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "resnet": ("ResNetForImageClassification", {**STAGES, "embedding_size": 8, "layer_type": "basic"}),
    "convnext": ("ConvNextModel", STAGES),
    "convnextv2": ("ConvNextV2Model", STAGES),
    "swin": ("SwinModel", WINDOWS),
    "swinv2": ("Swinv2Model", WINDOWS),
    "dinov3_convnext": ("DINOv3ConvNextModel", STAGES),
    "dinov2": ("Dinov2Model", {**LAYERS, "image_size": 70, "patch_size": 14}),
    "dinov2_with_registers": ("Dinov2WithRegistersModel", {**LAYERS, "image_size": 70, "patch_size": 14}),
    "dinov3_vit": ("DINOv3ViTModel", {**PATCHES, "hidden_size": 32, "num_register_tokens": 4}),
    "vit": ("ViTModel", PATCHES),
    "siglip_vision_model": ("SiglipVisionModel", PATCHES),
}


def save(model_type: str, place: Path) -> None:
    import torch
    import transformers
    from transformers.utils import logging

    name, config = NETWORKS[model_type]
    network = getattr(transformers, name)
    logging.disable_progress_bar()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = network(network.config_class(**config))
        for module in made.modules():  # whose initial value does nothing or hides what comes after it
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_()
        for parameter in made.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
        made.save_pretrained(place)
    (place / "preprocessor_config.json").write_text(json.dumps({**IMAGENET, "size": {"shortest_edge": 64}}))
    (place / "README.md").write_text("---\nlicense: apache-2.0\ntags:\n- vision\n---\n# A network\n")
