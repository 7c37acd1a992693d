//! This project's own tree, deployed into an empty folder.

#![expect(clippy::disallowed_methods, reason = "this test copies the tree")]

use std::{fs, path::Path, process::Command};

use super::fixture::Site;

#[test]
fn our_own_tree_can_be_deployed() {
    let Some(site) = Site::new() else { return };
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in [".gitignore", "README.md", "src", "ops"] {
        let path = site.here(name);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }
    for name in [
        "src",
        "tests",
        "benches",
        "jobs",
        "profiles",
        "strategies",
        ".ci",
        "Cargo.toml",
        "Cargo.lock",
        "README.md",
        ".gitignore",
    ] {
        let copied =
            Command::new("cp").args(["-r", "--"]).arg(own.join(name)).arg(site.here("")).status();
        assert!(copied.unwrap().success(), "{name}");
    }
    // What npm put there is not of the tree.
    let _ = fs::remove_dir_all(site.here("tests/browser/node_modules"));
    // Whoever checked it out may have been generous.
    assert!(
        Command::new("chmod").args(["-R", "go-w"]).arg(site.here("")).status().unwrap().success()
    );
    site.git(&["rm", "-q", "-r", "--cached", "."]);
    site.commit("our own tree");
    for name in ["README.md", "src", "ops", ".gitignore", ".mjolnir-deployed.json"] {
        let path = site.there(name);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }
    // As it is shipped: what looks like a secret and is none is listed there.
    let allow = "{\"tests/it/support/tls/cert.pem\"=\"made up\"}";
    let sets = [("deploy-check.secrets.allow", allow)];
    let checked = site.check_with(&sets).passes();
    let new = checked.report["changes"]["new"].as_u64().unwrap();
    assert!(new > 250, "{}", checked.report["changes"]);
    site.deploy();
    site.check_with(&sets).stays_in_sync();
}
