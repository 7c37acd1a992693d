//! What is said to Slurm, and what it says: argument lists and answers, as text. Pure.

use std::path::Path;

use super::dispatch::QueueLine;
use crate::manifest::SweepExecutor;

/// Largest index of an array, and one, where the cluster does not say.
const ARRAY_MAX: usize = 1_001;
/// Seconds before its end at which a shard is asked to stop.
const WARNED_S: u32 = 30;

/// What is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission<'a> {
    /// sha256 of the plan.
    pub plan_hash: &'a str,
    /// What the queue shall know it by.
    pub comment: &'a str,
    /// How many shards.
    pub shards: usize,
    /// The folder of the sweep.
    pub dir: &'a Path,
    /// The folder of its logs.
    pub logs: &'a Path,
    /// The command of every task.
    pub command: &'a str,
}

/// The argument list of sbatch. Nothing of it is read by a shell but the command.
pub fn sbatch(executor: &SweepExecutor, sent: &Submission<'_>) -> Vec<String> {
    let minutes = executor.time.get().duration().as_secs().div_ceil(60).max(1);
    let mebibytes = executor.mem.get().bytes().div_ceil(1 << 20).max(1);
    let most = executor.max_parallel;
    let mut argv = vec![
        "sbatch".to_owned(),
        "--parsable".to_owned(),
        "--export=NONE".to_owned(),
        "--requeue".to_owned(),
        "--open-mode=append".to_owned(),
        format!("--array=0-{}%{most}", sent.shards.saturating_sub(1)),
        format!("--job-name=mj-{}", &sent.plan_hash[..12]),
        format!("--comment={}", sent.comment),
        "--ntasks=1".to_owned(),
        format!("--cpus-per-task={}", executor.cpus),
        format!("--mem={mebibytes}M"),
        format!("--time={minutes}"),
        format!("--signal=B:TERM@{WARNED_S}"),
        format!("--chdir={}", sent.dir.display()),
        format!("--output={}/%A_%a.log", sent.logs.display()),
    ];
    argv.extend(executor.partition.iter().map(|name| format!("--partition={name}")));
    argv.extend(executor.account.iter().map(|name| format!("--account={name}")));
    argv.extend(executor.extra.iter().cloned());
    argv.push(format!("--wrap={}", sent.command));
    argv
}

/// The command of a task: this program again, in the place of the shell.
pub(super) fn command(program: &Path, plan: &Path, n: u32) -> Result<String, String> {
    let (program, plan) = (quoted(program)?, quoted(plan)?);
    Ok(format!("exec {program} shard --plan {plan} --submit {n} --index \"$SLURM_ARRAY_TASK_ID\""))
}

/// A path in single quotes.
fn quoted(path: &Path) -> Result<String, String> {
    let refused = |what: &str| {
        format!(
            "{}: its path has {what}, which does not go into a script; move the box",
            path.display()
        )
    };
    let text = path.to_str().ok_or_else(|| refused("bytes that are not UTF-8"))?;
    if text.contains('\'') {
        return Err(refused("a quote"));
    }
    if text.chars().any(char::is_control) {
        return Err(refused("a line end or another control character"));
    }
    // sbatch puts numbers into these.
    if text.contains('%') {
        return Err(refused("a `%`"));
    }
    Ok(format!("'{text}'"))
}

/// What the queue is asked with: all arrays of this user, also those that ended.
pub const SQUEUE: [&str; 7] = ["squeue", "-h", "--me", "-t", "all", "-o", "%F|%T|%r|%k"];

/// Its answer.
pub fn queue(text: &str) -> Vec<QueueLine> {
    let line = |line: &str| {
        let mut parts = line.splitn(4, '|').map(|part| part.trim().to_owned());
        let (job, state) = (parts.next()?, parts.next()?);
        Some(QueueLine { job, state, reason: parts.next()?, comment: parts.next()? })
    };
    text.lines().filter_map(line).collect()
}

/// The id of an array, from what sbatch printed: `123`, or `123;cluster`.
pub fn array_id(text: &str) -> Option<String> {
    let id = text.trim().split(';').next()?;
    let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    is_id.then(|| id.to_owned())
}

