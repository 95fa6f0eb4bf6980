//! The machine: use of processors, memory and GPUs, and what trains every run.

use std::collections::HashMap;

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
    text::{Line, Span},
    widgets::Widget,
};
use sweeps::State;

use crate::colour::{Depth, strong};
use crate::list::List;
use crate::machine::{Gpu, Gpus, Process, Reading};
use crate::number::compact;
use crate::paint::{cut, cut_middle, gauge, highlight, put, put_right, rows};
use crate::pane::{Entry, Keys, Pane, Place};
use crate::shared::{Label, LabelColumn, Shared};
use crate::view::glyph;

pub(super) const ENTRY: Entry = Entry {
    name: "machine",
    title: "Machine",
    about: "machine: processors, memory, GPUs, and what trains each run",
    corner: None,
    make: || Box::new(Machine::default()),
};

#[derive(Default)]
struct Machine {
    /// None before the first look.
    reading: Option<Reading>,
    /// Process numbers of runs that are trained here.
    processes: HashMap<usize, u32>,
    list: List,
    names: LabelColumn,
    rows: Vec<Row>,
}

/// A run with what trains or trained it.
struct Row {
    label: Label,
    state: State,
    under_cursor: bool,
    /// Machine, device and threads, as the run recorded them.
    place: String,
    process: Option<Process>,
    tokens: Option<f64>,
    seconds: Option<f64>,
}

impl Keys for Machine {}

impl Pane for Machine {
    fn prepare(&mut self, shared: &mut Shared, place: Option<Place>) {
        let Some(place) = place else { return };
        if self.reading.is_none() {
            self.look(shared);
        }
        let list = self.list_area(place);
        shared.page = List::page(list);
        self.list.fit(shared.row(), shared.order.len(), shared.page);
        let most = List::area(list).width.saturating_sub(NUMBERS + 3);
        self.names = shared.column(most);
        let runs = shared.order.iter().skip(self.list.offset).take(shared.page);
        self.rows = runs.map(|run| self.row(shared, *run)).collect();
    }

    fn look(&mut self, shared: &mut Shared) -> bool {
        let (reading, processes) = shared.read_machine();
        let changed = self.reading.as_ref() != Some(&reading);
        (self.reading, self.processes) = (Some(reading), processes);
        changed
    }

    fn draw(&self, place: Place, depth: Depth, buffer: &mut Buffer) {
        let title = Line::styled(" Machine ", strong());
        let list = self.list_area(place);
        place
            .frame(title, Line::default(), depth)
            .title_bottom(self.list.shown(list).style(depth.dim()))
            .render(place.area, buffer);
        for (row, line) in place.inner().rows().zip(self.lines()) {
            line.draw(row, depth, buffer);
        }
        let columns = Columns::new(List::area(list), self.names.width);
        columns.headings(rows(list, 1, 1), &self.names.heading, depth, buffer);
        for (area, row) in List::area(list).rows().zip(&self.rows) {
            row.draw(&columns, area, depth, buffer);
        }
        self.list.scrollbar(list, depth, buffer);
    }

    fn table(&self, shared: &mut Shared) -> Option<Vec<Vec<String>>> {
        let mut table = Quantities::default();
        if let Some(reading) = &self.reading {
            table.machine(reading);
        }
        for run in shared.order.iter().copied() {
            table.run(&shared.sweep().runs[run].id, &self.row(shared, run));
        }
        Some(table.0)
    }

    fn click(&mut self, at: Position, place: Place, shared: &mut Shared) {
        if let Some(row) = self.list.row_at(at, self.list_area(place)) {
            shared.go(shared.order[row]);
        }
    }
}

impl Machine {
    /// The runs stand below the lines of the machine.
    fn list_area(&self, place: Place) -> Rect {
        let above = self.lines().len() as u16;
        rows(place.area, above, place.area.height)
    }

    fn lines(&self) -> Vec<Gauged> {
        let Some(reading) = &self.reading else {
            return Vec::new();
        };
        let mut lines = vec![processors(reading), memory(reading)];
        match &reading.gpus {
            Gpus::Asked => lines.push(Gauged::without("GPU", "asking `nvidia-smi`".to_owned())),
            Gpus::Unknown(why) => lines.push(Gauged::without("GPU", why.clone())),
            Gpus::Known(gpus) => lines.extend(gpus.iter().map(gpu)),
        }
        lines
    }

