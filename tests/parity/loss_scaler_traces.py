#!/usr/bin/env python3
"""Drives the loss scalers of DeepSpeed, Megatron and PyTorch themselves and writes what they did.

For developers, run by hand; the program and `cargo test` need no Python. The Rust test in
`experiments/src/numerics/loss_scaler/tests.rs` replays the file and wants the same scale after every step.

    python3 -m venv venv && venv/bin/pip install torch==2.9.1 numpy
    mkdir upstream && cd upstream
    pip download --no-deps --no-binary :all: deepspeed==0.6.7 && tar xzf deepspeed-0.6.7.tar.gz
    pip download --no-deps megatron-core==0.16.1 && unzip -q megatron_core-*.whl
    cd .. && venv/bin/python tests/parity/loss_scaler_traces.py upstream \\
        experiments/src/numerics/loss_scaler/golden.json

Only one file of DeepSpeed and one of Megatron is loaded. Megatron puts its scale on the GPU; here its
module gets a `torch` whose tensors stay on the CPU, in the same 32 bits. PyTorch runs the public class
with a real optimizer whose gradient is 1 or infinite. DeepSpeed raises when an overflow finds the scale
at its minimum; that step is written down under `raised`, and the class then continues with
`raise_error_at_min_scale = False`.

The file: `runs` are lengths of runs of steps, clean ones first, then overflows, alternating; `scales`
are pairs of the step after which the scale changed (-1: at the start) and its new value.
"""

import importlib.util
import json
import random
import sys
import types
from pathlib import Path

import torch

VERSIONS = {"deepspeed": "0.6.7", "megatron-core": "0.16.1", "torch": torch.__version__}


def load(path):
    """A single file as a module, without its package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class DeepSpeed:
    """`DynamicLossScaler`, hysteresis not consecutive."""

    def __init__(self, upstream, config):
        path = upstream / "deepspeed-0.6.7/deepspeed/runtime/fp16/loss_scaler.py"
        self.inner = load(path).DynamicLossScaler(
            init_scale=config["initial"],
            scale_window=config["window"],
            min_scale=config["min"],
            delayed_shift=config["hysteresis"],
        )

    def scale(self):
        return self.inner.loss_scale

    def update(self, overflow):
        try:
            self.inner.update_scale(overflow)
            return False
        except Exception as error:  # the class raises a bare Exception
            if "already at minimum" not in str(error):
                raise
        self.inner.raise_error_at_min_scale = False
        self.inner.update_scale(overflow)
        self.inner.raise_error_at_min_scale = True
        return True


class Megatron:
    """`DynamicGradScaler` with the factors of Megatron's arguments."""

    def __init__(self, upstream, config):
        module = load(upstream / "megatron/core/optimizer/grad_scaler.py")
        module.torch = types.SimpleNamespace(
            float=torch.float,
            max=torch.max,
            tensor=lambda values, dtype, device: torch.tensor(values, dtype=dtype),
        )
        self.inner = module.DynamicGradScaler(
            initial_scale=config["initial"],
            min_scale=config["min"],
            growth_factor=2.0,
            backoff_factor=0.5,
            growth_interval=config["window"],
            hysteresis=config["hysteresis"],
        )

    def scale(self):
        return self.inner.scale.item()

    def update(self, overflow):
        self.inner.update(overflow)
        return False


class PyTorch:
    """`torch.amp.GradScaler`; knows neither hysteresis nor minimum."""

    def __init__(self, _upstream, config):
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.optimizer = torch.optim.SGD([self.weight], lr=0.0)
        self.inner = torch.amp.GradScaler("cpu", init_scale=config["initial"], growth_interval=config["window"])
        self.inner.scale(torch.zeros(1))

    def scale(self):
        return self.inner.get_scale()

    def update(self, overflow):
        self.weight.grad = torch.tensor([float("inf") if overflow else 1.0])
        self.inner.unscale_(self.optimizer)
        (found,) = self.inner._found_inf_per_device(self.optimizer).values()
        assert bool(found.item()) == overflow, "the scaler saw something else than intended"
        self.inner.step(self.optimizer)
        self.inner.update()
        return False


MACHINES = {"deepspeed": DeepSpeed, "megatron": Megatron, "pytorch": PyTorch}


