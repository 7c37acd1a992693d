//! The jobs and profiles that are shipped.

use crate::setting::Dec;
use std::{fs, path::Path, sync::OnceLock};

use super::{
    super::{
        DeployMode, Feed, Job, Kind, LabelKind, Monotonic, PromoteMetric, RefusalLevel, Severity,
        Speed, StopFill, Work, job_schema, jobs_md,
    },
    Case,
};

/// Path and text of every profile, strategy and job that is shipped.
fn files() -> &'static [(String, String)] {
    static FILES: OnceLock<Vec<(String, String)>> = OnceLock::new();
    FILES.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = Vec::new();
        for dir in ["profiles", "strategies", "jobs"] {
            let entries = fs::read_dir(root.join(dir)).unwrap().map(|entry| entry.unwrap().path());
            let mut paths: Vec<_> =
                entries.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
            paths.sort();
            for path in paths {
                let name = format!("{dir}/{}", path.file_name().unwrap().to_str().unwrap());
                files.push((name, fs::read_to_string(path).unwrap()));
            }
        }
        files
    })
}

/// The names of the shipped files of a folder.
fn names(dir: &str) -> impl Iterator<Item = &'static str> {
    let inside = |path: &'static str, dir: &str| {
        path.strip_prefix(dir)?.strip_prefix('/')?.strip_suffix(".toml")
    };
    files().iter().filter_map(move |(path, _)| inside(path, dir))
}

fn job(name: &str) -> Case {
    let path = format!("jobs/{name}.toml");
    let text = &files().iter().find(|(p, _)| *p == path).unwrap().1;
    files().iter().fold(Case::named(&path, text), |case, (path, text)| case.file(path, text))
}

fn live() -> Case {
    job("live")
        .p("feed", "replay")
        .p("source", "b.parquet")
        .p("from", "2023-03-20T00:00:00Z")
        .p("to", "2023-03-28T00:00:00Z")
}

#[test]
fn every_shipped_job_passes_the_check_with_every_profile_and_warns_of_nothing() {
    let profiles = || names("profiles").chain(names("strategies"));
    // Jobs extend these; they are not chosen with -P.
    let chosen = |profile: &&str| !["target", "target-pin", "market"].contains(profile);
    for name in names("jobs") {
        for profile in profiles().filter(chosen) {
            // A sweep turns the params of its own strategy.
            let is_sweep = ["sweep", "walk-forward", "demo-sweep"].contains(&name);
            if is_sweep && names("strategies").any(|rules| rules == profile) {
                continue;
            }
            let told = job(name).profile(profile).checks().unwrap_or_else(|p| panic!("{p}"));
            // Other rules take those away that follow a model, and their params do nothing then.
            let is_replaced =
                name.ends_with("-model") && names("strategies").any(|rules| rules == profile);
            let mut warnings = told.iter().filter(|one| one.severity() == Severity::Warning);
            assert!(is_replaced || warnings.next().is_none(), "{name} {profile}: {told}");
        }
    }
}

#[test]
fn every_kind_has_a_shipped_job_and_a_section_in_the_reference() {
    let kinds: Vec<String> = names("jobs")
        .map(|name| {
            let path = format!("jobs/{name}.toml");
            let text = &files().iter().find(|(p, _)| *p == path).unwrap().1;
            let table: toml::Table = toml::from_str(text).unwrap();
            table["kind"].as_str().unwrap().to_owned()
        })
        .collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let reference = fs::read_to_string(root.join("JOBS.md")).unwrap();
    for kind in Kind::ALL {
        let name = kind.name();
        assert!(
            kinds.iter().any(|shipped| shipped == name),
            "jobs/{name}.toml is missing: ship a job of kind {name}"
        );
        assert!(
            reference.contains(&format!("\n## {name}\n")),
            "JOBS.md has no section {name}: make docs"
        );
    }
}

