//! The table for a terminal.

use super::{Home, Row};
use crate::text::gib;
use words::{Table, decimal};

impl Home {
    /// One line for a machine and a width of weights.
    #[must_use]
    pub fn text(&self) -> String {
        let headings = [
            "machine",
            "weights",
            "weights",
            "cache",
            "activations",
            "other",
            "needed",
            "of GiB",
            "fits",
            "published",
            "ms a token ≥",
            "published ms",
        ];
        let mut table = Table::of_numbers(&headings, &[1, 8, 9, 11]);
        for row in &self.rows {
            table.row(row.cells());
        }
        format!(
            "answering one sequence of {} slots; GiB of one card\n\n{}\n\
             A token takes at least the time in which weights and half of the cache are read once and two sums a\n\
             layer are taken over the cards. What programs took is beside it, with how many times that is.\n",
            self.slots,
            table.render(2)
        )
    }
}

impl Row {
    fn cells(&self) -> [String; 12] {
        let machine = format!("{} × {}", self.machine.gpus, self.machine.gpu);
        let weights = if self.bits == 16 {
            "FP16".to_owned()
        } else {
            format!("INT{}", self.bits)
        };
        let yes = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
        [
            machine,
            weights,
            gib(self.weight_bytes),
            gib(self.cache_bytes),
            gib(self.activation_bytes),
            gib(self.overhead_bytes),
            gib(self.needed_bytes()),
            gib(self.memory_bytes),
            yes(self.fits),
            self.published_to_fit.map_or_else(|| "–".to_owned(), yes),
            decimal(1e3 * self.least_seconds, 1),
            self.times(),
        ]
    }

    fn times(&self) -> String {
        let times = self.published.iter().map(|time| {
            let ratio = decimal(time.of_token() / self.least_seconds, 1);
            let milliseconds = decimal(1e3 * time.of_token(), 1);
            format!("{} {milliseconds} ({ratio}×)", time.program)
        });
        times.collect::<Vec<_>>().join(", ")
    }
}
