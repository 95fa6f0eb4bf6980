#!/usr/bin/env python3
"""PyTorch's own half-precision results on the CPU, operation by operation: `fp16_ops.py [FILE]`

Writes kernels/tests/golden/fp16-ops.safetensors, with which the Rust emulation (compute in FP32, round
once) is compared, then prints how often the same emulation in numpy differs. Values of 16 bits are stored
as their bits in U16, FP32 inputs of casts as bits in U32. All NaNs count as equal. Tensors:

    cast.input U32 [n], cast.f16 U16 [n], cast.bf16 U16 [n]
                        FP32 -> FP16 and BF16: hand-picked edges, then random bit patterns
    binary.a, binary.b, binary.add, binary.sub, binary.mul, binary.div   U16 [n]
    unary.sqrt, unary.exp, unary.erf, unary.tanh, unary.gelu             U16 [65536]
                        the input of element i is the FP16 number with bits i; gelu is the exact one
    softmax.I.input, softmax.I.output   U16 [rows, width]                over the last dimension
    layer_norm.I.input, .output U16 [rows, width], .weight, .bias F32 [width]   eps = 1e-5
    matmul.I.a [m, k], matmul.I.b [k, n], matmul.I.output [m, n]         U16
    sum.I.input U16 [rows, width], sum.I.output U16 [rows]               over the last dimension

Everything random comes from fixed seeds. The metadata names the PyTorch version, the CPU capability and the seed.

PyTorch's scalar kernels are used: its AVX2 kernel for FP16 erf is an approximation with a small absolute
error, off by up to 5 ulp below |x| = 0.56 and 0 below 2e-7 (pytorch/pytorch issue 198183 describes the same
for compiled code). ATEN_CPU_CAPABILITY=avx2 shows what the vectorised kernels give.
"""

import math
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

os.environ.setdefault("ATEN_CPU_CAPABILITY", "default")  # read when PyTorch is imported
import golden
import torch
from safetensors.numpy import save_file

SEED = 20_240_607
DEFAULT_FILE = Path(__file__).parents[2] / "kernels/tests/golden/fp16-ops.safetensors"
LAYER_NORM_EPS = 1e-5

RANDOM_CASTS = 20_000
PAIRS = 8_192
SOFTMAX_SHAPES = [(16, 7), (16, 64), (4, 257), (2, 1024)]
LAYER_NORM_SHAPES = [(16, 8), (16, 64), (8, 256), (2, 1024)]
MATMUL_SHAPES = [(3, 5, 7), (16, 16, 16), (24, 64, 48), (8, 256, 8), (4, 1024, 4), (1, 333, 9)]
SUM_SHAPES = [(32, 7), (16, 64), (8, 256), (4, 1024)]

Arrays = dict[str, np.ndarray]


# --- bits ------------------------------------------------------------------------------------


def to_half(bits: np.ndarray) -> torch.Tensor:
    """FP16 tensor with the given U16 bits."""
    return torch.from_numpy(bits.view(np.int16).copy()).view(torch.float16)


def bits_of(tensor: torch.Tensor) -> np.ndarray:
    """U16 bits of an FP16 or BF16 tensor."""
    return tensor.contiguous().view(torch.int16).numpy().view(np.uint16).copy()


def halves(bits: np.ndarray) -> np.ndarray:
    """The same numbers in float32."""
    return bits.view(np.float16).astype(np.float32)


def rounded(values: np.ndarray) -> np.ndarray:
    """float32 to the bits of float16: the one rounding of the emulation."""
    assert values.dtype == np.float32
    with np.errstate(over="ignore", invalid="ignore"):
        return values.astype(np.float16).view(np.uint16)


# --- inputs ----------------------------------------------------------------------------------