#[test]
fn live_takes_the_legacy_variables_and_the_same_values_as_arguments() {
    let by_env = live()
        .profile("replay")
        .env("DATA_TAG", "x1")
        .env("CCXT_EXCHANGE", "binance")
        .env("SYMBOL", "BTC/USDT")
        .env("TIMEFRAME", "1h")
        .env("ENFORCE_DECISION_MONOTONIC", "0")
        .env("DRY_RUN", "1")
        .env("FORCE_FETCH_FAIL", "")
        .env("FORCE_PERSIST_FAIL", "yes");
    let by_p = live()
        .p("tag", "x1")
        .p("exchange", "binance")
        .p("symbol", "BTC/USDT")
        .p("timeframe", "1h")
        .p("monotonic", "warn")
        .p("dry-run", "true")
        .p("force-persist-fail", "1")
        .p("speed", "600x");
    for (case, speed) in [(by_env, "max"), (by_p, "600x")] {
        let resolved = case.good();
        let Job::Live(job) = &resolved.manifest.job else { panic!("not live") };
        assert_eq!(job.trading.series.to_string(), "binance BTC/USDT 1h");
        let live = &job.live;
        assert_eq!((live.tag.get().as_str(), live.feed, live.seed), ("x1", Feed::Replay, 7));
        assert_eq!(live.speed.get(), &speed.parse::<Speed>().unwrap());
        assert_eq!((live.monotonic, live.stop_fill), (Monotonic::Warn, StopFill::ThroughOpen));
        assert!(live.dry_run && live.force_persist_fail && !live.force_fetch_fail);
        assert_eq!((live.max_bars, live.crash_after_bars), (None, None));
        assert_eq!(live.from.unwrap().get().get(), 1_679_270_400_000);
        assert_eq!(job.trading.fill.fee_bps, Dec::whole(10));
    }
}

#[test]
fn live_says_what_it_lacks() {
    let says = job("live").profile("replay").says();
    let line = says.lines().find(|line| line.contains("`live.from`")).unwrap();
    assert!(line.starts_with("jobs/live.toml:"), "the place is the job's own table: {line}");
    for key in ["from", "to"] {
        let message = format!("`live.{key}` is missing, which recorded and made-up feeds need");
        assert!(says.contains(&message), "{says}");
        assert!(says.contains(&format!("give it with -p {key}=...")), "{says}");
    }
    assert!(says.contains("`live.source` is missing, which feed \"replay\" needs"), "{says}");
}

#[test]
fn the_stop_rules_of_the_original_system_are_a_profile() {
    let Job::Live(job) = live().profile("seed-v02").good().manifest.job else { panic!("not live") };
    assert_eq!(job.live.stop_fill, StopFill::AtStop);
}

#[test]
fn backtest_equivalence_and_eqflat_take_their_run_ids() {
    let case =
        job("backtest").env("START_TS_MS", "1679270700000").env("END_TS_MS", "1679271000000");
    let Job::Backtest(backtest) = case.good().manifest.job else { panic!("not a backtest") };
    assert_eq!((backtest.runid.as_str(), backtest.tag.as_str()), ("run_1", "paper_local_check"));
    assert_eq!(backtest.start_ts_ms, Some(1_679_270_700_000));
    assert_eq!(backtest.end_ts_ms, Some(1_679_271_000_000));
    assert_eq!(backtest.backtest.stop_fill, StopFill::ThroughOpen);
    let says = case.env("END_TS_MS", "1679271000001").says();
    assert!(says.contains("is not aligned to 5m"), "{says}");

    // Times, up to the next close and down to the last one.
    let times =
        || job("backtest").p("from", "2023-03-20T00:01:00Z").p("to", "2023-03-20T00:14:59Z");
    let Job::Backtest(timed) = times().good().manifest.job else { panic!("not a backtest") };
    assert_eq!(
        (timed.start_ts_ms, timed.end_ts_ms),
        (Some(1_679_270_700_000), Some(1_679_271_000_000))
    );
    let says = times().env("START_TS_MS", "1679270700000").says();
    assert!(says.contains("`backtest.from` and `backtest.start-ts-ms` are both given"), "{says}");
    let says = times().p("to", "2023-03-19T00:00:00Z").says();
    assert!(says.contains("must be later than `backtest.from`"), "{says}");
    let says = job("backtest").p("start-ts-ms", "2023-01-01T00:00:00Z").says();
    assert!(says.contains("in milliseconds: give start-ts-ms=1672531200000"), "{says}");

    let says = job("equivalence").says();
    assert!(
        says.contains(
            "param `runid` is required and has no value (give it with -p runid=..., or set RUNID)"
        ),
        "{says}"
    );
    let Job::Equivalence(same) = job("equivalence").env("RUNID", "r2").good().manifest.job else {
        panic!("not an equivalence")
    };
    assert_eq!(same.equivalence.runid.get().as_str(), "r2");

    let Job::Eqflat(eqflat) = job("eqflat").good().manifest.job else { panic!("not an eqflat") };
    assert_eq!(eqflat.runid, None, "the job names it");
    let Job::Eqflat(named) = job("eqflat").env("RUNID", "r3").good().manifest.job else {
        panic!("not an eqflat")
    };
    assert_eq!(named.runid.unwrap().as_str(), "r3");
    assert_eq!(eqflat.backtest.stop_fill, StopFill::ThroughOpen);
}

