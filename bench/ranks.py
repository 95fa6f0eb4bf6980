"""What ranks cost on one machine: one process, ranks on threads, ranks on MPI, in turn; and how long stages wait.

python bench/ranks.py                          # eight rounds, some six minutes
python bench/ranks.py --rounds 1 --steps 12    # a trial

The program has to be built with `--features mpi`. docs/ranks.md has the figures of one machine and their bars.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
from pathlib import Path

from gpu import own_text

HERE = Path(__file__).resolve().parent
# Both ranks of an MPI job may run on all CPUs, as the threads of a process may; the container's root is no reason to stop.
MPI = ["mpirun", "-n", "2", "--bind-to", "none"]
ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
WAYS = {
    "one process, two threads": ([], []),
    "two ranks on threads": ([], ["--data-parallel", "2"]),
    "two ranks on MPI": (MPI, ["--data-parallel", "2"]),
}


class Trainer:
    """Trains presets for some steps and hands over what their records and their last event say."""

    def __init__(self, workbench: Path, folder: Path, steps: int):
        self.workbench, self.folder, self.text, self.steps = workbench, folder, own_text(folder), steps
        self.runs = 0

    def run(self, preset: str, launcher: list[str], flags: list[str], keys: list[str]) -> Path:
        """Directory of a run; the command's own output where it fails."""
        self.runs += 1
        out = self.folder / f"run-{self.runs}"
        source = json.dumps(str(self.text))
        keys = [
            f'data.sources=[{{path={source},language="en",weight=1}}]',
            f"steps={self.steps}",
            "eval.batches=1",
            "checkpoint.interval=1000000",
            *keys,
        ]
        sets = [part for key in keys for part in ("--set", key)]
        command = [*launcher, str(self.workbench), "train", preset, *sets, *flags, "--out", str(out)]
        done = subprocess.run(command, check=False, env={**os.environ, **ROOT}, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
        return out

    def tokens_per_second(self, *of_run) -> float:
        """Median over all steps but the first."""
        lines = [json.loads(line) for file in self.run(*of_run).glob("metrics-*.jsonl") for line in file.open()]
        return statistics.median(line["tokens_per_second"] for line in lines if line["step"] > 1)

    def idle(self, *of_run) -> tuple[float, float]:
        """Share of the passes' time that stages waited, and the schedule's."""
        events = [json.loads(line) for line in (self.run(*of_run) / "events.jsonl").open()]
        data = next(event["data"] for event in events if event["kind"] == "finish")
        return data["idle_share"], data["scheduled_idle_share"]


def speed(trainer: Trainer, rounds: int) -> None:
    """Rounds of all ways, the first one another each time; ratios within a round."""
    found = {name: [] for name in WAYS}
    names = list(WAYS)
    for index in range(rounds):
        for name in names[index % 3 :] + names[: index % 3]:
            launcher, flags = WAYS[name]
            found[name].append(trainer.tokens_per_second("t1", launcher, flags, []))
    mpi = found["two ranks on MPI"]
    print(
        f"t1, {rounds} rounds of {trainer.steps} steps, load {os.getloadavg()[0]:.1f}: tokens per second, MPI's share"
    )
    for name, values in found.items():
        shares = sorted(m / v for m, v in zip(mpi, values, strict=True))
        median = statistics.median(shares)
        print(f"  {name:26} {statistics.median(values):7.0f}  {median:.2f} ({shares[0]:.2f} to {shares[-1]:.2f})")


def bubble(trainer: Trainer) -> None:
    """Two stages of eight layers of width 128, by micro-batches and sequences in each."""
    print("two stages on MPI: idle share, two runs each, beside (p - 1) / (m + p - 1)")
    for sequences in (4, 1):
        for count in (1, 2, 4, 8):
            batch = [f"batch.micro_batch={sequences}", f"batch.gradient_accumulation={count}"]
            keys = ["model.layers=8", "model.hidden_size=128", *batch]
            runs = [trainer.idle("t0", MPI, ["--pipeline-parallel", "2"], keys) for _ in range(2)]
            measured = ", ".join(f"{100 * share:.0f} %" for share, _ in runs)
            print(f"  {count} micro-batches of {sequences}: {measured}; {100 * runs[0][1]:.0f} %")


def main() -> None:
    parser = argparse.ArgumentParser(description="Times ranks on threads and on MPI, and the waiting of stages.")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--steps", type=int, default=48)
    parser.add_argument("--workbench", type=Path, default=HERE.parent / "target/release/workbench")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(options.workbench.resolve(), Path(folder), options.steps)
        speed(trainer, options.rounds)
        trainer.steps = 16
        bubble(trainer)


if __name__ == "__main__":
    main()
