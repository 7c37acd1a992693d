//! `ops/boot.sh` with tools that are made up: which way it starts the box, and what it writes down.

#![expect(
    clippy::disallowed_methods,
    reason = "this test makes the programs that the script calls, and starts the script"
)]

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::compose::text;

/// What the script may call beside engine and card.
const TOOLS: [&str; 9] =
    ["bash", "date", "dirname", "grep", "mkdir", "mv", "tail", "tee", "timeout"];
const CARD: &str = "echo 'GPU 0: Made Up (UUID: GPU-0)'";
/// A compose that writes down its arguments, and fails where a word of FAILS is among them.
const COMPOSE: &str = "echo \"$*\" >> calls\nfor word in $FAILS; do case \" $* \" in *\" $word \"*) echo \"no $word\"; exit 1;; esac; done\ncase \"$*\" in *doctor*) printf 'build 1\\n\\ndevice  ok  gpu  cuda:0 Made Up\\n';; esac";
const UP: &str = "-f docker-compose.yml up -d";
const UP_ON_CARD: &str = "-f docker-compose.yml -f docker-compose.gpu.yml up -d";

struct Machine {
    dir: TempDir,
}

/// How the script ended: exit code, what it said, and the calls of compose.
struct Booted {
    code: Option<i32>,
    said: String,
    calls: Vec<String>,
}

impl Machine {
    /// With nothing but compose.
    fn new() -> Self {
        let machine = Self { dir: TempDir::with_prefix("boot-").unwrap() };
        for folder in ["bin", "ops"] {
            fs::create_dir(machine.at(folder)).unwrap();
        }
        fs::write(machine.at("ops/boot.sh"), text("ops/boot.sh")).unwrap();
        for tool in TOOLS.iter().chain(&["wc"]) {
            symlink(found(tool), machine.at("bin").join(tool)).unwrap();
        }
        machine.program("docker-compose", COMPOSE)
    }

    fn program(self, name: &str, script: &str) -> Self {
        let path = self.at("bin").join(name);
        let text = self.at("program");
        fs::write(&text, format!("#!{}\n{script}\n", found("bash").display())).unwrap();
        fs::set_permissions(&text, fs::Permissions::from_mode(0o755)).unwrap();
        // Copied by a program of its own: a file that this one writes is held by whatever another test starts at that moment,
        // and cannot be started as long as it is.
        assert!(Command::new("cp").arg(&text).arg(&path).status().unwrap().success());
        self
    }

    fn at(&self, inside: &str) -> PathBuf {
        self.dir.path().join(inside)
    }

    fn boot(&self, fails: &str) -> Booted {
        let output = Command::new(found("bash"))
            .args(["ops/boot.sh", "paper"])
            .current_dir(self.dir.path())
            .env_clear()
            .envs([("PATH", self.at("bin").to_str().unwrap()), ("FAILS", fails)])
            .output()
            .unwrap();
        let calls = fs::read_to_string(self.at("calls")).unwrap_or_default();
        Booted {
            code: output.status.code(),
            said: String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
            calls: calls.lines().map(str::to_owned).collect(),
        }
    }
}

/// Where a tool of this machine is.
fn found(tool: &str) -> PathBuf {
    let places = ["/usr/bin", "/bin"].map(|dir| Path::new(dir).join(tool));
    places.into_iter().find(|path| path.exists()).unwrap_or_else(|| panic!("no {tool} here"))
}

impl Booted {
    fn ends_with(&self, code: i32, up: &[&str], words: &[&str]) {
        let Self { code: ended, said, calls } = self;
        assert_eq!(*ended, Some(code), "{said}");
        let ups: Vec<&String> = calls.iter().filter(|call| call.contains(" up ")).collect();
        let up: Vec<String> = up.iter().map(|up| format!("{up} paper")).collect();
        assert_eq!(ups, up.iter().collect::<Vec<_>>(), "{said}");
        for word in words {
            assert!(said.contains(word), "nothing is said of `{word}`: {said}");
        }
    }
}

