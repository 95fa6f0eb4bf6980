//! What is typed: commands that belong to no pane, the line they are typed into, and the actions they ask about.

use std::borrow::Cow;
use std::path::PathBuf;

use super::asked::LONE;
use super::{Leaving, Screen};
use crate::action::What;
use crate::command::{self, Command, CommandRow, Outcome, commands};
use crate::export;
use crate::keys::Key;
use crate::pane::Pane;
use crate::panes::{Tab, tabs};
use crate::prompt::{Kind, Prompt, Typed};

/// What can be on or off.
const SWITCH: [&str; 2] = ["on", "off"];

fn switched(word: &str) -> Result<bool, String> {
    command::one_of(word, [("on", true), ("", true), ("off", false)])
}

type ScreenCommand = Command<
    fn(&mut Screen, &str) -> Outcome,
    fn(&Screen) -> Vec<String>,
    fn(&Screen) -> Option<String>,
>;

/// What the actions are asked of.
const WHOM: [&str; 2] = ["run", "arm"];

const COMMANDS: &[ScreenCommand] = commands![
    "tab" "NAME" "open a tab" =>
        |screen, name| screen.open_named(name),
        |screen| tabs(screen.entries).map(|tab| tab.name_of(screen.entries).to_owned()).collect(),
        |_| None;
    "filter" "[!]KEY=A|B KEY>=N KEY~REGEX REGEX …" "only runs for which all of it holds; alone all" =>
        |screen, text| screen.shared.set_filter(text),
        |screen| screen.shared.all_keys().iter().map(|key| format!("{key}=")).collect(),
        |screen| Some(&screen.shared.filter.text).filter(|text| !text.is_empty()).cloned();
    "group" "KEY|arm" "one curve and one colour for all runs with a value of a key" =>
        |screen, key| screen.shared.group_by(key),
        |screen| screen.shared.all_keys(),
        |screen| screen.shared.groups.by.clone();
    "colour" "KEY" "colours by an axis of the card, shades by the other" =>
        |screen, key| screen.shared.colour_by(key),
        |screen| screen.shared.look_axes(),
        |screen| screen.shared.groups.colour.clone();
    "shade" "KEY" "shades by another axis of the card" =>
        |screen, key| screen.shared.shade_by(key),
        |screen| screen.shared.look_axes(),
        |screen| screen.shared.groups.shade.clone();
    "run" "NAME" "cursor on the first run with this in its name" =>
        |screen, name| screen.go_to(name),
        |screen| screen.shared.sweep().runs.iter().map(|run| run.id.clone()).collect(),
        |screen| screen.shared.run(screen.shared.cursor).filter(|_| screen.shared.runs().len() > 1).map(|run| run.id.clone());
    "follow" "on|off" "keep the cursor on a run that is trained" =>
        |screen, word| { screen.shared.follow = switched(word)?; Ok(()) },
        |_| SWITCH.map(str::to_owned).into(),
        |screen| screen.shared.follow.then(|| "on".to_owned());
    "bell" "on|off" "bell at new alarms of runs that ask for it" =>
        |screen, word| { screen.shared.bell = switched(word)?; Ok(()) },
        |_| SWITCH.map(str::to_owned).into(),
        |screen| (!screen.shared.bell).then(|| "off".to_owned());
    "focus" "PANE" "give keys to this pane of the screen" =>
        |screen, name| screen.focus_named(name),
        |screen| screen.entries.iter().map(|entry| entry.name.to_owned()).collect(),
        |screen| screen.focused();
    "stop" "run|arm" "end a run, or those of its arm, after its checkpoint" =>
        |screen, whom| screen.ask_about(What::Stop, whom), |_| WHOM.map(str::to_owned).into(), |_| None;
    "skip" "run|arm" "leave a run out, or those of its arm; what trains ends" =>
        |screen, whom| screen.ask_about(What::Skip, whom), |_| WHOM.map(str::to_owned).into(), |_| None;
    "resume" "run|arm" "go on with what ended early, or was skipped" =>
        |screen, whom| screen.ask_about(What::Resume, whom), |_| WHOM.map(str::to_owned).into(), |_| None;
    "export" "FILE.svg|FILE.png|FILE.txt|FILE.csv" "this screen as picture or text, or its pane as a table" =>
        |screen, file| screen.ask_export(file), |_| Vec::new(), |_| None;
    "copy" "" "copy the command that shows this screen" =>
        |screen, _| { screen.copy(); Ok(()) }, |_| Vec::new(), |_| None;
    "quit" "" "leave the monitor" =>
        |screen, _| { screen.leaving = Some(Leaving::Alone); Ok(()) }, |_| Vec::new(), |_| None;
];

/// All commands: those of no pane, then those of the panes.
pub(crate) fn all(panes: &[Box<dyn Pane>]) -> Vec<CommandRow> {
    let own = COMMANDS.iter().map(|command| command.row);
    own.chain(panes.iter().flat_map(|pane| pane.commands()))
        .collect()
}

impl Screen {
    pub(super) fn ask(&mut self, kind: Kind) {
        let text = if kind == Kind::Filter {
            self.shared.filter.text.clone()
        } else {
            String::new()
        };
        self.help = None;
        self.prompt = Some(Prompt::new(kind, &text));
    }

    /// A key while something is typed. What is wrong stays on the line to be mended.
    pub(super) fn typed(&mut self, key: Key) {
        let Some(mut prompt) = self.prompt.take() else {
            return;
        };
        let done = match prompt.press(key) {
            Typed::GivenUp => return,
            Typed::On => false,
            Typed::Complete => {
                prompt.complete(&self.completions(&prompt));
                false
            }
            Typed::Copy => {
                if let Kind::Start(start) = prompt.kind {
                    self.put_on_clipboard(start.line);
                }
                return;
            }
            Typed::Done => true,
        };
        if !done {
            self.prompt = Some(prompt);
        } else if let Err(problem) = self.do_prompt(&prompt) {
            self.prompt = Some(Prompt {
                note: problem,
                ..prompt
            });
        }
    }

