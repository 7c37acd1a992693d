//! The fit: batches in seeded order, one optimiser, and the weights of the epoch that was best on rows it did not learn from.
//! The optimiser is Adam with decoupled weight decay (Loshchilov and Hutter, 2019), with its moments in the open so that a fit can be
//! taken up again.

use candle_core::{D, Device, Tensor, Var, backprop::GradStore};
use thiserror::Error;

use super::settings::{Best, FitSettings, FitState, Losses, Numbers, Samples};
use crate::engine::{
    learn::{
        scores::prior,
        split_mix::{Purpose, SplitMix},
    },
    model::{Activation, CLASSES, Dense},
};

/// Losses are compared in these units of a nat.
const LOSS_UNITS: f64 = 1e6;

/// What is fitted on what.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    /// The rows it learns from.
    pub train: &'a Samples,
    /// The rows that tell when to stop.
    pub validation: &'a Samples,
    pub settings: &'a FitSettings,
}

/// Whether a fit goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FitFlow {
    GoOn,
    /// It stops before it is done.
    Stop,
}

/// A fitted network.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// Its layers. Their probabilities are those of the rows, whatever the class weights were.
    pub layers: Vec<Dense>,
    /// The epoch whose weights they are, from 1.
    pub best_epoch: u32,
    /// Losses of every epoch.
    pub losses: Vec<Losses>,
}

/// Why there is no fitted network.
#[derive(Debug, Error)]
pub enum FitError {
    /// The library of tensors refused.
    #[error("tensors: {0}")]
    Tensors(#[from] candle_core::Error),
    /// The loss or a weight is no number any more.
    #[error("the loss or a weight is not a finite number after epoch {0}: lower the learning rate")]
    Astray(u32),
    /// There is nothing to learn from.
    #[error("{train} training rows and {validation} validation rows: both are needed")]
    NoRows {
        /// How many to learn from.
        train: usize,
        /// How many to stop by.
        validation: usize,
    },
    /// The state to go on from is that of another fit.
    #[error("the state to go on from is that of another network")]
    ForeignState,
    /// It was asked to stop.
    #[error("asked to stop")]
    Stopped,
    /// The machine gives no thread.
    #[error("start a thread: {0}")]
    Thread(String),
}

/// Fits a network, from the start or from where an earlier fit of the same task stood. After each epoch `watch` is shown the state and
/// says whether to go on. The same task on the same device gives the same bits, wherever it was interrupted.
pub fn fit(
    task: &Task<'_>,
    device: &Device,
    from: Option<FitState>,
    watch: &mut dyn FnMut(&FitState) -> FitFlow,
) -> Result<Fitted, FitError> {
    if task.train.is_empty() || task.validation.is_empty() {
        let (train, validation) = (task.train.len(), task.validation.len());
        return Err(FitError::NoRows { train, validation });
    }
    let mut fitting = Fitting::new(task, device, from)?;
    while !fitting.is_over() {
        fitting.epoch()?;
        if watch(&fitting.state) == FitFlow::Stop && !fitting.is_over() {
            return Err(FitError::Stopped);
        }
    }
    Ok(fitting.result())
}

/// Does work on a pool of one thread. Networks of this size are slower on many: threads wait for each other more than they compute.
pub fn on_one_thread<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, FitError> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    Ok(pool.map_err(|error| FitError::Thread(error.to_string()))?.install(work))
}

/// The biases of a network that knows only how often each class counts.
pub(super) fn first_biases(counts: [usize; CLASSES], weights: [f64; CLASSES]) -> [f64; CLASSES] {
    let often = prior(counts);
    std::array::from_fn(|place| libm::log(often[place] * weights[place]))
}

struct Fitting<'a> {
    task: &'a Task<'a>,
    device: &'a Device,
    train: Batchable,
    validation: Batchable,
    layers: DenseLayers,
    optimiser: AdamW,
    /// The weight of each class.
    weights: Tensor,
    /// What is added to the scores to take the weights out again.
    correction: [f64; CLASSES],
    correction_on_device: Tensor,
    state: FitState,
}

