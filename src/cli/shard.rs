//! `runner shard`: one shard of a sweep, on a node of a cluster. The box is found by the path of the plan.

use std::path::Path;

use super::{args::ShardArgs, load::environment, output::say, without_run::without_run};
use crate::{
    exit::Exit,
    jobs::{
        context::{Context, Failure},
        sweep::{folder::SweepFolder, shard, submits::FailedShard},
    },
    os::{machine, mask::Mask},
};

/// Plays it. Why it failed goes into the folder of the sweep, for the coordinator.
pub fn shard(args: &ShardArgs) -> Exit {
    // As many as the cluster gave it.
    let given = environment().get("SLURM_CPUS_PER_TASK").and_then(|many| many.parse().ok());
    let played = place(&args.plan).and_then(|(root, id)| {
        shard::on_threads(given.unwrap_or(1).max(1), || {
            let mask = Mask::new(std::iter::empty());
            without_run(root, "shard", &mask, |context| play(context, &id, args))
        })
    });
    match played {
        Ok(()) => Exit::Ok,
        Err(failure) => {
            say(&format!("error: {}", failure.message));
            failure.exit
        }
    }
}

fn play(context: &Context<'_>, id: &str, args: &ShardArgs) -> Result<(), Failure> {
    let folder = SweepFolder::new(context, id);
    let at = (args.submit, args.index);
    let played = shard::play(context, &folder, at);
    if let Err(failure) = &played {
        let failed = FailedShard::of(failure, machine::name());
        // On a full disk it cannot be written: then the coordinator sees only that the results are missing.
        if let Err(why) = folder.keep_failed(at, &failed) {
            say(&format!("warning: {}", why.message));
        }
    }
    played
}

/// The box and the sweep of `ROOT/data/sweeps/ID/plan.json`.
fn place(plan: &Path) -> Result<(&Path, String), Failure> {
    let wrong = || {
        let message =
            format!("{} is not the plan of a sweep: ROOT/data/sweeps/ID/plan.json", plan.display());
        Failure::new(Exit::Usage, message)
    };
    let names: Vec<&str> = plan.iter().rev().take(4).filter_map(std::ffi::OsStr::to_str).collect();
    let ["plan.json", id, "sweeps", "data"] = names[..] else { return Err(wrong()) };
    Ok((plan.ancestors().nth(4).ok_or_else(wrong)?, id.to_owned()))
}
