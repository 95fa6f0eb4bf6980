"""Makes problem files (see `problem.py`) with the workbench."""

import json
import subprocess
import tomllib
from pathlib import Path

import numpy as np
from problem import PROBE
from safetensors import safe_open
from safetensors.numpy import save_file

BATCHES = 64  # then the first comes again
CHECKED = 3  # steps whose loss and gradient norm a peer must reproduce
HALF = ["precision.format=fp16", "precision.loss_scale.mode=static", "precision.loss_scale.initial=1024"]
# Held-out evaluation is no part of a step; one batch of it keeps processes short.
ALWAYS = ["eval.batches=1"]
BATCH = ("tokens", "positions", "targets", "loss_weights")
# Batches depend on seed, text and shape of the data only, so a tiny model gives the same.
TINY = ["model.layers=1", "model.hidden_size=8", "model.num_heads=1", "model.ffn_hidden_size=8"]


def settings(precision: str) -> list[str]:
    """What `--set` changes in a case for `fp32` or `fp16_emulated`."""
    return ALWAYS + (HALF if precision != "fp32" else [])


def flags(sets: list[str]) -> list[str]:
    return [part for value in sets for part in ("--set", value)]


class Maker:
    """Runs the workbench in a folder and keeps what it made there for the cases that share it."""

    def __init__(self, workbench: Path, folder: Path):
        self.workbench, self.folder = workbench, folder
        self.batches: dict[tuple, dict[str, np.ndarray]] = {}

    def call(self, *arguments) -> str:
        command = [str(self.workbench), *map(str, arguments)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
        return done.stdout

    def config(self, case: Path, precision: str) -> dict:
        return tomllib.loads(self.call("config", case, *flags(settings(precision))))

    def train(self, case: Path, name: str, sets: list[str]) -> Path:
        run = self.folder / name
        self.call("train", case, "--out", run, *flags(sets))
        return run

    def parity(self, run: Path, step: int) -> dict[str, np.ndarray]:
        """Batch, initial weights and the gradient of the probe of a step, with the file gone again."""
        path = run.with_suffix(".safetensors")
        self.call("parity", run, "--step", step, "--out", path)
        batch = {f"micro.0.{name}" for name in (*BATCH, "attention_allowed")}
        with safe_open(path, framework="np") as file:
            keep = lambda name: name in batch or name.startswith("weights_before.") or name == f"gradients.{PROBE}"
            tensors = {name: file.get_tensor(name) for name in file.keys() if keep(name)}
        path.unlink()
        return tensors

    def data(self, case: Path, config: dict) -> dict[str, np.ndarray]:
        """The first batches of a case, stacked; masks packed to bits."""
        shape = config["model"]["seq_len"], config["batch"]["micro_batch"], config["tokenizer"]["vocab_size"]
        if shape not in self.batches:
            every = [f"steps={BATCHES}", "checkpoint.interval=1", f"checkpoint.keep={BATCHES}"]
            run = self.train(case, "data-" + "-".join(map(str, shape)), ALWAYS + TINY + every)
            steps = [self.parity(run, step + 1) for step in range(BATCHES)]
            stacked = {name: np.stack([tensors[f"micro.0.{name}"] for tensors in steps]) for name in BATCH}
            stacked["allowed"] = np.stack([np.packbits(t["micro.0.attention_allowed"]) for t in steps])
            self.batches[shape] = stacked
        return self.batches[shape]

    def shape_only(self, case: Path) -> Path:
        """Writes a problem file without weights and losses, for a model whose weights would be gigabytes."""
        config = self.config(case, "fp16_emulated")
        about = {
            "config": config,
            "loss_scale": config["precision"]["loss_scale"]["initial"],
            "losses": [],
            "grad_norms": [],
        }
        stacked = {f"batches.{name}": value for name, value in self.data(case, config).items()}
        path = self.folder / f"{case.stem}.problem"
        save_file(stacked, path, metadata={"problem": json.dumps(about)})
        return path

    def problems(self, case: Path) -> dict[str, Path]:
        """Writes the problem files of a case, one for each precision of the workbench."""
        paths, probes = {}, {}
        for precision in ("fp32", "fp16_emulated"):
            config = self.config(case, precision)
            batches = self.data(case, config)
            run = self.train(case, f"{case.stem}-{precision}", [*settings(precision), f"steps={CHECKED}"])
            first = self.parity(run, 1)
            for name in ("tokens", "targets"):
                assert (first[f"micro.0.{name}"] == batches[name][0]).all(), "the tiny model saw other batches"
            records = [json.loads(line) for line in (run / "metrics-0001.jsonl").open()]
            assert not any(record["skipped"] for record in records), "loss scale too large for this case"
            probes[precision] = first[f"gradients.{PROBE}"].tolist()
            about = {
                "config": config,
                "loss_scale": records[0]["loss_scale"],
                "losses": [record["loss"] for record in records],
                "grad_norms": [record["grad_norm"] for record in records],
                "probe": probes[precision],
                "probe_fp32": probes["fp32"],
            }
            prefix = "weights_before."
            weights = {f"weights.{k.removeprefix(prefix)}": v for k, v in first.items() if k.startswith(prefix)}
            stacked = {f"batches.{name}": value for name, value in batches.items()}
            paths[precision] = run.with_suffix(".problem")
            save_file(weights | stacked, paths[precision], metadata={"problem": json.dumps(about)})
        return paths