impl<'a> Fitting<'a> {
    fn new(
        task: &'a Task<'a>,
        device: &'a Device,
        from: Option<FitState>,
    ) -> Result<Self, FitError> {
        let (settings, width) = (task.settings, task.train.width);
        let counts = task.train.counts();
        let weights = settings.weighting.weights(counts);
        let first = first_weights(width, settings, first_biases(counts, weights));
        let correction = weights.map(|weight| -libm::log(weight));
        let layers =
            DenseLayers::new(width, settings, from.as_ref().map_or(&first, |s| &s.weights), device);
        let row = |values: [f64; CLASSES]| {
            Tensor::from_slice(&values.map(|x| x as f32), (1, CLASSES), device)
        };
        if let Some(state) = &from {
            let lengths = |numbers: &[super::settings::Numbers]| -> Vec<usize> {
                numbers.iter().map(|n| n.0.len()).collect()
            };
            let same = |numbers| lengths(numbers) == lengths(&first);
            if ![&state.weights, &state.means, &state.squares].into_iter().all(|n| same(n)) {
                return Err(FitError::ForeignState);
            }
        }
        let layers = layers?;
        let mut optimiser = AdamW::new(settings, &layers)?;
        let state = match from {
            Some(state) => {
                let moments = (state.steps, &*state.means, &*state.squares);
                optimiser = optimiser.resumed(&layers, moments, device)?;
                state
            }
            None => FitState {
                steps: 0,
                weights: first,
                means: Vec::new(),
                squares: Vec::new(),
                best: None,
                losses: Vec::new(),
            },
        };
        Ok(Self {
            task,
            device,
            train: Batchable::new(task.train, device)?,
            validation: Batchable::new(task.validation, device)?,
            layers,
            optimiser,
            weights: row(weights)?,
            correction,
            correction_on_device: row(correction)?,
            state,
        })
    }

    fn is_over(&self) -> bool {
        let (epochs, settings) = (self.state.epochs(), self.task.settings);
        let stale = self.state.best.as_ref().map_or(0, |best| epochs - best.epoch);
        epochs >= settings.epochs_max || stale >= settings.patience
    }

    fn epoch(&mut self) -> Result<(), FitError> {
        let epoch = self.state.epochs() + 1;
        let settings = self.task.settings;
        let order =
            SplitMix::new(settings.seed, Purpose::Order(epoch)).order(self.task.train.len());
        let mut total = Tensor::zeros((), candle_core::DType::F32, self.device)?;
        for rows in order.chunks(settings.batch) {
            let batch = self.train.select(rows, self.device)?;
            let logits = self.layers.logits(&batch.inputs)?;
            let loss = batch.weighted(&log_softmax(&logits)?, &self.weights)?;
            self.optimiser.step(&self.layers, &loss.backward()?)?;
            total = (total + self.plain(&batch, &logits.detach())?)?;
        }
        let mut validation = 0.0;
        for piece in self.validation.pieces() {
            let piece = piece?;
            let logits = self.layers.logits(&piece.inputs)?;
            validation += f64::from(self.plain(&piece, &logits)?.to_scalar::<f32>()?);
        }
        let losses = Losses {
            train: f64::from(total.to_scalar::<f32>()?) / self.task.train.len() as f64,
            validation: validation / self.task.validation.len() as f64,
        };
        self.took(epoch, losses)
    }

    /// The sum of the losses with the class weights taken out.
    fn plain(&self, batch: &LossBatch, logits: &Tensor) -> candle_core::Result<Tensor> {
        batch.total(&log_softmax(&logits.broadcast_add(&self.correction_on_device)?)?)
    }

