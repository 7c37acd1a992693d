//! `/reports`: the documents that jobs left, as files of a few known types.

use std::path::Path;

use http::StatusCode;
use maud::{Markup, html};

use super::{
    desk::Desk,
    frame::{self, Here, links, navigation, sorting},
    words::{bytes, safe_lines},
};
use crate::{
    exit::Exit,
    jobs::context::Failure,
    serve::answer::{PagePolicy, WebPage},
    store::disk::Disk as _,
};

/// Folders below `data/reports/` that are looked into.
const DEEP: usize = 4;
/// Documents that are listed.
const LISTED_MAX: usize = 2_000;
/// Bytes of a document that is shown.
const SHOWN_MAX: u64 = 4 << 20;
/// Types that are shown. A picture in the text of others could hold a script; it is shown as text.
const TYPES: [&str; 6] = ["html", "json", "txt", "svg", "csv", "toml"];

/// A document below `data/reports/`.
struct Document {
    /// Its parts.
    parts: Vec<String>,
    size: u64,
}

/// The page of a document, or the list of all of them.
pub fn page(desk: &Desk, parts: &[&str]) -> Result<WebPage, Failure> {
    if parts.is_empty() {
        return Ok(frame::page(desk, Here::Reports, "Reports", &list(desk)?));
    }
    let none = || Failure::new(Exit::Nothing, format!("no report is under {}", parts.join("/")));
    if parts.len() > DEEP || !parts.iter().all(|part| is_name(part)) {
        return Err(none());
    }
    let mut path = parts.iter().fold(desk.layout.reports_dir(), |path, part| path.join(part));
    if is_through_link(desk, &path) {
        return Err(none());
    }
    if desk.disk.is_dir(&path)? {
        let html = path.join("report.html");
        if desk.disk.len(&html).ok().flatten().is_none() {
            return Ok(frame::page(desk, Here::Reports, "Reports", &within(desk, parts)?));
        }
        path = html;
    }
    let Some(size) = desk.disk.len(&path).ok().flatten() else { return Err(none()) };
    let read = desk.disk.read_at(&path, 0, SHOWN_MAX.min(size) as usize)?;
    let text = String::from_utf8_lossy(&read).into_owned();
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    match extension {
        "html" => Ok(framed(desk, &text, Here::Reports)),
        known if TYPES.contains(&known) => {
            let title = parts.join("/");
            let text = if known == "json" { pretty(&text) } else { text };
            let body = html! {
                p.kind { a href="/reports" { "Reports" } }
                h1 { (title) }
                @if size > SHOWN_MAX { p.note { "The first " (bytes(SHOWN_MAX)) " of " (bytes(size)) "." } }
                div.wide tabindex="0" role="group" aria-label="document" { pre { code { (safe_lines(&text)) } } }
            };
            Ok(frame::page(desk, Here::Reports, &title, &body))
        }
        _ => Err(none()),
    }
}

/// A name of ours: no dot in front, so that neither hidden files nor the folder above can be named.
fn is_name(part: &str) -> bool {
    let plain = part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    plain && !part.starts_with('.') && !part.is_empty() && part.len() <= 200
}

/// Whether a file is not where its name says: somebody put a link to it there.
fn is_through_link(desk: &Desk, path: &Path) -> bool {
    let home = desk.layout.reports_dir().canonicalize();
    let real = path.canonicalize();
    match (home, real, path.strip_prefix(desk.layout.reports_dir())) {
        (Ok(home), Ok(real), Ok(inside)) => real != home.join(inside),
        _ => true,
    }
}

fn pretty(text: &str) -> String {
    let value: Option<serde_json::Value> = serde_json::from_str(text).ok();
    value.map_or_else(|| text.to_owned(), |value| format!("{value:#}"))
}

/// A report that was written before, below the links of the box.
pub fn framed(desk: &Desk, text: &str, here: Here) -> WebPage {
    let above = html! {
        div.top.over-report { p.brand { a href="/" { "mjolnir" } } (navigation(desk, here)) }
    };
    let ours = html! { (links()) (sorting()) }.into_string();
    let text = text.replacen("<head>", &format!("<head>{ours}"), 1);
    let text =
        text.replacen("<body>", &format!("<body class=\"report\">{}", above.into_string()), 1);
    WebPage { policy: PagePolicy::Report, ..WebPage::html(StatusCode::OK, text) }
}

fn found(desk: &Desk) -> Result<Vec<Document>, Failure> {
    let mut all = Vec::new();
    walk(desk, &mut Vec::new(), &mut all)?;
    Ok(all)
}

fn walk(desk: &Desk, parts: &mut Vec<String>, all: &mut Vec<Document>) -> Result<(), Failure> {
    let dir = parts.iter().fold(desk.layout.reports_dir(), |path, part| path.join(part));
    for name in desk.disk.list(&dir)? {
        if all.len() >= LISTED_MAX || !is_name(&name) {
            continue;
        }
        let path = dir.join(&name);
        if is_through_link(desk, &path) {
            continue;
        }
        parts.push(name);
        // What cannot be read, such as a pipe, or was removed meanwhile, hides nothing else.
        if desk.disk.is_dir(&path).unwrap_or(false) {
            if parts.len() < DEEP {
                let here = parts.len();
                walk(desk, parts, all).ok();
                parts.truncate(here);
            }
        } else if path.extension().and_then(|e| e.to_str()).is_some_and(|e| TYPES.contains(&e))
            && let Ok(Some(size)) = desk.disk.len(&path)
        {
            all.push(Document { parts: parts.clone(), size });
        }
        parts.pop();
    }
    Ok(())
}

fn list(desk: &Desk) -> Result<Markup, Failure> {
    let all = found(desk)?;
    let mut kinds: Vec<&str> =
        all.iter().filter_map(|d| d.parts.first().map(String::as_str)).collect();
    kinds.dedup();
    Ok(html! {
        h1 { "Reports" }
        @if all.is_empty() {
            p.none { "No job has left a report yet. To make one about a loop: " code { "runner run jobs/report.toml" } }
        } @else {
            p.lead { (all.len()) " documents in " code { "data/reports/" } @if all.len() >= LISTED_MAX { ", the first of them" } "." }
        }
        @for kind in kinds {
            section {
                h2 { (kind) }
                (documents(all.iter().filter(|d| d.parts[0] == kind)))
            }
        }
    })
}

fn within(desk: &Desk, parts: &[&str]) -> Result<Markup, Failure> {
    let all = found(desk)?;
    let begins = |document: &&Document| {
        document.parts.len() > parts.len() && document.parts.iter().zip(parts).all(|(a, b)| a == b)
    };
    Ok(html! {
        p.kind { a href="/reports" { "Reports" } }
        h1 { (parts.join("/")) }
        (documents(all.iter().filter(begins)))
    })
}

fn documents<'a>(all: impl Iterator<Item = &'a Document>) -> Markup {
    html! {
        ul.rows {
            @for document in all {
                @let path = document.parts.join("/");
                li { a href=(format!("/reports/{path}")) { (path) } " " span.when { (bytes(document.size)) } }
            }
        }
    }
}
