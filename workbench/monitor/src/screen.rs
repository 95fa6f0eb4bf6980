//! The panes, which of them are on the screen, and which one has the focus: what keys and clicks change.

use std::path::PathBuf;
use std::sync::mpsc::Receiver;

use ratatui::crossterm::event::KeyCode;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;

use crate::action::What;
use crate::draw::help::Contents;
use crate::keymap::Keymap;
use crate::keys::{Binding, Key, Row, Section, bindings, ctrl, find, key, letter, rows};
use crate::pane::{Drag, Entry, Pane};
use crate::panes::{Tab, tabs};
use crate::places::Places;
use crate::prompt::{Kind, Prompt};
use crate::scroll::Scroll;
use crate::shared::Shared;

/// Title of the section of the keys that work whichever pane has the focus.
const EVERYWHERE: &str = "Everywhere";

/// The keys that work whichever pane has the focus.
const BINDINGS: &[Binding<fn(&mut Screen)>] = bindings![
    [key(KeyCode::Down), letter('j')] "↓ j" "" "next run (or next alarm, or help line)" |screen| screen.scroll(Scroll::Rows(1));
    [key(KeyCode::Up), letter('k')] "↑ k" "" "previous run (or previous alarm, or help line)" |screen| screen.scroll(Scroll::Rows(-1));
    [key(KeyCode::PageDown)] "pgdn" "" "one page down" |screen| screen.scroll(Scroll::Pages(1));
    [key(KeyCode::PageUp)] "pgup" "" "one page up" |screen| screen.scroll(Scroll::Pages(-1));
    [key(KeyCode::Home)] "home" "" "first row" |screen| screen.scroll(Scroll::First);
    [key(KeyCode::End)] "end" "" "last row" |screen| screen.scroll(Scroll::Last);
    [key(KeyCode::Tab)] "tab" "pane" "next pane" |screen| screen.step_focus(1);
    [key(KeyCode::BackTab)] "shift-tab" "" "previous pane" |screen| screen.step_focus(-1);
    [key(KeyCode::Enter)] "enter" "zoom" "give this pane the whole screen; on an alarm, go to its run" Screen::enter;
    [letter('/')] "/" "filter" "filter runs, such as `lr>=0.01 norm=post !outcome=ok`" |screen| screen.ask(Kind::Filter);
    [letter(':')] ":" "command" "type a command; tab completes it" |screen| screen.ask(Kind::Command);
    [letter('F')] "F" "follow" "keep the cursor on a run that is trained" |screen| screen.shared.follow = !screen.shared.follow;
    [letter('S')] "S" "stop" "stop the run under the cursor (asks first)" |screen| screen.ask_to(What::Stop);
    [letter('C')] "C" "" "copy the command that shows this screen" |screen| screen.copy();
    [key(KeyCode::Esc)] "esc" "" "back to the overview, or close this help" Screen::back;
];

/// The keys that end the key bar, and Ctrl-C.
const ENDS: &[Binding<fn(&mut Screen)>] = bindings![
    [letter('?'), letter('h'), key(KeyCode::F(1))] "?" "help" "this help" Screen::turn_help;
    [letter('q')] "q" "leave" "leave the monitor; the sweep goes on" |screen| screen.leaving = Some(Leaving::Alone);
    [ctrl('c')] "ctrl-c" "" "leave, and stop what this command started" |screen| screen.leaving = Some(Leaving::Interrupted);
];

/// The digits that open the first tabs.
static DIGITS: [(&str, [Key; 1]); 9] = [
    ("1", [letter('1')]),
    ("2", [letter('2')]),
    ("3", [letter('3')]),
    ("4", [letter('4')]),
    ("5", [letter('5')]),
    ("6", [letter('6')]),
    ("7", [letter('7')]),
    ("8", [letter('8')]),
    ("9", [letter('9')]),
];

/// How the user left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// By `q`.
    Alone,
    /// By Ctrl-C.
    Interrupted,
}

