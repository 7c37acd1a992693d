//! What this machine is called.

/// Longest name that is taken over, in characters.
const NAME_MAX: usize = 64;

/// The name of this machine, in letters that can stand anywhere; `localhost` when it has none.
pub fn name() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let plain = |c: &char| c.is_ascii_alphanumeric() || "-_.".contains(*c);
    let name: String = text.trim().chars().filter(plain).take(NAME_MAX).collect();
    if name.is_empty() { "localhost".to_owned() } else { name }
}
