//! `/compare`: two ledgers side by side, or the form that asks which.

use maud::{Markup, html};

use super::{
    desk::Desk,
    frame::{self, Here},
    query::Query,
    reports::framed,
    words::safe,
};
use crate::{
    jobs::{context::Failure, report::compare},
    os::mask::Mask,
    report::compare::SideBySide,
    serve::answer::WebPage,
    store::disk::Disk as _,
};

/// Ledgers that are offered: there may be thousands of replays.
const OFFERED_MAX: usize = 500;

/// Compares them.
pub fn found(desk: &Desk, a: &str, b: &str) -> Result<SideBySide, Failure> {
    let mask = Mask::new([]);
    desk.heavy(|| desk.within("compare", &mask, |context| compare::compare(context, [a, b])))
}

/// The page.
pub fn page(desk: &Desk, query: &Query) -> Result<WebPage, Failure> {
    match (query.text("a"), query.text("b")) {
        (Some(a), Some(b)) => {
            let text = found(desk, a, b)?.page(desk.now().get());
            Ok(framed(desk, &text, Here::Compare))
        }
        (a, b) => Ok(frame::page(desk, Here::Compare, "Compare", &form(desk, [a, b])?)),
    }
}

fn form(desk: &Desk, [a, b]: [Option<&str>; 2]) -> Result<Markup, Failure> {
    let names = desk.disk.list(&desk.layout.tags_dir())?;
    let surplus = names.len().saturating_sub(OFFERED_MAX);
    let offered: Vec<&String> = names.iter().take(OFFERED_MAX).collect();
    let field = |name: &str, value: Option<&str>| {
        html! {
            label { (name.to_uppercase()) " "
                input name=(name) list="ledgers" required autocomplete="off" value=[value.map(safe)];
            }
        }
    };
    Ok(html! {
        h1 { "Compare" }
        p.lead { "Two ledgers side by side: settings that differ, figures, rows, both equities. A word is a tag, the name of a backtest, or the id of a run." }
        form.filter method="get" action="/compare" {
            (field("a", a)) (field("b", b))
            button { "Compare" }
        }
        datalist #ledgers { @for name in &offered { option value=(name) {} } }
        @if names.is_empty() { p.none { "No ledger is here yet." } }
        @if surplus > 0 { p.note { (surplus) " more ledgers are not offered; type their names." } }
        p { "In a terminal: " code { "runner compare A B" } }
    })
}
