//! What a message from a phone leads to: pure rules over the message, what was asked before, and the clock of the server.
//!
//! A command that acts is asked back and obeyed only behind an answer that is as young as the question. That it is about to be obeyed is
//! kept before it is, so that a death in between neither forgets it nor gives it twice.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    domain::{
        command::CommandKind,
        ids::Tag,
        text::one_line,
        time::{DAY_MS, UtcMs},
    },
    notify::telegram::{PhoneMessage, PhoneUpdate},
};

/// A message that acts and is older than this when it is read first came through an outage: nobody means it any more.
pub const AGE_MAX_MS: i64 = 3 * 60_000;
/// A question is good for so long.
pub const ASK_MAX_MS: i64 = 2 * 60_000;
/// Most questions that are kept.
const ASKS_MAX: usize = 50;
/// Longest reason, in characters.
const REASON_MAX: usize = 200;
/// After a week without any, the numbers of updates may begin anew, lower than before.
const QUIET_MAX_MS: i64 = 6 * DAY_MS;

/// How far a question got.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AskStage {
    /// It waits for its answer.
    Asked,
    /// It is being obeyed: its row comes behind so many in the commands ledger.
    Acting { rows: usize },
    /// It was obeyed or refused, and this was said.
    Done { said: String },
}

/// A command that was asked back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneAsk {
    /// What the answer names: the number of the update.
    pub code: i64,
    pub chat: i64,
    /// `halt`, `reduce`, `resume` or `flatten`.
    pub command: String,
    pub tag: String,
    pub reason: String,
    /// As the commands ledger has it: `telegram:ID`.
    pub who: String,
    /// When it was sent.
    pub sent_ms: i64,
    pub stage: AskStage,
}

impl PhoneAsk {
    /// The command.
    pub fn order(&self) -> Option<CommandKind> {
        CommandKind::ALL.into_iter().find(|order| order.name() == self.command)
    }
}

/// What is kept between two messages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneState {
    /// Name and version of the document.
    pub schema: String,
    /// The update that comes next: those before it were dealt with.
    pub offset: i64,
    /// When there was one last.
    pub heard_ms: i64,
    pub asks: Vec<PhoneAsk>,
}

impl PhoneState {
    /// From which update on the server is asked; from none where numbers may have begun anew.
    pub fn next_update(&self, now: UtcMs) -> Option<i64> {
        let is_fresh = now.get() - self.heard_ms < QUIET_MAX_MS;
        (self.offset > 0 && is_fresh).then_some(self.offset)
    }

    /// Whether an update was dealt with before.
    pub fn is_known(&self, id: i64, now: UtcMs) -> bool {
        self.next_update(now).is_some_and(|offset| id < offset)
    }

    /// Takes note that an update was dealt with.
    pub fn heard(&mut self, id: i64, now: UtcMs) {
        self.offset = id + 1;
        self.heard_ms = now.get();
        self.asks.retain(|ask| now.get() - ask.sent_ms < DAY_MS);
        if self.asks.len() > ASKS_MAX {
            self.asks.drain(..self.asks.len() - ASKS_MAX);
        }
    }

    /// Moves a question on.
    pub fn stage(&mut self, code: i64, stage: AskStage) {
        if let Some(ask) = self.asks.iter_mut().find(|ask| ask.code == code) {
            ask.stage = stage;
        }
    }
}

/// What a message leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PhoneAct {
    /// Nothing: not a text.
    Nothing,
    /// Nothing, and no answer either: this chat may not ask.
    Foreign,
    Say(String),
    /// How the loops are.
    Status,
    /// The last day of these tags.
    Daily(Vec<Tag>),
    /// Why the last slot was decided as it was.
    Why(Tag),
    /// This will be done once it is confirmed; it is kept already.
    Ask(PhoneAsk),
    /// Do it.
    Give(PhoneAsk),
}

/// What somebody can write.
const HELP: &str = "/status how the loops are\n/daily [TAG] the last day\n/why [TAG] why the last slot was decided as it was\n\
                    /halt /reduce /resume /flatten [TAG] [reason] are asked back first";

