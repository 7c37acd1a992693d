//! What there is to know of a function: how it is called, what it gives, and what the reference says of it.

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
pub(in crate::language) struct Row {
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

impl Row {
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
