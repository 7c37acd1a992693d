//! A folder that several machines share, as one of them sees it: listings that are older than the files, stale handles, a coordinator on another
//! machine. Slurm is a script here, which plays each shard at once; a real one is in `tests/slurm/`.

use std::time::Duration;

use mjolnir::clock::nap;

use super::whole::{BARS, SWEEP, file, id, with_bars};
use crate::{
    serve::fixture::until,
    support::{
        runner::{Call, Root},
        skip::have,
    },
};

/// Plays the shards one after the other. Where there is a file `restart`, a result is lost, and the first shard is played again.
const SBATCH: &str = r#"#!/bin/sh
for word in "$@"; do
    case $word in
        --array=0-*) last=${word#--array=0-} last=${last%%%*} ;;
        --chdir=*) dir=${word#--chdir=} ;;
        --wrap=*) task=${word#--wrap=} ;;
    esac
done
play() { SLURM_ARRAY_TASK_ID=$1 sh -c "$task" >> "$HOME/shards.log" 2>&1; }
n=0
while [ "$n" -le "$last" ]; do play "$n"; n=$((n + 1)); done
if [ -e "$HOME/restart" ]; then
    rm "$HOME/restart" "$(ls "$dir"/results/*.csv | head -n 1)"
    play 0
fi
echo 7
"#;
const OTHERS: [(&str, &str); 3] = [
    ("squeue", "#!/bin/sh\n"),
    ("scancel", "#!/bin/sh\n"),
    ("scontrol", "#!/bin/sh\necho MaxArraySize = 101\n"),
];

/// A box with bars, a Slurm that forgets every array at once, and what makes the folder look shared. `/dev/shm` may refuse programs.
fn on_cluster() -> Root {
    let root = Root::on_disk();
    root.run(BARS).ok();
    for (name, text) in OTHERS.into_iter().chain([("sbatch", SBATCH)]) {
        root.write(&format!("slurm/{name}"), text);
    }
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/sweep/shared_folder.c");
    root.shell(&format!("chmod +x slurm/* && cc -shared -fPIC -o shared.so '{source}' -ldl"))
        .code(0);
    root
}

#[expect(clippy::disallowed_methods, reason = "the scripts need the programs of this machine")]
fn shared<'r>(root: &'r Root, args: &str) -> Call<'r> {
    let at = |name: &str| root.at(name).display().to_string();
    let path = std::env::var("PATH").unwrap_or_default();
    root.call(args)
        .env("PATH", &format!("{}:{path}", at("slurm")))
        .env("HOME", &at(""))
        .env("LD_PRELOAD", &at("shared.so"))
}

fn sweep(more: &str) -> String {
    let cluster = SWEEP.replace(" --set", " -P slurm --set");
    format!("{cluster} sweep.executor.look-every=1s sweep.executor.attempts=1 {more}")
}

/// How often trials were sent.
fn sent(root: &Root) -> usize {
    let submits = root.files(&format!("data/sweeps/{}/submits", id(root)));
    submits.iter().filter(|(_, text)| text.contains("\"trials\"")).count()
}

/// The same sweep on one machine, and the code it ends with; nothing where no C compiler is.
fn alone() -> Option<(Root, i32)> {
    have("cc").then(|| {
        let local = with_bars();
        let code = local.run(SWEEP).code;
        (local, code)
    })
}

/// Nothing but the names of what shards write says that it is there, and one try has to do.
#[test]
fn results_that_a_listing_does_not_have_yet_are_opened_by_their_names() {
    let Some((local, code)) = alone() else { return };
    for (is_restarted, size) in [(false, "4"), (true, "9")] {
        let root = on_cluster();
        if is_restarted {
            root.write("restart", "");
        }
        let line = sweep(&format!("sweep.executor.per-shard={size}"));
        let ran = shared(&root, &line).env("SHARED_OLD", "1").run();
        assert_eq!(ran.code, code, "{ran}\n{}", root.read("shards.log"));
        assert!(!root.at("restart").exists());
        for name in ["trials.csv", "sweep.json"] {
            assert_eq!(file(&root, name), file(&local, name), "{name}");
        }
        assert_eq!(sent(&root), 1, "nothing is played twice");
        // The listing was as old as that all the time.
        let status = shared(&root, "sweep status").env("SHARED_OLD", "1").run().ok();
        status.prints(&["over, 0 of 9 trials"]);
        root.run("sweep status").ok().prints(&["over, 9 of 9 trials"]);
    }
}

/// Moves the clock that nobody can set.
fn uptime(root: &Root, seconds: u32) {
    root.write("uptime.next", &format!("{seconds}.00 0.00\n"));
    root.rename("uptime.next", "uptime");
}

#[test]
fn a_coordinator_elsewhere_that_is_silent_for_three_minutes_is_replaced() {
    let Some((local, code)) = alone() else { return };
    let root = on_cluster();
    let coordinator = format!("data/sweeps/{}/coordinator.json", id(&local));
    let beats = |beat_ms: i64| {
        let schema = "mjolnir.sweep-coordinator/1";
        root.write(
            &coordinator,
            &format!(
                "{{\"schema\":\"{schema}\",\"host\":\"elsewhere\",\"pid\":1,\"beat_ms\":{beat_ms}}}"
            ),
        );
    };
    let said = |word: &str| {
        let runs = root.list("data/runs").into_iter();
        runs.map(|run| root.read(&format!("data/runs/{run}/log.jsonl")))
            .any(|log| log.contains(word))
    };
    // By the clock of this machine it was last there decades ago: clocks of others are not believed.
    beats(1);
    uptime(&root, 1_000);
    let clock = root.at("uptime").display().to_string();
    let mut running = shared(&root, &sweep("")).env("SHARED_UPTIME", &clock).start();
    until("it watches", || said("elsewhere coordinates this sweep: this one watches"));
    let is_idle = |root: &Root| root.list(&format!("data/sweeps/{}/submits", id(root))).is_empty();
    for (seconds, beat_ms) in [(1_179, 1), (1_181, 2), (1_358, 2)] {
        // A sign of life at the last moment: from then on it is three minutes again.
        beats(beat_ms);
        uptime(&root, seconds);
        nap(Duration::from_millis(300));
        assert!(is_idle(&root), "at {seconds} s");
    }
    for seconds in 1_360..100_000 {
        uptime(&root, seconds);
        nap(Duration::from_millis(5));
        if running.is_over() {
            break;
        }
    }
    running.end().code(code).says(&["the coordinator on elsewhere is silent: this one takes over"]);
    assert_eq!(file(&root, "trials.csv"), file(&local, "trials.csv"));
    assert!(!root.at(&coordinator).exists(), "it leaves the sweep to others");
}
