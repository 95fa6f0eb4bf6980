#!/usr/bin/env python3
"""Checks parity files of the workbench against the PyTorch model: `check.py FILE...`

Every line is one check with its worst error. The model side runs in float64 from the file's FP32 weights.
The optimiser side starts from the file's own gradients and is float64 too. Files of half-precision runs
must pass the data and optimiser checks; their losses, activations and gradients are only reported.
Exit code 1 if any check failed.
"""

import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import recompute
import torch
from glm import attention_mask, loss_weights, weight_shapes
from recompute import ParityFile, Step
from torch import Tensor

LOSS_BAR = 1e-6  # relative
VALUE_BAR = 1e-5  # largest difference over largest magnitude of the tensor
GRADIENT_BAR = 1e-4  # L2 norm of the difference over L2 norm
TINY_GRADIENT = 1e-7  # of the global norm; below it a gradient is compared absolutely, with this bar
NORM_BAR = 1e-5  # grad_norm against the PyTorch gradient, relative
OPTIMIZER_BAR = 1e-6
END_TO_END_BAR = 1e-3  # of the learning rate
# A gradient element counts as near zero below this share of its tensor's root mean square. Adam's
# first updates are close to the sign of the gradient, so there rounding alone decides.
NEAR_ZERO = 1e-2

# Half-precision formats: torch's type, bits of the fraction, exponent of the smallest normal number.
HALF_FORMATS = {"fp16": (torch.float16, 10, -14), "bf16": (torch.bfloat16, 7, -126)}


@dataclass
class Worst:
    """The largest of several errors and where it was."""

    error: float = 0.0
    where: str = ""

    def add(self, error: float, where: str) -> None:
        # NaN compares with nothing, but is the worst there is.
        error = math.inf if math.isnan(error) else error
        if error > self.error:
            self.error, self.where = error, where


class Report:
    """Prints one line per check and remembers whether any failed."""

    def __init__(self) -> None:
        self.failed = False

    def line(self, name: str, worst: Worst, bar: float | None) -> None:
        """`bar` None reports only."""
        verdict = "info" if bar is None else "ok" if worst.error <= bar else "FAIL"
        self.failed |= verdict == "FAIL"
        limit = "" if bar is None else f" (bar {bar:.0e})"
        where = f" at {worst.where}" if worst.where else ""
        print(f"{verdict:4}  {name:42} {worst.error:.2e}{limit}{where}")

    def note(self, name: str, text: str) -> None:
        print(f"info  {name:42} {text}")


def relative_max(actual: Tensor, expected: Tensor) -> float:
    """Largest difference over largest magnitude; infinite for another shape."""
    if actual.shape != expected.shape:
        return math.inf
    if actual.numel() == 0:
        return 0.0
    difference = (actual.double() - expected.double()).abs().max().item()
    return difference / max(expected.double().abs().max().item(), 1e-30)


def relative_norm(actual: Tensor, expected: Tensor) -> float:
    difference = (actual.double() - expected.double()).norm().item()
    return difference / max(expected.double().norm().item(), 1e-30)


def relative(actual: float, expected: float) -> float:
    return abs(actual - expected) / max(abs(expected), 1e-30)


def count(problems: Iterable[str]) -> Worst:
    """Number of problems, with the first one as the place."""
    problems = list(problems)
    return Worst(float(len(problems)), problems[0] if problems else "")


# --- data ------------------------------------------------------------------------------------


def check_names(file: ParityFile, report: Report) -> None:
    """Names and shapes of the weights, and every group complete."""
    expected = weight_shapes(file.config)
    actual = {name: tuple(t.shape) for name, t in file.group("weights_before").items()}
    wrong = [n for n in expected.keys() | actual.keys() if expected.get(n) != actual.get(n)]
    names = set(expected)
    paths = {f"embedding.weight.{p}" for p in ("input_path", "logit_path")}
    # A skipped step clips nothing.
    clipped = [] if file.scalar("skipped") else ["gradients_clipped"]
    for group in (
        *clipped,
        "weights_after",
        "gradients_scaled",
        "gradients",
        "optimizer_before.exp_avg",
        "optimizer_before.exp_avg_sq",
        "optimizer_after.exp_avg",
        "optimizer_after.exp_avg_sq",
    ):
        found = set(file.group(group)) - paths
        wrong += [f"{group}.{name}" for name in sorted(names ^ found)]
    report.line("names and shapes of weights", count(wrong), 0)


