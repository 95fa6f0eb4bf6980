#!/usr/bin/env python3
"""Trains every case of `cases.toml` for a few steps with the workbench and checks one step of each.

    run.py --workbench BIN [--golden DIR] [--only NAME] [--work DIR]

For each case: writes its configuration, `BIN train CONFIG --out RUN`, `BIN parity RUN --step K --out FILE`, and
the checks of `check.py`. With --golden the inputs of the step and what PyTorch makes of them (float64, stored
as FP32) go into DIR/NAME.safetensors. Exit code 1 if any case failed.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import check
import golden
import recompute
import torch
from recompute import ParityFile
from safetensors.torch import save_file
from torch import Tensor

# Bytes that all golden files together may have.
GOLDEN_LIMIT = 2_300_000

HERE = Path(__file__).parent

# What a golden file keeps of the parity file, for every micro-batch.
INPUTS = ("tokens", "positions", "block_positions", "segments", "targets")

WORDS = [
    "the",
    "small",
    "model",
    "learns",
    "words",
    "from",
    "text",
    "and",
    "some",
    "of",
    "them",
    "are",
    "rare",
    "naïve",
    "café",
    "一行",
    "文字",
    "stable",
    "training",
]


def sample_text(size: int = 20_000) -> str:
    """Words in an order without a short period; every split gets far more than 4 sequences."""
    text, state = [], 1
    while sum(map(len, text)) < size:
        state = (state * 1_664_525 + 1_013_904_223) % 2**32
        text.append(WORDS[(state >> 24) % len(WORDS)] + ("\n" if state % 11 == 0 else " "))
    return "".join(text)


def sample_tasks(rows: int = 60) -> str:
    """Prompted tasks, from much shorter than a window to longer than one."""
    lines = []
    for i in range(rows):
        words = [WORDS[(7 * i + 3 * j) % len(WORDS)] for j in range(1 + i % 4)]
        answer = WORDS[(5 * i) % len(WORDS)][: 1 + i % 9]
        lines.append(json.dumps({"text": " ".join(words) + "?", "targets": [answer]}, ensure_ascii=False) + "\n")
    return "".join(lines)


def merged(base: dict, changes: dict) -> dict:
    """`base` with dotted keys changed; `base` itself stays as it is."""
    result = {k: merged(v, {}) if isinstance(v, dict) else v for k, v in base.items()}
    for key, value in changes.items():
        *tables, last = key.split(".")
        table = result
        for name in tables:
            table = table.setdefault(name, {})
        table[last] = value
    return result


def toml_value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f'"{value}"' if isinstance(value, str) else repr(value)


def toml_text(table: dict, path: str = "") -> str:
    """Nested tables of scalars and lists of such tables as TOML, scalars first."""
    scalars = [f"{k} = {toml_value(v)}" for k, v in table.items() if not isinstance(v, dict | list)]
    text = (f"[{path}]\n" if path and scalars else "") + "".join(line + "\n" for line in scalars)
    for key, value in table.items():
        name = f"{path}.{key}" if path else key
        if isinstance(value, dict):
            text += toml_text(value, name)
        if isinstance(value, list):
            text += "".join(f"[[{name}]]\n{toml_text(entry)}" for entry in value)
    return text


def write_config(base: dict, case: dict, work: Path) -> Path:
    """The case's configuration file, with the sample text as its only source."""
    source = {"path": str(work / "text.txt"), "language": "en", "weight": 1.0}
    config = merged(base, case.get("set", {}) | {"data.sources": [source]})
    path = work / f"{case['name']}.toml"
    path.write_text(toml_text(config))
    return path


