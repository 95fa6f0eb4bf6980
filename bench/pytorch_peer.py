"""PyTorch, eager or compiled: see `problem.py` for what it has to do.

    python pytorch_peer.py PROBLEM --mode eager --precision fp32 --threads 1 --steps 20
    python pytorch_peer.py PROBLEM --mode compile --precision fp16_native --device cuda --attention math

With `fp16_emulated` every stored tensor is float16, as in the workbench's emulation, and only what
goes into a matrix product is widened: an elementwise kernel of PyTorch computes in float32 and
rounds once, so this rounds at the same points as a function that rounds float32 tensors, in fewer
passes. With `fp16_native` the matrix products and attention are float16 kernels too.
"""

import math
from contextlib import nullcontext

import numpy as np
import torch
from problem import PROBE, Problem, arguments, measure
from torch import Tensor
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

FORBIDDEN = -10_000.0


class Model:
    """Forward pass and loss. Letters: b sequences, s slots, n heads, d = h/n, t targets."""

    def __init__(self, problem: Problem, precision: str, kept: torch.dtype):
        model = problem.config["model"]
        self.count, self.heads = model["layers"], model["num_heads"]
        self.width, self.eps = model["hidden_size"], model["layer_norm_eps"]
        self.head_dim = self.width // self.heads
        self.alpha = problem.residual_alpha()
        self.emulated = precision == "fp16_emulated"
        # The format of stored values, and the one in which they are kept between operations.
        self.stored = torch.float32 if precision == "fp32" else torch.float16
        self.kept = kept

    def store(self, x: Tensor) -> Tensor:
        """Rounds the value, and by the derivative of the casts the gradient that comes back."""
        return x.to(self.stored).to(self.kept)

    def norm(self, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """Layer norm: statistics and affine map in float32.

        The result is not widened: it has two consumers, and the gradient of each is to be rounded
        before they are added.
        """
        return functional.layer_norm(x.float(), (self.width,), weight, bias, self.eps).to(self.stored)

    def linear(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        return self.store(functional.linear(x.to(weight.dtype), weight, bias))

    def attention(self, x: Tensor, w: dict, rope: tuple, mask: Tensor) -> Tensor:
        b, s, _ = x.shape
        qkv = self.linear(x, w["attention.qkv.weight"], w["attention.qkv.bias"])
        qkv = qkv.view(b, s, 3, self.heads, self.head_dim)
        cosine, sine = rope  # float32 [b, s, 1, 1, d]
        qk = qkv[:, :, :2]
        qk = self.store(qk * cosine + torch.roll(qk, self.head_dim // 2, -1) * sine)
        query, key = (x.transpose(1, 2) for x in qk.unbind(2))  # [b, n, s, d]
        value = qkv[:, :, 2].transpose(1, 2)
        if self.emulated:
            query = self.store(query * (1.0 / math.sqrt(self.head_dim)))
            scores = self.store(query.float() @ key.float().transpose(-1, -2))
            probabilities = self.store((scores.float() + mask).softmax(-1))
            y = self.store(probabilities.float() @ value.float())
        else:
            y = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        y = y.transpose(1, 2).reshape(b, s, self.width)
        return self.linear(y, w["attention.out.weight"], w["attention.out.bias"])

    def ffn(self, x: Tensor, w: dict) -> Tensor:
        value, gate = self.linear(x, w["ffn.up.weight"], w["ffn.up.bias"]).chunk(2, dim=-1)
        inner = self.store(value * self.store(functional.gelu(gate)))
        return self.linear(inner, w["ffn.down.weight"], w["ffn.down.bias"])

    def residual(self, y: Tensor, branch: Tensor) -> Tensor:
        if self.stored == torch.float32:
            return torch.add(branch, y, alpha=self.alpha)
        return self.store(self.store(y.to(self.kept) * self.alpha) + branch)

    def layer(self, x: Tensor, w: dict, rope: tuple, mask: Tensor) -> Tensor:
        y = self.norm(x, w["attention_norm.weight"], w["attention_norm.bias"])
        x = self.residual(y, self.attention(y, w, rope, mask))
        y = self.norm(x, w["ffn_norm.weight"], w["ffn_norm.bias"])
        return self.residual(y, self.ffn(y, w))

    def head_loss(self, x: Tensor, w: dict, slots: Tensor, targets: Tensor, target_weights: Tensor) -> Tensor:
        y = self.norm(x.reshape(-1, self.width)[slots], w["final_norm.weight"], w["final_norm.bias"])
        logits = self.linear(y, w["head.weight"])
        losses = functional.cross_entropy(logits.float(), targets, reduction="none")
        return torch.dot(losses, target_weights)

    def loss(self, w: dict, layers: list[dict], tokens, rope, mask, slots, targets, target_weights) -> Tensor:
        """`w` are the weights outside the layers, `layers` those of each."""
        x = self.store(functional.embedding(tokens, w["embedding.weight"]))
        for layer in layers:
            x = self.layer(x, layer, rope, mask)
        return self.head_loss(x, w, slots, targets, target_weights)


class Training:
    """One run: weights, moments, and the step."""

    def __init__(self, problem: Problem, precision: str, model: Model, pad: bool, device: str):
        self.problem, self.model, self.device = problem, model, device
        self.pad_to = problem.most_targets if pad else None
        self.half = precision != "fp32"
        self.scale = problem.about["loss_scale"]
        self.clip = problem.config["optimizer"]["clip_grad"]
        tables = problem.rope_tables(self.half)
        self.cosine, self.sine = (self.there(table) for table in tables)
        self.masters = {name: self.there(value) for name, value in problem.initial_weights().items()}
        # Working copies: the masters themselves, or what a half-precision pass reads.
        self.leaves = {name: self.leaf(name, value, precision) for name, value in self.masters.items()}
        # The tied embedding by its logit path: the same memory, but a gradient of its own, because a
        # half-precision pass rounds the two gradients before it adds them.
        self.leaves["head.weight"] = self.leaves["embedding.weight"].detach().requires_grad_()
        self.outside = {name: leaf for name, leaf in self.leaves.items() if not name.startswith("layers.")}
        self.layers = [self.layer(i) for i in range(model.count)]
        self.rounded = [name for name in self.masters if "norm" not in name] if self.half else []
        self.optimizer = self.adamw(problem.config["optimizer"])

    def there(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(self.device)

    def layer(self, i: int) -> dict[str, Tensor]:
        prefix = f"layers.{i}."
        return {name.removeprefix(prefix): leaf for name, leaf in self.leaves.items() if name.startswith(prefix)}

    @staticmethod
    def leaf(name: str, master: Tensor, precision: str) -> Tensor:
        if precision == "fp32" or "norm" in name:
            return master.requires_grad_()
        leaf = master.half()
        return (leaf.float() if precision == "fp16_emulated" else leaf).requires_grad_()

    def adamw(self, o: dict) -> torch.optim.AdamW:
        groups = [
            {"params": [w for w in self.masters.values() if w.dim() == 2], "weight_decay": o["weight_decay"]},
            {"params": [w for w in self.masters.values() if w.dim() == 1], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=o["lr"], betas=(o["beta1"], o["beta2"]), eps=o["eps"], fused=True)

    def inputs(self, step: int) -> tuple:
        """The batch as tensors; the mask is what is added to scores."""
        batch = self.problem.batch(step, self.pad_to)
        positions = self.there(batch.positions)
        rope = tuple(table[positions][:, :, None, None] for table in (self.cosine, self.sine))
        mask = self.there(batch.allowed).logical_not_()[:, None] * FORBIDDEN
        if self.half and not self.model.emulated:
            mask = mask.half()
        tensors = (self.there(x) for x in (batch.slots, batch.targets, batch.weights))
        return self.there(batch.tokens), rope, mask, *tensors

    def gradients(self) -> list[Tensor]:
        """Of the masters, still times the loss scale; in half precision rounded to it."""
        input_path, logit_path = (self.leaves[name].grad for name in ("embedding.weight", "head.weight"))
        if self.model.emulated:
            self.round([input_path, logit_path])
        input_path.add_(logit_path)
        if self.model.emulated:
            self.round([self.leaves[name].grad for name in self.rounded])
        for name, master in self.masters.items():
            leaf = self.leaves[name]
            if leaf is not master:
                master.grad = leaf.grad.float()  # shares memory where it is float32 already
                leaf.grad = None
        self.leaves["head.weight"].grad = None
        return [master.grad for master in self.masters.values()]

    @staticmethod
    def round(tensors: list[Tensor]) -> None:
        for x in tensors:
            x.copy_(x.half())

    def step(self, step: int) -> tuple:
        loss = self.model.loss(self.outside, self.layers, *self.inputs(step))
        (loss * self.scale if self.half else loss).backward()
        gradients = self.gradients()
        norm = torch.nn.utils.get_total_norm(gradients).item() / self.scale
        if not math.isfinite(norm):
            raise SystemExit(f"step {step + 1}: overflow at loss scale {self.scale}; the workbench had none")
        reported = norm
        if step < len(self.problem.about["losses"]):
            # PyTorch adds up a norm in float32, which is off by 1e-4 for a million values.
            reported = math.sqrt(sum(g.double().square().sum().item() for g in gradients)) / self.scale
        probe = self.masters[PROBE].grad.cpu().numpy() / self.scale
        factor = min(1.0, self.clip / norm) / self.scale
        if factor != 1.0:
            torch._foreach_mul_(gradients, factor)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            for name in self.rounded:
                # Rounds on the way through float16.
                self.leaves[name].copy_(self.masters[name].half())
        return loss.item(), reported, probe


def main() -> None:
    precisions = ["fp32", "fp16_emulated", "fp16_native"]
    options = arguments("One PyTorch run.", precisions, ["eager", "compile"], on_card=True)
    torch.set_num_threads(options.threads)
    # Left to itself PyTorch cuts operands of FP32 products to TF32 on some cards.
    torch.set_float32_matmul_precision("highest")
    problem = Problem(options.problem)
    half, compiled = options.precision != "fp32", options.mode == "compile"
    emulated = options.precision == "fp16_emulated"
    # Between operations float16 is fewer bytes, but a compiler fuses most of that away.
    kept = torch.float32 if not half or (emulated and compiled) else torch.float16
    model = Model(problem, options.precision, kept)
    if compiled:
        import torch._inductor.config as inductor

        # Without it Inductor takes float32 → float16 → float32 for a no-op.
        inductor.emulate_precision_casts = emulated
        # As one graph: layer by layer compiles faster, but runs a sixth slower at T0.
        model.loss = torch.compile(model.loss, fullgraph=True, dynamic=False)
    start_run = lambda: Training(problem, options.precision, model, compiled, options.device).step
    kernels = {"math": [SDPBackend.MATH], "fused": None}[options.attention]
    with sdpa_kernel(kernels) if kernels else nullcontext():
        measure(problem, options, start_run)


if __name__ == "__main__":
    main()
