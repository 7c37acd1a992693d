//! Words that say which bars a row holds: symbols, venues, clocks of places, and whether a bar is over.

use crate::domain::series::Symbol;

/// How what is said fits to what is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    Same,
    /// The same but for the kind of dollar it is paid in.
    Near,
    /// It cannot be compared.
    Unclear,
    Other,
}

/// What a dollar is called at venues that have no other.
const DOLLARS: [&str; 3] = ["USD", "USDT", "USDC"];
/// What prices are given in. A name that ends with one of them, and has something before it, is a symbol.
const QUOTES: [&str; 22] = [
    "USDT", "USDC", "FDUSD", "BUSD", "TUSD", "USDP", "USDE", "USD", "EUR", "GBP", "JPY", "KRW",
    "CHF", "CAD", "AUD", "TRY", "BRL", "BTC", "XBT", "ETH", "BNB", "DAI",
];
/// Those of them that no lower-case word of English ends with.
const QUOTES_LOWER: [&str; 6] = ["usdt", "usdc", "fdusd", "busd", "usd", "btc"];
/// Coins that are known by their code.
const COINS: [&str; 48] = [
    "BTC", "XBT", "ETH", "XRP", "SOL", "ADA", "DOGE", "XDG", "LTC", "BCH", "BNB", "DOT", "AVAX",
    "LINK", "MATIC", "POL", "TRX", "SHIB", "XLM", "XMR", "ETC", "ATOM", "NEAR", "UNI", "FIL",
    "APT", "ARB", "OP", "SUI", "TON", "PEPE", "ALGO", "AAVE", "EOS", "XTZ", "DASH", "ZEC", "NEO",
    "IOTA", "HBAR", "ICP", "INJ", "TIA", "SEI", "BSV", "MKR", "CRV", "WIF",
];
/// Coins that are known by their name.
const COIN_NAMES: [(&str, &str); 12] = [
    ("BITCOIN", "BTC"),
    ("ETHEREUM", "ETH"),
    ("ETHER", "ETH"),
    ("RIPPLE", "XRP"),
    ("SOLANA", "SOL"),
    ("CARDANO", "ADA"),
    ("DOGECOIN", "DOGE"),
    ("LITECOIN", "LTC"),
    ("POLKADOT", "DOT"),
    ("TRON", "TRX"),
    ("STELLAR", "XLM"),
    ("MONERO", "XMR"),
];
const VENUES: [&str; 26] = [
    "BINANCE",
    "BINANCEUS",
    "BITFINEX",
    "BITFLYER",
    "BITGET",
    "BITHUMB",
    "BITMART",
    "BITMEX",
    "BITSTAMP",
    "BITTREX",
    "BYBIT",
    "COINBASE",
    "CRYPTOCOM",
    "DERIBIT",
    "FTX",
    "GATEIO",
    "GATE",
    "GEMINI",
    "HITBTC",
    "HTX",
    "HUOBI",
    "KRAKEN",
    "KUCOIN",
    "MEXC",
    "OKX",
    "POLONIEX",
];
const AREAS: [&str; 10] = [
    "America",
    "Europe",
    "Asia",
    "Africa",
    "Australia",
    "Pacific",
    "Atlantic",
    "Indian",
    "US",
    "Etc",
];
/// Clocks that are that of UTC.
const UTC: [&str; 13] = [
    "UTC",
    "GMT",
    "Z",
    "ZULU",
    "ETC/UTC",
    "ETC/GMT",
    "UCT",
    "0",
    "0.0",
    "+00:00",
    "+0000",
    "UTC+0",
    "UTC+00:00",
];

fn letters(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase()
}

