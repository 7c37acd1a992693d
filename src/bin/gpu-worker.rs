//! The program `gpu-worker`: the only one that is built with CUDA, and the only one that needs its libraries to start.

use std::{fs, process::ExitCode};

use candle_core::{Device, cuda::cudarc::driver::DriverError};
use mjolnir::{
    cli::worker::work,
    jobs::compute::worker::Opened,
    model::probe::{DeviceAbout, DeviceComplaint},
};

/// Where the driver says its version.
const DRIVER: &str = "/proc/driver/nvidia/version";

fn main() -> ExitCode {
    ExitCode::from(work(std::env::args(), &open))
}

/// The first card, and what its driver says of it.
fn open() -> Result<Opened, DeviceComplaint> {
    let device = Device::new_cuda(0)?;
    let card = device.as_cuda_device()?;
    let stream = card.cuda_stream();
    let complaint = |error: DriverError| DeviceComplaint::new(error);
    let context = stream.context();
    let about = DeviceAbout {
        device: "cuda:0".to_owned(),
        driver: driver(),
        name: Some(context.name().map_err(complaint)?),
        memory_bytes: Some(context.total_mem().map_err(complaint)? as u64),
    };
    Ok(Opened { device, about })
}

/// `NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue ...`: the first word with a dot between digits.
fn driver() -> Option<String> {
    let text = fs::read_to_string(DRIVER).ok()?;
    let is_version =
        |word: &&str| word.contains('.') && word.chars().all(|c| c.is_ascii_digit() || c == '.');
    text.split_whitespace().find(is_version).map(str::to_owned)
}
