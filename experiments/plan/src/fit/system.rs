//! A published system as a configuration on a cluster.

use super::cells::{Cells, Line};
use crate::hardware::{Gpu, gpu, gpu_by_alias, gpu_names};
use crate::model::Parameters;
use crate::step_time::Coefficients;
use crate::{
    Cluster, Layout, PlanError, PlanOptions, Recompute, Schedule, Sharding, Trainer, VOCAB_MULTIPLE,
};
use experiments_config::{Config, Ffn, Format, Norm, PlannedActivation, Positions};
use std::path::Path;
use words::named;

named! {
    /// What a row is there for.
    pub enum Use {
        /// Coefficients are fitted to it.
        Fitted = "fitted",
        /// Predicted, never fitted.
        HeldOut = "held-out",
        /// Predicted and reported apart: something about it is not what the model describes.
        Aside = "aside",
    }
}

named! {
    /// Whose bytes a memory figure counts.
    pub enum MemoryOf {
        /// Tensors.
        Allocated = "allocated",
        /// What the allocator holds.
        Reserved = "reserved",
        /// What the driver reports: the allocator's, CUDA's context and the communicators' buffers.
        Device = "device",
    }
}

/// A published system.
#[derive(Debug, Clone)]
pub struct System {
    /// Its name.
    pub id: String,
    /// The document it is from: what is held out together.
    pub group: String,
    /// What it is there for.
    pub used: Use,
    /// Why it is set aside; empty where it is not.
    pub aside: String,
    /// Its model.
    pub config: Config,
    /// Its machines.
    pub cluster: Cluster,
    /// Its layout.
    pub layout: Layout,
    /// Its GPU, with its own network.
    pub gpu: Gpu,
    /// What is known of its trainer.
    pub options: PlanOptions,
    /// Published seconds of a step.
    pub seconds: Option<f64>,
    /// Published memory of the fullest GPU in bytes.
    pub memory: Option<f64>,
    /// Whose bytes these are.
    pub memory_of: MemoryOf,
}

/// Systems of a table, and how many rows lack something that a step's time needs.
#[derive(Debug)]
pub struct Systems {
    /// Those that can be predicted.
    pub systems: Vec<System>,
    /// Rows without a step's time and memory, or without what they need, by what they lack.
    pub lacking: std::collections::BTreeMap<String, usize>,
    /// The table, for errors.
    pub file: String,
}

/// Reads a table of systems.
pub fn systems(path: &Path) -> Result<Systems, PlanError> {
    let cells = Cells::read(path)?;
    let (mut systems, mut lacking) = (Vec::new(), std::collections::BTreeMap::new());
    for line in cells.rows() {
        match System::of(line?)? {
            Ok(system) => systems.push(system),
            Err(lack) => *lacking.entry(lack.to_owned()).or_insert(0) += 1,
        }
    }
    Ok(Systems {
        systems,
        lacking,
        file: cells.file,
    })
}

/// A value that a row must have; without it the row is passed over, and counted by the column.
macro_rules! need {
    ($found:expr, $column:literal) => {
        match $found {
            Some(value) => value,
            None => return Ok(Err(concat!("no `", $column, "`"))),
        }
    };
}

/// What a row says, or what it lacks.
type Found<T> = Result<Result<T, &'static str>, PlanError>;

impl System {
    fn of(line: Line<'_>) -> Found<Self> {
        let (seconds, memory) = (
            line.number("seconds_per_step")?,
            line.number("memory_gib_per_gpu")?,
        );
        if seconds.is_none() && memory.is_none() {
            return Ok(Err("neither seconds nor memory"));
        }
        let gpu = gpu_of(line)?;
        let gpus = need!(line.whole("gpus")?, "gpus");
        let sizes = [
            need!(line.whole("layers")?, "layers"),
            need!(line.whole("hidden")?, "hidden"),
            need!(line.whole("vocab")?, "vocab"),
            need!(line.whole("seq_len")?, "seq_len"),
        ];
        let layout = match layout_of(line, gpus)? {
            Ok(layout) => layout,
            Err(lack) => return Ok(Err(lack)),
        };
        let config = configuration(line, sizes, &layout)?;
        Parameters::of(&config).map_err(|error| line.wrong("hidden", error.to_string()))?;
        if layout.micro_batches() == 0 {
            return Err(line.wrong("global_batch", "a micro-batch for every replica at least"));
        }
        layout
            .check_shape(&config)
            .map_err(|error| line.broken(&error))?;
        // An NVLink domain may span what a table calls nodes.
        let domain = gpu.gpus_per_node;
        let per_node = line.whole("gpus_per_node")?.unwrap_or(domain);
        let per_node = if domain > 8 { domain } else { per_node }.min(gpus);
        let cluster = Cluster {
            nodes: gpus.div_ceil(per_node),
            gpus_per_node: per_node,
            gpu: gpu.name.clone(),
        };
        let mut options = PlanOptions {
            trainer: line.named::<Trainer>("trainer")?,
            fp8: is_fp8(line),
            ..PlanOptions::default()
        };
        options.memory.partition_checkpoints = false;
        let system = Self {
            id: line.text("id").to_owned(),
            group: group(line),
            used: line.named::<Use>("use")?.unwrap_or(Use::Fitted),
            aside: line.text("aside").to_owned(),
            config,
            cluster,
            layout,
            gpu,
            options,
            seconds,
            memory: memory.map(|gib| gib * 1_073_741_824.0),
            memory_of: line
                .named::<MemoryOf>("memory_of")?
                .unwrap_or(MemoryOf::Allocated),
        };
        // What no formula takes is said with its line.
        system
            .parameters()
            .and_then(|parameters| system.predict(&Coefficients::default(), parameters))
            .map_err(|error| line.broken(&error))?;
        Ok(Ok(system))
    }
}

