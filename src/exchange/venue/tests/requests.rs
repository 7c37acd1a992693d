//! The URL of a page, letter by letter, and the timeframes that a venue does not have.

use super::check::{T, page};
use crate::{
    domain::time::{DAY_MS, Timeframe, UtcMs},
    exchange::venue::{
        answer::Class,
        which::Venue::{
            self, Binance, BinanceUs, Bitfinex, Bitstamp, Bybit, Coinbase, Gemini, Kraken, Kucoin,
            Okx,
        },
    },
};

/// Pages of three bars from [`T`], 1762819200 seconds.
const PAGES: [(Venue, &str, Timeframe, &str); 33] = [
    (
        Binance,
        "BTC/USDT",
        Timeframe::M1,
        "https://api.binance.com/api/v3/klines?symbol=BTCUSDT&interval=1m&startTime=1762819200000&endTime=1762819379999&limit=1000",
    ),
    (
        Binance,
        "ETH/BTC",
        Timeframe::H1,
        "https://api.binance.com/api/v3/klines?symbol=ETHBTC&interval=1h&startTime=1762819200000&endTime=1762829999999&limit=1000",
    ),
    (
        Binance,
        "BTC/USDT",
        Timeframe::D1,
        "https://api.binance.com/api/v3/klines?symbol=BTCUSDT&interval=1d&startTime=1762819200000&endTime=1763078399999&limit=1000",
    ),
    (
        BinanceUs,
        "BTC/USD",
        Timeframe::M1,
        "https://api.binance.us/api/v3/klines?symbol=BTCUSD&interval=1m&startTime=1762819200000&endTime=1762819379999&limit=1000",
    ),
    (
        BinanceUs,
        "ETH/USDT",
        Timeframe::H1,
        "https://api.binance.us/api/v3/klines?symbol=ETHUSDT&interval=1h&startTime=1762819200000&endTime=1762829999999&limit=1000",
    ),
    (
        BinanceUs,
        "BTC/USD",
        Timeframe::D1,
        "https://api.binance.us/api/v3/klines?symbol=BTCUSD&interval=1d&startTime=1762819200000&endTime=1763078399999&limit=1000",
    ),
    (
        Bitfinex,
        "BTC/USD",
        Timeframe::M1,
        "https://api-pub.bitfinex.com/v2/candles/trade:1m:tBTCUSD/hist?start=1762819199999&end=1762819379999&limit=10000&sort=1",
    ),
    (
        Bitfinex,
        "BTC/USDT",
        Timeframe::H1,
        "https://api-pub.bitfinex.com/v2/candles/trade:1h:tBTCUST/hist?start=1762819199999&end=1762829999999&limit=10000&sort=1",
    ),
    (
        Bitfinex,
        "DOGE/USD",
        Timeframe::D1,
        "https://api-pub.bitfinex.com/v2/candles/trade:1D:tDOGE:USD/hist?start=1762819199999&end=1763078399999&limit=10000&sort=1",
    ),
    (
        Bitstamp,
        "BTC/USD",
        Timeframe::M1,
        "https://www.bitstamp.net/api/v2/ohlc/btcusd/?step=60&limit=3&start=1762819200&end=1762819379",
    ),
    (
        Bitstamp,
        "ETH/USDT",
        Timeframe::H1,
        "https://www.bitstamp.net/api/v2/ohlc/ethusdt/?step=3600&limit=3&start=1762819200&end=1762829999",
    ),
    (
        Bitstamp,
        "BTC/USD",
        Timeframe::D1,
        "https://www.bitstamp.net/api/v2/ohlc/btcusd/?step=86400&limit=3&start=1762819200&end=1763078399",
    ),
    (
        Bybit,
        "BTC/USDT",
        Timeframe::M1,
        "https://api.bybit.com/v5/market/kline?category=spot&symbol=BTCUSDT&interval=1&start=1762819200000&end=1762819379999&limit=1000",
    ),
    (
        Bybit,
        "ETH/USDC",
        Timeframe::H1,
        "https://api.bybit.com/v5/market/kline?category=spot&symbol=ETHUSDC&interval=60&start=1762819200000&end=1762829999999&limit=1000",
    ),
    (
        Bybit,
        "BTC/USDT",
        Timeframe::D1,
        "https://api.bybit.com/v5/market/kline?category=spot&symbol=BTCUSDT&interval=D&start=1762819200000&end=1763078399999&limit=1000",
    ),
    (
        Coinbase,
        "BTC/USD",
        Timeframe::M1,
        "https://api.exchange.coinbase.com/products/BTC-USD/candles?granularity=60&start=2025-11-11T00:00:00Z&end=2025-11-11T00:02:00Z",
    ),
    (
        Coinbase,
        "ETH/USDT",
        Timeframe::H1,
        "https://api.exchange.coinbase.com/products/ETH-USDT/candles?granularity=3600&start=2025-11-11T00:00:00Z&end=2025-11-11T02:00:00Z",
    ),
    (
        Coinbase,
        "BTC/USD",
        Timeframe::D1,
        "https://api.exchange.coinbase.com/products/BTC-USD/candles?granularity=86400&start=2025-11-11T00:00:00Z&end=2025-11-13T00:00:00Z",
    ),
    (Gemini, "BTC/USD", Timeframe::M1, "https://api.gemini.com/v2/candles/btcusd/1m"),
    (Gemini, "ETH/BTC", Timeframe::H1, "https://api.gemini.com/v2/candles/ethbtc/1hr"),
    (Gemini, "BTC/USD", Timeframe::D1, "https://api.gemini.com/v2/candles/btcusd/1day"),
    (
        Kraken,
        "BTC/USD",
        Timeframe::M1,
        "https://api.kraken.com/0/public/OHLC?pair=XBTUSD&interval=1&since=1762819140",
    ),
    (
        Kraken,
        "ETH/EUR",
        Timeframe::H1,
        "https://api.kraken.com/0/public/OHLC?pair=ETHEUR&interval=60&since=1762815600",
    ),
    (
        Kraken,
        "DOGE/BTC",
        Timeframe::D1,
        "https://api.kraken.com/0/public/OHLC?pair=XDGXBT&interval=1440&since=1762732800",
    ),
    (
        Kucoin,
        "BTC/USDT",
        Timeframe::M1,
        "https://api.kucoin.com/api/v1/market/candles?symbol=BTC-USDT&type=1min&startAt=1762819200&endAt=1762819379",
    ),
    (
        Kucoin,
        "ETH/BTC",
        Timeframe::H1,
        "https://api.kucoin.com/api/v1/market/candles?symbol=ETH-BTC&type=1hour&startAt=1762819200&endAt=1762829999",
    ),
    (
        Kucoin,
        "BTC/USDT",
        Timeframe::D1,
        "https://api.kucoin.com/api/v1/market/candles?symbol=BTC-USDT&type=1day&startAt=1762819200&endAt=1763078399",
    ),
    (
        Okx,
        "BTC/USDT",
        Timeframe::M1,
        "https://www.okx.com/api/v5/market/candles?instId=BTC-USDT&bar=1m&before=1762819199999&after=1762819380000&limit=100",
    ),
    (
        Okx,
        "BTC/USDT",
        Timeframe::M5,
        "https://www.okx.com/api/v5/market/candles?instId=BTC-USDT&bar=5m&before=1762819199999&after=1762820100000&limit=100",
    ),
    (
        Okx,
        "ETH/BTC",
        Timeframe::H1,
        "https://www.okx.com/api/v5/market/candles?instId=ETH-BTC&bar=1H&before=1762819199999&after=1762830000000&limit=100",
    ),
    (
        Okx,
        "BTC/USDT",
        Timeframe::H6,
        "https://www.okx.com/api/v5/market/candles?instId=BTC-USDT&bar=6Hutc&before=1762819199999&after=1762884000000&limit=100",
    ),
    (
        Okx,
        "BTC/USDT",
        Timeframe::H12,
        "https://www.okx.com/api/v5/market/candles?instId=BTC-USDT&bar=12Hutc&before=1762819199999&after=1762948800000&limit=100",
    ),
    (
        Okx,
        "BTC/USDT",
        Timeframe::D1,
        "https://www.okx.com/api/v5/market/candles?instId=BTC-USDT&bar=1Dutc&before=1762819199999&after=1763078400000&limit=100",
    ),
];

