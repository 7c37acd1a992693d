//! What each venue is asked and what it sends, as `sent/<venue>.toml` says. It names no other module, so that the benchmark can have
//! it too.

use std::{collections::BTreeMap, fs, path::Path, sync::OnceLock};

use serde::Deserialize;

/// Where the files are, below the root of the package.
const DIR: &str = "src/exchange/venue/tests/sent";

/// One bar: when it opens, milliseconds since 1970, and open, high, low, close and volume as digits.
#[derive(Debug, Clone)]
pub struct Row {
    pub open_ms: i64,
    pub values: [String; 5],
}

impl Row {
    pub fn new(open_ms: i64, values: [f64; 5]) -> Self {
        Self { open_ms, values: values.map(|value| value.to_string()) }
    }
}

/// What is written of one venue. Every part is mandatory.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Sent {
    /// Whether the newest row comes first.
    pub newest_first: bool,
    /// An answer about BTC/USD: `{rows}` is where its rows are, with commas between them.
    pub body: String,
    /// A row of one minute: `{ms}` and `{s}` are its open, `{last_ms}` its last millisecond, `{next_ms}` the open of the next one,
    /// `{o}` `{h}` `{l}` `{c}` `{v}` its digits.
    pub row: String,
    /// The timeframes that it has.
    pub timeframes: Vec<String>,
    /// Pages of three bars, and the URL of each.
    #[serde(rename = "page")]
    pub pages: Vec<Page>,
    /// Answers to a page of BTC/USD in three bars of a minute, and the bars they hold.
    #[serde(rename = "answer")]
    pub answers: Vec<Answer>,
    /// Answers without bars, and what can be done about each.
    #[serde(rename = "refusal")]
    pub refusals: Vec<Refusal>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    pub symbol: String,
    pub timeframe: String,
    pub url: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    pub body: String,
    /// When it opens; open, high, low, close, volume.
    pub bars: Vec<(i64, f64, f64, f64, f64, f64)>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    pub status: u16,
    pub body: String,
    pub class: String,
}

/// The files that there are, by the name of their venue.
pub fn files() -> &'static BTreeMap<String, Sent> {
    static FILES: OnceLock<BTreeMap<String, Sent>> = OnceLock::new();
    FILES.get_or_init(|| {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(DIR);
        let paths = fs::read_dir(&dir).expect(DIR).map(|entry| entry.expect(DIR).path());
        let sent = paths.map(|path| {
            let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
            let text = fs::read_to_string(&path).expect("a readable file");
            let sent = toml::from_str(&text);
            (name, sent.unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        });
        sent.collect()
    })
}

/// What is written of a venue.
pub fn sent(venue: &str) -> &'static Sent {
    files().get(venue).unwrap_or_else(|| {
        panic!("{DIR}/{venue}.toml is missing: write there what {venue} is asked and what it sends")
    })
}

/// The answer of a venue about BTC/USD; `rows` are oldest first and are sent in the venue's order.
pub fn answer(venue: &str, rows: &[Row]) -> String {
    let sent = sent(venue);
    let mut lines: Vec<String> = rows.iter().map(|row| sent.line(row)).collect();
    if sent.newest_first {
        lines.reverse();
    }
    sent.body.replace("{rows}", &lines.join(","))
}

impl Sent {
    /// Whether an answer is a list of rows and nothing around it.
    pub fn is_bare_list(&self) -> bool {
        self.body == "[{rows}]"
    }

    /// Whether its numbers are texts.
    pub fn has_texts(&self) -> bool {
        self.row.contains("\"{o}\"")
    }

    fn line(&self, row: &Row) -> String {
        let ms = row.open_ms;
        let times = [
            ("{ms}", ms),
            ("{s}", ms / 1000),
            ("{last_ms}", ms + 59_999),
            ("{next_ms}", ms + 60_000),
        ];
        let line = times
            .iter()
            .fold(self.row.clone(), |line, (place, time)| line.replace(place, &time.to_string()));
        let places = ["{o}", "{h}", "{l}", "{c}", "{v}"];
        places.iter().zip(&row.values).fold(line, |line, (place, text)| line.replace(place, text))
    }
}
