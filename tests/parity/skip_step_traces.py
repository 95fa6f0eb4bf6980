#!/usr/bin/env python3
"""Drives OLMo-core's SkipStepOptimizer over made-up losses and gradient norms.

For developers, run by hand; the program and `cargo test` need no Python. The Rust test in
`experiments/src/optimizer/skip_step/tests.rs` replays the file and wants the same decision at every step.

    python3 -m venv venv && venv/bin/pip install torch==2.9.1 numpy
    mkdir upstream && cd upstream
    pip download --no-deps ai2-olmo-core==3.0.0 && unzip -q ai2_olmo_core-*.whl && cd ..
    venv/bin/python tests/parity/skip_step_traces.py upstream experiments/src/optimizer/skip_step/golden.json

Only the file of the class is loaded; what it imports from its package, two helpers about devices, is
replaced. Values are FP64 and rounded to 6 digits. `skipped` are the steps, from 0, whose update the class
skips.
"""

import importlib.util
import json
import math
import random
import sys
import types
from pathlib import Path

import torch


def upstream_class(upstream):
    helpers = types.ModuleType("olmo_core.utils")
    helpers.get_default_device = lambda: torch.device("cpu")
    helpers.move_to_device = lambda tensor, device: tensor
    sys.modules["olmo_core"] = types.ModuleType("olmo_core")
    sys.modules["olmo_core.utils"] = helpers
    path = upstream / "olmo_core/optim/skip_step_optimizer.py"
    spec = importlib.util.spec_from_file_location("skip_step_optimizer", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SkipStepOptimizer


def tensor(value):
    return torch.tensor(value, dtype=torch.float64)


def trace(cls, name, window, sigma, steps):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = cls([parameter], {}, rolling_interval_length=window, sigma_factor=sigma)
    skipped = []
    for index, (loss, norm) in enumerate(steps):
        optimizer.latest_loss = tensor(loss)
        optimizer.latest_grad_norm = tensor(norm)
        if optimizer.step_skipped.item() == 1.0:
            skipped.append(index)
    losses, norms = zip(*steps, strict=True)
    return {
        "name": name,
        "window": window,
        "sigma": sigma,
        "losses": losses,
        "grad_norms": norms,
        "skipped": skipped,
    }


def series(seed, length, loss_spikes, norm_spikes):
    """A falling loss and a noisy norm, times what `*_spikes` says at some steps."""
    generator = random.Random(seed)
    result = []
    for step in range(length):
        loss = 2.0 + 2.0 * math.exp(-step / 60) + generator.gauss(0, 0.05)
        norm = math.exp(generator.gauss(0, 0.2))
        loss *= loss_spikes.get(step, 1.0)
        norm *= norm_spikes.get(step, 1.0)
        result.append((float(f"{loss:.6g}"), float(f"{norm:.6g}")))
    return result


def main():
    cls = upstream_class(Path(sys.argv[1]))
    target = Path(sys.argv[2])
    # Spikes before and at the step from which the class decides, in a row, downwards, and after one
    # has left the window.
    edge = {30: 3.0, 62: 5.0, 63: 5.0, 64: 5.0, 200: 4.0, 201: 4.0, 230: 0.1, 340: 4.0}
    noise = random.Random(5)
    heavy = [(float(f"{abs(noise.gauss(0, 1)) ** 3:.6g}"), float(f"{noise.expovariate(1):.6g}")) for _ in range(200)]
    traces = [
        trace(cls, "calm", 128, 6, series(1, 150, {}, {})),
        trace(cls, "spikes in the loss", 128, 6, series(2, 360, edge, {})),
        trace(cls, "spikes in the gradient norm", 128, 6, series(3, 220, {}, {63: 9.0, 200: 9.0})),
        trace(cls, "heavy tails, small window", 16, 2, heavy),
        trace(cls, "heavy tails, odd window", 7, 1, heavy[:80]),
        trace(cls, "constant, then a little more", 8, 6, [(0.1, 0.7)] * 12 + [(0.1001, 0.7)] * 3),
    ]
    lines = ",\n".join(json.dumps(one, separators=(",", ":")) for one in traces)
    versions = json.dumps({"ai2-olmo-core": "3.0.0", "torch": torch.__version__})
    target.write_text(
        f'{{"made_by":"tests/parity/skip_step_traces.py","versions":{versions},"traces":[\n{lines}\n]}}\n'
    )
    print(f"{target.stat().st_size} bytes, skipped {[len(one['skipped']) for one in traces]}")


if __name__ == "__main__":
    main()