/// What an update leads to. `tags` are those that a chat may ask about; a chat without any is foreign.
pub fn act(
    state: &mut PhoneState,
    tags: &dyn Fn(i64) -> BTreeSet<Tag>,
    update: &PhoneUpdate,
    now: UtcMs,
) -> PhoneAct {
    let Some(message) = &update.message else { return PhoneAct::Nothing };
    let tags = tags(message.chat);
    if tags.is_empty() {
        return PhoneAct::Foreign;
    }
    let mut words = message.text.split_whitespace();
    let verb = words.next().unwrap_or_default();
    // In a group the name of the bot comes behind the command.
    let verb = verb.split('@').next().unwrap_or_default().to_lowercase();
    let rest: Vec<&str> = words.collect();
    if let Some(order) = CommandKind::ALL.into_iter().find(|order| verb == format!("/{order}")) {
        return ask(state, (order, update.id), (message, &rest, &tags), now);
    }
    match verb.as_str() {
        "/status" => PhoneAct::Status,
        "/daily" => match named(&rest, &tags) {
            (Some(tag), _) => PhoneAct::Daily(vec![tag]),
            (None, _) => PhoneAct::Daily(tags.into_iter().collect()),
        },
        "/why" => match named(&rest, &tags) {
            (Some(tag), _) => PhoneAct::Why(tag),
            (None, _) => PhoneAct::Say(which("why", &tags)),
        },
        "/start" | "/help" => PhoneAct::Say(HELP.to_owned()),
        verb => answered(state, verb, &rest, message, now),
    }
}

