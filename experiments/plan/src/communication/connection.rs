//! A group of GPUs and what its collective operations cost.

use crate::Cluster;
use crate::hardware::{Gpu, Link};
use serde::Serialize;

/// How a group of GPUs is connected.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Connection {
    /// GPUs of the group.
    pub ranks: u64,
    /// Members in one node.
    pub in_node: u64,
    /// The slowest link.
    pub link: String,
    /// Attained bytes per second of one GPU in one direction.
    pub bandwidth: f64,
    /// Seconds per message and hop.
    pub latency: f64,
}

/// Bytes that one GPU sends, and seconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Cost {
    /// Bytes sent by one GPU.
    pub bytes: f64,
    /// Seconds.
    pub seconds: f64,
}

impl std::ops::Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            bytes: self.bytes + other.bytes,
            seconds: self.seconds + other.seconds,
        }
    }
}

impl std::ops::Mul<f64> for Cost {
    type Output = Self;

    fn mul(self, factor: f64) -> Self {
        Self {
            bytes: self.bytes * factor,
            seconds: self.seconds * factor,
        }
    }
}

impl Connection {
    /// The GPUs of one machine.
    pub(crate) fn in_node(gpu: &Gpu, ranks: u64) -> Self {
        let cluster = Cluster {
            nodes: 1,
            gpus_per_node: ranks,
            gpu: gpu.name.clone(),
        };
        Self::new(gpu, &cluster, 1, ranks, true)
    }

    /// A group of `ranks`, neighbours `stride` apart. A ring shares the ports of its members in a
    /// node, a message from one GPU to the next has that GPU's own share.
    pub(super) fn new(gpu: &Gpu, cluster: &Cluster, stride: u64, ranks: u64, ring: bool) -> Self {
        let (stride, ranks) = (stride.max(1), ranks.max(1));
        let in_node = (cluster.gpus_per_node / stride).clamp(1, ranks);
        let attained = |link: &Link| link.bandwidth * link.efficiency;
        let extent = stride.saturating_mul(ranks);
        if cluster.nodes == 1 || cluster.gpus_per_node.is_multiple_of(extent) {
            return Self {
                ranks,
                in_node: ranks,
                link: gpu.intra_node.title.clone(),
                bandwidth: attained(&gpu.intra_node),
                latency: gpu.intra_node.latency,
            };
        }
        let members = if ring { in_node as f64 } else { 1.0 };
        let ports = members * gpu.network_ports as f64 / cluster.gpus_per_node.max(1) as f64;
        let network = ports * attained(&gpu.network);
        // Between its members in a node a ring runs over the node's own link.
        let bandwidth = if in_node > 1 {
            network.min(attained(&gpu.intra_node))
        } else {
            network
        };
        Self {
            ranks,
            in_node,
            link: gpu.network.title.clone(),
            bandwidth,
            latency: gpu.network.latency,
        }
    }

    /// Reduce-scatter or all-gather of `bytes` in a ring: each GPU sends `(n-1)/n` of them.
    #[must_use]
    pub fn half_all_reduce(&self, bytes: f64) -> Cost {
        let n = self.ranks as f64;
        if self.ranks < 2 {
            return Cost::default();
        }
        let sent = bytes * (n - 1.0) / n;
        Cost {
            bytes: sent,
            seconds: sent / self.bandwidth + (n - 1.0) * self.latency,
        }
    }

    /// All-reduce of `bytes` in a ring: reduce-scatter, then all-gather.
    #[must_use]
    pub fn all_reduce(&self, bytes: f64) -> Cost {
        self.half_all_reduce(bytes) * 2.0
    }

    /// One message to the next GPU.
    #[must_use]
    pub fn send(&self, bytes: f64) -> Cost {
        if self.ranks < 2 {
            return Cost::default();
        }
        Cost {
            bytes,
            seconds: bytes / self.bandwidth + self.latency,
        }
    }
}
