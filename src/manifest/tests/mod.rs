//! Tests of the module as a whole: texts in, plan or problems out.

mod layers;
mod messages;
mod pipelines;
mod references;
mod schedules;
mod shipped;
mod strategies;
mod syntax;

use std::collections::BTreeMap;

use super::{Problems, Resolved, RunFacts, Source, Sources, Style, TextError, check, resolve};
use crate::domain::time::UtcMs;

/// A job and its surroundings, in memory.
#[derive(Debug, Clone, Default)]
struct Case {
    job: (String, String),
    files: BTreeMap<String, String>,
    profiles: Vec<String>,
    env: BTreeMap<String, String>,
    params: Vec<(String, String)>,
    scheduled: Vec<(String, String)>,
    sets: Vec<(String, String)>,
}

impl Case {
    /// A job file `jobs/t.toml`.
    fn new(text: &str) -> Self {
        Self::named("jobs/t.toml", text)
    }

    fn named(path: &str, text: &str) -> Self {
        Self { job: (path.into(), text.into()), ..Self::default() }
    }

    fn file(mut self, path: &str, text: &str) -> Self {
        self.files.insert(path.into(), text.into());
        self
    }

    fn profile(mut self, name: &str) -> Self {
        self.profiles.push(name.into());
        self
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    fn p(mut self, name: &str, value: &str) -> Self {
        self.params.push((name.into(), value.into()));
        self
    }

    fn scheduled(mut self, name: &str, value: &str) -> Self {
        self.scheduled.push((name.into(), value.into()));
        self
    }

    fn set(mut self, path: &str, value: &str) -> Self {
        self.sets.push((path.into(), value.into()));
        self
    }

    fn with<T>(&self, run: impl FnOnce(Sources<'_>) -> T) -> T {
        let facts =
            RunFacts { id: "run_1".into(), started: UtcMs::new(1_700_000_000_000).unwrap() };
        let missing = || TextError::System("no such file".to_owned());
        let look = |path: &str| self.files.get(path).cloned().ok_or_else(missing);
        let (mut read, mut read_secret) = (look, look);
        run(Sources {
            job: Source { path: self.job.0.clone(), text: self.job.1.clone() },
            read: &mut read,
            read_secret: &mut read_secret,
            names: &|| self.names(),
            is_inside: &|path| !path.starts_with('/'),
            profiles: &self.profiles,
            env: &self.env,
            params: &self.params,
            scheduled: &self.scheduled,
            sets: &self.sets,
            run: &facts,
            item: None,
        })
    }

    /// What `-P` can name.
    fn names(&self) -> Vec<String> {
        let name = |path: &String| {
            let (folder, file) = path.split_once('/')?;
            let is_named = ["profiles", "strategies"].contains(&folder);
            is_named.then(|| file.trim_end_matches(".toml").to_owned())
        };
        self.files.keys().filter_map(name).collect()
    }

    fn resolve(&self) -> Result<Resolved, Problems> {
        self.with(resolve)
    }

    fn good(&self) -> Resolved {
        self.resolve().unwrap_or_else(|p| panic!("{}", p.render(PLAIN)))
    }

    fn bad(&self) -> Problems {
        match self.resolve() {
            Ok(resolved) => panic!("it resolved:\n{}", resolved.to_toml()),
            Err(problems) => problems,
        }
    }

    /// `value | origin` of one row of `explain`.
    fn explained(&self, path: &str) -> String {
        let rows = self.good().explain();
        let row = rows.iter().find(|row| row.path == path);
        row.map_or("absent".to_owned(), |row| format!("{} | {}", row.value, row.origin))
    }

    /// One line per problem.
    fn says(&self) -> String {
        self.bad().to_string()
    }

    fn checks(&self) -> Result<Problems, Problems> {
        self.with(check)
    }
}

const PLAIN: Style = Style { color: false, width: 100 };

/// The smallest job there is.
const EXEC: &str = "manifest = 1\nname = \"t\"\nkind = \"exec\"\n[exec]\nrun = [\"true\"]\n";

/// A backtest whose numbers come from nowhere else.
const BACKTEST: &str = r#"manifest = 1
name = "t"
kind = "backtest"
[market]
exchange = "binance"
symbol = "BTC/USDT"
timeframe = "5m"
[strategy]
enter = [{ rule = "up", side = "long", when = "close > open" }]
[backtest]
tag = "a"
runid = "r"
"#;
