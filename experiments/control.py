#!/usr/bin/env python3
"""Whether a replay's control has the bits of its run: `control.py [--replays 20] [--out DIR] [--workbench BIN]`.

Trains one run of each configuration below and replays random steps of it with the control alone. Half of the runs are
killed at a random step and continued. Writes `control.json` into `--out`, and prints how many controls left the record.
"""

import argparse
import json
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from causes import records, run

STEPS = 400
# Steps that a control is compared for, from 8 before the one asked about.
COMPARED = 40
SEED = 16
CONFIGURATIONS = {
    "fp32": [],
    "fp16": ["precision.format=fp16", "optimizer.lr=0.004"],
    "egs": ["precision.format=fp16", "egs.alpha=0.1"],
    "accumulation": ["batch.micro_batch=4", "batch.gradient_accumulation=2"],
    "tasks": ["tasks.ratio=0.2", "tasks.sources=[{path=SUMS}]"],
    "dropout": ["model.dropout=0.1", "model.attention_dropout=0.1", "precision.format=bf16"],
}


def sums(out: Path) -> Path:
    """A small set of tasks."""
    file = out / "sums.jsonl"
    rows = [{"text": f"What is {a} plus {b}?", "targets": [str(a + b)]} for a in range(30) for b in range(30)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def kill_at(step: int, command: list[str], folder: Path) -> None:
    """Starts a training and kills it, as a machine does that loses its power, once `step` is recorded."""
    training = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while training.poll() is None:
        lines = sum(file.read_bytes().count(b"\n") for file in folder.glob("metrics-*.jsonl"))
        if lines >= step:
            training.kill()
        time.sleep(0.001)


def trained(name: str, killed: bool, draws: random.Random, arguments: argparse.Namespace) -> Path:
    folder = arguments.out / (f"{name}-killed" if killed else name)
    if folder.exists():
        sys.exit(f"{folder} is there already; name another folder with --out")
    sets = [change.replace("SUMS", f'"{sums(arguments.out)}"') for change in CONFIGURATIONS[name]]
    changes = [word for change in [*sets, f"steps={STEPS}"] for word in ("--set", change)]
    begin = [arguments.workbench, "train", "t0", "--out", str(folder), *changes]
    if killed:
        kill_at(draws.randrange(60, STEPS - 60), begin, folder)
        begin = [arguments.workbench, "train", str(folder)]
    run(begin)
    return folder


def control(folder: Path, step: int, arguments: argparse.Namespace) -> dict:
    """What a replay says of its control."""
    out = arguments.out / "replays" / f"{folder.name}-{step}"
    asked = ["--at", str(step), "--twins", "same", "--steps", str(COMPARED - 8), "--out", str(out), "--json"]
    says = json.loads(run([arguments.workbench, "replay", str(folder), *asked]))
    steps = {record["step"] for record in records(out / "twins" / "same")} & {
        record["step"] for record in records(folder)
    }
    return {"run": folder.name, "step": step, "compared": len(steps), "control": says["control"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replays", type=int, default=20, help="of each configuration")
    parser.add_argument("--out", type=Path, default=Path("runs/control"))
    parser.add_argument("--workbench", default="workbench")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    draws = random.Random(SEED)
    asked = []
    for name in CONFIGURATIONS:
        for killed in (False, True):
            folder = trained(name, killed, draws, arguments)
            count = (arguments.replays + killed) // 2
            asked += [(folder, step) for step in sorted(draws.sample(range(1, STEPS - COMPARED), count))]
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda job: control(*job, arguments), asked))
    (arguments.out / "control.json").write_text(json.dumps(found, indent=1) + "\n")
    same = sum(one["control"] == "same" for one in found)
    compared = sum(one["compared"] for one in found)
    print(f"{same} of {len(found)} controls have the bits of their run, over {compared} steps")


if __name__ == "__main__":
    main()