#[test]
fn a_page_has_its_url() {
    assert_eq!(T, 1_762_819_200_000);
    for (venue, symbol, timeframe, url) in PAGES {
        let request = venue.request(&page(symbol, timeframe, 3)).unwrap();
        assert_eq!(request.url(venue.spec().base_url), url);
        assert!(
            url.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":/?&=-.".contains(&byte)),
            "{url}"
        );
    }
}

#[test]
fn a_timeframe_that_a_venue_lacks_is_refused_with_those_it_has() {
    use Timeframe::{D1, H1, H2, H4, H6, H12, M1, M3, M5, M15, M30};
    for (venue, has) in [
        (Binance, &Timeframe::ALL[..]),
        (BinanceUs, &Timeframe::ALL),
        (Bitfinex, &[M1, M5, M15, M30, H1, H4, H6, H12, D1]),
        (Bitstamp, &[M1, M3, M5, M15, M30, H1, H2, H4, H6, H12, D1]),
        (Bybit, &[M1, M3, M5, M15, M30, H1, H2, H4, H6, H12, D1]),
        (Coinbase, &[M1, M5, M15, H1, H6, D1]),
        (Gemini, &[M1, M5, M15, M30, H1, H6, D1]),
        (Kraken, &[M1, M5, M15, M30, H1, H4, D1]),
        (Kucoin, &Timeframe::ALL),
        (Okx, &[M1, M3, M5, M15, M30, H1, H2, H4, H6, H12, D1]),
    ] {
        let mut words = vec![];
        for timeframe in Timeframe::ALL {
            match venue.request(&page("BTC/USD", timeframe, 3)) {
                Ok(request) => {
                    assert!(has.contains(&timeframe), "{} {timeframe}", venue.name());
                    words.push(request.url(""));
                }
                Err(fault) => {
                    assert!(!has.contains(&timeframe), "{} {timeframe}", venue.name());
                    assert_eq!(fault.class, Class::Config);
                    let names: Vec<&str> = has.iter().map(|known| known.name()).collect();
                    let list = format!("no bars of {timeframe}: use one of {}", names.join(" "));
                    assert!(fault.why.ends_with(&list), "{fault}");
                }
            }
        }
        words.sort();
        words.dedup();
        assert_eq!(words.len(), has.len(), "two timeframes of {} have one word", venue.name());
    }
}

