//! From items to rows of the model, and from what it says to records.

use super::files::{Content, Files, TaskFile};
use super::question::{Body, Found, Question};
use super::seam::seam;
use super::texts::Size;
use super::{Asked, EvaluateError};
use crate::decode::{Decoding, Method, decode};
use crate::item::{Ask, Item, short_hash};
use crate::lambada;
use crate::metrics::{best, exact, f1};
use crate::model::largest;
use crate::prompt::{Blank, Prompt};
use crate::record::{Outcome, Record};
use crate::rows::Whole;
use crate::sample::Sample;
use crate::score::{Choosing, Reading, Window, choice_log_probabilities, windows};
use crate::task::{Generation, Kind, Task};
use experiments_config::ObjectiveMode;
use experiments_text::{SPECIAL, TextError};
use std::sync::Arc;

/// What an item became.
struct Laid {
    body: Body,
    cut: bool,
    seam: Option<usize>,
}

/// Asks a model the questions of a task.
pub(super) struct Asker<'a, 'b> {
    pub(super) asked: &'a mut Asked<'b>,
    pub(super) task: &'a Task,
    /// Whether records have a [`Sample`].
    pub(super) log_samples: bool,
}

impl Asker<'_, '_> {
    pub(super) fn questions(&self, files: &Files) -> Result<Vec<Question>, EvaluateError> {
        let mut all = Vec::new();
        for file in files.all() {
            match &file.content {
                Content::Items(items) => {
                    for item in items {
                        if item.ask == Ask::Text {
                            all.extend(self.row_windows(file, item)?);
                        } else {
                            all.push(self.question(file, item)?);
                        }
                    }
                }
                Content::Text(text) => all.extend(self.windows(file, text)?),
            }
        }
        Ok(all)
    }

    /// The windows of a row's text, whose number among them is the part; one that says so where there is nothing to predict.
    fn row_windows(&self, file: &TaskFile, item: &Item) -> Result<Vec<Question>, EvaluateError> {
        let mut all = self.windows(file, &item.inputs)?;
        if all.is_empty() {
            let reason = "has no token to predict: the first is given";
            let body = Body::Skipped(reason.to_owned());
            all.push(Question::plain(file, item, body));
        }
        for (window, question) in (1..).zip(&mut all) {
            question.group.clone_from(&item.group);
            question.line = item.line;
            question.part = window;
        }
        Ok(all)
    }

    fn windows(&self, file: &TaskFile, text: &str) -> Result<Vec<Question>, EvaluateError> {
        let step = match self.task.kind {
            Kind::LanguageModel { generation_length } => generation_length,
            Kind::Choices | Kind::Generation(_) => 1,
        };
        let tokens = Arc::new(self.asked.tokenizer.encode(text)?);
        let windows = (1..).zip(windows(tokens.len(), self.slots(), step));
        let (item, size) = (short_hash(&[text]), Size::of(text));
        let question = |(line, window)| Question {
            file: file.name.clone(),
            line,
            part: 0,
            item: item.clone(),
            whole: Whole::default(),
            group: None,
            seam: None,
            cut: false,
            body: Body::Window {
                tokens: Arc::clone(&tokens),
                window,
                size,
            },
        };
        Ok(windows.map(question).collect())
    }

    /// Slots that a text and its answer may have.
    fn slots(&self) -> usize {
        self.asked.layout.slots.min(self.task.max_seq_length)
    }

    fn reading(&self) -> Reading {
        Reading {
            use_task_mask: self.task.use_task_mask,
            unidirectional: self.task.unidirectional,
        }
    }

    /// How answers are generated.
    fn decoding(&self, rules: &Generation) -> Decoding {
        let tokenizer = self.asked.tokenizer;
        let banned_first = if rules.is_lambada {
            lambada::never_first(tokenizer)
        } else {
            Vec::new()
        };
        Decoding {
            method: rules.beams.map_or(Method::Greedy, |beams| Method::Beam {
                beams,
                length_penalty: rules.length_penalty,
            }),
            min_tokens: rules.min_tokens,
            // The original's greedy strategy allows every repetition.
            no_repeat_ngram: rules.beams.map_or(0, |_| rules.no_repeat_ngram),
            banned_first,
            // The text has half of the slots at least.
            ..Decoding::greedy(tokenizer, rules.max_tokens.min(self.slots() / 2).max(1))
        }
    }

