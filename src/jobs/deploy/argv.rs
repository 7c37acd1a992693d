//! The argument lists of every program that a deploy starts. They are fixed; what comes from a manifest are validated words.

use super::{
    exclusions::{EXAMPLE, Exclusions, LOCK},
    inventory::FORMAT,
};
use crate::{domain::text::quoted, manifest::Target};

/// Where programs are looked for, on both sides.
pub const PATH: &str = "/usr/bin:/bin";
/// Whom we connect to, as far as ssh is concerned: the pinned key is listed under this name.
pub const HOST_ALIAS: &str = "mjolnir-target";
/// The file with the pinned key, in the folder that ssh is started in.
pub const KNOWN_HOSTS: &str = "known_hosts";

/// rsync ends with this when a file vanished while it looked.
pub const VANISHED: i32 = 24;

/// Seconds without a byte after which a deploy counts as cut off: longer than a slow disk syncs, shorter than anybody waits.
const SILENCE_MAX_S: u32 = 30;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// What a deploy would do.
    Plan,
    /// What only the target has: a mirror would delete it. A deploy never does.
    TargetOnly,
    /// The deploy itself.
    Send,
}

/// A run of rsync. Content decides (`-c`): an old time must not hide an edit. Times of folders are left out (`-O`): every lock and
/// every file changes them. The slash after the source is added here: with it the content is sent, without it the folder.
pub fn rsync(pass: Pass, exclusions: &Exclusions, source: &str, target: &Target) -> Vec<String> {
    let how = match pass {
        Pass::Plan | Pass::TargetOnly => "-rlptOn",
        Pass::Send => "-rlptO",
    };
    let fixed = ["rsync", how, "-c", "--out-format=%i %n", "--stats", "--no-motd"];
    let mut argv: Vec<String> = fixed.map(str::to_owned).to_vec();
    match pass {
        Pass::Plan => {}
        Pass::TargetOnly => argv.push("--delete".to_owned()),
        // A receiver that is killed leaves its half of a file there, and not beside the file. One that hangs is given up.
        Pass::Send => argv.extend([
            format!("--temp-dir={}", incoming(target)),
            format!("--timeout={SILENCE_MAX_S}"),
        ]),
    }
    argv.extend(exclusions.filters());
    let destination = destination(target, "/", &mut argv);
    argv.extend(["--".to_owned(), format!("{source}/"), destination]);
    argv
}

/// One file of ours to a path on the target, where it appears as a whole.
pub fn send_file(source: &str, target: &Target, to: &str) -> Vec<String> {
    let fixed = ["rsync", "-I", "-p", "--chmod=F640", "--no-motd"];
    let mut argv: Vec<String> = fixed.map(str::to_owned).to_vec();
    argv.push(format!("--temp-dir={}", incoming(target)));
    let destination = destination(target, to, &mut argv);
    argv.extend(["--".to_owned(), source.to_owned(), destination]);
    argv
}

/// Where files of the target grow until they are whole: inside the lock, which goes when the deploy is over.
pub fn incoming(target: &Target) -> String {
    format!("{}{LOCK}/incoming", target.path)
}

/// A path below the folder of the target, as rsync takes it; the way there joins the argument list.
fn destination(target: &Target, below: &str, argv: &mut Vec<String>) -> String {
    let path = target.path.get();
    match (&target.host, &target.user) {
        (Some(host), Some(user)) => {
            argv.extend(["-e".to_owned(), ssh_words(target).join(" ")]);
            format!("{user}@{host}:{path}{below}")
        }
        _ => format!("{path}{below}"),
    }
}

/// What no plan may hold: words that make rsync delete, or overwrite a file in place.
pub fn dangerous(argv: &[String]) -> Option<&str> {
    let bad = ["--delete", "--del", "--remove-source-files", "--inplace", "--append", "--force"];
    let more = ["--max-delete", "--ignore-existing", "--ignore-errors", "--partial", "-u", "-a"];
    let options = argv.iter().skip(1).take_while(|word| *word != "--");
    let mut found =
        options.filter(|word| bad.iter().chain(&more).any(|start| word.starts_with(start)));
    found.next().map(String::as_str)
}