/// How a name, in any of the usual spellings, fits to a symbol: `BTCUSDT`, `btc-usdt`, `XBT/USD`, `tBTCUSD`, `XXBTZUSD`,
/// `BINANCE:BTCUSDT`, `Bitcoin`, or the base alone. A bare number is an id that only its venue knows.
pub(super) fn fit_of_symbol(word: &str, symbol: &Symbol) -> Fit {
    let word = match word.split_once(':') {
        Some((venue, rest)) if is_venue(venue) => rest,
        Some(_) | None => word,
    };
    let is_near = |quote: &&str| is_pair(word, symbol, quote);
    if is_pair(word, symbol, symbol.quote()) {
        Fit::Same
    } else if word.parse::<f64>().is_ok() {
        Fit::Unclear
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
    let is_one = |base: &str| {
        let forms = [format!("{base}{quote}"), base.to_owned(), format!("X{base}Z{quote}")];
        said.iter().any(|word| forms.contains(word))
    };
    let is_named = || {
        let named = COIN_NAMES.iter().find(|(name, _)| *name == said[0]);
        named.is_some_and(|(_, code)| *code == symbol.base())
    };
    symbol.base_names().into_iter().any(is_one) || is_named()
}

/// How a name fits to what is bought.
pub(super) fn fit_of_base(word: &str, symbol: &Symbol) -> Fit {
    // No pair is so short that its base could be taken for all of it.
    if letters(word).len() <= symbol.base().len().max(8) {
        fit_of_symbol(word, symbol)
    } else {
        Fit::Other
    }
}

/// How a name fits to what prices are given in. Some files call the base so.
pub(super) fn fit_of_quote(word: &str, symbol: &Symbol) -> Fit {
    let word = letters(word);
    if word == symbol.quote() || symbol.base_names().contains(&word.as_str()) {
        return Fit::Same;
    }
    let is_dollar = |word: &str| DOLLARS.contains(&word);
    if is_dollar(&word) && is_dollar(symbol.quote()) { Fit::Near } else { Fit::Other }
}

/// Whether a word says that the base is counted.
pub(super) fn is_base(word: &str) -> bool {
    matches!(
        word.to_lowercase().as_str(),
        "base" | "coin" | "coins" | "base_currency" | "base asset"
    )
}

/// Whether a word says that contracts are counted.
pub(super) fn is_contract(word: &str) -> bool {
    matches!(word.to_lowercase().as_str(), "contract" | "contracts" | "cont" | "lot" | "lots")
}

/// Whether a word is that of a coin or of money.
pub(super) fn is_currency(word: &str) -> bool {
    let word = word.to_ascii_uppercase();
    COINS.contains(&word.as_str()) || QUOTES.contains(&word.as_str())
}

fn plain_venue(text: &str) -> String {
    let mut text = letters(text);
    for more in ["SPOT", "PRO", "EXCHANGE"] {
        if let Some(rest) = text.strip_suffix(more)
            && !rest.is_empty()
        {
            text = rest.to_owned();
        }
    }
    text
}

pub(super) fn is_exchange(word: &str, exchange: &str) -> bool {
    plain_venue(word) == plain_venue(exchange)
}

/// Whether a word is the name of a venue, whichever.
pub(super) fn is_venue(word: &str) -> bool {
    VENUES.contains(&plain_venue(word).as_str())
}

/// Whether a word looks like a symbol, whichever.
pub(super) fn is_symbol(word: &str) -> bool {
    let word = word.trim();
    let word = word.strip_suffix(".P").unwrap_or(word);
    if !word.is_ascii() || word.len() > 24 {
        return false;
    }
    let upper = word.to_ascii_uppercase();
    let parts: Vec<&str> = upper.split(['/', '-', '_', ':']).collect();
    if parts.len() > 1 {
        return parts[1..].iter().any(|part| QUOTES.contains(part) || ends_with_quote(part))
            && parts.iter().all(|part| !part.is_empty());
    }
    if !word.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return false;
    }
    let is_upper = word == upper;
    let is_code = is_upper && COINS.contains(&word);
    let is_name = COIN_NAMES.iter().any(|(name, _)| *name == upper);
    let ends = if is_upper || word.starts_with('t') {
        ends_with_quote(upper.strip_suffix("PERP").unwrap_or(&upper))
    } else {
        word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            && QUOTES_LOWER
                .iter()
                .any(|quote| word.len() > quote.len() + 1 && word.ends_with(quote))
    };
    is_code || is_name || ends
}

fn ends_with_quote(word: &str) -> bool {
    QUOTES.iter().any(|quote| word.len() > quote.len() + 1 && word.ends_with(quote))
}

