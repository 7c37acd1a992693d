//! Reads what phones send to one bot, one update after the other, and answers. The number of the update that comes next is kept before the
//! server is asked for it, and that is what tells the server that those before it were dealt with: so each is dealt with at least once,
//! and a command that was confirmed is given once (`conversation.rs`).

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use super::{
    answers::{PhoneBox, done},
    conversation::{AskStage, PhoneAct, PhoneAsk, PhoneState, act},
};
use crate::{
    clock::{Clock as _, Deadline, SystemClock, nap},
    domain::{ids::Tag, time::UtcMs},
    manifest::{Job, Manifest},
    notify::telegram::{BotError, PhoneUpdate, TelegramBot},
    os::signals::Stop,
    serve::notice::NoticeLedger,
    store::{
        disk::{Disk as _, RealDisk},
        layout::Layout,
    },
};

/// Version of the document.
const SCHEMA: &str = "mjolnir.phone/1";
/// The first pause when the server fails; then twice as long each time.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_mins(1);
/// While the token is wrong, or another program reads the messages.
const PAUSE_REFUSED: Duration = Duration::from_mins(1);
/// Behind an answer without messages that came at once.
const EMPTY_PAUSE: Duration = Duration::from_millis(500);
/// How often an answer is tried, and the longest that it is put off.
const SAY_TRIES: u32 = 5;
const SAY_PAUSE_MAX: Duration = Duration::from_mins(1);
/// Most foreign chats that are counted.
const FOREIGN_MAX: usize = 1_000;
/// Between two looks at whether the service ends.
const LOOK: Duration = Duration::from_millis(250);
/// How long a thread may take to notice that it is to end.
const LEAVE: Duration = Duration::from_secs(3);

/// A bot, and who may ask it about which tags.
#[derive(Clone, PartialEq, Eq)]
pub struct PhoneLine {
    pub server: String,
    pub token: String,
    /// Each tag, the job that shows why, and the chats that may ask.
    pub tags: BTreeMap<Tag, (String, BTreeSet<i64>)>,
}

impl PhoneLine {
    /// The bots of some jobs. Jobs with one token share a bot: only one may read its messages.
    pub fn of<'m>(manifests: impl Iterator<Item = &'m Manifest>) -> Vec<Self> {
        let mut lines: BTreeMap<(String, String), Self> = BTreeMap::new();
        for manifest in manifests {
            let Some(telegram) = &manifest.notify.telegram else { continue };
            let Some(token) = &telegram.token else { continue };
            let Some(ledger) = NoticeLedger::of_job(&manifest.job) else { continue };
            let is_live = matches!(manifest.job, Job::Live(_));
            let why = if is_live { manifest.name.as_str() } else { "live" };
            let chats = telegram.chats.get();
            if chats.is_empty() {
                continue;
            }
            let server = telegram.server.get().to_string();
            let key = (server.clone(), token.reveal().to_owned());
            let line = lines.entry(key).or_insert_with(|| Self {
                server,
                token: token.reveal().to_owned(),
                tags: BTreeMap::new(),
            });
            let one = line.tags.entry(ledger.tag).or_default();
            if one.0.is_empty() || why != "live" {
                why.clone_into(&mut one.0);
            }
            one.1.extend(chats.chats());
        }
        lines.into_values().collect()
    }

    /// The number of the bot, which is no secret.
    fn bot(&self) -> String {
        let number = self.token.split(':').next().unwrap_or_default();
        let is_number =
            !number.is_empty() && number.len() < 20 && number.bytes().all(|b| b.is_ascii_digit());
        if is_number { number.to_owned() } else { "bot".to_owned() }
    }

    fn tags_of(&self, chat: i64) -> BTreeSet<Tag> {
        let own = self.tags.iter().filter(|(_, (_, chats))| chats.contains(&chat));
        own.map(|(tag, _)| tag.clone()).collect()
    }
}

/// A thread that reads one bot's messages.
pub struct PhonePoller {
    line: PhoneLine,
    stop: Stop,
    gone: Receiver<()>,
}

impl PhonePoller {
    fn start(root: &Path, line: PhoneLine) -> Self {
        let (leave, gone) = channel();
        let stop = Stop::default();
        let layout = Layout::new(root);
        let worker = Worker {
            path: layout.phone_state(&line.bot()),
            disk: RealDisk::new(layout.data()),
            layout,
            root: root.to_owned(),
            line: line.clone(),
            stop: stop.clone(),
            state: PhoneState::default(),
            foreign: BTreeMap::new(),
        };
        std::thread::spawn(move || {
            worker.work();
            // Nobody may be waiting for the end.
            let _ = leave.send(());
        });
        Self { line, stop, gone }
    }

