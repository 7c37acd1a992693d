//! What people are to be told of ledgers, and how far these were looked through: one row for each event and each receiver, written in the
//! step that moves the place in the ledger on, so that a death in between neither loses an event nor makes it twice.

use rusqlite::{OptionalExtension as _, TransactionBehavior, params};

use super::records::RunStore;
use crate::{domain::time::UtcMs, store::error::StoreError};

/// Most notices of one receiver that are looked at together.
const LOOK_MAX: u32 = 2_000;

/// How a notice stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeState {
    /// It waits.
    Queued,
    /// It is on its way, or was when the service died: whether it arrived is not known.
    Sending,
    /// It arrived.
    Sent,
}

impl NoticeState {
    const ALL: [Self; 3] = [Self::Queued, Self::Sending, Self::Sent];

    /// How it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
        }
    }
}

/// An event that somebody is to be told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNotice {
    /// Names the event: of two with one name the second is left out.
    pub id: String,
    /// Who gets it.
    pub sink: String,
    /// The job that says so.
    pub job: String,
    pub event: String,
    /// When it happened, by the ledger.
    pub at: UtcMs,
    /// The event, as a document.
    pub facts: String,
}

/// A notice that did not arrive yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredNotice {
    /// Its number, in the order of noting.
    pub n: i64,
    pub notice: NewNotice,
    /// When it was noted.
    pub seen: UtcMs,
    pub state: NoticeState,
    /// Names the message that it is in, once it is on its way.
    pub batch: Option<String>,
}

/// How far a ledger was looked through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticePlace {
    /// Bytes.
    pub offset: u64,
    /// The slot, or the time, of the last thing seen.
    pub ts_ms: i64,
    /// What the last line before the place was, so that another file is noticed.
    pub mark: String,
    /// A word that is kept: the last risk state, or verdict.
    pub word: String,
}

impl RunStore {
    /// How far something was looked through; `None` where it never was.
    pub fn notice_place(&self, place: &str) -> Result<Option<NoticePlace>, StoreError> {
        let select = "SELECT offset, ts_ms, mark, word FROM notice_places WHERE place = ?1 LIMIT 1";
        let row = self.db.query_row(select, [place], |row| {
            let offset: i64 = row.get(0)?;
            let offset = offset.unsigned_abs();
            Ok(NoticePlace { offset, ts_ms: row.get(1)?, mark: row.get(2)?, word: row.get(3)? })
        });
        row.optional().map_err(|error| self.refused(&error))
    }

    /// Notes events and moves a place on, in one durable step. An event that was noted before is left out.
    pub fn note(
        &self,
        news: &[NewNotice],
        (place, to): (&str, &NoticePlace),
        now: UtcMs,
    ) -> Result<(), StoreError> {
        let work = || -> rusqlite::Result<()> {
            let change =
                rusqlite::Transaction::new_unchecked(&self.db, TransactionBehavior::Immediate)?;
            for NewNotice { id, sink, job, event, at, facts } in news {
                change.prepare_cached(
                    "INSERT OR IGNORE INTO notices (id, sink, job, event, at_ms, seen_ms, facts, state) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'queued')",
                )?
                .execute(params![id, sink, job, event, at.get(), now.get(), facts])?;
            }
            let NoticePlace { offset, ts_ms, mark, word } = to;
            change.execute(
                "INSERT OR REPLACE INTO notice_places (place, offset, ts_ms, mark, word) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![place, *offset as i64, ts_ms, mark, word],
            )?;
            change.commit()
        };
        work().map_err(|error| self.refused(&error))
    }

