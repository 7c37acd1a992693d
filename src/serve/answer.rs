//! What the service answers: a page with its headers, or a stream that goes on; and whoever makes the pages.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::{Body, Bytes};
use http::{HeaderMap, Method, Response, StatusCode, Uri, header};
use hyper::body::{Body as HttpBody, Frame};
use tokio::sync::mpsc::Receiver;

/// Plain text.
pub const PLAIN: &str = "text/plain; charset=utf-8";
/// A document for people.
pub const HTML: &str = "text/html; charset=utf-8";
/// A document for programs.
pub const JSON: &str = "application/json";
/// Lines that go on: server-sent events.
pub const EVENTS: &str = "text/event-stream";

/// A request, read whole.
#[derive(Debug, Clone)]
pub struct WebRequest {
    /// `GET`, `HEAD` or `POST`.
    pub method: Method,
    /// What is asked for.
    pub uri: Uri,
    /// Its headers.
    pub headers: HeaderMap,
    /// What came behind them; bounded.
    pub body: Vec<u8>,
}

/// Whoever makes the pages that the service itself does not have.
pub struct Site {
    /// Makes the page that is asked for, also one that says that there is none. It may block.
    pub answer: Box<dyn Fn(&WebRequest) -> WebPage + Send + Sync>,
    /// Whether it takes a POST.
    pub acts: bool,
}

/// What a browser may do with a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PagePolicy {
    /// Nothing: it is text.
    Text,
    /// Our style, our script, our data, our forms; nothing inline and nothing from elsewhere.
    Document,
    /// A report that was written before, with its own style: nothing in it runs but our script that sorts its trades.
    Report,
}

impl PagePolicy {
    fn words(self) -> &'static str {
        match self {
            Self::Text => "default-src 'none'",
            Self::Document => {
                "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; \
                 base-uri 'none'; frame-ancestors 'none'"
            }
            Self::Report => {
                "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; img-src 'self'; form-action 'none'; base-uri 'none'; \
                 frame-ancestors 'none'"
            }
        }
    }
}

/// Looks for what is new: `None` ends the stream. It may block.
pub type LiveSource = Box<dyn FnMut() -> Option<Vec<u8>> + Send>;

/// What a page holds.
pub enum PageContent {
    /// All of it.
    Whole(Vec<u8>),
    /// A stream that goes on.
    Live(LiveSource),
}

/// An answer.
pub struct WebPage {
    /// Its status.
    pub status: StatusCode,
    /// Its type.
    pub content_type: &'static str,
    /// What a browser may do with it.
    pub policy: PagePolicy,
    /// Whether it is the same for ever under this address.
    pub keeps: bool,
    /// Where to go from here.
    pub location: Option<String>,
    /// What it holds.
    pub content: PageContent,
}

impl WebPage {
    /// Plain text.
    pub fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self {
            status,
            content_type: PLAIN,
            policy: PagePolicy::Text,
            keeps: false,
            location: None,
            content: PageContent::Whole(text.into().into_bytes()),
        }
    }

    /// A document for people.
    pub fn html(status: StatusCode, text: String) -> Self {
        Self { content_type: HTML, policy: PagePolicy::Document, ..Self::new(status, text) }
    }

    /// A document for programs.
    pub fn json(status: StatusCode, document: &serde_json::Value) -> Self {
        Self { content_type: JSON, ..Self::new(status, format!("{document}\n")) }
    }

    /// Lines that go on.
    pub fn live(follow: LiveSource) -> Self {
        let content = PageContent::Live(follow);
        Self { content_type: EVENTS, content, ..Self::new(StatusCode::OK, "") }
    }

    /// Go there instead.
    pub fn see(location: String) -> Self {
        let text = format!("go to {location}\n");
        Self { location: Some(location), ..Self::new(StatusCode::SEE_OTHER, text) }
    }

    /// The response, and what goes on behind it; `fed` is where that comes from.
    pub(super) fn response(
        self,
        allow: &'static str,
        fed: Option<Receiver<Bytes>>,
    ) -> Response<Body> {
        let cache = if self.keeps { "public, max-age=31536000, immutable" } else { "no-store" };
        let mut head = Response::builder()
            .status(self.status)
            .header(header::CONTENT_TYPE, self.content_type)
            .header(header::CACHE_CONTROL, cache)
            .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
            // Not `no-referrer`: a browser would then send the forms of these pages with `Origin: null`.
            .header(header::REFERRER_POLICY, "same-origin")
            .header("cross-origin-resource-policy", "same-origin")
            .header(header::CONTENT_SECURITY_POLICY, self.policy.words());
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            head = head.header(header::ALLOW, allow);
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            head = head.header(header::RETRY_AFTER, "2");
        }
        if self.status == StatusCode::UNAUTHORIZED {
            head = head.header(header::WWW_AUTHENTICATE, "Bearer");
        }
        if let Some(location) = self.location {
            head = head.header(header::LOCATION, location);
        }
        let body = match (self.content, fed) {
            (PageContent::Whole(bytes), _) => Body::from(bytes),
            (PageContent::Live(_), Some(fed)) => Body::new(Fed(fed)),
            (PageContent::Live(_), None) => Body::empty(),
        };
        head.body(body).expect("a page has a status and headers of plain letters")
    }
}

/// A body whose pieces come from a channel.
struct Fed(Receiver<Bytes>);

impl HttpBody for Fed {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|bytes| Ok(Frame::data(bytes))))
    }
}
