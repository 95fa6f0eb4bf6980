//! What a model is given before it answers: a text with one blank, or, in GPT mode, a text that goes on.

use crate::error::PromptError;
use crate::model::{Row, up_to};
use experiments_config::{Config, GmaskPositions, MaskPositions, ObjectiveMode};
use experiments_text::{SPECIAL, SpecialIds, TextError, Tokenizer};

/// `[MASK]`, a short blank inside the text, and `[gMASK]`, all that follows it.
const BLANKS: [&str; 2] = [SPECIAL[0], SPECIAL[1]];

/// How a run lays texts out: the part of its configuration that says so.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// What it was trained on.
    pub mode: ObjectiveMode,
    mask_positions: MaskPositions,
    gmask_positions: GmaskPositions,
    /// Whether slots of a blank have ids of their own (2-D positions).
    reads_spans: bool,
    /// Special tokens of its vocabulary.
    pub special: SpecialIds,
    /// Slots of a sequence.
    pub slots: usize,
}

/// Where an answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blank {
    /// Into the `[MASK]` at this place of the context.
    Mask(usize),
    /// Behind the context, which ends with `[gMASK]`.
    Gmask,
    /// Behind the text, left to right: GPT mode.
    None,
}

/// A text laid out for a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// Tokens that all see one another.
    pub context: Vec<u32>,
    /// Tokens behind them that are read left to right, one at least; the last one predicts the answer's first.
    pub causal: Vec<u32>,
    /// Position id of the first causal token, and by how much it grows.
    first: u32,
    step: u32,
    /// Second id of the first causal token; none where all are 0.
    block: Option<u32>,
}

impl Layout {
    /// Of a run.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let objective = &config.objective;
        Self {
            mode: objective.mode,
            mask_positions: objective.mask_positions,
            gmask_positions: objective.gmask_positions,
            reads_spans: config.model.positions.reads_spans(),
            special: SpecialIds::of(config.tokenizer.vocab_size),
            slots: config.model.seq_len,
        }
    }

    /// The prompt that a text is: with one `[MASK]`, or one `[gMASK]` at its end; in GPT mode with neither.
    ///
    /// # Errors
    /// If blanks are missing, too many, in the wrong place or unknown to the run, if nothing is left to read, or if the
    /// text leaves no slot for an answer.
    pub fn parse(&self, text: &str, tokenizer: &Tokenizer) -> Result<Prompt, PromptError> {
        let (before, blank, after) = self.split(text)?;
        let mut tokens = encode(tokenizer, before)?;
        let prompt = match blank {
            None => self.left_to_right(&tokens),
            Some(name) if name == BLANKS[1] => {
                tokens.push(self.special.gmask);
                self.at_blank(tokens, Blank::Gmask)
            }
            Some(_) => {
                let place = tokens.len();
                tokens.push(self.special.mask);
                tokens.extend(encode(tokenizer, after)?);
                self.at_blank(tokens, Blank::Mask(place))
            }
        };
        self.fits(prompt)
    }

    /// Text before the blank, the blank, text behind it.
    fn split<'a>(
        &self,
        text: &'a str,
    ) -> Result<(&'a str, Option<&'static str>, &'a str), PromptError> {
        let found: Vec<(usize, &'static str)> = BLANKS
            .into_iter()
            .flat_map(|name| text.match_indices(name).map(move |(at, _)| (at, name)))
            .collect();
        match (self.mode, found.as_slice()) {
            (ObjectiveMode::Gpt, []) if text.is_empty() => Err(PromptError::Empty),
            (ObjectiveMode::Gpt, []) => Ok((text, None, "")),
            (ObjectiveMode::Gpt, [(_, name), ..]) => Err(PromptError::NoBlanks { name }),
            (ObjectiveMode::Glm, []) => Err(PromptError::Missing),
            (ObjectiveMode::Glm, [(at, name)]) => {
                let after = &text[at + name.len()..];
                if *name == BLANKS[1] && !after.trim().is_empty() {
                    return Err(PromptError::Behind);
                }
                Ok((&text[..*at], Some(name), after))
            }
            (ObjectiveMode::Glm, all) => Err(PromptError::Several { count: all.len() }),
        }
    }

    /// A text that is read from left to right: GPT mode.
    #[must_use]
    pub fn left_to_right(&self, text: &[u32]) -> Prompt {
        Prompt {
            context: Vec::new(),
            causal: text.to_vec(),
            first: 0,
            step: 1,
            block: None,
        }
    }

    /// A text that is read from left to right behind a `[gMASK]` that nothing stands before.
    #[must_use]
    pub fn one_way(&self, text: &[u32]) -> Prompt {
        let mut prompt = self.at_blank(vec![self.special.gmask], Blank::Gmask);
        prompt.causal.extend_from_slice(text);
        prompt
    }

    /// Tokens with their blank among them, read both ways: what fills it begins with sop.
    #[must_use]
    pub fn at_blank(&self, context: Vec<u32>, blank: Blank) -> Prompt {
        let len = context.len() as u32;
        let (first, step) = match (blank, self.mask_positions, self.gmask_positions) {
            (Blank::None, ..) => return self.left_to_right(&context),
            (Blank::Mask(place), MaskPositions::Span, _) => (place as u32, 0),
            (Blank::Gmask, ..) if self.reads_spans => (len.saturating_sub(1), 0),
            (Blank::Gmask, _, GmaskPositions::Shifted) => (len.saturating_sub(1), 1),
            (Blank::Mask(_), MaskPositions::Plain, _)
            | (Blank::Gmask, _, GmaskPositions::Plain) => (len, 1),
        };
        Prompt {
            context,
            causal: vec![self.special.sop],
            first,
            step,
            block: Some(1),
        }
    }

    /// The prompt, if it leaves a slot for an answer.
    fn fits(&self, prompt: Prompt) -> Result<Prompt, PromptError> {
        let found = prompt.len();
        if found > self.slots {
            let slots = self.slots;
            return Err(PromptError::Long { found, slots });
        }
        Ok(prompt)
    }
}

