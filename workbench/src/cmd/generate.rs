//! `workbench generate`.

use crate::cli::{Generate, WhichWeights};
use crate::console;
use crate::failure::Failure;
use experiments::{LanguageModel, ModelRequest, Weighed, with_language_model};
use experiments_evaluation::{
    Answer, Decoding, Layout, Method, Prompt, PromptError, TextStream, decode,
};
use experiments_text::{Cache, Tokenizer};
use serde::Serialize;
use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

/// Prompts that go through the model together.
const BATCH: usize = 16;

/// Of draws for which none is given.
const SEED: u64 = 1;

/// What `--json` prints.
#[derive(Serialize)]
struct Document<'a> {
    weights: Weighed,
    answers: Vec<Answered<'a>>,
}

#[derive(Serialize)]
struct Answered<'a> {
    prompt: &'a str,
    #[serde(flatten)]
    best: Shown,
    /// Of a search, best first; the first is `best`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    beams: Vec<Shown>,
}

#[derive(Serialize)]
struct Shown {
    text: String,
    #[serde(flatten)]
    answer: Answer,
}

/// A prompt as it was typed, and where.
struct Typed {
    text: String,
    place: String,
}

pub(crate) fn run(arguments: &Generate, cache: &Cache) -> Result<ExitCode, Failure> {
    let (least, most) = (arguments.min_tokens, arguments.max_tokens);
    if least > most {
        return Err(Failure::usage(format!(
            "no answer has at least {least} tokens and at most {most}; raise --max-tokens"
        )));
    }
    let config = super::run_config(&arguments.run)?;
    let typed = typed(arguments)?;
    let request = request(&arguments.run, &config, cache, &arguments.weights);
    with_language_model(&request, |model| answer_all(arguments, &typed, model))??;
    Ok(ExitCode::SUCCESS)
}

/// The weights of a run that are asked for.
pub(super) fn request<'a>(
    directory: &'a Path,
    config: &'a experiments_config::Config,
    cache: &'a Cache,
    weights: &'a WhichWeights,
) -> ModelRequest<'a> {
    ModelRequest {
        directory,
        config,
        cache,
        step: weights.step,
        quantized: weights.quantized.as_deref(),
    }
}

