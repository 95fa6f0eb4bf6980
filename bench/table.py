"""Prints a results file as a table, and which of the bars hold."""

# Least speed relative to the fastest peer, by precision and case.
SPEED = {
    "fp32": {"t0": 1.3, "t-deep": 1.3, "t-deep-48": 1.3, "t1": 1.15, "r256": 1.1, "t2": 1.0},
    "fp16_emulated": {"t0": 1.3, "t-deep": 1.3, "t-deep-48": 1.3, "t1": 1.1, "r256": 1.1, "t2": 1.0},
}
# Largest time of an emulated FP16 step over an FP32 step of the workbench.
HALF_OVER_FULL = 1.15
# Largest peak memory over eager PyTorch's.
MEMORY = {"t0": 1 / 4, "t-deep": 1 / 4, "t-deep-48": 1 / 4, "t1": 1 / 2, "t2": 1.0}
# Least runs per hour relative to the best set-up of the peer.
SWEEP = 2.0

COLUMNS = ["case", "precision", "threads", "peer", "tokens/s: ours", "theirs", "ratio (min to max)"]
COLUMNS += ["CPU ms/step: ours", "theirs", "peak MB: ours", "theirs", "without CUDA"]


def print_table(content: dict) -> None:
    records = sorted(content.get("results", []), key=order)
    if records:
        print_rows([COLUMNS, *(row(record) for record in records)])
        print()
    for line in bars(content):
        print(line)
    for r in content.get("left_out", []):
        print(f"left out  {r['case']}, {r['precision']}, {r['threads']} threads, {r['peer']}: {r['why']}")
    sweep = content.get("sweep")
    if sweep:
        print_sweep(sweep)


def order(record: dict) -> tuple:
    cases = list(SPEED["fp32"])
    return cases.index(record["case"]), record["precision"] != "fp32", record["threads"]


def row(r: dict) -> list[str]:
    megabytes = lambda count: f"{count / 1e6:.0f}"
    milliseconds = lambda seconds: f"{seconds * 1e3:.1f}"
    return [
        r["case"],
        r["precision"],
        str(r["threads"]),
        r["peer"],
        f"{r['workbench_tokens_per_second']:.0f}",
        f"{r['peer_tokens_per_second']:.0f}",
        f"{r['ratio']['median']:.2f} ({r['ratio']['min']:.2f} to {r['ratio']['max']:.2f})",
        milliseconds(r["workbench_cpu_seconds_per_step"]),
        milliseconds(r["peer_cpu_seconds_per_step"]),
        megabytes(r["workbench_peak_memory"]),
        megabytes(r["peer_peak_memory"]),
        megabytes(without_cuda(r)),
    ]


def without_cuda(record: dict) -> float:
    return record["peer_peak_memory"] - record["peer_cuda_library_memory"]


def print_rows(rows: list[list[str]]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for number, row in enumerate(rows):
        cells = (
            cell.ljust(w) if i < 4 and i != 2 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join(cells))
        if number == 0:
            print("  ".join("-" * w for w in widths))


def bar(holds: bool, text: str) -> str:
    return f"{'holds ' if holds else 'MISSED'}  {text}"


def bars(content: dict) -> list[str]:
    """One line for each bar that the results speak of."""
    lines = []
    groups: dict[tuple, list[dict]] = {}
    for record in sorted(content.get("results", []), key=order):
        groups.setdefault((record["case"], record["precision"], record["threads"]), []).append(record)
    for (case, precision, threads), peers in groups.items():
        where = f"{case}, {precision}, {threads} thread{'s' if threads > 1 else ''}"
        # Native float16 does not round what the others round.
        rounding = [record for record in peers if record["peer"] != "pytorch-native"]
        if not rounding:
            continue
        # The fastest by its own speed: every ratio has its own rounds.
        fastest = max(rounding, key=lambda r: r["peer_tokens_per_second"])
        ratio, least = fastest["ratio"]["median"], SPEED[precision][case]
        lines.append(
            bar(ratio >= least, f"{where}: {ratio:.2f} × the fastest peer ({fastest['peer']}), at least {least}")
        )
        eager = next((r for r in peers if r["peer"] == "pytorch"), None)
        if eager and case in MEMORY:
            share = eager["workbench_peak_memory"] / without_cuda(eager)
            lines.append(
                bar(share <= MEMORY[case], f"{where}: {share:.2f} of PyTorch's peak memory, at most {MEMORY[case]:.2f}")
            )
    for record in content.get("own", []):
        ratio, threads = record["fp16_over_fp32"]["median"], record["threads"]
        where = f"{record['case']}, {threads} thread{'s' if threads > 1 else ''}"
        text = f"{where}: emulated FP16 takes {ratio:.2f} × the time of FP32, at most {HALF_OVER_FULL}"
        lines.append(bar(ratio <= HALF_OVER_FULL, text))
    return lines


def print_sweep(sweep: dict) -> None:
    print(f"\nsweep of {sweep['runs']} runs of {sweep['case']}, {sweep['steps']} steps, one process per core:")
    for name, hours in sweep["runs_per_hour"].items():
        print(f"  {name:34} {hours['median']:7.0f} runs per hour ({hours['min']:.0f} to {hours['max']:.0f})")
    ratio = sweep["ratio"]
    text = f"{ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f}) × the best peer set-up ({sweep['best_peer']})"
    print(bar(ratio["median"] >= SWEEP, f"{text}, at least {SWEEP}"))
