//! What is around every page, and the files that pages are drawn with.

use http::StatusCode;
use maud::{DOCTYPE, Markup, html};
use xxhash_rust::xxh3::xxh3_64;

use super::{
    desk::Desk,
    words::{safe, time},
};
use crate::{
    exit::Exit,
    jobs::context::Failure,
    os::machine,
    serve::answer::{PageContent, WebPage},
};

/// The style of every page.
const STYLE: &str = include_str!("style.css");
/// Charts, live rows, keys.
const SCRIPT: &str = include_str!("app.js");
/// Sorting the trades of a report.
const SORT: &str = include_str!("sort.js");
/// The mark in the tab of a browser.
const ICON: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path fill="#1f5fb4" d="M2 2h12v6H10v6H6V8H2z"/></svg>"##;

/// Parts of the box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Here {
    /// The box as a whole.
    Box,
    /// What ran.
    Runs,
    /// What will run.
    Jobs,
    /// Documents.
    Reports,
    /// Comparisons of LIVE with its replays.
    Proofs,
    /// Two of something.
    Compare,
    /// Trials of many params.
    Sweeps,
    /// None of these.
    Elsewhere,
}

const PARTS: [(Here, &str, &str); 7] = [
    (Here::Box, "/", "Box"),
    (Here::Runs, "/runs", "Runs"),
    (Here::Jobs, "/jobs", "Jobs"),
    (Here::Reports, "/reports", "Reports"),
    (Here::Proofs, "/proofs", "Proofs"),
    (Here::Compare, "/compare", "Compare"),
    (Here::Sweeps, "/sweeps", "Sweeps"),
];

/// The links between the parts.
pub fn navigation(desk: &Desk, here: Here) -> Markup {
    html! {
        nav.parts aria-label="parts of the box" {
            ul {
                @for (part, path, name) in PARTS {
                    @if part != Here::Sweeps || desk.has_sweeps() {
                        li { a href=(path) aria-current=[(part == here).then_some("page")] { (name) } }
                    }
                }
            }
        }
    }
}

/// The links to the style and the script; their names change with what is in them.
pub fn links() -> Markup {
    html! {
        link rel="stylesheet" href=(format!("/static/{}", name("style", STYLE, "css")));
        link rel="icon" type="image/svg+xml" href="/static/icon.svg";
    }
}

/// The script of a report.
pub fn sorting() -> Markup {
    html! { script src=(format!("/static/{}", name("sort", SORT, "js"))) defer {} }
}

fn name(stem: &str, text: &str, extension: &str) -> String {
    format!("{stem}-{:08x}.{extension}", xxh3_64(text.as_bytes()) >> 32)
}

/// A file that pages are drawn with.
pub fn asset(file: &str) -> Option<WebPage> {
    let (content_type, text) = if file == name("style", STYLE, "css") {
        ("text/css; charset=utf-8", STYLE)
    } else if file == name("app", SCRIPT, "js") {
        ("text/javascript; charset=utf-8", SCRIPT)
    } else if file == name("sort", SORT, "js") {
        ("text/javascript; charset=utf-8", SORT)
    } else if file == "icon.svg" {
        ("image/svg+xml", ICON)
    } else {
        return None;
    };
    let content = PageContent::Whole(text.as_bytes().to_vec());
    Some(WebPage { content_type, keeps: true, content, ..WebPage::new(StatusCode::OK, "") })
}

/// A page of the box.
pub fn page(desk: &Desk, here: Here, title: &str, body: &Markup) -> WebPage {
    with_status(desk, StatusCode::OK, (here, title), body)
}

/// A page with a status of its own.
pub fn with_status(
    desk: &Desk,
    status: StatusCode,
    (here, title): (Here, &str),
    body: &Markup,
) -> WebPage {
    let machine = machine::name();
    let whole = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · " (machine) }
                (links())
                script src=(format!("/static/{}", name("app", SCRIPT, "js"))) defer {}
            }
            body {
                a.skip href="#content" { "to the content" }
                header.top {
                    p.brand { a href="/" { "mjolnir" } " " span.machine { bdi { (machine) } } }
                    (navigation(desk, here))
                }
                main #content tabindex="-1" { (body) }
                footer {
                    p {
                        "As of " (time(desk.now().get() / 1_000 * 1_000)) " UTC, build " (desk.build) ". Times are UTC; a slot is named by the close of its bar."
                    }
                    p {
                        "For programs: " a href="/api/v1/openapi.json" { "API" } ", " a href="/metrics" { "/metrics" } ", "
                        a href="/healthz" { "/healthz" } ", " a href="/readyz" { "/readyz" }
                    }
                }
            }
        }
    };
    WebPage::html(status, whole.into_string())
}

/// The page for what went wrong.
pub fn failed(desk: &Desk, failure: &Failure) -> WebPage {
    let status = status_of(failure);
    let title = match status {
        StatusCode::NOT_FOUND => "Not here",
        StatusCode::BAD_REQUEST => "That cannot be asked",
        StatusCode::SERVICE_UNAVAILABLE => "Busy",
        _ => "This failed",
    };
    let body = html! {
        h1 { (title) }
        p.message { (safe(&failure.message)) }
        p { a href="/" { "Back to the box" } }
    };
    with_status(desk, status, (Here::Elsewhere, title), &body)
}

/// The status that goes with a failure.
pub fn status_of(failure: &Failure) -> StatusCode {
    match failure.exit {
        Exit::Nothing => StatusCode::NOT_FOUND,
        Exit::Usage | Exit::Manifest => StatusCode::BAD_REQUEST,
        Exit::Busy => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
