//! A CSV file of others: any separator of the usual ones, with a header or, as some venues publish, without. A row is a line.

use std::{borrow::Cow, cmp::Reverse, collections::BTreeMap, path::Path};

use super::{
    assemble::{Archive, Assembler},
    columns::{self, ArchiveColumns},
    headerless,
    read::ReadOptions,
    row::{Cell, Dates, RowReader, SAMPLE, has_open_dates},
    stamp::{self, DayOrder, Reading, shown},
    words,
};
use crate::store::error::StoreError;

/// Lines of remarks that may come before the header.
const PREAMBLE_MAX: usize = 30;
/// Fewer fields than this are not a row of bars.
const FIELDS_MIN: usize = 6;
/// More lines than this that are not rows, and more than there are rows, make none of them one.
const BROKEN_MAX: u64 = 8;
/// How the lines start that a merge leaves where two versions of a file differ.
const MERGE_MARKS: [&[u8]; 4] = [b"<<<<<<<", b"=======", b">>>>>>>", b"|||||||"];
/// Rows that must end alike before the last one, which has no line end, is trusted to be whole.
const ALIKE_MIN: usize = 20;

type Fields<'a> = Vec<Cow<'a, str>>;

/// A line, counted from 1, without its end.
#[derive(Debug, Clone, Copy)]
struct Line<'a> {
    number: u64,
    text: &'a [u8],
}

/// The parts of a file.
struct Parts<'a> {
    header: Option<Fields<'a>>,
    rows: &'a [Line<'a>],
    separator: char,
    /// Lines before the header that say something else.
    remarks: &'a [Line<'a>],
}

impl<'a> Parts<'a> {
    /// The fields of the rows, or why a line is not a row.
    fn fields(&self) -> impl Iterator<Item = Result<Fields<'a>, String>> {
        self.rows.iter().map(|line| fields(*line, self.separator))
    }
}

pub(super) fn parse(
    bytes: &[u8],
    path: &Path,
    options: &ReadOptions,
) -> Result<Archive, StoreError> {
    let damaged = |(line, reason): (u64, String)| StoreError::damaged(path, line, reason);
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let is_ended = matches!(bytes.last(), None | Some(b'\n' | b'\r'));
    read(&lines(bytes), is_ended, options).map_err(damaged)
}

