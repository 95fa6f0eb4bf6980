//! The one key table. Dispatch, the help screen, the key bar and the documentation all read [`BINDINGS`], so
//! none of them can promise a key that does something else.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::state::{Pane, Tab};

/// What a key or a click asks for. The state applies it; see `State::apply`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Leave the monitor; the sweep goes on.
    Leave,
    /// Leave the monitor and tell the caller that it was Ctrl-C.
    Interrupt,
    /// Open or close the help screen.
    Help,
    /// Close help, or go back to the overview.
    Back,
    /// Give the focused pane the whole screen.
    Zoom,
    /// Open a tab.
    Open(Tab),
    /// Focus the next pane on the screen.
    NextPane,
    /// Focus the previous pane on the screen.
    PreviousPane,
    /// Move the cursor of the focused list by so many rows.
    Move(isize),
    /// Move by so many pages.
    Page(isize),
    /// To the first row.
    First,
    /// To the last row.
    Last,
    /// Select or drop the run under the cursor.
    Select,
    /// Select every run, or none when all are selected.
    SelectAll,
    /// Select or drop all runs of this run's arm.
    SelectArm,
    /// Select this run and no other.
    Only,
    /// Sort by the next column.
    SortNext,
    /// Turn the sort order around.
    SortReverse,
    /// Logarithmic y axis of the upper chart, on or off.
    LogUpper,
    /// Logarithmic y axis of the lower chart, on or off.
    LogLower,
    /// Smoothing on or off.
    Smooth,
    /// Stronger smoothing.
    SmoothMore,
    /// Weaker smoothing.
    SmoothLess,
    /// Next x axis: step, tokens, time.
    Axis,
    /// Curves per arm (mean and band) or per run.
    Group,
    /// Next signal in the lower chart.
    NextSignal,
    /// Previous signal in the lower chart.
    PreviousSignal,
    /// Next per-layer signal in the heat map.
    NextLayerSignal,
    /// Previous per-layer signal in the heat map.
    PreviousLayerSignal,
    /// Alarms of the run under the cursor, or of all runs.
    AlarmScope,
}

/// Where a binding belongs: its section on the help screen, and the pane whose key bar shows it first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Works everywhere.
    Everywhere,
    /// The sweep table.
    Runs,
    /// The curves.
    Curves,
    /// The heat map.
    Layers,
    /// The alarms.
    Alarms,
}

impl Group {
    /// All groups, in the order of the help screen.
    pub const ALL: [Self; 5] = [
        Self::Runs,
        Self::Curves,
        Self::Layers,
        Self::Alarms,
        Self::Everywhere,
    ];

    /// Heading on the help screen and in the documentation.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Everywhere => "Everywhere",
            Self::Runs => "Runs",
            Self::Curves => "Curves",
            Self::Layers => "Layers",
            Self::Alarms => "Alarms",
        }
    }

    fn of(pane: Pane) -> Self {
        match pane {
            Pane::Runs => Self::Runs,
            Pane::Curves => Self::Curves,
            Pane::Layers => Self::Layers,
            Pane::Alarms => Self::Alarms,
        }
    }
}

/// One key press: a code, with or without Ctrl.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The key itself; characters carry their own upper or lower case.
    pub code: KeyCode,
    /// Whether Ctrl is held.
    pub ctrl: bool,
}

const fn key(code: KeyCode) -> Key {
    Key { code, ctrl: false }
}

const fn letter(letter: char) -> Key {
    key(KeyCode::Char(letter))
}

/// One line of the key table.
#[derive(Debug, Clone, Copy)]
pub struct Binding {
    /// The keys that do it.
    pub keys: &'static [Key],
    /// How the keys are written, for instance `space` or `↑ k`.
    pub label: &'static str,
    /// Two words at most for the key bar; empty where the bar leaves it out.
    pub short: &'static str,
    /// One line for help and documentation.
    pub help: &'static str,
    /// Section and context.
    pub group: Group,
    /// What it does.
    pub action: Action,
}

macro_rules! bindings {
    ($($group:ident [$($key:expr),+] $label:literal $short:literal $help:literal $action:expr;)+) => {
        &[$(Binding {
            keys: &[$($key),+], label: $label, short: $short, help: $help, group: Group::$group, action: $action,
        }),+]
    };
}