    fn end(self) {
        self.stop.ask();
        let _ = self.gone.recv_timeout(LEAVE);
    }
}

/// The bots of a box.
#[derive(Default)]
pub struct Phones(Vec<PhonePoller>);

impl Phones {
    /// Reads these bots from now on. One that goes on as it is is not disturbed.
    pub fn learn(&mut self, root: &Path, lines: Vec<PhoneLine>) {
        let (same, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|poller| lines.contains(&poller.line));
        gone.into_iter().for_each(PhonePoller::end);
        self.0 = same;
        for line in lines {
            if !self.0.iter().any(|poller| poller.line == line) {
                self.0.push(PhonePoller::start(root, line));
            }
        }
    }

    pub fn end(&mut self) {
        std::mem::take(&mut self.0).into_iter().for_each(PhonePoller::end);
    }
}

struct Worker {
    path: PathBuf,
    disk: RealDisk,
    layout: Layout,
    root: PathBuf,
    line: PhoneLine,
    stop: Stop,
    state: PhoneState,
    /// How often chats asked that may not.
    foreign: BTreeMap<i64, u64>,
}

impl Worker {
    fn work(mut self) {
        let bot = match TelegramBot::new(&self.line.server, &self.line.token) {
            Ok(bot) => bot,
            Err(error) => {
                tracing::error!("commands by phone are off: {error}");
                return;
            }
        };
        let number = self.line.bot();
        self.state = self.kept();
        let tags: Vec<&str> = self.line.tags.keys().map(Tag::as_str).collect();
        tracing::info!("bot {number} takes commands by phone for {}", tags.join(", "));
        let mut failed = 0_u32;
        while !self.stop.asked() {
            let from = self.state.next_update(SystemClock.now());
            let (stop, polled) = (self.stop.clone(), Deadline::after(Some(EMPTY_PAUSE)));
            match bot.updates(from, &|| stop.asked()) {
                Ok(updates) => {
                    if failed > 0 {
                        tracing::info!("bot {number} answers again, after {failed} tries");
                        failed = 0;
                    }
                    let now = updates.now.unwrap_or_else(|| SystemClock.now());
                    if updates.all.is_empty() && !polled.is_over() {
                        // It did not keep the question open.
                        self.wait(EMPTY_PAUSE);
                    }
                    self.all(&bot, updates.all, now);
                }
                Err(BotError::GivenUp) => return,
                Err(error) => {
                    let pause = pause(&error, failed);
                    if failed.is_power_of_two() || failed == 0 {
                        tracing::warn!("bot {number} cannot be asked: {error}; again in {pause:?}");
                    }
                    failed = failed.saturating_add(1);
                    self.wait(pause);
                }
            }
        }
    }

    /// Each update once, in the order of their numbers.
    fn all(&mut self, bot: &TelegramBot, mut all: Vec<PhoneUpdate>, now: UtcMs) {
        all.sort_by_key(|update| update.id);
        all.dedup_by_key(|update| update.id);
        for update in all {
            if self.stop.asked() {
                return;
            }
            self.one(bot, &update, now);
        }
    }

    fn wait(&self, pause: Duration) {
        let until = Deadline::after(Some(pause));
        while !until.is_over() && !self.stop.asked() {
            nap(LOOK.min(until.left()));
        }
    }

    /// What was kept; nothing where it cannot be read: then updates come again, and those that act are too old.
    fn kept(&self) -> PhoneState {
        let bytes = self.disk.read(&self.path).ok().flatten().unwrap_or_default();
        let state: PhoneState = serde_json::from_slice(&bytes).unwrap_or_default();
        if state.schema == SCHEMA { state } else { PhoneState::default() }
    }

    fn keep(&mut self) -> Result<(), String> {
        SCHEMA.clone_into(&mut self.state.schema);
        let mut json = serde_json::to_vec_pretty(&self.state).unwrap_or_default();
        json.push(b'\n');
        let kept = self.disk.create_dir_all(crate::store::disk::parent(&self.path));
        let kept = kept.and_then(|()| self.disk.replace(&self.path, &json));
        kept.map_err(|error| error.to_string())
    }