fn read(
    lines: &[Line<'_>],
    is_ended: bool,
    options: &ReadOptions,
) -> Result<Archive, (u64, String)> {
    let whole = |reason: String| (0, reason);
    let is_mark = |line: &&Line<'_>| MERGE_MARKS.iter().any(|mark| line.text.starts_with(mark));
    if let Some(line) = lines.iter().find(is_mark) {
        let text = shown(&String::from_utf8_lossy(line.text));
        let reason =
            format!("`{text}` is left of a merge that did not go through: settle it first");
        return Err((line.number, reason));
    }
    let parts = parts(lines, options)?;
    let mut warnings = Vec::new();
    for line in parts.remarks {
        let text = String::from_utf8_lossy(line.text);
        check_remark(&text, options).map_err(|reason| (line.number, reason))?;
        warnings.push(format!("line {} is skipped: `{}`", line.number, shown(&text)));
    }
    let count = parts.header.as_ref().map_or_else(|| commonest_count(&parts), Vec::len);
    let first: Vec<Fields<'_>> = parts
        .fields()
        .filter_map(Result::ok)
        .filter(|row| is_full(row, count))
        .take(SAMPLE)
        .collect();
    let sample: Vec<Vec<Cell<'_>>> =
        first.iter().map(|row| row.iter().map(|field| Cell::Text(field)).collect()).collect();
    let mut columns = if let Some(names) = &parts.header {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        ArchiveColumns::find(&names, options).map_err(whole)?
    } else {
        let columns = headerless::columns(&sample, count, options).map_err(whole)?;
        let names = |at: &[usize]| at.iter().map(|at| (at + 1).to_string()).collect::<Vec<_>>();
        let times: Vec<usize> = columns.times.iter().map(|time| time.at).collect();
        warnings.push(if (times.as_slice(), columns.values) == (&[0], [1, 2, 3, 4, 5]) {
            "no header: columns are taken as time, open, high, low, close, volume".to_owned()
        } else {
            let (times, values) = (names(&times).join(" and "), names(&columns.values).join(", "));
            format!("no header: column {times} is taken as the time, columns {values} as open, high, low, close, volume")
        });
        columns
    };
    if has_open_dates(&columns, &sample) {
        let mut dates = Dates::new(&columns);
        for row in parts.fields().flatten().filter(|row| is_full(row, count)) {
            dates.see(|at| Cell::Text(&row[at]));
        }
        dates.settle(&mut columns);
    }
    let mut rows = RowReader::new(columns, options, &sample).map_err(whole)?;
    let mut assembler = Assembler::new(options, rows.meaning());
    push_all(&parts, is_ended, &mut rows, &mut assembler)?;
    let is_by_custom =
        !rows.columns.has_names && options.columns == super::read::ColumnNames::default();
    let names = rows.columns.names.clone();
    let labels = std::mem::take(&mut rows.labels);
    let turned = rows.columns.values;
    warnings.extend(rows.finish().map_err(whole)?);
    let archive = assembler.finish(warnings, &labels, &names).map_err(whole)?;
    if is_by_custom && archive.is_turned_round() {
        let (open, close) = (turned[0] + 1, turned[3] + 1);
        let reason = format!(
            "no header, and column {open} is the close and column {close} the open, not the other way round: give the file a header"
        );
        return Err(whole(reason));
    }
    Ok(archive)
}

/// Whether a line before the header speaks of another symbol.
fn check_remark(text: &str, options: &ReadOptions) -> Result<(), String> {
    let Some(symbol) = &options.symbol else { return Ok(()) };
    let is_mark = |c: char| !c.is_ascii_alphanumeric() && !matches!(c, '/' | '-' | '_');
    // A bare code is a word like others in a remark, and a path has many parts.
    let said: Vec<&str> = text
        .split(is_mark)
        .filter(|word| word.len() >= 6 && word.matches('/').count() < 2 && words::is_symbol(word))
        .collect();
    let fits = |word: &&str| words::fit_of_symbol(word, symbol) != words::Fit::Other;
    match said.first() {
        Some(word) if !said.iter().any(fits) => Err(format!(
            "it says {}, asked for is {symbol}: take the line out if the bars are right",
            shown(word)
        )),
        Some(_) | None => Ok(()),
    }
}

/// Hands over the rows in the order of the file. An error is a reason to trust none of them.
fn push_all(
    parts: &Parts<'_>,
    is_ended: bool,
    rows: &mut RowReader<'_>,
    assembler: &mut Assembler<'_>,
) -> Result<(), (u64, String)> {
    let options = rows.options;
    let torn = if is_ended { None } else { torn(parts, &rows.columns) };
    let mut broken = Broken::default();
    let mut coming = parts.rows.iter().map(|line| line.number).zip(parts.fields()).peekable();
    while let Some((number, row)) = coming.next() {
        let next = coming.peek().and_then(|(_, next)| next.as_ref().ok());
        let has_piece = next.is_some_and(|next| is_piece(next, &rows.columns, options));
        let row = row.map_err(Broke::Row);
        match row.and_then(|row| whole_row(row, parts.header.as_ref(), rows)) {
            Err(Broke::Header) => {
                let reason = match parts.header {
                    Some(_) => "another header: bring in each of the two files by itself",
                    None => {
                        "a header behind rows: move it before them, or bring in the rows before it by themselves"
                    }
                };
                return Err((number, reason.to_owned()));
            }
            Err(Broke::Row(reason)) => {
                broken.see(number, &reason);
                assembler.refuse(number, reason);
            }
            Ok(row) => {
                broken.rows += 1;
                let is_one = is_full(&row, rows.columns.names.len());
                if is_one && has_piece {
                    let reason = "the next line is a piece of a row, perhaps of this one";
                    assembler.refuse(number, reason.to_owned());
                    continue;
                }
                if is_one && torn == Some(number) {
                    let reason = "the file ends without a line end, so this row may be torn: if it is whole, add one";
                    assembler.refuse(number, reason.to_owned());
                    continue;
                }
                if let Some(fields) = rows.read(|at| Cell::Text(&row[at])) {
                    assembler.push(number, fields);
                }
                if !is_one {
                    let reason =
                        "two rows are on one line: the first of them is taken, the second is not";
                    assembler.refuse(number, reason.to_owned());
                }
            }
        }
    }
    broken.judge()
}

/// Why a line is not a row.
enum Broke {
    /// It names columns.
    Header,
    Row(String),
}

/// Lines that are not rows.
#[derive(Debug, Default)]
struct Broken {
    lines: u64,
    rows: u64,
    first: Option<(u64, String)>,
}

impl Broken {
    fn see(&mut self, number: u64, reason: &str) {
        self.lines += 1;
        self.first.get_or_insert_with(|| (number, reason.to_owned()));
    }

    /// What most lines of a file are not, the others are by accident.
    fn judge(self) -> Result<(), (u64, String)> {
        let (lines, rows) = (self.lines, self.rows);
        match self.first {
            Some((number, reason)) if lines > BROKEN_MAX && lines > rows => Err((
                number,
                format!(
                    "{reason}; {lines} lines are not rows, {rows} are: write the file again with one row in each line"
                ),
            )),
            Some(_) | None => Ok(()),
        }
    }
}

/// The lines that are not blank. A file without any line feed has the carriage returns of old.
fn lines(bytes: &[u8]) -> Vec<Line<'_>> {
    let end = if bytes.contains(&b'\n') { b'\n' } else { b'\r' };
    let lines = bytes
        .split(|byte| *byte == end)
        .zip(1..)
        .map(|(text, number)| Line { number, text: text.strip_suffix(b"\r").unwrap_or(text) });
    lines.filter(|line| !line.text.trim_ascii().is_empty()).collect()
}

