"""Checks and measures the workbench on a GPU and writes one JSON; `gpu.sh` builds it first.

    python bench/gpu.py --device cuda --output gpu.json
    python bench/gpu.py --device vulkan --cases t0 --minutes 4

Every operation against the CPU, tokens per second and share of peak in each format, the same step in PyTorch on the same card
in turn, and a packed sweep against one run at a time. Ends within `--minutes`; what there was no time, memory or program for is in
`skipped`, with the reason. Needs no network: the text is this project's own source.
"""

import argparse
import importlib.util
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PRESETS = ["t0", "t-deep", "t1", "r256", "t2"]
# For these there are no presets.
LARGE = ["w1024", "w2048"]
FORMATS = ["fp32", "fp16", "bf16"]
# What is timed in PyTorch too: the larger the model, the less it is the host that is timed.
COMPARED = ["w2048", "w1024", "t1"]
# Arguments of `pytorch_peer.py`.
PEERS = {
    "eager": ["--mode", "eager", "--attention", "math"],
    "fused attention": ["--mode", "eager", "--attention", "fused"],
    "compile": ["--mode", "compile", "--attention", "fused"],
}
ROUNDS = 2
# Steps of a process that are timed, after those that warm up.
STEPS, SKIP = 20, 5
# Of the sweep: runs at once, their steps, and how many are timed one at a time.
PACK, PACK_STEPS, ONE_AT_A_TIME = 64, 50, 8
# Seconds that a sweep may take.
FOR_SWEEP = 90


class Skipped(Exception):
    """Why something was not measured."""


@dataclass
class Report:
    """What goes into the file, and the time left."""

    path: Path
    deadline: float
    content: dict = field(default_factory=dict)

    def call(self, command: list, most: float) -> str:
        """Output of a program that may take `most` seconds."""
        seconds = min(most, self.deadline - time.monotonic())
        if seconds < 5:
            raise Skipped("no time was left")
        # A session of its own, so that what it started ends with it.
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        child = subprocess.Popen([str(part) for part in command], cwd=ROOT, start_new_session=True, **pipes)
        try:
            out, err = child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
            raise Skipped(f"took more than {seconds:.0f} s") from None
        if child.returncode:
            lines = [line.strip() for line in err.splitlines() if line.strip()]
            first = next((i for i, line in enumerate(lines) if line.startswith("error")), -1)
            raise Skipped(" ".join(lines[first:]) or f"exit code {child.returncode}")
        return out

    def skip(self, what: str, why: object) -> None:
        say(f"skipped {what}: {why}")
        self.content.setdefault("skipped", []).append({"what": what, "why": str(why)})
        self.write()

    def write(self) -> None:
        partial = self.path.with_suffix(".partial")
        partial.write_text(json.dumps(self.content, indent=1) + "\n")
        partial.replace(self.path)


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def own_text(folder: Path) -> Path:
    """The project's documentation and source as one text."""
    path = folder / "text.txt"
    with path.open("w") as out:
        for part in ("docs", "kernels", "experiments", "sweeps", "logs"):
            for file in sorted((ROOT / part).rglob("*")):
                if file.suffix in (".md", ".rs"):
                    out.write(file.read_text() + "\f")
    return path


@dataclass
class Card:
    """The workbench on a device."""

    workbench: Path
    device: str
    folder: Path
    text: Path

    def sets(self, *further: str) -> list[str]:
        own = [
            f'data.sources=[{{path="{self.text}",language="en",weight=1}}]',
            f"runtime.device={self.device}",
            *further,
        ]
        return [part for value in own for part in ("--set", value)]

    def bench(self, report: Report, case: str) -> dict:
        """One case in all formats."""
        out = self.folder / "bench.json"
        command = [self.workbench, "bench", path_of(case), "--device", self.device, "--seconds", "0.5", "--result", out]
        report.call([*command, "--precision", ",".join(FORMATS), *self.sets()[:2]], most=120)
        return json.loads(out.read_text())

    def step_seconds(self, report: Report, case: str, precision: str, name: str) -> float:
        """Median over the timed steps of a training."""
        run = self.folder / name
        half = [f"precision.format={precision}", "precision.loss_scale.initial=1024", "eval.batches=1"]
        sets = self.sets(f"steps={SKIP + STEPS}", "checkpoint.interval=1000000", *half)
        report.call([self.workbench, "train", path_of(case), "--out", run, *sets], most=60)
        records = [json.loads(line) for file in sorted(run.glob("metrics-*.jsonl")) for line in file.open()]
        return statistics.median(record["step_seconds"] for record in records[SKIP:])

    def sweep_seconds(self, report: Report, seeds: int, pack: int) -> float:
        card = self.folder / f"sweep-{seeds}.toml"
        card.write_text((HERE / "sweep.toml").read_text().replace("seeds = 16", f"seeds = {seeds}"))
        sets = self.sets(f"steps={PACK_STEPS}", "eval.batches=1")
        command = [self.workbench, "sweep", "run", card, "--out", self.folder / f"sweep-{seeds}-{pack}", "--offline"]
        began = time.perf_counter()
        report.call([*command, "--pack", pack, *sets], most=FOR_SWEEP)
        return time.perf_counter() - began


def path_of(case: str) -> str:
    """A preset's name, or the file of a case that is none."""
    return str(HERE / "cases" / f"{case}.toml") if case in LARGE else case


