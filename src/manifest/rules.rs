//! What the schema cannot say: values that must fit each other. Each rule reads the tree and stays silent where a value is missing.

use rust_decimal::Decimal;

use super::{
    kinds::Kind,
    origin::{SourceKind, TextOrigin},
    problem::Problem,
    tables::{Account, FaultTable, SizeBy},
    tree::{Node, Table, Value, get, quoted},
    values::{Size, Span},
};
use crate::domain::{
    decimal::decimal,
    time::{Timeframe, UtcMs},
};

/// The shortest time that a program which uses a card may be given.
const COMPUTE_SPAN_MIN: Span = Span::seconds(1);

/// Checks the tables of a kind against each other.
pub(super) fn check(
    tree: &Table,
    kind: Kind,
    is_inside: &dyn Fn(&str) -> bool,
    problems: &mut Vec<Problem>,
) {
    let mut rules = FileRules { tree, is_inside, problems };
    rules.notify();
    rules.email();
    rules.telegram();
    rules.address("heartbeat.url");
    rules.address("notify.webhook.url");
    rules.compute();
    (kind.row().rules)(&mut rules);
}

/// For kinds of which the schema says all.
pub(super) fn none(_: &mut FileRules<'_>) {}

pub(super) fn live(rules: &mut FileRules<'_>) {
    rules.strategy();
    rules.live();
}

pub(super) fn backtest(rules: &mut FileRules<'_>) {
    rules.strategy();
    rules.backtest();
}

pub(super) fn eqflat(rules: &mut FileRules<'_>) {
    rules.strategy();
    rules.eqflat();
}

pub(super) fn fetch(rules: &mut FileRules<'_>) {
    rules.earlier("fetch.from", "fetch.to");
}

pub(super) fn import(rules: &mut FileRules<'_>) {
    rules.import();
}

pub(super) fn exchange_sim(rules: &mut FileRules<'_>) {
    rules.exchange_sim();
}

pub(super) fn data_quality(rules: &mut FileRules<'_>) {
    rules.data_quality();
}

/// For kinds with a strategy and nothing else to fit.
pub(super) fn strategy(rules: &mut FileRules<'_>) {
    rules.strategy();
}

pub(super) fn healthcheck(rules: &mut FileRules<'_>) {
    rules.health();
}

pub(super) fn heartbeat(rules: &mut FileRules<'_>) {
    rules.health();
    rules.heartbeat();
}

/// For kinds with a target and nothing else to fit.
pub(super) fn target(rules: &mut FileRules<'_>) {
    rules.deploy_target();
}

pub(super) fn deploy(rules: &mut FileRules<'_>) {
    rules.deploy_target();
    rules.deploy_plan();
}

pub(super) fn sweep(rules: &mut FileRules<'_>) {
    rules.strategy();
    super::sweep::check(rules.tree, rules.problems);
}

pub(super) fn train(rules: &mut FileRules<'_>) {
    rules.strategy();
    rules.train();
}

/// What is not wrong, but does nothing.
pub(super) fn warn(tree: &Table, warnings: &mut Vec<Problem>) {
    let (attempts, on) = (get(tree, "run.retry.attempts"), get(tree, "run.retry.on"));
    let retried = attempts.filter(|node| node.at.kind() == SourceKind::Job);
    let retried = retried.filter(|node| node.as_integer().is_some_and(|attempts| attempts != 1));
    let Some(attempts) = retried else { return };
    if get(tree, "schedule").is_none_or(|node| node.items().is_empty()) {
        let message = "`run.retry.attempts` does nothing: only `runner serve` tries again, and this job has no [[schedule]]";
        warnings.push(
            Problem::warning(&attempts.at, message.to_owned())
                .help("add a [[schedule]], or take it out"),
        );
    }
    if on.is_none_or(|on| on.items().is_empty()) {
        let message = "`run.retry.attempts` does nothing: `run.retry.on` names no failure";
        warnings.push(
            Problem::warning(&attempts.at, message.to_owned()).help("name one, such as \"failed\""),
        );
    }
}

/// What is checked of one file.
pub(super) struct FileRules<'a> {
    tree: &'a Table,
    /// Whether a path leads to a place below the root.
    is_inside: &'a dyn Fn(&str) -> bool,
    problems: &'a mut Vec<Problem>,
}

