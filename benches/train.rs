//! Cost of fitting: training rows per second of one core, for the logistic regression and for the network that is shipped.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mjolnir::{
    engine::{
        learn::{
            label::Class,
            split_mix::{Purpose, SplitMix},
        },
        model::Activation,
    },
    manifest::ClassWeights,
    model::train::{Device, FitFlow, FitSettings, Samples, Task, fit, on_one_thread},
};

const ROWS: usize = 50_000;
const VALIDATION_ROWS: usize = 5_000;
const WIDTH: usize = 13;
const EPOCHS: u32 = 2;

fn samples(rows: usize, seed: u64) -> Samples {
    let mut chance = SplitMix::new(seed, Purpose::Probe);
    let mut samples = Samples::new(WIDTH);
    for _ in 0..rows {
        let inputs: Vec<f64> =
            (0..WIDTH).map(|_| f64::from(chance.part()).mul_add(2.0, -1.0)).collect();
        let class = Class::ALL[chance.below(Class::ALL.len())];
        samples.push(&inputs, class);
    }
    samples
}

fn settings(hidden: &[usize]) -> FitSettings {
    FitSettings {
        hidden: hidden.to_vec(),
        activation: Activation::Relu,
        epochs_max: EPOCHS,
        batch: 512,
        learning_rate: 0.001,
        weight_decay: 0.01,
        patience: EPOCHS,
        improvement_min: 1e-5,
        weighting: ClassWeights::None,
        seed: 7,
    }
}

fn train(c: &mut Criterion) {
    let (rows, validation) = (samples(ROWS, 1), samples(VALIDATION_ROWS, 2));
    let mut group = c.benchmark_group("train");
    group.sample_size(10).throughput(Throughput::Elements(ROWS as u64 * u64::from(EPOCHS)));
    for (name, hidden) in [("logistic", &[][..]), ("32x16", &[32, 16])] {
        let settings = settings(hidden);
        let task = Task { train: &rows, validation: &validation, settings: &settings };
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| {
                let fitted =
                    on_one_thread(|| fit(&task, &Device::Cpu, None, &mut |_| FitFlow::GoOn));
                black_box(fitted.expect("a thread").expect("a fit"))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, train);
criterion_main!(benches);
