#!/usr/bin/env python3
"""Checks the checkpoint interchange against PyTorch and, if given, SwissArmyTransformer. By hand:

    python tests/parity/interchange.py DIR [--sat PATH] [--convert FILE] [--test COMMAND]

Needs torch, numpy and safetensors. DIR is created and filled. PATH is where `pip download --no-deps
SwissArmyTransformer==0.2.12` was unpacked; none of its dependencies is needed. COMMAND is the Rust
half, `cargo test --release sat_by_hand -- --ignored` unless given.

1. Writes random weights with our names, and the same as SAT checkpoints made by torch.save.
2. The Rust half imports the latter, compares, and exports the former for 1, 2 and 4 ranks.
3. torch.load reads the exports; names, shapes and values are compared with shards made here.
4. With --sat: SAT's own GLM130B loads the exports with its own loader, in one process per rank, and
   its logits are compared with our mathematics (LN, RoPE, GeGLU, DeepNorm) on our weights.
5. With --convert: GLM-130B's tools/convert_tp.py takes the exports from each number of ranks to each
   other; the result must be what Rust exports for that number.
"""

import argparse
import collections
import math
import os
import shlex
import subprocess
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

LAYERS, HIDDEN, HEADS, FFN, VOCAB = 3, 32, 4, 48, 64  # as in interchange/tests/by_hand.rs
ITERATION = 49300
RANKS = (1, 2, 4)
DTYPES = {"half": torch.float16, "float": torch.float32, "bfloat": torch.bfloat16}


def our_weights():
    """Our names, shapes and row order (all q, all k, all v)."""
    torch.manual_seed(5)
    w = {"embedding.weight": torch.randn(VOCAB, HIDDEN) * 0.3}
    for i in range(LAYERS):
        for name, shape in {
            "attention_norm": (HIDDEN,),
            "attention.qkv": (3 * HIDDEN, HIDDEN),
            "attention.out": (HIDDEN, HIDDEN),
            "ffn_norm": (HIDDEN,),
            "ffn.up": (2 * FFN, HIDDEN),
            "ffn.down": (HIDDEN, FFN),
        }.items():
            weight = torch.randn(shape) * 0.3
            w[f"layers.{i}.{name}.weight"] = weight + 1 if "norm" in name else weight
            w[f"layers.{i}.{name}.bias"] = torch.randn(shape[0]) * 0.3
    w["final_norm.weight"] = torch.randn(HIDDEN) * 0.3 + 1
    w["final_norm.bias"] = torch.randn(HIDDEN) * 0.3
    return w


SAT_NAMES = {
    "attention_norm": "input_layernorm",
    "attention.qkv": "attention.query_key_value",
    "attention.out": "attention.dense",
    "ffn_norm": "post_attention_layernorm",
    "ffn.up": "mlp.dense_h_to_4h",
    "ffn.down": "mlp.dense_4h_to_h",
}