    fn row(&self, shared: &Shared, run: usize) -> Row {
        let last = |signal| shared.late(run, signal);
        let process = self.processes.get(&run);
        let process = process.zip(self.reading.as_ref());
        let place = shared.manifest(run).map(|manifest| {
            if manifest.imported.is_some() {
                return "elsewhere".to_owned();
            }
            let threads = words::counted(manifest.threads as u64, "thread");
            format!("{} · {} · {threads}", manifest.host, manifest.device)
        });
        Row {
            label: shared.labelled(run, self.names.brief),
            state: shared.sweep().runs[run].state,
            under_cursor: run == shared.cursor,
            place: place.unwrap_or_default(),
            process: process.and_then(|(id, reading)| reading.processes.get(id).copied()),
            tokens: last("tokens_per_second"),
            seconds: last("step_seconds"),
        }
    }
}

/// What is known, a value a row: shares from 0 to 1, memory in bytes.
struct Quantities(Vec<Vec<String>>);

impl Default for Quantities {
    fn default() -> Self {
        Self(vec![
            ["item", "quantity", "value"].map(str::to_owned).into(),
        ])
    }
}

impl Quantities {
    fn add(&mut self, item: &str, quantity: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            let row = [item.to_owned(), quantity.to_owned(), value.to_string()];
            self.0.push(row.into());
        }
    }

    fn machine(&mut self, reading: &Reading) {
        let known = Some(reading.processors).filter(|processors| *processors > 0);
        self.add("processors", "count", known);
        self.add("processors", "busy", reading.busy);
        self.add("processors", "load", reading.load);
        self.add("memory", "used", reading.memory.map(|memory| memory.used));
        self.add("memory", "all", reading.memory.map(|memory| memory.all));
        let Gpus::Known(gpus) = &reading.gpus else {
            return;
        };
        for gpu in gpus {
            let item = format!("GPU {}", gpu.index);
            self.add(&item, "name", Some(&gpu.name));
            self.add(&item, "busy", gpu.busy);
            self.add(&item, "memory_used", gpu.memory.map(|(used, _)| used));
            self.add(&item, "memory_all", gpu.memory.map(|(_, all)| all));
            self.add(&item, "celsius", gpu.temperature);
            self.add(&item, "watts", gpu.power);
        }
    }

    fn run(&mut self, id: &str, row: &Row) {
        self.add(id, "state", Some(row.state.name()));
        let place = Some(&row.place).filter(|place| !place.is_empty());
        self.add(id, "trained_on", place);
        self.add(id, "busy", row.process.and_then(|process| process.busy));
        self.add(id, "memory", row.process.map(|process| process.memory));
        self.add(id, "tokens_per_second", row.tokens);
        self.add(id, "step_seconds", row.seconds);
    }
}

/// A line with a bar, where a share is known.
struct Gauged {
    name: String,
    share: Option<f64>,
    words: String,
}

/// Width of the names, and of the bars.
const NAME: u16 = 11;
const BAR: u16 = 20;

impl Gauged {
    fn without(name: &str, words: String) -> Self {
        Self {
            name: name.to_owned(),
            share: None,
            words,
        }
    }

    fn draw(&self, row: Rect, depth: Depth, buffer: &mut Buffer) {
        put(buffer, row, row.x + 1, &cut(&self.name, NAME), depth.dim());
        let bar = Rect {
            x: row.x + NAME + 2,
            width: BAR,
            ..row
        };
        let words = if let Some(share) = self.share {
            let style = if share > 0.95 {
                depth.warn()
            } else {
                depth.accent()
            };
            gauge(bar.intersection(row), share, style, depth.faint(), buffer);
            bar.right() + 1
        } else {
            bar.x
        };
        put(buffer, row, words, &self.words, Style::new());
    }
}

fn processors(reading: &Reading) -> Gauged {
    if reading.processors == 0 {
        return Gauged::without(
            "processors",
            "what they do is not known on this system".to_owned(),
        );
    }
    let busy = reading
        .busy
        .map(|busy| format!("{:.0} % busy, ", 100.0 * busy));
    let load = reading.load.map(|load| format!(", load {load:.2}"));
    let words = format!(
        "{}{}{}",
        busy.unwrap_or_default(),
        words::counted(reading.processors as u64, "processor"),
        load.unwrap_or_default()
    );
    Gauged {
        name: "processors".to_owned(),
        share: Some(reading.busy.unwrap_or(0.0)),
        words,
    }
}

