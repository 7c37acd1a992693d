//! The tables of what a job tells the world, and of what its runs leave behind.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::values::{ChatList, Hidden, Parsed, Size, Span, TimeOfDay};
use crate::{
    domain::{base_url::BaseUrl, zone::Zone},
    setting::words,
};

words! {
    /// What leads to a notice.
    NotifyOn {
        /// A run failed, panicked or was ended by a signal that this program did not send.
        Failed = "failed",
        /// A run took longer than its timeout.
        TimedOut = "timed_out",
        /// A slot was missed.
        Missed = "missed",
        /// A run vanished without a word.
        Lost = "lost",
        /// All is well again after one of these.
        Recovered = "recovered",
        /// A health check says no.
        Health = "health",
        /// A position was opened.
        Entry = "entry",
        /// A position was closed by a rule, a target, the other side or an operator.
        Exit = "exit",
        /// A position was closed by its stop.
        Stop = "stop",
        /// The risk state changed: a limit tripped, or an operator's command took effect.
        Risk = "risk",
        /// A proof says something else than the one before it.
        Proof = "proof",
        /// The summary of a day, at `daily-at`.
        Daily = "daily",
        /// A run goes on for longer than `run.slow-after`.
        Slow = "slow",
        /// A run began later after its slot than `run.late-start`.
        Late = "late",
    }
}

impl NotifyOn {
    /// What a run leads to: the default.
    pub const OF_RUNS: [Self; 8] = [
        Self::Failed,
        Self::TimedOut,
        Self::Missed,
        Self::Lost,
        Self::Recovered,
        Self::Health,
        Self::Slow,
        Self::Late,
    ];

    /// Whether it is about the ledger of a job, not about its runs.
    pub fn is_of_ledger(self) -> bool {
        !Self::OF_RUNS.contains(&self)
    }
}

words! {
    /// What the body of a webhook looks like.
    WebhookFormat {
        /// A document of our own, `mjolnir.notice/1`.
        Json = "json",
        /// Slack: `{"text": ...}`.
        Slack = "slack",
        /// Discord: `{"content": ...}`.
        Discord = "discord",
        /// Telegram's `sendMessage`; needs `chat`.
        Telegram = "telegram",
        /// ntfy: plain text with a title.
        Ntfy = "ntfy",
    }
}

/// Who gets a notice when a scheduled run goes wrong: one for each incident, until it is over; and, where `on` says so, of what happens in
/// the ledger that a job of kind live, eqflat, healthcheck or heartbeat is about. The service sends them, also for a live job that it does
/// not start. Without `webhook`, `email` and `command`, there are no notices.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Notify {
    /// What leads to a notice. What is in the ledger (`entry exit stop risk proof daily`) leads to one only where it is named.
    pub on: Vec<NotifyOn>,
    /// When a day is summed up, on the clocks of `daily-zone`: `"HH:MM"`.
    pub daily_at: Parsed<TimeOfDay>,
    /// A time zone by its IANA name, such as `"Europe/Berlin"`.
    pub daily_zone: Parsed<Zone>,
    /// Of more notices about a ledger than this in one hour, the rest is sent as one digest.
    #[schemars(range(min = 1, max = 3600))]
    pub most_per_hour: u32,
    /// While an incident lasts, the notice is repeated after this long; without it, only once.
    pub repeat_every: Option<Parsed<Span>>,
    /// An address that gets a POST.
    pub webhook: Option<Webhook>,
    /// Who gets an e-mail.
    pub email: Option<Email>,
    /// A Telegram bot that takes commands; off unless it has a token. Its notices are those of `webhook`.
    pub telegram: Option<Telegram>,
    /// A program and its arguments. It finds the notice in the variables `MJOLNIR_EVENT`, `MJOLNIR_JOB`, `MJOLNIR_STATE`,
    /// `MJOLNIR_NOTICE_RUN_ID`, `MJOLNIR_SUMMARY` and `MJOLNIR_TEXT`; of one about a ledger in `MJOLNIR_NOTICE_ID` and `MJOLNIR_NOTICE` (the
    /// document) in the place of state and run.
    pub command: Vec<String>,
}

impl Default for Notify {
    fn default() -> Self {
        Self {
            on: NotifyOn::OF_RUNS.to_vec(),
            daily_at: Parsed::new(TimeOfDay::EIGHT),
            daily_zone: Parsed::new(Zone::UTC),
            most_per_hour: 30,
            repeat_every: None,
            webhook: None,
            email: None,
            telegram: None,
            command: Vec::new(),
        }
    }
}

impl Notify {
    /// What of it must not be shown.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let url = self.webhook.as_ref().and_then(|hook| hook.url.as_ref());
        let email = self.email.iter().flat_map(|email| [&email.user, &email.password]);
        let token = self.telegram.as_ref().and_then(|telegram| telegram.token.as_ref());
        email.flatten().chain(url).chain(token).map(Hidden::reveal)
    }
}

