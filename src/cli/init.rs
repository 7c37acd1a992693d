//! `runner init`: makes a box, a folder with jobs, profiles, strategies and `.env`, and says what to type next.

pub(super) mod files;

use std::{
    fs,
    io::{self, BufRead as _, IsTerminal as _},
    path::{Path, PathBuf},
};

use serde_json::json;

use self::files::{BoxFile, BoxSettings, files, strategies};
use super::{
    args::InitArgs,
    output::{plain, print, print_json, say},
    refuse::tell,
};
use crate::{
    clock::{Clock as _, SystemClock},
    domain::{
        ids::{Exchange, NameError, Tag},
        series::Symbol,
        text::quoted,
        time::{TimeError, Timeframe},
    },
    exchange::venue::registry::Venue,
    exit::Exit,
    outcome::Failure,
    store::disk::{Disk as _, RealDisk, parent},
};

/// Version of the document that `--json` prints.
const SCHEMA: &str = "mjolnir.init/1";
/// The program that is named in what to type next. `tests/it/e2e/init.rs` types it.
const PROGRAM: &str = "runner";
/// How many bars are fetched first, where a venue keeps that many: a week of five minutes.
const FIRST_BARS: u32 = 2016;
/// Of the bars that a venue keeps, so many of ten are asked for: the oldest are gone while the request is on its way.
const TENTHS_KEPT: u32 = 8;

/// A setting that is asked for, with what is taken when the answer is empty.
struct Question {
    flag: &'static str,
    meaning: &'static str,
    usual: &'static str,
    /// What there is to choose from, where that is not obvious.
    choices: fn() -> Vec<&'static str>,
}

const QUESTIONS: [Question; 5] = [
    Question { flag: "exchange", meaning: "exchange", usual: "kraken", choices: venues },
    Question { flag: "symbol", meaning: "symbol, BASE/QUOTE", usual: "BTC/USD", choices: Vec::new },
    Question { flag: "timeframe", meaning: "timeframe", usual: "5m", choices: timeframes },
    Question { flag: "strategy", meaning: "strategy", usual: "ema_atr", choices: strategies },
    Question {
        flag: "tag",
        meaning: "tag, the name of its ledgers",
        usual: "paper",
        choices: Vec::new,
    },
];

pub fn init_box(root: Option<&Path>, args: &InitArgs, json: bool) -> Exit {
    let dir = args.dir.as_deref().or(root).unwrap_or(Path::new("."));
    match make(dir, args) {
        Ok(made) => {
            report(&made, json);
            Exit::Ok
        }
        Err(failure) => tell(&failure, json),
    }
}

/// A box that was made.
struct MadeBox {
    dir: PathBuf,
    settings: BoxSettings,
    written: Vec<String>,
    /// What was there and stays as it is.
    kept: Vec<String>,
}

fn make(dir: &Path, args: &InitArgs) -> Result<MadeBox, Failure> {
    // Before a question is asked: an answer that cannot be used is a waste of the time of whoever gives it.
    can_be_typed(dir)?;
    may_become_a_box(dir)?;
    let settings = settings(args)?;
    let (kept, new): (Vec<BoxFile>, Vec<BoxFile>) =
        files(&settings).into_iter().partition(|file| dir.join(&file.path).exists());
    let written = write(dir, &new)?;
    let kept = kept.into_iter().map(|file| file.path).collect();
    Ok(MadeBox { dir: dir.to_owned(), settings, written, kept })
}

fn failed(exit: Exit, message: String) -> Failure {
    Failure::new(exit, message)
}

/// Refuses a name that cannot be typed: the commands to type next begin with it, and documents hold it.
fn can_be_typed(dir: &Path) -> Result<(), Failure> {
    if dir.to_str().is_some_and(|text| !text.chars().any(char::is_control)) {
        return Ok(());
    }
    let message = format!(
        "{} has control characters, or bytes that are not UTF-8: name another folder",
        plain(&dir.display().to_string())
    );
    Err(failed(Exit::Usage, message))
}

/// Refuses a folder in which something would have to be overwritten.
fn may_become_a_box(dir: &Path) -> Result<(), Failure> {
    let shown = dir.display();
    match fs::symlink_metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(Exit::Io, format!("{shown}: {error}"))),
        Ok(_) if !dir.is_dir() => {
            let message =
                format!("{shown} is not a folder: name one, or one that does not exist yet");
            return Err(failed(Exit::Usage, message));
        }
        Ok(_) => {}
    }
    let taken: Vec<&str> = ["jobs", "profiles", "strategies", "data", ".env"]
        .into_iter()
        .filter(|name| dir.join(name).symlink_metadata().is_ok())
        .collect();
    if taken.is_empty() {
        return Ok(());
    }
    let message = format!(
        "{shown} has {} already, and init overwrites nothing: name another folder, or move them away",
        taken.join(", ")
    );
    Err(failed(Exit::Negative, message))
}

