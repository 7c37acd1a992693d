//! Whether the device of `[device]` is there: its nodes and its driver. Nothing is computed on it.

use std::{fs, path::Path};

use super::result::{Checked, Level};
use crate::manifest::{Device, DeviceKind, Fallback, PreflightPart};

/// Where the driver of a card says its version.
const DRIVER: &str = "/proc/driver/nvidia/version";
/// Through which the driver is reached.
const CONTROL: &str = "/dev/nvidiactl";

/// Judges the device that is preferred.
pub fn device(device: &Device) -> Checked {
    let card = card();
    let (level, value) = match (device.prefer, &card, device.fallback) {
        (DeviceKind::Cpu, _, _) => (Level::Ok, "the processor".to_owned()),
        (DeviceKind::Cuda | DeviceKind::Auto, Ok(card), _) => (Level::Ok, card.clone()),
        (DeviceKind::Cuda | DeviceKind::Auto, Err(why), Fallback::Fail) => {
            (Level::Fail, why.clone())
        }
        (DeviceKind::Cuda, Err(why), Fallback::Cpu) => {
            (Level::Warn, format!("{why}; the processor will do its work"))
        }
        (DeviceKind::Auto, Err(why), Fallback::Cpu) => (Level::Ok, format!("the processor: {why}")),
    };
    let limit = device.prefer.name();
    let next = "nvidia-smi; ls -l /dev/nvidia*";
    Checked::new(PreflightPart::Device, "device", level, limit, value).next(next)
}

/// The nodes of the cards and the version of their driver; what is missing otherwise.
fn card() -> Result<String, String> {
    let entries = fs::read_dir("/dev").into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut cards: Vec<String> = names
        .filter(|name| {
            let number = name.strip_prefix("nvidia").unwrap_or_default();
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
        .collect();
    cards.sort();
    if cards.is_empty() {
        return Err("there is no card: no /dev/nvidia0".to_owned());
    }
    if !Path::new(CONTROL).exists() {
        return Err(format!("there is no {CONTROL}: the driver is not loaded, or not handed in"));
    }
    let driver = fs::read_to_string(DRIVER).map_err(|error| format!("{DRIVER}: {error}"))?;
    let driver = driver.lines().next().unwrap_or_default().trim().to_owned();
    Ok(format!("{}; {driver}", cards.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_always_there_and_a_card_may_be_demanded() {
        let of = |prefer, fallback| device(&Device { prefer, fallback, verify: false }).level;
        assert_eq!(of(DeviceKind::Cpu, Fallback::Fail), Level::Ok);
        let demanded = of(DeviceKind::Cuda, Fallback::Fail);
        assert_eq!(demanded, if card().is_ok() { Level::Ok } else { Level::Fail });
        assert_eq!(of(DeviceKind::Auto, Fallback::Cpu), Level::Ok);
    }
}