/// Whether a text has the form of an e-mail address; whether somebody reads it there is another question.
fn is_address(text: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && !part
                .contains(|c: char| c.is_whitespace() || c.is_control() || "<>,;:\"@".contains(c))
    };
    text.split_once('@')
        .is_some_and(|(name, host)| plain(name) && plain(host) && !host.starts_with('.'))
}

impl FileRules<'_> {
    fn get(&self, path: &str) -> Option<&Node> {
        get(self.tree, path)
    }

    fn push(&mut self, at: &TextOrigin, message: String, help: &str) {
        self.problems.push(Problem::new(at, message).help(help));
    }

    fn notify(&mut self) {
        let format = self.get("notify.webhook.format").filter(|f| f.as_str() == Some("telegram"));
        if let Some(at) = format.map(|format| format.at.clone())
            && self.get("notify.webhook.chat").is_none()
        {
            let message = "`notify.webhook.chat` is missing, which telegram needs".to_owned();
            self.push(&at, message, "write the number of the chat: chat = \"${secrets.CHAT}\"");
        }
    }

    /// Demands somebody who may command, once there is a token.
    fn telegram(&mut self) {
        let Some(at) = self
            .get("notify.telegram.token")
            // What a secret holds is not known where a manifest is only looked at.
            .filter(|token| !matches!(token.value, Value::Failed))
            .map(|token| token.at.clone())
        else {
            return;
        };
        let chats = self.get("notify.telegram.chats").and_then(Node::as_str).unwrap_or_default();
        if chats.trim().is_empty() {
            let message = "`notify.telegram.chats` is missing: without it no chat may command";
            self.push(
                &at,
                message.to_owned(),
                "write the numbers of the chats: chats = \"123456789\"",
            );
        }
    }

    /// Demands what an e-mail needs, once there is a server for it.
    fn email(&mut self) {
        let text = |rules: &Self, key: &str| {
            rules.get(&format!("notify.email.{key}")).and_then(Node::as_str).map(str::to_owned)
        };
        let Some(server) = self.get("notify.email.server") else { return };
        let (at, server) = (server.at.clone(), server.as_str().unwrap_or_default().to_owned());
        if server.is_empty() {
            return;
        }
        let host = server.rsplit_once(':').map_or(server.as_str(), |(host, _)| host);
        let port = server.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_ok());
        let odd = |c: char| c.is_whitespace() || c.is_control() || "/@:".contains(c);
        if host.is_empty() || host.contains(odd) || !port {
            let message = "`notify.email.server` is not a mail server".to_owned();
            self.push(&at, message, "write its host, and its port where that is not the usual one");
        }
        for key in ["from", "to"] {
            let value = text(self, key).unwrap_or_default();
            let at = self.get(&format!("notify.email.{key}")).map_or(&at, |node| &node.at).clone();
            if value.trim().is_empty() {
                let message = format!("`notify.email.{key}` is missing, which e-mail needs");
                self.push(&at, message, "write an address such as \"ann@example.org\"");
            } else if !value.split(',').all(|part| is_address(part.trim())) {
                let message = format!("`notify.email.{key}` is not an e-mail address");
                self.push(&at, message, "write an address such as \"ann@example.org\"");
            }
        }
        let is_near = ["localhost", "127.0.0.1", "::1"].contains(&host);
        if text(self, "tls").as_deref() == Some("none") && !is_near {
            let message = "`notify.email.tls` is \"none\", and the server is not on this machine";
            self.push(&at, message.to_owned(), "write \"implicit\" or \"starttls\"");
        }
        let has = |key: &str| self.get(&format!("notify.email.{key}")).is_some();
        if has("user") != has("password") {
            let message = "`notify.email` has one of `user` and `password`".to_owned();
            self.push(&at, message, "give both, or neither");
        }
    }

    /// Demands an address of the web. What a secret holds is judged when it is used, and never shown.
    fn address(&mut self, path: &str) {
        let Some(node) = self.get(path).filter(|node| !node.secret) else { return };
        let Some(text) = node.as_str().filter(|text| !text.is_empty()) else { return };
        let (scheme, rest) = text.trim().split_once("://").unwrap_or_default();
        let is_web = ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
        if !is_web || rest.is_empty() || rest.starts_with(['/', '?', '#', ':', '@']) {
            let at = node.at.clone();
            let message = format!("`{path}` is not an address of the web");
            self.push(&at, message, "it must begin with https:// or http:// and name a host");
        }
    }

    /// Demands a place below the root.
    fn below_root(&mut self, path: &str) {
        let Some(node) = self.get(path) else { return };
        let Some(text) = node.as_str().filter(|text| !text.is_empty()) else { return };
        if text.split('/').any(|part| part == "..") || !(self.is_inside)(text) {
            let at = node.at.clone();
            let message = format!("`{path}` is {}, which is outside the root", quoted(text));
            self.push(&at, message, "name a place below the root, such as data/state/NAME");
        }
    }

    /// Demands time in which a program can at least be started.
    fn compute(&mut self) {
        for key in ["compute.probe-timeout", "compute.silence-timeout"] {
            let Some(node) = self.get(key) else { continue };
            let Some(Ok(span)) = node.as_str().map(str::parse::<Span>) else { continue };
            if span < COMPUTE_SPAN_MIN {
                let at = node.at.clone();
                let message = format!("`{key}` is {span}, at least {COMPUTE_SPAN_MIN} is accepted");
                self.push(
                    &at,
                    message,
                    "give it time, or take it out: `device` = \"cpu\" starts no program",
                );
            }
        }
    }

    fn strategy(&mut self) {
        self.not_empty("strategy.model.path");
        self.below_root("strategy.model.path");
        self.affordable();
    }

    /// Demands that the account can pay for one position.
    fn affordable(&mut self) {
        let mode = self.get("strategy.size.mode").and_then(Node::as_str);
        if mode.is_some_and(|mode| mode != SizeBy::Fixed.name()) {
            return;
        }
        let standard = Account::default();
        let keys = ["notional", "cash", "leverage"].map(|key| format!("account.{key}"));
        let given = keys.each_ref().map(|key| self.get(key));
        let usual = [standard.notional.get(), standard.cash.get(), Decimal::ONE];
        let value = |n: usize| match given[n] {
            Some(node) => node.as_float().and_then(decimal),
            None => Some(usual[n]),
        };
        let (Some(wants), Some(has), Some(times)) = (value(0), value(1), value(2)) else { return };
        if has.checked_mul(times).is_none_or(|most| wants <= most) {
            return;
        }
        let Some(at) = given.into_iter().flatten().map(|node| node.at.clone()).next() else {
            return;
        };
        let message = format!(
            "`account.notional` is {wants}, more than `account.cash` ({has}) times `account.leverage` ({times}) can pay for"
        );
        self.push(&at, message, "lower it, or raise one of the two");
    }

    fn live(&mut self) {
        self.not_empty("live.source");
        let feed = self.get("live.feed").and_then(Node::as_str).map(str::to_owned);
        if feed.as_deref() == Some("replay") && self.get("live.source").is_none() {
            let at = self.get("live.feed").map(|node| node.at.clone()).expect("it was just read");
            let help = "name the file of recorded bars: -p source=..., or `source` in [live]";
            self.push(
                &at,
                "`live.source` is missing, which feed \"replay\" needs".to_owned(),
                help,
            );
        }
        match feed.as_deref() {
            Some("replay" | "synthetic") => {
                for key in ["from", "to"] {
                    self.needed_by_feed(key);
                }
            }
            Some(_) => self.foreign_to_http(),
            None => {}
        }
        self.earlier("live.from", "live.to");
    }

    /// Demands that one time is earlier than another.
    fn earlier(&mut self, from: &str, to: &str) {
        let (Some(start), Some(end)) = (self.time(from), self.time(to)) else { return };
        if start.0 >= end.0 {
            let message = format!(
                "`{to}` is {}, it must be later than `{from}`, which is {}",
                end.0, start.0
            );
            self.push(&end.1, message, "move one of them");
        }
    }

    fn exchange_sim(&mut self) {
        self.earlier("exchange-sim.from", "exchange-sim.to");
        if let Some(speed) = self.get("exchange-sim.speed").filter(|s| s.as_str() == Some("max")) {
            let at = speed.at.clone();
            let message =
                "`exchange-sim.speed` is \"max\": others live in this time too".to_owned();
            self.push(&at, message, "write a factor such as \"60x\"");
        }
        self.below_root("exchange-sim.port-file");
        let is_coinbase =
            self.get("exchange-sim.protocol").and_then(Node::as_str) == Some("coinbase");
        if let Some(ban) = self.get("exchange-sim.faults.ban").filter(|_| is_coinbase)
            && ban.as_float().is_some_and(|chance| chance > 0.0)
        {
            let at = ban.at.clone();
            let message =
                "`exchange-sim.faults.ban` has no meaning with protocol \"coinbase\"".to_owned();
            self.push(&at, message, "take it out: Coinbase throttles, it does not ban");
        }
        self.chances();
    }

    fn chances(&mut self) {
        let chance = |rules: &Self, key| {
            rules.get(&format!("exchange-sim.faults.{key}")).and_then(Node::as_float)
        };
        let sum: f64 = FaultTable::OF_REQUESTS.iter().filter_map(|key| chance(self, key)).sum();
        let Some(table) = self.get("exchange-sim.faults") else { return };
        if sum > 1.0 + 1e-9 {
            let at = table.at.clone();
            let message = format!("the chances of [exchange-sim.faults] sum up to {sum}");
            let help = "at most one fault meets a request: from `latency` to `wrong-date` they may sum up to 1";
            self.push(&at, message, help);
        }
    }

    fn needed_by_feed(&mut self, key: &str) {
        let path = format!("live.{key}");
        if self.get(&path).is_some() {
            return;
        }
        let Some(table) = self.get("live") else { return };
        let at = table.at.clone();
        let help = format!("give it with -p {key}=..., or `{key}` in [live]");
        let message = format!("`{path}` is missing, which recorded and made-up feeds need");
        self.push(&at, message, &help);
    }

    fn foreign_to_http(&mut self) {
        for path in ["live.from", "live.source"] {
            let Some(node) = self.get(path) else { continue };
            // A check without a run has no value for some parameters.
            if matches!(node.value, super::tree::Value::Failed) {
                continue;
            }
            let at = node.at.clone();
            let message = format!("`{path}` has no meaning with feed \"http\"");
            self.push(&at, message, "take it out, or choose the feed: -p feed=replay");
        }
    }

    fn time(&self, path: &str) -> Option<(UtcMs, TextOrigin)> {
        let node = self.get(path)?;
        let text = node.as_str().map(str::to_owned);
        let text = text.or_else(|| Some(node.as_integer()?.to_string()));
        let text = text.or_else(|| match &node.value {
            super::tree::Value::Datetime(text) => Some(text.clone()),
            _ => None,
        })?;
        Some((text.parse().ok()?, node.at.clone()))
    }

    fn not_empty(&mut self, path: &str) {
        let Some(node) = self.get(path) else { return };
        if node.as_str() == Some("") {
            let at = node.at.clone();
            self.push(&at, format!("`{path}` is empty"), "name a file");
        }
    }

    /// A file needs its path; made-up bars need their window.
    fn import(&mut self) {
        self.not_empty("import.path");
        self.earlier("import.from", "import.to");
        let is_made_up = self.get("import.source").and_then(Node::as_str) == Some("synthetic");
        let needed: &[&str] = if is_made_up { &["from", "to"] } else { &["path"] };
        for key in needed {
            let path = format!("import.{key}");
            if self.get(&path).is_none()
                && let Some(at) = self.get("import").map(|table| table.at.clone())
            {
                let of = if is_made_up { "made-up bars need" } else { "a file needs" };
                let help = format!("give it with -p {key}=..., or `{key}` in [import]");
                self.push(&at, format!("`{path}` is missing, which {of}"), &help);
            }
        }
    }

    fn backtest(&mut self) {
        for key in ["backtest.tag", "backtest.runid"] {
            if let Some(table) = self.get("backtest")
                && self.get(key).is_none()
            {
                let at = table.at.clone();
                self.push(&at, format!("`{key}` is missing"), "write it in [backtest]");
            }
        }
        self.window("backtest");
        self.earlier("backtest.from", "backtest.to");
        for (time, ms) in [("from", "start-ts-ms"), ("to", "end-ts-ms")] {
            let [time, ms] = [time, ms].map(|key| format!("backtest.{key}"));
            if let (Some((_, at)), Some(_)) = (self.time(&time), self.integer(&ms)) {
                self.push(
                    &at,
                    format!("`{time}` and `{ms}` are both given"),
                    "give one of the two",
                );
            }
        }
    }

    /// Demands that a table's window lies on the grid and does not end before it starts.
    fn window(&mut self, table: &str) {
        let [start_key, end_key] = ["start", "end"].map(|end| format!("{table}.{end}-ts-ms"));
        let timeframe = self.timeframe("market.timeframe");
        for key in [&start_key, &end_key] {
            let Some((ts_ms, at)) = self.integer(key) else { continue };
            if let Some(Err(error)) = timeframe.map(|timeframe| timeframe.slot(ts_ms)) {
                self.push(&at, format!("`{key}`: {error}"), "take a bar close of this timeframe");
            }
        }
        if let (Some((start, _)), Some((end, at))) =
            (self.integer(&start_key), self.integer(&end_key))
            && start > end
        {
            let message = format!("`{end_key}` is {end}, before `{start_key}`, which is {start}");
            self.push(&at, message, "swap them, or change one");
        }
    }

    fn timeframe(&self, path: &str) -> Option<Timeframe> {
        self.get(path)?.as_str()?.parse().ok()
    }

    fn data_quality(&mut self) {
        self.window("data-quality");
        let key = "data-quality.against.timeframe";
        if let (Some(ours), Some(other)) = (self.timeframe("market.timeframe"), self.timeframe(key))
            && ours.ms() % other.ms() != 0
        {
            let at = self.get(key).map(|node| node.at.clone()).expect("it was just read");
            let message = format!("bars of {ours} cannot be put together from bars of {other}");
            self.push(&at, message, "take a timeframe that divides it");
        }
    }

    fn train(&mut self) {
        self.window("train");
        let (embargo, horizon) = ("train.folds.embargo-bars", "train.label.horizon-bars");
        if let (Some((embargo, at)), Some((horizon, _))) =
            (self.integer(embargo), self.integer(horizon))
            && embargo < horizon
        {
            let message = format!(
                "`train.folds.embargo-bars` is {embargo}, below `train.label.horizon-bars`, which is {horizon}"
            );
            self.push(&at, message, "raise it, or take it out: without it, it is a day or more");
        }
    }

    /// A host needs a user and a port; a folder of this machine has neither.
    fn deploy_target(&mut self) {
        let host = self.get("target.host").map(|host| host.at.clone());
        for key in ["user", "port"] {
            let path = format!("target.{key}");
            if let (Some(at), None) = (&host, self.get(&path)) {
                let message = format!("`{path}` is missing, which a host needs");
                let help = format!("write it in [target], or give it with --set {path}=...");
                self.push(&at.clone(), message, &help);
            }
        }
        for key in ["user", "port", "host-key", "identity"] {
            let path = format!("target.{key}");
            if let (None, Some(node)) = (&host, self.get(&path)) {
                let at = node.at.clone();
                let message = format!("`{path}` has no meaning without `target.host`");
                self.push(&at, message, "name the host, or take it out");
            }
        }
    }

    /// What was looked at earlier is the tree of the source, and what goes back is another one.
    fn deploy_plan(&mut self) {
        let mode = self.get("deploy.mode").and_then(Node::as_str).unwrap_or_default();
        let held = matches!(mode, "" | "sync" | "plan");
        if let Some(at) = self.get("deploy.plan").filter(|_| !held).map(|plan| plan.at.clone()) {
            let message = format!("`deploy.plan` has no meaning with `deploy.mode` \"{mode}\"");
            self.push(
                &at,
                message,
                "take it out: this looks for itself, and holds on to what it saw",
            );
        }
        if let Some(at) = self.get("deploy-check.plan").map(|plan| plan.at.clone()) {
            let message = "`deploy-check.plan` has no meaning in a deploy job".to_owned();
            self.push(&at, message, "write `deploy.plan`");
        }
    }

    fn integer(&self, path: &str) -> Option<(i64, TextOrigin)> {
        let node = self.get(path)?;
        Some((node.as_integer()?, node.at.clone()))
    }

    fn health(&mut self) {
        self.strategy();
        let is_true = |fold: &&Node| matches!(fold.value, super::tree::Value::Boolean(true));
        let fold = self.get("healthcheck.fold").filter(is_true);
        if let Some(at) = fold.map(|fold| fold.at.clone())
            && self.get("strategy").is_none()
        {
            let message = "`healthcheck.fold` is true, and [strategy] is missing".to_owned();
            self.push(&at, message, "extend the file that LIVE has its strategy from");
        }
        self.not_above("healthcheck.disk-free-fail", "healthcheck.disk-free-warn");
    }

    /// Demands that one size is not above another.
    fn not_above(&mut self, low: &str, high: &str) {
        let size = |path| self.get(path)?.as_str()?.parse::<Size>().ok();
        let (Some(x), Some(y)) = (size(low), size(high)) else { return };
        let at = self.get(low).or_else(|| self.get(high)).map(|node| node.at.clone());
        if let Some(at) = at.filter(|_| x.bytes() > y.bytes()) {
            let message = format!("`{low}` is {x}, above `{high}`, which is {y}");
            self.push(&at, message, "swap them, or change one");
        }
    }

    fn heartbeat(&mut self) {
        let mode = self.get("healthcheck.mode").filter(|mode| mode.as_str() == Some("strict"));
        if let Some(at) = mode.map(|mode| mode.at.clone()) {
            let message = "`healthcheck.mode` is \"strict\" in a heartbeat".to_owned();
            self.push(&at, message, "take it out: a heartbeat is always \"operator\"");
        }
    }

    fn eqflat(&mut self) {
        let window = "take it out: eqflat names the replay and takes the window from LIVE";
        let table = "take it out: `runner features` with the tag of the loop makes the table";
        let keys =
            ["tag", "runid", "start-ts-ms", "end-ts-ms", "from", "to"].map(|key| (key, window));
        for (key, help) in keys.into_iter().chain([("features", table)]) {
            let given = self.get(&format!("backtest.{key}"));
            // A key with a default is always there.
            let given = given.filter(|node| !matches!(node.value, Value::Boolean(false)));
            if let Some(node) = given {
                let at = node.key.clone();
                let message = format!("`backtest.{key}` has no meaning in an eqflat job");
                self.push(&at, message, help);
            }
        }
    }
}
