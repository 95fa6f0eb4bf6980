//! What a GPU and the links around it can do, from data files (`hardware/*.toml`).

use crate::PlanError;
use experiments_config::Format;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};
use words::named;

/// Links by name.
const LINKS: &str = include_str!("../hardware/links.toml");

/// GPUs compiled into the program, by name.
const GPUS: [(&str, &str); 17] = [
    ("a100-40g", include_str!("../hardware/a100-40g.toml")),
    ("a100-80g", include_str!("../hardware/a100-80g.toml")),
    ("a800-80g", include_str!("../hardware/a800-80g.toml")),
    ("b200", include_str!("../hardware/b200.toml")),
    ("b300", include_str!("../hardware/b300.toml")),
    ("gb200", include_str!("../hardware/gb200.toml")),
    ("gb300", include_str!("../hardware/gb300.toml")),
    ("h100", include_str!("../hardware/h100.toml")),
    ("h100-96g", include_str!("../hardware/h100-96g.toml")),
    ("h200", include_str!("../hardware/h200.toml")),
    ("h800", include_str!("../hardware/h800.toml")),
    ("rtx-2080-ti", include_str!("../hardware/rtx-2080-ti.toml")),
    ("rtx-3090", include_str!("../hardware/rtx-3090.toml")),
    ("rtx-4090", include_str!("../hardware/rtx-4090.toml")),
    ("rtx-5090", include_str!("../hardware/rtx-5090.toml")),
    ("v100", include_str!("../hardware/v100.toml")),
    ("v100-16g", include_str!("../hardware/v100-16g.toml")),
];

named! {
    /// GPUs whose matrix products attain alike shares of their peak.
    pub enum Generation {
        /// A100.
        Ampere = "ampere",
        /// H100, H200.
        Hopper = "hopper",
        /// B200, GB200, GB300.
        Blackwell = "blackwell",
        /// No step of such a GPU was fitted.
        Other = "other",
    }
}

/// Peak dense rates in FLOP/s.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeakFlops {
    /// Ordinary FP32, without TF32.
    pub fp32: f64,
    /// FP16 operands, FP32 accumulation.
    pub fp16: f64,
    /// BF16 operands, FP32 accumulation; absent where the GPU has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bf16: Option<f64>,
}

/// A link.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// What it is.
    pub title: String,
    /// Bytes per second in one direction.
    pub bandwidth: f64,
    /// Attained share of `bandwidth` for large messages.
    pub efficiency: f64,
    /// Seconds per message and hop.
    pub latency: f64,
    /// Where the numbers come from.
    pub source: String,
}

/// A GPU and the machine it usually sits in.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Gpu {
    /// Name in the files.
    pub name: String,
    /// What else tables call it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// What it is.
    pub title: String,
    /// Memory in bytes that a program can allocate.
    pub memory_bytes: u64,
    /// Bytes per second.
    pub memory_bandwidth: f64,
    /// Peak dense rates.
    pub peak_flops: PeakFlops,
    /// Watts.
    pub tdp_watts: f64,
    /// GPUs of the usual machine.
    pub gpus_per_node: u64,
    /// Decides what is known of its products.
    pub generation: Generation,
    /// Share of the peak that large matrix products attain, where somebody measured it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_efficiency: Option<f64>,
    /// Between the GPUs of one machine.
    pub intra_node: Link,
    /// One port between machines.
    pub network: Link,
    /// Ports of one machine.
    pub network_ports: u64,
    /// Where the numbers come from.
    pub source: String,
}

/// A link in a GPU file: a name in `links.toml`, or a table of its own.
#[derive(Deserialize)]
#[serde(untagged)]
enum LinkField {
    Name(String),
    Own(Link),
}

/// A GPU file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GpuFile {
    name: String,
    #[serde(default)]
    aliases: Vec<String>,
    title: String,
    memory_gib: f64,
    memory_bandwidth: f64,
    tdp_watts: f64,
    gpus_per_node: u64,
    intra_node: LinkField,
    network: LinkField,
    network_ports: u64,
    source: String,
    #[serde(default = "unmeasured")]
    generation: Generation,
    product_efficiency: Option<f64>,
    peak_flops: PeakFlops,
}

fn unmeasured() -> Generation {
    Generation::Other
}

impl Gpu {
    /// Peak rate in FLOP/s for a number format.
    pub fn peak(&self, format: Format) -> Result<f64, PlanError> {
        let peak = match format {
            Format::Fp32 => Some(self.peak_flops.fp32),
            Format::Fp16 => Some(self.peak_flops.fp16),
            Format::Bf16 => self.peak_flops.bf16,
        };
        peak.ok_or_else(|| PlanError::Layout {
            constraint: format!("{} has no BF16 matrix units", self.title),
            nearest: "precision.format = \"fp16\"".to_owned(),
        })
    }