/// The settings: of flags, or else of answers on the terminal.
fn settings(args: &InitArgs) -> Result<BoxSettings, Failure> {
    let given = [&args.exchange, &args.symbol, &args.timeframe, &args.strategy, &args.tag];
    let missing: Vec<&str> = QUESTIONS
        .iter()
        .zip(given)
        .filter(|(_, given)| given.is_none())
        .map(|(question, _)| question.flag)
        .collect();
    let can_ask = io::stdin().is_terminal() && io::stderr().is_terminal();
    if !missing.is_empty() && !args.yes && !can_ask {
        let flags: Vec<String> = missing.iter().map(|flag| format!("--{flag}")).collect();
        let message = format!(
            "this is not a terminal, so nothing can be asked, and nothing was written: give {}, or --yes for the usual values",
            flags.join(", ")
        );
        return Err(failed(Exit::Usage, message));
    }
    let answer = |at: usize, check: &dyn Fn(&str) -> Result<String, String>| {
        let question = &QUESTIONS[at];
        let usual = args.yes.then_some(question.usual);
        match given[at].as_deref().or(usual) {
            Some(text) => check(text)
                .map_err(|why| failed(Exit::Usage, format!("--{}: {why}", question.flag))),
            None => ask(question, check),
        }
    };
    let exchange = answer(0, &venue)?;
    let symbol = answer(1, &as_is::<Symbol>)?;
    let timeframe = answer(2, &|text| served(&exchange, &symbol, text))?;
    let strategy = answer(3, &shipped_strategy)?;
    let tag = answer(4, &as_is::<Tag>)?;
    // Each was parsed a moment ago.
    let bug = || failed(Exit::Bug, "an answer that was checked cannot be read".to_owned());
    Ok(BoxSettings {
        exchange,
        symbol: symbol.parse().map_err(|_| bug())?,
        timeframe: timeframe.parse().map_err(|_| bug())?,
        strategy,
        tag: tag.parse().map_err(|_| bug())?,
    })
}

/// Asks until the answer can be used. The end of the input gives up.
fn ask(
    question: &Question,
    check: &dyn Fn(&str) -> Result<String, String>,
) -> Result<String, Failure> {
    let choices = (question.choices)();
    if !choices.is_empty() {
        say(&format!("({})", choices.join(" ")));
    }
    loop {
        say(&format!("{} [{}]:", question.meaning, question.usual));
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line);
        let read = read.map_err(|error| failed(Exit::Io, format!("the terminal: {error}")))?;
        if read == 0 {
            return Err(failed(
                Exit::Usage,
                "the answers ended early; nothing was written".to_owned(),
            ));
        }
        let answer = Some(line.trim()).filter(|line| !line.is_empty()).unwrap_or(question.usual);
        match check(answer) {
            Ok(answer) => return Ok(answer),
            Err(why) => say(&why),
        }
    }
}

fn venues() -> Vec<&'static str> {
    Venue::ALL.iter().map(|venue| venue.name()).collect()
}

fn timeframes() -> Vec<&'static str> {
    Timeframe::ALL.iter().map(|timeframe| timeframe.name()).collect()
}

/// The venue by our name, also when it was given by the one that ccxt has.
fn venue(text: &str) -> Result<String, String> {
    let exchange: Exchange = text.parse().map_err(|error: NameError| error.to_string())?;
    let found = Venue::of(&exchange);
    found.map(|venue| venue.name().to_owned()).ok_or_else(|| {
        format!("`{text}` is not a venue that can be asked; there are {}", venues().join(" "))
    })
}

/// A value as its type writes it.
fn as_is<T: std::str::FromStr<Err: std::fmt::Display> + std::fmt::Display>(
    text: &str,
) -> Result<String, String> {
    text.parse::<T>().map(|value| value.to_string()).map_err(|error| error.to_string())
}

/// A timeframe that the venue has.
fn served(venue: &str, symbol: &str, text: &str) -> Result<String, String> {
    let timeframe: Timeframe = text.parse().map_err(|error: TimeError| error.to_string())?;
    let known = venue.parse().ok().as_ref().and_then(Venue::of).zip(symbol.parse().ok());
    match known.map(|(venue, symbol)| venue.serves(&symbol, timeframe)) {
        Some(Err(fault)) => Err(fault.why),
        Some(Ok(())) | None => Ok(timeframe.to_string()),
    }
}

fn shipped_strategy(text: &str) -> Result<String, String> {
    let all = strategies();
    match all.iter().find(|name| **name == text) {
        Some(name) => Ok((*name).to_owned()),
        None => {
            Err(format!("`{text}` is not a strategy that is shipped; there are {}", all.join(" ")))
        }
    }
}