def check_mask(file: ParityFile, report: Report) -> None:
    """Rows of slots in a segment must be as rebuilt; a note says what padding rows hold."""
    wrong, padding = [], set()
    for m in range(file.micro_batches):
        actual = file.tensors[f"micro.{m}.attention_allowed"].bool()
        b, s, _ = actual.shape
        expected, covered = attention_mask(file.tensors[f"micro.{m}.segments"], b, s)
        differs = (actual != expected) & covered[:, :, None]
        wrong += [f"micro {m} [sequence, row, column] {at}" for at in differs.nonzero().tolist()]
        padding |= {describe_padding(actual[q, r], r, covered[q]) for q, r in (~covered).nonzero().tolist()}
    report.line("attention mask rebuilt from segments", count(wrong), 0)
    if padding:
        report.note("padding slots attend to", ", ".join(sorted(padding)))


def describe_padding(row: Tensor, slot: int, covered: Tensor) -> str:
    """In words what one padding row [s] of the mask allows."""
    slots = set(row.nonzero().flatten().tolist())
    if not slots:
        return "nothing"
    if slots == {slot}:
        return "themselves"
    if slots == set(range(slot + 1)):
        return "all before and themselves"
    return "padding only" if not row[covered].any() else "something else"


def check_targets(file: ParityFile, report: Report) -> None:
    """Loss weights, and that targets are the next inputs of their segment."""
    weights, order = Worst(), []
    for m in range(file.micro_batches):
        targets = file.tensors[f"micro.{m}.targets"]
        expected = loss_weights(targets, torch.float64)
        weights.add(relative_max(file.tensors[f"micro.{m}.loss_weights"], expected), f"micro {m}")
        order += target_problems(file, m)
    report.line("loss weights rebuilt from targets", weights, 1e-6)
    report.line("targets are the next inputs", count(order), 0)
    positions = [p for m in range(file.micro_batches) for p in position_problems(file, m)]
    report.line("positions rebuilt from segments and tokens", count(positions), 0)
    batches = file.config["batch"]["gradient_accumulation"]
    report.line("as many micro-batches as configured", Worst(abs(batches - file.micro_batches)), 0)


def target_problems(file: ParityFile, m: int) -> list[str]:
    """Every target slot lies beyond the prefix, and its target is the next input, eop before a sop."""
    vocabulary = file.config["tokenizer"]["vocab_size"]
    # Of the last six ids: [MASK] [gMASK] sop eop eos pad.
    sop, eop, pad = vocabulary - 4, vocabulary - 3, vocabulary - 1
    tokens, targets = file.tensors[f"micro.{m}.tokens"], file.tensors[f"micro.{m}.targets"]
    seen, problems = torch.zeros_like(targets, dtype=torch.bool), []
    for sequence, start, length, prefix in file.tensors[f"micro.{m}.segments"].tolist():
        for slot in range(start + prefix, start + length):
            target = targets[sequence, slot].item()
            seen[sequence, slot] = True
            if slot + 1 == start + length or target < 0:
                continue
            following = tokens[sequence, slot + 1].item()
            if following == pad:
                continue  # The last target: eop of a span, or the last token of a [gMASK] text.
            if target != (eop if following == sop else following):
                problems.append(f"micro {m} sequence {sequence} slot {slot}: target {target}, next {following}")
    stray = ((targets >= 0) & ~seen).nonzero().tolist()
    return problems + [f"micro {m} target outside generated part {at}" for at in stray]