/// How the model lies on `gpus` GPUs.
fn layout_of(line: Line<'_>, gpus: u64) -> Found<Layout> {
    let tensor = need!(line.whole("tensor_parallel")?, "tensor_parallel");
    let pipeline = need!(line.whole("pipeline_parallel")?, "pipeline_parallel");
    let flash = line.flag("flash_attention")?;
    // Who says nothing of recomputation beside FlashAttention does none.
    let recompute = match line.named::<Recompute>("recompute")? {
        None if flash == Some(true) => Recompute::None,
        found => need!(found, "recompute"),
    };
    let context = line.whole("context_parallel")?.unwrap_or(1);
    let model_parallel = tensor.saturating_mul(pipeline).saturating_mul(context);
    let replicas = line
        .whole("data_parallel")?
        .unwrap_or((gpus / model_parallel).max(1));
    if model_parallel.saturating_mul(replicas) != gpus {
        let product = format!("{tensor} × {pipeline} × {context} × {replicas}");
        return Err(line.wrong(
            "gpus",
            format!("tensor × pipeline × context × data = {product} of them"),
        ));
    }
    let chunks = if pipeline > 1 {
        line.whole("virtual_stages")?.unwrap_or(1)
    } else {
        1
    };
    Ok(Ok(Layout {
        tensor_parallel: tensor,
        pipeline_parallel: pipeline,
        data_parallel: replicas,
        micro_batch: need!(line.whole("micro_batch")?, "micro_batch"),
        global_batch: need!(line.whole("global_batch")?, "global_batch"),
        recompute,
        schedule: if chunks > 1 {
            Schedule::Interleaved
        } else {
            Schedule::OneForwardOneBackward
        },
        chunks,
        uneven_stages: true,
        context_parallel: context,
        sequence_parallel: line.flag("sequence_parallel")?.unwrap_or(false),
        sharding: line
            .named::<Sharding>("sharding")?
            .unwrap_or(Sharding::None),
        flash_attention: flash.unwrap_or(false),
        vocab_multiple: VOCAB_MULTIPLE,
    }))
}

/// The document of a row: its column, or the name up to the first dash.
fn group(line: Line<'_>) -> String {
    let (group, id) = (line.text("group"), line.text("id"));
    let first = id.split('-').next().unwrap_or(id);
    if group.is_empty() { first } else { group }.to_owned()
}

fn is_fp8(line: Line<'_>) -> bool {
    let precision = line.word("precision");
    precision.contains("fp8") || precision == "nvfp4"
}

