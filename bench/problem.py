"""What a peer is given, what it must reproduce, and how its steps are timed.

A problem file (safetensors) holds the initial weights of a workbench run, the batches of its first
steps, and the losses and gradient norms that the workbench recorded on them. A peer trains from
those weights on those batches. It is timed only after its own losses agree, step by step: the first
shows that the forward pass is the same, the later ones that clipping and AdamW are.
"""

import argparse
import json
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import safe_open

# Largest relative difference of losses and gradient norms, first by precision. Later steps add what
# Adam makes of rounding: where a gradient is nearly 0, its first update has an arbitrary sign.
TOLERANCE = {"fp32": 1e-4, "fp16_emulated": 1e-3, "fp16_native": 1e-3}
LATER = 5.0
# Losses hardly show what is rounded where, gradients do. So the first gradient of one tensor that
# the whole backward pass leads to must also be near: in relative distance for FP32, otherwise as a
# share of the distance that a step without any rounding has. That share is 0.1 to 0.5 for an honest
# emulation, growing with depth, and was 1.1 and 1.8 for two that rounded elsewhere, as native
# float16 may.
NEAR = {"fp32": 1e-4, "fp16_emulated": 0.75, "fp16_native": 1.5}
PROBE = "layers.0.attention_norm.weight"
# Rows and columns of the linear layers by width and feed-forward width.
LINEAR = {
    "attention.qkv": lambda h, f: (3 * h, h),
    "attention.out": lambda h, f: (h, h),
    "ffn.up": lambda h, f: (2 * f, h),
    "ffn.down": lambda h, f: (h, f),
}


@dataclass
class Batch:
    """One batch on the host. With `pad_to` its targets have that number; those added weigh nothing."""

    tokens: np.ndarray  # int64 [b, s]
    positions: np.ndarray  # int64 [b, s]
    allowed: np.ndarray  # bool [b, s, s]: the slot of the row may attend to the slot of the column
    slots: np.ndarray  # int64 [t]: places with a target in [b·s]
    targets: np.ndarray  # int64 [t]
    weights: np.ndarray  # float32 [t]