/// Writes files that do not exist. When one cannot be written, those before it are taken back.
fn write(dir: &Path, files: &[BoxFile]) -> Result<Vec<String>, Failure> {
    let disk = RealDisk::new(dir);
    let mut written: Vec<&str> = Vec::new();
    // Variables may hold secrets.
    let create = |path: &Path, name: &str| {
        if name == ".env" { disk.create_private(path) } else { disk.create_new(path) }
    };
    for file in files {
        let path = dir.join(&file.path);
        let done = disk
            .create_dir_all(parent(&path))
            .and_then(|()| create(&path, &file.path))
            .map(|()| written.push(&file.path))
            .and_then(|()| disk.append(&path, file.text.as_bytes()))
            .and_then(|()| disk.sync(&path))
            .map_err(Failure::from);
        if let Err(failure) = done {
            take_back(&disk, dir, &written);
            return Err(failure);
        }
    }
    Ok(files.iter().map(|file| file.path.clone()).collect())
}

/// Removes what was written, and the folders that are empty then. What cannot be removed stays: the error that led here is said.
fn take_back(disk: &RealDisk, dir: &Path, written: &[&str]) {
    for path in written {
        let _ = disk.remove(&dir.join(path));
    }
    for folder in ["jobs", "profiles", "strategies/examples", "strategies"] {
        let _ = disk.remove_dir(&dir.join(folder));
    }
}

/// When the first fetch begins: a whole hour, and one that the venue still has.
fn first_fetch(settings: &BoxSettings) -> String {
    let spec = settings.exchange.parse().ok().as_ref().and_then(Venue::of).map(Venue::spec);
    let kept = spec.and_then(|spec| spec.horizon_bars).map(|bars| bars * TENTHS_KEPT / 10);
    let bars = i64::from(kept.unwrap_or(FIRST_BARS).min(FIRST_BARS));
    let hour_ms = 3_600_000;
    let from = SystemClock.now().plus_ms(-bars * settings.timeframe.ms());
    from.plus_ms(hour_ms - from.get().rem_euclid(hour_ms)).format("%Y-%m-%dT%H:%M:%SZ")
}

/// What to type next, each with what it does: on made-up bars, and with the venue.
fn next(made: &MadeBox) -> [[(String, &'static str); 3]; 2] {
    let run = |rest: &str| format!("{PROGRAM} run jobs/{rest}");
    let from = first_fetch(&made.settings);
    [
        [
            (run("made-up.toml"), "two months of made-up bars"),
            (run("backtest.toml -P made-up"), "the strategy on them"),
            (run("live.toml -P made-up"), "the loop, three days as fast as it can"),
        ],
        [
            (run(&format!("fetch.toml -p from={from}")), "bars of the venue"),
            (run("backtest.toml"), "the strategy on them"),
            (run("live.toml"), "the loop, until Ctrl-C"),
        ],
    ]
}

fn report(made: &MadeBox, json: bool) {
    let MadeBox { dir, settings, written, kept } = made;
    let [offline, online] = next(made);
    if json {
        let commands = |list: &[(String, &str)]| {
            list.iter().map(|(command, _)| command.clone()).collect::<Vec<_>>()
        };
        print_json(&json!({
            "schema": SCHEMA, "dir": dir, "exchange": settings.exchange, "symbol": settings.symbol.to_string(),
            "timeframe": settings.timeframe.to_string(), "strategy": settings.strategy, "tag": settings.tag.to_string(),
            "written": written, "kept": kept, "next": { "made_up": commands(&offline), "venue": commands(&online) },
        }));
        return;
    }
    let shown = plain(&dir.display().to_string());
    print(&format!("{shown}: {} files of a box were written\n", written.len()));
    for path in kept {
        let more = if path == ".gitignore" { "; add the lines /data and /.env to it" } else { "" };
        print(&format!("{path} was there and stays as it is{more}\n"));
    }
    let venue = format!("with {} {} {}:", settings.exchange, settings.symbol, settings.timeframe);
    if dir != Path::new(".") {
        // What begins with a dash is a flag to the shell.
        let flagged = if shown.starts_with('-') { "./" } else { "" };
        print(&format!("\nnext, there:\n  cd {}\n", quoted(&format!("{flagged}{shown}"))));
    }
    for (head, commands) in [("without a network:", &offline), (venue.as_str(), &online)] {
        print(&format!("\n{head}\n"));
        let width = commands.iter().map(|(command, _)| command.len()).max().unwrap_or_default();
        for (command, meaning) in commands {
            print(&format!("  {command:width$}  # {meaning}\n"));
        }
    }
    print(&format!(
        "\nthen prove it:\n  {PROGRAM} run jobs/eqflat.toml -P made-up\n  {PROGRAM} run jobs/eqflat.toml\n"
    ));
}