/// Every key of the monitor.
pub const BINDINGS: &[Binding] = bindings![
    Runs [key(KeyCode::Down), letter('j')] "↓ j" "" "next run (or next alarm, or help line)" Action::Move(1);
    Runs [key(KeyCode::Up), letter('k')] "↑ k" "" "previous run (or previous alarm, or help line)" Action::Move(-1);
    Runs [key(KeyCode::PageDown)] "pgdn" "" "one page down" Action::Page(1);
    Runs [key(KeyCode::PageUp)] "pgup" "" "one page up" Action::Page(-1);
    Runs [key(KeyCode::Home)] "home" "" "first row" Action::First;
    Runs [key(KeyCode::End)] "end" "" "last row" Action::Last;
    Runs [letter(' ')] "space" "select" "draw this run's curves, or drop them" Action::Select;
    Runs [letter('o')] "o" "only this" "draw only this run" Action::Only;
    Runs [letter('a')] "a" "all/none" "draw all runs, or none" Action::SelectAll;
    Runs [letter('A')] "A" "arm" "draw all runs of this arm, or drop them" Action::SelectArm;
    Runs [letter('s')] "s" "sort" "sort by the next column (or click a heading)" Action::SortNext;
    Runs [letter('r')] "r" "reverse" "turn the order around" Action::SortReverse;
    Curves [letter('y')] "y" "log y" "logarithmic loss axis, on or off" Action::LogUpper;
    Curves [letter('Y')] "Y" "log lower" "logarithmic axis of the lower chart, on or off" Action::LogLower;
    Curves [letter('z')] "z" "smooth" "smoothing on or off (debiased moving average)" Action::Smooth;
    Curves [letter('+'), letter('=')] "+" "" "stronger smoothing" Action::SmoothMore;
    Curves [letter('-')] "-" "" "weaker smoothing" Action::SmoothLess;
    Curves [letter('x')] "x" "x axis" "x axis: step, tokens, time" Action::Axis;
    Curves [letter('g')] "g" "group" "one curve per arm (mean, band from min to max) or per run" Action::Group;
    Curves [letter('v')] "v" "signal" "next signal in the lower chart" Action::NextSignal;
    Curves [letter('V')] "V" "" "previous signal in the lower chart" Action::PreviousSignal;
    Layers [letter('m')] "m" "signal" "next per-layer signal in the heat map" Action::NextLayerSignal;
    Layers [letter('M')] "M" "" "previous per-layer signal" Action::PreviousLayerSignal;
    Alarms [letter('f')] "f" "this run/all" "alarms of the run under the cursor, or of all runs" Action::AlarmScope;
    Everywhere [letter('1')] "1" "" "overview" Action::Open(Tab::Overview);
    Everywhere [letter('2')] "2" "" "runs, with details of the run under the cursor" Action::Open(Tab::Runs);
    Everywhere [letter('3')] "3" "" "curves" Action::Open(Tab::Curves);
    Everywhere [letter('4')] "4" "" "layers: the heat map" Action::Open(Tab::Layers);
    Everywhere [letter('5')] "5" "" "alarms" Action::Open(Tab::Alarms);
    Everywhere [key(KeyCode::Tab)] "tab" "pane" "next pane" Action::NextPane;
    Everywhere [key(KeyCode::BackTab)] "shift-tab" "" "previous pane" Action::PreviousPane;
    Everywhere [key(KeyCode::Enter)] "enter" "zoom" "give this pane the whole screen; on an alarm, go to its run" Action::Zoom;
    Everywhere [key(KeyCode::Esc)] "esc" "" "back to the overview, or close this help" Action::Back;
    Everywhere [letter('?'), letter('h'), key(KeyCode::F(1))] "?" "help" "this help" Action::Help;
    Everywhere [letter('q')] "q" "leave" "leave the monitor; the sweep goes on" Action::Leave;
    Everywhere [Key { code: KeyCode::Char('c'), ctrl: true }] "ctrl-c" "" "leave, and stop what this command started" Action::Interrupt;
];

/// The action of a key press, if the table has it.
#[must_use]
pub fn action(event: &KeyEvent) -> Option<Action> {
    let ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
    if event.modifiers.contains(KeyModifiers::ALT) {
        return None;
    }
    let pressed = Key {
        code: event.code,
        ctrl,
    };
    BINDINGS
        .iter()
        .find(|binding| binding.keys.contains(&pressed))
        .map(|binding| binding.action)
}

/// The bindings of the key bar: those of the focused pane first, then of the other panes on the screen.
/// `?` and `q` are left out, since the bar always ends with them.
pub(crate) fn bar(focus: Pane, visible: &[Pane]) -> Vec<&'static Binding> {
    let ends = [Action::Help, Action::Leave];
    let shown = |group: Group| {
        BINDINGS
            .iter()
            .filter(move |b| b.group == group && !b.short.is_empty() && !ends.contains(&b.action))
    };
    let mut bar: Vec<_> = shown(Group::of(focus)).collect();
    bar.extend(shown(Group::Everywhere));
    for pane in visible.iter().filter(|pane| **pane != focus) {
        bar.extend(shown(Group::of(*pane)));
    }
    bar
}

/// The key table as Markdown, for the documentation.
#[must_use]
pub fn keys_markdown() -> String {
    let row = |binding: &Binding| format!("| `{}` | {} |\n", binding.label, binding.help);
    let section = |group: Group| {
        let rows: String = BINDINGS
            .iter()
            .filter(|binding| binding.group == group)
            .map(row)
            .collect();
        format!(
            "### {}\n\n| key | what it does |\n|---|---|\n{rows}",
            group.title()
        )
    };
    Group::ALL.map(section).join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_bound_twice() {
        let keys: Vec<Key> = BINDINGS
            .iter()
            .flat_map(|binding| binding.keys)
            .copied()
            .collect();
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[..index].contains(key), "{key:?} is bound twice");
        }
    }

    #[test]
    fn every_key_dispatches_to_its_own_action() {
        for binding in BINDINGS {
            for key in binding.keys {
                let modifiers = if key.ctrl {
                    KeyModifiers::CONTROL
                } else {
                    KeyModifiers::NONE
                };
                assert_eq!(
                    action(&KeyEvent::new(key.code, modifiers)),
                    Some(binding.action),
                    "{}",
                    binding.label
                );
            }
        }
    }

    #[test]
    fn shifted_letters_count_as_themselves_and_unbound_chords_do_nothing() {
        assert_eq!(
            action(&KeyEvent::new(KeyCode::Char('V'), KeyModifiers::SHIFT)),
            Some(Action::PreviousSignal)
        );
        assert_eq!(
            action(&KeyEvent::new(KeyCode::Char('q'), KeyModifiers::CONTROL)),
            None
        );
        assert_eq!(
            action(&KeyEvent::new(KeyCode::Char('q'), KeyModifiers::ALT)),
            None
        );
        assert_eq!(
            action(&KeyEvent::new(KeyCode::Char('c'), KeyModifiers::NONE)),
            None
        );
    }

    #[test]
    fn the_documentation_has_every_binding() {
        let text = keys_markdown();
        assert!(BINDINGS.iter().all(|binding| text.contains(binding.help)));
    }
}
