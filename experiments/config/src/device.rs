//! The devices that a run may name.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use words::hint;

/// `runtime.device`: the CPU, or a device of a kind by its number, where the first may go without: `cuda`, `vulkan:1`.
/// Whether it is there is another matter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum DeviceKey {
    /// This machine's processor.
    #[default]
    Cpu,
    /// An NVIDIA GPU.
    Cuda(usize),
    /// Whatever Vulkan offers.
    Vulkan(usize),
}

/// A text that names no device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no device, expected `cpu`, `cuda` or `vulkan`, the last two with a number where there are several, as in `vulkan:1`{hint}"
)]
pub struct NoDevice {
    text: String,
    /// `; did you mean ...` or empty.
    hint: String,
}

impl FromStr for DeviceKey {
    type Err = NoDevice;

    fn from_str(text: &str) -> Result<Self, NoDevice> {
        let (kind, number) = match text.split_once(':') {
            Some((kind, number)) => (kind, Some(number)),
            None => (text, None),
        };
        // A sign would be read too.
        let digits = |number: &&str| number.bytes().all(|byte| byte.is_ascii_digit());
        let index = match number {
            None => Some(0),
            Some(number) => Some(number).filter(digits).and_then(|n| n.parse().ok()),
        };
        match (kind, number, index) {
            ("cpu", None, _) => Ok(Self::Cpu),
            ("cuda", _, Some(index)) => Ok(Self::Cuda(index)),
            ("vulkan", _, Some(index)) => Ok(Self::Vulkan(index)),
            _ => Err(NoDevice {
                text: text.to_owned(),
                hint: hint(kind, ["cpu", "cuda", "vulkan"]),
            }),
        }
    }
}

impl TryFrom<String> for DeviceKey {
    type Error = NoDevice;

    fn try_from(text: String) -> Result<Self, NoDevice> {
        text.parse()
    }
}

impl From<DeviceKey> for String {
    fn from(key: DeviceKey) -> Self {
        key.to_string()
    }
}

impl fmt::Display for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, index) = match self {
            Self::Cpu => ("cpu", 0),
            Self::Cuda(index) => ("cuda", *index),
            Self::Vulkan(index) => ("vulkan", *index),
        };
        match index {
            0 => f.write_str(kind),
            _ => write!(f, "{kind}:{index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_device_is_written_as_it_is_read() {
        for (text, key) in [
            ("cpu", DeviceKey::Cpu),
            ("cuda", DeviceKey::Cuda(0)),
            ("cuda:3", DeviceKey::Cuda(3)),
            ("vulkan", DeviceKey::Vulkan(0)),
            ("vulkan:12", DeviceKey::Vulkan(12)),
        ] {
            assert_eq!(text.parse(), Ok(key));
            assert_eq!(key.to_string(), text);
        }
        assert_eq!("cuda:0".parse(), Ok(DeviceKey::Cuda(0)));
    }

    #[test]
    fn what_is_no_device_is_refused_with_the_nearest() {
        for text in [
            "",
            "gpu",
            "cpu:0",
            "cuda:",
            "cuda:-1",
            "cuda:+1",
            "cuda:1:2",
            "vulkan: 1",
            ":1",
            "CUDA",
        ] {
            let error = text.parse::<DeviceKey>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
        assert!("cuda:99999999999999999999999".parse::<DeviceKey>().is_err());
        let error = "vulcan:1".parse::<DeviceKey>().unwrap_err().to_string();
        assert!(error.contains("did you mean `vulkan`?"), "{error}");
    }
}