    /// What a receiver of a job did not get yet, in the order of noting.
    pub fn waiting_notices(&self, job: &str, sink: &str) -> Result<Vec<StoredNotice>, StoreError> {
        type Row = (i64, String, String, i64, i64, String, String, Option<String>);
        let query = || -> rusqlite::Result<Vec<Row>> {
            let select = "SELECT n, id, event, at_ms, seen_ms, facts, state, batch FROM notices \
                          WHERE state IN ('queued', 'sending') AND job = ?1 AND sink = ?2 ORDER BY n LIMIT ?3";
            let mut select = self.db.prepare_cached(select)?;
            let rows = select.query_map(params![job, sink, LOOK_MAX], |row| {
                let (n, id, event, at, seen) =
                    (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
                Ok((n, id, event, at, seen, row.get(5)?, row.get(6)?, row.get(7)?))
            })?;
            rows.collect()
        };
        let rows = query().map_err(|error| self.refused(&error))?;
        let instant = |ms| UtcMs::new(ms).map_err(|error| self.bad(error.to_string()));
        let mut found = Vec::new();
        for (n, id, event, at, seen, facts, state, batch) in rows {
            let state = NoticeState::ALL.into_iter().find(|known| known.name() == state);
            let state =
                state.ok_or_else(|| self.bad("a notice has an unknown state".to_owned()))?;
            let (sink, job) = (sink.to_owned(), job.to_owned());
            let notice = NewNotice { id, sink, job, event, at: instant(at)?, facts };
            found.push(StoredNotice { n, notice, seen: instant(seen)?, state, batch });
        }
        Ok(found)
    }

    /// Takes down that these notices go out now, in one message of this name.
    pub fn begin_notices(&self, all: &[i64], batch: &str) -> Result<(), StoreError> {
        let work = || -> rusqlite::Result<()> {
            let change =
                rusqlite::Transaction::new_unchecked(&self.db, TransactionBehavior::Immediate)?;
            for n in all {
                let update = "UPDATE notices SET state = 'sending', batch = ?2 WHERE n = ?1 AND state = 'queued'";
                change.prepare_cached(update)?.execute(params![n, batch])?;
            }
            change.commit()
        };
        work().map_err(|error| self.refused(&error))
    }

    /// Takes down that a message arrived.
    pub fn end_notices(&self, sink: &str, batch: &str, now: UtcMs) -> Result<(), StoreError> {
        let update = "UPDATE notices SET state = 'sent', sent_ms = ?3 WHERE state = 'sending' AND batch = ?2 AND sink = ?1";
        let done = self.db.execute(update, params![sink, batch, now.get()]);
        done.map(|_| ()).map_err(|error| self.refused(&error))
    }

    /// How many messages a receiver of a job got since an instant.
    pub fn messages_since(&self, job: &str, sink: &str, since: UtcMs) -> Result<u32, StoreError> {
        let select = "SELECT COUNT(DISTINCT batch) FROM notices WHERE state = 'sent' AND job = ?1 AND sink = ?2 AND sent_ms > ?3";
        let count = self.db.query_row(select, params![job, sink, since.get()], |row| row.get(0));
        count.map_err(|error| self.refused(&error))
    }

    /// Forgets what was noted before an instant, sent or not: an event so old is news no more.
    pub fn forget_notices(&self, before: UtcMs) -> Result<usize, StoreError> {
        let done = self.db.execute("DELETE FROM notices WHERE seen_ms < ?1", [before.get()]);
        done.map_err(|error| self.refused(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{disk::RealDisk, layout::Layout};

    fn at(ms: i64) -> UtcMs {
        UtcMs::new(ms).unwrap()
    }

    fn news(id: &str) -> NewNotice {
        let text = str::to_owned;
        let (sink, job, event) = (text("webhook"), text("live"), text("entry"));
        NewNotice { id: text(id), sink, job, event, at: at(5), facts: text("{}") }
    }

    #[test]
    fn an_event_is_noted_once_with_the_place_behind_it_and_goes_out_once() {
        let temp = tempfile::tempdir().unwrap();
        let layout = Layout::new(temp.path());
        let open = || RunStore::open(&RealDisk::new(layout.data()), &layout).unwrap();
        let place = |offset| NoticePlace {
            offset,
            ts_ms: 7,
            mark: "m".to_owned(),
            word: "ACTIVE".to_owned(),
        };
        assert_eq!(open().notice_place("p").unwrap(), None);
        open().note(&[news("a"), news("b")], ("p", &place(10)), at(50)).unwrap();
        // As after a death: the same rows are looked through once more.
        open().note(&[news("b"), news("c")], ("p", &place(20)), at(60)).unwrap();
        assert_eq!(open().notice_place("p").unwrap(), Some(place(20)));
        let waiting = || {
            let all = open().waiting_notices("live", "webhook").unwrap();
            all.iter().map(|w| format!("{} {}", w.notice.id, w.state.name())).collect::<Vec<_>>()
        };
        assert_eq!(waiting(), ["a queued", "b queued", "c queued"]);
        assert!(open().waiting_notices("live", "email").unwrap().is_empty());
        open().begin_notices(&[1, 2], "a+1").unwrap();
        assert_eq!(waiting(), ["a sending", "b sending", "c queued"]);
        open().end_notices("webhook", "a+1", at(90)).unwrap();
        assert_eq!(waiting(), ["c queued"]);
        assert_eq!(open().messages_since("live", "webhook", at(80)).unwrap(), 1, "one message");
        assert_eq!(open().messages_since("live", "webhook", at(90)).unwrap(), 0);
        open().note(&[news("a")], ("p", &place(30)), at(99)).unwrap();
        assert_eq!(waiting(), ["c queued"], "it was sent");
        assert_eq!(open().forget_notices(at(60)).unwrap(), 2);
        assert_eq!(waiting(), ["c queued"]);
    }
}