#[test]
fn without_a_card_the_box_starts_on_the_processor_and_the_log_says_why() {
    let machine = Machine::new();
    let booted = machine.boot("");
    booted.ends_with(0, &[UP], &["no card: there is no nvidia-smi", "up, on the processor"]);
    assert_eq!(booted.calls[0], "ps -q", "an engine that is down is found out first");
    assert_eq!(booted.calls[1], "run --rm --no-deps -T paper check jobs", "then the settings");
    assert_eq!(fs::read_to_string(machine.at("data/logs/boot.log")).unwrap(), booted.said);
    assert!(machine.at("notebooks").is_dir());
}

#[test]
fn an_engine_that_is_down_is_one_line() {
    let booted = Machine::new().boot("ps");
    booted.ends_with(1, &[], &["the container engine does not answer: start it", "it says: no ps"]);
    assert_eq!(booted.said.lines().count(), 1, "{}", booted.said);
    assert_eq!(booted.calls, ["ps -q"], "nothing else is tried");
}

#[test]
fn a_card_that_does_not_work_is_no_card() {
    let broken = Machine::new().program("nvidia-smi", "echo 'NVIDIA-SMI has failed'; exit 9");
    broken.boot("").ends_with(0, &[UP], &["no card: nvidia-smi says: NVIDIA-SMI has failed"]);
    let empty = Machine::new().program("nvidia-smi", "echo 'No devices were found'");
    empty.boot("").ends_with(0, &[UP], &["No devices were found", "on the processor"]);
    let unseen = Machine::new().program("nvidia-smi", CARD);
    unseen.boot("doctor").ends_with(
        0,
        &[UP],
        &["in a container it does not prove itself: no doctor", "on the processor"],
    );
}

#[test]
fn a_card_that_works_is_used_and_left_when_the_start_fails() {
    let machine = Machine::new().program("nvidia-smi", CARD);
    machine.boot("").ends_with(
        0,
        &[UP_ON_CARD],
        &["card: device  ok  gpu  cuda:0 Made Up", "up, on the card"],
    );
    // Only the start with the card fails: it is the call with both files, an `up`, and no `run`.
    let compose =
        format!("case \"$*\" in *gpu.yml*up*) echo \"$*\" >> calls; exit 1;; esac\n{COMPOSE}");
    let machine = Machine::new().program("nvidia-smi", CARD).program("docker-compose", &compose);
    machine.boot("").ends_with(
        0,
        &[UP_ON_CARD, UP],
        &["trying the processor", "up, on the processor"],
    );
}

#[test]
fn nothing_starts_with_a_wrong_manifest_and_a_failed_start_is_an_error() {
    Machine::new().boot("check").ends_with(1, &[], &["no check", "nothing was started"]);
    Machine::new().boot("up").ends_with(1, &[UP], &["error: it did not start"]);
    let machine = Machine::new();
    fs::remove_file(machine.at("bin/docker-compose")).unwrap();
    machine.boot("").ends_with(1, &[], &["neither docker-compose nor docker compose"]);
}

#[test]
fn the_log_is_turned_over_and_only_so_many_are_kept() {
    let machine = Machine::new();
    let log = |n: usize| {
        machine.at(&format!(
            "data/logs/boot.log{}",
            if n == 0 { String::new() } else { format!(".{n}") }
        ))
    };
    fs::create_dir_all(machine.at("data/logs")).unwrap();
    for n in 1..=6 {
        fs::write(log(0), format!("{n}{}", "x".repeat(262_144))).unwrap();
        machine.boot("").ends_with(0, &vec![UP; n], &[]);
    }
    let first = |n: usize| fs::read_to_string(log(n)).unwrap().chars().next().unwrap();
    assert_eq!([1, 2, 3, 4].map(first), ['6', '5', '4', '3']);
    assert!(!log(5).exists());
    let written = fs::read_to_string(log(0)).unwrap().len();
    assert!(written < 1000, "{written} bytes of one start");
}
