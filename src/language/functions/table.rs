//! The functions that look back: how each is called, what it gives, and what the reference says of it.

use self::{
    Arg::{Condition, Factor, Length, Number},
    Gives::{Count, Like, OneOf, Price, PriceTaken, Pure, Truth},
};

const A: Arg = Number("a");
const B: Arg = Number("b");
const C: Arg = Condition("c");
const D: Arg = Length("d");
const FAST: Arg = Length("fast");
const K: Arg = Factor("k");
const N: Arg = Length("n");
const SIGNAL: Arg = Length("signal");
const SLOW: Arg = Length("slow");
const SMOOTH: Arg = Length("smooth");
const X: Arg = Number("x");

macro_rules! functions {
    ($($group:ident { $($back:ident $name:literal [$($arg:expr),*] $gives:expr;
        $meaning:literal; $formula:literal; $lag:literal; $source:literal; $special:literal)* })*) => {
        /// A function that looks back, and therefore has a state.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(in crate::language) enum Back {
            $($($back,)*)*
        }

        impl Back {
            /// Every one.
            pub(in crate::language) const ALL: &[Self] = &[$($(Self::$back,)*)*];

            /// Whether it is an event of one bar: one series crossing another.
            pub(in crate::language) const fn crosses(self) -> bool {
                matches!(self, Self::CrossesAbove | Self::CrossesBelow)
            }

            /// Whether it is given a column, and not bars alone.
            pub(in crate::language) fn has_inputs(self) -> bool {
                let is_input = |arg: &Arg| matches!(arg, Arg::Number(_) | Arg::Condition(_));
                self.row().args.iter().any(is_input)
            }

            /// Its row in the reference.
            pub(in crate::language) const fn row(self) -> FunctionRow {
                match self {
                    $($(Self::$back => FunctionRow {
                        group: Group::$group,
                        name: $name,
                        args: &[$($arg),*],
                        gives: $gives,
                        meaning: $meaning,
                        formula: $formula,
                        lag: $lag,
                        source: $source,
                        special: $special,
                    },)*)*
                }
            }
        }
    };
}