#[test]
fn import_takes_its_path_and_series() {
    let case = job("import").p("path", "b.csv").p("exchange", "binance").p("symbol", "BTC/USDT");
    let Job::Import(import) = case.good().manifest.job else { panic!("not an import") };
    assert_eq!(import.series.to_string(), "binance BTC/USDT 5m");
    assert_eq!((import.import.path.as_deref(), import.import.max_refused), (Some("b.csv"), None));
}

#[test]
fn fetch_takes_its_window_and_series() {
    let case = job("fetch").p("from", "2024-01-01T00:00:00Z").env("CCXT_EXCHANGE", "kraken");
    let Job::Fetch(fetch) = case.good().manifest.job else { panic!("not a fetch") };
    assert_eq!(fetch.series.to_string(), "kraken BTC/USD 5m");
    let table = &fetch.fetch;
    assert_eq!((table.from.get().get(), table.to, table.force), (1_704_067_200_000, None, false));
    assert_eq!(
        (table.attempts, table.timeout.to_string(), &table.base_url),
        (5, "10s".into(), &None)
    );
    let says = case.p("to", "2023-01-01T00:00:00Z").p("base-url", "https://me:hunter2@x").says();
    assert!(says.contains("`fetch.to` is 2023-01-01T00:00:00Z, it must be later than"), "{says}");
    assert!(says.contains("holds a user or a password"), "{says}");
    assert!(!says.contains("hunter2"), "{says}");
}

#[test]
fn exchange_sim_takes_its_market_and_refuses_what_cannot_be() {
    let case = job("exchange-sim").p("from", "2024-01-01T00:00:00Z").p("speed", "60x");
    let sim = case.clone().p("protocol", "kraken").set("exchange-sim.faults.reset", "0.5");
    let Job::ExchangeSim(job) = sim.good().manifest.job else { panic!("not an exchange-sim") };
    assert_eq!(job.series.to_string(), "kraken BTC/USD 5m");
    assert_eq!(job.exchange_sim.listen, "127.0.0.1:0");
    assert_eq!((job.exchange_sim.faults.reset, job.exchange_sim.faults.seed), (0.5, 1));
    let once = case.good().to_toml();
    assert_eq!(Case::named(&case.job.0, &once).good().to_toml(), once);
    let fault = |key: &str, value: &str| (format!("exchange-sim.faults.{key}"), value.to_owned());
    let key = |key: &str, value: &str| (format!("exchange-sim.{key}"), value.to_owned());
    for (sets, says) in [
        (vec![fault("reset", "0.6"), fault("html", "0.6")], "sum up to 1.2"),
        (vec![fault("reset", "1.5")], "at most 1 is accepted"),
        (vec![fault("rset", "0.5")], "did you mean `reset`?"),
        (vec![key("protocol", "coinbase"), fault("ban", "0.1")], "has no meaning with protocol"),
        (vec![key("to", "2023-12-31T00:00:00Z")], "must be later than `exchange-sim.from`"),
        (vec![key("speed", "max")], "others live in this time too"),
        (vec![key("port-file", "../sim")], "is outside the root"),
        (vec![key("listen", "everywhere")], "it must be ADDRESS:PORT"),
    ] {
        let case = sets.iter().fold(case.clone(), |case, (path, value)| case.set(path, value));
        let found = case.says();
        assert!(found.contains(says), "{says}: {found}");
    }
}

