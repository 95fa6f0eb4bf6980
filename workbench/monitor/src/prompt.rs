//! The line at the bottom while something is typed or asked: a command, a filter, or a question.

use ratatui::crossterm::event::KeyCode;

use crate::action::Action;
use crate::keys::Key;
use crate::start::Start;

/// What is typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prompt {
    pub(crate) kind: Kind,
    pub(crate) text: String,
    /// What is wrong with it, or how it may go on.
    pub(crate) note: String,
}

/// What a line is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Command,
    Filter,
    /// Done at `y`, given up at any other key.
    Question(Action),
    /// The same, and `c` copies the command.
    Start(Start),
}

/// What a key did to the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Typed {
    /// It goes on.
    On,
    /// Tab.
    Complete,
    /// Enter, or `y`.
    Done,
    /// `c` at a command that may be started.
    Copy,
    /// Esc, or anything but `y`.
    GivenUp,
}

/// Longest line that is taken in.
const LONGEST: usize = 500;

impl Prompt {
    pub(crate) fn new(kind: Kind, text: &str) -> Self {
        Self {
            kind,
            text: text.to_owned(),
            note: String::new(),
        }
    }

    /// What stands in front of the text.
    pub(crate) fn sign(&self) -> String {
        match &self.kind {
            Kind::Command => ":".to_owned(),
            Kind::Filter => "/".to_owned(),
            Kind::Question(action) => format!("{} (y/n) ", action.question()),
            Kind::Start(start) => start.question() + " ",
        }
    }

    /// Whether it is answered by a key and not by a line.
    pub(crate) fn is_question(&self) -> bool {
        matches!(self.kind, Kind::Question(_) | Kind::Start(_))
    }

    pub(crate) fn press(&mut self, key: Key) -> Typed {
        if self.is_question() {
            let copies = matches!(self.kind, Kind::Start(_));
            return match key.code {
                KeyCode::Char('y' | 'Y') if !key.ctrl => Typed::Done,
                KeyCode::Char('c') if copies && !key.ctrl => Typed::Copy,
                _ => Typed::GivenUp,
            };
        }
        self.note.clear();
        match key.code {
            KeyCode::Enter => return Typed::Done,
            KeyCode::Esc => return Typed::GivenUp,
            KeyCode::Tab => return Typed::Complete,
            KeyCode::Backspace if self.text.pop().is_none() => return Typed::GivenUp,
            KeyCode::Char('u') if key.ctrl => self.text.clear(),
            KeyCode::Char(letter)
                if !key.ctrl && !letter.is_control() && self.text.len() < LONGEST =>
            {
                self.text.push(letter);
            }
            _ => {}
        }
        Typed::On
    }

    /// Completes the last word: as far as all `choices` that begin with it agree, which are shown where there are several.
    pub(crate) fn complete(&mut self, choices: &[String]) {
        let start = self
            .text
            .rfind(char::is_whitespace)
            .map_or(0, |space| space + 1);
        let fitting: Vec<&String> = choices
            .iter()
            .filter(|choice| choice.starts_with(&self.text[start..]))
            .collect();
        let Some(first) = fitting.first() else {
            "nothing begins like this".clone_into(&mut self.note);
            return;
        };
        let mut agreed = first.len();
        while !fitting
            .iter()
            .all(|choice| first.is_char_boundary(agreed) && choice.starts_with(&first[..agreed]))
        {
            agreed -= 1;
        }
        self.text.replace_range(start.., &first[..agreed]);
        if fitting.len() == 1 {
            self.text.push(' ');
        } else {
            let all: Vec<&str> = fitting.iter().map(|choice| choice.as_str()).collect();
            self.note = all.join(" ");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{key, letter};

    #[test]
    fn a_word_is_completed_as_far_as_all_choices_agree() {
        let choices: Vec<String> = ["signal", "sort", "stöp", "stöpp"]
            .map(str::to_owned)
            .into();
        let completed = |text: &str| {
            let mut prompt = Prompt::new(Kind::Command, text);
            prompt.complete(&choices);
            (prompt.text, prompt.note)
        };
        assert_eq!(completed("si").0, "signal ");
        assert_eq!(
            completed("st"),
            ("stöp".to_owned(), "stöp stöpp".to_owned())
        );
        assert_eq!(completed("x").1, "nothing begins like this");
        assert_eq!(completed("run so").0, "run sort ");
    }

    #[test]
    fn a_question_is_answered_by_y_alone() {
        let action = Action {
            what: crate::action::What::Stop,
            runs: vec!["a".to_owned()],
            one: 0,
            of: None,
        };
        for (pressed, answer) in [
            (letter('y'), Typed::Done),
            (key(KeyCode::Enter), Typed::GivenUp),
            (letter('q'), Typed::GivenUp),
        ] {
            let mut prompt = Prompt::new(Kind::Question(action.clone()), "");
            assert_eq!(prompt.press(pressed), answer);
        }
    }

    #[test]
    fn backspace_on_an_empty_line_gives_it_up() {
        let mut prompt = Prompt::new(Kind::Filter, "l");
        assert_eq!(prompt.press(key(KeyCode::Backspace)), Typed::On);
        assert_eq!(prompt.press(key(KeyCode::Backspace)), Typed::GivenUp);
    }
}
