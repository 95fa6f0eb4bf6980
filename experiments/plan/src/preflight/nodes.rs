//! The list of nodes.
//!
//! One node per line, in any mixture of
//!
//! ```text
//! # comment
//! n001                                        as `scontrol show hostnames` prints
//! n002 slots=8                                a DeepSpeed or MPI host file; `gpus=8` is the same
//! n003 8 40                                   GPUs, memory of one GPU in GiB
//! n004 gpus=8 memory=40GiB                    the same, named
//! {"node": "n005", "gpus": 8, "gpu_memory_gib": 40}
//! ```
//!
//! What is not given is unknown, not assumed.

use crate::PlanError;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A machine of the list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Node {
    /// Host name.
    pub name: String,
    /// GPUs, if given.
    pub gpus: Option<u64>,
    /// Memory of one GPU in GiB, if given.
    pub gpu_memory_gib: Option<f64>,
    /// Line of the file, from 1.
    pub line: usize,
}

/// The list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeList {
    /// The file.
    pub file: String,
    /// In the order of the file.
    pub nodes: Vec<Node>,
}

/// A line of JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonNode {
    #[serde(alias = "name", alias = "host")]
    node: String,
    #[serde(alias = "slots")]
    gpus: Option<u64>,
    gpu_memory_gib: Option<f64>,
}

const EXPECTED: &str =
    "`NAME [gpus=N] [memory=GIB]`, `NAME N GIB`, or JSON with `node`, `gpus`, `gpu_memory_gib`";

impl NodeList {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, PlanError> {
        let text = logs::disk::read_text(path).map_err(|source| PlanError::Io {
            action: "read the nodes file",
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, &path.display().to_string())
    }

    /// Reads the text of a file called `file`.
    pub fn parse(text: &str, file: &str) -> Result<Self, PlanError> {
        let mut nodes = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let content = line.split('#').next().unwrap_or("").trim();
            if content.is_empty() {
                continue;
            }
            let node = if content.starts_with('{') {
                json_node(content)
            } else {
                plain_node(content)
            };
            let mut node = node.map_err(|(problem, expected)| PlanError::Input {
                file: file.to_owned(),
                line: index + 1,
                problem,
                expected,
            })?;
            node.line = index + 1;
            nodes.push(node);
        }
        if nodes.is_empty() {
            return Err(PlanError::Input {
                file: file.to_owned(),
                line: 1,
                problem: "no node in the file".to_owned(),
                expected: EXPECTED.to_owned(),
            });
        }
        Ok(Self {
            file: file.to_owned(),
            nodes,
        })
    }
}

/// What is wrong, what was expected.
type Complaint = (String, String);

fn complaint(problem: impl Into<String>) -> Complaint {
    (problem.into(), EXPECTED.to_owned())
}

fn json_node(line: &str) -> Result<Node, Complaint> {
    let node: JsonNode =
        serde_json::from_str(line).map_err(|error| complaint(error.to_string()))?;
    checked(node.node, node.gpus, node.gpu_memory_gib)
}

fn plain_node(line: &str) -> Result<Node, Complaint> {
    let mut words = line.split_whitespace();
    let name = words.next().unwrap_or_default();
    let (mut gpus, mut memory) = (None, None);
    for word in words {
        match word.split_once('=') {
            Some(("gpus" | "slots", value)) if gpus.is_none() => gpus = Some(count(value)?),
            Some(("memory" | "gpu_memory", value)) if memory.is_none() => {
                memory = Some(gib(value)?);
            }
            Some((key, _)) => return Err(complaint(format!("`{key}` is unknown or given twice"))),
            None if gpus.is_none() => gpus = Some(count(word)?),
            None if memory.is_none() => memory = Some(gib(word)?),
            None => return Err(complaint(format!("`{word}` is one column too many"))),
        }
    }
    checked(name.to_owned(), gpus, memory)
}

