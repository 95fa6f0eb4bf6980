//! What the user has chosen: tab, cursor, selection, axes. No data, no drawing; [`State::apply`] is the only
//! place where an action changes it.

use crate::keys::Action;

mod choices;

pub use choices::Tab;
pub(crate) use choices::{Axis, Column, CurveChoices, Pane};

/// What `apply` must know about the data and the screen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// Run numbers in the order of the table.
    pub(crate) order: Vec<usize>,
    /// Arm number of every run.
    pub(crate) arms: Vec<usize>,
    /// Run of every row of the alarms pane.
    pub(crate) alarm_runs: Vec<usize>,
    /// Signals the lower chart can show.
    pub(crate) signals: Vec<String>,
    /// Per-layer signals the heat map can show.
    pub(crate) layer_signals: Vec<String>,
    /// Panes on the screen, in order of focus.
    pub(crate) panes: Vec<Pane>,
    /// Rows of one page of the runs, of the alarms.
    pub(crate) page: [usize; 2],
    /// Lines of the help screen that do not fit.
    pub(crate) help_hidden: usize,
}

/// Everything the user can change.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) tab: Tab,
    pub(crate) focus: Pane,
    /// Whether the help screen is open, and its first line.
    pub(crate) help: bool,
    pub(crate) help_offset: usize,
    /// The run under the cursor, by its number in the sweep: sorting does not move the cursor off its run.
    pub(crate) cursor: usize,
    /// Which runs have curves, by run number. Runs not listed yet are selected.
    pub(crate) selected: Vec<bool>,
    pub(crate) sort: Column,
    pub(crate) descending: bool,
    /// First visible row of the runs.
    pub(crate) offset: usize,
    pub(crate) alarm_cursor: usize,
    pub(crate) alarm_offset: usize,
    /// Alarms of the run under the cursor only.
    pub(crate) alarms_of_run: bool,
    pub(crate) curves: CurveChoices,
    /// Signal of the lower chart and of the heat map, by name: the lists of signals may grow meanwhile.
    pub(crate) signal: String,
    pub(crate) layer_signal: String,
    /// Set when the monitor should end: `Some(true)` by Ctrl-C, `Some(false)` by `q`.
    pub(crate) leaving: Option<bool>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            tab: Tab::Overview,
            focus: Pane::Runs,
            help: false,
            help_offset: 0,
            cursor: 0,
            selected: Vec::new(),
            sort: Column::Arm,
            descending: false,
            offset: 0,
            alarm_cursor: 0,
            alarm_offset: 0,
            alarms_of_run: false,
            curves: CurveChoices::default(),
            signal: "grad_norm".into(),
            layer_signal: "layer_grad_norm".into(),
            leaving: None,
        }
    }
}

impl State {
    /// Whether a run's curves are drawn.
    pub(crate) fn is_selected(&self, run: usize) -> bool {
        self.selected.get(run).copied().unwrap_or(true)
    }

    /// Carries an action out.
    pub(crate) fn apply(&mut self, action: Action, facts: &Facts) {
        match action {
            Action::Leave => self.leaving = Some(false),
            Action::Interrupt => self.leaving = Some(true),
            Action::Help => (self.help, self.help_offset) = (!self.help, 0),
            Action::Back if self.help => self.help = false,
            Action::Back => self.open(Tab::Overview),
            Action::Zoom => self.zoom(facts),
            Action::Open(tab) => self.open(tab),
            Action::NextPane => self.step_focus(facts, 1),
            Action::PreviousPane => self.step_focus(facts, -1),
            Action::Move(rows) => self.scroll(self.focus, rows, facts),
            Action::Page(pages) => {
                let page = facts.page[usize::from(self.focus == Pane::Alarms)].max(1);
                self.scroll(self.focus, pages * page as isize, facts);
            }
            // A sweep has far fewer rows than this; half of the range cannot overflow the sum.
            Action::First => self.scroll(self.focus, isize::MIN / 2, facts),
            Action::Last => self.scroll(self.focus, isize::MAX / 2, facts),
            Action::Select => self.set_selected(facts, |run, state| {
                if run == state.cursor {
                    !state.is_selected(run)
                } else {
                    state.is_selected(run)
                }
            }),
            Action::SelectAll => {
                let all = (0..facts.arms.len()).all(|run| self.is_selected(run));
                self.set_selected(facts, |_, _| !all);
            }
            Action::SelectArm => {
                let arm = facts.arms.get(self.cursor).copied();
                let of_arm = |run: usize| facts.arms.get(run).copied() == arm;
                let all = (0..facts.arms.len())
                    .filter(|run| of_arm(*run))
                    .all(|run| self.is_selected(run));
                self.set_selected(facts, |run, state| {
                    if of_arm(run) {
                        !all
                    } else {
                        state.is_selected(run)
                    }
                });
            }
            Action::Only => self.set_selected(facts, |run, state| run == state.cursor),
            Action::SortNext => self.sort_by(self.sort.next()),
            Action::SortReverse => self.descending = !self.descending,
            Action::LogUpper => self.curves.log[0] = !self.curves.log[0],
            Action::LogLower => self.curves.log[1] = !self.curves.log[1],
            Action::Smooth => self.curves.smooth = !self.curves.smooth,
            Action::SmoothMore => self.curves.smooth_by(1),
            Action::SmoothLess => self.curves.smooth_by(-1),
            Action::Axis => self.curves.axis = self.curves.axis.next(),
            Action::Group => self.curves.grouped = !self.curves.grouped,
            Action::NextSignal => turn(&mut self.signal, &facts.signals, 1),
            Action::PreviousSignal => turn(&mut self.signal, &facts.signals, -1),
            Action::NextLayerSignal => turn(&mut self.layer_signal, &facts.layer_signals, 1),
            Action::PreviousLayerSignal => turn(&mut self.layer_signal, &facts.layer_signals, -1),
            Action::AlarmScope => {
                self.alarms_of_run = !self.alarms_of_run;
                (self.alarm_cursor, self.alarm_offset) = (0, 0);
            }
        }
        self.fit(facts);
    }