    fn took(&mut self, epoch: u32, losses: Losses) -> Result<(), FitError> {
        let [means, squares] = self.optimiser.moments()?;
        let weights = self.layers.numbers()?;
        let finite = weights.iter().all(|numbers| numbers.0.iter().all(|x| x.is_finite()));
        if !(finite && losses.validation.is_finite()) {
            return Err(FitError::Astray(epoch));
        }
        let loss = (losses.validation * LOSS_UNITS).round_ties_even() / LOSS_UNITS;
        let improvement_min = self.task.settings.improvement_min;
        if self.state.best.as_ref().is_none_or(|best| loss < best.loss - improvement_min) {
            self.state.best = Some(Best { epoch, loss, weights: weights.clone() });
        }
        self.state.steps = self.optimiser.steps();
        self.state.losses.push(losses);
        (self.state.weights, self.state.means, self.state.squares) = (weights, means, squares);
        Ok(())
    }

    fn result(self) -> Fitted {
        let best = self.state.best.expect("a fit that is over has had an epoch");
        let mut layers = dense(self.task.train.width, self.task.settings, &best.weights);
        let last = layers.last_mut().expect("a network has a layer");
        for (bias, correction) in last.bias.iter_mut().zip(self.correction) {
            *bias = (f64::from(*bias) + correction) as f32;
        }
        Fitted { layers, best_epoch: best.epoch, losses: self.state.losses }
    }
}

/// How slowly the mean of the slopes forgets.
const BETA_MEAN: f64 = 0.9;
/// How slowly the mean of their squares forgets.
const BETA_SQUARE: f64 = 0.999;
/// Keeps the division from zero.
const EPSILON: f64 = 1e-8;

/// The moments of every tensor that is fitted.
pub(super) struct AdamW {
    learning_rate: f64,
    weight_decay: f64,
    steps: u32,
    means: Vec<Tensor>,
    squares: Vec<Tensor>,
}

impl AdamW {
    /// No step done.
    pub(super) fn new(settings: &FitSettings, layers: &DenseLayers) -> candle_core::Result<Self> {
        let zeros = || -> candle_core::Result<Vec<Tensor>> {
            layers.vars().into_iter().map(|(var, _)| var.zeros_like()).collect()
        };
        Ok(Self {
            learning_rate: settings.learning_rate,
            weight_decay: settings.weight_decay,
            steps: 0,
            means: zeros()?,
            squares: zeros()?,
        })
    }

    /// After some steps, with the moments they left.
    pub(super) fn resumed(
        self,
        layers: &DenseLayers,
        (steps, means, squares): (u32, &[Numbers], &[Numbers]),
        device: &Device,
    ) -> candle_core::Result<Self> {
        let tensors = |moments: &[Numbers]| -> candle_core::Result<Vec<Tensor>> {
            let vars = layers.vars();
            let pairs = vars.iter().zip(moments);
            pairs.map(|((var, _), m)| Tensor::from_slice(&m.0, var.shape(), device)).collect()
        };
        Ok(Self { steps, means: tensors(means)?, squares: tensors(squares)?, ..self })
    }

    /// One step down the slopes.
    pub(super) fn step(
        &mut self,
        layers: &DenseLayers,
        slopes: &GradStore,
    ) -> candle_core::Result<()> {
        self.steps += 1;
        let toward = |beta: f64| 1.0 - libm::pow(beta, f64::from(self.steps));
        let (mean_scale, square_scale) = (toward(BETA_MEAN), toward(BETA_SQUARE));
        for (place, (var, decays)) in layers.vars().into_iter().enumerate() {
            let Some(slope) = slopes.get(var) else { continue };
            let mean = (self.means[place].affine(BETA_MEAN, 0.0)?
                + slope.affine(1.0 - BETA_MEAN, 0.0)?)?;
            let square = (self.squares[place].affine(BETA_SQUARE, 0.0)?
                + slope.sqr()?.affine(1.0 - BETA_SQUARE, 0.0)?)?;
            let spread = square.affine(1.0 / square_scale, 0.0)?.sqrt()?.affine(1.0, EPSILON)?;
            let step = mean.affine(self.learning_rate / mean_scale, 0.0)?.div(&spread)?;
            let kept = if decays { 1.0 - self.learning_rate * self.weight_decay } else { 1.0 };
            var.set(&var.as_tensor().affine(kept, 0.0)?.sub(&step)?)?;
            self.means[place] = mean;
            self.squares[place] = square;
        }
        Ok(())
    }