/// Finds the header, or the first row of a file that has none. Lines before it are remarks, if no name of a column is among them.
fn parts<'a>(lines: &'a [Line<'a>], options: &ReadOptions) -> Result<Parts<'a>, (u64, String)> {
    let mut reason = (0, "the file is empty".to_owned());
    for (n, line) in lines.iter().take(PREAMBLE_MAX).enumerate() {
        let separator = separator(line.text);
        let marked = line.text.trim_ascii_start().strip_prefix(b"#");
        let (rows, remarks) = (&lines[n + 1..], &lines[..n]);
        let bare = Line { text: marked.unwrap_or(line.text), ..*line };
        let row = match fields(bare, separator) {
            Ok(row) => row,
            Err(_) if marked.is_some() => continue,
            Err(why) => return Err((line.number, why)),
        };
        let names: Vec<String> = row.iter().map(ToString::to_string).collect();
        let Err(why) = ArchiveColumns::find(&names, options) else {
            return Ok(Parts { header: Some(row), rows, separator, remarks });
        };
        if marked.is_some() {
            continue;
        }
        if row.len() >= FIELDS_MIN && is_first_row(&row, options) {
            // Without a header a line is a remark only if it is marked as one; else it may be a piece of a row.
            let is_row = |line: &Line<'_>| !line.text.trim_ascii_start().starts_with(b"#");
            let first = lines.iter().position(is_row).unwrap_or(n);
            let (remarks, rows) = lines.split_at(first);
            return Ok(Parts { header: None, rows, separator, remarks });
        }
        if reason.0 == 0 {
            reason = (line.number, why);
        }
        if row.len() >= FIELDS_MIN || names.iter().any(|name| columns::is_known(name)) {
            break;
        }
    }
    Err(reason)
}

/// Whether a line is a row, in a file that has no header.
fn is_first_row(row: &Fields<'_>, options: &ReadOptions) -> bool {
    let fields: Vec<&str> = row.iter().map(AsRef::as_ref).collect();
    let is_day_first = Reading { order: Some(DayOrder::DayFirst), ..Reading::default() };
    stamp::from_text(fields[0], is_day_first).is_ok() || headerless::is_row(&fields, options)
}

/// Whether a line names columns.
fn is_header(row: &Fields<'_>) -> bool {
    /// Names that are known; a row has none of them.
    const KNOWN_MIN: usize = 3;
    let is_word = |field: &&Cow<'_, str>| {
        let field = field.trim_start_matches(['\u{feff}', '#', ' ']);
        field.starts_with(|c: char| c.is_alphabetic() || c == '<') && columns::is_known(field)
    };
    row.len() > KNOWN_MIN && row.iter().filter(is_word).count() >= KNOWN_MIN
}

/// The separator that occurs most often in a line.
fn separator(line: &[u8]) -> char {
    let count = |wanted: char| line.iter().filter(|byte| char::from(**byte) == wanted).count();
    [',', ';', '\t', '|'].into_iter().rev().max_by_key(|wanted| count(*wanted)).unwrap_or(',')
}

/// The number of fields that most rows have.
fn commonest_count(parts: &Parts<'_>) -> usize {
    let mut counts = BTreeMap::new();
    for row in parts.fields().flatten().filter(|row| row.len() >= FIELDS_MIN) {
        *counts.entry(row.len()).or_insert(0) += 1;
    }
    let most = counts.into_iter().max_by_key(|(count, rows)| (*rows, Reverse(*count)));
    most.map_or(FIELDS_MIN, |(count, _)| count)
}

