"""Runs the graph in PyTorch."""

from collections.abc import Callable

import numpy as np
import safetensors.torch
import torch

from urushi.errors import InputError
from urushi.printable import counted
from urushi.runtime._forking import in_children
from urushi.runtime.backend import Output
from urushi.runtime.names import Precision, Runtime
from urushi.scoring import ScoringGraph


class TorchBackend:
    """The graph in evaluation mode on one device; in a forked child with one thread, whatever was asked for."""

    runtime: Runtime = "torch"
    precision: Precision = "fp32"
    n_parallel = 1

    def __init__(self, graph: ScoringGraph, *, device: str = "cpu", n_threads: int | None = None) -> None:
        """`n_threads` is a setting of the whole process; None leaves PyTorch's own."""
        if n_threads:
            torch.set_num_threads(1 if _Process.is_forked else n_threads)
        try:
            graph = graph.to(device)
        except (RuntimeError, AssertionError) as error:  # torch raises either, by kind of device
            raise InputError(f"the device {device!r} cannot be used here: {error}; cpu always can") from None
        self.graph = graph.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.device = device
        self.batch_size = 4 if device == "cpu" else 16  # of more, what a layer leaves for the next outgrows the caches

    @property
    def description(self) -> str:
        """What computes, for people."""
        where = counted(self.n_threads, "thread") if self.device == "cpu" else self.device
        return f"PyTorch {torch.__version__.partition('+')[0]} (fp32, {where})"

    @property
    def n_threads(self) -> int:
        """As set for the whole process."""
        return torch.get_num_threads()

    def weights(self) -> bytes:
        """The state of model and score, as it lies in a detector file."""
        state = self.graph.state_dict()
        return safetensors.torch.save({name: tensor.contiguous() for name, tensor in state.items()})

    def run(self, images: np.ndarray) -> Output:
        """The output for prepared images (B, C, H, W) float32 in [0, 1]."""
        batch = torch.from_numpy(images).to(self.device)
        # no_grad, not inference_mode: methods that fit something per image need gradients inside.
        with torch.no_grad():
            return _output(self.graph, *self.graph(batch.contiguous(memory_format=torch.channels_last)))

    def run_beside(self, images: np.ndarray) -> Output:
        """The same: PyTorch has one number of threads for the whole process."""
        return self.run(images)

    def run_inputs(self, inputs: np.ndarray) -> Output:
        """The same for what `model.embed` gave, as cached while fitting."""
        with torch.no_grad():
            return _output(self.graph, *self.graph.score_inputs(torch.from_numpy(inputs).to(self.device)))

    @property
    def latents(self) -> Callable[[np.ndarray], np.ndarray] | None:
        """The bottleneck of prepared images, (B, C, H, W) -> (B, J) float32; None where the method has none."""
        return self._latents if hasattr(self.graph.model, "latents") else None

    def _latents(self, images: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            latents: torch.Tensor = self.graph.model.latents(torch.from_numpy(self.embed(images)).to(self.device))
        return latents.flatten(1).cpu().numpy()

    def embed(self, images: np.ndarray) -> np.ndarray:
        """The frozen front of the method alone, (B, C, H, W) -> (B, …) float32.

        On a CPU each image goes by itself: how a layer rounds depends on the size of a batch.
        """
        batch = torch.from_numpy(images).to(self.device)
        with torch.no_grad():
            parts = torch.split(batch, 1 if self.device == "cpu" else len(batch))
            inputs = [self.graph.model.embed(part.contiguous(memory_format=torch.channels_last)) for part in parts]
        return np.ascontiguousarray(torch.cat(inputs).cpu().numpy())


class _Process:
    """This one. PyTorch's computing threads are not in a forked child, and to wait for them takes forever."""

    is_forked = False

    @classmethod
    def start_forked(cls) -> None:
        cls.is_forked = True
        torch.set_num_threads(1)


in_children(_Process.start_forked)


def _output(graph: ScoringGraph, restored: torch.Tensor, maps: torch.Tensor, scores: torch.Tensor) -> Output:
    pixels = restored.cpu().numpy() if graph.model.shows else None
    return Output(pixels, maps[:, 0].cpu().numpy(), scores.cpu().numpy())