    /// Steps done.
    pub(super) fn steps(&self) -> u32 {
        self.steps
    }

    /// The moments: means, then squares.
    pub(super) fn moments(&self) -> candle_core::Result<[Vec<Numbers>; 2]> {
        let read =
            |tensors: &[Tensor]| tensors.iter().map(numbers).collect::<candle_core::Result<_>>();
        Ok([read(&self.means)?, read(&self.squares)?])
    }
}

/// Spread of the last layer's first weights, a hundredth of what would keep that of its inputs.
const LAST_GAIN: f32 = 0.03;

/// One layer: weights as a row per output, and biases.
pub(super) struct DenseLayer {
    pub(super) weight: Var,
    pub(super) bias: Var,
}

/// A network that can be fitted.
pub(super) struct DenseLayers {
    layers: Vec<DenseLayer>,
    activation: Activation,
}

/// Inputs and outputs of each layer.
pub(super) fn shapes(width: usize, settings: &FitSettings) -> Vec<(usize, usize)> {
    let outputs = settings.hidden.iter().copied().chain([CLASSES]);
    let mut inputs = width;
    outputs.map(|outputs| (std::mem::replace(&mut inputs, outputs), outputs)).collect()
}

/// Weights to start from: uniform within a bound that keeps the spread from layer to layer (He et al. 2015 for relu, else LeCun et al.
/// 1998), biases zero. The last layer begins with small weights and the given biases, so that a network without any step says about
/// what they say, and does not spend its first epochs on unlearning what was drawn.
pub(super) fn first_weights(
    width: usize,
    settings: &FitSettings,
    biases: [f64; CLASSES],
) -> Vec<Numbers> {
    let shapes = shapes(width, settings);
    let mut chance = SplitMix::new(settings.seed, Purpose::Weights);
    let last = shapes.len() - 1;
    let layer = |(place, (inputs, outputs)): (usize, (usize, usize))| {
        let gain = match settings.activation {
            _ if place == last => LAST_GAIN,
            Activation::Relu => 6.0_f32,
            Activation::Tanh => 3.0_f32,
        };
        let bound = (gain / inputs as f32).sqrt();
        let mut draw = || (chance.part() * 2.0 - 1.0) * bound;
        let weights = (0..inputs * outputs).map(|_| draw()).collect();
        let biases = match place {
            _ if place == last => biases.map(|bias| bias as f32).into(),
            _ => vec![0.0; outputs],
        };
        [Numbers(weights), Numbers(biases)]
    };
    shapes.into_iter().enumerate().flat_map(layer).collect()
}

impl DenseLayers {
    /// Layers with these weights.
    pub(super) fn new(
        width: usize,
        settings: &FitSettings,
        weights: &[Numbers],
        device: &Device,
    ) -> candle_core::Result<Self> {
        let shapes = shapes(width, settings).into_iter().zip(weights.chunks_exact(2));
        let layer = |((inputs, outputs), pair): ((usize, usize), &[Numbers])| {
            let weight = Var::from_slice(&pair[0].0, (outputs, inputs), device)?;
            Ok(DenseLayer { weight, bias: Var::from_slice(&pair[1].0, outputs, device)? })
        };
        let layers = shapes.map(layer).collect::<candle_core::Result<_>>()?;
        Ok(Self { layers, activation: settings.activation })
    }

    /// The scores of the classes for rows of inputs.
    pub(super) fn logits(&self, inputs: &Tensor) -> candle_core::Result<Tensor> {
        let mut x = inputs.clone();
        for (place, layer) in self.layers.iter().enumerate() {
            x = x.matmul(&layer.weight.t()?)?.broadcast_add(&layer.bias)?;
            if place + 1 < self.layers.len() {
                x = match self.activation {
                    Activation::Relu => x.relu()?,
                    Activation::Tanh => x.tanh()?,
                };
            }
        }
        Ok(x)
    }

    /// Everything that is fitted, in one order: of each layer the weights, then the biases; and whether it decays.
    pub(super) fn vars(&self) -> Vec<(&Var, bool)> {
        self.layers.iter().flat_map(|layer| [(&layer.weight, true), (&layer.bias, false)]).collect()
    }