def position_problems(file: ParityFile, m: int) -> list[str]:
    """Every position in a sub-sample as its kind wants it; padding is left out."""
    take = lambda name: file.tensors[f"micro.{m}.{name}"]
    tokens, positions, block_positions = take("tokens"), take("positions"), take("block_positions")
    pad, problems = file.config["tokenizer"]["vocab_size"] - 1, []
    for sequence, start, length, prefix in take("segments").tolist():
        part = slice(start, start + length)
        inputs = [t for t in tokens[sequence, part].tolist() if t != pad]
        actual = positions[sequence, part].tolist()[: len(inputs)]
        blocks = block_positions[sequence, part].tolist()[: len(inputs)]
        wrong = segment_problem(file.config, inputs, prefix, actual, blocks)
        problems += [f"micro {m} sequence {sequence} slot {start}: {wrong}"] if wrong else []
    return problems


def segment_problem(config: dict, inputs: list[int], prefix: int, positions: list[int], blocks: list[int]) -> str:
    """What is wrong with the positions of one sub-sample, padding taken off; empty if nothing."""
    vocabulary, objective = config["tokenizer"]["vocab_size"], config["objective"]
    mask, gmask, sop = vocabulary - 6, vocabulary - 5, vocabulary - 4
    counted = list(range(len(inputs)))
    if prefix == 0:
        return "" if positions == counted else f"{positions}, expected to count"
    if positions[:prefix] != counted[:prefix]:
        return f"{positions[:prefix]} in the prefix, expected to count"
    if inputs[prefix:] and inputs[prefix] != sop:
        return "no sop behind the prefix"
    starts = [i for i in range(prefix, len(inputs)) if inputs[i] == sop]
    inside = [0] * prefix + [1 + i - max(s for s in starts if s <= i) for i in range(prefix, len(inputs))]
    two_d = config["model"]["positions"] == "rope_2d"
    if two_d and blocks != inside:
        return f"{blocks} inside spans, expected {inside}"
    generated = positions[prefix:]
    # [gMASK] and task sub-samples count on; in two dimensions all generated slots stay at their mask.
    shift = objective["gmask_positions"] == "shifted"
    whole = [prefix - 1] * len(generated) if two_d else [i - shift for i in counted[prefix:]]
    tasks = config["tasks"]["ratio"]
    if inputs[prefix - 1] == gmask or tasks == 1:
        return "" if generated == whole else f"{generated} beyond the prefix, expected {whole}"
    # In a mixture only its positions tell a task from a span at the end of a text.
    if tasks > 0 and len(starts) == 1 and inputs[prefix - 1] == mask and generated == whole:
        return ""
    if objective["mask_positions"] == "plain" and not two_d:
        return "" if generated == counted[prefix:] else f"{generated} beyond the prefix, expected to count on"
    # Spans come in shuffled order, each with the position of a mask of its own.
    masks = [i for i in range(prefix) if inputs[i] == mask]
    spans = [positions[s] for s in starts]
    # With more masks than spans, the packing of the original code has cut the targets.
    cut = len(spans) < len(masks) and objective["packing"] == "original"
    if len(set(spans)) < len(spans) or not set(spans) <= set(masks) or (len(spans) < len(masks) and not cut):
        return f"spans at {spans}, masks at {masks}"
    expected = [positions[max(s for s in starts if s <= i)] for i in range(prefix, len(inputs))]
    return "" if generated == expected else f"{generated} beyond the prefix, expected {expected}"


# --- model -----------------------------------------------------------------------------------


def check_forward(file: ParityFile, step: Step, half: bool, report: Report) -> None:
    """Loss, token losses, logits and activations."""
    bar = lambda value: None if half else value
    report.line("loss", Worst(relative(file.scalar("loss"), step.loss)), bar(LOSS_BAR))
    if file.config["objective"]["z_loss"] > 0:
        report.line("z-loss", Worst(relative(file.scalar("z_loss"), step.z_loss)), bar(LOSS_BAR))
    token_losses, logits, activations = Worst(), Worst(), Worst()
    missing = []
    for m, result in enumerate(step.passes):
        micro = file.group(f"micro.{m}")
        token_losses.add(relative_max(micro["token_losses"], result.token_losses.detach()), f"micro {m}")
        logits.add(relative_max(micro["logits"], result.logits.detach()), f"micro {m}")
        dumped = file.group(f"micro.{m}.activations")
        missing += sorted(dumped.keys() ^ result.activations.keys())
        for name in dumped.keys() & result.activations.keys():
            activations.add(relative_max(dumped[name], result.activations[name].detach()), f"{name}, micro {m}")
    report.line("token losses", token_losses, bar(VALUE_BAR))
    report.line("logits", logits, bar(VALUE_BAR))
    report.line("names of activations", count(missing), 0)
    report.line("activations", activations, bar(VALUE_BAR))


