#!/usr/bin/env python3
"""Writes golden.json: what NumPy makes of the matrices of golden.rs (`python3 golden.py`; needs numpy).

Absmax follows GLM-130B's own layers on FP16 tensors: an FP16 matrix divided by an FP16 scale is FP16, and then rounded. The
other rules are written once more from the formulas in their papers, GPTQ with LAPACK's Cholesky factors. What tensor-parallel
ranks do is done with the parts of a matrix, one by one.
"""

import hashlib
import itertools
import json
from pathlib import Path

import numpy as np

ROWS, COLUMNS, INPUTS = 6, 128, 200
# Tensor-parallel, that share the columns.
RANKS = [1, 2, 4]
SHARINGS = ["row", "column", "tensor", "group-32", "group-64", "group-128"]


class Draws:
    """Uniform in [-1, 1), of 24 bits."""

    def __init__(self, seed: int) -> None:
        self.state = seed

    def take(self, count: int) -> np.ndarray:
        drawn = []
        for _ in range(count):
            self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
            drawn.append((self.state >> 40) / 2**23 - 1)
        return np.array(drawn, dtype=np.float32)


def matrices() -> dict[str, np.ndarray]:
    uniform = Draws(1).take(ROWS * COLUMNS) * np.float32(0.25)
    outliers = Draws(2).take(ROWS * COLUMNS) * np.float32(0.02)
    outliers[::37] *= np.float32(40)
    offset = np.float32(1) + Draws(3).take(ROWS * COLUMNS) * np.float32(0.004)
    tiny = (Draws(4).take(ROWS * COLUMNS) * np.float32(2**-20)).reshape(ROWS, COLUMNS)
    tiny[2] = 0
    tiny[3] = 0.5
    named = {"uniform": uniform, "outliers": outliers, "offset": offset, "tiny": tiny}
    return {name: matrix.reshape(ROWS, COLUMNS).astype(np.float16) for name, matrix in named.items()}


def blocks(sharing: str, columns: int) -> list[tuple[slice, slice]]:
    height, width = {"row": (1, columns), "column": (ROWS, 1), "tensor": (ROWS, columns)}.get(
        sharing, (1, int(sharing.split("-")[-1]) if "-" in sharing else 0)
    )
    return [
        (slice(row, row + height), slice(column, column + width))
        for row in range(0, ROWS, height)
        for column in range(0, columns, width)
    ]


def symmetric(weights: np.ndarray, scale: np.float16, largest: int) -> np.ndarray:
    if scale == 0:
        return np.zeros(weights.shape, dtype=np.int64)
    return np.rint(weights / scale).astype(np.int64).clip(-largest, largest)


def held_up(scale: np.float16, weights: np.ndarray) -> np.float16:
    """No scale of what is not all zero is 0."""
    return max(scale, np.float16(2**-24)) if weights.any() else scale


def worth(steps: np.ndarray, scale: np.float16) -> np.ndarray:
    return (steps.astype(np.float32) * np.float32(scale)).astype(np.float16)


def absmax(weights: np.ndarray, largest: int) -> tuple[np.ndarray, np.float16, int | None]:
    scale = held_up(np.abs(weights).max() / np.float16(largest), weights)
    return symmetric(weights, scale, largest), scale, None


def clipped(weights: np.ndarray, largest: int) -> tuple[np.ndarray, np.float16, int | None]:
    most = np.abs(weights).max().astype(np.float32)
    best = None
    for percent in range(100, 49, -1):
        narrower = np.float32(most * np.float32(percent)) / np.float32(100)
        scale = held_up(np.float16(narrower / np.float32(largest)), weights)
        codes = symmetric(weights, scale, largest)
        error = 0.0
        for code, weight in zip(codes.flat, weights.flat, strict=True):
            error += (float(worth(code, scale)) - float(weight)) ** 2
        if best is None or error < best[0]:
            best = (error, codes, scale)
    return best[1], best[2], None


def zero_point(weights: np.ndarray, largest: int) -> tuple[np.ndarray, np.float16, int | None]:
    least, most = np.float32(weights.min()), np.float32(weights.max())
    scale = max(np.float16((most - least) / np.float32(2 * largest)), np.float16(2**-24))
    if most == least:
        return np.zeros(weights.shape, dtype=np.int64), np.float16(least), int(least != 0)
    zero = int(np.rint(least / np.float32(scale))) + largest
    codes = np.rint(weights.astype(np.float32) / np.float32(scale)).astype(np.int64) - zero
    return codes.clip(-largest, largest), scale, zero


