#!/usr/bin/env python3
"""Drives published ZClip and AdaGC code over made-up gradient norms and writes what it did.

For developers, run by hand; the program and `cargo test` need no Python. The Rust test in
`experiments/src/optimizer/clipping/tests.rs` replays the file.

    python3 -m venv venv && venv/bin/pip install torch==2.9.1 numpy
    venv/bin/pip install --no-deps zclip==1.0.0 pytorch_optimizer==4.1.0
    venv/bin/python tests/parity/clipping_traces.py experiments/src/optimizer/clipping/golden.json

ZClip is the authors' package. The authors' AdaGC exists only as a patch to an old Megatron and needs its
kernels, so AdaGC is `pytorch_optimizer`'s, with the constants of the authors' patch; its warm-up ends one
step earlier than its argument says. Its Adam has beta1 = 0, so that the first moment is the clipped
gradient.

Parameters are one FP64 number each, whose gradient is the norm. `coefficients` are clipped over unclipped
gradient. `pytorch_optimizer` takes the global norm in FP32, so AdaGC's numbers are good for 7 digits and
written with 8, ZClip's with 12.
"""

import json
import math
import random
import sys
from importlib.metadata import version
from pathlib import Path

import torch
from pytorch_optimizer import AdaGC
from zclip import ZClip


def norms(generator, steps, spikes):
    """A slowly falling norm with 15 % of noise, multiplied by `spikes` at some steps."""
    for step in range(steps):
        level = 0.6 + 0.5 * math.exp(-step / 30)
        value = level * math.exp(generator.gauss(0, 0.15)) * spikes.get(step, 1.0)
        yield float(f"{value:.4g}")


def parameter():
    return torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))


def rounded(value, digits=12):
    return float(f"{value:.{digits}g}")


def zclip(seed, limit, spikes):
    """`limit` 0 is the package's None."""
    model = torch.nn.Module()
    model.weight = parameter()
    clipper = ZClip(max_grad_norm=limit or None)
    steps = []
    for norm in norms(random.Random(seed), 70, spikes):
        model.weight.grad = torch.tensor([norm], dtype=torch.float64)
        clipper.step(model)
        steps.append(
            {
                "norm": norm,
                "coefficient": rounded(model.weight.grad.item() / norm),
                "mean": clipper.mean and rounded(clipper.mean),
                "variance": clipper.var and rounded(clipper.var),
            }
        )
    return {"limit": limit, "steps": steps}


def adagc(seed, limit, spikes):
    """Three tensors of different size."""
    generator = random.Random(seed)
    parameters = [parameter() for _ in range(3)]
    optimizer = AdaGC(
        parameters,
        betas=(0.0, 0.999),
        beta=0.99,
        lambda_abs=limit,
        lambda_rel=1.04,
        warmup_steps=101,
        weight_decay=0.0,
        eps=1e-300,
        foreach=False,
    )
    columns = [list(norms(generator, 130, spikes.get(index, {}))) for index in range(3)]
    steps = []
    for drawn in zip(*columns, strict=True):
        row = [float(f"{norm * size:.4g}") for norm, size in zip(drawn, (0.2, 1.0, 3.0), strict=True)]
        for each, norm in zip(parameters, row, strict=True):
            each.grad = torch.tensor([norm], dtype=torch.float64)
        optimizer.step()
        states = [optimizer.state[each] for each in parameters]
        steps.append(
            {
                "norms": row,
                "coefficients": [
                    rounded(state["exp_avg"].item() / norm, 8) for state, norm in zip(states, row, strict=True)
                ],
                "averages": [rounded(state["gamma"].item(), 8) for state in states],
            }
        )
    return {"limit": limit, "steps": steps}


def main():
    target = Path(sys.argv[1])
    spikes = {3: 4.0, 30: 3.0, 31: 12.0, 32: 1.6, 45: 100.0, 60: 0.1}
    result = {
        "made_by": "tests/parity/clipping_traces.py",
        "versions": {name: version(name) for name in ("zclip", "pytorch_optimizer", "torch")},
        "zclip": [zclip(1, 0.0, spikes), zclip(2, 1.0, spikes)],
        "adagc": [adagc(3, 1.0, {0: {50: 9.0, 110: 5.0}, 1: {105: 30.0}, 2: {115: 0.2}})],
    }
    text = json.dumps(result, separators=(",", ":"))
    target.write_text(text.replace('{"norm', '\n{"norm').replace('],"adagc"', '],\n"adagc"') + "\n")
    print(f"{target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