def pieces(name: str, gradient: Tensor) -> dict[str, Tensor]:
    """Query, key and value parts apart: the gradient of a key bias can be exactly zero."""
    if ".attention.qkv." not in name:
        return {name: gradient}
    return {f"{name}[{part}]": rows for part, rows in zip("qkv", gradient.chunk(3), strict=True)}


def check_gradients(file: ParityFile, step: Step, half: bool, report: Report) -> None:
    """Every gradient, the two embedding paths, and the global norm."""
    scale = file.scalar("loss_scale")
    dumped = file.group("gradients")
    expected = dict(step.gradients)
    for path, gradient in step.paths.items():
        name = f"embedding.weight.{path}"
        dumped[name], expected[name] = file.tensors[f"gradients_scaled.{name}"] / scale, gradient
    whole, worst, tiny, quiet = step.grad_norm, Worst(), Worst(), []
    for name, gradient in expected.items():
        actual_pieces = pieces(name, dumped[name])
        for piece, reference in pieces(name, gradient).items():
            actual = actual_pieces[piece]
            if reference.norm().item() < TINY_GRADIENT * whole:
                tiny.add((actual.double() - reference).norm().item() / whole, piece)
                quiet.append(piece)
            else:
                worst.add(relative_norm(actual, reference), piece)
    report.line("gradients", worst, None if half else GRADIENT_BAR)
    if quiet:
        report.line(f"{len(quiet)} zero gradients, share of global norm", tiny, None if half else TINY_GRADIENT)
    norm = relative(file.scalar("grad_norm"), whole)
    report.line("grad_norm against PyTorch", Worst(norm), None if half else NORM_BAR)


# --- optimiser -------------------------------------------------------------------------------


def half_unit(precision: str, magnitude: float) -> float:
    """Half a unit in the last place of a half-precision format at this magnitude."""
    _, bits, smallest = HALF_FORMATS[precision]
    exponent = math.frexp(magnitude)[1] - 1 if magnitude > 0 else smallest
    return math.ldexp(0.5, max(exponent, smallest) - bits)


def unrepresentable(precision: str, values: Tensor) -> int:
    """How many finite values the format does not hold."""
    stored = values.to(HALF_FORMATS[precision][0]).to(values.dtype)
    return (values.isfinite() & (stored != values)).sum().item()


def check_half_gradients(file: ParityFile, report: Report) -> None:
    """Where the weight gradients of a half-precision run were rounded to the pass format, and where not.

    Every micro-batch rounds its gradient once, the joined one of tied embeddings too. An accumulation in the
    pass format rounds every sum again; one in FP32 must not. The matrix of an FP32 head is rounded nowhere.
    """
    if file.config["precision"].get("fp32_head", False):
        check_fp32_head(file, report)
        return
    precision, accumulation = (file.config["precision"][key] for key in ("format", "grad_accumulation"))
    scaled, count_of = file.group("gradients_scaled"), file.micro_batches
    name = "embedding.weight"
    if file.config["model"]["tie_embeddings"]:
        paths = [scaled.pop(f"{name}.{path}").double() for path in ("input_path", "logit_path")]
        difference = (scaled[name].double() - sum(paths)).abs().max().item()
        unit = half_unit(precision, scaled[name].abs().max().item())
        roundings = count_of if accumulation == "fp32" else 2 * count_of - 1
        line = f"the two embedding paths add up, half units ({unit:.1e})"
        report.line(line, Worst(difference / unit), roundings)
    if accumulation == "fp32" and count_of > 1:
        # Sums of subnormal numbers are exact in every format.
        exact = scaled[name].abs().max().item() < math.ldexp(1.0, HALF_FORMATS[precision][2] + 4)
        rounded = not exact and unrepresentable(precision, scaled[name]) == 0
        report.line(f"embedding gradient not {precision} after the FP32 sum", Worst(float(rounded)), 0)
    else:
        # Gradients of layer norms stay FP32.
        wrong = {n: unrepresentable(precision, g) for n, g in scaled.items() if "norm." not in n}
        stored = count(f"{n}: {k} values" for n, k in wrong.items() if k)
        report.line(f"gradients stored in {precision}", stored, 0)