pub(crate) struct Screen {
    pub(crate) shared: Shared,
    entries: &'static [Entry],
    pub(crate) panes: Vec<Box<dyn Pane>>,
    pub(crate) tab: Tab,
    /// Number of the pane that keys go to.
    pub(crate) focus: usize,
    /// First line of the help screen, while that is open.
    pub(crate) help: Option<usize>,
    /// Lines of the help screen that do not fit.
    help_hidden: usize,
    pub(crate) leaving: Option<Leaving>,
    /// The pane in which the button of the mouse is held, and where it was pressed.
    held: Option<(usize, Position)>,
    /// What is typed.
    pub(crate) prompt: Option<Prompt>,
    /// What the last command said, until the next key.
    pub(crate) note: String,
    /// The directories as they were given.
    pub(crate) paths: Vec<PathBuf>,
    /// Forks that are shown beside what was found there.
    pub(crate) forks: Vec<PathBuf>,
    pub(crate) keymap: Keymap,
    /// The file with keys and colours, where it was given.
    pub(crate) settings: Option<PathBuf>,
    /// This program, which what is started from the screen runs.
    pub(crate) program: PathBuf,
    /// Answers of what was asked of runs.
    answers: Vec<Receiver<String>>,
    /// What the terminal is to put on the clipboard, and files that the next frame is written to.
    pub(crate) clipboard: Option<String>,
    pub(crate) export: Option<PathBuf>,
    /// The screen that was drawn last, which is what keys and clicks refer to.
    pub(crate) places: Places,
}

impl Screen {
    pub(crate) fn new(shared: Shared, entries: &'static [Entry]) -> Self {
        Self {
            shared,
            entries,
            panes: entries.iter().map(|entry| (entry.make)()).collect(),
            tab: Tab::OVERVIEW,
            focus: 0,
            help: None,
            help_hidden: 0,
            leaving: None,
            held: None,
            prompt: None,
            note: String::new(),
            paths: Vec::new(),
            forks: Vec::new(),
            keymap: Keymap::default(),
            settings: None,
            program: std::env::current_exe().unwrap_or_else(|_| PathBuf::from("workbench")),
            answers: Vec::new(),
            clipboard: None,
            export: None,
            places: Places::default(),
        }
    }

    /// Makes ready what the panes of a screen of this size draw.
    pub(crate) fn prepare(&mut self, area: Rect) {
        self.arrange(area);
        for (number, pane) in self.panes.iter_mut().enumerate() {
            let place = self.places.place(number, self.focus);
            pane.prepare(&mut self.shared, place);
        }
    }

    /// Lets the panes on the screen take in what changes without any record.
    pub(crate) fn look(&mut self) -> bool {
        let visible: Vec<usize> = self.visible().collect();
        let looks = visible
            .into_iter()
            .map(|pane| self.panes[pane].look(&mut self.shared));
        looks.fold(false, |changed, looked| changed | looked)
    }

    /// Waits for what panes and verdict find beside the screen; `false` where nothing is being found.
    pub(crate) fn wait(&mut self) -> bool {
        let panes = self.panes.iter_mut().map(|pane| pane.wait());
        let waited = panes.fold(false, |waited, pane| waited | pane);
        waited | self.shared.wait()
    }

    /// Keeps the help screen inside its lines, of which so many do not fit.
    pub(crate) fn fit_help(&mut self, hidden: usize) {
        self.help_hidden = hidden;
        self.help = self.help.map(|line| line.min(hidden));
    }

    /// Places the panes of the open tab; the focus goes to one of them.
    fn arrange(&mut self, area: Rect) {
        let runs = self.shared.runs().len();
        self.places = Places::new(area, self.tab, self.entries, runs);
        let panes = &self.places.panes;
        if panes.iter().all(|(pane, _)| *pane != self.focus) {
            self.focus = panes.first().map_or(self.focus, |(pane, _)| *pane);
        }
    }

    /// Does what a key asks for; `false` where it asks for nothing. The pane with the focus comes first, then what works
    /// everywhere, then the other panes, those on the screen before the rest.
    pub(crate) fn press(&mut self, key: Key) -> bool {
        self.note.clear();
        if key != ctrl('c') && self.prompt.is_some() {
            self.typed(key);
            return true;
        }
        let done = self.do_key(key);
        self.take_question();
        done
    }

