//! What columns of a file say about all of a row: the symbol, the length of the bar, the venue, the clock, whether the bar is closed.

use std::collections::BTreeMap;

use super::{
    distance,
    read::ReadOptions,
    stamp::shown,
    words::{self, Fit},
};

/// Values of a column shown in an error.
const SHOWN_MAX: usize = 8;
/// A column with more different values than this in the first rows does not say the same of many rows.
const DISTINCT_MAX: usize = 12;

/// What a column says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    Symbol,
    Base,
    Quote,
    Interval,
    Exchange,
    Closed,
    /// The contrary of closed.
    Forming,
    /// The clock that the stamps are of.
    Zone,
    /// What the volume counts.
    Unit,
}

/// How sure the name of a column makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    Sure(Claim),
    /// If its values look like that.
    Perhaps(Claim),
    Not,
}

impl Claim {
    /// By the name of the column, in its normal form, and by what it has in the first rows.
    pub(super) fn of(name: &str, words: &[String]) -> Option<Self> {
        let said: Vec<&str> = words.iter().map(String::as_str).filter(|w| !w.is_empty()).collect();
        let most =
            |is: fn(&str) -> bool| 2 * said.iter().filter(|word| is(word)).count() > said.len();
        let is_number = |word: &str| word.parse::<f64>().is_ok();
        let named = Named::of(name);
        match named {
            // So amounts in the base and the quote are called, too.
            Named::Sure(Self::Base | Self::Quote | Self::Unit) if most(is_number) => return None,
            Named::Sure(claim) => return Some(claim),
            Named::Perhaps(Self::Closed)
                if !said.is_empty() && said.iter().all(|word| words::is_over(word).is_some()) =>
            {
                return Some(Self::Closed);
            }
            Named::Perhaps(Self::Interval) if count_distinct(&said) <= 2 => {
                return Some(Self::Interval);
            }
            Named::Perhaps(_) | Named::Not => {}
        }
        if said.is_empty() || count_distinct(&said) > DISTINCT_MAX || most(is_number) {
            return None;
        }
        if most(words::is_zone) {
            return Some(Self::Zone);
        }
        if most(words::is_venue) {
            return Some(Self::Exchange);
        }
        if most(words::is_symbol) {
            return Some(Self::Symbol);
        }
        if most(words::is_contract) {
            return Some(Self::Unit);
        }
        if most(distance::is_length) {
            return Some(Self::Interval);
        }
        let is_spot = |word: &str| {
            let lower = word.to_lowercase();
            matches!(lower.as_str(), "spot" | "crypto" | "cryptocurrency" | "cash" | "margin")
        };
        match named {
            Named::Perhaps(Self::Symbol) if !said.iter().all(|word| is_spot(word)) => {
                Some(Self::Symbol)
            }
            _ => None,
        }
    }
}

fn count_distinct(words: &[&str]) -> usize {
    words.iter().collect::<std::collections::BTreeSet<_>>().len()
}