def cast_inputs(generator: np.random.Generator) -> np.ndarray:
    """FP32 bits [n]: edges of both formats, then random bit patterns, half of them in FP16's range."""
    picked = [0.0, math.inf, math.nan, 1.0, 65_504.0, 65_505.0, 65_519.0, 65_519.996, 65_520.0, 65_536.0]
    picked += [3.3895314e38, 3.3961775e38, 3.4028235e38, 1e-45, 1.1754944e-38, 1.1754942e-38, 2.0**-133, 2.0**-134]
    edges = [np.float32(p).view(np.uint32) for p in picked]
    edges += [half_tie(exponent, last) for exponent in range(-26, 17) for last in (0, 1, 2, 511, 1022, 1023)]
    edges += [
        np.uint32(exponent << 23 | last << 16 | 1 << 15) for exponent in range(0, 255, 6) for last in (0, 1, 126, 127)
    ]
    near = np.array([e + d for e in map(int, edges) for d in (-1, 0, 1) if 0 <= e + d <= 0x7FFF_FFFF], np.uint32)
    nan_payloads = np.array([0x7F80_0001, 0x7FBF_FFFF, 0x7FC0_0000, 0x7FC0_1234, 0x7FFF_FFFF], np.uint32)
    positive = np.concatenate([near, nan_payloads])
    anywhere = generator.integers(0, 2**32, RANDOM_CASTS // 2, dtype=np.uint32)
    in_range = (2.0 ** generator.uniform(-27, 17, RANDOM_CASTS // 2)).astype(np.float32).view(np.uint32)
    signs = generator.integers(0, 2, RANDOM_CASTS // 2, dtype=np.uint32) << 31
    return np.concatenate([positive, positive | np.uint32(1 << 31), anywhere, in_range | signs])


def half_tie(exponent: int, last: int) -> np.uint32:
    """FP32 bits of a number half way between two FP16 numbers (below 2^-14 the spacing is 2^-24)."""
    spacing = 2.0 ** (max(exponent, -14) - 10)
    start = 2.0**exponent if exponent >= -14 else 0.0
    return np.float32(start + (last + 0.5) * spacing).view(np.uint32)


def pair_inputs(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """FP16 bits [n] each: any pair of bit patterns, then pairs of similar size, then subnormals."""
    quarter = PAIRS // 4
    anything = lambda n: generator.integers(0, 2**16, n, dtype=np.uint16)
    a, b = anything(PAIRS), anything(PAIRS)
    close = slice(2 * quarter, 3 * quarter)
    b[close] = a[close] + generator.integers(-4096, 4096, quarter).astype(np.int16).view(np.uint16)
    small = slice(3 * quarter, 4 * quarter)
    b[small] = b[small] & np.uint16(0x83FF)  # subnormal or zero
    return a, b


def normal_bits(generator: np.random.Generator, shape: tuple[int, ...], scale: float = 1.0) -> np.ndarray:
    """FP16 bits of normal numbers."""
    return rounded((generator.standard_normal(shape) * scale).astype(np.float32))


# --- what PyTorch gives ------------------------------------------------------------------------


def casts(generator: np.random.Generator) -> Arrays:
    bits = cast_inputs(generator)
    values = torch.from_numpy(bits.view(np.int32).copy()).view(torch.float32)
    return {
        "cast.input": bits,
        "cast.f16": bits_of(values.to(torch.float16)),
        "cast.bf16": bits_of(values.to(torch.bfloat16)),
    }


def binary(generator: np.random.Generator) -> Arrays:
    a_bits, b_bits = pair_inputs(generator)
    a, b = to_half(a_bits), to_half(b_bits)
    results = {"add": a + b, "sub": a - b, "mul": a * b, "div": a / b}
    return {"binary.a": a_bits, "binary.b": b_bits} | {f"binary.{k}": bits_of(v) for k, v in results.items()}


def unary() -> Arrays:
    x = to_half(np.arange(2**16, dtype=np.uint16))
    functions = {
        "sqrt": torch.sqrt,
        "exp": torch.exp,
        "erf": torch.erf,
        "tanh": torch.tanh,
        "gelu": torch.nn.functional.gelu,
    }
    return {f"unary.{name}": bits_of(function(x)) for name, function in functions.items()}


def softmax(generator: np.random.Generator) -> Arrays:
    arrays = {}
    for i, shape in enumerate(SOFTMAX_SHAPES):
        bits = normal_bits(generator, shape, scale=2.0)
        bits[-1, ::3] = np.float16(-10_000.0).view(np.uint16)  # forbidden scores
        arrays[f"softmax.{i}.input"] = bits
        arrays[f"softmax.{i}.output"] = bits_of(to_half(bits).softmax(dim=-1))
    return arrays


def layer_norm(generator: np.random.Generator) -> Arrays:
    arrays = {}
    for i, (rows, width) in enumerate(LAYER_NORM_SHAPES):
        bits = normal_bits(generator, (rows, width), scale=3.0)
        weight = (1 + 0.1 * generator.standard_normal(width)).astype(np.float32)
        bias = (0.1 * generator.standard_normal(width)).astype(np.float32)
        parameters = torch.from_numpy(weight), torch.from_numpy(bias)
        output = torch.nn.functional.layer_norm(to_half(bits), (width,), *parameters, eps=LAYER_NORM_EPS)
        name = f"layer_norm.{i}"
        arrays |= {f"{name}.input": bits, f"{name}.weight": weight, f"{name}.bias": bias}
        arrays[f"{name}.output"] = bits_of(output)
    return arrays


def matmul(generator: np.random.Generator) -> Arrays:
    arrays = {}
    for i, (m, k, n) in enumerate(MATMUL_SHAPES):
        a, b = normal_bits(generator, (m, k)), normal_bits(generator, (k, n))
        arrays |= {f"matmul.{i}.a": a, f"matmul.{i}.b": b}
        arrays[f"matmul.{i}.output"] = bits_of(to_half(a) @ to_half(b))
    return arrays


def sums(generator: np.random.Generator) -> Arrays:
    arrays = {}
    for i, shape in enumerate(SUM_SHAPES):
        bits = normal_bits(generator, shape)
        arrays |= {f"sum.{i}.input": bits, f"sum.{i}.output": bits_of(to_half(bits).sum(dim=-1))}
    return arrays


def all_results() -> Arrays:
    """Every tensor of the file. Each operation has a random stream of its own."""
    arrays = unary()
    for index, operation in enumerate((casts, binary, softmax, layer_norm, matmul, sums)):
        arrays |= operation(np.random.default_rng([SEED, index]))
    return arrays


# --- the emulation in numpy ----------------------------------------------------------------------


def erf(x: np.ndarray) -> np.ndarray:
    return np.array([math.erf(value) for value in x.ravel()], np.float64).astype(np.float32).reshape(x.shape)


def emulated_unary() -> dict[str, np.ndarray]:
    """Computed in float32, rounded once."""
    x = halves(np.arange(2**16, dtype=np.uint16))
    half = np.float32(0.5)
    return {
        "sqrt": rounded(np.sqrt(x)),
        "exp": rounded(np.exp(x)),
        "erf": rounded(erf(x)),
        "tanh": rounded(np.tanh(x)),
        "gelu": rounded(x * (half * (1 + erf(x * np.float32(math.sqrt(0.5)))))),
    }


def emulated_softmax(bits: np.ndarray) -> np.ndarray:
    x = halves(bits)
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return rounded(powers / powers.sum(axis=-1, keepdims=True))


def emulated_layer_norm(bits: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    x = halves(bits)
    centred = x - x.mean(axis=-1, keepdims=True)
    variance = (centred * centred).mean(axis=-1, keepdims=True)
    return rounded(centred / np.sqrt(variance + np.float32(LAYER_NORM_EPS)) * weight + bias)


def emulated_bf16(bits: np.ndarray) -> np.ndarray:
    """FP32 bits to BF16 bits, to nearest with ties to even."""
    wide = bits.astype(np.uint64)
    nearest = ((wide + 0x7FFF + ((wide >> 16) & 1)) >> 16).astype(np.uint16)
    is_nan = (bits & 0x7FFF_FFFF) > 0x7F80_0000
    return np.where(is_nan, np.uint16(0x7FC0), nearest)


def indexed(arrays: Arrays, operation: str, emulate: Callable[..., np.ndarray], *names: str) -> tuple:
    """Outputs of `operation.0`, `operation.1`, … in one row, PyTorch's and emulated."""
    count = sum(1 for name in arrays if name.startswith(f"{operation}.") and name.endswith(".output"))
    take = lambda i, name: arrays[f"{operation}.{i}.{name}"]
    actual = [take(i, "output").ravel() for i in range(count)]
    emulated = [emulate(*(take(i, name) for name in names)).ravel() for i in range(count)]
    return np.concatenate(actual), np.concatenate(emulated)


def comparisons(arrays: Arrays) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Operation -> bits by PyTorch and by emulation."""
    values = arrays["cast.input"].view(np.float32)
    a, b = halves(arrays["binary.a"]), halves(arrays["binary.b"])
    result = {
        "cast to FP16": (arrays["cast.f16"], rounded(values)),
        "cast to BF16": (arrays["cast.bf16"], emulated_bf16(arrays["cast.input"])),
        "add": (arrays["binary.add"], rounded(a + b)),
        "sub": (arrays["binary.sub"], rounded(a - b)),
        "mul": (arrays["binary.mul"], rounded(a * b)),
        "div": (arrays["binary.div"], rounded(a / b)),
    }
    result |= {name: (arrays[f"unary.{name}"], bits) for name, bits in emulated_unary().items()}
    result["softmax"] = indexed(arrays, "softmax", emulated_softmax, "input")
    result["layer_norm"] = indexed(arrays, "layer_norm", emulated_layer_norm, "input", "weight", "bias")
    product = lambda x, y: rounded(halves(x) @ halves(y))
    result["matmul"] = indexed(arrays, "matmul", product, "a", "b")
    result["sum"] = indexed(arrays, "sum", lambda x: rounded(halves(x).sum(axis=-1)), "input")
    return result


def ordered(bits: np.ndarray) -> np.ndarray:
    """Integers in the order of the numbers, so that a difference counts representable steps."""
    magnitude = (bits & 0x7FFF).astype(np.int32)
    return np.where(bits & 0x8000, -magnitude, magnitude)


def report(name: str, actual: np.ndarray, emulated: np.ndarray, infinity: int) -> None:
    """Share of differing results, the largest difference in units of the last place, and how large a
    difference of more than one is in absolute terms."""
    both_nan = ((actual & 0x7FFF) > infinity) & ((emulated & 0x7FFF) > infinity)
    differs = (actual != emulated) & ~both_nan
    steps = np.where(both_nan, 0, np.abs(ordered(actual) - ordered(emulated)))
    text = f"{name:14} {differs.sum():6} of {actual.size:6} differ, {differs.mean():8.4%}, at most {steps.max()} ulp"
    if (steps > 1).any():
        absolute = np.abs(halves(actual) - halves(emulated))[steps > 1]
        text += f"; {(steps > 1).sum()} by more than 1 ulp, by at most {absolute.max():.1e}"
    print(text)


def main(arguments: list[str]) -> int:
    torch.set_num_threads(1)
    path = Path(arguments[0]) if arguments else DEFAULT_FILE
    arrays = all_results()
    metadata = {
        "torch": torch.__version__,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "seed": str(SEED),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(arrays, path, metadata=metadata)
    golden.settle(path)
    print(f"{path}: {path.stat().st_size:,} bytes, {metadata}")
    with np.errstate(all="ignore"):
        for name, (actual, emulated) in comparisons(arrays).items():
            report(name, actual, emulated, 0x7F80 if "BF16" in name else 0x7C00)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
