"""Times the workbench against its peers and writes `results.json`: see README.md.

python bench/run.py                        # everything
python bench/run.py --cases t0 --rounds 3 --peers pytorch,jax
python bench/run.py --table                # only print what the file holds
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from make_problem import Maker, flags, settings
from table import print_table

HERE = Path(__file__).resolve().parent
CASES = ["t0", "t-deep", "t-deep-48", "t1", "r256", "t2"]
PRECISIONS = ["fp32", "fp16_emulated"]
# Name of a peer in results → script, mode, and whether its float16 is native.
PEERS = {
    "pytorch": ("pytorch_peer.py", "eager", False),
    "pytorch-compile": ("pytorch_peer.py", "compile", False),
    "pytorch-native": ("pytorch_peer.py", "eager", True),
    "jax": ("jax_peer.py", "jit", False),
}
SKIP = 3  # first steps of a process, not timed: those whose losses are checked
SECONDS = 3.0  # what a process should time
FEWEST, MOST = 3, 200  # timed steps of a process
# Without float16 arithmetic in the processor this one takes 10 to 20 times as long. Where it takes
# more than SLOW times the fastest contender's step it is named and takes no part in the rounds.
MAY_BE_SLOW, SLOW = {"pytorch-native"}, 5.0
LIMIT = 1800  # seconds until a process is given up


@dataclass
class Measured:
    """One process."""

    step_seconds: float  # median of the timed steps
    cpu_seconds_per_step: float
    peak_memory: int  # bytes
    cuda_library_memory: int  # bytes of it that only a CUDA build has

    def tokens_per_second(self, tokens: int) -> float:
        return tokens / self.step_seconds


class Failed(Exception):
    """A process that ended with an error; the text is its last line."""


def environment(threads: int, cache: Path) -> dict[str, str]:
    """What tells every program how many threads it has, and where compilers keep their work."""
    count = str(threads)
    one = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
    return (
        os.environ
        | dict.fromkeys(names, count)
        | {
            "XLA_FLAGS": one if threads == 1 else "",
            "TORCHINDUCTOR_CACHE_DIR": str(cache / "inductor"),
            "JAX_COMPILATION_CACHE_DIR": str(cache / "jax"),
        }
    )


def resident_peak(pid: int) -> int:
    """Largest resident size of a program so far, in bytes; 0 when it has ended.

    `ru_maxrss` would hold the size of this process too: a child has it until it starts its program.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    lines = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(lines[0].split()[1]) * 1024 if lines else 0