/// Most tasks of an array, from what `scontrol show config` printed.
pub fn array_max(config: &str) -> usize {
    let value = |line: &str| {
        let (name, value) = line.split_once('=')?;
        (name.trim() == "MaxArraySize").then(|| value.trim().parse::<usize>().ok())?
    };
    config.lines().find_map(value).unwrap_or(ARRAY_MAX).saturating_sub(1).max(1)
}

/// Why sbatch did not take an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// So many are there already: it is tried again later.
    Limit,
    /// The cluster did not answer: it may have taken it all the same.
    Unreachable,
    /// It will not take this one.
    Refused,
}

/// What a message of sbatch means.
pub fn refusal(message: &str) -> Refusal {
    let message = message.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| message.contains(word));
    if has(&[
        "unable to contact",
        "timed out",
        "connection refused",
        "connection reset",
        "communication connection failure",
        "transport endpoint",
        "zero bytes were transmitted",
        "unable to establish",
        "no route to host",
        "backup controller",
    ]) {
        return Refusal::Unreachable;
    }
    if has(&["submit limit", "submitjoblimit", "maxsubmit", "temporarily unable to accept"]) {
        return Refusal::Limit;
    }
    Refusal::Refused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_was_asked_for_is_said_to_sbatch() {
        let executor = SweepExecutor {
            partition: Some("long".into()),
            account: Some("desk 7".into()),
            cpus: 4,
            max_parallel: 9,
            extra: vec!["--qos=low".into()],
            ..SweepExecutor::default()
        };
        let sent = Submission {
            plan_hash: "0123456789abcdef",
            comment: "mjolnir:x:y",
            shards: 3,
            dir: Path::new("/s/a b"),
            logs: Path::new("/s/a b/logs"),
            command: "exec x",
        };
        let argv = sbatch(&executor, &sent);
        for word in [
            "--array=0-2%9",
            "--job-name=mj-0123456789ab",
            "--comment=mjolnir:x:y",
            "--cpus-per-task=4",
            "--mem=2048M",
            "--time=60",
            "--export=NONE",
            "--chdir=/s/a b",
            "--output=/s/a b/logs/%A_%a.log",
            "--partition=long",
            "--account=desk 7",
            "--qos=low",
        ] {
            assert!(argv.iter().any(|other| other == word), "{word}: {argv:?}");
        }
        assert_eq!(argv.last().map(String::as_str), Some("--wrap=exec x"));
    }

    #[test]
    fn paths_are_quoted_and_odd_ones_are_refused() {
        let said = |program: &str| command(Path::new(program), Path::new("/d/p.json"), 2);
        assert_eq!(
            said("/a $b/`runner`").unwrap(),
            "exec '/a $b/`runner`' shard --plan '/d/p.json' --submit 2 --index \"$SLURM_ARRAY_TASK_ID\""
        );
        for odd in ["/it's", "/a\nb", "/100%"] {
            assert!(said(odd).unwrap_err().contains("move the box"), "{odd}");
        }
    }

    #[test]
    fn answers_are_read() {
        let lines = queue("12|RUNNING|None|mjolnir:a:1\n 12|PENDING|Resources|mjolnir:a:1\nodd\n");
        assert_eq!(lines.len(), 2);
        assert_eq!((lines[1].job.as_str(), lines[1].reason.as_str()), ("12", "Resources"));
        assert_eq!(array_id("123\n").as_deref(), Some("123"));
        assert_eq!(array_id("123;other\n").as_deref(), Some("123"));
        assert_eq!(array_id("sbatch: odd"), None);
        assert_eq!(array_max("MaxArraySize            = 51\nMaxDBDMsgs = 1"), 50);
        assert_eq!(array_max("nothing"), 1_000);
    }

    #[test]
    fn refusals_are_told_apart() {
        let said = |text: &str| refusal(&format!("sbatch: error: {text}"));
        let unsure = "Batch job submission failed: Socket timed out on send/recv operation";
        assert_eq!(said(unsure), Refusal::Unreachable);
        let away =
            "Batch job submission failed: Unable to contact slurm controller (connect failure)";
        assert_eq!(said(away), Refusal::Unreachable);
        let full = "Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)";
        assert_eq!(said(full), Refusal::Limit);
        assert_eq!(said("AssocMaxSubmitJobLimit"), Refusal::Limit);
        assert_eq!(said("invalid partition specified: nothing"), Refusal::Refused);
        assert_eq!(said("Memory specification can not be satisfied"), Refusal::Refused);
    }
}
