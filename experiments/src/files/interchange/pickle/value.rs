//! What the pickle machine knows: texts, integers, tuples, dicts, storages, tensors.

use std::collections::HashMap;
use std::rc::Rc;

/// Tensors hold nothing deeper than a dict of dicts of tuples. A bound, since values are dropped
/// recursively.
const MAX_DEPTH: usize = 8;

/// Where a tensor's elements lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::files::interchange) struct TensorEntry {
    /// `HalfStorage`, `FloatStorage`, …
    pub(in crate::files::interchange) kind: Rc<str>,
    /// The archive member `data/KEY`.
    pub(in crate::files::interchange) key: Rc<str>,
    /// Elements in front of the first.
    pub(in crate::files::interchange) offset: usize,
    pub(in crate::files::interchange) shape: Vec<usize>,
    /// In elements.
    pub(in crate::files::interchange) strides: Vec<usize>,
}

/// A value on the stack. Cheap to clone: dicts never are.
#[derive(Clone)]
pub(super) enum Value {
    Mark,
    /// `None`, booleans and floats, which no tensor depends on.
    Other,
    Int(i64),
    Text(Rc<str>),
    OrderedDict,
    RebuildTensor,
    StorageType(Rc<str>),
    Storage {
        kind: Rc<str>,
        key: Rc<str>,
    },
    Tensor(Rc<TensorEntry>),
    /// With its depth.
    Tuple(Rc<[Value]>, usize),
    /// With its depth.
    Dict(HashMap<Rc<str>, Value>, usize),
    /// Stands in the memo for a dict, which may change after it was put there.
    Memoised,
}

impl Value {
    pub(super) fn global(module: &str, name: &str) -> Result<Self, String> {
        match (module, name) {
            ("collections", "OrderedDict") => Ok(Self::OrderedDict),
            ("torch._utils", "_rebuild_tensor_v2") => Ok(Self::RebuildTensor),
            ("torch", kind) if kind.ends_with("Storage") => Ok(Self::StorageType(kind.into())),
            _ => Err(format!(
                "asks for `{module}.{name}`, which a dict of tensors does not need; nothing was run; save {{'module': {{name: tensor}}}} alone, as tools/convert_tp.py of GLM-130B does"
            )),
        }
    }

    /// Of a persistent identifier, `('storage', type, key, location, elements)`.
    pub(super) fn storage(&self) -> Result<Self, String> {
        let Self::Tuple(items, _) = self else {
            return Err("a storage is not given by a tuple".to_owned());
        };
        match &items[..] {
            [
                Self::Text(tag),
                Self::StorageType(kind),
                Self::Text(key),
                _,
                _,
            ] if &**tag == "storage" => {
                let (kind, key) = (kind.clone(), key.clone());
                Ok(Self::Storage { kind, key })
            }
            _ => Err("a storage is not given by its type and key".to_owned()),
        }
    }

    /// One of the two functions we know, called.
    pub(super) fn call(&self, arguments: &Self) -> Result<Self, String> {
        let Self::Tuple(arguments, _) = arguments else {
            return Err("arguments are no tuple".to_owned());
        };
        match (self, &arguments[..]) {
            (Self::OrderedDict, []) => Ok(Self::Dict(HashMap::new(), 1)),
            (
                Self::RebuildTensor,
                [
                    Self::Storage { kind, key },
                    Self::Int(offset),
                    Self::Tuple(shape, _),
                    Self::Tuple(strides, _),
                    ..,
                ],
            ) if shape.len() == strides.len() => Ok(Self::Tensor(Rc::new(TensorEntry {
                kind: kind.clone(),
                key: key.clone(),
                offset: usize::try_from(*offset).map_err(|_| "an offset is negative")?,
                shape: sizes(shape)?,
                strides: sizes(strides)?,
            }))),
            _ => Err("a function is called with unexpected arguments".to_owned()),
        }
    }

    fn depth(&self) -> usize {
        match self {
            Self::Tuple(_, depth) | Self::Dict(_, depth) => *depth,
            _ => 0,
        }
    }
}

/// The depth of the deepest of the values that are put into a tuple or dict.
pub(super) fn deepest(items: &[Value]) -> Result<usize, String> {
    let depth = items.iter().map(Value::depth).max().unwrap_or(0);
    if depth >= MAX_DEPTH {
        return Err(format!("is nested deeper than {MAX_DEPTH}"));
    }
    Ok(depth)
}

fn sizes(items: &[Value]) -> Result<Vec<usize>, String> {
    let size = |value: &Value| match value {
        Value::Int(size) => usize::try_from(*size).map_err(|_| "a size is negative".to_owned()),
        _ => Err("a size is no integer".to_owned()),
    };
    items.iter().map(size).collect()
}
