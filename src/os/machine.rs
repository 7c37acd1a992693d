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

/// What the processor calls itself, and how many of its cores this process may use.
pub fn processor() -> (String, usize) {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model =
        model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.trim().to_owned());
    (model, std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
}

/// Memory of this machine and what of it can still be had, in bytes; none where the system does not say.
pub fn memory_bytes() -> Option<[u64; 2]> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let kib = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    };
    Some([kib("MemTotal")? << 10, kib("MemAvailable")? << 10])
}

/// What tells this start of the machine from others.
pub fn boot_id() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}
