"""Times PyTorch's products with weights in 8 and 4 bits beside the workbench's, in turn.

python bench/codes_peer.py --workbench target/release/workbench --threads 2 --rounds 3

Shapes are those of `workbench bench --kernels`: one row with 12,288 × 12,288, and 512 rows with 4,096 × 4,096. PyTorch's kernels
take activations in bfloat16, and share scales of 8 bits by rows, of 4 bits by groups. Every round starts the workbench once and then times PyTorch;
a ratio is PyTorch's seconds over the workbench's of the same round, above 1 where the workbench is faster.
"""

import argparse
import json
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch.nn.functional import linear

GROUPS = [32, 64, 128]
CASES = [(1, 12288, 12288), (512, 4096, 4096)]
FEWEST = 5  # timed products


def seconds_of(work: Callable[[], object], seconds: float) -> float:
    work()
    times: list[float] = []
    while len(times) < FEWEST or sum(times) < seconds:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def products(rows: int, outputs: int, inputs: int) -> dict[str, Callable[[], torch.Tensor]]:
    x = torch.randn(rows, inputs, dtype=torch.bfloat16)
    codes = torch.randint(-127, 128, (outputs, inputs), dtype=torch.int8)
    scales = torch.full((outputs,), 0.01, dtype=torch.bfloat16)
    nibbles = torch.randint(0, 16, (outputs, inputs), dtype=torch.int32)
    packed = torch._convert_weight_to_int4pack_for_cpu(nibbles, 1)
    whole, wide = torch.randn(outputs, inputs), x.float()
    found: dict[str, Callable[[], torch.Tensor]] = {
        "fp32": lambda: linear(wide, whole),
        "int8-row": lambda: torch._weight_int8pack_mm(x, codes, scales),
    }
    for group in GROUPS:
        shared = torch.full((inputs // group, outputs, 2), 0.01, dtype=torch.bfloat16)
        found[f"int4-group-{group}"] = partial(torch._weight_int4pack_mm_for_cpu, x, packed, group, shared)
    return found


def workbench(program: Path, threads: int, seconds: float) -> dict[tuple[int, str], float]:
    """Seconds by rows and kind; the FP32 product is the bound of the products of many rows."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "kernels.json"
        command = [
            program,
            "bench",
            "--kernels",
            "--threads",
            str(threads),
            "--seconds",
            str(seconds),
            "--result",
            result,
        ]
        subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)
        rows = json.loads(result.read_text())["kernels"]
    found = {(row["rows"], f"int{row['bits']}-{row['sharing']}"): row["seconds"] for row in rows}
    found |= {(row["rows"], "fp32"): row["bound_seconds"] for row in rows if row["rows"] > 1}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workbench", type=Path, default=Path("target/release/workbench"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.0)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    cases = [(case, products(*case)) for case in CASES]
    ratios: dict[tuple[int, str], list[float]] = {}
    for _ in range(arguments.rounds):
        ours = workbench(arguments.workbench, arguments.threads, arguments.seconds)
        for (rows, *_), peers in cases:
            for kind, peer in peers.items():
                if (rows, kind) in ours:
                    ratio = seconds_of(peer, arguments.seconds) / ours[rows, kind]
                    ratios.setdefault((rows, kind), []).append(ratio)
    for (rows, kind), found in ratios.items():
        low, middle, high = min(found), statistics.median(found), max(found)
        print(f"{rows:>4} rows {kind:<16} PyTorch's seconds over ours: {middle:.2f} ({low:.2f} – {high:.2f})")


if __name__ == "__main__":
    main()
