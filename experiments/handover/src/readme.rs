//! `README.md` of the hand-over.

use crate::{ArgumentTable, Effect, Limit, Request, Section, Target, monitor};
use std::fmt::Write as _;

pub(crate) fn markdown(
    request: &Request,
    target: Target,
    table: &ArgumentTable,
    sections: &[Section],
    limits: &[Limit],
) -> String {
    let mut text = format!("# {}: hand-over to {target}\n\n", request.options.name);
    write_configuration(&mut text, request);
    write_checks(&mut text, table, sections);
    write_differences(&mut text, limits);
    write_files(&mut text, target);
    write_order(&mut text, request);
    text
}

fn write_configuration(text: &mut String, request: &Request) {
    let (config, layout, cluster) = (request.config, request.layout, request.cluster);
    let _ = writeln!(
        text,
        "Configuration `{}` for {} nodes × {} {}: {} tensor × {} pipeline × {} data ranks, micro-batch {}, batch {}, \
         {} steps, {} sequences of {} slots.\n",
        config.short_hash(),
        cluster.nodes,
        cluster.gpus_per_node,
        cluster.gpu,
        layout.tensor_parallel,
        layout.pipeline_parallel,
        layout.data_parallel,
        layout.micro_batch,
        request.batches.last,
        config.steps,
        request.batches.samples,
        config.model.seq_len,
    );
}

fn write_checks(text: &mut String, table: &ArgumentTable, sections: &[Section]) {
    let count: usize = sections.iter().map(|section| section.arguments.len()).sum();
    let _ = writeln!(
        text,
        "All {count} arguments were checked against the trainer's own table for existence, type, choices and number of values: \
         {}, commit {} ({}). Another commit may take others.\n",
        table.trainer, table.commit, table.source
    );
}

fn write_differences(text: &mut String, limits: &[Limit]) {
    let differing = limits
        .iter()
        .filter(|l| l.effect == Effect::Training)
        .count();
    if differing > 0 {
        let _ = writeln!(
            text,
            "**This trainer, as it is, would train something else in {differing} points: [unsupported.md](unsupported.md).** \
             `launch.sh` refuses to start until `ACCEPT_DIFFERENCES=yes` is set.\n"
        );
    }
}

fn write_files(text: &mut String, target: Target) {
    text.push_str("| file | what |\n|---|---|\n");
    let mut row = |file: &str, what: &str| {
        let _ = writeln!(text, "| `{file}` | {what} |");
    };
    row(
        "launch.sh",
        "Slurm job: starts, saves before the time limit, queues itself again, continues",
    );
    row(
        "arguments.txt",
        "the trainer's arguments, one with its values per line",
    );
    if target == Target::MegatronDeepspeed {
        row(
            "deepspeed.json",
            "ZeRO, number format, loss scale, clipping, batch",
        );
    }
    row("data.md", "data and tokenizer the trainer reads");
    row("checkpoint.md", "resuming, and conversion between layouts");
    row(
        "unsupported.md",
        "what the trainer cannot express, and how to get it",
    );
    row("config.toml", "the configuration, every key written out");
    row(
        "monitor/",
        "`names.toml`: which TensorBoard tag of the trainer is which signal; `run`, once it is followed",
    );
}

fn write_order(text: &mut String, request: &Request) {
    let _ = write!(
        text,
        "\n## Order\n\n\
         1. `workbench preflight` with the list of nodes: go or no-go.\n\
         2. Make the data ([data.md](data.md)), and weights to start from if there are any ([checkpoint.md](checkpoint.md)).\n\
         3. Put modules, environment and NCCL settings of the cluster into `site.env`.\n\
         4. `TRAINER=/path/to/the/trainer sbatch launch.sh` in this folder, on a file system all nodes share.\n\
         5. `workbench {} &` and `workbench monitor {}`, both in this folder and from any node; or give `sbatch` also \
         `WORKBENCH=/path/to/workbench`, and the job follows itself. The same command goes on after an interruption.\n\n\
         Save and end: `scancel --batch --signal=USR2 JOB`. A crash is retried {} times in a row; a dead node is Slurm's to replace.\n",
        monitor::command(request),
        monitor::RUN,
        request.options.retries
    );
}