fn typed(arguments: &Generate) -> Result<Vec<Typed>, Failure> {
    let own = arguments.prompt.iter().map(|text| Typed {
        text: text.clone(),
        place: format!("the prompt {}", words::quoted([words::cut(text, 40)])),
    });
    let mut all: Vec<Typed> = own.collect();
    let Some(file) = &arguments.prompts else {
        return Ok(all);
    };
    let is_stdin = file == Path::new("-");
    let (text, name) = if is_stdin {
        let mut bytes = Vec::new();
        let read = std::io::stdin().read_to_end(&mut bytes);
        let text = read.and_then(|_| logs::disk::text(bytes));
        let text = text.map_err(|error| Failure::reading_stdin(&error))?;
        (text, "standard input".to_owned())
    } else {
        let text = logs::disk::read_text(file).map_err(|error| Failure::reading(file, &error))?;
        (text, format!("`{}`", file.display()))
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let lines = (1..).zip(text.lines()).map(|(number, line)| Typed {
        text: line.to_owned(),
        place: format!("{name}, line {number}:"),
    });
    all.extend(lines);
    if all.is_empty() {
        return Err(Failure::usage(format!("{name} holds no prompt")));
    }
    Ok(all)
}

fn prompts(
    layout: &Layout,
    tokenizer: &Tokenizer,
    typed: &[Typed],
) -> Result<Vec<Prompt>, Failure> {
    let parsed = typed.iter().map(|typed| {
        layout
            .parse(&typed.text, tokenizer)
            .map_err(|error| match error {
                PromptError::Text(error) => error.into(),
                error => Failure::usage(format!("{} {error}", typed.place)),
            })
    });
    parsed.collect()
}

fn answer_all(arguments: &Generate, typed: &[Typed], asked: LanguageModel) -> Result<(), Failure> {
    let LanguageModel {
        model,
        tokenizer,
        layout,
        weights,
    } = asked;
    if arguments.weights.step.is_none() && weights.quantized.is_none() {
        super::note_older_checkpoint(&arguments.run, weights.step);
    }
    let prompts = prompts(&layout, tokenizer, typed)?;
    let decoding = decoding(arguments, tokenizer);
    check_room(&prompts, typed, &decoding, layout.slots)?;
    let mut output = Output::new(arguments, typed);
    let mut answers = Vec::new();
    for (batch, first) in prompts.chunks(BATCH).zip((0..).step_by(BATCH)) {
        let found = decode(model, batch, &decoding, &mut |_, token| {
            output.token(tokenizer.piece(token));
        });
        let found = found.map_err(|error| {
            let run = arguments.run.display();
            Failure::failed(format!("`{run}`, step {}: {error}", weights.step))
        })?;
        for (number, found) in (first..).zip(found) {
            output.answer(number, tokenizer, &found);
            answers.push(found);
        }
    }
    output.finish()?;
    note_empty(&answers);
    if arguments.json {
        let answered = typed.iter().zip(answers);
        let answered = answered.map(|(typed, found)| shown(&typed.text, tokenizer, found));
        return console::print_json(&Document {
            weights,
            answers: answered.collect(),
        });
    }
    Ok(())
}

/// Refuses an answer that has to be longer than the slots which its prompt leaves.
fn check_room(
    prompts: &[Prompt],
    typed: &[Typed],
    decoding: &Decoding,
    slots: usize,
) -> Result<(), Failure> {
    let least = decoding.min_tokens;
    for (prompt, typed) in prompts.iter().zip(typed) {
        let room = decoding.room(prompt, slots);
        if least > room {
            let place = &typed.place;
            return Err(Failure::usage(format!(
                "{place} leaves room for {} in the {slots} slots of the model, and `--min-tokens` asks for {least}",
                words::counted(room as u64, "token")
            )));
        }
    }
    Ok(())
}

/// An empty line is an answer too, which nobody takes for one.
fn note_empty(answers: &[Vec<Answer>]) {
    let is_empty = |found: &&Vec<Answer>| found.first().is_none_or(|best| best.tokens.is_empty());
    let empty = answers.iter().filter(is_empty).count();
    if empty > 0 {
        console::say(&format!(
            "note: {} of {} empty: the model ended there at once; `--min-tokens 1` asks for a token at least",
            empty,
            words::counted(answers.len() as u64, "answer"),
        ));
    }
}

fn decoding(arguments: &Generate, tokenizer: &Tokenizer) -> Decoding {
    let Generate {
        temperature,
        top_k,
        top_p,
        seed,
        beams,
        length_penalty,
        ..
    } = *arguments;
    let draws = temperature.is_some() || top_k.is_some() || top_p.is_some() || seed.is_some();
    let method = match beams {
        Some(beams) => Method::Beam {
            beams: beams as usize,
            length_penalty,
        },
        None if draws => Method::Sample {
            temperature: temperature.unwrap_or(1.0),
            top_k: top_k.map(|count| count as usize),
            top_p,
            seed: seed.unwrap_or(SEED),
        },
        None => Method::Greedy,
    };
    Decoding {
        method,
        min_tokens: arguments.min_tokens as usize,
        no_repeat_ngram: arguments.no_repeat_ngram as usize,
        ..Decoding::greedy(tokenizer, arguments.max_tokens as usize)
    }
}

fn shown<'a>(prompt: &'a str, tokenizer: &Tokenizer, found: Vec<Answer>) -> Answered<'a> {
    let show = |answer: Answer| Shown {
        text: tokenizer.decode(&answer.tokens),
        answer,
    };
    let mut all: Vec<Shown> = found.iter().cloned().map(show).collect();
    let beams = if all.len() > 1 {
        found.into_iter().map(show).collect()
    } else {
        Vec::new()
    };
    Answered {
        prompt,
        best: all.swap_remove(0),
        beams,
    }
}

/// What people read: one answer as it comes, or one after another with its prompt.
struct Output<'a> {
    typed: &'a [Typed],
    /// Whether tokens are shown as they come.
    streams: bool,
    is_silent: bool,
    text: TextStream,
    printed: Result<(), Failure>,
}

impl<'a> Output<'a> {
    fn new(arguments: &Generate, typed: &'a [Typed]) -> Self {
        Self {
            typed,
            streams: typed.len() == 1 && arguments.beams.is_none(),
            is_silent: arguments.json,
            text: TextStream::default(),
            printed: Ok(()),
        }
    }

    fn print(&mut self, text: &str) {
        if self.printed.is_ok() && !self.is_silent {
            self.printed = console::print(text);
        }
    }

    fn token(&mut self, bytes: &[u8]) {
        if self.streams {
            let text = self.text.push(bytes);
            self.print(&text);
        }
    }

    fn answer(&mut self, number: usize, tokenizer: &Tokenizer, found: &[Answer]) {
        if self.streams {
            let rest = self.text.finish();
            return self.print(&format!("{rest}\n"));
        }
        let text = found.first().map(|answer| tokenizer.decode(&answer.tokens));
        let text = text.unwrap_or_default();
        if let [_] = self.typed {
            return self.print(&format!("{text}\n"));
        }
        let prompt = &self.typed[number].text;
        self.print(&format!("[{}] {prompt}\n{text}\n\n", number + 1));
    }

    fn finish(self) -> Result<(), Failure> {
        self.printed
    }
}
