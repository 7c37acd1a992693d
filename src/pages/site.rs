//! Which page answers which address.

use std::{path::Path, sync::Arc};

use http::{Method, StatusCode};
use maud::Markup;

use super::{
    act, api, compare,
    desk::Desk,
    frame::{self, Here},
    home, jobs,
    operator::Operator,
    proofs,
    query::Query,
    reports, run, runs, sweeps, trading, why,
};
use crate::{
    exit::Exit,
    jobs::context::Failure,
    serve::answer::{Site, WebPage, WebRequest},
};

/// The pages of the box below a root; with an operator they also act.
pub fn site(root: &Path, operator: Option<Operator>) -> Site {
    let acts = operator.is_some();
    let desk = Arc::new(Desk::new(root, operator));
    Site { answer: Box::new(move |asked| answer(&desk, asked)), acts }
}

fn answer(desk: &Arc<Desk>, asked: &WebRequest) -> WebPage {
    let path = asked.uri.path();
    let is_post = asked.method == Method::POST;
    // Names of ours have no letters that an address must write in another way.
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match parts.as_slice() {
        ["act"] => return act::page(desk, asked),
        ["api", "v1", "act"] if is_post => return act::document(desk, asked),
        _ if is_post => {
            let why = "only /act and /api/v1/act take a POST\n";
            return WebPage::new(StatusCode::METHOD_NOT_ALLOWED, why);
        }
        ["api", "v1", rest @ ..] => return api::answer(desk, rest, asked),
        _ => {}
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
        ["sweeps"] => of(Here::Sweeps, "Sweeps", sweeps::body(desk)?),
        ["sweeps", id] => sweeps::page(desk, id),
        _ => Err(none()),
    }
}
