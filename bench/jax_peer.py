"""JAX on the CPU, the whole step in one jitted function: see `problem.py` for what it has to do.

    python jax_peer.py PROBLEM --precision fp32 --threads 1 --steps 20

The number of threads is set by the caller in XLA_FLAGS, before JAX starts.

Stored values of `fp16_emulated` pass through float16: the cast's own derivative rounds the gradient
on its way back. A value with two consumers is widened once for each, so that each gradient is
rounded before the two are added. XLA must be told to keep such casts (see `main`).
"""

import math
import os
from functools import partial

import numpy as np
from problem import PROBE, Problem, arguments, measure

FORBIDDEN = -10_000.0


def main() -> None:
    options = arguments("One JAX run.", ["fp32", "fp16_emulated"], ["jit"], on_card=False)
    flags = os.environ.get("XLA_FLAGS", "")
    os.environ["XLA_FLAGS"] = f"{flags} --xla_allow_excess_precision=false"
    os.environ["JAX_PLATFORMS"] = "cpu"
    problem = Problem(options.problem)
    step = jitted_step(problem, options.precision)
    measure(problem, options, lambda: start_run(problem, options.precision, step))


def start_run(problem: Problem, precision: str, step):
    """A training from the initial weights; gives the function that does one step of it."""
    import jax.numpy as jnp

    weights = {name: jnp.array(value) for name, value in problem.initial_weights().items()}
    zeros = lambda: {name: jnp.zeros_like(value) for name, value in weights.items()}
    state = weights, zeros(), zeros()
    cosine, sine = problem.rope_tables(precision != "fp32")

    def one(number: int) -> tuple:
        nonlocal state
        batch = problem.batch(number, problem.most_targets)
        rope = tuple(table[batch.positions][:, :, None] for table in (cosine, sine))  # [b, s, 1, d]
        integers = (x.astype(np.int32) for x in (batch.tokens, batch.slots, batch.targets))
        state, loss, norm, probe = step(state, np.float32(number + 1), *integers, batch.weights, rope, batch.allowed)
        return float(loss), float(norm), np.asarray(probe)

    return one


def jitted_step(problem: Problem, precision: str):
    """The step `(state, number, batch) -> (state, loss, gradient norm, probe)`; the state's buffers are reused."""
    import jax
    import jax.numpy as jnp

    model, o = problem.config["model"], problem.config["optimizer"]
    heads, width = model["num_heads"], model["hidden_size"]
    d, alpha, scale = width // heads, problem.residual_alpha(), problem.about["loss_scale"]
    half = precision != "fp32"
    stored = jnp.float16 if half else jnp.float32
    wide = lambda x: x.astype(jnp.float32)
    store = lambda x: x.astype(stored)
    rounded = lambda x: wide(store(x))

    def norm(x, weights, name):
        """The result in the stored format: each consumer widens it for itself."""
        centred = x - x.mean(-1, keepdims=True)
        variance = jnp.square(centred).mean(-1, keepdims=True)
        y = centred * jax.lax.rsqrt(variance + model["layer_norm_eps"])
        return store(y * weights[f"{name}.weight"] + weights[f"{name}.bias"])

    def linear(x, weights, name):
        return rounded(x @ rounded(weights[f"{name}.weight"]).T + rounded(weights[f"{name}.bias"]))

    def attention(x, weights, name, rope, allowed):
        b, s, _ = x.shape
        qkv = linear(x, weights, f"{name}.qkv").reshape(b, s, 3, heads, d)
        cosine, sine = rope
        turn = lambda x: rounded(x * cosine + jnp.roll(x, d // 2, -1) * sine)
        query, key, value = turn(qkv[:, :, 0]), turn(qkv[:, :, 1]), qkv[:, :, 2]
        query = rounded(query * (1.0 / math.sqrt(d)))
        scores = rounded(jnp.einsum("bqnd,bknd->bnqk", query, key))
        scores = jnp.where(allowed[:, None], scores, FORBIDDEN)
        probabilities = rounded(jax.nn.softmax(scores, axis=-1))
        y = rounded(jnp.einsum("bnqk,bknd->bqnd", probabilities, value))
        return linear(y.reshape(b, s, width), weights, f"{name}.out")

    def ffn(x, weights, name):
        value, gate = jnp.split(linear(x, weights, f"{name}.up"), 2, axis=-1)
        inner = rounded(value * rounded(jax.nn.gelu(gate, approximate=False)))
        return linear(inner, weights, f"{name}.down")

    def residual(y, branch):
        return rounded(rounded(wide(y) * alpha) + branch)

    def scaled_loss(weights, tokens, slots, targets, target_weights, rope, allowed):
        embedding = store(weights["embedding.weight"])
        x = rounded(wide(embedding)[tokens])
        for i in range(model["layers"]):
            layer = f"layers.{i}"
            y = norm(x, weights, f"{layer}.attention_norm")
            x = residual(y, attention(wide(y), weights, f"{layer}.attention", rope, allowed))
            y = norm(x, weights, f"{layer}.ffn_norm")
            x = residual(y, ffn(wide(y), weights, f"{layer}.ffn"))
        y = norm(x.reshape(-1, width)[slots], weights, "final_norm")
        logits = rounded(wide(y) @ wide(embedding).T)
        picked = jnp.take_along_axis(logits, targets[:, None], axis=1)[:, 0]
        loss = jnp.dot(jax.nn.logsumexp(logits, axis=-1) - picked, target_weights)
        return loss * scale, loss

    def update(weight, first, second, gradient, number):
        decay = o["weight_decay"] if weight.ndim == 2 else 0.0
        first = o["beta1"] * first + (1 - o["beta1"]) * gradient
        second = o["beta2"] * second + (1 - o["beta2"]) * jnp.square(gradient)
        change = first / (1 - o["beta1"] ** number) / (jnp.sqrt(second / (1 - o["beta2"] ** number)) + o["eps"])
        return weight - o["lr"] * (change + decay * weight), first, second

    @partial(jax.jit, donate_argnums=0)
    def step(state, number, *batch):
        weights, first, second = state
        # The batch comes as tokens, slots, targets, weights of targets, rope, allowed.
        (_, loss), gradients = jax.value_and_grad(scaled_loss, has_aux=True)(weights, *batch)
        squares = sum(jnp.vdot(g, g) for g in gradients.values())
        grad_norm = jnp.sqrt(squares) / scale
        factor = jnp.minimum(1.0, o["clip_grad"] / grad_norm) / scale
        updated = {n: update(w, first[n], second[n], gradients[n] * factor, number) for n, w in weights.items()}
        state = tuple({name: parts[i] for name, parts in updated.items()} for i in range(3))
        return state, loss, grad_norm, gradients[PROBE] / scale

    return step


if __name__ == "__main__":
    main()
