"""Reads a parity file and repeats its optimiser step with the PyTorch model of `glm.py`."""

import math
import tomllib
from dataclasses import dataclass
from pathlib import Path

import torch
from glm import Glm, MicroBatch, Pass, attention_mask
from safetensors import safe_open
from torch import Tensor

FORMAT = "workbench-parity-1"


@dataclass
class ParityFile:
    """The tensors of one file by name, and its metadata."""

    path: Path
    metadata: dict[str, str]
    config: dict
    tensors: dict[str, Tensor]

    @property
    def step(self) -> int:
        return int(self.metadata["step"])

    @property
    def micro_batches(self) -> int:
        return int(self.metadata["micro_batches"])

    def group(self, prefix: str) -> dict[str, Tensor]:
        """All tensors `PREFIX.NAME` as {NAME: tensor}."""
        start = prefix + "."
        return {k[len(start) :]: v for k, v in self.tensors.items() if k.startswith(start)}

    def scalar(self, name: str) -> float:
        return self.tensors[f"scalars.{name}"].item()


def read(path: Path) -> ParityFile:
    """Reads a parity file, refusing another format."""
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    if metadata.get("format") != FORMAT:
        raise ValueError(f"{path}: format is {metadata.get('format')!r}, expected {FORMAT!r}")
    return ParityFile(Path(path), metadata, tomllib.loads(metadata["config"]), tensors)


def micro_batch(file: ParityFile, m: int) -> MicroBatch:
    """Micro-batch `m` with the mask rebuilt from its segments.

    No slot with a loss attends to padding, so what padding slots themselves see is a free choice; their
    rows are taken from the file so that the padding rows of activations can be compared too.
    """
    take = lambda name: file.tensors[f"micro.{m}.{name}"]
    b, s = take("tokens").shape
    allowed, covered = attention_mask(take("segments"), b, s)
    from_file = file.tensors.get(f"micro.{m}.attention_allowed")
    if from_file is not None:
        allowed = torch.where(covered[:, :, None], allowed, from_file.bool())
    return MicroBatch(
        tokens=take("tokens"),
        positions=take("positions"),
        block_positions=take("block_positions"),
        allowed=allowed,
        targets=take("targets"),
        dropout=file.group(f"micro.{m}.dropout"),
    )


@dataclass
class Step:
    """The repeated step up to the gradients, which are those of the unscaled loss."""

    passes: list[Pass]
    loss: float
    z_loss: float
    gradients: dict[str, Tensor]
    # With tied embeddings: the two contributions to `embedding.weight`, after EGS.
    paths: dict[str, Tensor]

    @property
    def grad_norm(self) -> float:
        return global_norm(self.gradients)


def repeat_step(file: ParityFile, dtype: torch.dtype) -> Step:
    """Forward and backward of all micro-batches, averaged."""
    model = Glm(file.config, file.group("weights_before"), dtype)
    passes = [model.forward(micro_batch(file, m)) for m in range(file.micro_batches)]
    loss = sum(p.loss for p in passes) / len(passes)
    z_loss = sum(p.z_loss for p in passes) / len(passes)
    (loss + z_loss).backward()
    gradients = {name: gradient_of(leaf) for name, leaf in model.weights.items()}
    paths = {}
    if file.config["model"]["tie_embeddings"]:
        paths = {"input_path": gradients["embedding.weight"], "logit_path": gradient_of(model.logit_weight)}
        gradients["embedding.weight"] = paths["input_path"] + paths["logit_path"]
    return Step(passes, loss.item(), z_loss.item(), gradients, paths)


def gradient_of(leaf: Tensor) -> Tensor:
    return torch.zeros_like(leaf) if leaf.grad is None else leaf.grad


def global_norm(gradients: dict[str, Tensor]) -> float:
    """L2 norm over all tensors, summed in float64."""
    return math.sqrt(sum(g.double().square().sum().item() for g in gradients.values()))


def clip_coefficient(config: dict, norm: float) -> float:
    limit = config["optimizer"]["clip_grad"]
    return limit / norm if limit > 0 and norm > limit else 1.0


@dataclass
class Update:
    """What AdamW makes of one tensor."""

    exp_avg: Tensor
    exp_avg_sq: Tensor
    change: Tensor  # what is subtracted from the weight
    weight: Tensor


def adamw(
    config: dict, lr: float, updates_before: int, weight: Tensor, gradient: Tensor, exp_avg: Tensor, exp_avg_sq: Tensor
) -> Update:
    """One AdamW update in float64; all tensors have the weight's shape."""
    o = config["optimizer"]
    b1, b2, t = o["beta1"], o["beta2"], updates_before + 1
    w, g = weight.double(), gradient.double()
    m = b1 * exp_avg.double() + (1 - b1) * g
    v = b2 * exp_avg_sq.double() + (1 - b2) * g.square()
    m_hat, v_hat = m / (1 - b1**t), v / (1 - b2**t)
    if o["update_clipping"]:
        floor = torch.tensor(o["eps"] ** 2, dtype=torch.float64)
        lr /= max(1.0, torch.sqrt((g.square() / torch.maximum(v_hat, floor)).mean()).item())
    decay = o["weight_decay"] if w.dim() == 2 else 0.0
    # 0/0 where a weight never had a gradient and eps is 0: no update.
    adam = torch.where(m_hat == 0, torch.zeros_like(m_hat), m_hat / (v_hat.sqrt() + o["eps"]))
    change = lr * (adam + decay * w)
    return Update(m, v, change, w - change)


def update_all(file: ParityFile, clipped: dict[str, Tensor]) -> dict[str, Update]:
    """AdamW on every weight of the file, with its moments, learning rate and update count."""
    first, second = file.group("optimizer_before.exp_avg"), file.group("optimizer_before.exp_avg_sq")
    updates = {}
    for name, weight in file.group("weights_before").items():
        zero = torch.zeros_like(weight)
        updates[name] = adamw(
            file.config,
            file.scalar("lr"),
            int(file.scalar("updates_before")),
            weight,
            clipped[name],
            first.get(name, zero),
            second.get(name, zero),
        )
    return updates
