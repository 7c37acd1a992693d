//! The strategies that are shipped, read as a job reads them, with other numbers and stops.

use std::{collections::BTreeMap, fs};

use mjolnir::{
    domain::time::{Timeframe, UtcMs},
    engine::strategy::Strategy,
    language::{self, RawDistances, RawProtect, RawStrategy},
    manifest::{Job, RunFacts, Source, Sources, TextError, resolve},
};

/// Stops in multiples of the average true range.
#[derive(Debug, Clone, Copy)]
pub struct Stops {
    pub atr: u32,
    pub stop: f64,
    pub target: Option<f64>,
    pub trail: Option<f64>,
}

impl Stops {
    pub const fn only(atr: u32, stop: f64) -> Self {
        Self { atr, stop, target: None, trail: None }
    }

    fn raw(self) -> RawProtect {
        let text = |times: f64| format!("{times:?} * atr({})", self.atr);
        let both = RawDistances {
            stop: Some(text(self.stop)),
            target: self.target.map(text),
            trail: self.trail.map(text),
            ..RawDistances::default()
        };
        RawProtect { both, ..RawProtect::default() }
    }
}

/// The rules of strategies/NAME.toml with the values of some params.
pub fn shipped(name: &str, params: &[(&str, f64)]) -> RawStrategy {
    let read_file = |path: &str| {
        let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
        fs::read_to_string(&path).map_err(|error| TextError::System(format!("{path}: {error}")))
    };
    let text = format!(
        "manifest = 1\nname = 't'\nkind = 'backtest'\nextends = ['../strategies/{name}.toml']\n\
         [market]\nexchange = 'kraken'\nsymbol = 'BTC/USD'\ntimeframe = '5m'\n[backtest]\ntag = 'a'\nrunid = 'r'\n"
    );
    let (mut read, mut read_secret) = (read_file, read_file);
    let params: Vec<_> =
        params.iter().map(|(name, value)| ((*name).to_owned(), value.to_string())).collect();
    let sources = Sources {
        job: Source { path: "jobs/t.toml".to_owned(), text },
        read: &mut read,
        read_secret: &mut read_secret,
        names: &Vec::new,
        is_inside: &|_| true,
        profiles: &[],
        env: &BTreeMap::new(),
        params: &params,
        scheduled: &[],
        sets: &[],
        run: &RunFacts { id: "r".to_owned(), started: UtcMs::EPOCH },
        item: None,
    };
    let resolved = resolve(sources).unwrap_or_else(|problems| panic!("{problems}"));
    let Job::Backtest(job) = resolved.manifest.job else { panic!("not a backtest") };
    job.trading.rules
}

/// A strategy without a model.
pub fn strategy(raw: &RawStrategy, timeframe: Timeframe) -> Strategy {
    let rules = language::CheckedStrategy::new(raw, &language::Values::new(), timeframe, &[]);
    Strategy::new(rules.unwrap_or_else(|problems| panic!("{problems:?}")), None)
}

/// Averages that cross, with these stops.
pub fn ema_atr(lengths: [u32; 2], stops: Stops, timeframe: Timeframe) -> Strategy {
    let [fast, slow] = lengths.map(f64::from);
    let raw = RawStrategy {
        protect: stops.raw(),
        cadence_bars: 1,
        ..shipped("ema_atr", &[("fast", fast), ("slow", slow)])
    };
    strategy(&raw, timeframe)
}

/// Return from an extreme, with the levels at which it is oversold, overbought and left, and these stops.
pub fn rsi_revert(
    period: u32,
    [oversold, overbought, exit]: [f64; 3],
    stops: Stops,
    timeframe: Timeframe,
) -> Strategy {
    let params = [
        ("period", f64::from(period)),
        ("oversold", oversold),
        ("overbought", overbought),
        ("middle", exit),
    ];
    let raw =
        RawStrategy { protect: stops.raw(), cadence_bars: 1, ..shipped("rsi_revert", &params) };
    strategy(&raw, timeframe)
}
