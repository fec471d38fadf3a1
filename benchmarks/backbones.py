"""What larger backbones cost: CPU time of one thread for one image in PyTorch, beside EfficientNet-Lite0.

    python -m benchmarks.backbones

The networks have the shapes of published ones and random weights, which does not change their speed. Needs the extra
`backbones`. CPU time, so that other work on the machine matters little.
"""

import statistics
import time
from typing import Any

import torch
import transformers

from urushi.backbones.efficientnet_lite import LiteBackbone

_STAGES = {"out_indices": [2, 3, 4]}
_LAYERS = {"image_size": 518, "out_indices": [4, 8, 12]}
_CONVNEXT = {"hidden_sizes": [96, 192, 384, 768], "depths": [3, 3, 9, 3], **_STAGES}
NETWORKS: dict[str, tuple[type[Any], dict[str, Any], int]] = {  # name -> class, config, side of the image in px
    "ResNet-50": (transformers.ResNetBackbone, _STAGES, 256),
    "ConvNeXt-T": (transformers.ConvNextBackbone, _CONVNEXT, 256),
    "DINOv2-S": (transformers.Dinov2Backbone, {**_LAYERS, "hidden_size": 384, "num_attention_heads": 6}, 224),
    "DINOv2-B": (transformers.Dinov2Backbone, _LAYERS, 224),
}
_N_TIMED, _N_FIRST = 6, 2  # the first are not counted


def seconds(network: torch.nn.Module, side_px: int) -> float:
    """CPU time for one image, the median."""
    image, found = torch.rand(1, 3, side_px, side_px), []
    for _ in range(_N_FIRST + _N_TIMED):
        start = time.process_time()
        network(image)
        found.append(time.process_time() - start)
    return statistics.median(found[_N_FIRST:])


@torch.inference_mode()
def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    reference = seconds(LiteBackbone((4, 10, 14, 15)), 256)
    print(f"EfficientNet-Lite0, 256 px: {1000 * reference:.0f} ms")
    for name, (network, config, side_px) in NETWORKS.items():
        found = seconds(network(network.config_class(**config)).eval(), side_px)
        print(f"{name}, {side_px} px: {1000 * found:.0f} ms, {found / reference:.1f} times as long")


if __name__ == "__main__":
    main()
