//! The argument lists of every program a look at a deploy starts. They are fixed; what comes from a manifest are validated words.

use super::{inventory::FORMAT, shields::Shields};
use crate::manifest::Target;

/// Where programs are looked for, on both sides.
pub const PATH: &str = "/usr/bin:/bin";
/// Whom we connect to, as far as ssh is concerned: the pinned key stands under this name.
pub const HOST_ALIAS: &str = "mjolnir-target";
/// The file with the pinned key, in the folder that ssh is started in.
pub const KNOWN_HOSTS: &str = "known_hosts";

/// Which of two dry runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    /// What a deploy would do.
    Plan,
    /// What only the target has: a mirror would delete it. A deploy never does.
    TargetOnly,
}

/// A dry run of rsync. The slash behind the source is ours.
pub fn rsync(pass: Pass, shields: &Shields, source: &str, target: &Target) -> Vec<String> {
    let fixed = ["rsync", "-rlptn", "-c", "--out-format=%i %n", "--stats", "--no-motd"];
    let mut argv: Vec<String> = fixed.map(str::to_owned).to_vec();
    if pass == Pass::TargetOnly {
        argv.push("--delete".to_owned());
    }
    argv.extend(shields.patterns().map(|pattern| format!("--exclude={pattern}")));
    let path = target.path.get();
    let destination = match (&target.host, &target.user) {
        (Some(host), Some(user)) => {
            let words = ssh_words(target);
            argv.extend(["-e".to_owned(), words.join(" ")]);
            format!("{user}@{host}:{path}/")
        }
        _ => format!("{path}/"),
    };
    argv.extend(["--".to_owned(), format!("{source}/"), destination]);
    argv
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

/// ssh without the settings of anybody's home: no shell words, each without a blank.
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

/// A word that a shell reads as exactly this text.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-=:".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Asks a host for its keys.
pub fn keyscan(host: &str, port: u16) -> Vec<String> {
    let fixed = ["ssh-keyscan", "-T", "10", "-t", "ed25519,ecdsa,rsa", "-p"];
    let mut argv: Vec<String> = fixed.map(str::to_owned).to_vec();
    argv.extend([port.to_string(), "--".to_owned(), host.to_owned()]);
    argv
}

/// Lists a tree. Protected and excluded folders are listed, but not looked into.
pub fn list(start: &str, shields: &Shields) -> Vec<String> {
    let mut words = vec!["find".to_owned(), start.to_owned()];
    words.extend(unseen(start, shields));
    words.extend(["-printf", FORMAT, "-prune", "-o", "-printf", FORMAT].map(str::to_owned));
    words
}

/// Hashes every file of a tree that is neither protected nor excluded by its place.
pub fn hashes(start: &str, shields: &Shields) -> Vec<String> {
    let mut words = vec!["find".to_owned(), start.to_owned()];
    let mut unseen = unseen(start, shields);
    // The other secrets need not be readable.
    unseen.splice(1..1, ["-path".to_owned(), format!("{start}/.env.*"), "-o".to_owned()]);
    words.extend(unseen);
    let rest = ["-prune", "-o", "-type", "f", "-exec", "sha256sum", "-z", "--", "{}", "+"];
    words.extend(rest.map(str::to_owned));
    words
}

/// `( -path A -o -path B )`.
fn unseen(start: &str, shields: &Shields) -> Vec<String> {
    let mut words = vec!["(".to_owned()];
    for path in shields.literal_paths() {
        if words.len() > 1 {
            words.push("-o".to_owned());
        }
        words.extend(["-path".to_owned(), format!("{start}/{path}")]);
    }
    words.push(")".to_owned());
    words
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
        let shields = Shields::new(&DeployCheck::default());
        for host in [None, Some("old-box.lan")] {
            let argv = rsync(Pass::Plan, &shields, "/src", &target(host));
            assert_eq!(dangerous(&argv), None, "{argv:?}");
            assert!(argv.contains(&"--exclude=/data".to_owned()));
            assert!(argv.contains(&"--exclude=/.env.*".to_owned()));
            let only = rsync(Pass::TargetOnly, &shields, "/src", &target(host));
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