def check_fp32_head(file: ParityFile, report: Report) -> None:
    """An FP32 head from what entered it: logits, the gradient of its matrix, and what is stored beside it."""
    tied, precision = file.config["model"]["tie_embeddings"], file.config["precision"]["format"]
    name = "embedding.weight" if tied else "head.weight"
    weight = file.group("weights_before")[name].double().requires_grad_(True)
    worst, total = Worst(), torch.zeros((), dtype=torch.float64)
    for m in range(file.micro_batches):
        micro = file.group(f"micro.{m}")
        logits, targets = micro["activations.final_norm"].double() @ weight.T, micro["targets"]
        worst.add(relative_max(micro["logits"], logits.detach()), f"micro {m}")
        chosen = targets >= 0
        losses = torch.nn.functional.cross_entropy(logits, targets[chosen], reduction="none")
        total = total + (losses * loss_weights(targets, torch.float64)[chosen]).sum() / file.micro_batches
    total.backward()
    report.line("logits of the FP32 head", worst, VALUE_BAR)
    scaled = file.group("gradients_scaled")
    own = scaled.pop(f"{name}.logit_path") if tied else scaled[name]
    expected = weight.grad * file.scalar("loss_scale")
    report.line("gradient of the FP32 head", Worst(relative_norm(own, expected)), GRADIENT_BAR)
    joined = scaled.pop(name)
    if tied:
        paths = own.double() + scaled.pop(f"{name}.input_path").double()
        report.line("the two embedding paths add up", Worst(relative_max(joined, paths)), OPTIMIZER_BAR)
    wrong = {n: unrepresentable(precision, g) for n, g in scaled.items() if "norm." not in n}
    stored = count(f"{n}: {k} values" for n, k in wrong.items() if k)
    report.line(f"gradients of the body stored in {precision}", stored, 0)


def check_gradient_chain(file: ParityFile, half: bool, report: Report) -> None:
    """From the scaled gradients of the file to the clipped ones."""
    scaled, gradients, clipped = map(file.group, ("gradients_scaled", "gradients", "gradients_clipped"))
    scale = file.scalar("loss_scale")
    unscaling = Worst()
    for name, gradient in gradients.items():
        unscaling.add(relative_max(gradient, scaled[name].double() / scale), name)
    report.line("unscaling", unscaling, OPTIMIZER_BAR)
    if half:
        check_half_gradients(file, report)
    elif file.config["model"]["tie_embeddings"]:
        name = "embedding.weight"
        total = scaled[f"{name}.input_path"].double() + scaled[f"{name}.logit_path"].double()
        report.line("the two embedding paths add up", Worst(relative_max(scaled[name], total)), OPTIMIZER_BAR)
    norm = recompute.global_norm(gradients)
    report.line("grad_norm from the file's gradients", Worst(relative(file.scalar("grad_norm"), norm)), OPTIMIZER_BAR)
    coefficient = recompute.clip_coefficient(file.config, norm)
    error = relative(file.scalar("clip_coefficient"), coefficient)
    report.line(f"clip coefficient ({coefficient:.3g})", Worst(error), OPTIMIZER_BAR)
    clipping = Worst()
    for name, gradient in gradients.items():
        clipping.add(relative_max(clipped[name], gradient.double() * coefficient), name)
    report.line("clipped gradients", clipping, OPTIMIZER_BAR)


def one_rounding(weight: Tensor) -> Tensor:
    """Spacing of FP32 numbers at each weight: what storing it can cost."""
    return torch.from_numpy(np.spacing(weight.abs().float().numpy()).astype(np.float64))