def config(initial=65536.0, window=200, hysteresis=2, minimum=1.0):
    return {"initial": initial, "window": window, "hysteresis": hysteresis, "min": minimum}


def random_runs(seed, probability, steps):
    """Independent overflows, as run lengths."""
    generator = random.Random(seed)
    runs, last = [0], False
    for _ in range(steps):
        overflow = generator.random() < probability
        if overflow == last:
            runs[-1] += 1
        else:
            runs.append(1)
            last = overflow
    return runs


# The trap: overflows 900 steps apart halve the scale, because the counter of hysteresis refills only
# after a clean window of 1000; then every overflow halves at once until one has passed.
TRAP = [10, 1, 899, 1, 20, 1, 20, 1, 20, 2, 1000, 1, 20, 1, 20, 1, 1100]

CASES = [
    ("single overflow", config(), [50, 1, 450]),
    ("overflow at once", config(), [0, 1, 450]),
    ("two overflows, one step short of a window apart", config(), [50, 1, 199, 1, 250]),
    ("two overflows, a window apart", config(), [50, 1, 200, 1, 250]),
    ("two overflows, a step more than a window apart", config(), [50, 1, 201, 1, 250]),
    ("hysteresis trap", config(window=1000), TRAP),
    ("hysteresis trap from Megatron's defaults", config(2.0**32, 1000), TRAP),
    ("bursts", config(window=50), [5, 3, 10, 1, 49, 2, 50, 4, 51, 1, 150, 6, 120]),
    ("bursts without hysteresis", config(window=50, hysteresis=1), [5, 3, 10, 1, 49, 2, 50, 4, 120]),
    ("bursts with hysteresis 4", config(window=50, hysteresis=4), [5, 3, 10, 1, 49, 2, 50, 7, 120]),
    ("long clean run", config(), [2500]),
    ("window of one step", config(256.0, 1), [4, 1, 3, 2, 1, 1, 1, 3, 5]),
    ("minimum reached", config(8.0, 20), [3, 9, 30, 2, 5, 3, 45]),
    ("minimum that is no power of two", config(40.0, 20, 1, 3.0), [3, 9, 30, 2, 45, 1, 10]),
    ("values that FP32 rounds", config(0.1, 20, 2, 0.003), [3, 9, 30, 2, 45, 1, 10]),
    ("random, 2 %", config(window=40), random_runs(1, 0.02, 1200)),
    ("random, 10 %", config(window=10), random_runs(2, 0.1, 500)),
    ("random, 30 %", config(window=4, hysteresis=3, minimum=16.0), random_runs(3, 0.3, 300)),
    ("random, 10 %, hysteresis 1", config(window=8, hysteresis=1), random_runs(4, 0.1, 500)),
]
# Only PyTorch has no floor, and a guard against an infinite scale.
PYTORCH_ONLY = [
    ("down to zero", config(1.0, 20), [5, 160]),
    ("growth stops below infinity", config(2.0**120, 3), [60, 2, 30]),
]


def drive(machine, settings, runs, upstream):
    """Where the scale changed, and the steps at which the class raised."""
    scaler = MACHINES[machine](upstream, settings)
    last = scaler.scale()
    scales, raised, step = [[-1, last]], [], 0
    for index, length in enumerate(runs):
        for _ in range(length):
            if scaler.update(index % 2 == 1):
                raised.append(step)
            if scaler.scale() != last:
                last = scaler.scale()
                scales.append([step, last])
            step += 1
    return {"scales": scales, "raised": raised} if raised else {"scales": scales}


def trace(case, machines, upstream):
    name, settings, runs = case
    driven = {machine: drive(machine, settings, runs, upstream) for machine in machines}
    return {"name": name, "config": settings, "runs": runs, "machines": driven}


def main():
    upstream, target = Path(sys.argv[1]), Path(sys.argv[2])
    traces = [trace(case, MACHINES, upstream) for case in CASES]
    traces += [trace(case, ["pytorch"], upstream) for case in PYTORCH_ONLY]
    lines = ",\n".join("    " + json.dumps(one, separators=(",", ":")) for one in traces)
    target.write_text(
        f'{{\n  "made_by": "tests/parity/loss_scaler_traces.py",\n'
        f'  "versions": {json.dumps(VERSIONS)},\n  "traces": [\n{lines}\n  ]\n}}\n'
    )
    print(f"{len(traces)} traces, {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
