//! Which machine this is, and which start of it.

use std::fs;

/// What tells this machine from others and stays the same: its id, or its name.
pub fn machine_id() -> String {
    let read = |path| fs::read_to_string(path).ok().map(|text: String| text.trim().to_owned());
    ["/etc/machine-id", "/proc/sys/kernel/hostname"]
        .into_iter()
        .filter_map(read)
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

/// What tells this start of the machine from others.
pub fn boot_id() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}