functions! {
    Averages {
        Sma "sma" [X, N] Like(0); "simple moving average"; "the mean of the last n values"; "n - 1"; "TA-Lib SMA"; ""
        Ema "ema" [X, N] Like(0); "exponential moving average"; "e + (x - e) * 2 / (n + 1), started with the mean of the first n values"; "4n - 1"; "TA-Lib EMA"; ""
        Wma "wma" [X, N] Like(0); "linearly weighted moving average"; "the mean of the last n values with the weights 1 (oldest) to n (newest)"; "n - 1"; "TA-Lib WMA"; ""
        Rma "rma" [X, N] Like(0); "Wilder's average, as slow as an ema of 2n - 1"; "r + (x - r) / n, started with the mean of the first n values"; "4(2n - 1) - 1"; "Wilder 1978"; ""
        Hma "hma" [X, N] Like(0); "Hull's average, quick and smooth"; "wma(2 * wma(x, n / 2) - wma(x, n), sqrt(n)), lengths rounded down"; "n - 1, and the last length - 1"; "Hull 2005"; ""
        Vwma "vwma" [X, N] Like(0); "average weighted by volume"; "sum of x * volume of n bars / sum of their volumes"; "n - 1"; "usual"; "sma(x, n) without any volume"
    }
    Momentum {
        Rsi "rsi" [X, N] Pure; "relative strength index, 0 to 100"; "100 * u / (u + d); u and d are Wilder averages of the rises and the falls"; "4(2n - 1) - 1"; "TA-Lib RSI"; "50 without any movement (TA-Lib: 0)"
        StochK "stoch_k" [N, SMOOTH] Pure; "place of the close in the range of n bars, 0 to 100, smoothed"; "sma(100 * (close - lowest(low, n)) / (highest(high, n) - lowest(low, n)), smooth)"; "n - 1 + smooth - 1"; "TA-Lib STOCH"; "50 for a range of zero (TA-Lib: 0)"
        StochD "stoch_d" [N, SMOOTH, D] Pure; "average of stoch_k"; "sma(stoch_k(n, smooth), d)"; "that of stoch_k + d - 1"; "TA-Lib STOCH"; "50 for a range of zero (TA-Lib: 0)"
        Cci "cci" [N] Pure; "commodity channel index"; "(hlc3 - sma(hlc3, n)) / (0.015 * mean distance of the n values from their mean)"; "n - 1"; "TA-Lib CCI"; "0 when the n values are equal"
        Mfi "mfi" [N] Pure; "money flow index, 0 to 100: an rsi with volume"; "100 * u / (u + d); u and d are sums of hlc3 * volume of n bars in which hlc3 rose, fell"; "n"; "TA-Lib MFI"; "50 without any flow (TA-Lib: 0)"
        Willr "willr" [N] Pure; "Williams %R, -100 to 0"; "-100 * (highest(high, n) - close) / (highest(high, n) - lowest(low, n))"; "n - 1"; "TA-Lib WILLR"; "-50 for a range of zero (TA-Lib: 0)"
        Adx "adx" [N] Pure; "strength of a trend, 0 to 100, whatever its direction"; "Wilder average of 100 * |plus_di - minus_di| / (plus_di + minus_di)"; "two Wilder averages of n"; "TA-Lib ADX"; "0 without any movement"
        PlusDi "plus_di" [N] Pure; "share of the range that is movement up, 0 to 100"; "100 * Wilder average of the movement up / that of the true range"; "4(2n - 1) - 1"; "TA-Lib PLUS_DI"; "0 for a range of zero"
        MinusDi "minus_di" [N] Pure; "share of the range that is movement down, 0 to 100"; "100 * Wilder average of the movement down / that of the true range"; "4(2n - 1) - 1"; "TA-Lib MINUS_DI"; "0 for a range of zero"
        Roc "roc" [X, N] Pure; "change over n bars, in percent"; "100 * (x / x[n] - 1)"; "n"; "TA-Lib ROC"; "0 where x[n] is 0"
        Mom "mom" [X, N] Like(0); "change over n bars"; "x - x[n]"; "n"; "TA-Lib MOM"; ""
        Macd "macd" [X, FAST, SLOW] Like(0); "distance of two exponential averages"; "ema(x, fast) - ema(x, slow), both started at the same bar"; "that of ema(slow)"; "TA-Lib MACD"; ""
        MacdSignal "macd_signal" [X, FAST, SLOW, SIGNAL] Like(0); "average of macd"; "ema(macd(x, fast, slow), signal)"; "that of macd + 4 signal - 1"; "TA-Lib MACD"; ""
        MacdHist "macd_hist" [X, FAST, SLOW, SIGNAL] Like(0); "distance of macd from its average"; "macd - macd_signal"; "that of macd_signal"; "TA-Lib MACD"; ""
    }
    Range {
        Tr "tr" [] Price; "true range: what the price covered since the close before"; "max(high, close[1]) - min(low, close[1])"; "1"; "TA-Lib TRANGE"; ""
        Atr "atr" [N] Price; "average true range"; "Wilder average of tr()"; "4(2n - 1) - 1"; "TA-Lib ATR"; ""
        Natr "natr" [N] Pure; "average true range in percent of the close"; "100 * atr(n) / close"; "4(2n - 1) - 1"; "TA-Lib NATR"; ""
        Stdev "stdev" [X, N] Like(0); "standard deviation"; "root of the mean square of the distances from the mean (population: divided by n)"; "n - 1"; "TA-Lib STDDEV"; ""
        BbUpper "bb_upper" [X, N, K] Like(0); "upper Bollinger band"; "sma(x, n) + k * stdev(x, n)"; "n - 1"; "TA-Lib BBANDS"; ""
        BbMid "bb_mid" [X, N] Like(0); "middle of the Bollinger bands"; "sma(x, n)"; "n - 1"; "TA-Lib BBANDS"; ""
        BbLower "bb_lower" [X, N, K] Like(0); "lower Bollinger band"; "sma(x, n) - k * stdev(x, n)"; "n - 1"; "TA-Lib BBANDS"; ""
        KcUpper "kc_upper" [N, K] Price; "upper Keltner channel"; "kc_mid(n) + k * atr(n)"; "4(2n - 1) - 1"; "TA-Lib KC"; ""
        KcMid "kc_mid" [N] Price; "middle of the Keltner channel"; "ema(hlc3, n), started one bar later, with the first true range"; "4n - 1"; "TA-Lib KC"; ""
        KcLower "kc_lower" [N, K] Price; "lower Keltner channel"; "kc_mid(n) - k * atr(n)"; "4(2n - 1) - 1"; "TA-Lib KC"; ""
        Supertrend "supertrend" [N, K] Price; "trailing line below a rising, above a falling market"; "hl2 -+ k * atr(n), which only moves towards the price until the close crosses it"; "4(2n - 1) - 1"; "usual"; "it depends on the first bar it saw, beyond any warm-up"
        Highest "highest" [X, N] OneOf(0); "highest of the last n values, this one included; highest(high, 20)[1] is the Donchian breakout"; "max of n values"; "n - 1"; "TA-Lib MAX"; ""
        Lowest "lowest" [X, N] OneOf(0); "lowest of the last n values, this one included"; "min of n values"; "n - 1"; "TA-Lib MIN"; ""
    }
    Statistics {
        Zscore "zscore" [X, N] Pure; "distance from the mean, in standard deviations"; "(x - sma(x, n)) / stdev(x, n)"; "n - 1"; "usual"; "0 when the n values are equal"
        Rank "rank" [X, N] Pure; "share of the last n values that are not above this one, above 0 to 1"; "count of values <= x among n / n"; "n - 1"; "usual"; ""
        LogReturn "log_return" [X, N] Pure; "logarithm of the change over n bars"; "log(x / x[n])"; "n"; "usual"; "unknown where a value is not positive"
        Volatility "volatility" [N] Pure; "spread of the one-bar log returns of the close"; "sample standard deviation (divided by n - 1) of the last n returns; n is 2 or more"; "n"; "usual"; ""
        VolumeZ "volume_z" [N] Pure; "zscore of the volume"; "zscore(volume, n)"; "n - 1"; "usual"; "0 when the n volumes are equal"
        Corr "corr" [A, B, N] Pure; "correlation of two series, -1 to 1"; "Pearson's coefficient of the last n pairs"; "n - 1"; "TA-Lib CORREL"; "0 when one of them does not vary"
    }
    Day {
        DayOpen "day_open" [] PriceTaken; "first price of the UTC day of this bar"; "open of the first bar of the day"; "one day of bars - 1"; "usual"; ""
        DayHigh "day_high" [] PriceTaken; "highest price of the day so far, this bar included"; "max of high since the start of the day"; "one day of bars - 1"; "usual"; ""
        DayLow "day_low" [] PriceTaken; "lowest price of the day so far, this bar included"; "min of low since the start of the day"; "one day of bars - 1"; "usual"; ""
        DayVwap "day_vwap" [] Price; "average price of the day so far, weighted by volume"; "sum of hlc3 * volume / sum of volume since the start of the day"; "one day of bars - 1"; "usual"; "hlc3 while the day has no volume"
    }
    Logic {
        CrossesAbove "crosses_above" [A, B] Truth; "whether a went above b with this bar"; "a > b and a[1] <= b[1]"; "1"; "usual"; ""
        CrossesBelow "crosses_below" [A, B] Truth; "whether a went below b with this bar"; "a < b and a[1] >= b[1]"; "1"; "usual"; ""
        Rising "rising" [X, N] Truth; "whether x rose in each of the last n bars"; "x > x[1] > ... > x[n]"; "n"; "usual"; ""
        Falling "falling" [X, N] Truth; "whether x fell in each of the last n bars"; "x < x[1] < ... < x[n]"; "n"; "usual"; ""
        CountOf "count" [C, N] Count; "in how many of the last n bars c was true"; "sum of c over n bars"; "n - 1"; "usual"; ""
        BarsSince "bars_since" [C, N] Count; "bars since c was true; 0 if it is now"; "the smallest i below n with c[i]"; "n - 1"; "usual"; "n when c was not true in n bars"
        ValueWhen "value_when" [C, X, N] OneOf(1); "the value x had when c was true the last time"; "x[bars_since(c, n)]"; "n - 1"; "usual"; "unknown when c was not true in n bars"
    }
}