def check_adam(file: ParityFile, report: Report) -> None:
    """Moments and weights from the file's clipped gradients.

    Moments: L2 norm of the difference over L2 norm. Weights: largest difference, less one FP32 spacing
    of the weight, over the largest change in the tensor.
    """
    first, second, weights = Worst(), Worst(), Worst()
    after = file.group("weights_after")
    for name, update in recompute.update_all(file, file.group("gradients_clipped")).items():
        first.add(relative_norm(file.tensors[f"optimizer_after.exp_avg.{name}"], update.exp_avg), name)
        second.add(relative_norm(file.tensors[f"optimizer_after.exp_avg_sq.{name}"], update.exp_avg_sq), name)
        spacing = torch.maximum(one_rounding(update.weight), one_rounding(update.weight + update.change))
        excess = ((after[name].double() - update.weight).abs() - spacing).clamp(min=0).max().item()
        weights.add(excess / max(update.change.abs().max().item(), 1e-30), name)
    report.line("Adam first moment", first, OPTIMIZER_BAR)
    report.line("Adam second moment", second, OPTIMIZER_BAR)
    report.line("weights after, relative to the update", weights, OPTIMIZER_BAR)


def check_skipped(file: ParityFile, report: Report) -> None:
    """A skipped step leaves weights and moments bit for bit."""
    changed = []
    for before, after in (
        ("weights_before", "weights_after"),
        ("optimizer_before.exp_avg", "optimizer_after.exp_avg"),
        ("optimizer_before.exp_avg_sq", "optimizer_after.exp_avg_sq"),
    ):
        now = file.group(after)
        changed += [f"{after}.{n}" for n, t in file.group(before).items() if not torch.equal(t, now[n])]
    report.line("skipped step changes nothing", count(changed), 0)
    finite = math.isfinite(recompute.global_norm(file.group("gradients")))
    report.line("skipped step has a non-finite gradient", Worst(float(finite)), 0)


def check_end_to_end(file: ParityFile, step: Step, half: bool, report: Report) -> None:
    """Weights after a step made from the PyTorch gradients, where the gradient is not near zero."""
    coefficient = recompute.clip_coefficient(file.config, step.grad_norm)
    clipped = {name: g * coefficient for name, g in step.gradients.items()}
    after, lr, worst, compared, total = file.group("weights_after"), file.scalar("lr"), Worst(), 0, 0
    for name, update in recompute.update_all(file, clipped).items():
        gradient = clipped[name].abs()
        large = (gradient > NEAR_ZERO * gradient.square().mean().sqrt()) & (gradient > 0)
        total, compared = total + large.numel(), compared + large.sum().item()
        excess = (after[name].double() - update.weight).abs() - one_rounding(update.weight)
        if large.any() and step_is_sound(step, name):
            worst.add(max(excess[large].max().item(), 0.0) / max(lr, 1e-30), name)
    report.line(f"weights end to end ({compared} of {total})", worst, None if half else END_TO_END_BAR)


def step_is_sound(step: Step, name: str) -> bool:
    """Whether the gradient of this tensor is more than rounding noise."""
    return step.gradients[name].norm().item() >= TINY_GRADIENT * step.grad_norm


# --- all -------------------------------------------------------------------------------------


def check_file(path: Path) -> bool:
    """Runs every check on one file; true if all passed."""
    file, report = recompute.read(path), Report()
    precision = file.config["precision"]["format"]
    half, skipped = precision != "fp32", file.scalar("skipped") != 0
    print(f"{path}: step {file.step}, {file.micro_batches} micro-batches, {precision}")
    check_names(file, report)
    if report.failed:
        return False
    check_mask(file, report)
    check_targets(file, report)
    step = recompute.repeat_step(file, torch.float64)
    check_forward(file, step, half, report)
    check_gradients(file, step, half, report)
    if skipped:
        check_skipped(file, report)
    else:
        check_gradient_chain(file, half, report)
        check_adam(file, report)
        check_end_to_end(file, step, half, report)
    return not report.failed


def main(paths: list[str]) -> int:
    if not paths:
        print(__doc__)
        return 2
    torch.set_num_threads(1)
    results = [check_file(Path(path)) for path in paths]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
