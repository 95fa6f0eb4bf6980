//! A plan for a terminal.

use super::Plan;
use super::summary::digits;
use crate::communication::Connection;
use crate::published::row;
use crate::text::{gib, list, number};
use std::fmt::Write as _;
use words::{Table, decimal, thousands};

impl Plan {
    /// Everything as aligned tables, at most 110 columns wide.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", self.summary_text());
        let mut section = |title: &str, body: &str| {
            if !body.is_empty() {
                let _ = writeln!(text, "{title}\n{body}");
            }
        };
        section("Parameters", &self.parameters_text());
        section("Layout", &self.layout_text());
        section("Operations per step", &self.flops_text());
        section("Memory per GPU, GiB", &self.memory_text());
        section("Peak of each phase, GiB", &self.phases_text());
        section("Choices of recomputation, GiB", &self.recomputation_text());
        section("Communication", &self.communication_text());
        section("Step", &self.time_text());
        section("Run", &self.run_text());
        section("Published figures", &row::text(&self.published));
        section("Warnings", &list(&self.warnings));
        section("Assumptions", &list(&self.assumptions));
        text
    }

    fn parameters_text(&self) -> String {
        let all = &self.parameters;
        let mut table = Table::of_numbers(&["component", "each", "copies", "total"], &[]);
        for (name, component, copies) in [
            ("embedding", all.embedding, 1),
            ("positions", all.positions, 1),
            ("embedding norm", all.embedding_norm, 1),
            ("query, key, value", all.qkv, all.layers),
            ("attention output", all.attention_out, all.layers),
            ("feed-forward in", all.ffn_up, all.layers),
            ("feed-forward out", all.ffn_down, all.layers),
            ("layer norms", all.norms, all.layers),
            ("query and key norms", all.qk_norm, all.layers),
            ("final norm", all.final_norm, 1),
            ("output projection", all.head, 1),
        ] {
            let each = component.total();
            if each > 0 {
                let cells = [each, copies, each.saturating_mul(copies)].map(thousands);
                table.row([name.to_owned()].into_iter().chain(cells));
            }
        }
        let blank = String::new;
        table.row(["all".to_owned(), blank(), blank(), thousands(all.total)]);
        table.render(2)
    }

    fn layout_text(&self) -> String {
        let (layout, gpu) = (&self.layout, &self.gpu);
        format!(
            "  {} (tensor × pipeline × data)\n  {} nodes × {} {} = {} GPUs\n  batch {} = {} \
             micro-batches × {} × {} replicas; pipeline bubble {} %\n",
            layout.text(),
            thousands(self.cluster.nodes),
            self.cluster.gpus_per_node,
            gpu.title,
            thousands(
                self.cluster
                    .nodes
                    .saturating_mul(self.cluster.gpus_per_node)
            ),
            thousands(layout.global_batch),
            thousands(self.micro_batches),
            layout.micro_batch,
            thousands(layout.data_parallel),
            decimal(100.0 * self.bubble, 3),
        )
    }

    fn flops_text(&self) -> String {
        let flops = &self.flops;
        let mut table = Table::of_numbers(&["", "exact", "original formula"], &[]);
        let cell = |value: f64| format!("{value:.4e}");
        table.row([
            "without recomputation".to_owned(),
            cell(flops.model),
            cell(flops.formula_model),
        ]);
        table.row([
            format!("with {} recomputation", self.layout.recompute.name()),
            cell(flops.hardware),
            if self.layout.recompute == crate::Recompute::Full {
                cell(flops.formula_recompute)
            } else {
                "-".to_owned()
            },
        ]);
        table.render(2)
    }

    fn memory_text(&self) -> String {
        let headings = [
            "stage",
            "layers",
            "weights",
            "grads",
            "optim",
            "in flight",
            "activ",
            "inputs",
            "head",
            "backward",
            "bucket",
            "other",
            "peak",
        ];
        let mut table = Table::of_numbers(&headings, &[]);
        for stage in &self.memory.stages {
            table.row([
                stage.stage.to_string(),
                stage.layers.to_string(),
                gib(stage.weights),
                gib(stage.gradients),
                gib(stage.optimizer),
                stage.in_flight.to_string(),
                gib(stage.activations),
                gib(stage.inputs_and_boundaries),
                gib(stage.head),
                gib(stage.backward_working_set),
                gib(stage.bucket),
                gib(stage.overhead),
                gib(stage.peak_bytes),
            ]);
        }
        let verdict = if self.memory.fits {
            "fits"
        } else {
            "does not fit"
        };
        format!(
            "{}  {verdict}: peak {} and up to {} that cannot be counted, of {}\n",
            table.render(2),
            gib(self.memory.peak_bytes),
            gib(self.memory.reserve_bytes),
            gib(self.memory.capacity_bytes),
        )
    }

    fn phases_text(&self) -> String {
        let Some(first) = self.memory.stages.first() else {
            return String::new();
        };
        let names = first.phases.iter().map(|phase| phase.phase.name());
        let headings: Vec<_> = std::iter::once("stage").chain(names).collect();
        let mut table = Table::of_numbers(&headings, &[]);
        for stage in &self.memory.stages {
            let bytes = stage.phases.iter().map(|phase| gib(phase.bytes));
            table.row(std::iter::once(stage.stage.to_string()).chain(bytes));
        }
        table.render(2)
    }

    fn recomputation_text(&self) -> String {
        let headings = ["", "per micro-batch", "in flight", "peak", "s per step", ""];
        let mut table = Table::of_numbers(&headings, &[5]);
        for choice in &self.recomputation {
            let verdict = if choice.fits { "fits" } else { "does not fit" };
            table.row([
                choice.recompute.name().to_owned(),
                gib(choice.activations_per_micro_batch),
                gib(choice.activations),
                gib(choice.peak_bytes),
                digits(choice.seconds, 2),
                verdict.to_owned(),
            ]);
        }
        table.render(2)
    }

    fn communication_text(&self) -> String {
        let (links, time) = (&self.communication, &self.time);
        let m = self.micro_batches as f64;
        let tensor = (time.micro_batch.tensor_forward + time.micro_batch.tensor_backward) * m;
        let data = time.step.gradients + time.step.weights;
        let mut table = Table::of_numbers(
            &[
                "dimension",
                "ranks",
                "in node",
                "link",
                "GB/s",
                "GB per step",
                "s per step",
            ],
            &[3],
        );
        let mut row = |name: &str, connection: &Connection, cost: crate::communication::Cost| {
            table.row([
                name.to_owned(),
                connection.ranks.to_string(),
                connection.in_node.to_string(),
                connection.link.clone(),
                decimal(connection.bandwidth / 1e9, 1),
                decimal(cost.bytes / 1e9, 2),
                decimal(cost.seconds, 3),
            ]);
        };
        row("tensor", &links.tensor, tensor);
        row("pipeline", &links.pipeline, time.micro_batch.pipeline * m);
        row("data", &links.data, data);
        row("tied embedding", &links.tied, time.step.tied_embedding);
        format!(
            "{}  sent by one GPU of the slowest stage\n",
            table.render(2)
        )
    }

    fn time_text(&self) -> String {
        let time = &self.time;
        let mut table = Table::of_numbers(&["term", "seconds", "%"], &[]);
        for (name, seconds) in time.terms.named() {
            table.row([
                name.to_owned(),
                decimal(seconds, 2),
                decimal(100.0 * seconds / time.seconds, 1),
            ]);
        }
        table.row([
            "all".to_owned(),
            decimal(time.seconds, 2),
            "100.0".to_owned(),
        ]);
        table.render(2)
    }

    /// A figure that follows from the step, with the digits that the step deserves.
    fn deserved(&self, value: f64) -> String {
        digits(
            value,
            if self.summary.interval.factor > 0.0 {
                2
            } else {
                3
            },
        )
    }

    fn run_text(&self) -> String {
        let mut table = Table::of_numbers(&["", "modelled", "measured"], &[]);
        let measured = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
        let (ours, theirs) = (&self.time.rates, &self.measured);
        let mut row = |name: &str, pick: fn(&crate::step_time::Rates) -> f64| {
            table.row([
                name.to_owned(),
                self.deserved(pick(ours)),
                measured(theirs.as_ref().map(pick)),
            ]);
        };
        row("HFU, %", |rates| 100.0 * rates.hfu);
        row("MFU, %", |rates| 100.0 * rates.mfu);
        row("TFLOP/s per GPU, recomputation counted", |rates| {
            rates.hardware_tflops
        });
        row("TFLOP/s per GPU, without", |rates| rates.model_tflops);
        row("sequences per second", |rates| rates.samples_per_second);
        row("billion tokens per day", |rates| rates.tokens_per_day / 1e9);
        let sentence = format!(
            "{} tokens take {} days, {} MWh, {} t CO2e",
            thousands(self.tokens),
            self.summary.days.text(),
            self.summary.mwh.text(),
            self.deserved(self.energy.tonnes),
        );
        table.render(2) + &words::hanging("  ", &sentence, 4, 107)
    }
}
