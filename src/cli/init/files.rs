//! The files of a new box: the shipped jobs, profiles and strategies that every box needs, and what the answers make of them.

use crate::domain::{ids::Tag, series::Symbol, time::Timeframe};

/// What a box trades, and under which name it keeps what it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoxSettings {
    /// A venue, by our name.
    pub exchange: String,
    pub symbol: Symbol,
    /// The length of one bar.
    pub timeframe: Timeframe,
    /// A strategy that is shipped.
    pub strategy: String,
    /// The namespace of the ledgers.
    pub tag: Tag,
}

/// A file of a box.
#[derive(Debug, PartialEq, Eq)]
pub struct BoxFile {
    /// Below the folder of the box.
    pub path: String,
    pub text: String,
}

macro_rules! shipped {
    ($($path:literal)+) => {
        &[$(($path, include_str!(concat!("../../../", $path))),)+]
    };
}

/// Path and text of every shipped file that a new box gets. Deploys, drills and trainings are for people who have the source tree.
const SHIPPED: &[(&str, &str)] = shipped! {
    "jobs/backtest.toml" "jobs/check.toml" "jobs/data-quality.toml" "jobs/demo.toml" "jobs/eqflat.toml" "jobs/fetch.toml"
    "jobs/healthcheck.toml" "jobs/heartbeat.toml" "jobs/import.toml" "jobs/live.toml" "jobs/made-up.toml" "jobs/report.toml"
    "jobs/demo-edge.toml" "jobs/demo-no-edge.toml" "jobs/demo-sweep.toml" "jobs/equivalence.toml" "jobs/sweep.toml" "jobs/walk-forward.toml"
    "profiles/auto.toml" "profiles/base.toml" "profiles/cpu.toml" "profiles/gpu.toml" "profiles/made-up.toml" "profiles/market.toml"
    "profiles/replay.toml" "profiles/slurm.toml"
    "strategies/bollinger_revert.toml" "strategies/donchian.toml" "strategies/ema_atr.toml" "strategies/golden.toml"
    "strategies/rsi_revert.toml"
    "strategies/examples/day_range.toml" "strategies/examples/donchian_trail.toml" "strategies/examples/golden_cross.toml"
    "strategies/examples/inside_bar.toml" "strategies/examples/macd_hourly.toml" "strategies/examples/revert_time_stop.toml"
    "strategies/examples/rsi2.toml" "strategies/examples/signal_writer.py" "strategies/examples/signals.toml"
    "strategies/examples/squeeze.toml" "strategies/examples/time_of_day.toml" "strategies/examples/volatility_target.toml"
};
/// The profile that names the market and the strategy, and what is written there of both.
const MARKET: &str = "profiles/market.toml";
const SHIPPED_STRATEGY: &str = "../strategies/ema_atr.toml";
const SHIPPED_MARKET: &str = "exchange = \"kraken\"\nsymbol = \"BTC/USD\"\ntimeframe = \"5m\"\n";

/// The names of the strategies that a box can begin with, sorted.
pub fn strategies() -> Vec<&'static str> {
    // Those in `examples/` are to be read and copied.
    let name = |path: &'static str| {
        path.strip_prefix("strategies/")?.strip_suffix(".toml").filter(|name| !name.contains('/'))
    };
    SHIPPED.iter().filter_map(|(path, _)| name(path)).collect()
}

/// Every file of a box, by its path.
pub fn files(settings: &BoxSettings) -> Vec<BoxFile> {
    let shipped = SHIPPED.iter().map(|(path, text)| {
        let text = if *path == MARKET { market(settings, text) } else { (*text).to_owned() };
        BoxFile { path: (*path).to_owned(), text }
    });
    let own = [
        (".env", variables(settings)),
        (".gitignore", "/data\n/.env\n".to_owned()),
        ("README.md", readme(settings)),
    ];
    let own = own.map(|(path, text)| BoxFile { path: path.to_owned(), text });
    shipped.chain(own).collect()
}

fn market(settings: &BoxSettings, shipped: &str) -> String {
    let BoxSettings { exchange, symbol, timeframe, strategy, tag: _ } = settings;
    let values =
        format!("exchange = \"{exchange}\"\nsymbol = \"{symbol}\"\ntimeframe = \"{timeframe}\"\n");
    shipped
        .replace(SHIPPED_STRATEGY, &format!("../strategies/{strategy}.toml"))
        .replace(SHIPPED_MARKET, &values)
}

fn variables(settings: &BoxSettings) -> String {
    let BoxSettings { exchange, symbol, timeframe, strategy: _, tag } = settings;
    format!(
        "# Variables of this box. `runner` reads them behind flags and the environment. Not for git: secrets may be written here.\n\
         DATA_TAG={tag}\nCCXT_EXCHANGE={exchange}\nSYMBOL={symbol}\nTIMEFRAME={timeframe}\n"
    )
}

fn readme(settings: &BoxSettings) -> String {
    let BoxSettings { exchange, symbol, timeframe, strategy, tag } = settings;
    format!(
        "# {symbol} {timeframe} on {exchange}\n\n\
         A trading box: the paper loop `{tag}` follows `strategies/{strategy}.toml`. Everything is a job in `jobs/`, run by `runner`.\n\n\
         - `.env` names the market and the tag. Another market or strategy needs another tag.\n\
         - `runner check` finds mistakes, `runner list` names the jobs, `runner run JOB --help` names what a job can be given.\n\
         - `jobs/live.toml` is the loop: `runner run jobs/live.toml`. Stop it with Ctrl-C at any time: it goes on where it was.\n\
         - `jobs/eqflat.toml` proves that the loop did what a backtest does. `runner serve` runs it every hour.\n\
         - `-P made-up` runs a job without a network, after `runner run jobs/made-up.toml`.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> BoxSettings {
        BoxSettings {
            exchange: "binance".to_owned(),
            symbol: "ETH/USDT".parse().unwrap(),
            timeframe: "1h".parse().unwrap(),
            strategy: "donchian".to_owned(),
            tag: "eth".parse().unwrap(),
        }
    }

    #[test]
    fn answers_are_in_the_profile_of_the_market_and_in_env() {
        let files = files(&settings());
        let text = |path: &str| &files.iter().find(|file| file.path == path).unwrap().text;
        let market = text(MARKET);
        assert!(market.contains("extends = [\"../strategies/donchian.toml\"]"), "{market}");
        let values = "exchange = \"binance\"\nsymbol = \"ETH/USDT\"\ntimeframe = \"1h\"\n";
        assert!(market.contains(values), "{market}");
        assert!(!market.contains("kraken") && !market.contains("ema_atr"), "{market}");
        assert!(
            text(".env")
                .ends_with("DATA_TAG=eth\nCCXT_EXCHANGE=binance\nSYMBOL=ETH/USDT\nTIMEFRAME=1h\n")
        );
    }

    #[test]
    fn the_readme_has_ten_lines_at_most() {
        let readme = readme(&settings());
        assert!(readme.lines().count() <= 10, "{readme}");
    }

    #[test]
    fn every_shipped_strategy_but_the_one_that_needs_a_model_can_be_chosen() {
        assert_eq!(
            strategies(),
            ["bollinger_revert", "donchian", "ema_atr", "golden", "rsi_revert"]
        );
    }
}