RULES = {"absmax": absmax, "zero-point": zero_point, "clipped": clipped}


def gptq(weights: np.ndarray, width: int, largest: int) -> tuple[np.ndarray, list, np.ndarray]:
    inputs = Draws(5).take(INPUTS * COLUMNS).reshape(INPUTS, COLUMNS).astype(np.float64)
    # Neighbours belong together, so that one can make up for another.
    inputs[:, 1:] += inputs[:, :-1]
    inputs = inputs.astype(np.float32).astype(np.float64)
    products = inputs.T @ inputs
    products += 0.01 * np.mean(np.diag(products)) * np.eye(COLUMNS)
    upper = np.linalg.cholesky(np.linalg.inv(products)).T
    left = weights.astype(np.float64)
    codes = np.zeros(weights.shape, dtype=np.int64)
    values = np.zeros(weights.shape, dtype=np.float16)
    scales = []
    for row in range(ROWS):
        for i in range(COLUMNS):
            if i % width == 0:
                scale = absmax(left[row, i : i + width].astype(np.float16), largest)[1]
                scales.append(scale)
            codes[row, i] = symmetric(left[row, i : i + 1].astype(np.float16), scale, largest)[0]
            values[row, i] = worth(codes[row, i], scale)
            error = (left[row, i] - float(values[row, i])) / upper[i, i]
            left[row, i + 1 :] -= error * upper[i, i + 1 :]
    return codes, scales, values


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()


def entry(codes: np.ndarray, scales: list, zeros: list, values: np.ndarray) -> dict:
    return {
        "codes": digest(codes.astype(np.int8)),
        "scales": digest(np.array(scales, dtype=np.float16)),
        "zeros": None if None in zeros else digest(np.array(zeros, dtype=np.int32)),
        "values": digest(values),
    }


def of_rule(
    weights: np.ndarray, rule: str, sharing: str, largest: int
) -> tuple[np.ndarray, np.ndarray, list, np.ndarray]:
    """Codes, scales and zero points as a grid of blocks, values."""
    codes, values = np.zeros(weights.shape, dtype=np.int64), np.zeros(weights.shape, dtype=np.float16)
    scales, zeros = [], []
    own = blocks(sharing, weights.shape[1])
    for block in own:
        codes[block], scale, zero = RULES[rule](weights[block], largest)
        values[block] = worth(codes[block] + (zero or 0), scale)
        scales.append(scale)
        zeros.append(zero)
    down = len({block[0].start for block in own})
    return codes, np.array(scales).reshape(down, -1), np.array(zeros).reshape(down, -1), values


def made(weights: np.ndarray, rule: str, sharing: str, largest: int, ranks: int) -> dict:
    """Each rank quantizes its columns as a matrix of its own; GPTQ sees the whole, and a rank's columns as a group."""
    if rule == "gptq":
        width = COLUMNS // ranks if sharing == "row" else int(sharing.split("-")[1])
        codes, scales, values = gptq(weights, width, largest)
        return entry(codes, scales, [None], values)
    shards = [of_rule(shard, rule, sharing, largest) for shard in np.hsplit(weights, ranks)]
    codes, scales, zeros, values = (np.hstack(parts) for parts in zip(*shards, strict=True))
    return entry(codes, list(scales.flat), list(zeros.flat), values)


def is_whole(sharing: str, ranks: int) -> bool:
    """Whether no rank cuts a group."""
    return "-" not in sharing or COLUMNS // ranks % int(sharing.split("-")[1]) == 0


def main() -> None:
    golden = {}
    sizes = itertools.product(matrices().items(), (4, 8), SHARINGS, RANKS)
    for (name, weights), bits, sharing, ranks in sizes:
        if not is_whole(sharing, ranks):
            continue
        rules = [*RULES, *(["gptq"] if sharing not in ("column", "tensor") else [])]
        for rule in rules:
            key = f"{name}/{bits}/{rule}-{sharing}" + (f"/{ranks} ranks" if ranks > 1 else "")
            golden[key] = made(weights, rule, sharing, 2 ** (bits - 1) - 1, ranks)
    Path(__file__).with_name("golden.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
