use std::fmt::Write;

use dashpot_testkit::simulation::{Mean, Report};

use crate::{arguments::Arguments, runs::Runs};

type Metric = fn(&Report) -> f64;

/// What is told of each run beside goodput.
const METRICS: &[(&str, Metric)] = &[
    ("wait p50, ms", |report| report.wait_p50 * 1e3),
    ("wait p99, ms", |report| report.wait_p99 * 1e3),
    ("shed, %", |report| report.shed * 100.0),
    ("ideal shed, %", |report| report.ideal_shed * 100.0),
    ("false shed, %", |report| report.false_shed * 100.0),
    ("converges, s", |report| report.convergence),
    ("limit / true", |report| report.limit_ratio),
    ("at the end", |report| report.last_limit_ratio),
    ("recovers, s", |report| report.recovery),
    ("Jain", |report| report.jain),
];

/// Good answers over those that were possible, for every scenario and limiter.
pub(crate) fn goodput(arguments: &Arguments, runs: &Runs) -> String {
    let mut rows = vec![Vec::from(["scenario".to_owned()])];
    rows[0].extend(arguments.contestants.iter().map(|contestant| contestant.title.to_owned()));
    let mut worst = vec![f64::INFINITY; arguments.contestants.len()];
    for (at, scenario) in arguments.scenarios.iter().enumerate() {
        let mut row = vec![format!("{}: {}", scenario.name, scenario.about)];
        for (contestant, worst) in worst.iter_mut().enumerate() {
            let mean = mean(runs.of(at, contestant), |report| report.goodput);
            *worst = worst.min(mean.mean);
            row.push(if mean.half_width.is_nan() {
                format!("{:.3}", mean.mean)
            } else {
                format!("{:.3} ±{:.3}", mean.mean, mean.half_width)
            });
        }
        rows.push(row);
    }
    let mut last = vec!["worst".to_owned()];
    last.extend(worst.iter().map(|worst| format!("{worst:.3}")));
    rows.push(last);
    table(&rows)
}

/// All else, for one limiter.
pub(crate) fn details(arguments: &Arguments, runs: &Runs, contestant: usize) -> String {
    let mut rows = vec![Vec::from(["scenario".to_owned(), "goodput".to_owned()])];
    rows[0].extend(METRICS.iter().map(|(title, _)| (*title).to_owned()));
    for (at, scenario) in arguments.scenarios.iter().enumerate() {
        let reports = runs.of(at, contestant);
        let mut row =
            vec![scenario.name.to_owned(), format!("{:.3}", mean(reports, |report| report.goodput).mean)];
        row.extend(METRICS.iter().map(|(_, metric)| cell(mean(reports, *metric).mean)));
        rows.push(row);
    }
    table(&rows)
}

fn mean(reports: &[Report], metric: Metric) -> Mean {
    Mean::of(&reports.iter().map(metric).collect::<Vec<_>>())
}

fn cell(value: f64) -> String {
    match value {
        _ if value.is_nan() => "-".to_owned(),
        _ if value.is_infinite() => "never".to_owned(),
        _ if value >= 100.0 => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}

/// Markdown that can be read as it is.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for (at, row) in rows.iter().enumerate() {
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(text, "| {cell:width$} ");
        }
        text.push_str("|\n");
        if at == 0 {
            for width in &widths {
                let _ = write!(text, "|{:-<1$}", "", width + 2);
            }
            text.push_str("|\n");
        }
    }
    text
}
