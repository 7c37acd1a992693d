//! Names this build: the version and a hash of everything that the program is made from.
//!
//! The hash covers sources and settings, not the finished file, so that a stripped program is the same build as one that is
//! not, a build in another folder gives the same name, and no start has to read the program.

#![expect(clippy::disallowed_methods, reason = "cargo speaks to a build script by its environment")]

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use xxhash_rust::xxh3::Xxh3;

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let mut hash = Xxh3::new();
    for name in ["Cargo.toml", "Cargo.lock", "build.rs", "src"] {
        println!("cargo::rerun-if-changed={name}");
        add(&mut hash, &root, &root.join(name))?;
    }
    let rustc = env::var_os("RUSTC").expect("cargo sets it");
    hash.update(&Command::new(rustc).arg("-vV").output()?.stdout);
    // What changes the code that the same sources become. Debug information does not, nor do other names of folders.
    let mut settings: Vec<(String, String)> = env::vars()
        .filter(|(name, _)| {
            ["TARGET", "OPT_LEVEL", "CARGO_ENCODED_RUSTFLAGS"].contains(&name.as_str())
                || name.starts_with("CARGO_FEATURE_")
        })
        .map(|(name, value)| (name, without_renamed_folders(&value)))
        .collect();
    settings.sort();
    for (name, value) in settings {
        hash.update(format!("{name}={value}\0").as_bytes());
    }
    let version = env::var("CARGO_PKG_VERSION").expect("cargo sets it");
    println!("cargo::rustc-env=MJOLNIR_BUILD_ID={version}-{:016x}", hash.digest());
    Ok(())
}

/// Flags of the compiler, which cargo parts by this character, without those that give folders another name in messages: a release is
/// built with them, in any folder.
fn without_renamed_folders(flags: &str) -> String {
    let kept = flags.split('\x1f').filter(|flag| !flag.starts_with("--remap-path-prefix="));
    kept.collect::<Vec<_>>().join("\x1f")
}

/// Adds a file, or all files of a folder in the order of their names, each with its name and length.
fn add(hash: &mut Xxh3, root: &Path, path: &Path) -> io::Result<()> {
    if path.is_dir() {
        let mut inside =
            fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
        inside.sort();
        return inside.iter().try_for_each(|path| add(hash, root, path));
    }
    let bytes = fs::read(path)?;
    let name = path.strip_prefix(root).expect("it lies below the root").to_string_lossy();
    hash.update(format!("{name}\0{}\0", bytes.len()).as_bytes());
    hash.update(&bytes);
    Ok(())
}