#[test]
fn okx_asks_for_old_bars_elsewhere() {
    for (age_bars, place) in
        [(0, "candles"), (1399, "candles"), (1401, "history-candles"), (100_000, "history-candles")]
    {
        let mut ask = page("BTC/USDT", Timeframe::M5, 3);
        ask.now = UtcMs::new(T + age_bars * 300_000).unwrap();
        let path = Okx.request(&ask).unwrap().path;
        assert_eq!(path, format!("/api/v5/market/{place}"), "{age_bars}");
    }
}

#[test]
fn the_largest_page_fits_into_what_a_venue_answers() {
    for venue in Venue::ALL {
        let spec = venue.spec();
        let slots = i64::from(spec.page_bars);
        let ask = page("BTC/USD", Timeframe::D1, slots);
        let query = venue.request(&ask).unwrap().query;
        for (name, value) in &query {
            if *name == "limit" {
                assert_eq!(value, &slots.to_string(), "{}", venue.name());
            }
            if ["end", "endTime"].contains(name) && venue != Coinbase && venue != Bitstamp {
                let end: i64 = value.parse().unwrap();
                assert_eq!((end + 1 - T) / DAY_MS, slots, "{}", venue.name());
            }
        }
        assert!(spec.horizon_bars.is_none_or(|horizon| spec.page_bars <= horizon));
        assert!(spec.pace.burst >= 1 && spec.pace.refill_ms >= 1);
        assert!(spec.base_url.starts_with("https://") && !spec.base_url.ends_with('/'));
    }
}
