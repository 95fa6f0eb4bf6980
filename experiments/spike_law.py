#!/usr/bin/env python3
"""How long spikes in FP16 last against what a law says of them: `spike_law.py SWEEP [--workbench BIN]`.

    steps = 1 + (hysteresis - 1) + ceil(log2(loss_scale * grad_max / 65504)),   1 where nothing overflows

with loss scale and largest gradient of the spike's first step that overflowed. `as written` takes the
configured hysteresis; `as counted` what the scaler had left of it there, since a forgiven overflow is forgiven
once until the scale rises. A scale that falls to the overflow skips one step whatever its size, and gradients
that saturate skip none. Reads a finished sweep of runs with the scaler of `deepspeed`; one line per arm.
"""

import argparse
import json
import math
import subprocess
import tomllib
from collections import Counter, defaultdict
from pathlib import Path

LARGEST = 65_504.0


def number(record: dict, name: str) -> float:
    """A scalar of a record; what JSON cannot hold stands in `nonfinite`."""
    value = record.get(name)
    return float(record.get("nonfinite", {}).get(name, "nan")) if value is None else value


def records(run: Path) -> dict[int, dict]:
    """Records by step; later attempts win."""
    found = {}
    for file in sorted(run.glob("metrics-*.jsonl")):
        for line in file.read_text().splitlines():
            record = json.loads(line)
            found[record["step"]] = record
    return found


def hysteresis_left(steps: dict[int, dict], config: dict) -> dict[int, int]:
    """Overflows until one lowers the scale, that one included, before each step (DeepSpeed's rules)."""
    scale = config["precision"]["loss_scale"]
    left, last, before = scale["hysteresis"], -1, {}
    for index, step in enumerate(sorted(steps)):
        before[step] = left
        if steps[step]["skipped"]:
            left, last = max(left - 1, 1), index
        elif (index - last) % scale["window"] == 0:
            left = scale["hysteresis"]
    return before


def predicted(config: dict, forgiving: int, halvings: int) -> int:
    """Steps of a spike whose first overflow asks for so many halvings."""
    precision = config["precision"]
    if halvings <= 0 or precision.get("saturate_gradients", False):
        return 1
    if precision["loss_scale"].get("fall", "halve") == "to_overflow":
        return 2
    return 1 + (forgiving - 1) + halvings


def spikes(run: Path, found: list[dict]) -> list[tuple[int, int, int, int]]:
    """Of every spike: steps, skipped steps, the law as written and as counted."""
    config, steps = tomllib.loads((run / "run.toml").read_text()), records(run)
    if not all("grad_max" in step or "grad_max" in step.get("nonfinite", {}) for step in steps.values()):
        raise SystemExit(f"{run}: has no `grad_max`; expected a run of a version that records it")
    left, rows = hysteresis_left(steps, config), []
    for spike in found:
        inside = [s for s in range(spike["first"], spike["last"] + 1) if s in steps]
        skipped = [s for s in inside if steps[s]["skipped"]]
        first = skipped[0] if skipped else inside[0]
        size = steps[first]["loss_scale"] * number(steps[first], "grad_max") / LARGEST
        halvings = math.ceil(math.log2(size)) if skipped else 0
        written = config["precision"]["loss_scale"]["hysteresis"]
        laws = [predicted(config, forgiving, halvings) for forgiving in (written, left[first])]
        rows.append((spike["duration"], spike["skipped"], *laws))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sweep", type=Path)
    parser.add_argument("--workbench", default="workbench")
    arguments = parser.parse_args()
    command = [arguments.workbench, "sweep", "status", "--json", str(arguments.sweep)]
    status = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    arms = defaultdict(list)
    for run in status["runs"]:
        if run["spikes"]:
            arms[run["arm"]] += spikes(arguments.sweep / "runs" / run["id"], run["spikes"])
    for arm, rows in arms.items():
        print(f"{arm}: {len(rows)} spikes, steps {dict(sorted(Counter(row[0] for row in rows).items()))}")
        print(f"  one step more than skipped: {sum(row[0] == row[1] + 1 for row in rows)} of {len(rows)}")
        for place, name in ((2, "as written"), (3, "as counted")):
            errors = [row[0] - row[place] for row in rows]
            exact, near = sum(e == 0 for e in errors), sum(abs(e) <= 1 for e in errors)
            counted = dict(sorted(Counter(errors).items()))
            print(f"  the law {name}: exact {exact}, within one {near}; observed less predicted {counted}")


if __name__ == "__main__":
    main()