/// An address that gets a POST.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Webhook {
    /// The address, usually `${secrets.NAME}`. It is never shown. With a secret that is absent, nothing is sent.
    pub url: Option<Hidden>,
    /// What the body looks like.
    #[serde(default = "Webhook::format")]
    pub format: WebhookFormat,
    /// The chat a Telegram bot writes to.
    pub chat: Option<Hidden>,
    /// The longest one delivery may take, its three tries together.
    #[serde(default = "Webhook::timeout")]
    pub timeout: Parsed<Span>,
}

impl Webhook {
    fn format() -> WebhookFormat {
        WebhookFormat::Json
    }

    fn timeout() -> Parsed<Span> {
        Parsed::new(Span::seconds(10))
    }
}

/// A bot that answers `/status /daily /why` in some chats, and gives the commands `/halt /reduce /resume /flatten` once they are
/// confirmed there, for the tag that the job is about: of kind live, eqflat, healthcheck or heartbeat. The service asks for messages; a
/// bot has one service.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Telegram {
    /// The bot's token, usually `${secrets.NAME}`, never shown. Without it the bot is off.
    pub token: Option<Hidden>,
    /// The numbers of the chats that may ask and command, with commas between them. Others get no answer.
    pub chats: Parsed<ChatList>,
    /// Where the Bot API is.
    pub server: Parsed<BaseUrl>,
}

impl Default for Telegram {
    fn default() -> Self {
        let server = "https://api.telegram.org".parse().expect("it is an address");
        Self { token: None, chats: Parsed::new(ChatList::default()), server: Parsed::new(server) }
    }
}

words! {
    /// How the way to a mail server is kept secret.
    MailTls {
        /// TLS from the first byte, usually at port 465.
        Implicit = "implicit",
        /// TLS behind STARTTLS, usually at port 587; without it nothing is sent.
        Starttls = "starttls",
        /// None: only to a server on this machine.
        None = "none",
    }
}

impl MailTls {
    /// Where such a server usually listens.
    pub const fn port(self) -> u16 {
        match self {
            Self::Implicit => 465,
            Self::Starttls => 587,
            Self::None => 25,
        }
    }
}

/// An e-mail for each notice, over SMTP. Certificates are judged by those that this machine trusts; the variable `SSL_CERT_FILE` names
/// others.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Email {
    /// The server that takes the mail, with its port where that is not the usual one: `"mail.example.org:587"`. Empty: no e-mail.
    pub server: String,
    /// How the way to it is kept secret.
    pub tls: MailTls,
    /// Whom the server knows, with `password`; without both it takes mail from anybody. Usually `${secrets.NAME}`, never shown.
    pub user: Option<Hidden>,
    /// Usually `${secrets.NAME}`, never shown.
    pub password: Option<Hidden>,
    /// Who writes: `"box@example.org"`.
    pub from: String,
    /// Who reads: one address, or several with commas between them.
    pub to: String,
    /// The longest wait for each answer of the server.
    pub timeout: Parsed<Span>,
}

impl Default for Email {
    fn default() -> Self {
        Self {
            server: String::new(),
            tls: MailTls::Implicit,
            user: None,
            password: None,
            from: String::new(),
            to: String::new(),
            timeout: Parsed::new(Span::seconds(20)),
        }
    }
}

impl Email {
    /// Host and port of the server.
    pub fn place(&self) -> (&str, u16) {
        let usual = (self.server.as_str(), self.tls.port());
        let Some((host, port)) = self.server.rsplit_once(':') else { return usual };
        port.parse().map_or(usual, |port| (host, port))
    }
}

/// A watch outside, in the style of healthchecks.io: it gets a ping when a run starts (`/start`), when it ended well (nothing
/// after the address) and when it did not (`/fail`, or the exit code), each with `?rid=`. A ping that fails never fails the job.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Heartbeat {
    /// The address, usually `${secrets.NAME}`. It is never shown. Without it, or with a secret that is absent, nothing is sent.
    pub url: Option<Hidden>,
    /// Whether the start of a run is sent too.
    pub start: bool,
    /// How much of the end of the run's output goes along, or of its log when there is none. A smaller `Ping-Body-Limit` of
    /// the other side is kept to.
    pub log_bytes: Parsed<Size>,
    /// The longest one ping may take, its three tries together. The first one goes beside the job, the last one after it.
    pub timeout: Parsed<Span>,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self {
            url: None,
            start: true,
            log_bytes: Parsed::new(Size::of_bytes(10_000)),
            timeout: Parsed::new(Span::seconds(10)),
        }
    }
}

/// How much the runs of a job may leave behind. A run that goes on, or waits, is never taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Logs {
    /// The longest log, and the longest output, of one run; of what is longer the end is kept.
    pub max_size: Parsed<Size>,
    /// Records and folders older than this many days are taken away.
    #[schemars(range(min = 1))]
    pub keep_days: u32,
    /// Of more runs than this, the oldest are taken away.
    #[schemars(range(min = 1))]
    pub keep_runs: u32,
    /// Of folders larger than this together, the oldest are taken away.
    pub keep_size: Parsed<Size>,
}

impl Default for Logs {
    fn default() -> Self {
        Self {
            max_size: Parsed::new(Size::of_bytes(16 << 20)),
            keep_days: 30,
            keep_runs: 2_000,
            keep_size: Parsed::new(Size::of_bytes(1 << 30)),
        }
    }
}