    /// Deals with one update: does it, says so, and then takes down that it was dealt with.
    fn one(&mut self, bot: &TelegramBot, update: &PhoneUpdate, now: UtcMs) {
        if self.state.is_known(update.id, SystemClock.now()) {
            return;
        }
        let line = self.line.clone();
        let act = act(&mut self.state, &|chat| line.tags_of(chat), update, now);
        let chat = update.message.as_ref().map_or(0, |message| message.chat);
        if let Some(text) = self.answer(act, chat) {
            self.say(bot, chat, &text);
        }
        self.state.heard(update.id, SystemClock.now());
        if let Err(error) = self.keep() {
            tracing::warn!("{error}: messages from phones may be answered once more");
        }
    }

    /// What is said; nothing to a foreign chat.
    fn answer(&mut self, act: PhoneAct, chat: i64) -> Option<String> {
        let tags: Vec<Tag> = self.line.tags_of(chat).into_iter().collect();
        let (root, layout) = (self.root.clone(), self.layout.clone());
        let disk = RealDisk::new(layout.data());
        let here = PhoneBox { root: &root, disk: &disk, layout: &layout };
        match act {
            PhoneAct::Nothing => None,
            PhoneAct::Foreign => {
                self.note_foreign(chat);
                None
            }
            PhoneAct::Say(text) => Some(text),
            PhoneAct::Status => Some(here.status(&tags)),
            PhoneAct::Daily(tags) => Some(here.daily(&tags)),
            PhoneAct::Why(tag) => {
                let job = self.line.tags.get(&tag).map_or("live", |(job, _)| job.as_str());
                Some(here.why(&tag, job, &self.stop))
            }
            PhoneAct::Ask(ask) => Some(here.question(&ask)),
            PhoneAct::Give(ask) => Some(self.give(here, &ask)),
        }
    }

    /// Gives a command that was confirmed: that it is about to be given is kept first.
    fn give(&mut self, here: PhoneBox<'_>, ask: &PhoneAsk) -> String {
        let rows = match ask.stage {
            AskStage::Acting { rows } => rows,
            AskStage::Asked | AskStage::Done { .. } => match here.rows(ask) {
                Ok(rows) => rows,
                Err(error) => return format!("nothing was done: {error}"),
            },
        };
        self.state.stage(ask.code, AskStage::Acting { rows });
        if let Err(error) = self.keep() {
            self.state.stage(ask.code, AskStage::Asked);
            return format!("nothing was done: {error}");
        }
        let said = match here.give(ask, rows) {
            Ok(said) => said,
            Err(failure) => format!("nothing was done: {}", failure.message),
        };
        tracing::info!("{} of {}: {said}", ask.command, ask.who);
        self.state.stage(ask.code, done(&said));
        said
    }

    /// Says a text, trying several times: whoever gave a command must hear of it.
    fn say(&self, bot: &TelegramBot, chat: i64, text: &str) {
        let stop = self.stop.clone();
        for n in 0..SAY_TRIES {
            match bot.say(chat, text, &|| stop.asked()) {
                Ok(()) => return,
                Err(error) => {
                    let pause = pause(&error, n).min(SAY_PAUSE_MAX);
                    tracing::warn!("an answer to a phone was not delivered: {error}");
                    if n + 1 == SAY_TRIES || self.stop.asked() {
                        return;
                    }
                    self.wait(pause);
                }
            }
        }
    }

    /// A chat that may not ask gets no answer; the log names it, ever more rarely.
    fn note_foreign(&mut self, chat: i64) {
        if self.foreign.len() >= FOREIGN_MAX && !self.foreign.contains_key(&chat) {
            return;
        }
        let times = self.foreign.entry(chat).or_default();
        *times += 1;
        if times.is_power_of_two() {
            tracing::warn!(
                "bot {}: chat {chat} is not in notify.telegram.chats and gets no answer ({times} messages)",
                self.line.bot()
            );
        }
    }
}

/// How long the server is left alone.
fn pause(error: &BotError, failed: u32) -> Duration {
    let grown = PAUSE_FIRST.saturating_mul(1 << failed.min(10)).min(PAUSE_MAX);
    match error {
        BotError::Token | BotError::Conflict => PAUSE_REFUSED,
        BotError::Busy(_)
        | BotError::Broken(_)
        | BotError::Refused(..)
        | BotError::NoClient(_)
        | BotError::GivenUp => error.pause().unwrap_or(grown),
    }
}
