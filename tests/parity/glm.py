"""A plain GLM in PyTorch, written from the mathematics of the parity file, not from the Rust code.

It computes what the workbench computes with `precision.format = "fp32"`, in float64 or float32, and lets
autograd find the gradients. Letters in shapes: b sequences, s slots, t target slots, h width, n heads,
d = h/n, f feed-forward width, v vocabulary.

What is left out on purpose: the attention half of PB-relax and query-key layer scaling. Both are
identities in exact arithmetic, so the reference without them is what a run with them must give.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

# Score of a slot that may not be attended to. It replaces the score; it is not added to it.
FORBIDDEN = -10_000.0

# PB-relax scales the input of a layer norm so that its largest magnitude is this.
PB_RELAX_LIMIT = 8.0


@dataclass
class MicroBatch:
    """What one forward pass reads."""

    tokens: Tensor  # int64 [b, s]
    positions: Tensor  # int64 [b, s]
    block_positions: Tensor  # int64 [b, s]
    allowed: Tensor  # bool [b, s, s], row may attend to column
    targets: Tensor  # int64 [b, s], -1 where no loss is taken
    dropout: dict[str, Tensor] = field(default_factory=dict)  # site -> mask of 0 and 1/(1-p)


@dataclass
class Pass:
    """What one forward pass gives."""

    activations: dict[str, Tensor]
    logits: Tensor  # [t, v]
    token_losses: Tensor  # [t], cross-entropy in nats
    loss: Tensor  # weighted cross-entropy
    z_loss: Tensor  # coefficient times weighted (log Z)²


def weight_shapes(config: dict) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight that this configuration has."""
    model, v = config["model"], config["tokenizer"]["vocab_size"]
    arrangement, (gated, _) = ARRANGEMENTS[model["norm"]], activation_of(model["ffn"])
    h, f, n = model["hidden_size"], model["ffn_hidden_size"], model["num_heads"]
    shapes: dict[str, tuple[int, ...]] = {"embedding.weight": (v, h)}

    def norm(name: str, width: int) -> None:
        # Layer norms keep their bias with `model.bias = false`, which is about matrices.
        shapes[f"{name}.weight"] = shapes[f"{name}.bias"] = (width,)

    def linear(name: str, out: int, width: int) -> None:
        shapes[f"{name}.weight"] = (out, width)
        if model["bias"]:
            shapes[f"{name}.bias"] = (out,)

    if model["positions"] == "learned":
        shapes["position_embedding.weight"] = (model["seq_len"], h)
    if model["embedding_norm"]:
        norm("embedding_norm", h)
    for i in range(model["layers"]):
        layer = f"layers.{i}"
        if arrangement.before:
            norm(f"{layer}.attention_norm", h)
        linear(f"{layer}.attention.qkv", 3 * h, h)
        if model["qk_norm"]:
            norm(f"{layer}.attention.query_norm", h // n)
            norm(f"{layer}.attention.key_norm", h // n)
        linear(f"{layer}.attention.out", h, h)
        if arrangement.before:
            norm(f"{layer}.ffn_norm", h)
        linear(f"{layer}.ffn.up", 2 * f if gated else f, h)
        linear(f"{layer}.ffn.down", h, f)
        if arrangement.after:
            norm(f"{layer}.attention_out_norm", h)
            norm(f"{layer}.ffn_out_norm", h)
    norm("final_norm", h)
    if not model["tie_embeddings"]:
        shapes["head.weight"] = (v, h)
    return shapes


def attention_mask(segments: Tensor, b: int, s: int) -> tuple[Tensor, Tensor]:
    """The mask of sub-samples: everyone sees the prefix of their own segment, and what came before.

    `segments` is int64 [k, 4]: sequence, start slot, length, prefix length.
    Returns allowed, bool [b, s, s], and covered, bool [b, s]: the slots that are not padding.
    """
    allowed = torch.zeros(b, s, s, dtype=torch.bool)
    covered = torch.zeros(b, s, dtype=torch.bool)
    for sequence, start, length, prefix in segments.tolist():
        block = torch.ones(length, length, dtype=torch.bool).tril()
        block[:, :prefix] = True
        part = slice(start, start + length)
        allowed[sequence, part, part] = block
        covered[sequence, part] = True
    return allowed, covered


def loss_weights(targets: Tensor, dtype: torch.dtype) -> Tensor:
    """Weight of every slot [b, s]: mean over a sequence's targets, then over sequences.

    A sequence without a target takes no part, so that the weights sum to 1.
    """
    has_loss = targets >= 0
    counts = has_loss.sum(dim=1, keepdim=True)
    sequences = (counts > 0).sum()
    return has_loss.to(dtype) / (counts.clamp(min=1) * sequences)


def shrink(value: Tensor, alpha: float) -> Tensor:
    """Identity forward, gradient times alpha. The difference is exactly 0, so the value is kept."""
    return value.detach() + alpha * (value - value.detach())


@dataclass
class Arrangement:
    """Where norms stand around a sub-layer f."""

    before: bool  # f reads LN(x)
    after: bool = False  # LN(f) is added
    # The residual carries this much of LN(x), by the number of layers; without, it carries x.
    alpha: Callable[[int], float] | None = None


ARRANGEMENTS = {
    "post": Arrangement(before=True, alpha=lambda layers: 1.0),
    "deepnorm": Arrangement(before=True, alpha=lambda layers: (2 * layers) ** 0.25),
    "deepnorm_glm": Arrangement(before=True, alpha=lambda layers: (2 * layers) ** 0.5),
    "pre": Arrangement(before=True),
    "sandwich": Arrangement(before=True, after=True),
    "reordered": Arrangement(before=False, after=True),
}

# Functions of the gates of arXiv 2002.05202: the second half of the first matrix's output goes through the
# function, and multiplies the first half.
GATES = {
    "glu": torch.sigmoid,
    "bilinear": lambda x: x,
    "reglu": functional.relu,
    "geglu": functional.gelu,
    "swiglu": functional.silu,
}


def activation_of(name: str) -> tuple[bool, Callable[[Tensor], Tensor]]:
    """Whether there is a gate, and the function between both matrices: without a gate PyTorch's of the name."""
    gate = GATES.get(name)
    return gate is not None, gate or getattr(functional, name)


def alibi_slopes(heads: int) -> list[float]:
    """Slope of each head (arXiv 2108.12409): geometric for a power of two, else that of the next
    lower power followed by every other slope of twice that power."""

    def geometric(count: int) -> list[float]:
        return [2.0 ** (-8.0 * (k + 1) / count) for k in range(count)]

    power = 2 ** (heads.bit_length() - 1)
    return geometric(power) + geometric(2 * power)[0::2][: heads - power]


def rotate(x: Tensor, positions: Tensor, base: float) -> Tensor:
    """RoPE with rotate-half pairing: element j turns with element j + width/2.

    x is [b, n, s, width], positions [b, s].
    """
    width = x.shape[-1]
    theta = base ** (-2.0 * torch.arange(width // 2, dtype=x.dtype) / width)
    angles = positions.to(x.dtype)[:, None, :, None] * theta  # [b, 1, s, width/2]
    cosine, sine = angles.cos(), angles.sin()
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)


class Glm:
    """One configuration with its weights.

    `weights` are leaves under their names. With tied embeddings the logits read a leaf of their own,
    `logit_weight`, so that the two gradient paths can be told apart; the caller adds them.
    """

    def __init__(self, config: dict, weights: dict[str, Tensor], dtype: torch.dtype):
        self.config, self.model = config, config["model"]
        leaf = lambda value: value.detach().to(dtype).clone().requires_grad_(True)
        self.weights = {name: leaf(value) for name, value in weights.items()}
        tied = self.model["tie_embeddings"]
        self.logit_weight = leaf(weights["embedding.weight"]) if tied else self.weights["head.weight"]

    # --- parts -------------------------------------------------------------------------------

    def linear(self, name: str, x: Tensor) -> Tensor:
        return functional.linear(x, self.weights[f"{name}.weight"], self.weights.get(f"{name}.bias"))

    def layer_norm(self, name: str, x: Tensor, relaxed: bool = True) -> Tensor:
        """Layer norm over the last dimension with biased variance; PB-relax first where it applies."""
        if relaxed and self.config["precision"]["pb_relax"]["norm"]:
            x = x / (x.detach().abs().max() / PB_RELAX_LIMIT)
        centred = x - x.mean(dim=-1, keepdim=True)
        variance = centred.square().mean(dim=-1, keepdim=True)
        y = centred / torch.sqrt(variance + self.model["layer_norm_eps"])
        y = y * self.weights[f"{name}.weight"]
        bias = self.weights.get(f"{name}.bias")
        return y if bias is None else y + bias

    def shrunk(self, path: str, value: Tensor) -> Tensor:
        egs = self.config["egs"]
        return shrink(value, egs["alpha"]) if egs["path"] in (path, "both") else value

    def dropout(self, site: str, x: Tensor, batch: MicroBatch) -> Tensor:
        mask = batch.dropout.get(site)
        return x if mask is None else x * mask.to(x.dtype).reshape(x.shape)

    def embed(self, batch: MicroBatch) -> Tensor:
        """What enters layer 0, [b, s, h]."""
        x = self.shrunk("input", self.weights["embedding.weight"][batch.tokens])
        if self.model["positions"] == "learned":
            x = x + self.weights["position_embedding.weight"][batch.positions]
        if self.model["embedding_norm"]:
            # PB-relax covers the norms in the blocks and the final norm, not this one.
            x = self.layer_norm("embedding_norm", x, relaxed=False)
        return self.dropout("embedding", x, batch)

    def with_positions(self, x: Tensor, batch: MicroBatch) -> Tensor:
        """Query or key [b, n, s, d] after rotation, where the position encoding rotates."""
        base = self.model["rope_base"]
        if self.model["positions"] == "rope":
            return rotate(x, batch.positions, base)
        if self.model["positions"] == "rope_2d":
            outer, inner = x.chunk(2, dim=-1)
            halves = [rotate(outer, batch.positions, base), rotate(inner, batch.block_positions, base)]
            return torch.cat(halves, dim=-1)
        return x

    def attention(self, layer: str, y: Tensor, batch: MicroBatch) -> Tensor:
        """The attention sub-layer [b, s, h] -> [b, s, h], dropout included."""
        b, s, h = y.shape
        n = self.model["num_heads"]
        d = h // n
        heads = lambda x: x.reshape(b, s, n, d).transpose(1, 2)  # [b, n, s, d]
        query, key, value = map(heads, self.linear(f"{layer}.attention.qkv", y).chunk(3, dim=-1))
        if self.model["qk_norm"]:
            # Nor these: the original has none.
            query = self.layer_norm(f"{layer}.attention.query_norm", query, relaxed=False)
            key = self.layer_norm(f"{layer}.attention.key_norm", key, relaxed=False)
        query, key = self.with_positions(query, batch), self.with_positions(key, batch)
        scores = query @ key.transpose(-1, -2) / math.sqrt(d)  # [b, n, s, s]
        if self.model["positions"] == "alibi":
            p = batch.positions.to(scores.dtype)
            distance = (p[:, :, None] - p[:, None, :]).abs()
            slopes = torch.tensor(alibi_slopes(n), dtype=scores.dtype)
            scores = scores - slopes[None, :, None, None] * distance[:, None]
        scores = scores.masked_fill(~batch.allowed[:, None], FORBIDDEN)
        probabilities = self.dropout(f"{layer}.attention.probabilities", scores.softmax(dim=-1), batch)
        context = (probabilities @ value).transpose(1, 2).reshape(b, s, h)
        return self.dropout(f"{layer}.attention.out", self.linear(f"{layer}.attention.out", context), batch)

    def ffn(self, layer: str, y: Tensor, batch: MicroBatch) -> Tensor:
        """The feed-forward sub-layer [b, s, h] -> [b, s, h], dropout included."""
        inner = self.linear(f"{layer}.ffn.up", y)
        gated, activation = activation_of(self.model["ffn"])
        if gated:
            first, second = inner.chunk(2, dim=-1)
            inner = first * activation(second)
        else:
            inner = activation(inner)
        return self.dropout(f"{layer}.ffn.down", self.linear(f"{layer}.ffn.down", inner), batch)

    def sub_layer(self, kind: str, layer: str, x: Tensor, batch: MicroBatch, seen: dict) -> Tensor:
        """One sub-layer, `attention` or `ffn`, with its norm and residual; notes both activations in `seen`."""
        function, out_name = (self.attention, "attention.out") if kind == "attention" else (self.ffn, "ffn.down")
        arrangement = ARRANGEMENTS[self.model["norm"]]
        y = x
        if arrangement.before:
            y = seen[f"{layer}.{kind}_norm"] = self.layer_norm(f"{layer}.{kind}_norm", x)
        out = seen[f"{layer}.{out_name}"] = function(layer, y, batch)
        if arrangement.after:
            out = self.layer_norm(f"{layer}.{kind}_out_norm", out)
        if arrangement.alpha is None:
            return x + out
        return arrangement.alpha(self.model["layers"]) * y + out

    # --- the whole ---------------------------------------------------------------------------

    def forward(self, batch: MicroBatch) -> Pass:
        """Forward pass with losses. Activations are [b·s, h], `final_norm` is [t, h]."""
        x = self.embed(batch)
        seen = {"embedding": x}
        for i in range(self.model["layers"]):
            layer = f"layers.{i}"
            x = self.sub_layer("attention", layer, x, batch, seen)
            x = self.sub_layer("ffn", layer, x, batch, seen)
            seen[f"{layer}.output"] = x
        chosen = batch.targets >= 0
        # All slots enter the norm, because the maximum of PB-relax is that of the whole tensor.
        y = self.layer_norm("final_norm", x)[chosen]
        seen["final_norm"] = y
        logits = y @ self.shrunk("logit", self.logit_weight).T
        flat = {name: value.reshape(-1, value.shape[-1]) for name, value in seen.items()}
        return self.losses(flat, logits, batch.targets)

    def losses(self, activations: dict[str, Tensor], logits: Tensor, targets: Tensor) -> Pass:
        chosen = targets >= 0
        weights = loss_weights(targets, logits.dtype)[chosen]
        log_z = logits.logsumexp(dim=-1)
        picked = logits.gather(1, targets[chosen][:, None]).squeeze(1)
        token_losses = log_z - picked
        coefficient = self.config["objective"]["z_loss"]
        z_loss = coefficient * (weights * log_z.square()).sum()
        return Pass(activations, logits, token_losses, (weights * token_losses).sum(), z_loss)