#[test]
fn deploy_check_takes_a_host_or_a_folder_and_no_half_of_either() {
    let case = job("deploy-check").p("path", "/srv/trade");
    let Job::DeployCheck(found) = case.good().manifest.job else { panic!("not a deploy-check") };
    assert_eq!((found.target.path.to_string(), found.target.host), ("/srv/trade".into(), None));
    let host = case.clone().p("host", "old-box.lan").p("user", "trader").p("port", "2222");
    let Job::DeployCheck(found) = host.good().manifest.job else { panic!("not a deploy-check") };
    assert_eq!((found.target.port, found.check.plan_ttl.to_string()), (Some(2222), "10m".into()));
    let once = host.good().to_toml();
    assert_eq!(Case::named(&host.job.0, &once).good().to_toml(), once);
    let says = job("deploy-check").says();
    assert!(says.contains("param `path` is required"), "{says}");
    for (key, value, says) in [
        ("host", "old-box.lan", "`target.port` is missing, which a host needs"),
        ("port", "22", "`target.port` has no meaning without `target.host`"),
        ("host", "-oProxyCommand=x", "must begin with a letter or a digit"),
        ("path", "/srv/../etc", "must not hold `..`"),
        ("path", "srv", "must be absolute"),
        ("path", "/srv/a b", "may hold only letters"),
        ("host-key", "MD5:00", "is not a fingerprint"),
    ] {
        let found = case.clone().p(key, value).says();
        assert!(found.contains(says), "{key}={value}: {found}");
    }
    for (key, value, says) in [
        ("deploy-check.protect.paths", "[\"data/x\"]", "must begin with a slash"),
        ("deploy-check.exclude.paths", "[\"/data/\"]", "must not end in a slash"),
        ("deploy-check.exclude.anywhere", "[\"a/b\"]", "is one name"),
        ("deploy-check.severity.unreachable", "off", "unreachable"),
        ("deploy-check.severity.deletes", "never", "deletes"),
        ("deploy-check.ports.compose-file", "../x.yml", "must not hold `..`"),
    ] {
        let found = case.clone().set(key, value).says();
        assert!(found.contains(says), "{key}={value}: {found}");
    }
}

#[test]
fn deploy_has_its_modes_and_runs_lists_of_words() {
    let case = job("deploy").p("path", "/srv/trade");
    let Job::Deploy(found) = case.good().manifest.job else { panic!("not a deploy") };
    assert_eq!((found.deploy.mode, found.deploy.commands.len()), (DeployMode::Sync, 2));
    assert!(found.deploy.health.iter().any(|word| word == "paper"), "{:?}", found.deploy.health);
    assert_eq!(found.check.severity.live_writer, RefusalLevel::Warn);
    let once = case.good().to_toml();
    assert_eq!(Case::named(&case.job.0, &once).good().to_toml(), once);
    for (key, value, says) in [
        ("deploy.mode", "delete", "deploy.mode"),
        ("deploy.commands", "[\"ls\"]", "deploy.commands"),
        ("deploy.commands", "[{argv=[]}]", "argv"),
        ("deploy.commands", "[{argv=[\"ls\"],shell=true}]", "shell"),
        ("deploy-check.plan", "x.json", "write `deploy.plan`"),
    ] {
        let found = case.clone().set(key, value).says();
        assert!(found.contains(says), "{key}={value}: {found}");
    }
    let says = case.set("deploy.mode", "rollback").set("deploy.plan", "x.json").says();
    assert!(says.contains("has no meaning with `deploy.mode` \"rollback\""), "{says}");
}

#[test]
fn what_was_pinned_reaches_every_job_that_looks_at_the_target_and_arguments_beat_it() {
    let pin = "manifest = 1\n[params.host]\ndefault = \"old-box.lan\"\n[params.user]\ndefault = \"trader\"\n\
        [params.port]\ndefault = 22\n[params.path]\ndefault = \"/srv/trade\"\n";
    let pinned = |name| job(name).file("profiles/target-pin.toml", pin);
    let Job::Drift(found) = pinned("drift").good().manifest.job else { panic!("not a drift") };
    let host = found.target.host.as_ref().map(ToString::to_string);
    assert_eq!((host, found.target.port), (Some("old-box.lan".to_owned()), Some(22)));
    let found = pinned("deploy-check").p("path", "/srv/other").good().manifest.job;
    let Job::DeployCheck(found) = found else { panic!("not a deploy-check") };
    assert_eq!(found.target.path.to_string(), "/srv/other");
}

#[test]
fn preflight_takes_its_needs_and_refuses_what_is_no_program() {
    let case = job("preflight").p("clock-url", "https://api.kraken.com");
    let Job::Preflight(found) = case.good().manifest.job else { panic!("not a preflight") };
    assert_eq!(found.preflight.require[0].to_string(), "git >= 2.25");
    for (key, value, says) in [
        ("preflight.require", "[\"-rf\"]", "must be the name of a program"),
        ("preflight.require", "[\"rsync >= new\"]", "must be numbers"),
        ("preflight.skip", "[\"everything\"]", "everything"),
        ("preflight.listen", "somewhere", "it must be HOST:PORT"),
        ("preflight.clock-url", "https://me:hunter2@x", "holds a user or a password"),
    ] {
        let found = job("preflight").set(key, value).says();
        assert!(found.contains(says) && !found.contains("hunter2"), "{key}={value}: {found}");
    }
}