    fn question(&self, file: &TaskFile, item: &Item) -> Result<Question, EvaluateError> {
        let laid_out = match (&item.ask, &self.task.kind) {
            (
                Ask::Choices {
                    choices,
                    label,
                    worth,
                },
                _,
            ) => self.choosing(&item.inputs, choices, (*label, worth))?,
            (Ask::Targets(targets), Kind::Generation(rules)) => {
                let room = self.decoding(rules).max_tokens;
                let prompt = self.prompt(self.open_end(&item.inputs).0, room)?;
                let targets = targets.clone();
                prompt.map(|(prompt, cut)| Laid {
                    body: Body::Generation { prompt, targets },
                    cut,
                    seam: None,
                })
            }
            (Ask::Nothing(reason), _) => Err(reason.clone()),
            (Ask::Targets(_) | Ask::Text, _) => {
                Err("has targets, which this type of task does not ask for".to_owned())
            }
        };
        let skipped = |reason| Laid {
            body: Body::Skipped(reason),
            cut: false,
            seam: None,
        };
        let laid = laid_out.unwrap_or_else(skipped);
        Ok(Question {
            cut: laid.cut,
            seam: laid.seam,
            ..Question::plain(file, item, laid.body)
        })
    }

    fn choosing(
        &self,
        inputs: &str,
        texts: &[String],
        (label, worth): (usize, &[f64]),
    ) -> Result<Result<Laid, String>, TextError> {
        if let Some(place) = texts.iter().position(String::is_empty) {
            return Ok(Err(format!("choice {} is empty", place + 1)));
        }
        let (text, space) = self.open_end(inputs);
        let texts: Vec<String> = texts.iter().map(|c| format!("{space}{c}")).collect();
        let tokenizer = self.asked.tokenizer;
        let tokens = texts.iter().map(|choice| tokenizer.encode(choice));
        let choices: Vec<Vec<u32>> = tokens.collect::<Result<_, _>>()?;
        let longest = choices.iter().map(Vec::len).max().unwrap_or(0);
        let prompt = self.prompt(text, longest)?;
        let seam = seam(tokenizer, text, &texts, &choices)?;
        Ok(prompt.map(|(prompt, cut)| Laid {
            body: Body::Choices {
                choosing: Choosing { prompt, choices },
                label,
                worth: worth.to_vec(),
            },
            cut,
            seam,
        }))
    }