class Problem:
    """A problem file."""

    def __init__(self, path: str):
        self.path = path
        with safe_open(path, framework="np") as file:
            self.about = json.loads(file.metadata()["problem"])
        self.config = self.about["config"]
        self.batches = self.group("batches.")
        self.most_targets = int((self.batches["targets"] >= 0).sum(axis=(1, 2)).max())

    def group(self, prefix: str) -> dict[str, np.ndarray]:
        with safe_open(self.path, framework="np") as file:
            names = [name for name in file.keys() if name.startswith(prefix)]
            return {name.removeprefix(prefix): file.get_tensor(name) for name in names}

    def initial_weights(self) -> dict[str, np.ndarray]:
        """Read anew for every run, so that memory holds no second copy while one trains.

        A problem without weights, whose losses are not compared, gets small random ones.
        """
        if not self.about["losses"]:
            return self.random_weights()
        return self.group("weights.")

    def random_weights(self) -> dict[str, np.ndarray]:
        model, vocabulary = self.config["model"], self.config["tokenizer"]["vocab_size"]
        self.residual_alpha()  # only of the arrangement that is timed
        h, f = model["hidden_size"], model["ffn_hidden_size"]
        draw = np.random.default_rng(0)
        matrix = lambda rows, columns: draw.standard_normal((rows, columns), np.float32) * 0.006
        weights = {"embedding.weight": matrix(vocabulary, h)}
        norms = ["final_norm"]
        for i in range(model["layers"]):
            for name, shape in LINEAR.items():
                rows, columns = shape(h, f)
                weights[f"layers.{i}.{name}.weight"] = matrix(rows, columns)
                weights[f"layers.{i}.{name}.bias"] = np.zeros(rows, np.float32)
            norms += [f"layers.{i}.attention_norm", f"layers.{i}.ffn_norm"]
        for name in norms:
            weights |= {f"{name}.weight": np.ones(h, np.float32), f"{name}.bias": np.zeros(h, np.float32)}
        return weights

    def batch(self, step: int, pad_to: int | None = None) -> Batch:
        """The batch of a step from 0; after the last comes the first again."""
        i = step % len(self.batches["tokens"])
        tokens, targets = self.batches["tokens"][i], self.batches["targets"][i].reshape(-1)
        b, s = tokens.shape
        allowed = np.unpackbits(self.batches["allowed"][i], count=b * s * s).reshape(b, s, s).view(bool)
        slots = np.flatnonzero(targets >= 0)
        weights = self.batches["loss_weights"][i].reshape(-1)[slots]
        targets = targets[slots]
        if pad_to is not None:
            missing = pad_to - len(slots)
            slots, targets, weights = (np.pad(x, (0, missing)) for x in (slots, targets, weights))
        return Batch(tokens, self.batches["positions"][i], allowed, slots, targets, weights)

    def rope_tables(self, half: bool) -> tuple[np.ndarray, np.ndarray]:
        """Cosine and signed sine by position id, float32 [s, d].

        A head x turns into x · cosine + swap(x) · sine, where swap exchanges its two halves.
        """
        model = self.config["model"]
        d = model["hidden_size"] // model["num_heads"]
        frequencies = model["rope_base"] ** (-2.0 * np.arange(d // 2) / d)
        angles = np.outer(np.arange(model["seq_len"]), frequencies)
        cosine = np.concatenate([np.cos(angles), np.cos(angles)], axis=1)
        sine = np.concatenate([-np.sin(angles), np.sin(angles)], axis=1)
        stored = np.float16 if half else np.float32
        return cosine.astype(stored).astype(np.float32), sine.astype(stored).astype(np.float32)

    def residual_alpha(self) -> float:
        """Weight of the residual branch in GLM-130B's DeepNorm, the only arrangement timed here."""
        model = self.config["model"]
        assert model["norm"] == "deepnorm_glm" and model["positions"] == "rope" and model["ffn"] == "geglu"
        assert model["tie_embeddings"] and model["bias"] and not model["dropout"]
        return math.sqrt(2 * model["layers"])


def arguments(description: str, precisions: list[str], modes: list[str], on_card: bool) -> argparse.Namespace:
    """The command line that all peers share; `on_card`: with that of a peer that runs on a GPU too."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("problem")
    parser.add_argument("--mode", choices=modes, default=modes[0])
    parser.add_argument("--precision", choices=precisions, default="fp32")
    parser.add_argument("--threads", type=int, default=1)
    if on_card:
        parser.add_argument("--device", default="cpu", help="as PyTorch names it")
        parser.add_argument("--attention", choices=["fused", "math"], default="fused", help="kernels for it")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--skip", type=int, default=3, help="first steps that are not timed")
    parser.add_argument("--runs", type=int, default=1, help="trainings one after another, each from the start")
    return parser.parse_args()


def check(problem: Problem, precision: str, step: int, loss: float, grad_norm: float, probe: np.ndarray) -> None:
    """Ends the program if step `step` (from 0) is not the workbench's."""
    limit = TOLERANCE[precision] * (LATER if step else 1.0)
    for name, ours, theirs in [("loss", loss, "losses"), ("gradient norm", grad_norm, "grad_norms")]:
        expected = problem.about[theirs][step]
        if not abs(ours / expected - 1.0) <= limit:
            sys.exit(f"step {step + 1}: {name} is {ours:.7g}, the workbench has {expected:.7g}; not timed")
    if step == 0:
        distance = probe_distance(problem, precision, probe)
        if not distance <= NEAR[precision]:
            sys.exit(f"the gradient of {PROBE} is off by {distance:.2g}, allowed are {NEAR[precision]}; not timed")


def probe_distance(problem: Problem, precision: str, probe: np.ndarray) -> float:
    """Distance of the first gradient of `PROBE` from the workbench's, in the measure of `NEAR`."""
    expected = np.array(problem.about["probe"])
    unit = expected if precision == "fp32" else expected - np.array(problem.about["probe_fp32"])
    return float(np.linalg.norm(probe - expected) / np.linalg.norm(unit))


def measure(problem: Problem, options: argparse.Namespace, start_run) -> None:
    """Trains and prints what was measured as one line of JSON.

    `start_run()` gives a function that does one whole step from its number and returns its loss, the
    gradient norm before clipping and the gradient of `PROBE`.
    """
    checked = len(problem.about["losses"])
    losses, norms, seconds, distance = [], [], [], None
    for run in range(options.runs):
        step_of_run = start_run()
        for step in range(options.steps):
            timed = run > 0 or step >= options.skip
            if timed and not seconds:
                cpu = time.process_time()
            start = time.perf_counter()
            loss, norm, probe = step_of_run(step)
            if timed:
                seconds.append(time.perf_counter() - start)
            if not math.isfinite(loss + norm):
                sys.exit(f"step {step + 1}: loss {loss}, gradient norm {norm}")
            if run == 0 and step < checked:
                check(problem, options.precision, step, loss, norm, probe)
                losses.append(loss)
                norms.append(norm)
                distance = distance or probe_distance(problem, options.precision, probe)
    cpu = time.process_time() - cpu
    report = {
        "step_seconds": seconds,
        "cpu_seconds_per_step": cpu / len(seconds),
        "losses": losses,
        "grad_norms": norms,
        "probe_distance": distance,
        "cuda_library_memory": cuda_library_memory(),
    }
    print(json.dumps(report))


def cuda_library_memory() -> int:
    """Bytes of this process that are pages of NVIDIA's libraries or of PyTorch's own for CUDA.

    A build without CUDA does not have them, so they can be told apart from what training needs.
    """
    total, counts = 0, False
    try:
        lines = Path("/proc/self/smaps").read_text().splitlines()
    except OSError:
        return 0
    for line in lines:
        first = line.split(maxsplit=1)[0]
        if not first.endswith(":"):  # the head of a mapping: addresses, …, file
            file = line.split(maxsplit=5)[5] if len(line.split(maxsplit=5)) > 5 else ""
            counts = any(word in file for word in ("cuda", "/nvidia/", "cudnn", "nccl", "cublas", "nvshmem"))
        elif first == "Rss:" and counts:
            total += int(line.split()[1]) * 1024
    return total
