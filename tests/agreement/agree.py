#!/usr/bin/env python3
"""Compares what `workbench evaluate --log-samples` recorded with other programs, token by token.

    agree.py MODEL ITEMS... [--lm-eval] [--golden FILE]

MODEL is what `workbench weights export --layout gpt2` wrote, ITEMS are `items.jsonl` of evaluations of the same checkpoint. Checked are:

1. `transformers`' tokenizer makes the recorded tokens of the recorded texts (a text that lost its beginning may now begin inside a
   token, and is only counted);
2. `transformers`' GPT2LMHeadModel, in float64, gives every token of every answer the recorded log-probability within 1e-4 nats;
3. with --lm-eval, a task of lm-evaluation-harness over the same texts gives every answer the recorded sum within 1e-4 nats, in float32, and
   the same accuracy. Items of which it makes other tokens, as it reads text and answer in one piece, are counted apart.

--golden writes the items with the values of 2. Exit code 1 if anything differs. Nothing is read from the network.
"""

import argparse
import json
import math
import os
import sys
import tempfile
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")

import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

BAR = 1e-4  # nats
BATCH = 16  # sequences


def read(path):
    """Records of items that were asked and scored, in their order."""
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    scored = [r for r in records if r["kind"] == "choices"]
    if not scored or any("sample" not in record for record in scored):
        sys.exit(f"{path}: no samples of choices; was --log-samples given?")
    return scored


def pairs(records):
    """Every answer behind its text."""
    for record in records:
        sample = record["sample"]
        assert sample["both_ways"] == 0, "not a run in GPT mode"
        for answer in sample["answers"]:
            yield sample, answer


def token_log_probabilities(model, sequences):
    """Of each (tokens, answer's tokens) the log-probability of every token of the answer."""
    longest = max(len(before) + len(after) for before, after in sequences) - 1
    ids = torch.zeros(len(sequences), longest, dtype=torch.long)
    for row, (before, after) in zip(ids, sequences, strict=True):
        whole = torch.tensor((before + after)[:-1])
        row[: len(whole)] = whole
    # What pads a row stands behind it, where no token of the row looks.
    logits = model(ids).logits.log_softmax(-1)
    for row, (before, after) in zip(logits, sequences, strict=True):
        start = len(before) - 1
        yield [row[start + i, token].item() for i, token in enumerate(after)]


def compare_tokens(tokenizer, records):
    """Texts of which the other tokenizer makes other tokens, by whether they lost their beginning."""
    other = {True: 0, False: 0}
    for record in records:
        sample = record["sample"]
        if tokenizer(sample["text"])["input_ids"] != sample["tokens"]:
            other[record["cut"]] += 1
        for answer in sample["answers"]:
            if tokenizer(answer["text"])["input_ids"] != answer["tokens"]:
                other[False] += 1
    return other


def compare_model(model, records):
    """The largest difference of a token, and how many there are; the samples get the model's values."""
    worst, count = 0.0, 0
    # Rows of about the same length together.
    todo = sorted(pairs(records), key=lambda pair: len(pair[0]["tokens"]) + len(pair[1]["tokens"]))
    for at in range(0, len(todo), BATCH):
        batch = todo[at : at + BATCH]
        with torch.inference_mode():
            found = token_log_probabilities(model, [(s["tokens"], a["tokens"]) for s, a in batch])
            for (_, answer), values in zip(batch, found, strict=True):
                for ours, theirs in zip(answer["token_log_probabilities"], values, strict=True):
                    difference = abs(ours - theirs)
                    worst = max(worst, math.inf if math.isnan(difference) else difference)
                    count += 1
                answer["theirs"] = values
    return worst, count


def harness_samples(path, records):
    """What lm-evaluation-harness gives the same items: per item its answers' log-likelihoods, and the accuracy."""
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    with tempfile.TemporaryDirectory() as folder:
        rows = [
            {"text": r["sample"]["text"], "choices": [a["text"] for a in r["sample"]["answers"]], "label": r["label"]}
            for r in records
        ]
        data = Path(folder, "items.jsonl")
        data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        task = {
            "task": "agreement",
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": str(data)}, "cache_dir": folder},
            "test_split": "test",
            "output_type": "multiple_choice",
            "doc_to_text": "{{text}}",
            "doc_to_choice": "choices",
            "doc_to_target": "label",
            "target_delimiter": "",
            "metric_list": [{"metric": "acc"}],
        }
        # JSON is YAML.
        Path(folder, "agreement.yaml").write_text(json.dumps(task), encoding="utf-8")
        model = HFLM(pretrained=str(path), tokenizer=str(path), device="cpu", dtype="float32", batch_size=BATCH)
        manager = TaskManager(include_path=folder, include_defaults=False)
        found = simple_evaluate(model, tasks=["agreement"], task_manager=manager, log_samples=True, bootstrap_iters=0)
    samples = sorted(found["samples"]["agreement"], key=lambda sample: sample["doc_id"])
    values = [[float(value) for value, _ in sample["filtered_resps"]] for sample in samples]
    return values, found["results"]["agreement"]["acc,none"], model.tokenizer


def compare_harness(path, records):
    """The largest difference of an answer, answers that were compared, those that were read as other tokens, accuracies of both."""
    values, accuracy, tokenizer = harness_samples(path, records)
    worst, count, other = 0.0, 0, 0
    for record, found in zip(records, values, strict=True):
        sample = record["sample"]
        for answer, theirs in zip(sample["answers"], found, strict=True):
            whole = tokenizer(sample["text"] + answer["text"])["input_ids"]
            if whole != sample["tokens"] + answer["tokens"]:
                other += 1
                continue
            worst = max(worst, abs(answer["log_probability"] - theirs))
            count += 1
    ours = sum(record["chosen"] == record["label"] for record in records) / len(records)
    return worst, count, other, ours, accuracy


def write_golden(path, records):
    items = [
        {
            "text": record["sample"]["text"],
            "tokens": record["sample"]["tokens"],
            "answers": [
                {"text": a["text"], "tokens": a["tokens"], "token_log_probabilities": a["theirs"]}
                for a in record["sample"]["answers"]
            ],
        }
        for record in records
    ]
    about = {"transformers": transformers.__version__, "torch": torch.__version__, "items": items}
    path.write_text(json.dumps(about, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("items", type=Path, nargs="+")
    parser.add_argument("--lm-eval", action="store_true")
    parser.add_argument("--golden", type=Path)
    arguments = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(arguments.model)
    model = AutoModelForCausalLM.from_pretrained(arguments.model, dtype=torch.float64).eval()
    failed, everything = False, []
    for path in arguments.items:
        records = read(path)
        everything += records
        other = compare_tokens(tokenizer, records)
        worst, count = compare_model(model, records)
        failed |= worst > BAR or other[False] > 0
        print(f"{path.parent.name}: {len(records)} items, {count} tokens, largest difference {worst:.1e} nats; "
              f"read as other tokens: {other[False]}, of cut texts {other[True]}")  # fmt: skip
        if arguments.lm_eval:
            worst, count, other, ours, theirs = compare_harness(arguments.model, records)
            failed |= worst > BAR or (other == 0 and abs(ours - theirs) > 1e-9)
            print(f"  lm-eval: {count} answers, largest difference {worst:.1e} nats; accuracy {100 * theirs:.2f} %, here "
                  f"{100 * ours:.2f} %; read as other tokens: {other}")  # fmt: skip
    if arguments.golden:
        write_golden(arguments.golden, everything)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