fn memory(reading: &Reading) -> Gauged {
    reading.memory.map_or_else(
        || Gauged::without("memory", "not known on this system".to_owned()),
        |memory| Gauged {
            name: "memory".to_owned(),
            share: Some(memory.used as f64 / memory.all.max(1) as f64),
            words: format!("{} of {}", bytes(memory.used), bytes(memory.all)),
        },
    )
}

fn gpu(gpu: &Gpu) -> Gauged {
    let told = [
        gpu.busy.map(|busy| format!("{:.0} % busy", 100.0 * busy)),
        gpu.memory
            .map(|(used, all)| format!("{} of {}", bytes(used), bytes(all))),
        gpu.temperature.map(|degrees| format!("{degrees:.0} °C")),
        gpu.power.map(|watts| format!("{watts:.0} W")),
        Some(gpu.name.clone()),
    ];
    let words: Vec<String> = told.into_iter().flatten().collect();
    Gauged {
        name: format!("GPU {}", gpu.index),
        share: gpu.busy,
        words: words.join(", "),
    }
}

/// `12.3 GiB`.
fn bytes(bytes: u64) -> String {
    let gibibytes = bytes as f64 / f64::from(1 << 30);
    if gibibytes >= 1.0 {
        format!("{gibibytes:.1} GiB")
    } else {
        format!("{:.0} MiB", gibibytes * 1024.0)
    }
}

/// Width of the numbers at the right end.
const NUMBERS: u16 = 38;

/// Left edge of the texts and right edges of the numbers.
struct Columns {
    run: u16,
    place: u16,
    busy: u16,
    memory: u16,
    tokens: u16,
    seconds: u16,
}

impl Columns {
    fn new(list: Rect, names: u16) -> Self {
        let run = list.x + 2;
        let seconds = list.right().saturating_sub(1);
        Self {
            run,
            place: run + names + 2,
            busy: seconds.saturating_sub(30),
            memory: seconds.saturating_sub(20),
            tokens: seconds.saturating_sub(10),
            seconds,
        }
    }

    fn headings(&self, row: Rect, names: &str, depth: Depth, buffer: &mut Buffer) {
        let room = self.place.saturating_sub(self.run + 1);
        put(buffer, row, self.run, &cut(names, room), depth.dim());
        let room = self.busy.saturating_sub(self.place + 4);
        put(
            buffer,
            row,
            self.place,
            &cut("trained on", room),
            depth.dim(),
        );
        let right = [
            (self.busy, "cpu"),
            (self.memory, "memory"),
            (self.tokens, "tokens/s"),
            (self.seconds, "s/step"),
        ];
        for (right, text) in right {
            put_right(buffer, row, right, text, depth.dim());
        }
    }
}

impl Row {
    fn draw(&self, columns: &Columns, area: Rect, depth: Depth, buffer: &mut Buffer) {
        put(
            buffer,
            area,
            area.x,
            glyph(self.state),
            depth.state(self.state),
        );
        let room = columns.place.saturating_sub(columns.run + 1);
        let name = Span::styled(
            cut_middle(&self.label.text, room),
            depth.arm(self.label.ink),
        );
        put(buffer, area, columns.run, &name.content, name.style);
        let room = columns.busy.saturating_sub(columns.place + 8);
        put(
            buffer,
            area,
            columns.place,
            &cut(&self.place, room),
            depth.dim(),
        );
        let busy = self.process.and_then(|process| process.busy);
        let numbers = [
            (
                columns.busy,
                busy.map(|busy| format!("{:.0} %", 100.0 * busy)),
            ),
            (
                columns.memory,
                self.process.map(|process| bytes(process.memory)),
            ),
            (columns.tokens, self.tokens.map(compact)),
            (columns.seconds, self.seconds.map(compact)),
        ];
        for (right, text) in numbers {
            put_right(buffer, area, right, &text.unwrap_or_default(), Style::new());
        }
        if self.under_cursor {
            highlight(area, depth, buffer);
        }
    }
}
