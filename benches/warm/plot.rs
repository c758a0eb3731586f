//! Cold starts over the time that is warm for nothing.

use std::{error::Error, path::Path};

use plotters::{
    chart::{ChartBuilder, SeriesLabelPosition},
    prelude::{Circle, EmptyElement, IntoDrawingArea, PathElement, SVGBackend, Text},
    series::LineSeries,
    style::{BLACK, BLUE, Color, IntoFont, RED, WHITE},
};

use crate::policies::{Line, Report};

pub(crate) fn write(path: &Path, report: &Report) -> Result<(), Box<dyn Error>> {
    let area = SVGBackend::new(path, (1000, 600)).into_drawing_area();
    area.fill(&WHITE)?;
    let most = report.points.iter().map(|&(.., idle, _)| idle).fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(&area)
        .caption("cold starts of three in four callers, over idle time", ("sans-serif", 20).into_font())
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(0.0..most * 1.15, 0.0..105.0)?;
    chart.configure_mesh().x_desc("idle time, fixed 10 min = 1").y_desc("cold calls, %").draw()?;
    for (line, name, color) in
        [(Line::Fixed, "fixed", BLUE), (Line::Hybrid, "hybrid", RED), (Line::Alone, "", BLACK)]
    {
        let mut points: Vec<_> = report.points.iter().filter(|&&(_, of, ..)| of == line).collect();
        points.sort_by(|a, b| a.2.total_cmp(&b.2));
        let at = |idle: f64, cold: f64| (idle, cold * 100.0);
        if line != Line::Alone {
            chart
                .draw_series(LineSeries::new(
                    points.iter().map(|&&(_, _, idle, cold)| at(idle, cold)),
                    color.stroke_width(2),
                ))?
                .label(name)
                .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 20, y)], color));
        }
        chart.draw_series(
            points.iter().map(|&&(_, _, idle, cold)| Circle::new(at(idle, cold), 4, color.filled())),
        )?;
        chart.draw_series(points.iter().map(|&(name, _, idle, cold)| {
            // Beside the point, in pixels.
            EmptyElement::at(at(*idle, *cold))
                + Text::new(name.clone(), (8, 4), ("sans-serif", 12).into_font().color(&color))
        }))?;
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
