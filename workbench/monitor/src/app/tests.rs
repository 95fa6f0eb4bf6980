//! Whole screens, from fixed data, and every key and click on every size.

use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::Color;

use super::*;
use crate::fixed::{Fixed, STEPS, fixed};
use crate::keys::Row;
use crate::panes::{PANES, Tab, tabs};

mod copied;
mod counted;
mod details;
mod exports;
mod keys_and_mouse;
mod panels;
mod pointer;
mod screens;
mod started;
mod typed;

fn shown(source: Fixed, depth: Depth) -> App {
    App::new(Box::new(source), &PANES, depth)
}

fn app(seeds: u64, depth: Depth) -> App {
    shown(fixed(seeds, STEPS), depth)
}

fn empty() -> App {
    shown(Fixed::default(), Depth::True)
}

/// Every row of the help screen.
fn all_rows(app: &App) -> Vec<Row> {
    let sections = app.screen.sections();
    sections
        .into_iter()
        .flat_map(|section| section.rows)
        .collect()
}

fn press(app: &mut App, code: KeyCode) -> bool {
    app.handle(&Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn tab(name: &str) -> Tab {
    Tab::named(name).unwrap()
}
