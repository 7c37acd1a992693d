//! Who may act through pages, and how often: whoever knows the token of the box, from a page of this service, once per form.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use super::{desk::lock, query::Query};
use crate::{
    clock::nap,
    domain::ids::RunId,
    exit::Exit,
    jobs::context::Failure,
    os::{
        machine::random_bytes,
        process::{Child, Detached},
    },
    serve::answer::WebRequest,
    store::{
        bounded_log::open_output,
        digest::sha256_hex,
        disk::{Disk as _, RealDisk, parent},
        layout::Layout,
        runs::{RunRecord, RunStore},
    },
};

/// Letters of a token at least: 128 bits in hex.
const TOKEN_MIN: usize = 32;
/// Bits of a mode that are about others than the owner.
const OTHERS: u32 = 6;
/// Forms that are remembered: of more, the oldest can be sent again.
const FORMS_MAX: usize = 1_000;
/// How long a program that was started is waited for until it has its record.
const RECORD_TRIES: u32 = 800;
const RECORD_PAUSE: Duration = Duration::from_millis(50);
/// Bytes of the output of a program that did not get so far.
const OUTPUT_MAX: usize = 2_000;

/// Why somebody may not act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stranger {
    /// No token was given.
    Silent,
    /// The token is another one.
    Wrong,
}

/// What became of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormUse {
    /// It was not sent before.
    First,
    /// It is being acted on.
    GoesOn,
    /// It was acted on, with this answer.
    Done(String),
    /// It is of an earlier start of the service.
    Stale,
}

/// Who may act, and what was done already.
pub struct Operator {
    token: String,
    program: PathBuf,
    /// Begins the name of every form of this start of the service.
    service: String,
    forms_made: AtomicU64,
    /// By the name of the form: its number, and the answer once there is one.
    forms: Mutex<BTreeMap<String, (u64, Option<String>)>>,
    /// Programs that were started and have not ended yet.
    started: Mutex<Vec<Child>>,
}

impl Operator {
    /// Of the box below a root; what it starts is this program. The token is made where there is none.
    pub fn of(root: &Path, program: PathBuf) -> Result<Self, Failure> {
        let layout = Layout::new(root);
        let path = layout.operate_token();
        let disk = RealDisk::new(layout.data());
        let io = |error: std::io::Error| Failure::new(Exit::Io, format!("random bytes: {error}"));
        if disk.len(&path)?.is_none() {
            let token = sha256_hex(&random_bytes::<32>().map_err(io)?);
            disk.create_dir_all(parent(&path))?;
            disk.create_private(&path)?;
            disk.append(&path, format!("{token}\n").as_bytes())?;
            disk.sync(&path)?;
        }
        let refused = |why: &str| {
            let message = format!("{}: {why}", path.display());
            Err(Failure::new(Exit::Manifest, message))
        };
        if !fs::metadata(&path).is_ok_and(|found| found.mode().trailing_zeros() >= OTHERS) {
            return refused("others than its owner may read the token: chmod 600 this file");
        }
        let text = String::from_utf8(disk.read(&path)?.unwrap_or_default()).unwrap_or_default();
        let token = text.trim().to_owned();
        if token.len() < TOKEN_MIN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return refused(
                "this is not a token, which has 32 letters or more: remove this file, and the next start makes one",
            );
        }
        let service = sha256_hex(&random_bytes::<32>().map_err(io)?)[..16].to_owned();
        let forms_made = AtomicU64::new(0);
        let (forms, started) = (Mutex::default(), Mutex::default());
        Ok(Self { token, program, service, forms_made, forms, started })
    }

    /// Whether a request has the token: in its `Authorization`, or in a field of its form.
    pub fn admits(&self, asked: &WebRequest, form: &Query) -> Result<(), Stranger> {
        let header = asked.headers.get(http::header::AUTHORIZATION);
        let header = header.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let given = header.or(form.text("token")).map(str::trim).ok_or(Stranger::Silent)?;
        if is_same(given, &self.token) { Ok(()) } else { Err(Stranger::Wrong) }
    }

    /// The name of a new form.
    pub fn new_form(&self) -> String {
        format!("{}-{}", self.service, self.forms_made.fetch_add(1, Ordering::Relaxed))
    }

    /// Takes a form down as being acted on, unless it was sent before.
    pub fn begin(&self, form: &str) -> FormUse {
        if !form.starts_with(&format!("{}-", self.service)) {
            return FormUse::Stale;
        }
        let mut forms = lock(&self.forms);
        match forms.get(form) {
            Some((_, Some(said))) => return FormUse::Done(said.clone()),
            Some((_, None)) => return FormUse::GoesOn,
            None => {}
        }
        let number = forms.values().map(|(number, _)| number + 1).max().unwrap_or(0);
        forms.retain(|_, (n, said)| said.is_none() || number - *n < FORMS_MAX as u64);
        forms.insert(form.to_owned(), (number, None));
        FormUse::First
    }

    /// Takes down what came of a form; without an answer it can be sent again.
    pub fn end(&self, form: &str, said: Option<&str>) {
        let mut forms = lock(&self.forms);
        match said {
            Some(said) => {
                if let Some(held) = forms.get_mut(form) {
                    held.1 = Some(said.to_owned());
                }
            }
            None => {
                forms.remove(form);
            }
        }
    }

    /// Starts this program as a run with this id, as a person would in a terminal, and waits until it is recorded.
    pub fn start(
        &self,
        (root, disk, layout): (&Path, &RealDisk, &Layout),
        words: Vec<String>,
        run: &RunId,
    ) -> Result<RunRecord, Failure> {
        let text = |part: &Path| part.display().to_string();
        let mut argv = vec![text(&self.program), "--root".to_owned(), text(root)];
        argv.extend(words);
        disk.create_dir_all(&layout.run_dir(run))?;
        let path = layout.run_output(run);
        let failed =
            |what: &str, error: std::io::Error| Failure::new(Exit::Io, format!("{what}: {error}"));
        let output = open_output(&path).map_err(|error| failed("the output of the run", error))?;
        let child = Detached { argv, env: BTreeMap::new(), dir: root.to_owned(), output };
        let mut child = child.start().map_err(|error| failed("the run was not started", error))?;
        let (mut record, mut is_over) = (None, false);
        for _ in 0..RECORD_TRIES {
            is_over = child.left().is_some();
            record = RunStore::look(layout)?.map(|store| store.get(run)).transpose()?.flatten();
            if record.is_some() || is_over {
                break;
            }
            nap(RECORD_PAUSE);
        }
        let mut started = lock(&self.started);
        started.push(child);
        started.retain_mut(|child| child.left().is_none());
        record.ok_or_else(|| {
            let said = disk.read_at(&path, 0, OUTPUT_MAX).unwrap_or_default();
            let said = String::from_utf8_lossy(&said).trim().to_owned();
            if is_over {
                let message = format!("the run left before it had a record: {said}");
                return Failure::new(Exit::Nothing, message);
            }
            let message = format!("run {run} was started and is not recorded yet: look at it again, this machine is busy");
            Failure::new(Exit::Busy, message)
        })
    }
}

