//! The exchange-sim job: a simulated venue that listens until its time is over or it is asked to stop.

use std::{collections::BTreeMap, io::ErrorKind, net::SocketAddr};

use super::{
    bars_file::recorded,
    context::{Context, Failure, Outcome, runtime},
};
use crate::{
    clock::{Clock as _, ScaledClock},
    exchange::sim::{
        market::{MarketTrouble, SimMarket},
        server::{self, SimServer},
        venue::{SimFault, SimFaults, Venue},
    },
    exit::Exit,
    manifest::{self, ExchangeSim, ExchangeSimJob, FaultTable, Parsed, Protocol, Span, Speed},
    store::disk::{Disk as _, parent},
};

/// Bars that a made-up market has behind it at the start.
const HISTORY_BARS: i64 = 20_000;

pub fn run(context: &Context<'_>, job: &ExchangeSimJob) -> Result<Outcome, Failure> {
    let (series, table) = (&job.series, &job.exchange_sim);
    let venue = Venue {
        protocol: protocol(job)?,
        symbol: series.symbol().clone(),
        market: market(context, job)?,
        faults: faults(&table.faults),
    };
    let runtime = runtime()?;
    let wanted = address(&table.listen)?;
    let (listener, got) =
        runtime.block_on(server::listen(wanted)).map_err(|error| not_bound(wanted, &error))?;
    if !got.ip().is_loopback() {
        tracing::warn!(
            "{got} is not an address of this machine alone: others may reach the simulator"
        );
    }
    let (from, to) = (table.from.get(), table.to.map(manifest::Time::get));
    let clock = ScaledClock::new(from, factor(table));
    let server = SimServer::new(venue, Box::new(move || clock.now()));
    let port_file = table.port_file.as_ref().map(|written| context.path(written));
    if let Some(path) = &port_file {
        context.disk.create_dir_all(parent(path))?;
        context.disk.replace(path, format!("{got}\n").as_bytes())?;
    }
    let what = format!("{} {} {}", table.protocol.name(), series.symbol(), series.timeframe());
    context.progress.begin(&format!("exchange-sim {what} from {from} on http://{got}"), 0);
    let over = || context.stop.asked() || to.is_some_and(|to| clock.now() >= to);
    runtime.block_on(server.serve(listener, over));
    context.progress.end();
    if let Some(path) = &port_file {
        match context.disk.remove(path) {
            // Whoever removed it before wanted the same.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            removed => removed?,
        }
    }
    Ok(outcome(&server, &what, &clock))
}

fn outcome(server: &SimServer, what: &str, clock: &ScaledClock) -> Outcome {
    let (requests, faults) = server.counts();
    let until = clock.now();
    let summary =
        format!("{what}: {requests} requests until {until}, {faults} of them met a fault");
    let out = [("requests", requests), ("faults", faults)];
    let out = out.into_iter().map(|(key, count)| (key.to_owned(), count.to_string())).collect();
    Outcome { exit: Exit::Ok, text: format!("{summary}\n"), summary, out }
}

fn protocol(job: &ExchangeSimJob) -> Result<Protocol, Failure> {
    let protocol = job.exchange_sim.protocol;
    let timeframe = job.series.timeframe();
    if protocol.has(timeframe) {
        return Ok(protocol);
    }
    let name = job.exchange_sim.protocol.name();
    let message = format!("{name} has no bars of {timeframe}: choose another market.timeframe");
    Err(Failure::new(Exit::Manifest, message))
}

fn market(context: &Context<'_>, job: &ExchangeSimJob) -> Result<SimMarket, Failure> {
    let (series, table) = (&job.series, &job.exchange_sim);
    let from = table.from.get();
    let trouble = MarketTrouble {
        seed: table.faults.seed,
        holes: table.faults.holes,
        late: table.faults.late,
        late_bars: table.faults.late_bars,
        revise: table.faults.revise,
    };
    let Some(source) = &table.source else {
        let last = series.timeframe().last_closed(from).ok_or_else(|| {
            Failure::new(Exit::Manifest, format!("exchange-sim.from = {from} is before all bars"))
        })?;
        return Ok(SimMarket::made_up(table.seed, last.plus(-HISTORY_BARS), trouble));
    };
    let market = SimMarket::recorded(recorded(context, source, series)?, trouble);
    let open = market.filter(|market| market.newest(from).is_some_and(|ts| ts.close() > from));
    open.ok_or_else(|| {
        let message = format!(
            "{source}: no bar of {series} is open at exchange-sim.from = {from}: choose a time inside the recording"
        );
        Failure::new(Exit::Nothing, message)
    })
}

fn faults(table: &FaultTable) -> SimFaults {
    let rates = BTreeMap::from([
        (SimFault::Latency, table.latency),
        (SimFault::Timeout, table.timeout),
        (SimFault::Reset, table.reset),
        (SimFault::Throttle, table.throttle),
        (SimFault::Ban, table.ban),
        (SimFault::ServerError, table.server_error),
        (SimFault::Html, table.html),
        (SimFault::Truncate, table.truncate),
        (SimFault::Duplicate, table.duplicate),
        (SimFault::Reorder, table.reorder),
        (SimFault::WrongDate, table.wrong_date),
    ]);
    let ms = |span: &Parsed<Span>| span.get().duration().as_millis();
    SimFaults {
        seed: table.seed,
        rates,
        latency_max: table.latency_max.get().duration(),
        retry_after_s: ms(&table.retry_after).div_ceil(1000).try_into().unwrap_or(u32::MAX),
        date_skew_ms: ms(&table.date_skew).try_into().unwrap_or(i64::MAX),
        calm_after: table.calm_after,
        calm_at: table.calm_at.map(manifest::Time::get),
    }
}

fn factor(table: &ExchangeSim) -> f64 {
    match table.speed.get() {
        Speed::Times(factor) => f64::from(factor.get()),
        Speed::Max => 1.0,
    }
}

fn address(written: &str) -> Result<SocketAddr, Failure> {
    written.parse().map_err(|_| {
        let message = format!(
            "exchange-sim.listen = {written} is not an address with a port: write it like 127.0.0.1:8080"
        );
        Failure::new(Exit::Manifest, message)
    })
}

fn not_bound(address: SocketAddr, error: &std::io::Error) -> Failure {
    let (exit, next) = match error.kind() {
        ErrorKind::AddrInUse => {
            (Exit::Busy, "end what listens there, or let port 0 take a free one")
        }
        _ => (Exit::Io, "choose another exchange-sim.listen"),
    };
    Failure::new(exit, format!("listen on {address}: {error}: {next}"))
}
