//! Which signals are exported.

use crate::ExportError;
use logs::Record;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::str::FromStr;
use words::did_you_mean;

/// The signals that are exported. Numbers of a step alone come from a run's index, which is a tenth of its lines; those of layers
/// stand in the lines only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Signals {
    /// Everything that was recorded.
    #[default]
    All,
    /// One number a step each.
    Scalars,
    /// These.
    Named(Vec<String>),
}

impl FromStr for Signals {
    type Err = Infallible;

    /// Names with commas between them, or `scalars`.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text.trim() == "scalars" {
            Self::Scalars
        } else {
            let names = text.split(',').map(|name| name.trim().to_owned());
            Self::Named(names.collect())
        })
    }
}

impl Signals {
    /// Refuses names that are none of `known`, and no per-layer signal's.
    pub(crate) fn check(&self, known: &BTreeSet<String>) -> Result<(), ExportError> {
        let Self::Named(names) = self else {
            return Ok(());
        };
        let unknown = |name: &&String| !known.contains(*name) && !is_per_layer(name);
        let Some(name) = names.iter().find(unknown) else {
            return Ok(());
        };
        let near = did_you_mean(name, known);
        let all = || {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            format!("recorded are {}", known.join(", "))
        };
        Err(ExportError::Signal {
            name: name.clone(),
            hint: near.unwrap_or_else(all),
        })
    }

    /// Whether a scalar is wanted.
    pub(crate) fn has(&self, name: &str) -> bool {
        match self {
            Self::All | Self::Scalars => true,
            Self::Named(names) => names.iter().any(|wanted| wanted == name),
        }
    }

    /// Whether anything is wanted that only the lines have.
    pub(crate) fn has_layers(&self) -> bool {
        match self {
            Self::All => true,
            Self::Scalars => false,
            Self::Named(names) => names.iter().any(|name| is_per_layer(name)),
        }
    }

    /// The same without per-layer signals, which a table of one column a signal has no place for.
    pub fn check_table(&self) -> Result<(), ExportError> {
        match self {
            Self::Named(names) => match names.iter().find(|name| is_per_layer(name)) {
                Some(name) => Err(ExportError::Layers { name: name.clone() }),
                None => Ok(()),
            },
            Self::All | Self::Scalars => Ok(()),
        }
    }

    /// Takes out of a record what is not wanted.
    pub(crate) fn reduce(&self, record: &mut Record) {
        record.scalars.retain(|name, _| self.has(name));
        if let Self::Named(names) = self {
            let wanted = |name: &str| names.iter().any(|wanted| wanted == name);
            record.layers.retain(|name, _| wanted(name));
        }
    }
}

/// As all per-layer signals of the registry are named.
fn is_per_layer(name: &str) -> bool {
    name.starts_with("layer_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Signals {
        text.parse().unwrap()
    }

    #[test]
    fn names_are_split_at_commas_and_checked() {
        assert_eq!(named("scalars"), Signals::Scalars);
        let signals = named("loss, layer_grad_norm");
        assert!(signals.has("loss") && !signals.has("lr") && signals.has_layers());
        assert!(!named("loss,lr").has_layers());
        let known: BTreeSet<String> = ["grad_norm", "loss"].map(str::to_owned).into();
        signals.check(&known).unwrap();
        let error = |text: &str| named(text).check(&known).unwrap_err().to_string();
        assert!(error("los").contains("`los`") && error("los").contains("did you mean `loss`?"));
        assert!(error("temperature").contains("recorded are grad_norm, loss"));
        assert!(error("").contains("``"));
    }

    #[test]
    fn a_table_has_no_place_for_layers() {
        named("loss").check_table().unwrap();
        let error = named("loss,layer_grad_norm").check_table().unwrap_err();
        assert!(error.to_string().contains("`layer_grad_norm`"), "{error}");
    }

    #[test]
    fn a_record_keeps_what_is_wanted() {
        let mut record = Record::new(1);
        record.set_named("loss", 1.0);
        record.set_named("lr", 1.0);
        record.set_layers_named("layer_grad_norm", vec![1.0]);
        record.set_layers_named("layer_param_norm", vec![1.0]);
        named("loss,layer_grad_norm").reduce(&mut record);
        assert_eq!((record.scalars.len(), record.layers.len()), (1, 1));
        assert!(record.layers.contains_key("layer_grad_norm"));
    }
}
