#!/usr/bin/env python3
"""Reads the exports of a sweep with the real pandas/pyarrow, TensorBoard and W&B and compares them with its CSV.

Test only; the program needs no Python. Set up and run:

    python3 -m venv venv && venv/bin/pip install pyarrow tensorboard 'wandb<0.22'
    cargo run --release -p workbench-export --example export -- SWEEP OUT
    venv/bin/python tests/check_exports.py OUT

Exit code 0 when every scalar of the CSV is in all three at its run and step, with axis values, seed and outcome. Newer versions of
`wandb` read offline runs with a program of their own, hence the bound.
"""

import csv
import json
import math
import struct
import sys
from pathlib import Path

OF_RUN = ("run", "arm", "seed", "outcome")


def as_f32(value):
    """TensorBoard stores 32-bit numbers; beyond their range is infinity."""
    try:
        return struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


def same(a, b):
    return a == b or (math.isnan(a) and math.isnan(b))


def from_csv(path):
    """Rows of the CSV, and the names of axes and of signals."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = list(rows[0])
    place = names.index("step")
    return rows, names[len(OF_RUN) : place], names[place + 1 :]


def check_parquet(path, rows, axes, signals):
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(path)
    assert table.num_rows == len(rows), (table.num_rows, len(rows))
    assert table.column_names == [*OF_RUN, *axes, "step", *signals]
    for name in signals:
        for row, found in zip(rows, table[name].to_pylist(), strict=True):
            wanted = float(row[name]) if row[name] else None
            assert (found is None) == (wanted is None), (name, row)
            assert found is None or same(found, wanted), (name, found, wanted)
    for name in ("run", "arm", "outcome"):
        assert table[name].to_pylist() == [row[name] for row in rows], name
    assert [str(seed) for seed in table["seed"].to_pylist()] == [row["seed"] for row in rows]
    assert [str(step) for step in table["step"].to_pylist()] == [row["step"] for row in rows]


def check_tensorboard(folder, rows, axes, signals):
    from tensorboard.backend.event_processing import event_accumulator
    from tensorboard.plugins.hparams import metadata

    keep_all = {event_accumulator.SCALARS: 0}
    for run in sorted({row["run"] for row in rows}):
        accumulator = event_accumulator.EventAccumulator(str(folder / run), size_guidance=keep_all)
        accumulator.Reload()
        own = [row for row in rows if row["run"] == run]
        for name in signals:
            wanted = {int(row["step"]): as_f32(float(row[name])) for row in own if row[name]}
            if not wanted:
                continue
            found = {e.step: e.value for e in accumulator.Scalars(name)}
            assert found.keys() == wanted.keys(), (run, name)
            assert all(same(found[step], wanted[step]) for step in wanted), (run, name)
        content = accumulator.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
        session = metadata.parse_session_start_info_plugin_data(content)
        assert session.group_name == own[0]["arm"]
        assert session.hparams["outcome"].string_value == own[0]["outcome"]
        for axis in axes:
            value = session.hparams[axis]
            kind = value.WhichOneof("kind")
            found = getattr(value, kind)
            wanted = float(own[0][axis]) if kind == "number_value" else own[0][axis]
            assert found == wanted, (run, axis, found, wanted)
    accumulator = event_accumulator.EventAccumulator(str(folder))
    accumulator.Reload()
    content = accumulator.SummaryMetadata(metadata.EXPERIMENT_TAG).plugin_data.content
    experiment = metadata.parse_experiment_plugin_data(content)
    assert {info.name for info in experiment.hparam_infos} == {*axes, "seed", "outcome"}


def wandb_records(path):
    from wandb.proto import wandb_internal_pb2
    from wandb.sdk.internal.datastore import DataStore

    store = DataStore()
    store.open_for_scan(str(path))
    while (data := store.scan_data()) is not None:
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        yield record


def check_wandb(folder, rows, axes, signals):
    files = sorted(folder.glob("offline-run-*/run-*.wandb"))
    assert len(files) == len({row["run"] for row in rows})
    for path in files:
        records = list(wandb_records(path))
        kinds = [record.WhichOneof("record_type") for record in records]
        assert kinds[:2] == ["header", "run"] and kinds[-1] == "exit", kinds[:3]
        run = next(record.run for record in records if record.HasField("run"))
        own = {int(row["step"]): row for row in rows if row["run"] == run.display_name}
        config = {item.key: json.loads(item.value_json) for item in run.config.update}
        first = next(iter(own.values()))
        assert config["outcome"] == first["outcome"] and str(config["seed"]) == first["seed"]
        assert all(str(config[axis]) == first[axis] or config[axis] == float(first[axis]) for axis in axes)
        assert run.run_group == first["arm"]
        history = [record.history for record in records if record.HasField("history")]
        assert [entry.step.num for entry in history] == list(own)
        for entry in history:
            row = own[entry.step.num]
            found = {item.nested_key[0] or item.key: json.loads(item.value_json) for item in entry.item}
            for name in signals:
                assert (name in found) == bool(row[name]), (name, row)
                assert not row[name] or same(found[name], float(row[name])), (name, row[name], found[name])


def main():
    out = Path(sys.argv[1])
    rows, axes, signals = from_csv(out / "long.csv")
    check_parquet(out / "long.parquet", rows, axes, signals)
    check_tensorboard(out / "tb", rows, axes, signals)
    check_wandb(out / "wandb", rows, axes, signals)
    print(f"{len(rows)} rows of {len(signals)} signals agree in Parquet, TensorBoard and W&B")


if __name__ == "__main__":
    main()
