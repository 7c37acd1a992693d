//! What columns of a file say about all of a row: the symbol, the length of the bar, the venue, whether the bar is closed.

use std::collections::BTreeMap;

use super::{read::Options, stamp::shown};
use crate::domain::{series::Symbol, time::Timeframe};

/// Values of a column shown in an error.
const SHOWN_MAX: usize = 8;

/// What a column says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    Symbol,
    Interval,
    Exchange,
    Closed,
}

impl Claim {
    /// By the name of the column, in its normal form.
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "symbol" | "sym" | "ticker" | "tic" | "instrument" | "instrument_name"
            | "instrument_id" | "inst_id" | "instid" | "pair" | "trading_pair"
            | "currency_pair" | "product_id" | "market_symbol" | "coin" => Self::Symbol,
            "interval" | "timeframe" | "time_frame" | "tf" | "period" | "per" | "bar"
            | "granularity" | "resolution" | "candle_interval" | "frequency" | "freq" => {
                Self::Interval
            }
            "exchange" | "venue" | "exchange_name" | "exchange_id" => Self::Exchange,
            "confirm" | "confirmed" | "closed" | "complete" | "completed" | "final"
            | "is_closed" | "isclosed" | "is_complete" | "iscomplete" | "is_final" | "isfinal"
            | "is_confirmed" => Self::Closed,
            _ => return None,
        })
    }
}

/// How what is said fits to what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    Same,
    /// The same but for the kind of dollar it is paid in.
    Near,
    Other,
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
    pub(super) fn hear(&mut self, word: &str, name: &str, options: &Options) -> Result<(), String> {
        if self.claim == Claim::Closed {
            return match word.to_lowercase().as_str() {
                "1" | "true" | "yes" | "y" | "t" | "closed" => Ok(()),
                "0" | "false" | "no" | "n" | "f" | "open" => {
                    Err(format!("{name} says `{}`: the bar is not closed", shown(word)))
                }
                _ => Err(format!("{name} says `{}`, which is neither 1 nor 0", shown(word))),
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
            (Claim::Symbol, Some(symbol), _) => fit_of_symbol(word, symbol),
            (Claim::Exchange, _, Some(exchange)) => same(is_exchange(word, exchange.as_str())),
            (Claim::Interval, _, _) => same(is_interval(word, options.timeframe)),
            (Claim::Symbol | Claim::Exchange | Claim::Closed, _, _) => same(self.values.is_empty()),
        };
        // A file can hold thousands of them; more than are shown are not needed.
        if self.values.len() <= 2 * SHOWN_MAX {
            self.values.insert(word.to_owned(), fit);
        }
        Ok(())
    }

    /// Whether all of it is what is asked for, and what is to be told if it is so by and large.
    pub(super) fn judge(&self, name: &str, options: &Options) -> Result<Option<String>, String> {
        if self.values.values().all(|fit| *fit == Fit::Same) {
            return Ok(None);
        }
        if self.values.len() == 1
            && let Some((word, Fit::Near)) = self.values.first_key_value()
            && let Some(symbol) = &options.symbol
        {
            let word = shown(word);
            return Ok(Some(format!("column `{name}` says {word}, which is taken as {symbol}")));
        }
        let listed: Vec<String> = self.values.keys().take(SHOWN_MAX).map(|v| shown(v)).collect();
        let more = if self.values.len() > SHOWN_MAX { " and others" } else { "" };
        let listed = format!("{}{more}", listed.join(", "));
        let asked = match (self.claim, &options.symbol, &options.exchange) {
            (Claim::Symbol, Some(symbol), _) => symbol.to_string(),
            (Claim::Exchange, _, Some(exchange)) => exchange.to_string(),
            (Claim::Interval, _, _) => options.timeframe.to_string(),
            (Claim::Symbol | Claim::Exchange | Claim::Closed, _, _) => "one series".to_owned(),
        };
        let wanted = self.values.iter().find(|(_, fit)| **fit == Fit::Same);
        let wanted = wanted.or_else(|| self.values.first_key_value()).map_or("", |(word, _)| word);
        Err(format!(
            "column `{name}` says {listed}, asked for is {asked}: if those rows are meant, choose them with select=\"{name}={wanted}\""
        ))
    }
}

fn letters(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase()
}

/// What a dollar is called at venues that have no other.
const DOLLARS: [&str; 3] = ["USD", "USDT", "USDC"];

/// How a name, in any of the usual spellings, fits to a symbol: `BTCUSDT`, `btc-usdt`, `XBT/USD`, `tBTCUSD`, `XXBTZUSD`, or the base alone.
fn fit_of_symbol(word: &str, symbol: &Symbol) -> Fit {
    let is_near = |quote: &&str| is_pair(word, symbol, quote);
    if is_pair(word, symbol, symbol.quote()) {
        Fit::Same
    } else if DOLLARS.contains(&symbol.quote()) && DOLLARS.iter().any(is_near) {
        Fit::Near
    } else {
        Fit::Other
    }
}

