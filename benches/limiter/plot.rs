//! The limit over time, of all contestants, as a picture for each scenario.

use std::{error::Error, path::Path};

use dashpot_testkit::simulation::Sample;
use plotters::{
    chart::{ChartBuilder, SeriesLabelPosition},
    coord::combinators::IntoLogRange,
    prelude::{IntoDrawingArea, PathElement, SVGBackend},
    series::LineSeries,
    style::{BLACK, Color, IntoFont, Palette, Palette99, ShapeStyle, WHITE},
};

use crate::{arguments::Arguments, runs::Runs};

/// A limit that shows what a limiter does when it is overloaded, when capacity falls and rises, when time varies, when
/// load comes after a pause, and when clients retry.
const PICTURES: [&str; 6] = ["A", "B", "B2", "C2", "H4", "retries"];

const SIZE: (u32, u32) = (1000, 500);
const NANOS: f64 = 1e9;

/// Writes `limit-NAME.svg` for those scenarios that were run.
pub(crate) fn write(folder: &Path, arguments: &Arguments, runs: &Runs) -> Result<(), Box<dyn Error>> {
    for (at, scenario) in arguments.scenarios.iter().enumerate() {
        if PICTURES.contains(&scenario.name) {
            let path = folder.join(format!("limit-{}.svg", scenario.name));
            draw(&path, &format!("{}: {}", scenario.name, scenario.about), at, arguments, runs)?;
        }
    }
    Ok(())
}

fn draw(
    path: &Path,
    title: &str,
    scenario: usize,
    arguments: &Arguments,
    runs: &Runs,
) -> Result<(), Box<dyn Error>> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let first = samples(runs, scenario, 0);
    let end = first.last().map_or(1.0, |sample| sample.at as f64 / NANOS);
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 20).into_font())
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..end, (1.0..1500.0).log_scale())?;
    chart.configure_mesh().x_desc("seconds").y_desc("limit").draw()?;

    let truth = first.iter().map(|sample| (sample.at as f64 / NANOS, sample.truth));
    line(&mut chart, "true capacity", BLACK.stroke_width(3), truth)?;
    for (at, contestant) in arguments.contestants.iter().enumerate() {
        let width = if at == 0 { 3 } else { 1 };
        let style = Palette99::pick(at).stroke_width(width);
        let limit = samples(runs, scenario, at);
        let limit = limit.iter().map(|sample| (sample.at as f64 / NANOS, f64::from(sample.limit.max(1))));
        line(&mut chart, contestant.title, style, limit)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK)
        .draw()?;
    area.present()?;
    Ok(())
}

type Chart<'a, 'b> = plotters::chart::ChartContext<
    'a,
    SVGBackend<'b>,
    plotters::coord::cartesian::Cartesian2d<
        plotters::coord::types::RangedCoordf64,
        plotters::coord::combinators::LogCoord<f64>,
    >,
>;

fn line(
    chart: &mut Chart<'_, '_>,
    title: &str,
    style: ShapeStyle,
    points: impl Iterator<Item = (f64, f64)>,
) -> Result<(), String> {
    chart
        .draw_series(LineSeries::new(points, style))
        .map_err(|error| error.to_string())?
        .label(title)
        .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 20, y)], style));
    Ok(())
}

fn samples(runs: &Runs, scenario: usize, contestant: usize) -> &[Sample] {
    runs.of(scenario, contestant).first().map_or(&[], |report| &report.samples)
}
