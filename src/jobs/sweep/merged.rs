//! All trials in one place, by index: `trials.csv` for people and for comparing, `trials.parquet` for other programs.

use super::{
    folder::SweepFolder,
    plan::SweepPlan,
    results::{TrialRow, render},
};
use crate::{
    exit::Exit,
    jobs::context::{Context, Failure},
    store::columns::{ColumnValues, packed_columns},
    sweep::{
        space::{AxisValue, Points},
        sums::BlockSum,
    },
};

/// Writes both files, or finds the same ones there. They depend on the plan and on the build alone.
pub fn merge(
    context: &Context<'_>,
    folder: &SweepFolder<'_>,
    plan: &SweepPlan,
    (points, rows): (&Points, &[TrialRow]),
) -> Result<(), Failure> {
    let with_values: Vec<(&TrialRow, &[String])> =
        rows.iter().map(|row| (row, &plan.trials[row.index as usize].values[..])).collect();
    let text = render(&plan.parameters, &with_values);
    folder.create(&context.layout.sweep_trials(&folder.id), text.as_bytes())?;
    let values: Vec<&[AxisValue]> =
        rows.iter().map(|row| &points.values[row.index as usize][..]).collect();
    let packed = packed_columns(&columns(&plan.parameters, (&values, rows)));
    let packed = packed.map_err(|error| {
        Failure::new(Exit::Bug, format!("pack the trials of {}: {error}", folder.id))
    })?;
    folder.create(&context.layout.sweep_trials_packed(&folder.id), &packed).map(drop)
}

/// The columns of `trials.csv` with their types.
fn columns(
    parameters: &[String],
    (values, rows): (&[&[AxisValue]], &[TrialRow]),
) -> Vec<(String, ColumnValues)> {
    let whole = |of: fn(&TrialRow) -> u32| {
        ColumnValues::Whole(rows.iter().map(|row| i64::from(of(row))).collect())
    };
    let real = |of: &dyn Fn(&TrialRow) -> f64| {
        ColumnValues::Real(rows.iter().map(|row| Some(of(row))).collect())
    };
    let text = |of: &dyn Fn(&TrialRow) -> String| ColumnValues::Text(rows.iter().map(of).collect());
    let blocks = |of: fn(&BlockSum) -> f64| {
        ColumnValues::Reals(
            rows.iter().map(|row| row.sums.blocks.iter().map(of).collect()).collect(),
        )
    };
    let vetoes = |row: &TrialRow| {
        let parts: Vec<String> =
            row.vetoes.iter().map(|(block, many)| format!("{block}:{many}")).collect();
        parts.join(" ")
    };
    let before = [("index", whole(|row| row.index)), ("key", text(&|row| row.key.clone()))];
    let after = [
        ("trades", whole(|row| row.trades)),
        ("days", whole(|row| row.sums.days)),
        ("active_days", whole(|row| row.sums.active)),
        ("score", ColumnValues::Real(rows.iter().map(|row| row.score).collect())),
        ("net", real(&|row| row.net)),
        ("growth", real(&|row| row.growth)),
        ("drawdown", real(&|row| row.drawdown)),
        ("r1", real(&|row| row.sums.powers[0])),
        ("r2", real(&|row| row.sums.powers[1])),
        ("r3", real(&|row| row.sums.powers[2])),
        ("r4", real(&|row| row.sums.powers[3])),
        ("downside", real(&|row| row.sums.downside)),
        ("cut_trades", whole(|row| row.cut_trades)),
        ("ambiguous", whole(|row| row.ambiguous)),
        ("halted_slots", whole(|row| row.halted_slots)),
        ("ruined", ColumnValues::Truth(rows.iter().map(|row| row.is_ruined).collect())),
        ("vetoes", text(&vetoes)),
        ("block_sums", blocks(|block| block.sum)),
        ("block_squares", blocks(|block| block.squares)),
    ];
    let taken: Vec<&str> = before.iter().chain(&after).map(|(name, _)| *name).collect();
    // A param may be called like a figure.
    let own = |name: &String| {
        if taken.contains(&name.as_str()) { format!("param.{name}") } else { name.clone() }
    };
    let parameters =
        parameters.iter().enumerate().map(|(axis, name)| (own(name), of_axis(values, axis)));
    let owned = |(name, values): (&str, ColumnValues)| (name.to_owned(), values);
    before.into_iter().map(owned).chain(parameters).chain(after.into_iter().map(owned)).collect()
}

/// The values of a parameter: whole numbers, numbers, or truths, where all of them are; else as TOML writes them.
fn of_axis(values: &[&[AxisValue]], axis: usize) -> ColumnValues {
    let own = || values.iter().map(|point| &point[axis]);
    let whole: Option<Vec<i64>> = own()
        .map(|value| match value {
            AxisValue::Whole(whole) => Some(*whole),
            AxisValue::Real(_) | AxisValue::Text(_) | AxisValue::Truth(_) => None,
        })
        .collect();
    let truth: Option<Vec<bool>> = own()
        .map(|value| match value {
            AxisValue::Truth(truth) => Some(*truth),
            AxisValue::Whole(_) | AxisValue::Real(_) | AxisValue::Text(_) => None,
        })
        .collect();
    let text = |value: &AxisValue| match value {
        AxisValue::Text(text) => text.clone(),
        AxisValue::Whole(_) | AxisValue::Real(_) | AxisValue::Truth(_) => value.to_string(),
    };
    match (whole, truth) {
        (Some(whole), _) => ColumnValues::Whole(whole),
        (None, Some(truth)) => ColumnValues::Truth(truth),
        (None, None) if own().all(|value| value.number().is_some()) => {
            ColumnValues::Real(own().map(AxisValue::number).collect())
        }
        (None, None) => ColumnValues::Text(own().map(text).collect()),
    }
}