/// ssh without the settings of any home folder. rsync splits these words at blanks, so none holds one.
fn ssh_words(target: &Target) -> Vec<String> {
    let mut words: Vec<String> = ["ssh", "-F", "none", "-T"].map(str::to_owned).to_vec();
    words.extend(["-p".to_owned(), target.port.unwrap_or_default().to_string()]);
    for option in [
        "BatchMode=yes",
        "StrictHostKeyChecking=yes",
        "GlobalKnownHostsFile=/dev/null",
        "UpdateHostKeys=no",
        "CheckHostIP=no",
        "ConnectTimeout=10",
        "ServerAliveInterval=5",
        "ServerAliveCountMax=3",
        "ClearAllForwardings=yes",
        "ForwardAgent=no",
        "PermitLocalCommand=no",
        "ControlMaster=no",
        "ControlPath=none",
        "LogLevel=ERROR",
    ] {
        words.extend(["-o".to_owned(), option.to_owned()]);
    }
    words.extend(["-o".to_owned(), format!("UserKnownHostsFile={KNOWN_HOSTS}")]);
    words.extend(["-o".to_owned(), format!("HostKeyAlias={HOST_ALIAS}")]);
    if let Some(identity) = &target.identity {
        words.extend(["-o".to_owned(), "IdentitiesOnly=yes".to_owned()]);
        words.extend(["-i".to_owned(), identity.to_string()]);
    }
    words
}

/// A command for the target: as it is on this machine; over ssh as one line, which the shell there takes apart again.
pub fn on_target(target: &Target, words: &[String]) -> Vec<String> {
    let (Some(host), Some(user)) = (&target.host, &target.user) else { return words.to_vec() };
    let mut argv = ssh_words(target);
    argv.extend(["-l".to_owned(), user.to_string(), "--".to_owned(), host.to_string()]);
    argv.push(shell_line(words));
    argv
}

/// One line that every POSIX shell takes apart into these words, with nothing of the environment there.
fn shell_line(words: &[String]) -> String {
    let path = format!("PATH={PATH}");
    let fixed = ["env", "-i", path.as_str(), "LC_ALL=C"];
    let all = fixed.into_iter().chain(words.iter().map(String::as_str));
    all.map(quoted).collect::<Vec<_>>().join(" ")
}

/// Asks a host for its keys.
pub fn keyscan(host: &str, port: u16) -> Vec<String> {
    let fixed = ["ssh-keyscan", "-T", "10", "-t", "ed25519,ecdsa,rsa", "-p"];
    let mut argv: Vec<String> = fixed.map(str::to_owned).to_vec();
    argv.extend([port.to_string(), "--".to_owned(), host.to_owned()]);
    argv
}

/// A file of ours to a place on the target where there is none yet: it appears as a whole, and over nothing.
pub fn send_new(source: &str, target: &Target, to: &str) -> Vec<String> {
    let fixed = ["rsync", "-p", "--chmod=F644", "--ignore-existing", "--no-motd"];
    let mut argv: Vec<String> = fixed.map(str::to_owned).to_vec();
    let destination = match (&target.host, &target.user) {
        (Some(host), Some(user)) => {
            argv.extend(["-e".to_owned(), ssh_words(target).join(" ")]);
            format!("{user}@{host}:{to}")
        }
        _ => to.to_owned(),
    };
    argv.extend(["--".to_owned(), source.to_owned(), destination]);
    argv
}

/// Lists a tree. Protected and excluded folders are listed, but not looked into.
pub fn list(start: &str, exclusions: &Exclusions) -> Vec<String> {
    let mut words = vec!["find".to_owned(), start.to_owned()];
    words.extend(unseen(start, exclusions));
    words.extend(["-printf", FORMAT, "-prune", "-o", "-printf", FORMAT].map(str::to_owned));
    words
}

/// Hashes every file of a tree that is neither protected nor excluded by its place.
pub fn hashes(start: &str, exclusions: &Exclusions) -> Vec<String> {
    let mut words = vec!["find".to_owned(), start.to_owned()];
    let mut unseen = unseen(start, exclusions);
    // The other secrets need not be readable. The example is deployed, so its content counts.
    let secrets = ["-path".to_owned(), format!("{start}/.env.*"), "!".to_owned()];
    let example = ["-path".to_owned(), format!("{start}{EXAMPLE}"), "-o".to_owned()];
    unseen.splice(1..1, secrets.into_iter().chain(example));
    words.extend(unseen);
    let rest = ["-prune", "-o", "-type", "f", "-exec", "sha256sum", "-z", "--", "{}", "+"];
    words.extend(rest.map(str::to_owned));
    words
}

/// `( -path A -o -path B )`.
fn unseen(start: &str, exclusions: &Exclusions) -> Vec<String> {
    let mut words = vec!["(".to_owned()];
    for path in exclusions.literal_paths() {
        if words.len() > 1 {
            words.push("-o".to_owned());
        }
        words.extend(["-path".to_owned(), format!("{start}/{path}")]);
    }
    words.push(")".to_owned());
    words
}

