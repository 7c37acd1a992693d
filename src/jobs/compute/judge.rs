//! What is to be thought of a card, given how its worker ended and what it said. Nothing is believed that is not said and proved.

use std::io;

use crate::{
    model::probe::{Reason, SCHEMA, Verdict},
    os::{
        process::Left,
        supervise::{Gone, Watched},
    },
};

/// Longest complaint that is shown, in characters.
const COMPLAINT_MAX: usize = 300;
/// What the loader of the system says of a program whose libraries are missing.
const LOADER: [&str; 2] =
    ["error while loading shared libraries", "cannot open shared object file"];

/// The verdict. Exit code 0 alone counts for nothing, and neither does a verdict without it.
pub(super) fn judge(seen: &io::Result<Watched>, program: &str, tolerance: f64) -> Verdict {
    let seen = match failed(seen, program) {
        Ok(seen) => seen,
        Err(refused) => return *refused,
    };
    let nothing = |detail: String| Verdict::refused(Reason::NoVerdict, detail);
    if seen.cut {
        return nothing(format!("`{program}` said more than can be its verdict"));
    }
    let Some(verdict) = said(&seen.stdout) else {
        return nothing(format!("`{program}` ended with exit code 0 and said no verdict"));
    };
    let Verdict { ok, max_error, repeat_error, .. } = &verdict;
    if !ok {
        return nothing(format!("`{program}` ended with exit code 0 and says: {}", verdict.why()));
    }
    let errors = [max_error.unwrap_or(f64::INFINITY), repeat_error.unwrap_or(f64::INFINITY)];
    if errors.iter().all(|error| (0.0..=tolerance).contains(error)) {
        return verdict;
    }
    let detail = format!(
        "it says it is {:e} from the processor and {:e} from itself, {tolerance:e} is allowed",
        errors[0], errors[1]
    );
    Verdict { about: verdict.about, ..Verdict::refused(Reason::Mismatch, detail) }
}

/// What is wrong with a worker that did not end with exit code 0.
pub(super) fn failed<'s>(
    seen: &'s io::Result<Watched>,
    program: &str,
) -> Result<&'s Watched, Box<Verdict>> {
    let refused = |reason, detail: String| Err(Box::new(Verdict::refused(reason, detail)));
    let seen = match seen {
        Ok(seen) => seen,
        Err(error) => return refused(Reason::WorkerMissing, format!("start `{program}`: {error}")),
    };
    match seen.gone {
        Gone::Left(Left::Code(0)) => Ok(seen),
        Gone::Left(Left::Code(code)) => Err(Box::new(complained(seen, program, code))),
        Gone::Left(Left::Signal(signal)) => {
            refused(Reason::CrashedSignal, format!("`{program}` was ended by signal {signal}"))
        }
        Gone::Left(Left::Unknown) => {
            refused(Reason::NoVerdict, format!("how `{program}` ended is unknown"))
        }
        Gone::TimedOut => refused(Reason::Timeout, format!("`{program}` did not end in time")),
        Gone::Silent => refused(Reason::Timeout, format!("`{program}` said nothing for too long")),
        Gone::Stopped => refused(Reason::NoVerdict, format!("`{program}` was stopped")),
        Gone::Unkillable => refused(
            Reason::TimeoutUnkillable,
            format!("`{program}` did not end in time and cannot be killed: the driver holds it"),
        ),
    }
}

/// Of a worker that ended with an error.
fn complained(seen: &Watched, program: &str, code: i32) -> Verdict {
    let complaint = String::from_utf8_lossy(&seen.stderr).into_owned();
    let short = shortened(&complaint);
    let with_code = format!("`{program}` ended with exit code {code}: {short}");
    if LOADER.iter().any(|words| complaint.contains(words)) {
        return Verdict::refused(Reason::Loader, with_code);
    }
    match said(&seen.stdout) {
        Some(verdict) if !verdict.ok && verdict.reason.is_some() => {
            Verdict { detail: shortened(&verdict.detail), ..verdict }
        }
        _ if complaint.contains("CUDA_ERROR") => {
            Verdict::refused(Reason::of_complaint(&complaint), with_code)
        }
        _ => Verdict::refused(Reason::NoVerdict, with_code),
    }
}

/// The verdict in the last line, if it is one.
fn said(stdout: &[u8]) -> Option<Verdict> {
    let text = String::from_utf8_lossy(stdout);
    let line = text.lines().rfind(|line| !line.trim().is_empty())?;
    let verdict: Verdict = serde_json::from_str(line).ok()?;
    (verdict.schema == SCHEMA).then_some(verdict)
}

