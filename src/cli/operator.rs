//! The verbs of the operator: halt, reduce, resume, flatten.

use std::{collections::BTreeMap, path::Path};

use serde_json::json;

use super::{
    args::OrderArgs,
    load::environment,
    output::{print, print_json},
    view::tell,
};
use crate::{
    clock::{Clock as _, SystemClock},
    domain::{command::Order, ids::Tag},
    exit::Exit,
    jobs::{
        commands::{Given, When, Wish, give},
        context::Failure,
    },
    store::{disk::RealDisk, layout::Layout},
};

/// Takes the order down and says when it takes effect.
pub fn order(root: &Path, order: Order, args: &OrderArgs, json: bool) -> Exit {
    match take_down(root, order, args) {
        Ok((tag, given)) => {
            let last = given.last.map(|last| last.to_string());
            if json {
                print_json(&json!({
                    "schema": "mjolnir.command/1", "tag": tag.as_str(), "command": order.name(),
                    "at": given.at.to_string(), "at_ms": given.at.get(), "last_decided": last,
                }));
            } else {
                let last = last.unwrap_or_else(|| "none".to_owned());
                print(&format!(
                    "{order} for tag {tag}: takes effect at the first slot that closes at or after {} (last decided: {last})\n",
                    given.at
                ));
            }
            Exit::Ok
        }
        Err(failure) => tell(&failure, json),
    }
}

fn take_down(root: &Path, order: Order, args: &OrderArgs) -> Result<(Tag, Given), Failure> {
    let usage = |message: String| Failure::new(Exit::Usage, message);
    let root = std::path::absolute(root).map_err(|error| usage(error.to_string()))?;
    if args.reason.trim().is_empty() {
        return Err(usage("--reason is empty: say why, others will read it".to_owned()));
    }
    let env = environment();
    let told = args.tag.as_ref().or_else(|| env.get("DATA_TAG"));
    let told = told.ok_or_else(|| usage("which tag? give --tag, or set DATA_TAG".to_owned()))?;
    let tag: Tag = told.parse().map_err(|error| usage(format!("--tag: {error}")))?;
    let when = match args.at.as_deref() {
        None | Some("now") => When::Now,
        Some("next") => When::Next,
        Some(text) => When::At(
            text.parse().map_err(|error| usage(format!("--at: {error}, `now` or `next`")))?,
        ),
    };
    let who = person(args.who.as_ref(), &env);
    let layout = Layout::new(&root);
    let disk = RealDisk::new(layout.data());
    let wish = Wish { order, reason: args.reason.clone(), who, when };
    let given = give(&disk, &layout, &tag, wish, SystemClock.now())?;
    Ok((tag, given))
}

/// Who gives an order: as told, or the user of this process.
pub fn person(told: Option<&String>, env: &BTreeMap<String, String>) -> String {
    let user = || env.get("USER").or_else(|| env.get("LOGNAME"));
    let named = told.or_else(user).filter(|name| !name.is_empty());
    named.cloned().unwrap_or_else(|| "operator".to_owned())
}