/// Whether two texts are the same, in a time that does not depend on where they differ.
fn is_same(a: &str, b: &str) -> bool {
    // Digests have one length, and a text cannot be found digit by digit through them.
    let (a, b) = (sha256_hex(a.as_bytes()), sha256_hex(b.as_bytes()));
    let differing = a.bytes().zip(b.bytes()).fold(0, |found, (a, b)| found | (a ^ b));
    std::hint::black_box(differing) == 0
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use http::{HeaderMap, Method};

    use super::*;

    fn operator(root: &Path) -> Result<Operator, Failure> {
        Operator::of(root, PathBuf::from("/bin/true"))
    }

    #[test]
    fn the_token_is_made_once_and_is_for_its_owner_alone() {
        let temp = tempfile::tempdir().unwrap();
        let first = operator(temp.path()).unwrap();
        let path = Layout::new(temp.path()).operate_token();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!((mode & 0o777, first.token.len()), (0o600, 64));
        assert_eq!(operator(temp.path()).unwrap().token, first.token);
        let other = tempfile::tempdir().unwrap();
        assert_ne!(operator(other.path()).unwrap().token, first.token);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        assert!(operator(temp.path()).err().unwrap().message.contains("chmod 600"));
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_len(5).unwrap();
        assert!(operator(temp.path()).err().unwrap().message.contains("remove this file"));
    }

    #[test]
    fn whoever_has_the_token_is_admitted() {
        let temp = tempfile::tempdir().unwrap();
        let operator = operator(temp.path()).unwrap();
        let asked = |header: Option<String>, form: &str| {
            let mut headers = HeaderMap::new();
            if let Some(header) = header {
                headers.insert("authorization", header.parse().unwrap());
            }
            let uri = "/act".parse().unwrap();
            let asked = WebRequest { method: Method::POST, uri, headers, body: Vec::new() };
            operator.admits(&asked, &Query::of_form(form.as_bytes()))
        };
        let token = operator.token.clone();
        assert_eq!(asked(None, &format!("token={token}")), Ok(()));
        assert_eq!(asked(Some(format!("Bearer {token}")), ""), Ok(()));
        assert_eq!(asked(None, "reason=x"), Err(Stranger::Silent));
        assert_eq!(asked(None, "token="), Err(Stranger::Silent));
        for wrong in ["x", &token[1..], &format!("{token}0"), &token.to_uppercase()] {
            assert_eq!(asked(None, &format!("token={wrong}")), Err(Stranger::Wrong), "{wrong}");
            let header = Some(format!("Bearer {wrong}"));
            assert_eq!(asked(header, &format!("token={token}")), Err(Stranger::Wrong), "{wrong}");
        }
    }

    #[test]
    fn a_form_is_acted_on_once() {
        let temp = tempfile::tempdir().unwrap();
        let operator = operator(temp.path()).unwrap();
        let form = operator.new_form();
        assert_eq!(operator.begin(&form), FormUse::First);
        assert_eq!(operator.begin(&form), FormUse::GoesOn);
        operator.end(&form, None);
        assert_eq!(operator.begin(&form), FormUse::First, "it failed before");
        operator.end(&form, Some("halted"));
        assert_eq!(operator.begin(&form), FormUse::Done("halted".to_owned()));
        assert_ne!(operator.new_form(), form);
        assert_eq!(operator.begin("of-another-start-1"), FormUse::Stale);
        for _ in 0..FORMS_MAX + 5 {
            let form = operator.new_form();
            assert_eq!(operator.begin(&form), FormUse::First);
            operator.end(&form, Some("x"));
        }
        assert!(lock(&operator.forms).len() <= FORMS_MAX + 1);
        assert_eq!(operator.begin(&form), FormUse::First, "it is forgotten");
    }
}