#[test]
fn train_takes_its_question_and_refuses_an_embargo_shorter_than_it() {
    let case = job("train").p("exchange", "binance").p("label", "triple_barrier").p("seed", "9");
    let Job::Train(train) = case.good().manifest.job else { panic!("not a training") };
    let (label, folds) = (&train.train.label, &train.train.folds);
    assert_eq!((label.kind, label.horizon_bars), (LabelKind::TripleBarrier, 12));
    assert_eq!((folds.count, folds.embargo_bars), (5, None));
    assert_eq!((train.train.seed, train.train.features.len()), (9, 13));
    let says = case.set("train.folds.embargo-bars", "11").says();
    let message = "`train.folds.embargo-bars` is 11, below `train.label.horizon-bars`, which is 12";
    assert!(says.contains(message), "{says}");
}

#[test]
fn jobs_that_follow_a_model_take_its_folder_and_refuse_scores_that_cross() {
    let followed = |case: Case| {
        let trading = match case.good().manifest.job {
            Job::Live(job) => {
                assert_eq!(job.live.tag.get().as_str(), "paper_model");
                job.trading
            }
            Job::Backtest(job) => job.trading,
            Job::Eqflat(job) => job.trading,
            other => panic!("{other:?}"),
        };
        let rule = trading.model.expect("a model is followed");
        (rule.path, rule.enter)
    };
    let live = || {
        let recorded = job("live-model").p("feed", "replay").p("source", "b.parquet");
        recorded.p("from", "2023-03-20T00:00:00Z").p("to", "2023-03-28T00:00:00Z")
    };
    let usual = ("data/models/current".to_owned(), None);
    assert_eq!(followed(live()), usual);
    assert_eq!(followed(job("backtest-model").p("runid", "r")), usual);
    assert_eq!(followed(job("eqflat").profile("model")), usual);
    assert_eq!(followed(live().p("model", "m/x")).0, "m/x");
    let set = |key: &str, value: &str| live().set(&format!("strategy.model.{key}"), value);
    assert_eq!(followed(set("enter", "200000")).1, Some(200_000));
    assert!(set("enter", "0").says().contains("strategy.model.enter"));
    assert!(set("path", "").says().contains("`strategy.model.path` is empty"));
}

#[test]
fn promote_takes_its_criterion() {
    let case = job("promote").p("metric", "pnl").p("by", "10").p("rollback", "yes");
    let Job::Promote(job) = case.good().manifest.job else { panic!("not a promotion") };
    let promote = job.promote;
    assert!(job.live.unwrap().model.is_some(), "how LIVE trades is known");
    assert_eq!((promote.metric, promote.by), (PromoteMetric::Pnl, 10.0));
    assert!(promote.rollback && promote.model.is_none());
}

#[test]
fn the_steps_of_the_demo_resolve_as_jobs() {
    let Job::Pipeline(pipeline) = job("demo").good().manifest.job else { panic!("not a pipeline") };
    let steps = std::collections::BTreeMap::new();
    for step in &pipeline.steps {
        let Work::Job { path, params, .. } = &step.work else { panic!("not a job") };
        let name = path.strip_prefix("jobs/").unwrap().strip_suffix(".toml").unwrap();
        let case = params
            .iter()
            .fold(job(name), |case, (key, text)| case.p(key, &text.fill(&steps).unwrap()));
        let resolved = case.good();
        assert!(resolved.to_toml().contains("demo_20231114_221320"), "{}", resolved.to_toml());
        assert_eq!(step.expect_exit, if step.id == "live-1" { 137 } else { 0 });
    }
    assert_eq!(pipeline.steps.len(), 4);
}

#[test]
fn a_resolved_manifest_resolves_to_itself() {
    let demo = job("demo");
    let backtest = job("backtest").env("START_TS_MS", "1679270700000");
    for case in [
        live(),
        demo,
        backtest,
        job("eqflat"),
        job("import").p("path", "${x}"),
        job("fetch").p("from", "1704067200000"),
    ] {
        let once = case.good().to_toml();
        let again = Case::named(&case.job.0, &once).good().to_toml();
        assert_eq!(once, again);
    }
}

#[test]
fn the_reference_names_every_key_of_every_kind() {
    let text = jobs_md();
    for needle in [
        "## eqflat",
        "| `overlap-bars` | integer | `12` |",
        "#### [strategy.protect]",
        "#### [live.catch-up]",
        "### [params.NAME]",
        "| `feed` | `\"http\"` `\"replay\"` `\"synthetic\"` | mandatory |",
    ] {
        assert!(text.contains(needle), "{needle} is not in\n{text}");
    }
    assert!(job_schema()["properties"]["live"]["properties"]["catch-up"].is_object());
}
