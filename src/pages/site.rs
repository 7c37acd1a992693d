//! Which page answers which address.

use std::{path::Path, sync::Arc};

use maud::{Markup, html};

use super::{
    api, compare,
    desk::Desk,
    frame::{self, Here},
    home, jobs, proofs,
    query::Query,
    reports, run, runs, trading, why,
};
use crate::{
    exit::Exit,
    jobs::context::Failure,
    serve::answer::{Site, WebPage, WebRequest},
};

/// The pages of the box below a root.
pub fn site(root: &Path) -> Site {
    let desk = Arc::new(Desk::new(root));
    Site { answer: Box::new(move |asked| answer(&desk, asked)), acts: false }
}

fn answer(desk: &Arc<Desk>, asked: &WebRequest) -> WebPage {
    let path = asked.uri.path();
    // Names of ours have no letters that an address must write in another way.
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    if let ["api", "v1", rest @ ..] = parts.as_slice() {
        return api::answer(desk, rest, asked);
    }
    document(desk, &parts, asked).unwrap_or_else(|failure| frame::failed(desk, &failure))
}

fn document(desk: &Desk, parts: &[&str], asked: &WebRequest) -> Result<WebPage, Failure> {
    let query = Query::of(&asked.uri);
    let of = |here: Here, title: &str, body: Markup| Ok(frame::page(desk, here, title, &body));
    let none = || {
        Failure::new(
            Exit::Nothing,
            "this page does not exist: the parts of the box are listed above",
        )
    };
    match parts {
        [""] => of(Here::Box, "Box", home::body(desk)?),
        ["static", file] => frame::asset(file).ok_or_else(none),
        ["loops"] => Ok(WebPage::see("/#loops".to_owned())),
        ["loops", tag, symbol, timeframe] => {
            let place = desk.place([tag, symbol, timeframe])?;
            of(Here::Elsewhere, tag, trading::body(desk, &place)?)
        }
        ["loops", tag, symbol, timeframe, "why"] => {
            let place = desk.place([tag, symbol, timeframe])?;
            let at = query.time("at")?;
            of(Here::Elsewhere, "Why", why::body(desk, &place, at)?)
        }
        ["runs"] => of(Here::Runs, "Runs", runs::body(desk, &query)?),
        ["runs", id] => of(Here::Runs, id, run::body(desk, id)?),
        ["jobs"] => of(Here::Jobs, "Jobs", jobs::body(desk)?),
        ["jobs", name] => of(Here::Jobs, name, jobs::one(desk, name)?),
        ["reports", rest @ ..] => reports::page(desk, rest),
        ["compare"] => compare::page(desk, &query),
        ["proofs"] => of(Here::Proofs, "Proofs", proofs::body(desk)?),
        ["sweeps"] if desk.has_sweeps() => of(
            Here::Sweeps,
            "Sweeps",
            html! { h1 { "Sweeps" } p { "Their documents are in " code { "data/sweeps/" } "." } },
        ),
        _ => Err(none()),
    }
}
