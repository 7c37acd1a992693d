//! What is expected of tokio-cron-scheduler: a wake about once a second, and an end when it is told so.

use std::{path::Path, time::Duration};

use mjolnir::{
    clock::{Stopwatch, nap},
    serve::wake::{NAP, Wake},
};

#[test]
fn it_wakes_about_once_a_second_and_is_not_replaced_without_need() {
    let mut wake = Wake::start();
    let watch = Stopwatch::start();
    let mut heard = 0;
    let mut before = wake.left();
    while heard < 3 {
        wake.wait(NAP);
        let left = wake.left();
        heard += u32::from(left > before);
        before = left;
        assert!(watch.elapsed() < Duration::from_mins(1), "{heard} wakes only");
    }
    assert!(watch.elapsed() > Duration::from_secs(1), "it does not wake all the time");
    assert!(!wake.renew_when_silent());
    assert_eq!(wake.rebuilds(), 0);
}

/// A thread has the name of who started it, unless it is given one: so those of other tests are not counted.
fn name_of(thread: &Path) -> String {
    std::fs::read_to_string(thread.join("comm")).unwrap_or_default()
}

#[test]
fn it_ends_with_its_owner() {
    let threads = || {
        let all = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        all.filter(|thread| name_of(&thread.path()) == name_of(Path::new("/proc/thread-self")))
            .count()
    };
    let wakes: Vec<Wake> = (0..20).map(|_| Wake::start()).collect();
    let most = threads();
    drop(wakes);
    let watch = Stopwatch::start();
    while threads() + 15 > most {
        assert!(watch.elapsed() < Duration::from_mins(1), "{} of {most} threads", threads());
        nap(Duration::from_millis(50));
    }
}
