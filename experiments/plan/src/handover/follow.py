#!/usr/bin/env python3
"""Turns a trainer's TensorBoard event files into a run directory that `workbench` reads live.

    python3 monitor/follow.py              follow until interrupted
    python3 monitor/follow.py --once       what is there now, then stop
    workbench monitor monitor/run          curves, alarms (spikes, NaN, falling loss scale)

Standard library only. Every event file is one attempt (a trainer starts one at every start), so
steps that were trained again replace the earlier ones. tags.json says which tag is which signal.
"""

import argparse
import json
import math
import pathlib
import struct
import sys
import time
import zlib

HERE = pathlib.Path(__file__).resolve().parent


def fields(data):
    """(number, value) of a protocol-buffer message; numbers of 4 and 8 bytes stay bytes."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = varint()
        kind = key & 7
        if kind == 0:
            yield key >> 3, varint()
            continue
        length = {1: 8, 5: 4}.get(kind)
        if length is None:
            length = varint()
        yield key >> 3, data[at : at + length]
        at += length


def scalars(event):
    """(step, [(tag, value)]) of a `tensorflow.Event`."""
    step, found = 0, []
    for number, value in fields(event):
        if number == 2:
            step = value
        elif number == 5:
            for _, entry in fields(value):
                parts = dict(fields(entry))
                if 1 in parts and 2 in parts:
                    found.append((parts[1].decode(), struct.unpack("<f", parts[2])[0]))
    return step, found


def line(step, values):
    """One sealed line of metrics; JSON has no NaN, so such numbers are null and named."""
    odd = {k: str(v) for k, v in values.items() if not math.isfinite(v)}
    record = {"step": step, **{k: None if k in odd else v for k, v in sorted(values.items())}}
    if odd:
        record["nonfinite"] = odd
    body = json.dumps(record, separators=(",", ":"))[:-1].encode()
    return body + b',"crc":"%08x"}\n' % zlib.crc32(body)


class Attempt:
    """One event file and the metrics file made from it."""

    def __init__(self, events, metrics, tags):
        self.events, self.metrics, self.tags = events, metrics, tags
        self.at, self.step, self.values, self.scale = 0, None, {}, None
        metrics.write_bytes(b"")

    def read(self):
        """Takes what is complete; the rest of a growing file is read next time."""
        with self.events.open("rb") as file:
            file.seek(self.at)
            data = file.read()
        at, lines = 0, []
        while at + 12 <= len(data):
            (length,) = struct.unpack_from("<Q", data, at)
            if at + 16 + length > len(data):
                break
            lines += self.take(data[at + 12 : at + 12 + length])
            at += 16 + length
        self.at += at
        self.write(lines)

    def take(self, event):
        step, found = scalars(event)
        known = [(self.tags[tag], value) for tag, value in found if tag in self.tags]
        if not known:
            return []
        done = self.finish() if step != self.step else []
        self.step = step
        self.values.update(known)
        return done

    def finish(self):
        """The line of the step whose values are all in."""
        if self.step is None or not self.values:
            return []
        values, self.values = self.values, {}
        # The trainer does not report skipped steps: in FP16 the norm is not finite there, or the
        # scale has fallen.
        scale = values.get("loss_scale")
        if scale is not None:
            fell = self.scale is not None and scale < self.scale
            norm = values.get("grad_norm", 0.0)
            values["skipped"] = float(fell or not math.isfinite(norm))
            self.scale = scale
        return [line(self.step, values)]

    def write(self, lines):
        if lines:
            with self.metrics.open("ab") as file:
                file.write(b"".join(lines))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tensorboard", type=pathlib.Path, help="folder of event files")
    parser.add_argument("--run", type=pathlib.Path, default=HERE / "run", help="run directory to write")
    parser.add_argument("--once", action="store_true")
    parser.add_argument("--seconds", type=float, default=10.0, help="between two looks")
    options = parser.parse_args()
    table = json.loads((HERE / "tags.json").read_text())
    folder = options.tensorboard or HERE.parent / table["tensorboard"]
    options.run.mkdir(parents=True, exist_ok=True)
    (options.run / "run.toml").write_text((HERE.parent / "config.toml").read_text())
    attempts = {}
    while True:
        files = sorted(folder.rglob("*tfevents*"), key=lambda path: (path.stat().st_mtime, path.name))
        for events in files:
            if events not in attempts:
                metrics = options.run / f"metrics-{len(attempts) + 1:04}.jsonl"
                attempts[events] = Attempt(events, metrics, table["signals"])
            attempts[events].read()
        if options.once:
            break
        time.sleep(options.seconds)
    for attempt in attempts.values():
        attempt.write(attempt.finish())
    if not attempts:
        sys.exit(f"no event files in {folder}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