    fn do_key(&mut self, key: Key) -> bool {
        if self.press_pane(self.focus, key) {
            return true;
        }
        if let Some(key) = self.keymap.meant(EVERYWHERE, key) {
            let mut digits = DIGITS.iter().map(|(_, keys)| keys.contains(&key));
            let tab = digits.position(|pressed| pressed);
            if let Some(tab) = tab.and_then(|tab| tabs(self.entries).nth(tab)) {
                self.open(tab);
                return true;
            }
            if let Some(act) = find(BINDINGS, key).or_else(|| find(ENDS, key)) {
                act(self);
                return true;
            }
        }
        let visible: Vec<usize> = self.visible().collect();
        let mut others = visible.into_iter().chain(0..self.panes.len());
        others.any(|pane| self.press_pane(pane, key))
    }

    fn press_pane(&mut self, pane: usize, key: Key) -> bool {
        let key = self.keymap.meant(self.entries[pane].title, key);
        key.is_some_and(|key| self.panes[pane].press(key, &mut self.shared))
    }

    /// A click on a tab, on a pane, or anywhere while help is open.
    pub(crate) fn click(&mut self, at: Position) {
        self.note.clear();
        self.held = None;
        if self.help.take().is_some() || self.prompt.take().is_some() {
            return;
        }
        if let Some(tab) = self.tab_at(at) {
            self.open(tab);
        } else if let Some(pane) = self.places.pane_at(at) {
            self.focus = pane;
            self.held = Some((pane, at));
            if let Some(place) = self.places.place(pane, pane) {
                self.panes[pane].click(at, place, &mut self.shared);
            }
        }
    }

    /// The pointer moves with its button held, or it is let go; `false` where no pane was pressed.
    pub(crate) fn drag(&mut self, to: Position, done: bool) -> bool {
        let held = if done { self.held.take() } else { self.held };
        let Some((pane, from)) = held else {
            return false;
        };
        let place = self.places.place(pane, self.focus);
        // A tab may have been opened meanwhile.
        let Some(place) = place.filter(|_| from != to || done) else {
            return false;
        };
        let drag = Drag { from, to, done };
        self.panes[pane].drag(drag, place, &mut self.shared);
        true
    }

    /// Notches of the wheel move in what is under the pointer.
    pub(crate) fn wheel(&mut self, at: Position, notches: isize) {
        let by = Scroll::Notches(notches);
        let pane = self.places.pane_at(at);
        let place = pane.and_then(|pane| self.places.place(pane, self.focus));
        match pane.zip(place) {
            _ if self.help.is_some() => self.scroll(by),
            Some((pane, place)) => self.panes[pane].wheel(at, notches, place, &mut self.shared),
            None => self.shared.scroll(by),
        }
    }

    pub(crate) fn open(&mut self, tab: Tab) {
        self.help = None;
        self.prompt = None;
        self.tab = tab;
        self.focus = tab.pane.unwrap_or(self.focus);
        self.arrange(self.places.area);
    }

    fn scroll(&mut self, by: Scroll) {
        if let Some(line) = self.help {
            let page = usize::from(self.places.area.height.saturating_sub(2));
            self.help = Some(by.from(line, self.help_hidden + 1, page, 3));
        } else {
            self.panes[self.focus].scroll(by, &mut self.shared);
        }
    }

    fn step_focus(&mut self, by: isize) {
        let panes: Vec<usize> = self.visible().collect();
        let here = panes.iter().position(|pane| *pane == self.focus);
        if let Some(here) = here {
            let next = (here as isize + by).rem_euclid(panes.len() as isize);
            self.focus = panes[next as usize];
        }
    }

    fn visible(&self) -> impl Iterator<Item = usize> {
        self.places.panes.iter().map(|(pane, _)| *pane)
    }

    /// Gives the pane with the focus the whole screen; one that has it may lead on.
    fn enter(&mut self) {
        if self.help.take().is_some() {
            return;
        }
        let mut pane = Some(self.focus);
        if self.tab.pane == pane {
            let name = self.panes[self.focus].enter(&mut self.shared);
            pane = self
                .entries
                .iter()
                .position(|entry| Some(entry.name) == name);
        }
        if pane.is_some() {
            self.open(Tab { pane });
        }
    }

    fn back(&mut self) {
        if self.help.take().is_none() {
            self.open(Tab::OVERVIEW);
        }
    }

    fn turn_help(&mut self) {
        self.help = self.help.is_none().then_some(0);
    }