def call(command: list[str], cpus: set[int], cache: Path) -> tuple[str, float, int]:
    """Runs a program on some CPUs; returns its output, CPU seconds and peak memory in bytes."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        child = subprocess.Popen(
            command,
            stdout=out,
            stderr=err,
            env=environment(len(cpus), cache),
            preexec_fn=lambda: os.sched_setaffinity(0, cpus),
        )
        deadline = time.monotonic() + LIMIT
        memory = 0
        while True:
            memory = max(memory, resident_peak(child.pid))
            # Not `child.wait`, because only `wait4` tells what this one process has used.
            pid, status, usage = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > deadline:
                child.kill()
            time.sleep(0.02)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if child.returncode:
            lines = err.read().strip().splitlines() or [f"exit code {child.returncode}"]
            raise Failed(lines[-1])
        return out.read(), usage.ru_utime + usage.ru_stime, memory


class Workbench:
    """The workbench in one precision, as a contender."""

    peer = "workbench"

    def __init__(self, program: Path, case: Path, precision: str, cpus: set[int], cache: Path):
        self.program, self.case, self.precision, self.cpus, self.cache = program, case, precision, cpus, cache
        # CPU seconds of a process of one step: what it does beside the steps.
        self.overhead = min(self.train(1)[1] for _ in range(2))

    def train(self, steps: int) -> tuple[list[float], float, int]:
        """Seconds of each step, CPU seconds of the process, peak memory."""
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / "run"
            sets = flags([*settings(self.precision), f"steps={steps}"])
            command = [str(self.program), "train", str(self.case), "--out", str(run), *sets]
            _, cpu, memory = call(command, self.cpus, self.cache)
            records = [json.loads(line) for line in (run / "metrics-0001.jsonl").open()]
        if any(record["skipped"] for record in records):
            raise Failed("a step was skipped")
        return [record["step_seconds"] for record in records], cpu, memory

    def measure(self, steps: int) -> Measured:
        seconds, cpu, memory = self.train(steps)
        return Measured(statistics.median(seconds[SKIP:]), (cpu - self.overhead) / (steps - 1), memory, 0)


class Peer:
    """A peer in one precision, as a contender."""

    def __init__(self, peer: str, precision: str, problem: Path, cpus: set[int], cache: Path):
        script, mode, native = PEERS[peer]
        self.peer, self.precision, self.cpus, self.cache = peer, precision, cpus, cache
        precision = "fp16_native" if native else precision
        self.command = [sys.executable, str(HERE / script), str(problem), "--mode", mode, "--precision", precision]
        self.command += ["--threads", str(len(cpus)), "--skip", str(SKIP)]

    def measure(self, steps: int) -> Measured:
        out, _, memory = call([*self.command, "--steps", str(steps)], self.cpus, self.cache)
        report = json.loads(out.splitlines()[-1])
        seconds = statistics.median(report["step_seconds"])
        return Measured(seconds, report["cpu_seconds_per_step"], memory, report["cuda_library_memory"])


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


class Results:
    """The results file; a new measurement replaces the one with the same key."""

    KEY = ("case", "precision", "threads", "peer")

    def __init__(self, path: Path):
        self.path = path
        self.content = json.loads(path.read_text()) if path.exists() else {}

    def put(self, kind: str, record: dict) -> None:
        key = lambda r: [r.get(part) for part in self.KEY]
        for name in (kind, "left_out"):  # what failed once counts no more when it succeeds
            self.content[name] = [r for r in self.content.get(name, []) if key(r) != key(record)]
        self.content[kind].append(record)

    def write(self) -> None:
        partial = self.path.with_suffix(".partial")
        partial.write_text(json.dumps(self.content, indent=1) + "\n")
        partial.replace(self.path)


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release().split('-')[0]}"


def versions(program: Path) -> dict[str, str]:
    # The package's version does not tell the build.
    build = subprocess.run(
        [sys.executable, "-c", "import torch; print(torch.__version__)"], check=False, capture_output=True, text=True
    )
    name = subprocess.run([program, "--version"], check=False, capture_output=True, text=True).stdout.strip()
    found = {"workbench": name, "python": platform.python_version(), "torch": build.stdout.strip()}
    return found | {package: version(package) for package in ("jax", "jaxlib", "numpy")}


@dataclass
class Block:
    """All contenders of one case with one number of threads; they run in the same rounds."""

    case: str
    contenders: list
    steps: dict[int, int]  # by place among the contenders

    def round(self, number: int, fail) -> list[Measured | None]:
        """One process of each contender. Every round starts with another one, so none is always first."""
        results: list = [None] * len(self.contenders)
        for i in range(len(self.contenders)):
            place = (i + number) % len(self.contenders)
            try:
                results[place] = self.contenders[place].measure(self.steps[place])
            except Failed as error:
                fail(self.contenders[place], str(error))
        return results


def prepare(case: str, contenders: list, fail) -> Block:
    """Runs every contender once, which fills the compilers' caches and tells how long a step takes."""
    seconds = {}
    for contender in contenders:
        try:
            seconds[contender] = contender.measure(SKIP + 2).step_seconds
        except Failed as error:
            fail(contender, str(error))
    able, steps, fastest = [], {}, min(seconds.values())
    for contender, each in seconds.items():
        if contender.peer in MAY_BE_SLOW and each > SLOW * fastest:
            fail(contender, f"takes {each:.3g} s for a step, {each / fastest:.0f} times the fastest", broken=False)
        else:
            steps[len(able)] = SKIP + min(MOST, max(FEWEST, round(SECONDS / each)))
            able.append(contender)
    return Block(case, able, steps)


