//! The launch script.

use crate::{Effect, Limit, Request, Target, deepspeed, monitor};
use experiments_config::Format;

/// Body of the script; `@…@` is filled in.
const TEMPLATE: &str = include_str!("launch.sh");

/// `launch.sh`.
pub(crate) fn script(request: &Request, target: Target, limits: &[Limit]) -> String {
    let options = request.options;
    let differing = limits
        .iter()
        .filter(|limit| limit.effect == Effect::Training);
    let optional = |name: &str, value: &Option<String>| {
        let line = |value: &String| format!("#SBATCH --{name}={value}\n");
        value.as_ref().map(line).unwrap_or_default()
    };
    let config = request.config;
    let scaling =
        config.precision.query_key_layer_scaling && config.precision.format == Format::Fp16;
    let (program, environment, ask) = match target {
        Target::MegatronDeepspeed => (
            deepspeed::script(config),
            String::new(),
            // The trainer looks for this file before every step, saves and exits.
            format!("touch {}", deepspeed::STOP),
        ),
        Target::MegatronCore => (
            "pretrain_gpt.py",
            format!(
                "export CUDA_DEVICE_MAX_CONNECTIONS=1\nexport NVTE_APPLY_QK_LAYER_SCALING={}\n",
                u8::from(scaling)
            ),
            // `--exit-signal-handler`: TERM to the tasks makes the trainer save and exit.
            "scancel --signal=TERM \"$SLURM_JOB_ID\"".to_owned(),
        ),
    };
    let minutes = options.minutes;
    let time = format!(
        "{}-{:02}:{:02}:00",
        minutes / 1440,
        minutes / 60 % 24,
        minutes % 60
    );
    let fill = [
        ("@NAME@", options.name.clone()),
        ("@TARGET@", target.to_string()),
        ("@NODES@", request.cluster.nodes.to_string()),
        ("@GPUS@", request.cluster.gpus_per_node.to_string()),
        ("@CPUS@", options.cpus_per_gpu.to_string()),
        ("@TIME@", time),
        (
            "@SIGNAL@",
            options.save_minutes.saturating_mul(60).max(60).to_string(),
        ),
        ("@PARTITION@", optional("partition", &options.partition)),
        ("@ACCOUNT@", optional("account", &options.account)),
        ("@DIFFERENCES@", differing.count().to_string()),
        ("@RETRIES@", options.retries.to_string()),
        ("@ENVIRONMENT@", environment),
        ("@ASK@", ask),
        ("@FOLLOW@", monitor::command(request)),
        ("@STOP@", deepspeed::STOP.to_owned()),
        (
            "@FOLDERS@",
            [&options.checkpoints, &options.tensorboard]
                .map(|f| words::shell_word(f))
                .join(" "),
        ),
        ("@PROGRAM@", program.to_owned()),
    ];
    fill.into_iter()
        .fold(TEMPLATE.to_owned(), |text, (mark, value)| {
            text.replace(mark, &value)
        })
}
