#!/usr/bin/env python3
"""Whether replays name the causes that were planted: `causes.py [--seeds 20] [--out DIR] [--workbench BIN] [CAUSE ...]`.

Trains runs with each cause of `causes.toml`, asks `workbench replay` about the spike of each, and counts how often it says
the word that was fixed there. Goes on where it was stopped. Writes `causes.json` and `causes.md` into `--out`.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Seeds that are asked for every seed that is wanted, at most: most runs of a cause may have no spike.
ASKED = 8


def run(arguments: list[str]) -> str:
    """What the program prints."""
    done = subprocess.run(arguments, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(arguments)}\n{done.stderr}")
    return done.stdout


def records(folder: Path) -> list[dict]:
    found = []
    for file in sorted(folder.glob("metrics-*.jsonl")):
        found += [json.loads(line) for line in file.read_text().splitlines()]
    return found


def spike(cause: dict, folder: Path, workbench: str) -> int | None:
    """The first step of the first spike in the steps asked about, or the first whose loss is not finite."""
    if "at" in cause:
        return cause["at"]
    # No run has a step 0; what is said of that names the spikes of the run.
    refused = subprocess.run(
        [workbench, "replay", str(folder), "--at", "0"], check=False, capture_output=True, text=True
    ).stderr
    listed = re.search(r"its loss spikes at step ([\d, ]+)", refused)
    steps = [int(step) for step in listed[1].split(",")] if listed else []
    steps += [record["step"] for record in records(folder) if record["loss"] is None]
    return min((step for step in steps if cause["first"] <= step <= cause["last"]), default=None)


def train(bench: dict, cause: dict, seed: int, folder: Path, workbench: str, further: list[str]) -> int | None:
    """Trains a run of a cause; the step to ask about."""
    sets = [*bench["set"], *cause["set"], f"seed={seed}", f"steps={cause['steps']}", *further]
    changes = [word for change in sets for word in ("--set", change)]
    run([workbench, "train", bench["preset"], "--out", str(folder), *changes])
    return spike(cause, folder, workbench)


def trial(job: tuple) -> dict:
    """One run, and what a replay says of it."""
    bench, cause, seed, out, workbench = job
    folder = out / f"{cause['name']}-{seed}"
    answer = out / f"{cause['name']}-{seed}.json"
    if answer.exists():
        return json.loads(answer.read_text())
    at = train(bench, cause, seed, folder, workbench, [])
    found = {"seed": seed, "at": at}
    if at is not None:
        expected = cause["word"]
        if "word_if_fp32_spikes" in cause:
            folder_fp32 = out / f"{cause['name']}-{seed}-fp32"
            if train(bench, cause, seed, folder_fp32, workbench, ["precision.format=fp32"]) is not None:
                expected = cause["word_if_fp32_spikes"]
        asked = ["--at", str(at), "--steps", str(cause["twins_to"]), "--workers", "1", "--json"]
        says = json.loads(run([workbench, "replay", str(folder), *asked]))["attribution"]
        answered = says["answer"]
        word = answered["cause"] if isinstance(answered, dict) else answered
        found |= {"expected": expected, "word": word, "sentence": says["sentence"]}
        # A hundred megabytes each.
        shutil.rmtree(folder / f"replays/step-{at:08}/twins")
    answer.write_text(json.dumps(found))
    return found


def trials(bench: dict, cause: dict, arguments: argparse.Namespace) -> list[dict]:
    """As many runs with a spike as were asked for, and those without one on the way."""
    found: list[dict] = []
    seed = bench["seed"]
    with ThreadPoolExecutor(arguments.jobs) as pool:
        while sum("word" in one for one in found) < arguments.seeds and len(found) < ASKED * arguments.seeds:
            missing = arguments.seeds - sum("word" in one for one in found)
            jobs = [
                (bench, cause, seed + index, arguments.out, arguments.workbench)
                for index in range(max(missing, arguments.jobs) if found else missing)
            ]
            seed += len(jobs)
            found += pool.map(trial, jobs)
            spiked = min(sum("word" in one for one in found), arguments.seeds)
            print(f"{cause['name']}: {spiked} of {arguments.seeds}", file=sys.stderr)
    spiked = [one for one in found if "word" in one][: arguments.seeds]
    last = spiked[-1]["seed"] if spiked else seed
    return [one for one in found if one["seed"] <= last]


def right(one: dict) -> bool:
    """Whether what was said is what had to be said."""
    if one["expected"] == "any":
        return one["word"] not in ("unclear", "no_spike")
    return one["word"] == {"none": "no_spike"}.get(one["expected"], one["expected"])


def line(cause: dict, found: list[dict]) -> str:
    words = Counter(one["word"] for one in found if "word" in one)
    asked = sum(words.values())
    named = sum(right(one) for one in found if "word" in one)
    said = ", ".join(f"{word} {count}" for word, count in words.most_common())
    word = " or ".join(dict.fromkeys(one["expected"] for one in found if "word" in one)) or cause["word"]
    return f"| `{cause['name']}` | {cause['what']} | {word} | {named} of {asked} | {len(found) - asked} | {said} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("causes", nargs="*")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("runs/causes"))
    parser.add_argument("--workbench", default="workbench")
    arguments = parser.parse_args()
    bench = tomllib.loads((HERE / "causes.toml").read_text())
    known = {cause["name"]: cause for cause in bench["cause"]}
    if unknown := [name for name in arguments.causes if name not in known]:
        parser.error(f"no cause is called {unknown[0]!r}; there are {', '.join(known)}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    table = "| cause | planted | word | said | without a spike | what was said |\n|---|---|---|--:|--:|---|\n"
    result = {}
    for name in arguments.causes or known:
        result[name] = trials(bench, known[name], arguments)
        table += line(known[name], result[name]) + "\n"
        (arguments.out / "causes.json").write_text(json.dumps(result, indent=1) + "\n")
        (arguments.out / "causes.md").write_text(table)
    print(table, end="")


if __name__ == "__main__":
    main()