def measure_workbench(card: Card, report: Report, cases: list[str]) -> None:
    for case in cases:
        say(f"{case}: in every format")
        try:
            found = card.bench(report, case)
        except Skipped as why:
            report.skip(f"{case} in the workbench", why)
            continue
        for key in ("program_version", "git_commit", "features", "device", "backend", "agreements"):
            report.content.setdefault(key, found[key])
        report.content.setdefault("rows", []).extend(found["rows"])
        report.write()


def peer_seconds(report: Report, problem: Path, peer: str, precision: str) -> float:
    native = "fp16_native" if precision == "fp16" else precision
    what = ["--device", report.content["peer_device"], "--precision", native, "--steps", SKIP + STEPS, "--skip", SKIP]
    out = report.call([sys.executable, HERE / "pytorch_peer.py", problem, *PEERS[peer], *what], most=90)
    return statistics.median(json.loads(out.splitlines()[-1])["step_seconds"])


def peer_device(device: str) -> str:
    """The same card as PyTorch calls it, or why it has none."""
    for package in ("torch", "numpy", "safetensors"):
        if importlib.util.find_spec(package) is None:
            raise Skipped(f"the Python package {package} is not installed")
    import torch

    kind, _, index = device.partition(":")
    if kind == "cpu":
        return "cpu"  # A trial of this program.
    if kind != "cuda":
        raise Skipped(f"PyTorch has no device {kind}")
    if not torch.cuda.is_available():
        raise Skipped(f"PyTorch {torch.__version__} finds no card")
    return f"cuda:{index or 0}"


def compare_peers(card: Card, report: Report, cases: list[str]) -> None:
    try:
        report.content["peer_device"] = peer_device(card.device)
    except Skipped as why:
        report.skip("PyTorch", why)
        return
    from make_problem import Maker

    maker = Maker(card.workbench, card.folder)
    for case in cases:
        problem = maker.shape_only(Path(path_of(case)))
        for precision in ("fp16", "fp32"):
            compare_case(card, report, case, precision, problem)


def compare_case(card: Card, report: Report, case: str, precision: str, problem: Path) -> None:
    """All contenders in turn, each round beginning with another."""
    seconds: dict[str, list[float]] = {name: [] for name in ["workbench", *PEERS]}
    for number in range(ROUNDS):
        names = list(seconds)
        for name in names[number:] + names[:number]:
            if report.deadline - time.monotonic() < 10:
                report.skip(f"{case} {precision} in {name}, round {number + 1}", "no time was left")
                continue
            say(f"{case} {precision}: {name}, round {number + 1}")
            try:
                if name == "workbench":
                    took = card.step_seconds(report, case, precision, f"{case}-{precision}-{number}")
                else:
                    took = peer_seconds(report, problem, name, precision)
                seconds[name].append(took)
            except Skipped as why:
                report.skip(f"{case} {precision} in {name}", why)
    report.content.setdefault("peers", []).append({"case": case, "precision": precision, "step_seconds": seconds})
    report.write()


def compare_sweeps(card: Card, report: Report) -> None:
    say(f"a packed sweep of {PACK} runs, and {ONE_AT_A_TIME} runs one at a time")
    try:
        alone = card.sweep_seconds(report, ONE_AT_A_TIME // 2, 1) / ONE_AT_A_TIME
        packed = card.sweep_seconds(report, PACK // 2, PACK) / PACK
    except Skipped as why:
        report.skip("the packed sweep", why)
        return
    report.content["sweep"] = {"runs": PACK, "steps": PACK_STEPS, "seconds_per_run": {"alone": alone, "packed": packed}}
    report.content["sweep"]["ratio"] = alone / packed
    report.write()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Checks and measures the workbench on a GPU.")
    words = lambda text: text.split(",")
    parser.add_argument("--device", default="cuda", help="as `runtime.device` names it")
    parser.add_argument("--workbench", type=Path, default=ROOT / "target/release/workbench")
    parser.add_argument("--output", type=Path, default=ROOT / "target/gpu.json")
    parser.add_argument("--cases", type=words, default=[*PRESETS, *LARGE])
    parser.add_argument("--minutes", type=float, default=8.0)
    options = parser.parse_args()
    if unknown := set(options.cases) - {*PRESETS, *LARGE}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join([*PRESETS, *LARGE])}")
    return options


def main() -> None:
    options = arguments()
    began = time.monotonic()
    # A few seconds to stop and write.
    report = Report(options.output, began + 60 * options.minutes - 5)
    report.path.parent.mkdir(parents=True, exist_ok=True)
    report.content = {"date": time.strftime("%Y-%m-%d"), "cpus": os.cpu_count()}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        card = Card(options.workbench.resolve(), options.device, folder, own_text(folder))
        measure_workbench(card, report, options.cases)
        # Before what may take all the time that is left.
        compare_sweeps(card, report)
        compare_peers(card, report, [case for case in COMPARED if case in options.cases])
    report.content["seconds"] = round(time.monotonic() - began)
    report.write()
    say(f"wrote {report.path}")
    # Nothing measured, or a result that is off.
    agreements = report.content.get("agreements", [])
    sys.exit(0 if agreements and all(check["passed"] for check in agreements) else 1)


if __name__ == "__main__":
    main()