/// Whether a name is that of the base of a symbol against a quote.
fn is_pair(word: &str, symbol: &Symbol, quote: &str) -> bool {
    let mut said = vec![letters(word)];
    if let Some(rest) = word.strip_prefix('t')
        && rest.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == ':')
    {
        said.push(letters(rest));
    }
    let names = symbol.base_names();
    let is_one = |base: &str| {
        let forms = [format!("{base}{quote}"), base.to_owned(), format!("X{base}Z{quote}")];
        said.iter().any(|word| forms.contains(word))
    };
    names.into_iter().any(is_one)
}

fn is_exchange(word: &str, exchange: &str) -> bool {
    let plain = |text: &str| {
        let mut text = letters(text);
        for more in ["SPOT", "PRO", "EXCHANGE"] {
            if let Some(rest) = text.strip_suffix(more)
                && !rest.is_empty()
            {
                text = rest.to_owned();
            }
        }
        text
    };
    plain(word) == plain(exchange)
}

/// Whether a length is that of the bars. What cannot be read as a length says nothing.
fn is_interval(word: &str, timeframe: Timeframe) -> bool {
    const SECOND: i64 = 1000;
    const MINUTE: i64 = 60 * SECOND;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    let word = word.trim();
    // A month has no length, and in no other spelling is it one of ours.
    if matches!(word, "1M" | "M") {
        return false;
    }
    let lowered = word.to_ascii_lowercase();
    let lower = lowered.as_str();
    let lower = lower.strip_prefix("pt").or_else(|| lower.strip_prefix("candle")).unwrap_or(lower);
    let digits: String = lower.chars().filter(char::is_ascii_digit).collect();
    let unit: String = lower.chars().filter(char::is_ascii_alphabetic).collect();
    if lower.chars().any(|c| !c.is_ascii_alphanumeric() && !matches!(c, ' ' | '_' | '-')) {
        return true;
    }
    let count: i64 = match digits.parse() {
        Ok(count) => count,
        Err(_) if digits.is_empty() => 1,
        Err(_) => return true,
    };
    let units: &[i64] = match unit.as_str() {
        "" => &[1, SECOND, MINUTE, HOUR, DAY],
        "s" | "sec" | "secs" | "second" | "seconds" => &[SECOND],
        "ms" => &[1],
        "m" | "min" | "mins" | "minute" | "minutes" | "t" => &[MINUTE],
        "h" | "hr" | "hour" | "hours" | "hourly" => &[HOUR],
        "d" | "day" | "days" | "daily" => &[DAY],
        "w" | "wk" | "week" | "weeks" | "weekly" => &[7 * DAY],
        "mo" | "mn" | "mon" | "month" | "months" | "monthly" => &[30 * DAY],
        "y" | "year" | "yearly" => &[365 * DAY],
        _ => return true,
    };
    units.iter().any(|unit| count.checked_mul(*unit) == Some(timeframe.ms()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_known_in_the_usual_spellings() {
        let btc: Symbol = "BTC/USD".parse().unwrap();
        for word in
            ["BTC/USD", "btcusd", "BTC-USD", "XBT/USD", "XBTUSD", "tBTCUSD", "XXBTZUSD", "BTC"]
        {
            assert_eq!(fit_of_symbol(word, &btc), Fit::Same, "{word}");
        }
        for word in ["BTCUSDT", "BTC-USDC", "xbt/usdt"] {
            assert_eq!(fit_of_symbol(word, &btc), Fit::Near, "{word}");
        }
        for word in ["ETH/USD", "BTCEUR", "BTC-USD-SWAP", "BTC/USD:USD", "tBTCUST", "USD", ""] {
            assert_eq!(fit_of_symbol(word, &btc), Fit::Other, "{word}");
        }
        let euro: Symbol = "BTC/EUR".parse().unwrap();
        assert_eq!(fit_of_symbol("BTCUSD", &euro), Fit::Other);
    }

    #[test]
    fn lengths_are_known_in_the_usual_spellings() {
        let five = [
            "5m",
            "5min",
            "5",
            "300",
            "300s",
            "PT5M",
            "M5",
            "5T",
            "candle5m",
            "5 minutes",
            "300000",
            "spot",
        ];
        for word in five {
            assert!(is_interval(word, Timeframe::M5), "{word}");
        }
        for word in ["1h", "60", "1d", "15", "M15", "1", "PT1H", "1M", "week"] {
            assert!(!is_interval(word, Timeframe::M5), "{word}");
        }
        for (word, timeframe) in
            [("1D", Timeframe::D1), ("D", Timeframe::D1), ("H1", Timeframe::H1)]
        {
            assert!(is_interval(word, timeframe), "{word}");
        }
    }

    #[test]
    fn venues_have_a_name_and_markets() {
        assert!(is_exchange("Binance", "binance") && is_exchange("BINANCE_SPOT", "binance"));
        assert!(is_exchange("Coinbase Pro", "coinbase"));
        assert!(!is_exchange("BinanceUS", "binance") && !is_exchange("kraken", "binance"));
    }
}
