//! What this machine is called, which one it is, which start of it, and the limits of this process, which the programs it starts inherit.

use std::{
    fs,
    io::{self, Read as _},
};

use rustix::process::{Resource, Rlimit, getrlimit, nice, setrlimit};

/// Longest name that is taken over, in characters.
const NAME_MAX: usize = 64;

/// The name of this machine, in letters that can stand anywhere; `localhost` when it has none.
pub fn name() -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || "-_.".contains(*c);
    let name: String = hostname().chars().filter(plain).take(NAME_MAX).collect();
    if name.is_empty() { "localhost".to_owned() } else { name }
}

/// What tells this machine from others and stays the same: its id, or its name.
pub fn machine_id() -> String {
    let id = line("/etc/machine-id");
    if id.is_empty() { hostname() } else { id }
}

fn hostname() -> String {
    line("/proc/sys/kernel/hostname")
}

/// The text of a file without the space around it; nothing where it cannot be read.
fn line(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// Bytes that cannot be guessed.
pub fn random_bytes<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
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
    Some([kib(&text, "MemTotal")? << 10, kib(&text, "MemAvailable")? << 10])
}

/// The address space that this process takes now, and the most it ever took, in bytes; none where the system does not say.
pub fn address_space_bytes() -> Option<[u64; 2]> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    Some([kib(&text, "VmSize")? << 10, kib(&text, "VmPeak")? << 10])
}

/// The value of a line such as `MemTotal:  16 kB`.
fn kib(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// What tells this start of the machine from others.
pub fn boot_id() -> String {
    line("/proc/sys/kernel/random/boot_id")
}

/// Refuses more address space than this to this process and to each of its children.
pub fn limit_memory(bytes: u64) -> io::Result<()> {
    let maximum = getrlimit(Resource::As).maximum;
    let bytes = maximum.map_or(bytes, |maximum| bytes.min(maximum));
    Ok(setrlimit(Resource::As, Rlimit { current: Some(bytes), maximum })?)
}

/// Takes back what [`limit_memory`] asked, as far as this process may.
pub fn lift_memory_limit() -> io::Result<()> {
    let maximum = getrlimit(Resource::As).maximum;
    Ok(setrlimit(Resource::As, Rlimit { current: maximum, maximum })?)
}

/// The most address space that this process and each of its children may take; none without a limit.
pub fn memory_limit() -> Option<u64> {
    getrlimit(Resource::As).current
}

/// Sets the nice value of this thread and of those that it starts: 0 is the usual one, 19 gives way to every other.
pub fn set_nice(by: u32) -> io::Result<()> {
    if by > 0 {
        nice(i32::try_from(by).unwrap_or(19))?;
    }
    Ok(())
}
