//! Schedules, notices and heartbeats in manifests.

use super::{
    super::{Backlog, Overlap, StartOn, Trigger},
    Case, EXEC,
};
use crate::domain::time::UtcMs;

fn scheduled(lines: &str) -> Case {
    Case::new(&format!("{EXEC}[[schedule]]\n{lines}\n"))
}

#[test]
fn a_schedule_is_read_with_its_defaults() {
    let manifest = scheduled("cron = \"0 18 * * *\"\ntimezone = \"Europe/Berlin\"").good().manifest;
    let [one] = manifest.schedules.as_slice() else { panic!("not one schedule") };
    assert_eq!(
        (one.id.as_str(), one.overlap, one.catch_up),
        ("1", Overlap::Forbid, Backlog::Latest)
    );
    assert_eq!((one.catch_up_window.to_string(), one.catch_up_max), ("1day".to_owned(), 100));
    assert_eq!(one.due.fingerprint(), "0 18 * * * Europe/Berlin Shift");
    let Trigger::At(cadence) = &one.due else { panic!("not by time") };
    let next = cadence.next(UtcMs::new(1_774_742_400_000).unwrap()).unwrap();
    assert_eq!(next.to_string(), "2026-03-29T16:00:00Z");
    let once = scheduled("every = \"10m\"").good().to_toml();
    assert_eq!(once, Case::new(&once).good().to_toml());
    let boot = scheduled("on = \"boot\"\nid = \"up\"").good().manifest;
    assert_eq!(
        (&boot.schedules[0].due, boot.schedules[0].id.as_str()),
        (&Trigger::On(StartOn::Boot), "up")
    );
    let explained = scheduled("every = \"10m\"").explained("schedule[0].overlap");
    assert_eq!(explained, "\"forbid\" | default");
}

#[test]
fn a_wrong_schedule_is_refused_where_it_stands() {
    for (lines, expected) in [
        ("", "schedule `1` is never due"),
        ("cron = \"0 0 * * *\"\nevery = \"5m\"", "schedule `1` has `cron` and `every`"),
        ("cron = \"0 0 30 2 *\"", "cron `0 0 30 2 *` never fires: that day does not exist"),
        ("cron = \"0 0 * *\"", "cron `0 0 * *` has 4 fields"),
        ("cron = \"99 0 * * *\"", "column 1: `99` is not a valid minute"),
        ("cron = \"0 0 13 * FRI\"", "restricts both the day of the month and of the week"),
        ("cron = \"0 0 30 2 FRI\"\nday-match = \"and\"", "never fires"),
        ("cron = \"0 0 * * *\"\ntimezone = \"europe/berlin\"", "did you mean `Europe/Berlin`?"),
        ("every = \"10\"", "has no unit"),
        ("every = \"100ms\"", "at least 1s is accepted"),
        (
            "every = \"10m\"\ntimezone = \"Europe/Berlin\"",
            "`timezone` has no meaning without `cron`",
        ),
        ("every = \"10m\"\noverlap = \"forbidden\"", "did you mean `forbid`?"),
        ("every = \"10m\"\nparams = { tag = \"x\" }", "gives the unknown param `tag`"),
        ("every = \"10m\"\nneeds = [\"tag\"]", "needs the unknown param `tag`"),
        (
            "every = \"10m\"\n[[schedule]]\non = \"start\"\nid = \"1\"",
            "two schedules are called `1`",
        ),
        ("every = \"10m\"\ncatch_up = \"all\"", "did you mean `catch-up`?"),
    ] {
        let said = scheduled(lines).says();
        let help = scheduled(lines).bad().iter().filter_map(|p| p.advice()).collect::<String>();
        assert!(said.contains(expected) || help.contains(expected), "{lines}: {said} {help}");
    }
}

#[test]
fn what_a_schedule_gives_is_beaten_by_a_variable_and_an_argument() {
    let job = format!(
        "{EXEC}expect-exit = \"${{params.n}}\"\n[params.n]\ntype = \"integer\"\ndefault = 1\nenv = \"N\"\n"
    );
    let case = Case::new(&job);
    let shown = |case: Case| case.explained("exec.expect-exit");
    assert!(shown(case.clone()).starts_with("1 "), "{}", shown(case.clone()));
    assert_eq!(
        shown(case.clone().scheduled("n", "2")),
        "2 | schedule n (through jobs/t.toml:6:15)"
    );
    assert_eq!(
        shown(case.clone().scheduled("n", "2").env("N", "3")),
        "3 | env N (through jobs/t.toml:6:15)"
    );
    assert_eq!(
        shown(case.scheduled("n", "2").env("N", "3").p("n", "4")),
        "4 | -p n (through jobs/t.toml:6:15)"
    );
}

#[test]
fn secrets_may_stand_in_addresses_and_are_never_shown() {
    let job = format!(
        "{EXEC}[secrets.HOOK]\nfrom = \"env\"\nname = \"HOOK\"\nrequired = false\n\
         [notify.webhook]\nurl = \"${{secrets.HOOK}}\"\nformat = \"slack\"\n\
         [heartbeat]\nurl = \"${{secrets.HOOK}}\"\n"
    );
    let with = Case::new(&job).env("HOOK", "https://hooks.example/s3cr3t").good();
    let url = with.manifest.notify.webhook.as_ref().unwrap().url.as_ref().unwrap();
    assert_eq!(url.reveal(), "https://hooks.example/s3cr3t");
    let shown = format!("{} {:?} {:?}", with.to_toml(), with.explain(), with.manifest);
    assert!(!shown.contains("s3cr3t"), "{shown}");
    let without = Case::new(&job).good().manifest;
    assert!(without.heartbeat.url.is_none() && without.notify.webhook.unwrap().url.is_none());
    let command = job
        .replace("[heartbeat]", "[notify]\ncommand = [\"say\", \"${secrets.HOOK}\"]\n[heartbeat]");
    let said = Case::new(&command).env("HOOK", "s3cr3t").says();
    assert!(said.contains("may not stand here"), "{said}");
}

#[test]
fn telegram_needs_a_chat() {
    let job = format!("{EXEC}[notify.webhook]\nurl = \"https://x\"\nformat = \"telegram\"\n");
    assert!(Case::new(&job).says().contains("`notify.webhook.chat` is missing"));
}
