//! What is traded where: a symbol, and the series (venue, symbol, timeframe) its bars form.

use std::{fmt, str::FromStr};

use super::{
    ids::{Exchange, NameError, check_name},
    time::Timeframe,
};

/// What venues call a coin that has another name elsewhere, and that other name.
const ALIASES: [(&str, &str); 2] = [("XBT", "BTC"), ("XDG", "DOGE")];

/// A traded pair, upper-case: written `BTC/USD` in files, `BTC_USD` in paths.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol {
    base: String,
    quote: String,
}

impl Symbol {
    /// What is bought, e.g. `BTC`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The base, and what some venues call it: `BTC`, `XBT`.
    pub fn base_names(&self) -> Vec<&str> {
        let alias = ALIASES.iter().find(|(_, name)| *name == self.base).map(|(alias, _)| *alias);
        std::iter::once(self.base.as_str()).chain(alias).collect()
    }

    /// What it is paid in, e.g. `USD`.
    pub fn quote(&self) -> &str {
        &self.quote
    }

    /// The path segment, e.g. `BTC_USD`.
    pub fn dir(&self) -> String {
        format!("{}_{}", self.base, self.quote)
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.quote)
    }
}

impl FromStr for Symbol {
    type Err = NameError;

    /// `BTC/USD`, or the path form `BTC_USD`. `XBT/USD` is the same pair, under the name that most use.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let refuse = |why| NameError::new("symbol", text, why);
        let (base, quote) = text
            .split_once('/')
            .or_else(|| text.split_once('_'))
            .ok_or_else(|| refuse("must be written BASE/QUOTE, e.g. BTC/USD"))?;
        for part in [base, quote] {
            check_name("symbol", part)?;
            if !part.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit()) {
                return Err(refuse("must be upper-case letters and digits, e.g. BTC/USD"));
            }
        }
        if base.len() + quote.len() >= super::ids::NAME_MAX {
            return Err(refuse("is longer than 64 characters"));
        }
        let [base, quote] = [base, quote].map(|part| {
            let known = ALIASES.iter().find(|(alias, _)| *alias == part);
            known.map_or(part, |(_, name)| *name).to_owned()
        });
        Ok(Self { base, quote })
    }
}

/// One series of bars: a venue, a symbol, a timeframe.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    exchange: Exchange,
    symbol: Symbol,
    timeframe: Timeframe,
}

impl Series {
    /// The series of `symbol` on `exchange`.
    pub fn new(exchange: Exchange, symbol: Symbol, timeframe: Timeframe) -> Self {
        Self { exchange, symbol, timeframe }
    }

    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    pub fn symbol(&self) -> &Symbol {
        &self.symbol
    }

    pub fn timeframe(&self) -> Timeframe {
        self.timeframe
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.exchange, self.symbol, self.timeframe)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_have_two_spellings_and_no_third() {
        for text in ["BTC/USD", "BTC_USD"] {
            let symbol: Symbol = text.parse().unwrap();
            assert_eq!((symbol.to_string(), symbol.dir()), ("BTC/USD".into(), "BTC_USD".into()));
        }
        for (alias, name) in [("XBT/USD", "BTC/USD"), ("XDG_XBT", "DOGE/BTC")] {
            assert_eq!(alias.parse::<Symbol>().unwrap().to_string(), name);
        }
        for bad in ["BTCUSD", "btc/usd", "BTC/", "/USD", "BTC/US/D", "../USD", "BTC/US D"] {
            assert!(bad.parse::<Symbol>().is_err(), "{bad}");
        }
    }
}
