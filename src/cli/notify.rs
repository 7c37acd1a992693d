//! `runner notify`: a notice to everybody that a job tells, to see that it arrives.

use std::path::Path;

use serde_json::json;

use super::{
    args::JobArgs,
    load::{facts, load},
    output::{print, print_json},
    refuse::{refuse, tell},
};
use crate::{
    exit::Exit,
    jobs::context::Failure,
    run::build_id,
    serve::notice::{TriedReceiver, try_out},
};

/// Sends it, and says what each receiver answered.
pub fn notify(root: &Path, args: &JobArgs, json: bool) -> Exit {
    let manifest = match load(root, args, &facts()) {
        Ok(loaded) => loaded.resolved.manifest,
        Err(error) => return refuse(error, json),
    };
    let found = try_out(root, &manifest, &build_id());
    if found.is_empty() {
        let message = format!(
            "job {} has no receiver of notices: set MJOLNIR_NOTIFY_URL, MJOLNIR_SMTP_SERVER or [notify] command (docs/OPERATIONS.md has more)",
            manifest.name
        );
        return tell(&Failure::new(Exit::Nothing, message), json);
    }
    if json {
        let row = |(to, sent): &TriedReceiver| json!({ "to": to, "error": sent.as_ref().err().map(ToString::to_string) });
        let all: Vec<_> = found.iter().map(row).collect();
        print_json(
            &json!({ "schema": "mjolnir.notify/1", "job": manifest.name, "receivers": all }),
        );
    } else {
        for (to, sent) in &found {
            let said = sent
                .as_ref()
                .map_or_else(|error| format!("failed: {error}"), |()| "taken".to_owned());
            print(&format!("{to}: {said}\n"));
        }
    }
    if found.iter().all(|(_, sent)| sent.is_ok()) { Exit::Ok } else { Exit::Negative }
}
