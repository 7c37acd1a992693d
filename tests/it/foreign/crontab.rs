//! Lines of crontabs, as Debian's cron reads them (`crontab -n`) and as we do.

use crate::support::{
    runner::Root,
    skip::{have, skip},
};

/// Times that a line may begin with.
const TIMES: [&str; 36] = [
    "* * * * *",
    "61 * * * *",
    "59 23 31 12 7",
    "60 * * * *",
    "* 24 * * *",
    "* * 0 * *",
    "* * 32 * *",
    "* * * 0 *",
    "* * * 13 *",
    "* * * * 8",
    "*/5 * * * *",
    "*/0 * * * *",
    "5/3 * * * *",
    "1-9/3 * * * *",
    "1,,2 * * * *",
    ",1 * * * *",
    "1, * * * *",
    "1,2,3 * * * *",
    "1- * * * *",
    "-1 * * * *",
    "+1 * * * *",
    "* * * jan-mar *",
    "* * * * mon-fri",
    "* * * * mon,fri",
    "* * * foo *",
    "* * L * *",
    "H * * * *",
    "? * * * *",
    "* * * *",
    "@daily",
    "@Daily",
    "@reboot",
    "@hourly",
    "@every_minute",
    "@fortnightly",
    "x x x x x",
];

/// Whether cron takes a crontab of one line.
fn cron_takes(root: &Root, line: &str) -> bool {
    root.write("tab", &format!("{line}\n"));
    root.shell("crontab -n tab").code == 0
}

#[test]
fn a_line_that_cron_refuses_is_not_imported() {
    if !have("crontab") {
        return;
    }
    let root = Root::new();
    if !cron_takes(&root, "* * * * * /bin/true") || cron_takes(&root, "61 * * * * /bin/true") {
        // Another cron than Debian's, or one that this user may not ask.
        skip("crontab-n", "`crontab -n` does not judge here");
        return;
    }
    for time in TIMES {
        let line = format!("{time} /bin/true");
        let taken = cron_takes(&root, &line);
        let imported = root.run("import-crontab tab --timezone UTC --home /").code == 0;
        assert_eq!(imported, taken, "{line}");
    }
}
