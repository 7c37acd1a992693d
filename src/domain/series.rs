//! What is traded where: a symbol, and the series (venue, symbol, timeframe) its bars form.

use std::{fmt, str::FromStr};

use super::{
    ids::{Exchange, NameError, check_name},
    time::Timeframe,
};

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

    /// `BTC/USD`, or the path form `BTC_USD`.
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
        Ok(Self { base: base.to_owned(), quote: quote.to_owned() })
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

    /// The venue.
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// The pair.
    pub fn symbol(&self) -> &Symbol {
        &self.symbol
    }

    /// The bar length.
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
        for bad in ["BTCUSD", "btc/usd", "BTC/", "/USD", "BTC/US/D", "../USD", "BTC/US D"] {
            assert!(bad.parse::<Symbol>().is_err(), "{bad}");
        }
    }
}
