"""Runs per hour of a sweep, workbench against PyTorch, one process per core: see README.md.

python bench/sweep.py
python bench/sweep.py --rounds 1 --steps 20 --output /tmp/trial.json   # a trial
"""

import argparse
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from make_problem import Maker, flags
from run import HERE, PEERS, Results, call, machine, say, spread, versions
from table import print_sweep

RUNS = 32  # of the card
CASE = HERE / "cases/t0.toml"


class Cores:
    """Hands commands to cores, one at a time on each."""

    def __init__(self, cache: Path):
        self.cores, self.cache = sorted(os.sched_getaffinity(0)), cache

    def seconds(self, commands: list[list[str]]) -> float:
        """Wall time until all commands are done; the next goes to the core that is free first."""
        free = list(self.cores)

        def one(command: list[str]) -> None:
            core = free.pop()
            call(command, {core}, self.cache)
            free.append(core)

        start = time.perf_counter()
        with ThreadPoolExecutor(len(self.cores)) as pool:
            list(pool.map(one, commands))
        return time.perf_counter() - start


def peer_set_ups(peers: list[str], problem: Path, steps: int, cores: int) -> dict[str, list[list[str]]]:
    """Commands of each set-up: a process per run, and a process per core that does its share of runs.

    The peers only train. Everything that a sweep is beyond that, held-out loss, records,
    checkpoints and the verdict, is left to the workbench.
    """
    set_ups = {}
    for peer in peers:
        script, mode, _ = PEERS[peer]
        command = [sys.executable, str(HERE / script), str(problem), "--mode", mode, "--steps", str(steps)]
        set_ups[f"{peer}, a process per run"] = [command] * RUNS
        shares = [RUNS // cores + (i < RUNS % cores) for i in range(cores)]
        set_ups[f"{peer}, a process per core"] = [[*command, "--runs", str(share)] for share in shares]
    return set_ups


def main() -> None:
    parser = argparse.ArgumentParser(description="Times a sweep against the same runs in the peers.")
    parser.add_argument("--peers", type=lambda text: text.split(","), default=["pytorch", "pytorch-compile", "jax"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=200, help="steps of each run")
    parser.add_argument("--workbench", type=Path, default=HERE.parent / "target/release/workbench")
    parser.add_argument("--output", type=Path, default=HERE / "results.json")
    parser.add_argument("--cache", type=Path, default=HERE.parent / "target/bench", help="what compilers keep")
    options = parser.parse_args()
    workbench = options.workbench.resolve()
    options.cache.mkdir(parents=True, exist_ok=True)
    cores = Cores(options.cache)

    with tempfile.TemporaryDirectory() as folder:
        maker = Maker(workbench, Path(folder))
        problem = maker.problems(CASE)["fp32"]
        set_ups = peer_set_ups(options.peers, problem, options.steps, len(cores.cores))
        say("filling the compilers' caches")
        for commands in set_ups.values():
            cores.seconds([[*commands[0], "--steps", "6", "--runs", "1"]])
        hours = {name: [] for name in ["workbench", *set_ups]}
        for number in range(options.rounds):
            out = Path(folder) / f"sweep-{number}"
            start = time.perf_counter()
            sets = flags([f"steps={options.steps}"])
            maker.call("sweep", "run", HERE / "sweep.toml", "--out", out, "--offline", *sets)
            hours["workbench"].append(RUNS * 3600 / (time.perf_counter() - start))
            say(f"round {number + 1}/{options.rounds}: workbench {hours['workbench'][-1]:.0f} runs per hour")
            for name, commands in set_ups.items():
                hours[name].append(RUNS * 3600 / cores.seconds(commands))
                say(f"round {number + 1}/{options.rounds}: {name} {hours[name][-1]:.0f} runs per hour")

    spreads = {name: spread(values) for name, values in hours.items()}
    best = max(set_ups, key=lambda name: spreads[name]["median"])
    sweep = {
        "case": CASE.stem,
        "runs": RUNS,
        "steps": options.steps,
        "runs_per_hour": spreads,
        "best_peer": best,
        "ratio": spread([ours / theirs for ours, theirs in zip(hours["workbench"], hours[best], strict=True)]),
        "rounds": options.rounds,
        "machine": machine(),
        "versions": versions(workbench),
        "date": time.strftime("%Y-%m-%d"),
    }
    results = Results(options.output)
    results.content["sweep"] = sweep
    results.write()
    print_sweep(sweep)


if __name__ == "__main__":
    main()
