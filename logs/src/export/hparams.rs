//! Hyperparameters for `TensorBoard`: messages of its plugin `hparams` (`plugins/hparams/plugin_data.proto`, `api.proto`), which
//! stand in the metadata of summaries without a value.

use prost::{Enumeration, Message, Oneof};
use std::collections::BTreeMap;

use crate::tfevent::{Metadata, Plugin, Value};

/// What one run of a sweep was given.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// Names and values.
    pub hparams: Vec<(String, Hparam)>,
    /// Runs of one group are repetitions of each other: the arm.
    pub group: String,
    /// Whether the run has finished.
    pub finished: bool,
}

/// The value of a hyperparameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Hparam {
    /// A number.
    Number(f64),
    /// A word.
    Text(String),
    /// Yes or no.
    Flag(bool),
}

/// What all runs under a folder have in common.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Experiment<'a> {
    /// Its name.
    pub name: &'a str,
    /// Hyperparameters, each with a value that says its type.
    pub hparams: &'a [(String, Hparam)],
    /// Tags of the scalars that are its results.
    pub metrics: &'a [&'a str],
}

impl Session {
    pub(super) fn begin(&self, start: f64) -> Value {
        let hparams = self.hparams.iter();
        let hparams = hparams
            .map(|(name, value)| (name.clone(), value.message()))
            .collect();
        let group_name = self.group.clone();
        let start_time_secs = start;
        let session = SessionStart {
            hparams,
            group_name,
            start_time_secs,
        };
        summary("session_start_info", Content::Start(session))
    }

    pub(super) fn end(&self, end: f64) -> Value {
        let status = if self.finished {
            Status::Success
        } else {
            Status::Failure
        };
        let session = SessionEnd {
            status: status.into(),
            end_time_secs: end,
        };
        summary("session_end_info", Content::End(session))
    }
}

impl Experiment<'_> {
    pub(super) fn value(&self, start: f64) -> Value {
        let hparam = |(name, value): &(String, Hparam)| HparamInfo {
            name: name.clone(),
            kind: value.kind().into(),
        };
        let metric = |tag: &&str| MetricInfo {
            name: Some(MetricName {
                tag: (*tag).to_owned(),
            }),
        };
        let message = ExperimentMessage {
            name: self.name.to_owned(),
            time_created_secs: start,
            hparam_infos: self.hparams.iter().map(hparam).collect(),
            metric_infos: self.metrics.iter().map(metric).collect(),
        };
        summary("experiment", Content::Experiment(message))
    }
}

impl Hparam {
    fn message(&self) -> JsonValue {
        let kind = match self {
            Self::Number(number) => JsonKind::Number(*number),
            Self::Text(text) => JsonKind::Text(text.clone()),
            Self::Flag(flag) => JsonKind::Flag(*flag),
        };
        JsonValue { kind: Some(kind) }
    }

    fn kind(&self) -> DataKind {
        match self {
            Self::Number(_) => DataKind::Float64,
            Self::Text(_) => DataKind::Text,
            Self::Flag(_) => DataKind::Bool,
        }
    }
}

fn summary(name: &str, content: Content) -> Value {
    let data = PluginData {
        version: 0,
        content: Some(content),
    };
    let plugin = Plugin {
        plugin_name: "hparams".to_owned(),
        content: data.encode_to_vec(),
    };
    Value {
        tag: format!("_hparams_/{name}"),
        metadata: Some(Metadata {
            plugin_data: Some(plugin),
        }),
        ..Value::default()
    }
}

/// `tensorboard.hparams.HParamsPluginData`.
#[derive(Clone, PartialEq, Message)]
struct PluginData {
    #[prost(int32, tag = "1")]
    version: i32,
    #[prost(oneof = "Content", tags = "2, 3, 4")]
    content: Option<Content>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Content {
    #[prost(message, tag = "2")]
    Experiment(ExperimentMessage),
    #[prost(message, tag = "3")]
    Start(SessionStart),
    #[prost(message, tag = "4")]
    End(SessionEnd),
}

/// `tensorboard.hparams.SessionStartInfo`.
#[derive(Clone, PartialEq, Message)]
struct SessionStart {
    #[prost(btree_map = "string, message", tag = "1")]
    hparams: BTreeMap<String, JsonValue>,
    #[prost(string, tag = "4")]
    group_name: String,
    #[prost(double, tag = "5")]
    start_time_secs: f64,
}

/// `tensorboard.hparams.SessionEndInfo`.
#[derive(Clone, PartialEq, Message)]
struct SessionEnd {
    #[prost(enumeration = "Status", tag = "1")]
    status: i32,
    #[prost(double, tag = "2")]
    end_time_secs: f64,
}

/// `tensorboard.hparams.Status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Enumeration)]
enum Status {
    Unknown = 0,
    Success = 1,
    Failure = 2,
}

/// `tensorboard.hparams.Experiment`.
#[derive(Clone, PartialEq, Message)]
struct ExperimentMessage {
    #[prost(double, tag = "3")]
    time_created_secs: f64,
    #[prost(message, repeated, tag = "4")]
    hparam_infos: Vec<HparamInfo>,
    #[prost(message, repeated, tag = "5")]
    metric_infos: Vec<MetricInfo>,
    #[prost(string, tag = "6")]
    name: String,
}

/// `tensorboard.hparams.HParamInfo`.
#[derive(Clone, PartialEq, Message)]
struct HparamInfo {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(enumeration = "DataKind", tag = "4")]
    kind: i32,
}

/// `tensorboard.hparams.DataType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Enumeration)]
enum DataKind {
    Unset = 0,
    Text = 1,
    Bool = 2,
    Float64 = 3,
}

/// `tensorboard.hparams.MetricInfo`.
#[derive(Clone, PartialEq, Message)]
struct MetricInfo {
    #[prost(message, optional, tag = "1")]
    name: Option<MetricName>,
}

/// `tensorboard.hparams.MetricName`.
#[derive(Clone, PartialEq, Message)]
struct MetricName {
    #[prost(string, tag = "2")]
    tag: String,
}

/// `google.protobuf.Value`.
#[derive(Clone, PartialEq, Message)]
struct JsonValue {
    #[prost(oneof = "JsonKind", tags = "2, 3, 4")]
    kind: Option<JsonKind>,
}

#[derive(Clone, PartialEq, Oneof)]
enum JsonKind {
    #[prost(double, tag = "2")]
    Number(f64),
    #[prost(string, tag = "3")]
    Text(String),
    #[prost(bool, tag = "4")]
    Flag(bool),
}
