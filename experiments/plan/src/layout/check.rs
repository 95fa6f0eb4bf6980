//! Whether a layout is legal.

use super::stages::{illegal, is_legal};
use super::{Cluster, Layout, Schedule, Sharding};
use crate::PlanError;
use crate::hardware::{Gpu, gpu};
use crate::nearest::{any_of, nearest, nearest_multiples};
use crate::size::{positive, product, sum};
use experiments_config::{Config, Format, ObjectiveMode};

/// The widest head that `FlashAttention` has kernels for (arXiv 2307.08691 §4).
const MOST_FLASH_WIDTH: usize = 256;

/// Why `FlashAttention` cannot compute a model on a GPU, and what would help.
fn without_flash(config: &Config, gpu: &Gpu) -> Option<(String, &'static str)> {
    let width = config.model.head_dim();
    if gpu.peak_flops.bf16.is_none() {
        Some((
            format!("needs an A100 or later, not {}", gpu.title),
            "no flash_attention",
        ))
    } else if config.precision.format == Format::Fp32 {
        Some((
            "computes in 16 bits, precision.format is fp32".to_owned(),
            "precision.format = bf16, or no flash_attention",
        ))
    } else if width > MOST_FLASH_WIDTH {
        Some((
            format!("has no kernel for heads of {width}, at most {MOST_FLASH_WIDTH}"),
            "more model.num_heads, or no flash_attention",
        ))
    } else {
        None
    }
}

/// Whether `FlashAttention` can compute a model on a GPU.
pub(crate) fn has_flash(config: &Config, gpu: &Gpu) -> bool {
    without_flash(config, gpu).is_none()
}

impl Cluster {
    /// GPUs of all machines.
    pub fn gpus(&self) -> Result<u64, PlanError> {
        let nodes = positive("nodes", self.nodes)?;
        product(
            "nodes × GPUs of a node",
            &[nodes, positive("gpus_per_node", self.gpus_per_node)?],
        )
    }
}

impl Layout {
    /// GPUs that the layout takes.
    pub fn world_size(&self) -> Result<u64, PlanError> {
        product(
            "tensor_parallel × pipeline_parallel × data_parallel × context_parallel",
            &[
                self.tensor_parallel,
                self.pipeline_parallel,
                self.data_parallel,
                self.context_parallel,
            ],
        )
    }

    /// The first constraint that the layout of a real system could not break: real ones pad and round.
    pub(crate) fn check_shape(&self, config: &Config) -> Result<(), PlanError> {
        self.check_sizes(config)?;
        self.check_pipeline(config)
    }

    /// The first constraint that the layout breaks.
    pub fn check(&self, config: &Config, cluster: &Cluster) -> Result<(), PlanError> {
        self.violations(config, cluster)
            .into_iter()
            .next()
            .map_or(Ok(()), Err)
    }

    /// Every constraint that the layout breaks: with the model, the batch and the cluster.
    #[must_use]
    pub fn violations(&self, config: &Config, cluster: &Cluster) -> Vec<PlanError> {
        if let Err(error) = self.check_sizes(config) {
            return vec![error];
        }
        let checks = [
            self.check_tensor(config),
            self.check_sequence(config),
            self.check_attention(config, cluster),
            self.check_schedule(),
            self.check_pipeline(config),
            self.check_batch(),
            self.check_world(cluster),
        ];
        checks.into_iter().filter_map(Result::err).collect()
    }

    /// What is legal and still unwise.
    #[must_use]
    pub fn warnings(&self, config: &Config, cluster: &Cluster) -> Vec<String> {
        let mut warnings = Vec::new();
        let (t, p, m) = (
            self.tensor_parallel,
            self.pipeline_parallel,
            self.micro_batches(),
        );
        if t > cluster.gpus_per_node {
            warnings.push(format!(
                "tensor_parallel = {t} exceeds the {} GPUs of a node: every layer's all-reduces \
                 cross the network",
                cluster.gpus_per_node
            ));
        } else if t > 0 && !cluster.gpus_per_node.is_multiple_of(t) {
            warnings.push(format!(
                "tensor_parallel = {t} does not divide the {} GPUs of a node: some groups cross \
                 the network",
                cluster.gpus_per_node
            ));
        }
        if p > 1 && m < p.saturating_mul(4) && self.schedule != Schedule::Interleaved {
            warnings.push(format!(
                "{m} micro-batches are fewer than 4 × {p} stages: the pipeline bubble of {:.1} % is \
                 not negligible (GPipe's rule, arXiv 1811.06965 §2.3)",
                100.0 * self.bubble()
            ));
        }
        if self.flash_attention && config.objective.mode == ObjectiveMode::Glm {
            warnings.push(
                "blank infilling attends to its prefix in both directions: FlashAttention's own kernels have no such \
                 mask, those that take any mask (FlexAttention) are slower than planned"
                    .to_owned(),
            );
        }
        warnings
    }