    /// What the tabs say: their digit and their title, closer together where the screen is too narrow.
    pub(crate) fn tab_titles(&self) -> Vec<String> {
        let digits = DIGITS
            .iter()
            .map(|(digit, _)| *digit)
            .chain(std::iter::repeat(" "));
        let titles = tabs(self.entries).map(|tab| tab.title(self.entries));
        let titles: Vec<String> = digits
            .zip(titles)
            .map(|(digit, title)| format!("{digit} {title}"))
            .collect();
        let wide = titles.iter().map(|title| title.len() + 3).sum::<usize>();
        if wide > usize::from(self.places.tabs.width) {
            return titles;
        }
        titles.iter().map(|title| format!(" {title} ")).collect()
    }

    /// Title of a pane.
    pub(crate) fn title(&self, pane: usize) -> &'static str {
        self.entries[pane].title
    }

    /// Number of the open tab.
    pub(crate) fn tab_number(&self) -> usize {
        self.tab.pane.map_or(0, |pane| pane + 1)
    }

    /// The tabs stand behind one free cell, and have one between each other.
    fn tab_at(&self, at: Position) -> Option<Tab> {
        let mut right = self.places.tabs.left();
        let titles = self.tab_titles();
        let hit = titles.iter().position(|title| {
            let left = right + 1;
            right = left + Line::raw(title).width() as u16;
            (left..right).contains(&at.x)
        })?;
        let shown = self.places.tabs.contains(at) && !self.places.compact;
        tabs(self.entries).nth(hit).filter(|_| shown)
    }

    /// The rows of the key bar: those of the pane with the focus, those that work everywhere, then those of the other panes on
    /// the screen where no row before them has the key.
    pub(crate) fn bar(&self) -> Vec<Row> {
        let mut bar: Vec<Row> = Vec::new();
        let mut add = |section: &str, rows: Vec<Row>| {
            for row in rows {
                let row = self.keymap.row(section, row);
                let taken = bar.iter().any(|other| other.keys[0] == row.keys[0]);
                if !row.short.is_empty() && !taken {
                    bar.push(row);
                }
            }
        };
        let title = |pane: usize| self.entries[pane].title;
        add(title(self.focus), self.panes[self.focus].keys());
        add(EVERYWHERE, rows(BINDINGS));
        for pane in self.visible() {
            add(title(pane), self.panes[pane].keys());
        }
        bar
    }

    /// The rows with which the key bar always ends.
    pub(crate) fn ends(&self) -> impl Iterator<Item = Row> {
        let ends = rows(ENDS).into_iter().filter(|row| !row.short.is_empty());
        ends.map(|row| self.keymap.row(EVERYWHERE, row))
    }

    /// What the help screen lists.
    pub(crate) fn contents(&self) -> Contents {
        Contents {
            keys: self.sections(),
            commands: command_rows(&self.panes),
        }
    }

    /// All keys, as help and documentation list them.
    pub(crate) fn sections(&self) -> Vec<Section> {
        sections(self.entries, &self.panes, &self.keymap)
    }
}

mod asked;
mod commands;

pub(crate) use commands::all as command_rows;

/// All keys of these panes, pane by pane, and those that work everywhere.
pub(crate) fn sections(
    entries: &'static [Entry],
    panes: &[Box<dyn Pane>],
    keymap: &Keymap,
) -> Vec<Section> {
    let sections = entries.iter().zip(panes).map(|(entry, pane)| Section {
        title: entry.title,
        rows: pane
            .keys()
            .into_iter()
            .map(|row| keymap.row(entry.title, row))
            .collect(),
    });
    let digits = DIGITS
        .iter()
        .zip(tabs(entries))
        .map(|((label, keys), tab)| Row {
            keys,
            label,
            short: "",
            help: tab.about_of(entries),
        });
    let everywhere = Section {
        title: EVERYWHERE,
        rows: digits
            .chain(rows(BINDINGS))
            .chain(rows(ENDS))
            .map(|row| keymap.row(EVERYWHERE, row))
            .collect(),
    };
    let of_panes = sections.filter(|section| !section.rows.is_empty());
    of_panes.chain([everywhere]).collect()
}

#[cfg(test)]
mod tests;