/// One argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::language) enum Arg {
    /// A number of every bar.
    Number(&'static str),
    /// A condition of every bar.
    Condition(&'static str),
    /// A number of bars, known before the first one.
    Length(&'static str),
    /// A positive number known before the first bar.
    Factor(&'static str),
}

impl Arg {
    /// How it is called.
    pub(in crate::language) const fn name(self) -> &'static str {
        match self {
            Self::Number(name)
            | Self::Condition(name)
            | Self::Length(name)
            | Self::Factor(name) => name,
        }
    }
}

/// What a function gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::language) enum Gives {
    /// True or false.
    Truth,
    /// A whole number.
    Count,
    /// A pure number.
    Pure,
    /// A calculated price.
    Price,
    /// A price as it stands in a bar.
    PriceTaken,
    /// A calculated number of the kind of this input.
    Like(usize),
    /// One of the values of this input.
    OneOf(usize),
}

/// Where the reference shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::language) enum Group {
    /// Averages.
    Averages,
    /// Momentum and trend.
    Momentum,
    /// Ranges and bands.
    Range,
    /// Statistics.
    Statistics,
    /// Since the start of the UTC day.
    Day,
    /// Events and conditions.
    Logic,
    /// Arithmetic on one bar.
    Arithmetic,
}