/// A program in the folder of the target. `NAME=value` before the program is a variable of it.
pub fn in_folder(target: &Target, words: &[String]) -> Vec<String> {
    let start = ["env", "-C", target.path.get().as_str(), "--"].map(str::to_owned);
    start.into_iter().chain(words.iter().cloned()).collect()
}

/// git on the source, without hooks, monitors and settings of anybody's home.
pub fn git(words: &[&str]) -> Vec<String> {
    let fixed = ["git", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"];
    fixed.iter().chain(words).map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{DeployCheck, Parsed};

    fn target(host: Option<&str>) -> Target {
        Target {
            host: host.map(|host| Parsed::new(host.parse().unwrap())),
            user: host.map(|_| Parsed::new("trader".parse().unwrap())),
            port: host.map(|_| 2222),
            path: Parsed::new("/srv/trade".parse().unwrap()),
            host_key: None,
            machine_id: None,
            identity: None,
            agent: None,
            project: Parsed::new("mjolnir".parse().unwrap()),
        }
    }

    #[test]
    fn the_plan_holds_nothing_dangerous_and_both_passes_are_dry() {
        let exclusions = Exclusions::new(&DeployCheck::default());
        for host in [None, Some("old-box.lan")] {
            let argv = rsync(Pass::Plan, &exclusions, "/src", &target(host));
            assert_eq!(dangerous(&argv), None, "{argv:?}");
            assert!(argv.contains(&"--exclude=/data".to_owned()));
            assert!(argv.contains(&"--exclude=/.env.*".to_owned()));
            let only = rsync(Pass::TargetOnly, &exclusions, "/src", &target(host));
            assert_eq!(dangerous(&only), Some("--delete"));
            for argv in [argv, only] {
                assert!(argv[1].ends_with('n'), "a dry run: {argv:?}");
                assert_eq!(argv[argv.len() - 2], "/src/");
            }
        }
        for bad in ["--delete-after", "--inplace", "--append-verify", "--remove-source-files", "-a"]
        {
            assert_eq!(dangerous(&["rsync".to_owned(), bad.to_owned()]), Some(bad));
        }
    }

    #[test]
    fn the_deploy_differs_from_its_dry_run_in_nothing_but_being_one() {
        let exclusions = Exclusions::new(&DeployCheck::default());
        for host in [None, Some("old-box.lan")] {
            let plan = rsync(Pass::Plan, &exclusions, "/src", &target(host));
            let mut send = rsync(Pass::Send, &exclusions, "/src", &target(host));
            assert_eq!(dangerous(&send), None, "{send:?}");
            let at = send.iter().position(|word| word.starts_with("--temp-dir=")).unwrap();
            assert_eq!(send.remove(at), "--temp-dir=/srv/trade/.mjolnir-lock/incoming");
            assert_eq!(send.remove(at), "--timeout=30");
            assert_eq!(send[1].clone() + "n", plan[1]);
            send[1].push('n');
            assert_eq!(send, plan);
        }
    }

    #[test]
    fn a_line_for_the_shell_is_taken_apart_into_the_same_words() {
        let words = [
            "find", "/srv/a", "(", "a b", "it's", "%y\\0", "$HOME", "`x`", "\"", "*", "", "-x;y",
            "{}",
        ];
        let line = shell_line(&words.map(str::to_owned));
        assert!(line.starts_with("env -i PATH=/usr/bin:/bin LC_ALL=C find /srv/a '('"), "{line}");
        assert!(
            line.ends_with(r#" 'it'\''s' '%y\0' '$HOME' '`x`' '"' '*' '' '-x;y' '{}'"#),
            "{line}"
        );
        for word in words {
            let quoted = quoted(word);
            let bare: String = quoted
                .split(r"'\''")
                .map(|part| part.replace('\'', ""))
                .collect::<Vec<_>>()
                .join("'");
            assert_eq!(bare, word);
        }
    }

    #[test]
    fn words_for_ssh_hold_no_blank() {
        let words = ssh_words(&target(Some("old-box.lan")));
        assert!(words.iter().all(|word| !word.contains([' ', '\'', '"', '\\'])), "{words:?}");
        assert_eq!(on_target(&target(None), &["id".to_owned()]), ["id"]);
        let argv = on_target(&target(Some("h")), &["id".to_owned(), "-u".to_owned()]);
        assert_eq!(argv[argv.len() - 3..], ["--", "h", "env -i PATH=/usr/bin:/bin LC_ALL=C id -u"]);
    }
}