impl Named {
    fn of(name: &str) -> Self {
        let is_filler = |word: &&str| {
            matches!(*word, "is" | "has" | "was" | "bar" | "candle" | "kline" | "row" | "flag")
        };
        let core: Vec<&str> = name.split('_').filter(|word| !is_filler(word)).collect();
        if let [word] = core[..] {
            match word {
                "confirm" | "confirmed" | "closed" | "complete" | "completed" | "final"
                | "finished" | "finalized" | "finalised" | "isclosed" | "iscomplete"
                | "isfinal" | "isconfirmed" => return Self::Sure(Claim::Closed),
                "forming" | "partial" | "incomplete" | "unfinished" | "unconfirmed"
                | "provisional" => return Self::Sure(Claim::Forming),
                "status" | "state" | "x" => return Self::Perhaps(Claim::Closed),
                _ => {}
            }
        }
        match name {
            "is_open" | "is_live" | "in_progress" => Self::Sure(Claim::Forming),
            "symbol" | "sym" | "symbols" | "ticker" | "tic" | "instrument" | "instrument_name"
            | "instrument_id" | "inst_id" | "instid" | "inst" | "pair" | "pair_name"
            | "trading_pair" | "currency_pair" | "product_id" | "product_name"
            | "market_symbol" | "coin" | "coin_id" | "coin_name" | "coin_symbol" | "asset_id"
            | "asset_name" | "asset_symbol" | "symbol_id" | "symbol_name" | "token"
            | "token_symbol" | "contract_code" | "crypto" | "cryptocurrency" => {
                Self::Sure(Claim::Symbol)
            }
            "product" | "market" | "market_id" | "market_name" | "asset" | "contract"
            | "security" | "underlying" => Self::Perhaps(Claim::Symbol),
            "base" | "base_asset" | "base_currency" | "base_symbol" | "base_ccy" | "base_coin"
            | "fsym" | "from_symbol" => Self::Sure(Claim::Base),
            "quote" | "quote_asset" | "quote_currency" | "quote_symbol" | "quote_ccy"
            | "quote_coin" | "tsym" | "to_symbol" | "currency" | "ccy" | "price_currency"
            | "counter_currency" | "vs_currency" => Self::Sure(Claim::Quote),
            "interval" | "timeframe" | "time_frame" | "tf" | "granularity" | "resolution"
            | "candle_interval" | "kline_interval" | "bar_interval" | "bar_size" => {
                Self::Sure(Claim::Interval)
            }
            "volume_unit" | "vol_unit" | "volume_currency" | "volume_ccy" | "volume_asset"
            | "unit" | "units" => Self::Sure(Claim::Unit),
            "period" | "per" | "bar" | "frequency" | "freq" | "step" | "minutes" | "seconds"
            | "duration" | "interval_minutes" | "interval_seconds" | "interval_ms"
            | "duration_ms" | "bar_minutes" => Self::Perhaps(Claim::Interval),
            "exchange" | "venue" | "exchange_name" | "exchange_id" => Self::Sure(Claim::Exchange),
            "tz" | "timezone" | "time_zone" | "tzname" | "utc_offset" | "gmt_offset"
            | "tz_offset" => Self::Sure(Claim::Zone),
            _ => Self::Not,
        }
    }
}

/// What was said about the series in a column: each value, and how it fits.
#[derive(Debug, Clone)]
pub(super) struct Said {
    at: usize,
    claim: Claim,
    values: BTreeMap<String, Fit>,
}

impl Said {
    pub(super) fn new(at: usize, claim: Claim) -> Self {
        Self { at, claim, values: BTreeMap::new() }
    }

    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// Takes in what a row says; an error is a reason to refuse the row.
    pub(super) fn hear(
        &mut self,
        word: &str,
        name: &str,
        options: &ReadOptions,
    ) -> Result<(), String> {
        if let Claim::Closed | Claim::Forming = self.claim {
            return match words::is_over(word).map(|is| is == (self.claim == Claim::Closed)) {
                Some(true) => Ok(()),
                Some(false) => Err(format!("{name} says `{}`: the bar is not closed", shown(word))),
                None => Err(format!("{name} says `{}`, which is neither 1 nor 0", shown(word))),
            };
        }
        if self.values.contains_key(word) {
            return Ok(());
        }
        if word.is_empty() {
            return Err(format!("{name} is empty"));
        }
        let same = |is_same: bool| if is_same { Fit::Same } else { Fit::Other };
        let fit = match (self.claim, &options.symbol, &options.exchange) {
            (Claim::Symbol, Some(symbol), _) => words::fit_of_symbol(word, symbol),
            (Claim::Base, Some(symbol), _) => words::fit_of_base(word, symbol),
            (Claim::Quote, Some(symbol), _) => words::fit_of_quote(word, symbol),
            (Claim::Unit, Some(symbol), _) if !words::is_base(word) => {
                words::fit_of_base(word, symbol)
            }
            (Claim::Exchange, _, Some(exchange)) => {
                same(words::is_exchange(word, exchange.as_str()))
            }
            (Claim::Interval, _, _) => same(distance::is_interval(word, options.timeframe)),
            (Claim::Zone, _, _) => same(words::is_utc(word)),
            (Claim::Unit, _, _) => same(words::is_base(word)),
            (
                Claim::Symbol
                | Claim::Base
                | Claim::Quote
                | Claim::Exchange
                | Claim::Closed
                | Claim::Forming,
                _,
                _,
            ) => same(self.values.is_empty()),
        };
        // A file can hold thousands of them; more than are shown are not needed.
        if self.values.len() <= 2 * SHOWN_MAX {
            self.values.insert(word.to_owned(), fit);
        }
        Ok(())
    }