    fn check_sizes(&self, config: &Config) -> Result<(), PlanError> {
        let model = &config.model;
        for (what, value) in [
            ("tensor_parallel", self.tensor_parallel),
            ("pipeline_parallel", self.pipeline_parallel),
            ("data_parallel", self.data_parallel),
            ("context_parallel", self.context_parallel),
            ("micro_batch", self.micro_batch),
            ("global_batch", self.global_batch),
            ("chunks", self.chunks),
            ("vocab_multiple", self.vocab_multiple),
            ("model.layers", model.layers as u64),
            ("model.num_heads", model.num_heads as u64),
            ("model.hidden_size", model.hidden_size as u64),
            ("model.ffn_hidden_size", model.ffn_hidden_size as u64),
        ] {
            positive(what, value)?;
        }
        self.world_size()?;
        product(
            "pipeline_parallel × chunks",
            &[self.pipeline_parallel, self.chunks],
        )?;
        let rows = product(
            "vocab_multiple × tensor_parallel",
            &[self.vocab_multiple, self.tensor_parallel],
        )?;
        sum(
            "padded tokenizer.vocab_size",
            &[config.tokenizer.vocab_size as u64, rows],
        )?;
        product(
            "data_parallel × micro_batch",
            &[self.data_parallel, self.micro_batch],
        )?;
        Ok(())
    }

    fn check_tensor(&self, config: &Config) -> Result<(), PlanError> {
        let model = &config.model;
        let sizes = [
            ("model.num_heads", model.num_heads as u64),
            ("model.hidden_size", model.hidden_size as u64),
            ("model.ffn_hidden_size", model.ffn_hidden_size as u64),
            ("model.plan_only.kv_heads", model.kv_heads() as u64),
        ];
        let t = self.tensor_parallel;
        let Some((name, size)) = sizes.iter().find(|(_, size)| !size.is_multiple_of(t)) else {
            return Ok(());
        };
        let all = |n: u64| sizes.iter().all(|(_, size)| size.is_multiple_of(n));
        let degrees = nearest("tensor_parallel", t, model.num_heads as u64, all);
        Err(PlanError::Layout {
            constraint: format!("{name} = {size} is not a multiple of tensor_parallel = {t}"),
            nearest: degrees.unwrap_or_default(),
        })
    }

    /// What divides the sequence, and what divides state beside a pipeline.
    fn check_sequence(&self, config: &Config) -> Result<(), PlanError> {
        let (slots, c) = (config.model.seq_len as u64, self.context_parallel);
        // Each context rank holds one part from the front and one from the back, so that a causal mask leaves all
        // as much to do (Megatron-Core).
        let halves = if c > 1 { c.saturating_mul(2) } else { 1 };
        let unit = if self.sequence_parallel {
            halves.saturating_mul(self.tensor_parallel)
        } else {
            halves
        };
        if !slots.is_multiple_of(unit) {
            let fits = |n: u64| slots.is_multiple_of(n.saturating_mul((unit / c).max(1)));
            return Err(PlanError::Layout {
                constraint: format!(
                    "model.seq_len = {slots} is not a multiple of {unit} sequence parts"
                ),
                nearest: nearest("context_parallel", c, slots, fits).unwrap_or_default(),
            });
        }
        if matches!(self.sharding, Sharding::Zero2 | Sharding::Zero3) && self.pipeline_parallel > 1
        {
            return Err(PlanError::Layout {
                constraint: format!(
                    "sharding = {} and {} pipeline stages exclude each other in DeepSpeed",
                    self.sharding.name(),
                    self.pipeline_parallel
                ),
                nearest: "sharding = zero1 or fsdp, or pipeline_parallel = 1".to_owned(),
            });
        }
        Ok(())
    }