impl Group {
    /// Every group, in the order of the reference.
    pub(in crate::language) const ALL: [Self; 7] = [
        Self::Averages,
        Self::Momentum,
        Self::Range,
        Self::Statistics,
        Self::Day,
        Self::Logic,
        Self::Arithmetic,
    ];

    /// Its heading.
    pub(in crate::language) const fn title(self) -> &'static str {
        match self {
            Self::Averages => "Averages",
            Self::Momentum => "Momentum and trend",
            Self::Range => "Range",
            Self::Statistics => "Statistics",
            Self::Day => "Day (UTC)",
            Self::Logic => "Logic",
            Self::Arithmetic => "Arithmetic",
        }
    }
}

/// The row of a function.
#[derive(Debug, Clone, Copy)]
pub(in crate::language) struct FunctionRow {
    pub(in crate::language) group: Group,
    pub(in crate::language) name: &'static str,
    pub(in crate::language) args: &'static [Arg],
    pub(in crate::language) gives: Gives,
    /// What it is for.
    pub(in crate::language) meaning: &'static str,
    /// How it is calculated.
    pub(in crate::language) formula: &'static str,
    /// Its lag in bars, added to that of its arguments.
    pub(in crate::language) lag: &'static str,
    /// Whose definition it is.
    pub(in crate::language) source: &'static str,
    /// What it gives where the formula divides by zero, or another special case.
    pub(in crate::language) special: &'static str,
}

impl FunctionRow {
    /// How it is called: `ema(x, n)`.
    pub(in crate::language) fn signature(&self) -> String {
        let args: Vec<&str> = self.args.iter().map(|arg| arg.name()).collect();
        format!("{}({})", self.name, args.join(", "))
    }

    /// A call as somebody might write it: `ema(close, 20)`.
    pub(in crate::language) fn example(&self) -> String {
        let arg = |(at, arg): (usize, &Arg)| match (arg, at) {
            (Arg::Number(_), 0) => "close",
            (Arg::Number(_), _) => "open",
            (Arg::Condition(_), _) => "close > open",
            (Arg::Length(_), 0 | 1) => "14",
            (Arg::Length(_), 2) => "28",
            (Arg::Length(_), _) => "9",
            (Arg::Factor(_), _) => "2.0",
        };
        let args: Vec<&str> = self.args.iter().enumerate().map(arg).collect();
        format!("{}({})", self.name, args.join(", "))
    }
}