def record_block(
    block: Block, rounds: list[list[Measured | None]], tokens: int, common: dict, results: Results
) -> None:
    """Compares every peer with the workbench in the same precision, and the workbench with itself."""
    columns = [[measured[i] for measured in rounds] for i in range(len(block.contenders))]
    whole = [None not in column for column in columns]
    own = {c.precision: columns[i] for i, c in enumerate(block.contenders) if whole[i] and c.peer == "workbench"}
    median = lambda column, value: statistics.median(value(measured) for measured in column)
    speed = lambda measured: measured.tokens_per_second(tokens)
    for i, contender in enumerate(block.contenders):
        if contender.peer == "workbench" or not whole[i] or contender.precision not in own:
            continue
        ours, theirs = own[contender.precision], columns[i]
        record = {"case": block.case, "precision": contender.precision, "threads": len(contender.cpus)}
        record |= {"peer": contender.peer}
        for name, column in (("workbench", ours), ("peer", theirs)):
            record[f"{name}_tokens_per_second"] = median(column, speed)
            record[f"{name}_cpu_seconds_per_step"] = median(column, lambda m: m.cpu_seconds_per_step)
            record[f"{name}_peak_memory"] = median(column, lambda m: m.peak_memory)
        record["peer_cuda_library_memory"] = median(theirs, lambda m: m.cuda_library_memory)
        record["ratio"] = spread([speed(a) / speed(b) for a, b in zip(ours, theirs, strict=True)])
        record["peer_steps"] = block.steps[i]
        results.put("results", record | common | {"rounds": len(rounds)})
    if len(own) == 2:
        ratios = [h.step_seconds / f.step_seconds for h, f in zip(own["fp16_emulated"], own["fp32"], strict=True)]
        record = {"case": block.case, "threads": len(block.contenders[0].cpus), "fp16_over_fp32": spread(ratios)}
        results.put("own", record | common | {"rounds": len(rounds)})


def words(text: str) -> list[str]:
    return text.split(",")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Times the workbench against its peers.")
    parser.add_argument("--cases", type=words, default=CASES)
    parser.add_argument("--precisions", type=words, default=PRECISIONS)
    parser.add_argument("--threads", type=words, default=["1", "2"])
    parser.add_argument("--peers", type=words, default=list(PEERS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workbench", type=Path, default=HERE.parent / "target/release/workbench")
    parser.add_argument("--output", type=Path, default=HERE / "results.json")
    parser.add_argument("--cache", type=Path, default=HERE.parent / "target/bench", help="what compilers keep")
    parser.add_argument("--table", action="store_true", help="only print the table of the results file")
    options = parser.parse_args()
    for given, known in ((options.cases, CASES), (options.precisions, PRECISIONS), (options.peers, PEERS)):
        if unknown := set(given) - set(known):
            parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return options


def contenders(options, case: Path, problems: dict[str, Path], cpus: set[int]) -> list:
    """Everyone who takes part in a case; the workbench comes with FP32 too where FP16 is asked for."""
    precisions = [p for p in PRECISIONS if p in options.precisions or p == "fp32"]
    found: list = [Workbench(options.workbench, case, precision, cpus, options.cache) for precision in precisions]
    for precision in options.precisions:
        for peer in options.peers:
            native = PEERS[peer][2]
            if not (native and precision == "fp32"):
                found.append(Peer(peer, precision, problems[precision], cpus, options.cache))
    return found


def main() -> None:
    options = arguments()
    results = Results(options.output)
    if options.table:
        print_table(results.content)
        return
    options.workbench = options.workbench.resolve()
    options.cache.mkdir(parents=True, exist_ok=True)
    common = {"machine": machine(), "versions": versions(options.workbench), "date": time.strftime("%Y-%m-%d")}
    allowed = sorted(os.sched_getaffinity(0))
    blocks = [(case, int(threads)) for case in options.cases for threads in options.threads]
    failures, began = [], time.monotonic()

    with tempfile.TemporaryDirectory() as folder:
        maker = Maker(options.workbench, Path(folder))
        problems: dict[str, dict[str, Path]] = {}
        for done, (case, threads) in enumerate(blocks):
            if len(allowed) < threads:
                sys.exit(f"{threads} threads need as many CPUs; this process may use {len(allowed)}")
            path = HERE / "cases" / f"{case}.toml"
            say(f"{case}, {threads} threads: preparing")
            if case not in problems:
                problems[case] = maker.problems(path)
            config = maker.config(path, "fp32")
            tokens = config["batch"]["micro_batch"] * config["model"]["seq_len"]

            def fail(contender, why: str, broken: bool = True) -> None:
                record = {"case": case, "precision": contender.precision, "threads": threads, "peer": contender.peer}
                say(f"left out: {', '.join(map(str, record.values()))}: {why}")
                results.put("left_out", record | common | {"why": why})
                if broken:
                    failures.append(record)

            everyone = contenders(options, path, problems[case], set(allowed[:threads]))
            block = prepare(case, everyone, fail)
            rounds = []
            for number in range(options.rounds):
                rounds.append(block.round(number, fail))
                share = (done + (number + 1) / options.rounds) / len(blocks)
                left = (time.monotonic() - began) * (1 - share) / share
                say(f"{case}, {threads} threads: round {number + 1}/{options.rounds}, about {left / 60:.0f} min left")
            record_block(block, rounds, tokens, common, results)
            results.write()
    print_table(results.content)
    sys.exit(1 if failures else 0)


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
