#!/usr/bin/env python3
"""Trains a sweep while `export --follow` writes it and two real TensorBoards show it, and compares what they show in the end.

Test only; the program needs no Python. Set up and run:

    python3 -m venv venv && venv/bin/pip install tensorboard
    venv/bin/python tests/check_live.py target/release/workbench CARD SCRATCH

One TensorBoard reads with its data server, one with Python. The sweep is stopped in its middle and goes on, so that runs have two
attempts, and the follower is stopped and started again. At every look each step is there once. Exit code 0 when both show every
scalar of the CSV at its run and step in the end, and nothing else.
"""

import csv
import io
import json
import math
import signal
import struct
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

PORTS = {"data server": ("true", 16006), "Python": ("false", 16007)}
TAGS = ("loss", "grad_norm")


def as_f32(value):
    return struct.unpack("f", struct.pack("f", value))[0]


def get(port, path, **query):
    url = f"http://localhost:{port}/{path}?{urllib.parse.urlencode(query)}"
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return json.load(answer)
    except (OSError, ValueError):
        return None


def shown(port):
    """{(run, tag): {step: value}} as one TensorBoard answers; the same step twice is a failure."""
    found = {}
    for run, tags in (get(port, "data/plugin/scalars/tags") or {}).items():
        for tag in TAGS:
            if tag in tags:
                points = get(port, "data/plugin/scalars/scalars", run=run, tag=tag) or []
                steps = [step for _, step, _ in points]
                assert len(steps) == len(set(steps)), (port, run, tag, "a step twice", steps)
                found[run, tag] = {step: float(value) for _, step, value in points}
    return found


def wanted(workbench, sweep):
    text = subprocess.run(
        [workbench, "export", sweep, "--format", "csv"], check=True, capture_output=True, text=True
    ).stdout
    found = {}
    for row in csv.DictReader(io.StringIO(text)):
        for tag in TAGS:
            if row[tag]:
                found.setdefault((row["run"], tag), {})[int(row["step"])] = as_f32(float(row[tag]))
    return found


def same(a, b):
    number = all(a[step] == b[step] or (math.isnan(a[step]) and math.isnan(b[step])) for step in a.keys() & b.keys())
    return a.keys() == b.keys() and number


def main():
    workbench, card, scratch = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    scratch.mkdir()
    sweep, out = str(scratch / "sweep"), str(scratch / "tb")
    follow = [workbench, "export", sweep, "--format", "tensorboard", "--out", out, "--follow"]
    train = [workbench, "sweep", "run", card, "--out", sweep]
    boards, looks = [], 0
    follower = subprocess.Popen(follow)
    try:
        for fast, port in PORTS.values():
            program = str(Path(sys.executable).parent / "tensorboard")
            keep = ["--samples_per_plugin", "scalars=100000", "--reload_interval", "1", "--load_fast", fast]
            boards.append(subprocess.Popen([program, "--logdir", out, "--port", str(port), *keep]))
        for rounds in range(3):
            training = subprocess.Popen(train)
            while training.poll() is None:
                for _, port in PORTS.values():
                    looks += bool(shown(port))
                time.sleep(1)
                # The first two rounds are cut short; a run goes on from its last checkpoint.
                if rounds < 2 and any(steps and max(steps) > 25 for steps in shown(PORTS["Python"][1]).values()):
                    training.send_signal(signal.SIGKILL if rounds == 0 else signal.SIGINT)
                    training.wait()
            if rounds == 1:
                follower.send_signal(signal.SIGINT)
                assert follower.wait(60) == 0, "stopped"
                follower = subprocess.Popen(follow)
        assert follower.wait(60) == 0, "it ends with the sweep"
        expected = wanted(workbench, sweep)
        for name, (_, port) in PORTS.items():
            end = time.time() + 60
            while (found := shown(port)).keys() != expected.keys() or not all(
                same(found[key], expected[key]) for key in expected
            ):
                assert time.time() < end, (name, found.keys() ^ expected.keys())
                time.sleep(1)
            points = sum(len(steps) for steps in found.values())
            print(f"TensorBoard ({name}) shows {points} points of {len(found)} series, each once, all equal")
        print(f"looked {looks} times while it trained")
    finally:
        for process in [follower, *boards]:
            process.kill()


if __name__ == "__main__":
    main()