    fn do_prompt(&mut self, prompt: &Prompt) -> Outcome {
        match &prompt.kind {
            Kind::Command if prompt.text.trim().is_empty() => Ok(()),
            Kind::Command => self.command(&prompt.text),
            Kind::Filter => self.shared.set_filter(&prompt.text),
            Kind::Question(action) => {
                let (sweep, _) = self.shared.planned(action.one).ok_or(LONE)?;
                self.answers.push(action.clone().start(sweep.clone()));
                Ok(())
            }
            Kind::Start(start) => {
                if let Some(fork) = &start.fork {
                    self.forks.push(fork.clone());
                    self.shared.follow_fork(fork.clone());
                }
                self.answers.push(start.clone().start(self.program.clone()));
                Ok(())
            }
        }
    }

    /// Does what a line asks for.
    pub(crate) fn command(&mut self, line: &str) -> Outcome {
        let (name, argument) = command::split(line);
        if let Some(command) = command::named(COMMANDS, name) {
            return (command.act)(self, argument);
        }
        let shared = &mut self.shared;
        let mut panes = self.panes.iter_mut();
        let done = panes.find_map(|pane| pane.command(name, argument, shared));
        self.take_question();
        done.unwrap_or_else(|| {
            let names = all(&self.panes).into_iter().map(|row| row.name);
            Err(format!("no command `{name}`{}", words::hint(name, names)))
        })
    }

    /// Asks what a pane wants to have asked.
    pub(super) fn take_question(&mut self) {
        match self.shared.to_ask.take() {
            Some(Ok(start)) => {
                self.help = None;
                self.prompt = Some(Prompt::new(Kind::Start(start), ""));
            }
            Some(Err(problem)) => self.note = problem,
            None => {}
        }
    }

    fn completions(&self, prompt: &Prompt) -> Vec<String> {
        let name = match &prompt.kind {
            Kind::Question(_) | Kind::Start(_) => return Vec::new(),
            Kind::Filter => "filter",
            Kind::Command => match prompt.text.trim_start().split_once(char::is_whitespace) {
                Some((name, _)) => name,
                None => {
                    return all(&self.panes)
                        .iter()
                        .map(|row| row.name.to_owned())
                        .collect();
                }
            },
        };
        match command::named(COMMANDS, name) {
            Some(command) => (command.choices)(self),
            None => self
                .panes
                .iter()
                .flat_map(|pane| pane.choices(name, &self.shared))
                .collect(),
        }
    }

    /// The command line that shows this screen.
    pub(crate) fn as_command(&self) -> String {
        let own = COMMANDS
            .iter()
            .filter_map(|command| Some(format!("{} {}", command.row.name, (command.now)(self)?)));
        let panes = self.panes.iter().flat_map(|pane| pane.lines(&self.shared));
        let quoted =
            |text: &str| shlex::try_quote(text).map_or_else(|_| "?".to_owned(), Cow::into_owned);
        let mut line = "workbench monitor".to_owned();
        for path in &self.paths {
            line = format!("{line} {}", quoted(&path.display().to_string()));
        }
        if self.tab != Tab::OVERVIEW {
            line = format!("{line} --tab {}", self.tab.name_of(self.entries));
        }
        for fork in &self.forks {
            line = format!("{line} --fork {}", quoted(&fork.display().to_string()));
        }
        if let Some(settings) = &self.settings {
            let file = settings.display().to_string();
            line = format!("{line} --settings {}", quoted(&file));
        }
        for one in own.chain(panes) {
            line = format!("{line} --do {}", quoted(&one));
        }
        line
    }

    pub(super) fn copy(&mut self) {
        self.put_on_clipboard(self.as_command());
    }

    fn put_on_clipboard(&mut self, line: String) {
        self.note = format!("copied: {line}");
        self.clipboard = Some(line);
    }

    fn open_named(&mut self, name: &str) -> Outcome {
        let names = tabs(self.entries).map(|tab| (tab.name_of(self.entries), tab));
        let tab = command::one_of(name, names)?;
        self.open(tab);
        Ok(())
    }

    fn focus_named(&mut self, name: &str) -> Outcome {
        let panes = self.entries.iter().enumerate();
        let panes = panes.map(|(number, entry)| (entry.name, number));
        self.focus = command::one_of(name, panes)?;
        Ok(())
    }

    /// The pane with the focus, where it is not the one that has it at first.
    fn focused(&self) -> Option<String> {
        let moved = self.tab == Tab::OVERVIEW && self.focus != 0;
        moved.then(|| self.entries[self.focus].name.to_owned())
    }

    fn go_to(&mut self, name: &str) -> Outcome {
        let run = self.shared.find(name)?;
        self.shared.go(run);
        Ok(())
    }

    fn ask_export(&mut self, file: &str) -> Outcome {
        export::check(file)?;
        self.export = Some(PathBuf::from(file));
        Ok(())
    }

    /// Takes in what was answered or found beside the screen; `true` when something was.
    pub(crate) fn hear(&mut self) -> bool {
        let before = self.note.clone();
        for answers in &self.answers {
            if let Some(answer) = answers.try_iter().last() {
                self.note = answer;
            }
        }
        let panes = self.panes.iter_mut().map(|pane| pane.hear());
        let heard = panes.fold(self.shared.hear(), |heard, pane| heard | pane);
        heard || self.note != before
    }
}