/// The end of a complaint on one line, without what would disturb a terminal.
fn shortened(text: &str) -> String {
    let plain = text.trim().replace(['\n', '\r'], "; ");
    let plain: Vec<char> = plain.chars().filter(|c| !c.is_control()).collect();
    plain[plain.len().saturating_sub(COMPLAINT_MAX)..].iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"schema":"mjolnir.probe/1","ok":true,"device":"cuda:0","max_error":1e-6,"repeat_error":0.0}"#;

    fn ended(gone: Gone, stdout: &str, stderr: &str) -> Watched {
        let (stdout, stderr) = (stdout.as_bytes().to_vec(), stderr.as_bytes().to_vec());
        Watched { gone, code: 0, stdout, stderr, cut: false }
    }

    fn judged(seen: Watched) -> Verdict {
        judge(&Ok(seen), "w", 1e-4)
    }

    #[test]
    fn only_exit_0_with_a_verdict_within_the_tolerance_counts() {
        let code = |code| Gone::Left(Left::Code(code));
        assert!(judged(ended(code(0), GOOD, "")).ok);
        assert!(judged(ended(code(0), &format!("junk\n{GOOD}\n\n"), "noise")).ok);
        let with = |from: &str, to: &str| {
            assert!(GOOD.contains(from));
            GOOD.replace(from, to)
        };
        for (code_, stdout, wanted) in [
            (0, String::new(), Reason::NoVerdict),
            (0, "ok".to_owned(), Reason::NoVerdict),
            (0, format!("{GOOD}\nand more"), Reason::NoVerdict),
            (0, with("probe/1", "probe/2"), Reason::NoVerdict),
            (0, with("true", "false"), Reason::NoVerdict),
            (0, with("1e-6", "2e-4"), Reason::Mismatch),
            (0, with("1e-6", "null"), Reason::Mismatch),
            (0, with("1e-6", "-1.0"), Reason::Mismatch),
            (0, with("0.0", "0.1"), Reason::Mismatch),
            (1, GOOD.to_owned(), Reason::NoVerdict),
            (3, with("true", "false,\"reason\":\"nonfinite\""), Reason::Nonfinite),
        ] {
            assert_eq!(judged(ended(code(code_), &stdout, "")).reason, Some(wanted), "{stdout}");
        }
        let mut long = ended(code(0), GOOD, "");
        long.cut = true;
        assert_eq!(judged(long).reason, Some(Reason::NoVerdict));
    }

    #[test]
    fn every_way_of_failing_has_its_reason() {
        let missing = Err(io::Error::from(io::ErrorKind::NotFound));
        assert_eq!(judge(&missing, "w", 1e-4).reason, Some(Reason::WorkerMissing));
        let code = |code| Gone::Left(Left::Code(code));
        let loader = "w: error while loading shared libraries: libcuda.so.1: cannot open";
        for (gone, stderr, wanted) in [
            (code(127), loader, Reason::Loader),
            (code(127), "not found", Reason::NoVerdict),
            (code(3), "CUDA_ERROR_NO_DEVICE", Reason::NoDevice),
            (code(3), "CUDA_ERROR_UNKNOWN", Reason::DriverError),
            (code(3), "CUDA_ERROR_UNSUPPORTED_PTX_VERSION", Reason::PtxUnsupported),
            (Gone::Left(Left::Signal(4)), "", Reason::CrashedSignal),
            (Gone::Left(Left::Unknown), "", Reason::NoVerdict),
            (Gone::TimedOut, "", Reason::Timeout),
            (Gone::Silent, "", Reason::Timeout),
            (Gone::Stopped, "", Reason::NoVerdict),
            (Gone::Unkillable, "", Reason::TimeoutUnkillable),
        ] {
            // Even with a good verdict on its stdout.
            assert_eq!(judged(ended(gone, GOOD, stderr)).reason, Some(wanted), "{gone:?} {stderr}");
        }
    }

    #[test]
    fn a_complaint_is_short_and_plain() {
        let long = format!("{}\n\u{1b}[31mend", "x".repeat(9_000));
        let verdict = judged(ended(Gone::Left(Left::Code(3)), "", &long));
        assert!(verdict.detail.chars().count() < 400 && verdict.detail.ends_with("end"));
        assert!(!verdict.detail.contains('\u{1b}'));
    }
}