    /// Reads the text of a GPU file.
    fn parse(text: &str) -> Result<Self, String> {
        let file: GpuFile = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        let links: BTreeMap<String, Link> =
            toml::from_str(LINKS).map_err(|error| error.message().to_owned())?;
        let link = |field| match field {
            LinkField::Own(link) => Ok(link),
            LinkField::Name(name) => links.get(&name).cloned().ok_or_else(|| {
                let known: Vec<_> = links.keys().map(String::as_str).collect();
                format!("no link is called `{name}`; known: {}", known.join(", "))
            }),
        };
        let gpu = Self {
            name: file.name,
            aliases: file.aliases,
            title: file.title,
            memory_bytes: (file.memory_gib * 1_073_741_824.0) as u64,
            memory_bandwidth: file.memory_bandwidth,
            peak_flops: file.peak_flops,
            tdp_watts: file.tdp_watts,
            gpus_per_node: file.gpus_per_node,
            generation: file.generation,
            product_efficiency: file.product_efficiency,
            intra_node: link(file.intra_node)?,
            network: link(file.network)?,
            network_ports: file.network_ports,
            source: file.source,
        };
        gpu.complain().map_or(Ok(gpu), Err)
    }

    /// The first value that makes no sense.
    fn complain(&self) -> Option<String> {
        let numbers = [
            ("memory_gib", self.memory_bytes as f64),
            ("memory_bandwidth", self.memory_bandwidth),
            ("peak_flops.fp32", self.peak_flops.fp32),
            ("peak_flops.fp16", self.peak_flops.fp16),
            ("peak_flops.bf16", self.peak_flops.bf16.unwrap_or(1.0)),
            ("tdp_watts", self.tdp_watts),
            ("gpus_per_node", self.gpus_per_node as f64),
            ("network_ports", self.network_ports as f64),
            ("bandwidth of `intra_node`", self.intra_node.bandwidth),
            ("bandwidth of `network`", self.network.bandwidth),
        ];
        let shares = [
            ("product_efficiency", self.product_efficiency.unwrap_or(1.0)),
            ("efficiency of `intra_node`", self.intra_node.efficiency),
            ("efficiency of `network`", self.network.efficiency),
        ];
        let latencies = [
            ("latency of `intra_node`", self.intra_node.latency),
            ("latency of `network`", self.network.latency),
        ];
        let wrong = |(name, value): &(&str, f64), expected: &str| {
            format!("`{name}` is {value}, must be {expected}")
        };
        let number = numbers.iter().find(|(_, n)| !(n.is_finite() && *n > 0.0));
        let share = shares.iter().find(|(_, n)| !(*n > 0.0 && *n <= 1.0));
        let latency = latencies
            .iter()
            .find(|(_, n)| !(n.is_finite() && *n >= 0.0));
        number
            .map(|pair| wrong(pair, "a finite number above 0"))
            .or_else(|| share.map(|pair| wrong(pair, "a share above 0, at most 1")))
            .or_else(|| latency.map(|pair| wrong(pair, "a finite number, not negative")))
    }
}

/// Names of the GPUs that are compiled in.
pub fn gpu_names() -> impl Iterator<Item = &'static str> {
    GPUS.iter().map(|(name, _)| *name)
}

/// The name of the GPU that a table calls so.
pub(crate) fn gpu_by_alias(alias: &str) -> Option<&'static str> {
    let has =
        |name: &str| gpu(name).is_ok_and(|gpu| gpu.aliases.iter().any(|other| other == alias));
    gpu_names().find(|name| has(name))
}

/// A GPU by name (`a100-40g`), or the path of a TOML file of the user's own (anything with a `/`
/// or ending in `.toml`). Each is read once per process.
pub fn gpu(name: &str) -> Result<&'static Gpu, PlanError> {
    static READ: LazyLock<Mutex<BTreeMap<PathBuf, &'static Gpu>>> = LazyLock::new(Mutex::default);
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(gpu) = read.get(Path::new(name)) {
        return Ok(gpu);
    }
    let known = GPUS.iter().find(|(known, _)| *known == name);
    let is_path = name.contains('/') || Path::new(name).extension().is_some_and(|e| e == "toml");
    let file_error = |reason: String| PlanError::HardwareFile {
        path: name.to_owned(),
        reason,
    };
    let text = match known {
        Some((_, text)) => (*text).to_owned(),
        None if is_path => {
            logs::disk::read_text(Path::new(name)).map_err(|error| file_error(error.to_string()))?
        }
        None => return Err(unknown(name)),
    };
    // Leaked on purpose: a handful of GPUs at most, and every plan can hold a plain reference.
    let gpu: &'static Gpu = Box::leak(Box::new(Gpu::parse(&text).map_err(file_error)?));
    read.insert(PathBuf::from(name), gpu);
    Ok(gpu)
}

fn unknown(name: &str) -> PlanError {
    PlanError::Hardware {
        name: name.to_owned(),
        known: gpu_names().collect::<Vec<_>>().join(", "),
        hint: words::hint(name, gpu_names()),
    }
}

#[cfg(test)]
mod tests;