def workbench(arguments: list[str], binary: str, work: Path) -> None:
    """Runs the program with one thread and a cache of its own; its output shows only if it fails."""
    environment = os.environ | {"RAYON_NUM_THREADS": "1", "WORKBENCH_CACHE": str(work / "cache")}
    done = subprocess.run([binary, *arguments], check=False, cwd=work, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        command = " ".join([binary, *arguments])
        raise RuntimeError(f"{command}: exit code {done.returncode}\n{done.stdout}{done.stderr}")


def make_parity_file(base: dict, case: dict, binary: str, work: Path) -> Path:
    """Trains the case and dumps its step."""
    config, run = write_config(base, case, work), work / case["name"]
    out = work / f"{case['name']}.safetensors"
    # A finished run would be left alone, even if the program has changed since.
    shutil.rmtree(run, ignore_errors=True)
    workbench(["train", str(config), "--out", str(run)], binary, work)
    step = str(case.get("step", 3))
    workbench(["parity", str(run), "--step", step, "--out", str(out)], binary, work)
    return out


def check_expected(case: dict, parity: Path) -> None:
    """Scheduled keys must have the values that the case gives for its step."""
    file = recompute.read(parity)
    for key, expected in case.get("expect", {}).items():
        actual = file.config
        for name in key.split("."):
            actual = actual[name]
        if abs(actual - expected) > 1e-12:
            raise ValueError(f"{key} is {actual} at step {file.step}, expected {expected}")


def golden_inputs(file: ParityFile) -> dict[str, Tensor]:
    """What a program needs to repeat the step."""
    kept = {}
    for m in range(file.micro_batches):
        kept |= {f"micro.{m}.{name}": file.tensors[f"micro.{m}.{name}"] for name in INPUTS}
    prefixes = ["weights_before."] + (["optimizer_before."] if file.step > 1 else [])
    for name, tensor in file.tensors.items():
        if ".dropout." in name or name.startswith(tuple(prefixes)):
            kept[name] = tensor
    for name in ("lr", "updates_before"):
        kept[f"scalars.{name}"] = file.tensors[f"scalars.{name}"]
    return kept


def golden_results(file: ParityFile) -> dict[str, Tensor]:
    """What PyTorch makes of it in float64: scalars F64 [1], tensors F32."""
    step = recompute.repeat_step(file, torch.float64)
    norm = step.grad_norm
    coefficient = recompute.clip_coefficient(file.config, norm)
    updates = recompute.update_all(file, {name: g * coefficient for name, g in step.gradients.items()})
    scalars = {"loss": step.loss, "grad_norm": norm, "clip_coefficient": coefficient}
    if file.config["objective"]["z_loss"] > 0:
        scalars["z_loss"] = step.z_loss
    tensors = {f"gradients.{name}": g for name, g in step.gradients.items()}
    tensors |= {f"gradients.embedding.weight.{path}": g for path, g in step.paths.items()}
    tensors |= {f"weights_after.{name}": u.weight for name, u in updates.items()}
    # At the first step the moments are the gradients and their squares times a number, and are left out.
    if file.step > 1:
        tensors |= {f"exp_avg.{name}": u.exp_avg for name, u in updates.items()}
        tensors |= {f"exp_avg_sq.{name}": u.exp_avg_sq for name, u in updates.items()}
    results = {f"torch.{k}": torch.tensor([v], dtype=torch.float64) for k, v in scalars.items()}
    return results | {f"torch.{k}": v.detach().float() for k, v in tensors.items()}


def write_golden(parity: Path, out: Path) -> None:
    file = recompute.read(parity)
    tensors = golden_inputs(file) | golden_results(file)
    # The work folder has another name every time; without it a golden file depends on its case only.
    config = file.metadata["config"].replace(f"{parity.parent}/", "")
    save_file({k: v.contiguous() for k, v in tensors.items()}, out, metadata=file.metadata | {"config": config})
    golden.settle(out)


def run_case(base: dict, case: dict, arguments: argparse.Namespace, work: Path) -> bool:
    """True if the case ran and passed every check."""
    print(f"\n=== {case['name']}: {case.get('set', {})}")
    try:
        parity = make_parity_file(base, case, arguments.workbench, work)
        passed = check.check_file(parity)
        check_expected(case, parity)
        if arguments.golden and case.get("golden", False):
            write_golden(parity, arguments.golden / f"{case['name']}.safetensors")
    except (RuntimeError, ValueError, KeyError) as error:
        print(f"FAIL  {type(error).__name__}: {error}")
        return False
    return passed


def arguments_from(line: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workbench", required=True, help="the program")
    parser.add_argument("--golden", type=Path, help="folder for golden files")
    parser.add_argument("--only", help="the case of this name")
    parser.add_argument("--work", type=Path, help="folder for runs and parity files, kept; default: a temporary one")
    arguments = parser.parse_args(line)
    # The program runs in the work folder, so a relative path must be resolved here.
    arguments.workbench = str(Path(arguments.workbench).resolve())
    return arguments


def run_all(arguments: argparse.Namespace, work: Path) -> list[str]:
    """Names of the cases that failed."""
    listed = tomllib.loads((HERE / "cases.toml").read_text())
    cases = [c for c in listed["case"] if arguments.only in (None, c["name"])]
    if not cases:
        raise SystemExit(f"no case is called {arguments.only!r}")
    (work / "text.txt").write_text(sample_text())
    (work / "tasks.jsonl").write_text(sample_tasks())
    failed = [c["name"] for c in cases if not run_case(listed["base"], c, arguments, work)]
    if arguments.golden:
        size = sum(path.stat().st_size for path in arguments.golden.glob("*.safetensors"))
        print(f"\ngolden files: {size:,} bytes of {GOLDEN_LIMIT:,}")
        failed += ["size of the golden files"] if size > GOLDEN_LIMIT else []
    print(f"\n{len(cases)} cases" + (f"; failed: {failed}" if failed else ", all passed"))
    return failed


def main(line: list[str]) -> int:
    torch.set_num_threads(1)
    arguments = arguments_from(line)
    if arguments.golden:
        arguments.golden.mkdir(parents=True, exist_ok=True)
    if arguments.work:
        arguments.work.mkdir(parents=True, exist_ok=True)
        return bool(run_all(arguments, arguments.work.resolve()))
    with tempfile.TemporaryDirectory(prefix="workbench-parity-") as work:
        return bool(run_all(arguments, Path(work)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