    /// Keeps cursors inside their lists and their rows on the screen; called after every change of either.
    pub(crate) fn fit(&mut self, facts: &Facts) {
        if !facts.panes.is_empty() && !facts.panes.contains(&self.focus) {
            self.focus = facts.panes[0];
        }
        self.cursor = self.cursor.min(facts.order.len().saturating_sub(1));
        let row = facts
            .order
            .iter()
            .position(|run| *run == self.cursor)
            .unwrap_or(0);
        window(&mut self.offset, row, facts.order.len(), facts.page[0]);
        self.alarm_cursor = self
            .alarm_cursor
            .min(facts.alarm_runs.len().saturating_sub(1));
        window(
            &mut self.alarm_offset,
            self.alarm_cursor,
            facts.alarm_runs.len(),
            facts.page[1],
        );
        self.help_offset = self.help_offset.min(facts.help_hidden);
    }

    /// Sorts by a column; the same column again turns the order around.
    pub(crate) fn sort_by(&mut self, column: Column) {
        self.descending = self.sort == column && !self.descending;
        self.sort = column;
    }

    fn open(&mut self, tab: Tab) {
        self.help = false;
        self.tab = tab;
        if let Some(pane) = tab.pane() {
            self.focus = pane;
        }
    }

    fn zoom(&mut self, facts: &Facts) {
        if self.help {
            self.help = false;
        } else if self.focus == Pane::Alarms && self.tab == Tab::Alarms {
            if let Some(run) = facts.alarm_runs.get(self.alarm_cursor) {
                self.cursor = *run;
                self.open(Tab::Runs);
            }
        } else {
            self.open(self.focus.tab());
        }
    }

    fn step_focus(&mut self, facts: &Facts, by: isize) {
        let here = facts
            .panes
            .iter()
            .position(|pane| *pane == self.focus)
            .unwrap_or(0);
        if !facts.panes.is_empty() {
            let next = (here as isize + by).rem_euclid(facts.panes.len() as isize);
            self.focus = facts.panes[next as usize];
        }
    }

    /// Moves the cursor of the list that belongs to a pane: the alarms, else the runs; with help open, the help.
    pub(crate) fn scroll(&mut self, pane: Pane, rows: isize, facts: &Facts) {
        let moved = |from: usize, length: usize| {
            (from as isize)
                .saturating_add(rows)
                .clamp(0, length.saturating_sub(1) as isize) as usize
        };
        if self.help {
            self.help_offset = moved(self.help_offset, facts.help_hidden + 1);
        } else if pane == Pane::Alarms {
            self.alarm_cursor = moved(self.alarm_cursor, facts.alarm_runs.len());
        } else {
            let row = facts
                .order
                .iter()
                .position(|run| *run == self.cursor)
                .unwrap_or(0);
            if let Some(run) = facts.order.get(moved(row, facts.order.len())) {
                self.cursor = *run;
            }
        }
    }

    fn set_selected(&mut self, facts: &Facts, choose: impl Fn(usize, &Self) -> bool) {
        self.selected = (0..facts.arms.len()).map(|run| choose(run, self)).collect();
    }
}

/// Moves a window of `page` rows over `length` rows so that `row` is inside and no space is wasted.
fn window(offset: &mut usize, row: usize, length: usize, page: usize) {
    let page = page.max(1);
    *offset = (*offset)
        .clamp((row + 1).saturating_sub(page), row)
        .min(length.saturating_sub(page));
}

/// The next (or previous) name of a list, around its end.
fn turn(name: &mut String, names: &[String], by: isize) {
    if names.is_empty() {
        return;
    }
    let next = match names.iter().position(|other| other == name) {
        Some(here) => (here as isize + by).rem_euclid(names.len() as isize) as usize,
        None => 0,
    };
    name.clone_from(&names[next]);
}

#[cfg(test)]
mod tests;
