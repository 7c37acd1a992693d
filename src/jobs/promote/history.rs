//! Which models came into use, and which is in use now: rows are appended, and the file `current` is what they come to.

use std::fmt::Write as _;

use thiserror::Error;

use crate::domain::time::UtcMs;

/// First line of `history.csv`.
const HEADER: &str = "at_ms,event,model,metric,candidate,baseline,run_id";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::jobs) enum HistoryEvent {
    /// A model came into use.
    Promote,
    /// The one in use left; the one before came back.
    Rollback,
}

impl HistoryEvent {
    const fn name(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Rollback => "rollback",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(in crate::jobs) struct HistoryRow {
    /// When.
    pub(in crate::jobs) at: UtcMs,
    pub(in crate::jobs) event: HistoryEvent,
    /// The model that is in use from then on, `name/id`.
    pub(in crate::jobs) model: String,
    /// What it was measured by; empty at a rollback.
    pub(in crate::jobs) metric: String,
    /// Its number and that of the baseline; empty at a rollback.
    pub(in crate::jobs) numbers: Option<(f64, f64)>,
    /// The run that did it.
    pub(in crate::jobs) run: String,
}

/// Why `history.csv` cannot be read: what is wrong, and the line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(in crate::jobs) enum HistoryError {
    #[error("is not UTF-8")]
    NotUtf8,
    #[error("line 1: the header is not `{HEADER}`")]
    Header,
    #[error("the last line has no end: restore the file from a copy")]
    Torn,
    #[error("line {line}: {found} columns instead of 7")]
    Columns { line: usize, found: usize },
    #[error("line {line}: unknown event `{found}`")]
    Event { line: usize, found: String },
    #[error("line {line}: `{found}` is not a time")]
    Time { line: usize, found: String },
    #[error("line {line}: a rollback to {model}, which was not in use before")]
    Rollback { line: usize, model: String },
}

/// The models in use, the oldest first: a rollback goes back by one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::jobs) struct History {
    text: String,
    stack: Vec<String>,
    changed: Option<UtcMs>,
}

impl History {
    /// Reads `history.csv`.
    pub(in crate::jobs) fn parse(bytes: &[u8]) -> Result<Self, HistoryError> {
        let text = String::from_utf8(bytes.to_vec()).map_err(|_| HistoryError::NotUtf8)?;
        let mut history = Self { text: text.clone(), ..Self::default() };
        let mut lines = (1_usize..).zip(text.lines());
        match lines.next() {
            None => return Ok(history),
            Some((_, header)) if header == HEADER => {}
            Some(_) => return Err(HistoryError::Header),
        }
        if !text.ends_with('\n') {
            return Err(HistoryError::Torn);
        }
        for (line, row) in lines {
            let fields: Vec<&str> = row.split(',').collect();
            let [at_ms, event, model, _, _, _, _] = fields[..] else {
                return Err(HistoryError::Columns { line, found: fields.len() });
            };
            let event = match event {
                "promote" => HistoryEvent::Promote,
                "rollback" => HistoryEvent::Rollback,
                other => return Err(HistoryError::Event { line, found: other.to_owned() }),
            };
            let at = at_ms.parse().ok().and_then(|ms| UtcMs::new(ms).ok());
            let at = at.ok_or_else(|| HistoryError::Time { line, found: at_ms.to_owned() })?;
            if !history.take(at, event, model) {
                return Err(HistoryError::Rollback { line, model: model.to_owned() });
            }
        }
        Ok(history)
    }

    /// Whether the event can have happened.
    fn take(&mut self, at: UtcMs, event: HistoryEvent, model: &str) -> bool {
        self.changed = Some(at);
        match event {
            HistoryEvent::Promote => self.stack.push(model.to_owned()),
            HistoryEvent::Rollback => {
                self.stack.pop();
            }
        }
        self.in_use() == Some(model)
    }

    /// The model in use.
    pub(in crate::jobs) fn in_use(&self) -> Option<&str> {
        self.stack.last().map(String::as_str)
    }

    /// When it came into use.
    pub(in crate::jobs) const fn changed(&self) -> Option<UtcMs> {
        self.changed
    }

    /// The one that was in use before it.
    pub(in crate::jobs) fn before(&self) -> Option<&str> {
        self.stack.iter().rev().nth(1).map(String::as_str)
    }

    /// With one row more.
    pub(in crate::jobs) fn append(mut self, row: &HistoryRow) -> Self {
        if self.text.is_empty() {
            self.text = format!("{HEADER}\n");
        }
        let (candidate, baseline) = row
            .numbers
            .map_or_else(Default::default, |(ours, base)| (ours.to_string(), base.to_string()));
        let HistoryRow { at, event, model, metric, run, .. } = row;
        let (at_ms, event_name) = (at.get(), event.name());
        let _ = writeln!(
            self.text,
            "{at_ms},{event_name},{model},{metric},{candidate},{baseline},{run}"
        );
        assert!(self.take(*at, *event, model), "a row follows from the history");
        self
    }

    /// The text of `history.csv`.
    pub(in crate::jobs) fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(event: HistoryEvent, model: &str) -> HistoryRow {
        row_at(5, event, model)
    }

    fn row_at(at_ms: i64, event: HistoryEvent, model: &str) -> HistoryRow {
        let numbers = (event == HistoryEvent::Promote).then_some((-0.5, -0.75));
        let at = UtcMs::new(at_ms).unwrap();
        let metric = numbers.map_or("", |_| "log-loss").to_owned();
        HistoryRow { at, event, model: model.to_owned(), metric, numbers, run: "r1".to_owned() }
    }

    #[test]
    fn a_rollback_goes_back_by_one_each_time() {
        let mut history = History::parse(b"").unwrap();
        assert_eq!((history.in_use(), history.before()), (None, None));
        for model in ["m/a", "m/b", "m/c"] {
            history = history.append(&row(HistoryEvent::Promote, model));
        }
        assert_eq!((history.in_use(), history.before()), (Some("m/c"), Some("m/b")));
        history = history.append(&row(HistoryEvent::Rollback, "m/b"));
        history = history.append(&row(HistoryEvent::Rollback, "m/a"));
        assert_eq!((history.in_use(), history.before()), (Some("m/a"), None));
        history = history.append(&row_at(9, HistoryEvent::Promote, "m/d"));
        let again = History::parse(history.text().as_bytes()).unwrap();
        assert_eq!(again, history);
        assert_eq!((again.before(), again.changed()), (Some("m/a"), UtcMs::new(9).ok()));
        assert!(
            history
                .text()
                .starts_with(&format!("{HEADER}\n5,promote,m/a,log-loss,-0.5,-0.75,r1\n"))
        );
    }

    #[test]
    fn a_damaged_history_is_refused_with_its_line() {
        let good = History::default().append(&row(HistoryEvent::Promote, "m/a"));
        let torn = &good.text()[..good.text().len() - 1];
        for (text, says) in [
            ("nothing\n".to_owned(), "line 1"),
            (torn.to_owned(), "no end"),
            (format!("{}5,promote,m/b\n", good.text()), "line 3: 3 columns"),
            (format!("{}5,demote,m/b,,,,r\n", good.text()), "unknown event `demote`"),
            (format!("{}soon,promote,m/b,,,,r\n", good.text()), "line 3: `soon` is not a time"),
            (format!("{}5,rollback,m/b,,,,r\n", good.text()), "line 3: a rollback to m/b"),
        ] {
            let error = History::parse(text.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
