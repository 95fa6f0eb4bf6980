#!/usr/bin/env python3
"""What 8 bits cost every proxy: `int8.py [--runs DIR] [--out FILE] [--workbench BIN]`.

Trains each preset for some steps, quantizes it by rows with 8 bits, and writes the held-out losses into `--out`. Ends with exit
code 1 where a loss rises by more than 0.1 % against FP16. A run that is in `--runs` already is not trained again.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

# Preset, and steps: fewer where one takes long.
PRESETS = {"t0": 400, "t-deep": 200, "t1": 120, "r256": 100, "t2": 20}

# Largest rise of a held-out loss, as a share of it.
MOST = 0.001


def measured(program: str, runs: Path, preset: str, steps: int) -> dict:
    """The held-out losses of a preset."""
    run = runs / preset
    if not run.exists():
        command = [program, "train", preset, "--out", str(run), "--set", f"steps={steps}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    command = [program, "quantize", str(run), "--bits", "8", "--json"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    [checkpoint] = json.loads(done.stdout)["checkpoints"]
    quality = checkpoint["quality"]
    rise = quality["loss"] / quality["fp16_loss"] - 1
    return {"preset": preset, "steps": checkpoint["step"], **quality, "rise": rise}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs/int8"), help="where the runs lie")
    parser.add_argument("--out", type=Path, default=Path("int8.json"), help="what is written")
    parser.add_argument("--workbench", default="workbench", help="the program")
    arguments = parser.parse_args()
    arguments.runs.mkdir(parents=True, exist_ok=True)
    found = [measured(arguments.workbench, arguments.runs, *preset) for preset in PRESETS.items()]
    lines = ",\n".join(json.dumps(row) for row in found)
    arguments.out.write_text(f'{{"scheme": "absmax-row-int8", "proxies": [\n{lines}\n]}}\n')
    for row in found:
        print(f"{row['preset']}: {row['rise']:+.5%}")
    worse = [row["preset"] for row in found if not row["rise"] <= MOST]
    if worse:
        sys.exit(f"held-out loss rises by more than {MOST:.1%}: {', '.join(worse)}")


if __name__ == "__main__":
    main()
