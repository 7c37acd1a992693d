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
};

use super::{desk::lock, query::Query, starter::Starter};
use crate::{
    exit::Exit,
    jobs::context::Failure,
    os::machine::random_bytes,
    serve::answer::WebRequest,
    store::{
        digest::sha256_hex,
        disk::{Disk as _, RealDisk, parent},
        layout::Layout,
    },
};

/// Letters of a token at least: 128 bits in hex.
const TOKEN_MIN: usize = 32;
/// Bits of a mode that are about others than the owner.
const OTHERS: u32 = 6;
/// Forms that are remembered: of more, the oldest can be sent again.
const FORMS_MAX: usize = 1_000;

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
    /// Starts what a person asks for.
    pub starter: Starter,
    /// Begins the name of every form of this start of the service.
    service: String,
    forms_made: AtomicU64,
    /// By the name of the form: its number, and the answer once there is one.
    forms: Mutex<BTreeMap<String, (u64, Option<String>)>>,
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
        let starter = Starter::of(root, program);
        Ok(Self { token, starter, service, forms_made, forms: Mutex::default() })
    }

    /// Whether a request has the token: in its `Authorization`, or in a field of its form.
    pub fn admits(&self, asked: &WebRequest, form: &Query) -> Result<(), Stranger> {
        let header = asked.headers.get(http::header::AUTHORIZATION);
        // The word before the token has no case.
        let header = header.and_then(|value| {
            let (word, token) = value.to_str().ok()?.split_once(' ')?;
            word.eq_ignore_ascii_case("Bearer").then_some(token)
        });
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
        for word in ["Bearer", "bearer"] {
            assert_eq!(asked(Some(format!("{word} {token}")), ""), Ok(()));
        }
        assert_eq!(asked(Some(format!("Basic {token}")), ""), Err(Stranger::Silent));
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
