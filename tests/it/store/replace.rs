//! Replacing a file: the old content or the new one, whatever fails.

use std::path::Path;

use mjolnir::store::disk::Disk;

use crate::support::sim_disk::{Death, Fault, SimDisk};

const DEATHS: [Death; 2] = [Death::Process, Death::PowerNothing];

fn disk() -> SimDisk {
    let disk = SimDisk::new(Path::new("/r/data"));
    disk.create_dir_all(Path::new("/r/data/d")).unwrap();
    disk.replace(Path::new("/r/data/d/f"), b"old").unwrap();
    disk
}

#[test]
fn c9_a_power_cut_at_any_operation_leaves_the_old_content_or_the_new_one() {
    let path = Path::new("/r/data/d/f");
    let mut crashes = 0;
    for fault in [Fault::CrashBefore, Fault::CrashAfter, Fault::Tear(2)] {
        for n in 0.. {
            let probe = disk();
            probe.fail_at(n, fault);
            if probe.replace(path, b"newer").is_ok() {
                assert!(probe.is_fault_pending());
                break;
            }
            let deaths = DEATHS.into_iter().chain((0..40).map(Death::Power));
            for death in deaths {
                let disk = disk();
                disk.fail_at(n, fault);
                disk.replace(path, b"newer").unwrap_err();
                assert!(disk.is_dead());
                disk.restart(death);
                let left = disk.peek(path).expect("the file has its name");
                assert!(
                    [&b"old"[..], b"newer"].contains(&&left[..]),
                    "{fault:?} {n} {death:?}: {left:?}"
                );
                disk.clean_temps(Path::new("/r/data/d")).unwrap();
                assert_eq!(disk.files().len(), 1);
                crashes += 1;
            }
        }
    }
    assert!(crashes > 400, "{crashes}");
}

#[test]
fn what_was_replaced_survives_a_power_cut() {
    for death in DEATHS.into_iter().chain((0..40).map(Death::Power)) {
        let disk = disk();
        disk.replace(Path::new("/r/data/d/f"), b"newer").unwrap();
        disk.restart(death);
        assert_eq!(disk.peek(Path::new("/r/data/d/f")).unwrap(), b"newer");
    }
}

#[test]
fn an_error_leaves_the_old_content_and_no_leftover() {
    for fault in [Fault::Eio, Fault::Enospc] {
        for n in 0.. {
            let disk = disk();
            disk.fail_at(n, fault);
            let path = Path::new("/r/data/d/f");
            let result = disk.replace(path, b"newer");
            if result.is_ok() {
                break;
            }
            let left = disk.peek(path).unwrap();
            assert!([&b"old"[..], b"newer"].contains(&&left[..]));
            assert_eq!(disk.files().len(), 1, "operation {n}");
        }
    }
}

#[test]
fn folders_are_durable_when_they_are_there_even_if_the_first_try_died() {
    let dir = Path::new("/r/data/a/b/c");
    for n in 0.. {
        let disk = SimDisk::new(Path::new("/r/data"));
        disk.fail_at(n, Fault::CrashAfter);
        if disk.create_dir_all(dir).is_ok() {
            assert!(n > 8);
            break;
        }
        disk.restart(Death::Process);
        disk.create_dir_all(dir).unwrap();
        disk.restart(Death::PowerNothing);
        assert!(disk.is_dir(dir).unwrap(), "operation {n}");
    }
}
