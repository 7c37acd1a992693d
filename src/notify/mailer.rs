//! Sends a notice by e-mail: over TLS, or to a server on this machine. No error holds a name or a password.

use std::time::Duration;

use lettre::{
    Message as Letter, SmtpTransport, Transport as _,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{
        authentication::Credentials,
        client::{Tls, TlsParameters},
    },
};
use thiserror::Error as ThisError;

use crate::domain::text::{causes, one_line};

/// Longest part of what a server said that is repeated, in characters.
const SAID_MAX: usize = 300;

/// How the way to the server is kept secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailPrivacy {
    /// TLS from the first byte.
    Implicit,
    /// TLS behind STARTTLS, and nothing without it.
    StartTls,
    /// None: for a server on this machine.
    Plain,
}

/// A server and who writes to whom.
#[derive(Clone)]
pub struct MailRoute<'a> {
    pub host: &'a str,
    pub port: u16,
    pub privacy: MailPrivacy,
    /// Name and password.
    pub login: Option<(&'a str, &'a str)>,
    pub from: &'a str,
    pub to: Vec<&'a str>,
    /// Longest wait for each answer.
    pub timeout: Duration,
}

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mail<'a> {
    /// The same for a letter that is sent once more, so that those who read it can tell.
    pub id: &'a str,
    pub subject: &'a str,
    pub text: &'a str,
}

/// Why a letter was not taken.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum MailError {
    #[error("the letter cannot be written: {0}")]
    Letter(String),
    #[error("{0}")]
    Server(String),
}

/// Hands a letter to its server.
pub fn send(route: &MailRoute<'_>, mail: Mail<'_>) -> Result<(), MailError> {
    // An error says that a provider is there already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let letter = letter(route, mail)?;
    let wrong = |error: &lettre::transport::smtp::Error| MailError::Server(said(error));
    let tls = || TlsParameters::new(route.host.to_owned()).map_err(|error| wrong(&error));
    let tls = match route.privacy {
        MailPrivacy::Implicit => Tls::Wrapper(tls()?),
        MailPrivacy::StartTls => Tls::Required(tls()?),
        MailPrivacy::Plain => Tls::None,
    };
    let server = SmtpTransport::builder_dangerous(route.host).port(route.port).tls(tls);
    let mut server = server.timeout(Some(route.timeout));
    if let Some((name, password)) = route.login {
        server = server.credentials(Credentials::new(name.to_owned(), password.to_owned()));
    }
    server.build().send(&letter).map(|_| ()).map_err(|error| wrong(&error))
}

fn letter(route: &MailRoute<'_>, mail: Mail<'_>) -> Result<Letter, MailError> {
    let address = |text: &str| {
        let read = text.trim().parse::<Mailbox>();
        read.map_err(|error| MailError::Letter(format!("an address cannot be used: {error}")))
    };
    let domain = address(route.from)?.email.domain().to_owned();
    // No program shall answer it.
    let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
    let mut letter = Letter::builder()
        .from(address(route.from)?)
        .subject(mail.subject)
        .message_id(Some(format!("<{}@{domain}>", mail.id)))
        .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
        .header(ContentType::TEXT_PLAIN);
    for to in &route.to {
        letter = letter.to(address(to)?);
    }
    let letter = letter.body(mail.text.to_owned());
    letter.map_err(|error| MailError::Letter(error.to_string()))
}

/// What the server said, or what broke on the way, on one line.
fn said(error: &lettre::transport::smtp::Error) -> String {
    let mut text = error.to_string();
    if let Some(root) = causes(error).last().map(ToString::to_string)
        && !text.contains(&root)
    {
        text = format!("{text}: {root}");
    }
    one_line(&text, SAID_MAX)
}
