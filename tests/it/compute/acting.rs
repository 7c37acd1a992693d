//! This test program as a worker: the real proof and the real fit in a process of their own, on a device that is the processor.

#![expect(clippy::disallowed_methods, reason = "as a program it reads its environment")]

use mjolnir::{
    cli::worker::work,
    jobs::compute::worker::Opened,
    model::{probe::DeviceAbout, train::Device},
};

/// What it is to do, in the environment, since the arguments are those of a test program.
pub const VARIABLE: &str = "MJOLNIR_TEST_WORKER";
/// Its name among the tests.
pub const NAME: &str = "compute::acting::as_a_program_this_is_a_worker";

#[test]
fn as_a_program_this_is_a_worker() {
    let Ok(arguments) = std::env::var(VARIABLE) else { return };
    let arguments = ["worker"].into_iter().chain(arguments.split_whitespace());
    let code = work(arguments.map(str::to_owned), &|| {
        let about = DeviceAbout {
            device: "cuda:0".to_owned(),
            driver: Some("1.2.3".to_owned()),
            name: Some("Made Up".to_owned()),
            memory_bytes: Some(8 << 30),
        };
        Ok(Opened { device: Device::Cpu, about })
    });
    std::process::exit(code.into());
}