    /// What attention's kernels cannot do.
    fn check_attention(&self, config: &Config, cluster: &Cluster) -> Result<(), PlanError> {
        let refused = |constraint: String, nearest: &str| {
            Err(PlanError::Layout {
                constraint,
                nearest: nearest.to_owned(),
            })
        };
        if !self.flash_attention {
            return if self.context_parallel > 1 {
                refused(
                    format!(
                        "context_parallel = {} needs flash_attention: scores are never whole on one GPU",
                        self.context_parallel
                    ),
                    "flash_attention, or context_parallel = 1",
                )
            } else {
                Ok(())
            };
        }
        without_flash(config, gpu(&cluster.gpu)?).map_or(Ok(()), |(why, instead)| {
            refused(format!("flash_attention {why}"), instead)
        })
    }

    fn check_pipeline(&self, config: &Config) -> Result<(), PlanError> {
        let layers = config.model.layers as u64;
        let parts = self.pipeline_parallel * self.chunks;
        if is_legal(layers, parts)
            || (self.uneven_stages
                && self.pipeline_parallel <= layers
                && parts <= layers.saturating_add(2))
        {
            Ok(())
        } else {
            Err(illegal(layers, self.pipeline_parallel, self.chunks))
        }
    }

    fn check_batch(&self) -> Result<(), PlanError> {
        let (batch, d, b) = (self.global_batch, self.data_parallel, self.micro_batch);
        if batch.is_multiple_of(d * b) {
            return Ok(());
        }
        let degrees = nearest("data_parallel", d, batch / b, |n| {
            batch.is_multiple_of(n.saturating_mul(b))
        });
        let batches = format!("global_batch = {}", nearest_multiples(batch, d * b));
        Err(PlanError::Layout {
            constraint: format!(
                "global_batch = {batch} is not a multiple of data_parallel × micro_batch = {d} × {b}"
            ),
            nearest: any_of([Some(batches), degrees]),
        })
    }

    fn check_schedule(&self) -> Result<(), PlanError> {
        let (p, v, m) = (self.pipeline_parallel, self.chunks, self.micro_batches());
        if self.schedule != Schedule::Interleaved {
            return if v == 1 {
                Ok(())
            } else {
                Err(PlanError::Layout {
                    constraint: format!("chunks = {v} needs the interleaved schedule"),
                    nearest: "chunks = 1, or schedule = interleaved".to_owned(),
                })
            };
        }
        if v < 2 || p < 2 {
            return Err(PlanError::Layout {
                constraint: format!(
                    "the interleaved schedule needs at least 2 chunks on at least 2 stages, not \
                     {v} on {p}"
                ),
                nearest: "chunks = 2 on 2 stages, or schedule = 1f1b".to_owned(),
            });
        }
        if !m.is_multiple_of(p) || m == 0 {
            return Err(PlanError::Layout {
                constraint: format!(
                    "the interleaved schedule runs micro-batches in groups of {p}, one per stage; \
                     {m} are no multiple"
                ),
                nearest: format!(
                    "global_batch = {}, or schedule = 1f1b",
                    nearest_multiples(
                        self.global_batch,
                        p.saturating_mul(self.data_parallel * self.micro_batch)
                    )
                ),
            });
        }
        Ok(())
    }

    fn check_world(&self, cluster: &Cluster) -> Result<(), PlanError> {
        let (world, gpus) = (self.world_size()?, cluster.gpus()?);
        if world == gpus {
            return Ok(());
        }
        let pipeline = self.tensor_parallel * self.pipeline_parallel * self.context_parallel;
        let mut legal = Vec::new();
        if gpus.is_multiple_of(pipeline) {
            legal.push(format!("data_parallel = {}", gpus / pipeline));
        }
        if world.is_multiple_of(cluster.gpus_per_node) {
            legal.push(format!("nodes = {}", world / cluster.gpus_per_node));
        }
        if legal.is_empty() {
            let replica_nodes = nearest("nodes", cluster.nodes, u64::MAX, |nodes| {
                nodes
                    .saturating_mul(cluster.gpus_per_node)
                    .is_multiple_of(pipeline)
            });
            legal.extend(replica_nodes.map(|nodes| format!("{nodes} with data_parallel to match")));
        }
        Err(PlanError::Layout {
            constraint: format!(
                "tensor_parallel × pipeline_parallel × data_parallel{} = {} × {} × {}{} takes {world} \
                 GPUs, the cluster has {} × {} = {gpus}",
                if self.context_parallel > 1 {
                    " × context_parallel"
                } else {
                    ""
                },
                self.tensor_parallel,
                self.pipeline_parallel,
                self.data_parallel,
                if self.context_parallel > 1 {
                    format!(" × {}", self.context_parallel)
                } else {
                    String::new()
                },
                cluster.nodes,
                cluster.gpus_per_node,
            ),
            nearest: legal.join(", or "),
        })
    }
}
