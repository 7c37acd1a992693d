//! The lock on the target: a folder, because making one is atomic everywhere, with a document inside that says whose it is.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    argv,
    finding::There,
    hands::{Hands, good, words},
    names::shown,
    shields::LOCK,
};
use crate::{
    exit::Exit,
    jobs::context::{Context, Failure},
    manifest::Target,
    os::machine,
    store::disk::Disk as _,
};

const SCHEMA: &str = "mjolnir.deploy-lock/1";
/// The document, here and there.
const OWNER: &str = "owner.json";
/// What a deploy that is refused by a lock says to do.
const CLEAR: &str = "wait for it; if it was killed, take the lock away: runner deploy --unlock";

/// Whose a lock is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    schema: String,
    host: String,
    user: String,
    run_id: String,
    since: String,
    message: String,
}

/// Whose the lock of the target is, as far as it says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// There is no lock.
    Nobody,
    /// It does not say.
    Unnamed,
    /// A run, somewhere.
    Run {
        /// The run.
        run_id: String,
        /// Who, where, since when and why.
        text: String,
    },
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("it was given back meanwhile"),
            Self::Unnamed => f.write_str("nobody wrote whose it is"),
            Self::Run { text, .. } => f.write_str(text),
        }
    }
}

/// Asks the target whose the lock is.
pub fn owner(hands: &Hands<'_>, target: &Target) -> Result<Owner, Failure> {
    let lock = format!("{}{LOCK}", target.path);
    let document = format!("{lock}/{OWNER}");
    let said = hands.there_at_last(&words(["find", &lock, "-maxdepth", "0", "-printf", "%y"]))?;
    if said.stdout.is_empty() {
        return Ok(Owner::Nobody);
    }
    let said = hands.there_at_last(&words(["cat", &document]))?;
    let Ok(bytes) = good("cat", said) else { return Ok(Owner::Unnamed) };
    let Ok(found) = serde_json::from_slice::<Document>(&bytes) else { return Ok(Owner::Unnamed) };
    let Document { schema: _, host, user, run_id, since, message } = found;
    let text = format!("run {run_id} of {user} on {host}, since {since}: {message}");
    Ok(Owner::Run { run_id: shown(run_id.as_bytes()), text: shown(text.as_bytes()) })
}

/// The lock, held. It must be given back.
pub struct TargetLock<'h> {
    hands: &'h Hands<'h>,
    target: &'h Target,
    run_id: String,
}

impl<'h> TargetLock<'h> {
    /// Takes it without waiting, or says whose it is.
    pub fn take(
        context: &Context<'_>,
        hands: &'h Hands<'h>,
        target: &'h Target,
        message: &str,
    ) -> Result<Self, Failure> {
        let lock = format!("{}{LOCK}", target.path);
        let place = There(target).name();
        let made = hands.there(&words(["mkdir", "-m", "700", &lock]))?;
        if let Err(complaint) = good("mkdir", made) {
            return Err(match owner(hands, target)? {
                Owner::Nobody => {
                    let why = format!("take the lock {place}{LOCK}: {}", complaint.message);
                    Failure::new(Exit::Io, format!("{why}; look at the folder and its disk"))
                }
                owner => {
                    let what =
                        format!("another deploy holds the lock of {place}: {owner}; {CLEAR}");
                    Failure::new(Exit::Busy, what)
                }
            });
        }
        let held = Self { hands, target, run_id: context.run_id.to_string() };
        match held.sign(context, message) {
            Ok(()) => Ok(held),
            Err(failure) => {
                held.remove().ok();
                Err(failure)
            }
        }
    }

    /// Says inside whose it is, and makes room for what grows.
    fn sign(&self, context: &Context<'_>, message: &str) -> Result<(), Failure> {
        let failed = |what: &str| Failure::new(Exit::Io, format!("sign the lock: {what}"));
        let incoming = argv::incoming(self.target);
        let made = self.hands.there(&words(["mkdir", &incoming]))?;
        good("mkdir", made).map_err(|complaint| failed(&complaint.message))?;
        let user = good("id", self.hands.here_within(words(["id", "-un"]), context.grace)?);
        let document = Document {
            schema: SCHEMA.to_owned(),
            host: machine::name(),
            user: user.map_or_else(|_| "somebody".to_owned(), |name| shown(name.trim_ascii())),
            run_id: self.run_id.clone(),
            since: context.started.to_string(),
            message: if message.is_empty() { "no message".to_owned() } else { message.to_owned() },
        };
        let text = serde_json::to_string_pretty(&document).expect("plain values serialise");
        let path = self.hands.dir().join(OWNER);
        context.disk.replace(&path, context.mask.apply(&text).as_bytes())?;
        let argv = argv::send_file(OWNER, self.target, &format!("{LOCK}/{OWNER}"));
        let sent = self.hands.here(argv, self.hands.dir(), [].into())?;
        good("rsync", sent).map(drop).map_err(|complaint| failed(&complaint.message))
    }

    /// Gives it back, with what was left half-received in it. One that is no longer ours is left alone.
    pub fn release(self) -> Result<(), Failure> {
        match owner(self.hands, self.target)? {
            Owner::Run { run_id, .. } if run_id == self.run_id => self.remove(),
            Owner::Nobody => {
                Err(Failure::new(Exit::Negative, "somebody took our lock of the target away"))
            }
            other @ (Owner::Run { .. } | Owner::Unnamed) => {
                let place = There(self.target).name();
                let what = format!("the lock of {place} cannot be given back: {other}; {CLEAR}");
                Err(Failure::new(Exit::Negative, what))
            }
        }
    }

    fn remove(&self) -> Result<(), Failure> {
        remove(self.hands, self.target)
    }
}

/// Takes the lock away, whosever it is.
pub fn remove(hands: &Hands<'_>, target: &Target) -> Result<(), Failure> {
    let lock = format!("{}{LOCK}", target.path);
    let said = hands.there_at_last(&words(["find", &lock, "-xdev", "-depth", "-delete"]))?;
    good("find", said).map(drop).map_err(|complaint| {
        let place = There(target).name();
        let message = format!("the lock of {place} stays: {}; {CLEAR}", complaint.message);
        Failure::new(Exit::Unavailable, message)
    })
}