/// Whether a word names the clock of a place, or one that is so far from UTC.
pub(super) fn is_zone(word: &str) -> bool {
    let is_place = word.split_once('/').is_some_and(|(area, _)| AREAS.contains(&area));
    let is_offset = word.len() >= 5 && word.starts_with(['+', '-']) && word.contains(':');
    is_place || is_offset || (word.len() >= 3 && is_utc(word))
}

/// Whether a clock is that of UTC.
pub(super) fn is_utc(word: &str) -> bool {
    UTC.contains(&word.trim().to_ascii_uppercase().as_str())
}

/// Whether a word says that the bar is over.
pub(super) fn is_over(word: &str) -> Option<bool> {
    Some(match word.to_lowercase().as_str() {
        "1" | "1.0" | "true" | "yes" | "y" | "t" | "closed" | "close" | "final" | "finished"
        | "complete" | "completed" | "confirmed" | "done" | "finalized" | "finalised" => true,
        "0" | "0.0" | "false" | "no" | "n" | "f" | "open" | "forming" | "partial" | "live"
        | "incomplete" | "unconfirmed" | "unfinished" | "pending" | "provisional"
        | "in_progress" | "in progress" | "active" | "running" => false,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_are_known_in_the_usual_spellings() {
        let btc: Symbol = "BTC/USD".parse().unwrap();
        for word in [
            "BTC/USD",
            "btcusd",
            "BTC-USD",
            "XBT/USD",
            "XBTUSD",
            "tBTCUSD",
            "XXBTZUSD",
            "BTC",
            "KRAKEN:BTCUSD",
            "Bitcoin",
        ] {
            assert_eq!(fit_of_symbol(word, &btc), Fit::Same, "{word}");
        }
        for word in ["BTCUSDT", "BTC-USDC", "xbt/usdt"] {
            assert_eq!(fit_of_symbol(word, &btc), Fit::Near, "{word}");
        }
        for word in
            ["ETH/USD", "BTCEUR", "BTC-USD-SWAP", "BTC/USD:USD", "tBTCUST", "USD", "", "Ethereum"]
        {
            assert_eq!(fit_of_symbol(word, &btc), Fit::Other, "{word}");
        }
        assert_eq!(fit_of_symbol("17", &btc), Fit::Unclear);
        let euro: Symbol = "BTC/EUR".parse().unwrap();
        assert_eq!(fit_of_symbol("BTCUSD", &euro), Fit::Other);
        assert_eq!(fit_of_base("ETH", &btc), Fit::Other);
        assert_eq!(
            (fit_of_quote("EUR", &btc), fit_of_quote("USDT", &btc)),
            (Fit::Other, Fit::Near)
        );
    }

    #[test]
    fn a_word_is_seen_to_be_a_symbol() {
        for word in [
            "BTCUSDT",
            "ETH-USD",
            "sol_usdt",
            "ethusdt",
            "ETH",
            "Ethereum",
            "BINANCE:ETHUSDT",
            "tETHUSD",
            "BTC-USDT-SWAP",
            "ETHUSDT.P",
            "ETH/BTC",
            "ETHUSDTPERP",
        ] {
            assert!(is_symbol(word), "{word}");
        }
        for word in [
            "industry",
            "Europe/Berlin",
            "spot",
            "true",
            "1h",
            "2024-01-01",
            "USD",
            "api",
            "OK",
            "",
        ] {
            assert!(!is_symbol(word), "{word}");
        }
    }

    #[test]
    fn venues_have_a_name_and_markets() {
        assert!(is_exchange("Binance", "binance") && is_exchange("BINANCE_SPOT", "binance"));
        assert!(is_exchange("Coinbase Pro", "coinbase"));
        assert!(!is_exchange("BinanceUS", "binance") && !is_exchange("kraken", "binance"));
        assert!(is_venue("Kraken") && !is_venue("yahoo"));
    }

    #[test]
    fn clocks_of_places_are_seen() {
        for word in ["America/New_York", "Europe/Berlin", "+02:00", "-05:00", "UTC", "Etc/UTC"] {
            assert!(is_zone(word), "{word}");
        }
        for word in ["ETH/USD", "-5", "x/y", "+", ""] {
            assert!(!is_zone(word), "{word}");
        }
        assert!(is_utc("utc") && is_utc("+00:00") && !is_utc("Europe/London"));
    }
}