/// The tag that is meant, and the words behind it: the first word names it, or there is only one.
fn named<'w>(rest: &'w [&'w str], tags: &BTreeSet<Tag>) -> (Option<Tag>, &'w [&'w str]) {
    if let [first, others @ ..] = rest
        && let Some(tag) = tags.iter().find(|tag| tag.as_str() == *first)
    {
        return (Some(tag.clone()), others);
    }
    let only = tags.iter().next().filter(|_| tags.len() == 1);
    (only.cloned(), rest)
}

fn which(command: &str, tags: &BTreeSet<Tag>) -> String {
    let all: Vec<String> = tags.iter().map(|tag| format!("/{command} {tag}")).collect();
    format!("which tag? {}", all.join(" or "))
}

/// Asks a command back.
fn ask(
    state: &mut PhoneState,
    (order, code): (CommandKind, i64),
    (message, rest, tags): (&PhoneMessage, &[&str], &BTreeSet<Tag>),
    now: UtcMs,
) -> PhoneAct {
    if let Some(old) = too_old(message, now) {
        return PhoneAct::Say(old);
    }
    let (Some(tag), reason) = named(rest, tags) else {
        return PhoneAct::Say(which(order.name(), tags));
    };
    let reason = one_line(&reason.join(" "), REASON_MAX);
    let reason = if reason.is_empty() { "by phone".to_owned() } else { reason };
    let ask = PhoneAsk {
        code,
        chat: message.chat,
        command: order.name().to_owned(),
        tag: tag.to_string(),
        reason,
        who: format!("telegram:{}", message.from),
        sent_ms: message.sent.get(),
        stage: AskStage::Asked,
    };
    // The same update may come again.
    if !state.asks.iter().any(|known| known.code == code) {
        state.asks.push(ask.clone());
    }
    PhoneAct::Ask(ask)
}

/// `/yes_CODE` and `/no_CODE`.
fn answered(
    state: &mut PhoneState,
    verb: &str,
    rest: &[&str],
    message: &PhoneMessage,
    now: UtcMs,
) -> PhoneAct {
    let say = |text: &str| PhoneAct::Say(text.to_owned());
    let (word, code) = verb.split_once('_').unwrap_or((verb, rest.first().unwrap_or(&"")));
    if !["/yes", "/no"].contains(&word) {
        return PhoneAct::Say(format!("that is not a command of this bot\n{HELP}"));
    }
    let code = code.parse::<i64>().ok();
    let found =
        state.asks.iter().position(|ask| Some(ask.code) == code && ask.chat == message.chat);
    let Some(found) = found else {
        return say("nothing waits for this answer: it expired, or was answered. Nothing was done");
    };
    let ask = state.asks[found].clone();
    match (&ask.stage, word) {
        (AskStage::Done { said }, _) => PhoneAct::Say(said.clone()),
        // The service died over it: whether its row is there is seen when it is done.
        (AskStage::Acting { .. }, _) => PhoneAct::Give(ask),
        (AskStage::Asked, "/no") => {
            state.asks.remove(found);
            say("nothing was done")
        }
        (AskStage::Asked, _) => {
            let late = message.sent.get() - ask.sent_ms > ASK_MAX_MS;
            let old = too_old(message, now);
            if late || old.is_some() {
                state.asks.remove(found);
                let expired = "the question expired: nothing was done, send the command again";
                return PhoneAct::Say(old.unwrap_or_else(|| expired.to_owned()));
            }
            PhoneAct::Give(ask)
        }
    }
}

/// What is said to a message that came through an outage.
fn too_old(message: &PhoneMessage, now: UtcMs) -> Option<String> {
    let age_ms = now.get() - message.sent.get();
    (age_ms > AGE_MAX_MS).then(|| {
        let minutes = age_ms / 60_000;
        format!("too old: this was sent {minutes} minutes ago. Nothing was done, send it again")
    })
}

/// What a command does, as the question says it.
pub fn effect(order: CommandKind) -> &'static str {
    match order {
        CommandKind::Halt => "no decisions until resume; a stop still protects an open position",
        CommandKind::Reduce => "no entries until resume; exits and stops go on",
        CommandKind::Resume => "normal again; the counters of the limits start at zero",
        CommandKind::Flatten => "leaves the position at the next fill, then halts",
        CommandKind::Model(_) | CommandKind::Revoke(_) => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_006_400_000;

    fn at(ms: i64) -> UtcMs {
        UtcMs::new(ms).unwrap()
    }

    struct Talk {
        state: PhoneState,
        next: i64,
    }

    impl Talk {
        fn new() -> Self {
            Self { state: PhoneState::default(), next: 100 }
        }

        /// What a message leads to that was sent so many seconds after the beginning and is read so many seconds later.
        fn say(&mut self, chat: i64, text: &str, (sent_s, later_s): (i64, i64)) -> String {
            let sent = at(NOW + sent_s * 1_000);
            let message = PhoneMessage { chat, from: 5, sent, text: text.to_owned() };
            let update = PhoneUpdate { id: self.next, message: Some(message) };
            self.next += 1;
            let now = sent.plus_ms(later_s * 1_000);
            let tags = |chat: i64| -> BTreeSet<Tag> {
                let names: &[&str] = match chat {
                    1 => &["paper"],
                    2 => &["paper", "eth"],
                    _ => &[],
                };
                names.iter().map(|name| name.parse().unwrap()).collect()
            };
            let act = act(&mut self.state, &tags, &update, now);
            self.state.heard(update.id, now);
            match act {
                PhoneAct::Nothing => "nothing".to_owned(),
                PhoneAct::Foreign => "foreign".to_owned(),
                PhoneAct::Say(text) => text.lines().next().unwrap().to_owned(),
                PhoneAct::Status => "STATUS".to_owned(),
                PhoneAct::Daily(tags) => format!("DAILY {}", tags.len()),
                PhoneAct::Why(tag) => format!("WHY {tag}"),
                PhoneAct::Ask(ask) => format!("ASK {} {} ({})", ask.command, ask.tag, ask.reason),
                PhoneAct::Give(ask) => format!("GIVE {} {} {}", ask.command, ask.tag, ask.who),
            }
        }
    }

    #[test]
    fn questions_are_answered_and_a_foreign_chat_is_not() {
        let mut talk = Talk::new();
        for (chat, text, expected) in [
            (1, "/status", "STATUS"),
            (1, "/status@mjolnir_bot", "STATUS"),
            (1, "/daily", "DAILY 1"),
            (2, "/daily", "DAILY 2"),
            (2, "/daily eth", "DAILY 1"),
            (1, "/why", "WHY paper"),
            (2, "/why", "which tag? /why eth or /why paper"),
            (2, "/why paper", "WHY paper"),
            (1, "/help", "/status how the loops are"),
            (1, "sell everything", "that is not a command of this bot"),
            (1, "", "that is not a command of this bot"),
            (3, "/status", "foreign"),
            (3, "/flatten", "foreign"),
        ] {
            assert_eq!(talk.say(chat, text, (0, 0)), expected, "{text}");
        }
        let odd = PhoneUpdate { id: 9, message: None };
        assert_eq!(act(&mut talk.state, &|_| BTreeSet::new(), &odd, at(NOW)), PhoneAct::Nothing);
    }

    #[test]
    fn what_acts_is_asked_back_and_its_answer_counts_once_in_its_chat_and_for_two_minutes() {
        let mut talk = Talk::new();
        assert_eq!(talk.say(1, "/halt it looks odd", (0, 1)), "ASK halt paper (it looks odd)");
        assert_eq!(talk.say(2, "/flatten", (0, 1)), "which tag? /flatten eth or /flatten paper");
        assert_eq!(talk.say(2, "/flatten eth", (0, 1)), "ASK flatten eth (by phone)");
        let none = "nothing waits for this answer: it expired, or was answered. Nothing was done";
        assert_eq!(talk.say(2, "/yes_100", (10, 1)), none, "of another chat");
        assert_eq!(talk.say(3, "/yes_100", (10, 1)), "foreign");
        assert_eq!(talk.say(1, "/yes_100", (10, 1)), "GIVE halt paper telegram:5");
        talk.state.stage(100, AskStage::Done { said: "taken down".to_owned() });
        assert_eq!(talk.say(1, "/yes 100", (11, 1)), "taken down", "not twice");
        assert_eq!(talk.say(2, "/no_102", (12, 1)), "nothing was done");
        assert_eq!(talk.say(2, "/yes_102", (13, 1)), none);
        assert_eq!(talk.say(1, "/reduce", (20, 1)), "ASK reduce paper (by phone)");
        let code = talk.next - 1;
        assert_eq!(
            talk.say(1, &format!("/yes_{code}"), (20 + 121, 1)),
            "the question expired: nothing was done, send the command again"
        );
        assert_eq!(talk.say(1, &format!("/yes_{code}"), (20 + 122, 1)), none);
        for odd in ["/yes", "/yes_", "/yes_x", "/yes_99999999999999999999", "/no_1"] {
            assert_eq!(talk.say(1, odd, (200, 1)), none, "{odd}");
        }
    }

    #[test]
    fn what_comes_through_an_outage_does_not_act() {
        let mut talk = Talk::new();
        let old = "too old: this was sent 10 minutes ago. Nothing was done, send it again";
        assert_eq!(talk.say(1, "/flatten", (0, 600)), old);
        assert_eq!(talk.say(1, "/flatten", (600, 1)), "ASK flatten paper (by phone)");
        assert_eq!(talk.say(1, "/yes_101", (610, 600)), old);
        assert_eq!(talk.say(1, "/status", (0, 600)), "STATUS", "to look does no harm");
    }

    #[test]
    fn a_command_that_was_being_obeyed_is_looked_after_however_old_it_is() {
        let mut talk = Talk::new();
        talk.say(1, "/halt", (0, 1));
        talk.state.stage(100, AskStage::Acting { rows: 3 });
        assert_eq!(talk.say(1, "/yes_100", (5, 9_000)), "GIVE halt paper telegram:5");
    }

    #[test]
    fn numbers_of_updates_may_begin_anew_after_a_week() {
        let mut state = PhoneState::default();
        assert_eq!(state.next_update(at(NOW)), None);
        state.heard(7_000, at(NOW));
        assert_eq!(state.next_update(at(NOW + DAY_MS)), Some(7_001));
        assert!(state.is_known(7_000, at(NOW)) && !state.is_known(7_001, at(NOW)));
        let later = at(NOW + 8 * DAY_MS);
        assert_eq!(state.next_update(later), None);
        assert!(!state.is_known(12, later));
        state.heard(12, later);
        assert_eq!(state.next_update(later), Some(13));
    }
}