    /// In GPT mode, of a text that ends with a blank, what is before it, and the white space between: the text goes on where the blank
    /// is, and a word there begins with its space. Any other text as it is.
    fn open_end<'t>(&self, text: &'t str) -> (&'t str, &'t str) {
        let before = text.trim_end().strip_suffix(SPECIAL[0]);
        match (self.asked.layout.mode, before) {
            (ObjectiveMode::Gpt, Some(before)) => before.split_at(before.trim_end().len()),
            (ObjectiveMode::Gpt, None) | (ObjectiveMode::Glm, _) => (text, ""),
        }
    }

    /// A text laid out so that `room` tokens of an answer have slots, and whether it lost its beginning for that; or why it cannot.
    fn prompt(&self, text: &str, room: usize) -> Result<Result<(Prompt, bool), String>, TextError> {
        let (blank, layout) = (SPECIAL[0], &self.asked.layout);
        let (before, after) = match (text.matches(blank).count(), layout.mode) {
            (0, _) => (text, None),
            (1, ObjectiveMode::Glm) => {
                let parts = text.split_once(blank);
                parts.map_or((text, None), |(before, after)| (before, Some(after)))
            }
            (1.., ObjectiveMode::Gpt) => {
                return Ok(Err(
                    "has a blank inside, which a run in GPT mode does not know".to_owned(),
                ));
            }
            (count, ObjectiveMode::Glm) => return Ok(Err(format!("has {count} blanks"))),
        };
        let mut tokens = self.asked.tokenizer.encode(before)?;
        let after = after
            .map(|after| self.asked.tokenizer.encode(after))
            .transpose()?;
        // Blank and sop, of which the answer's last token needs none.
        let beside = match layout.mode {
            ObjectiveMode::Glm => 2,
            ObjectiveMode::Gpt => 0,
        };
        let taken = after.as_ref().map_or(0, Vec::len) + beside + room;
        let Some(most) = (self.slots() + 1).checked_sub(taken) else {
            return Ok(Err(format!(
                "needs {} slots without what is before its blank, and there are {}",
                taken - 1,
                self.slots()
            )));
        };
        let too_many = tokens.len().saturating_sub(most);
        tokens.drain(..too_many);
        if tokens.is_empty() && after.is_none() && layout.mode == ObjectiveMode::Gpt {
            return Ok(Err("leaves no token to go on from".to_owned()));
        }
        let prompt = match after {
            None => self.reading().prompt(layout, tokens),
            Some(after) => {
                let place = tokens.len();
                tokens.push(layout.special.mask);
                tokens.extend(after);
                layout.at_blank(tokens, Blank::Mask(place))
            }
        };
        Ok(Ok((prompt, too_many > 0)))
    }

    /// What became of a batch of questions, in their order.
    pub(super) fn answer(&mut self, batch: &[&Question]) -> Result<Vec<Record>, EvaluateError> {
        let mut records: Vec<(usize, Record)> = Vec::new();
        let mut choosing = Vec::new();
        let mut generating = Vec::new();
        for (place, question) in batch.iter().enumerate() {
            match &question.body {
                Body::Choices {
                    choosing: item,
                    label,
                    ..
                } => choosing.push((place, item.clone(), *label)),
                Body::Generation { prompt, targets } => {
                    generating.push((place, prompt.clone(), targets));
                }
                Body::Window { tokens, window, .. } => {
                    let found = self.window(tokens, window)?;
                    records.push((place, question.record(found)));
                }
                Body::Skipped(reason) => {
                    let reason = reason.clone();
                    records.push((place, question.record((Outcome::Skipped { reason }, None))));
                }
            }
        }
        for (place, found) in self
            .choose(choosing)?
            .into_iter()
            .chain(self.generate(generating)?)
        {
            records.push((place, batch[place].record(found)));
        }
        records.sort_by_key(|(place, _)| *place);
        Ok(records.into_iter().map(|(_, record)| record).collect())
    }

    fn window(&mut self, tokens: &[u32], window: &Window) -> Result<Found, EvaluateError> {
        let item = window.item(&self.asked.layout, tokens, self.reading());
        let found = choice_log_probabilities(self.asked.model, std::slice::from_ref(&item))?;
        let found = found.concat();
        let outcome = Outcome::Window {
            loss: -found.concat().iter().sum::<f64>(),
            tokens: window.predicted.len() as u64,
        };
        Ok((outcome, self.sample(&item, &found)))
    }

    /// The sample of given answers, if samples are logged.
    fn sample(&self, item: &Choosing, found: &[Vec<f64>]) -> Option<Sample> {
        (self.log_samples).then(|| Sample::scored(self.asked.tokenizer, item, found))
    }

    /// The likeliest choice by the sum over its tokens, without regard to how many those are.
    fn choose(
        &mut self,
        asked: Vec<(usize, Choosing, usize)>,
    ) -> Result<Vec<(usize, Found)>, EvaluateError> {
        let items: Vec<Choosing> = asked.iter().map(|(_, item, _)| item.clone()).collect();
        let found = choice_log_probabilities(self.asked.model, &items)?;
        let outcome =
            |((place, item, label), choices): ((usize, Choosing, usize), Vec<Vec<f64>>)| {
                let log_probabilities: Vec<f64> =
                    choices.iter().map(|tokens| tokens.iter().sum()).collect();
                let chosen = largest(log_probabilities.iter().copied()).unwrap_or(0);
                let outcome = Outcome::Choices {
                    log_probabilities,
                    chosen,
                    label,
                };
                (place, (outcome, self.sample(&item, &choices)))
            };
        Ok(asked.into_iter().zip(found).map(outcome).collect())
    }

    fn generate(
        &mut self,
        asked: Vec<(usize, Prompt, &Vec<String>)>,
    ) -> Result<Vec<(usize, Found)>, EvaluateError> {
        let Kind::Generation(rules) = &self.task.kind else {
            return Ok(Vec::new());
        };
        let decoding = self.decoding(rules);
        let prompts: Vec<Prompt> = asked.iter().map(|(_, prompt, _)| prompt.clone()).collect();
        let found = decode(self.asked.model, &prompts, &decoding, &mut |_, _| ())?;
        let mut all = Vec::new();
        for ((place, prompt, targets), answers) in asked.into_iter().zip(found) {
            let sample = (self.log_samples)
                .then(|| Sample::generated(self.asked.tokenizer, &prompt, &answers));
            let texts = answers
                .iter()
                .map(|answer| self.asked.tokenizer.decode(&answer.tokens));
            let texts: Vec<String> = texts.collect();
            let (answer, exact_share) = if rules.is_lambada {
                let word = lambada::word(&texts).to_owned();
                let is_right = |target: &str| f64::from(u8::from(word == target.trim()));
                let share = best(targets, is_right);
                (word, share)
            } else {
                let text = texts.into_iter().next().unwrap_or_default();
                let text = until(&text, &rules.stop).trim().to_owned();
                let share = best(targets, |target| f64::from(u8::from(exact(&text, target))));
                (text, share)
            };
            let f1 = best(targets, |target| f1(&answer, target));
            let outcome = Outcome::Answer {
                answer,
                exact: exact_share,
                f1,
            };
            all.push((place, (outcome, sample)));
        }
        Ok(all)
    }
}

/// An answer up to the first of the texts that end it. White space before an answer ends none.
fn until<'t>(answer: &'t str, stop: &[String]) -> &'t str {
    let begun = answer.trim_start();
    let ends = stop.iter().filter_map(|stop| begun.find(stop.as_str()));
    &begun[..ends.min().unwrap_or(begun.len())]
}
