//! `runner import-crontab`.

use crate::support::runner::Root;

const CRONTAB: &str = r#"# m h dom mon dow command
MAILTO=ops@example.org
0 1 * * * /opt/box/early
CRON_TZ=Europe/Berlin
PATH=/usr/bin:/bin
17 3 * * * /opt/box/backup.sh --all 'two words' ${x
*/5 * * * * /opt/box/poll >> /var/log/poll.log 2>&1
15 4 * * * /opt/box/backup.sh --all 'two words' '${x} $y'
0 0 13 * FRI python3 /opt/box/rotate.py
@reboot /opt/box/start now
@daily echo "100\% sure"
0 5 * * * cd /opt && ./x
"#;

fn written(root: &Root, name: &str) -> toml::Table {
    toml::from_str(&root.read(&format!("jobs/{name}.toml"))).unwrap()
}

#[test]
fn lines_become_jobs_that_are_valid_and_the_others_are_listed_with_the_reason() {
    let root = Root::new();
    root.write("crontab", CRONTAB);
    let ran = root.run("import-crontab crontab --timezone UTC --out jobs").code(1);
    let ran = ran.says(&[
        "note: line 2: MAILTO=ops@example.org: no mail is sent; write [notify]",
        "not imported: line 6: 17 3 * * *",
        "needs a script of its own: `$` means a variable",
        "not imported: line 7: */5 * * * *",
        "`>` redirects",
        "not imported: line 12: 0 5 * * *",
        "`&` joins programs",
    ]);
    assert_eq!(ran.stdout.lines().count(), 5, "{ran}");
    root.run("check").ok();
    let early = written(&root, "early");
    assert_eq!(early["schedule"][0]["timezone"].as_str(), Some("UTC"));
    assert!(early["exec"].get("env").is_none());
    let backup = written(&root, "backup");
    let argv: Vec<&str> =
        backup["exec"]["run"].as_array().unwrap().iter().filter_map(toml::Value::as_str).collect();
    assert_eq!(argv, ["/opt/box/backup.sh", "--all", "two words", "$${x} $y"]);
    assert_eq!(backup["exec"]["env"]["PATH"].as_str(), Some("/usr/bin:/bin"));
    assert_eq!(backup["schedule"][0]["timezone"].as_str(), Some("Europe/Berlin"));
    assert_eq!(written(&root, "rotate")["schedule"][0]["day-match"].as_str(), Some("or"));
    assert_eq!(written(&root, "start")["schedule"][0]["on"].as_str(), Some("boot"));
    assert_eq!(written(&root, "echo")["schedule"][0]["cron"].as_str(), Some("0 0 * * *"));
    root.run("run echo").ok().prints(&["100% sure\n"]);
    root.run("next backup --count 1 --from 2026-07-01T00:00:00Z")
        .ok()
        .prints(&["2026-07-01T02:15:00Z"]);
    // A second time nothing is overwritten.
    let before = root.files("jobs");
    root.run("import-crontab crontab --timezone UTC --out jobs")
        .code(1)
        .says(&["jobs/early.toml exists and is not overwritten"]);
    assert_eq!(root.files("jobs"), before);
    root.rename("jobs/early.toml", "jobs/morning.toml");
    root.run("import-crontab crontab --timezone UTC --out jobs")
        .code(1)
        .says(&["jobs/morning.toml has a job `early` already"]);
    assert!(!root.at("jobs/early.toml").exists());
}

#[test]
fn jobs_are_printed_without_a_folder_and_a_crontab_of_the_system_has_users() {
    let root = Root::new();
    root.write("etc", "17 * * * *\troot  run-parts /etc/cron.hourly\n");
    let ran = root.run("import-crontab etc --system --timezone Europe/Berlin").code(0);
    ran.prints(&[
        "# jobs/run-parts.toml\n",
        "# It ran as root; here it runs as the user of the service.\n",
        "run = [\"run-parts\", \"/etc/cron.hourly\"]\n",
        "timezone = \"Europe/Berlin\"\n",
    ]);
    let json = root.run("import-crontab etc --system --json").code(0).json();
    assert_eq!(json["schema"], "mjolnir.crontab/1");
    assert_eq!(
        (&json["jobs"][0]["line"], &json["jobs"][0]["name"]),
        (&1.into(), &"run-parts".into())
    );
    assert!(json["hints"][0].as_str().is_some_and(|hint| hint.contains("--timezone")), "{json}");
    let piped = root
        .shell(&format!("cat etc | {} import-crontab --system -", env!("CARGO_BIN_EXE_runner")));
    piped.code(0).prints(&["name = \"run-parts\""]);
    assert!(!root.list("jobs").contains(&"run-parts.toml".to_owned()));
}

#[test]
fn what_is_no_crontab_is_refused() {
    let root = Root::new();
    root.run("import-crontab nosuch").code(4).says(&["crontab nosuch: "]);
    root.run("import-crontab").code(4).says(&["has no line with a command"]);
    root.write("c", "* * * * * true\n");
    root.run("import-crontab c --timezone Mars")
        .code(2)
        .says(&["--timezone: `Mars` is not a time zone"]);
    root.write("c", "hello\n61 * * * * true\n");
    let json = root.run("import-crontab c --json").code(1).json();
    assert_eq!(json["not_imported"].as_array().map(Vec::len), Some(2));
}