fn checked(name: String, gpus: Option<u64>, memory: Option<f64>) -> Result<Node, Complaint> {
    if name.contains(['[', ',']) {
        return Err((
            format!("`{name}` is a compressed list"),
            format!("one name per line, as `scontrol show hostnames '{name}'` prints them"),
        ));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() || name.starts_with('-') || !name.chars().all(plain) {
        return Err(complaint(format!(
            "`{}` is no host name",
            name.escape_debug()
        )));
    }
    if gpus.is_some_and(|gpus| gpus == 0 || gpus > 1024) {
        return Err((
            format!("{} GPUs", gpus.unwrap_or_default()),
            "1 to 1,024 GPUs in a node".to_owned(),
        ));
    }
    if memory.is_some_and(|gib| !(gib > 0.0 && gib <= 16_384.0)) {
        return Err((
            format!("{} GiB of GPU memory", memory.unwrap_or_default()),
            "more than 0 and at most 16,384 GiB".to_owned(),
        ));
    }
    Ok(Node {
        name,
        gpus,
        gpu_memory_gib: memory,
        line: 0,
    })
}

fn count(word: &str) -> Result<u64, Complaint> {
    let number = word.parse();
    number.map_err(|_| complaint(format!("`{word}` is not a number of GPUs")))
}

/// `40`, `40GiB`, `40G` or `40960MiB`.
fn gib(word: &str) -> Result<f64, Complaint> {
    let (digits, unit) = word.split_at(
        word.find(|c: char| c.is_ascii_alphabetic())
            .unwrap_or(word.len()),
    );
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "g" | "gib" | "gb" => 1.0,
        "m" | "mib" | "mb" => 1.0 / 1024.0,
        _ => f64::NAN,
    };
    match digits.parse::<f64>() {
        Ok(value) if factor.is_finite() => Ok(value * factor),
        _ => Err(complaint(format!("`{word}` is not a GPU memory"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The formats users have: Slurm's, `DeepSpeed`'s, a table, JSON lines.
    #[test]
    fn all_forms_of_a_line_are_read() {
        let text = "# rack 1\nn001\nn002 slots=8\n\nn003 8 40\nn004 memory=40960MiB gpus=8 # spare\n\
                    {\"node\": \"n005\", \"gpus\": 8, \"gpu_memory_gib\": 40}\n";
        let list = NodeList::parse(text, "nodes").unwrap();
        let seen: Vec<_> = list
            .nodes
            .iter()
            .map(|n| (n.name.as_str(), n.gpus, n.gpu_memory_gib, n.line))
            .collect();
        assert_eq!(
            seen,
            [
                ("n001", None, None, 2),
                ("n002", Some(8), None, 3),
                ("n003", Some(8), Some(40.0), 5),
                ("n004", Some(8), Some(40.0), 6),
                ("n005", Some(8), Some(40.0), 7),
            ]
        );
    }

    #[test]
    fn a_bad_line_is_named_with_what_was_expected() {
        for (line, says) in [
            ("n[001-096]", "scontrol show hostnames 'n[001-096]'"),
            ("n1 eight", "`eight` is not a number of GPUs"),
            ("n1 0", "1 to 1,024 GPUs"),
            ("n1 8 NaN", "not a GPU memory"),
            ("n1 8 -3", "more than 0"),
            ("n1 8 40 9", "one column too many"),
            ("n1 color=red", "`color` is unknown"),
            ("$(reboot)", "no host name"),
            ("{\"node\": \"a\", \"gpu\": 8}", "unknown field `gpu`"),
            ("n1 99999999999999999999", "not a number of GPUs"),
        ] {
            let error = NodeList::parse(&format!("ok\n{line}\n"), "my.txt").unwrap_err();
            let text = error.to_string();
            assert!(
                text.contains("`my.txt`, line 2") && text.contains(says),
                "{text}"
            );
        }
        let empty = NodeList::parse("# nothing\n", "my.txt").unwrap_err();
        assert!(empty.to_string().contains("no node"));
    }
}