impl Prompt {
    /// Slots that it takes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "it never is")]
    pub fn len(&self) -> usize {
        self.context.len() + self.causal.len()
    }

    /// Its rows, of which the last asks.
    #[must_use]
    pub fn rows(&self, sequence: usize) -> Vec<Row> {
        let context = self.context.iter().enumerate().map(|(at, token)| Row {
            sequence,
            token: *token,
            position: at as u32,
            block: 0,
            sees: up_to(self.context.len()),
            asks: false,
        });
        let causal = self.causal.iter().enumerate().map(|(at, token)| {
            let slot = self.context.len() + at;
            Row {
                asks: slot + 1 == self.len(),
                ..self.causal_row(sequence, at, *token, up_to(slot + 1))
            }
        });
        context.chain(causal).collect()
    }

    /// The row in which token number `index` of an answer is read; it asks.
    #[must_use]
    pub fn answer_row(
        &self,
        sequence: usize,
        index: usize,
        token: u32,
        sees: Vec<std::ops::Range<usize>>,
    ) -> Row {
        self.causal_row(sequence, self.causal.len() + index, token, sees)
    }

    fn causal_row(
        &self,
        sequence: usize,
        at: usize,
        token: u32,
        sees: Vec<std::ops::Range<usize>>,
    ) -> Row {
        Row {
            sequence,
            token,
            position: self.first + self.step * at as u32,
            block: self.block.map_or(0, |block| block + at as u32),
            sees,
            asks: true,
        }
    }
}

fn encode(tokenizer: &Tokenizer, text: &str) -> Result<Vec<u32>, TextError> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    tokenizer.encode(text)
}

/// GLM-130B's layout with the byte tokenizer and 20 slots.
#[cfg(test)]
pub(crate) fn layout_for_tests() -> Layout {
    let mut config = Config::default();
    config.tokenizer.vocab_size = 262;
    config.model.seq_len = 20;
    Layout::of(&config)
}

#[cfg(test)]
mod tests;