    /// Whether all of it is what is asked for, and what is to be told if it is so by and large.
    pub(super) fn judge(
        &self,
        name: &str,
        options: &ReadOptions,
    ) -> Result<Option<String>, String> {
        if self.values.values().all(|fit| *fit == Fit::Same) {
            return Ok(None);
        }
        if self.values.len() == 1
            && let Some((word, fit @ (Fit::Near | Fit::Unclear))) = self.values.first_key_value()
            && let Some(symbol) = &options.symbol
        {
            let (word, taken) = (shown(word), symbol.to_string());
            let why = if *fit == Fit::Near { "" } else { " without a way to compare them" };
            return Ok(Some(format!(
                "column `{name}` says {word}, which is taken as {taken}{why}"
            )));
        }
        let listed: Vec<String> = self.values.keys().take(SHOWN_MAX).map(|v| shown(v)).collect();
        let more = if self.values.len() > SHOWN_MAX { " and others" } else { "" };
        let listed = format!("{}{more}", listed.join(", "));
        if self.claim == Claim::Zone {
            return Err(format!(
                "column `{name}` says {listed}, and the stamps have no offset: say which with offset, such as offset=+01:00"
            ));
        }
        if self.claim == Claim::Unit {
            return Err(format!(
                "column `{name}` says {listed}, and the volume has to be in the base: name the right one with columns.volume"
            ));
        }
        let asked = match (self.claim, &options.symbol, &options.exchange) {
            (Claim::Symbol, Some(symbol), _) => symbol.to_string(),
            (Claim::Base, Some(symbol), _) => symbol.base().to_owned(),
            (Claim::Quote, Some(symbol), _) => symbol.quote().to_owned(),
            (Claim::Exchange, _, Some(exchange)) => exchange.to_string(),
            (Claim::Interval, _, _) => options.timeframe.to_string(),
            (
                Claim::Symbol
                | Claim::Base
                | Claim::Quote
                | Claim::Exchange
                | Claim::Closed
                | Claim::Forming
                | Claim::Zone
                | Claim::Unit,
                _,
                _,
            ) => "one series".to_owned(),
        };
        let wanted = self.values.iter().find(|(_, fit)| **fit == Fit::Same);
        let wanted = wanted.or_else(|| self.values.first_key_value()).map_or("", |(word, _)| word);
        Err(format!(
            "column `{name}` says {listed}, asked for is {asked}: if those rows are meant, choose them with select=\"{name}={wanted}\""
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, words: &[&str]) -> Option<Claim> {
        Claim::of(name, &words.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn a_column_says_by_its_name_what_it_is() {
        for name in ["symbol", "pair", "coin", "inst_id", "asset_id"] {
            assert_eq!(of(name, &["whatever"]), Some(Claim::Symbol), "{name}");
        }
        for name in ["is_final", "is_closed", "bar_closed", "confirm", "candle_complete", "isfinal"]
        {
            assert_eq!(of(name, &["x"]), Some(Claim::Closed), "{name}");
        }
        for name in ["is_open", "forming", "is_partial", "incomplete"] {
            assert_eq!(of(name, &["x"]), Some(Claim::Forming), "{name}");
        }
        assert_eq!(of("base", &["ETH"]), Some(Claim::Base));
        assert_eq!(of("base", &["17.5"]), None, "that is an amount");
        assert_eq!(of("quote_asset", &["EUR"]), Some(Claim::Quote));
        assert_eq!(of("status", &["closed", "open"]), Some(Claim::Closed));
        assert_eq!(of("status", &["trading"]), None);
        assert_eq!(of("x", &["true"]), Some(Claim::Closed));
        assert_eq!(of("bar", &["1h"]), Some(Claim::Interval));
        assert_eq!(of("bar", &["1", "2", "3"]), None, "that is a number of the row");
        assert_eq!(of("market", &["spot"]), None);
        assert_eq!(of("market", &["perp"]), Some(Claim::Symbol));
        assert_eq!(of("market", &["Kraken"]), Some(Claim::Exchange));
    }

    #[test]
    fn a_column_with_an_unknown_name_says_it_by_its_values() {
        for (words, claim) in [
            (vec!["ETHUSDT", "ETHUSDT"], Some(Claim::Symbol)),
            (vec!["Ethereum"], Some(Claim::Symbol)),
            (vec!["1h", "1h"], Some(Claim::Interval)),
            (vec!["hourly"], Some(Claim::Interval)),
            (vec!["binance"], Some(Claim::Exchange)),
            (vec!["America/New_York"], Some(Claim::Zone)),
            (vec!["60", "60"], None),
            (vec!["a remark", "", "another"], None),
            (vec![""], None),
        ] {
            assert_eq!(of("whatever", &words), claim, "{words:?}");
        }
    }
}
