#!/usr/bin/env python3
"""Reads an exported event file with the real TensorBoard and compares it with the CSV export.

Test only; the program needs no Python. Set up and run:

    python3 -m venv venv && venv/bin/pip install tensorboard
    cargo run -p logs --example export_run -- RUN_DIR OUT_DIR
    venv/bin/python tests/check_tensorboard.py OUT_DIR

OUT_DIR holds `events.out.tfevents.*` and `metrics.csv` of the same run. Exit code 0 when every number
of the CSV is in TensorBoard at its step, and nothing else is.
"""

import csv
import math
import struct
import sys
from pathlib import Path


def as_f32(value):
    """TensorBoard stores 32-bit numbers; beyond their range is infinity."""
    try:
        return struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


def same(a, b):
    return a == b or (math.isnan(a) and math.isnan(b))


def tag_of(column):
    """`layer_grad_norm_3` is `layers/grad_norm/3`; other columns are tags as they are."""
    if column.startswith("layer_"):
        name, layer = column.removeprefix("layer_").rsplit("_", 1)
        return f"layers/{name}/{layer}"
    return column


def from_csv(path):
    """{tag: {step: value}} of the CSV; empty cells are values that were not recorded."""
    series = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            step = int(row.pop("step"))
            for column, text in row.items():
                if text:
                    series.setdefault(tag_of(column), {})[step] = as_f32(float(text))
    return series


def from_tensorboard(directory):
    """{tag: {step: value}} as TensorBoard's own reader loads it, all points kept."""
    from tensorboard.backend.event_processing import event_accumulator

    # Scalars arrive as tensors: TensorBoard's loader converts every `simple_value` on the way in.
    keep_all = {event_accumulator.SCALARS: 0, event_accumulator.TENSORS: 0}
    accumulator = event_accumulator.EventAccumulator(str(directory), size_guidance=keep_all)
    accumulator.Reload()
    tags = accumulator.Tags()
    series = {}
    for tag in tags["scalars"]:
        series[tag] = {event.step: event.value for event in accumulator.Scalars(tag)}
    for tag in tags["tensors"]:
        from tensorboard.util import tensor_util

        series[tag] = {
            event.step: tensor_util.make_ndarray(event.tensor_proto).item() for event in accumulator.Tensors(tag)
        }
    return series


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    directory = Path(sys.argv[1])
    expected = from_csv(directory / "metrics.csv")
    found = from_tensorboard(directory)
    problems = [f"tag missing in TensorBoard: {tag}" for tag in sorted(expected.keys() - found.keys())]
    problems += [f"tag only in TensorBoard: {tag}" for tag in sorted(found.keys() - expected.keys())]
    for tag in sorted(expected.keys() & found.keys()):
        if expected[tag].keys() != found[tag].keys():
            problems.append(f"{tag}: the steps differ")
            continue
        for step, value in expected[tag].items():
            if not same(value, found[tag][step]):
                problems.append(f"{tag} at step {step}: {value} in CSV, {found[tag][step]} in TensorBoard")
    if not expected:
        problems.append("the CSV holds no values")
    points = sum(len(steps) for steps in expected.values())
    if problems:
        sys.exit("\n".join(problems[:20]))
    print(f"TensorBoard read {len(expected)} tags, {points} points, all equal")


if __name__ == "__main__":
    main()
