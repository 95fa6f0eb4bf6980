//! Data and tokenizer settings: what the trainer reads, and how it is made.

use crate::{Request, Target, deepspeed};
use experiments_config::{ObjectiveMode, Source};
use std::fmt::Write as _;

/// Prefix of one text of a mixture.
pub(crate) fn prefix(data: &str, index: usize, source: &Source) -> String {
    let stem = source.path.as_ref().and_then(|path| path.file_stem());
    let stem = stem.map(|stem| stem.to_string_lossy().into_owned());
    let name = source.name.clone().or(stem).unwrap_or_default();
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' {
            c
        } else {
            '_'
        }
    };
    let name: String = name.chars().map(plain).collect();
    format!("{data}-{index}-{name}_text_document")
}

/// `data.md`.
pub(crate) fn markdown(request: &Request, target: Target) -> String {
    let config = request.config;
    let mut text = String::from(
        "# Data and tokenizer\n\n| text | language | weight | most bytes |\n|---|---|--:|--:|\n",
    );
    for source in &config.data.sources {
        let path = source.path.as_ref().map(|path| path.display().to_string());
        let name = source.name.clone().or(path).unwrap_or_default();
        let most = match source.max_bytes {
            0 => "all".to_owned(),
            most => most.to_string(),
        };
        let _ = writeln!(
            text,
            "| {name} | {} | {} | {most} |",
            source.language, source.weight
        );
    }
    let _ = writeln!(
        text,
        "\nWeights are relative. These are the texts of the configuration; for a proxy they are small. \
         Held out: {} of every text, `--split {}`. Samples of {} slots; vocabulary {} ids.\n",
        config.data.held_out,
        crate::common::split(config),
        config.model.seq_len,
        config.tokenizer.vocab_size
    );
    match target {
        Target::MegatronDeepspeed => fork(request, &mut text),
        Target::MegatronCore => core(request, &mut text),
    }
    text
}

fn fork(request: &Request, text: &mut String) {
    let (config, options) = (request.config, request.options);
    if config.objective.mode == ObjectiveMode::Gpt {
        let _ = writeln!(
            text,
            "`{data}.bin` and `{data}.idx`, made by the trainer's `tools/preprocess_data.py` with the tokenizer in \
             `{tokenizer}` (`tokenizer.json` of Hugging Face's format).",
            data = options.data,
            tokenizer = options.tokenizer
        );
        return;
    }
    let _ = writeln!(
        text,
        "`{data}.bin`: token ids as little-endian int32 without any header, records of {length} ids one after the other, \
         texts already mixed by their weights and shuffled (`glm/datasets.py`, `BinaryDataset`). Only this one file is read.\n",
        data = options.data,
        length = deepspeed::text_length(config)
    );
    if deepspeed::ice(config) {
        text.push_str(
            "Tokenizer: `IceTokenizer`, the trainer's own (icetk, 150,000 ids and 89 special ones, padded to the vocabulary above).\n",
        );
    } else {
        let _ = writeln!(
            text,
            "Tokenizer: `{}`, a folder with `tokenizer.json` (this program's byte-level BPE is one) and `tokenizer_config.json`. \
             See unsupported.md for what the GLM program asks of it.",
            options.tokenizer
        );
    }
    if config.tasks.ratio > 0.0 {
        let _ = writeln!(
            text,
            "\n`{}/`: one LMDB folder per task set, pairs of (text ids, target ids); a name that ends in `eval` is validation \
             data (`glm/data.py`). Share of sequences: {}.",
            options.tasks, config.tasks.ratio
        );
    }
}

fn core(request: &Request, text: &mut String) {
    let (config, options) = (request.config, request.options);
    let sources = &config.data.sources;
    text.push_str("JSON lines with `text`, one file per text, then:\n\n```sh\n");
    let one = |output: &str, input: &str, text: &mut String| {
        let _ = writeln!(
            text,
            "python3 \"$TRAINER/tools/preprocess_data.py\" --input {} --output-prefix {} \\\n    \
             --tokenizer-type HuggingFaceTokenizer --tokenizer-model {} --append-eod --workers 16",
            words::shell_word(input),
            words::shell_word(output),
            words::shell_word(&options.tokenizer)
        );
    };
    if sources.len() > 1 {
        for (i, source) in sources.iter().enumerate() {
            let prefix = prefix(&options.data, i, source);
            let output = prefix.trim_end_matches("_text_document");
            one(output, &format!("{output}.jsonl"), text);
        }
    } else {
        one(&options.data, &format!("{}.jsonl", options.data), text);
    }
    let _ = writeln!(
        text,
        "```\n\nTokenizer: `{}`, a folder with `tokenizer.json` and `tokenizer_config.json`, at most {} ids.",
        options.tokenizer, config.tokenizer.vocab_size
    );
}