/// A row with as many fields as it must have, or two of them that are on one line with nothing lost of the first; or why it is neither.
fn whole_row<'a>(
    row: Fields<'a>,
    header: Option<&Fields<'a>>,
    rows: &RowReader<'_>,
) -> Result<Fields<'a>, Broke> {
    let columns = &rows.columns;
    let count = columns.names.len();
    if header == Some(&row) {
        return Err(Broke::Row("it is the header again".to_owned()));
    }
    if is_header(&row) {
        return Err(Broke::Header);
    }
    if is_full(&row, count) || is_two(&row, columns) {
        return Ok(row);
    }
    let of = if header.is_some() { "the header" } else { "most rows" };
    Err(Broke::Row(format!("it has {} fields, {of} {count}", row.len())))
}

/// Whether a line is two rows without a line end between them, with the place where they meet in a column that is not used.
fn is_two(row: &Fields<'_>, columns: &ArchiveColumns) -> bool {
    let last = columns.names.len() - 1;
    let is_number = |at: usize| row[at + last].trim().parse::<f64>().is_ok();
    row.len() == 2 * last + 1 && !columns.is_read(last) && columns.values.into_iter().all(is_number)
}

/// Whether a line is too short for a row and does not begin as one.
fn is_piece(row: &Fields<'_>, columns: &ArchiveColumns, options: &ReadOptions) -> bool {
    let is_time = |at: usize| {
        let order = columns.orders.get(&at).copied();
        let reading = Reading { unit: options.unit, offset_ms: 0, order };
        let stamp = row.get(at).map(|field| stamp::from_text(field, reading));
        stamp.is_some_and(|stamp| stamp.is_ok_and(|stamp| stamp.ms >= options.earliest_ms))
    };
    let last = columns.names.len() - 1;
    row.len() <= last && columns.is_read(last) && !columns.times.iter().any(|time| is_time(time.at))
}

/// Whether a row has as many fields as it must; separators after the last one do no harm.
fn is_full(row: &Fields<'_>, count: usize) -> bool {
    row.len() >= count && row[count..].iter().all(|field| field.is_empty())
}

/// The last row, if nothing shows that it is whole: its last field matters, and does not end as those before it do.
fn torn(parts: &Parts<'_>, columns: &ArchiveColumns) -> Option<u64> {
    let at = columns.names.len() - 1;
    if !columns.is_read(at) {
        return None;
    }
    let (last, earlier) = parts.rows.split_last()?;
    let field = |line: &Line<'_>| Some(fields(*line, parts.separator).ok()?.get(at)?.to_string());
    let end = field(last)?;
    let earlier: Vec<String> = earlier.iter().rev().take(ALIKE_MIN).filter_map(field).collect();
    let is_whole = earlier.len() == ALIKE_MIN && earlier.iter().all(|other| is_alike(other, &end));
    if is_whole { None } else { Some(last.number) }
}

/// Whether two fields end at the same place: as many decimals, or as many characters when they are not whole numbers.
fn is_alike(a: &str, b: &str) -> bool {
    let decimals = |text: &str| text.rsplit_once('.').map(|(_, decimals)| decimals.len());
    let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    match (decimals(a), decimals(b)) {
        (Some(a), Some(b)) => a == b,
        (None, None) => a == b || (a.len() == b.len() && !is_number(a) && !is_number(b)),
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// The fields of a line. A quote opens a field at its start and closes it at its end, and nowhere else.
fn fields(line: Line<'_>, separator: char) -> Result<Fields<'_>, String> {
    let text = str::from_utf8(line.text).map_err(|_| "it is not UTF-8".to_owned())?;
    if text.contains('\r') {
        return Err("there is a line end inside of it".to_owned());
    }
    if !text.contains('"') {
        return Ok(text.split(separator).map(Cow::Borrowed).collect());
    }
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let Some(quoted) = rest.trim_start_matches(' ').strip_prefix('"') else {
            let (field, more) =
                rest.split_once(separator).map_or((rest, None), |(f, m)| (f, Some(m)));
            if field.contains('"') {
                return Err(format!("a quote is inside of the field `{}`", shown(field)));
            }
            fields.push(Cow::Borrowed(field));
            let Some(more) = more else { return Ok(fields) };
            rest = more;
            continue;
        };
        let (field, after) = unquoted(quoted)?;
        fields.push(Cow::Owned(field));
        let after = after.trim_start_matches(' ');
        if after.is_empty() {
            return Ok(fields);
        }
        rest = after
            .strip_prefix(separator)
            .ok_or_else(|| format!("a quote is followed by `{}`", shown(after)))?;
    }
}

/// What is inside of quotes, and what comes after them; two quotes are one.
fn unquoted(text: &str) -> Result<(String, &str), String> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let at = rest.find('"').ok_or("a quote is opened and not closed")?;
        field.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return Ok((field, rest)),
        }
    }
}