def sat_shard(w, rank, ranks):
    """One rank's tensors, with torch's own reshapes and chunks."""
    out = {"transformer.word_embeddings.weight": w["embedding.weight"].chunk(ranks)[rank]}
    for i in range(LAYERS):
        for ours, sat in SAT_NAMES.items():
            for kind in ("weight", "bias"):
                t = w[f"layers.{i}.{ours}.{kind}"]
                if ours == "attention.qkv":
                    heads = t.reshape(3, HEADS, HIDDEN // HEADS, *t.shape[1:]).transpose(0, 1)
                    t = heads.chunk(ranks)[rank].flatten(0, 2)
                elif ours == "ffn.up":
                    t = torch.cat([half.chunk(ranks)[rank] for half in t.chunk(2)])
                elif ours in ("attention.out", "ffn.down") and kind == "weight":
                    t = t.chunk(ranks, dim=1)[rank]
                out[f"transformer.layers.{i}.{sat}.{kind}"] = t
    for kind in ("weight", "bias"):
        out[f"transformer.final_layernorm.{kind}"] = w[f"final_norm.{kind}"]
    return out


def make(root, w):
    save_file(w, root / "ours.safetensors")
    for name, dtype in DTYPES.items():
        expected = {k: t.to(dtype).float() for k, t in w.items()}
        save_file(expected, root / f"expected-{name}.safetensors")
        for ranks in RANKS:
            directory = root / f"torch-{name}-{ranks}"
            (directory / str(ITERATION)).mkdir(parents=True)
            (directory / "latest").write_text(str(ITERATION))
            for rank in range(ranks):
                # Views into larger storages stay views, as a careless converter leaves them.
                shard = {k: t.to(dtype) for k, t in sat_shard(w, rank, ranks).items()}
                words = w["embedding.weight"].to(dtype)
                shard["transformer.word_embeddings.weight"] = words.chunk(ranks)[rank]
                if name != "half":
                    shard = collections.OrderedDict(shard)
                    shard._metadata = collections.OrderedDict({"": {"version": 1}})
                if name == "bfloat":
                    buffer = torch.ones(HIDDEN // HEADS // 2).half()
                    shard["transformer.layers.0.attention.rotary_emb.inv_freq"] = buffer
                file = directory / str(ITERATION) / f"mp_rank_{rank:02}_model_states.pt"
                torch.save({"module": shard, "iteration": ITERATION}, file)


def check(root, w):
    count = 0
    for name in ("half", "float"):
        for ranks in RANKS:
            directory = root / f"rust-{name.capitalize()}-{ranks}"
            assert (directory / "latest").read_text() == str(ITERATION)
            files = sorted(p.name for p in (directory / str(ITERATION)).iterdir())
            assert files == [f"mp_rank_{r:02}_model_states.pt" for r in range(ranks)], files
            for rank, file in enumerate(files):
                path = directory / str(ITERATION) / file
                expected = sat_shard(w, rank, ranks)
                for options in ({"weights_only": True}, {"weights_only": False}, {"weights_only": True, "mmap": True}):
                    found = torch.load(path, map_location="cpu", **options)
                    assert list(found) == ["module"]
                    found = found["module"]
                    assert list(found) == list(expected)
                    for key, t in expected.items():
                        assert found[key].dtype == DTYPES[name] and found[key].is_contiguous()
                        assert torch.equal(found[key], t.to(DTYPES[name])), (path, key)
                        count += 1
    print(f"torch {torch.__version__}: {count} tensors of Rust's exports are as expected")


def reference(w, tokens, positions, allowed):
    """Logits of the model on our weights, FP32."""
    d = HIDDEN // HEADS
    freq = 10000 ** (-torch.arange(0, d, 2).float() / d)
    angle = (positions[:, None].float() * freq).repeat(1, 2)
    cos, sin = angle.cos()[:, None], angle.sin()[:, None]
    rotate = lambda x: x * cos + torch.cat((-x[..., d // 2 :], x[..., : d // 2]), -1) * sin
    norm = lambda x, n: F.layer_norm(x, (HIDDEN,), w[n + ".weight"], w[n + ".bias"], 1e-5)
    linear = lambda x, n: F.linear(x, w[n + ".weight"], w[n + ".bias"])
    alpha = math.sqrt(2 * LAYERS)
    x = w["embedding.weight"][tokens]
    for i in range(LAYERS):
        name = f"layers.{i}."
        y = norm(x, name + "attention_norm")
        q, k, v = (t.view(-1, HEADS, d) for t in linear(y, name + "attention.qkv").chunk(3, -1))
        scores = torch.einsum("ind,jnd->nij", rotate(q), rotate(k)) / math.sqrt(d)
        scores = scores.masked_fill(~allowed, -10000.0).softmax(-1)
        context = torch.einsum("nij,jnd->ind", scores, v).flatten(1)
        y = norm(alpha * y + linear(context, name + "attention.out"), name + "ffn_norm")
        x1, x2 = linear(y, name + "ffn.up").chunk(2, -1)
        x = alpha * y + linear(x1 * F.gelu(x2), name + "ffn.down")
    return norm(x, "final_norm") @ w["embedding.weight"].T


def convert(root, script):
    for source in RANKS:
        for target in RANKS:
            out = root / f"convert-{source}-{target}"
            command = [
                sys.executable,
                script,
                "--input-folder",
                root / f"rust-Half-{source}",
                "--output-folder",
                out,
                "--target-tp",
                str(target),
            ]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            for rank in range(target):
                file = Path(str(ITERATION)) / f"mp_rank_{rank:02}_model_states.pt"
                theirs = torch.load(out / file)["module"]
                rust = torch.load(root / f"rust-Half-{target}" / file)["module"]
                assert list(theirs) == list(rust)
                assert all(torch.equal(theirs[key], rust[key]) for key in rust), (source, target)
    print(f"convert_tp.py: the same as Rust from and to {RANKS} ranks")


class Stubs:
    """Stands in for SAT's dependencies, of which loading and a forward pass use none."""

    NAMES = (
        "deepspeed",
        "tensorboardX",
        "sentencepiece",
        "datasets",
        "transformers",
        "torchvision",
        "nltk",
        "requests",
        "regex",
        "tqdm",
        "filelock",
        "icetk",
        "cpm_kernels",
        "boto3",
    )

    def find_spec(self, name, path=None, target=None):
        from importlib.machinery import ModuleSpec

        if name.split(".")[0] in self.NAMES:
            return ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        from unittest.mock import MagicMock

        return MagicMock(name=spec.name, __path__=[], __spec__=spec)

    def exec_module(self, module):
        pass


def sat_rank(rank, ranks, root, sat, w):
    sys.meta_path.insert(0, Stubs())
    sys.path.insert(0, sat)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(29610 + ranks))
    torch.distributed.init_process_group("gloo", rank=rank, world_size=ranks)
    torch.cuda.current_device = lambda: "cpu"
    # SAT rounds frequencies and attention to FP16 in places; in FP32 the comparison is sharp.
    torch.Tensor.half = torch.Tensor.float
    from SwissArmyTransformer import mpu
    from SwissArmyTransformer.model.official.glm130B_model import GLM130B
    from SwissArmyTransformer.training.model_io import load_checkpoint

    mpu.initialize_model_parallel(ranks)
    args = argparse.Namespace(
        num_layers=LAYERS,
        vocab_size=VOCAB,
        hidden_size=HIDDEN,
        num_attention_heads=HEADS,
        max_sequence_length=64,
        hidden_dropout=0.0,
        attention_dropout=0.0,
        inner_hidden_size=FFN,
        hidden_size_per_attention_head=None,
        checkpoint_activations=False,
        checkpoint_num_layers=1,
        layernorm_order="post",
        skip_init=True,
        use_gpu_initialization=False,
        fp16=False,
        model_parallel_size=ranks,
        mode="inference",
        load=str(root / f"rust-Float-{ranks}"),
    )
    model = GLM130B(args).float().eval()
    state = {k: tuple(t.shape) for k, t in model.state_dict().items()}
    buffer = state.pop("mixins.rotary-embedding.rotary_emb.inv_freq")
    assert buffer == (HIDDEN // HEADS // 2,)
    file = root / f"rust-Float-{ranks}" / str(ITERATION) / f"mp_rank_{rank:02}_model_states.pt"
    written = torch.load(file)["module"]
    assert state == {k: tuple(t.shape) for k, t in written.items()}, "names or shapes differ"
    missing, unexpected = model.load_state_dict(written, strict=False)
    assert not missing and not unexpected, (missing, unexpected)
    load_checkpoint(model, args)
    torch.manual_seed(9)
    tokens, positions = torch.randint(VOCAB, (24,)), torch.arange(24)
    positions[16:] = 7  # a masked span, whose tokens share a position
    allowed = torch.tril(torch.ones(24, 24, dtype=torch.bool))
    allowed[:, :15] = True
    with torch.no_grad():
        logits, *_ = model(tokens[None], positions[None], ~allowed[None, None])
    expected = reference(w, tokens, positions, allowed)
    error = (logits[0] - expected).abs().max() / expected.std()
    if rank == 0:
        print(
            f"SAT, {ranks} ranks: {len(state)} names and shapes equal, logits differ by at most "
            f"{error:.1e} of their standard deviation"
        )
    assert error < 1e-4, error


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--sat")
    parser.add_argument("--convert")
    parser.add_argument("--test", default="cargo test --release sat_by_hand -- --ignored")
    arguments = parser.parse_args()
    root = arguments.directory.resolve()
    root.mkdir(parents=True)  # must be new
    w = our_weights()
    make(root, w)
    environment = {**os.environ, "SAT_PARITY_DIR": str(root)}
    subprocess.run(shlex.split(arguments.test), check=True, env=environment)
    w = load_file(root / "ours.safetensors")
    check(root, w)
    if arguments.convert:
        convert(root, arguments.convert)
    if arguments.sat:
        for ranks in RANKS:
            context = (ranks, root, arguments.sat, w)
            torch.multiprocessing.spawn(sat_rank, context, nprocs=ranks)


if __name__ == "__main__":
    main()
