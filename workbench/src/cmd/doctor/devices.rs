//! The devices of this machine, and what is missing for others.

use crate::console;
use crate::failure::Failure;
use experiments::{Listed, Listing, devices};
use std::fmt::Write as _;
use std::process::ExitCode;
use words::{bytes, printable_line};

pub(super) fn list() -> Result<ExitCode, Failure> {
    console::print(&text(&devices()))?;
    Ok(ExitCode::SUCCESS)
}

fn text(all: &[Listing]) -> String {
    let mut text = "cpu        this machine's processor: every format\n".to_owned();
    for Listing { kind, devices } in all {
        match devices {
            Ok(devices) => devices.iter().for_each(|device| add(&mut text, device)),
            Err(missing) => {
                let _ = writeln!(text, "{kind:<10} none: {missing}");
            }
        }
    }
    text
}

fn add(text: &mut String, device: &Listed) {
    let Listed {
        key,
        gpu,
        abilities,
    } = device;
    let _ = writeln!(
        text,
        "{:<10} {}, {}, driver {}",
        key.to_string(),
        printable_line(&gpu.name),
        bytes(gpu.memory),
        printable_line(&gpu.driver)
    );
    let _ = match abilities {
        Err(problem) => writeln!(text, "           cannot be used: {problem}"),
        Ok(can) => {
            let units = if can.matrix_units.is_empty() {
                "none, products are summed by plain units".to_owned()
            } else {
                can.matrix_units.join(", ")
            };
            let emulated = ["fp16", "bf16"]
                .iter()
                .filter(|half| !can.formats.contains(half));
            let emulated: Vec<_> = emulated.copied().collect();
            let mut formats = can.formats.join(", ");
            if !emulated.is_empty() {
                let _ = write!(formats, "; {} by integer operations", emulated.join(", "));
            }
            writeln!(text, "           formats: {formats}; matrix units: {units}")
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use experiments::{Abilities, Gpu};
    use experiments_config::DeviceKey;

    #[test]
    fn a_device_is_listed_with_what_it_can_do_and_a_kind_with_what_is_missing() {
        let gpu = Gpu {
            name: "Card\u{1b}[31m".to_owned(),
            driver: "Mesa 22".to_owned(),
            memory: 8_000_000_000,
        };
        let abilities = Abilities {
            formats: vec!["fp32", "fp16"],
            ..Abilities::default()
        };
        let listed = Listed {
            key: DeviceKey::Vulkan(1),
            gpu,
            abilities: Ok(abilities),
        };
        let refused = Listed {
            abilities: Err("it lacks bytes".to_owned()),
            ..listed.clone()
        };
        let text = text(&[
            Listing {
                kind: "CUDA",
                devices: Err("install it".to_owned()),
            },
            Listing {
                kind: "Vulkan",
                devices: Ok(vec![listed, refused]),
            },
        ]);
        for part in [
            "CUDA       none: install it",
            "vulkan:1   Card",
            "8.0 GB",
            "bf16 by integer",
            "cannot be used: it lacks bytes",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}