    pub(super) fn numbers(&self) -> candle_core::Result<Vec<Numbers>> {
        self.vars().into_iter().map(|(var, _)| numbers(var)).collect()
    }
}

/// The numbers of a tensor.
pub(super) fn numbers(tensor: &Tensor) -> candle_core::Result<Numbers> {
    Ok(Numbers(tensor.flatten_all()?.to_vec1()?))
}

/// The layers as the engine knows them.
pub(super) fn dense(width: usize, settings: &FitSettings, weights: &[Numbers]) -> Vec<Dense> {
    let pairs = shapes(width, settings).into_iter().zip(weights.chunks_exact(2));
    let layer = |((inputs, outputs), pair): ((usize, usize), &[Numbers])| Dense {
        inputs,
        outputs,
        weights: pair[0].0.clone(),
        bias: pair[1].0.clone(),
    };
    pairs.map(layer).collect()
}

/// Rows whose loss is computed at once. Sums depend on the shape, so it is the same everywhere.
const ROWS_AT_ONCE: usize = 4096;

/// Rows on a device.
pub(super) struct Batchable {
    /// A row of inputs each.
    inputs: Tensor,
    /// One at the class of each row, zero elsewhere.
    targets: Tensor,
    rows: usize,
}

/// Some rows.
pub(super) struct LossBatch {
    /// A row of inputs each.
    pub(super) inputs: Tensor,
    targets: Tensor,
}

impl Batchable {
    /// Brings rows to a device.
    pub(super) fn new(samples: &Samples, device: &Device) -> candle_core::Result<Self> {
        let rows = samples.len();
        let mut targets = vec![0.0_f32; rows * CLASSES];
        for (row, class) in samples.classes.iter().enumerate() {
            targets[row * CLASSES + usize::from(*class)] = 1.0;
        }
        Ok(Self {
            inputs: Tensor::from_slice(&samples.inputs, (rows, samples.width), device)?,
            targets: Tensor::from_vec(targets, (rows, CLASSES), device)?,
            rows,
        })
    }

    /// The rows of some numbers, in their order.
    pub(super) fn select(&self, rows: &[u32], device: &Device) -> candle_core::Result<LossBatch> {
        let places = Tensor::from_slice(rows, rows.len(), device)?;
        Ok(LossBatch {
            inputs: self.inputs.index_select(&places, 0)?,
            targets: self.targets.index_select(&places, 0)?,
        })
    }

    /// All rows, in pieces.
    pub(super) fn pieces(&self) -> impl Iterator<Item = candle_core::Result<LossBatch>> {
        (0..self.rows).step_by(ROWS_AT_ONCE).map(|start| {
            let rows = ROWS_AT_ONCE.min(self.rows - start);
            Ok(LossBatch {
                inputs: self.inputs.narrow(0, start, rows)?,
                targets: self.targets.narrow(0, start, rows)?,
            })
        })
    }
}

/// The logarithms of the probabilities.
pub(super) fn log_softmax(logits: &Tensor) -> candle_core::Result<Tensor> {
    let most = logits.max_keepdim(D::Minus1)?.detach();
    let shifted = logits.broadcast_sub(&most)?;
    let sum = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    shifted.broadcast_sub(&sum)
}

impl LossBatch {
    /// The mean loss with class weights: what is made smaller.
    pub(super) fn weighted(
        &self,
        log_probabilities: &Tensor,
        weights: &Tensor,
    ) -> candle_core::Result<Tensor> {
        let targets = self.targets.broadcast_mul(weights)?;
        let loss = log_probabilities.mul(&targets)?.sum_all()?;
        loss.div(&targets.sum_all()?)?.neg()
    }

    /// The sum of the losses of the rows, without weights and without slopes.
    pub(super) fn total(&self, log_probabilities: &Tensor) -> candle_core::Result<Tensor> {
        log_probabilities.detach().mul(&self.targets)?.sum_all()?.neg()
    }
}