/// The model.
fn configuration(
    line: Line<'_>,
    [layers, hidden, vocab, slots]: [u64; 4],
    layout: &Layout,
) -> Result<Config, PlanError> {
    let mut config = Config::default();
    let heads = line.whole("heads")?.unwrap_or((hidden / 128).max(1));
    let model = &mut config.model;
    (model.layers, model.hidden_size, model.num_heads) =
        (layers as usize, hidden as usize, heads as usize);
    model.ffn_hidden_size = line.whole("ffn_hidden")?.unwrap_or(4 * hidden) as usize;
    model.seq_len = slots as usize;
    model.norm = Norm::Pre;
    model.positions = Positions::Rope;
    model.tie_embeddings = line.flag("tied")?.unwrap_or(false);
    model.plan_only.kv_heads = line
        .whole("kv_heads")?
        .filter(|kv| *kv != heads)
        .map(|kv| kv as usize);
    match line.text("ffn_type") {
        "" | "gelu" => model.ffn = Ffn::Gelu,
        "geglu" => model.ffn = Ffn::Geglu,
        "swiglu" => model.plan_only.activation = Some(PlannedActivation::Swiglu),
        "squared-relu" => model.plan_only.activation = Some(PlannedActivation::SquaredRelu),
        "relu" => model.plan_only.activation = Some(PlannedActivation::Relu),
        _ => {
            return Err(line.wrong(
                "ffn_type",
                "gelu, geglu, swiglu, relu, squared-relu or nothing",
            ));
        }
    }
    // Dropout is on in GPTs of these years, and off where FlashAttention is on.
    (model.dropout, model.attention_dropout) = if layout.flash_attention {
        (0.0, 0.0)
    } else {
        (0.1, 0.1)
    };
    config.tokenizer.vocab_size = vocab as usize;
    config.objective.mode = experiments_config::ObjectiveMode::Gpt;
    config.precision.format = match line.word("precision") {
        "" | "bf16" | "fp8" | "fp8-cs" | "mxfp8" | "nvfp4" => Format::Bf16,
        "fp16" => Format::Fp16,
        "fp32" => Format::Fp32,
        _ => {
            return Err(line.wrong(
                "precision",
                "fp16, bf16, fp32, fp8, fp8-cs, mxfp8, nvfp4 or nothing",
            ));
        }
    };
    // Megatron accumulates in FP32 beside BF16.
    let wide = config.precision.format == Format::Bf16 && !layout.sharding.gradients();
    config.precision.grad_accumulation = if wide {
        Format::Fp32
    } else {
        config.precision.format
    };
    Ok(config)
}

/// The GPU by this program's name or by that of the table, with the network that the row tells.
fn gpu_of(line: Line<'_>) -> Result<Gpu, PlanError> {
    let name = line.text("gpu");
    let known = gpu_by_alias(name).or_else(|| gpu_names().find(|known| *known == name));
    let known = known.ok_or_else(|| {
        line.wrong(
            "gpu",
            format!(
                "one of {}{}",
                gpu_names().collect::<Vec<_>>().join(", "),
                words::hint(name, gpu_names())
            ),
        )
    })?;
    let mut gpu = gpu(known)?.clone();
    if let Some(bits) = node_bandwidth(line.text("interconnect")) {
        if !(bits.is_finite() && bits > 0.0) {
            return Err(line.wrong(
                "interconnect",
                "the ports of a node and the rate of each, such as `8x200 Gb/s`, both above 0",
            ));
        }
        // Bytes per second of each of the node's ports.
        gpu.network.bandwidth = bits * 1e9 / 8.0 / gpu.network_ports as f64;
        gpu.network.title = format!("{bits} Gb/s per node");
    }
    Ok(gpu)
}

/// Gb/s of a node, from `8x200Gb/s ...`, `1600 Gb/s ...`, `2 Tb/s ...` or `4x Omni-Path ...`.
fn node_bandwidth(text: &str) -> Option<f64> {
    if text.contains("Omni-Path") {
        return Some(400.0);
    }
    let (unit, factor) = if text.contains("Gb/s") {
        ("Gb/s", 1.0)
    } else {
        ("Tb/s", 1000.0)
    };
    let before = text
        .split(unit)
        .next()
        .filter(|before| before.len() < text.len())?;
    let words: Vec<&str> = before.trim_end().rsplit(' ').collect();
    let word = *words.first()?;
    let (ports, each) = word.split_once('x').unwrap_or(("1", word));
    Some(ports.parse::<f64>().ok()? * each.parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How tables write the network of a node.
    #[test]
    fn networks_are_read() {
        for (text, gigabits) in [
            (
                "NVSwitch in node; 8x200Gb/s HDR InfiniBand per node (Selene DGX A100)",
                1600.0,
            ),
            ("NVSwitch; 8x400 Gb/s InfiniBand per node", 3200.0),
            ("1600 Gb/s RoCE per node", 1600.0),
            ("2 Tb/s RoCE per node", 2000.0),
            (
                "NVLink in node; Omni-Path between nodes (Jean Zay, about 400 Gb/s per node)",
                400.0,
            ),
        ] {
            assert_eq!(node_bandwidth(text), Some(gigabits), "{text}");
        }
        assert_eq!(node_bandwidth("NVLink, one node"), None);
        assert_eq!(node_bandwidth(""), None);
    }
}
