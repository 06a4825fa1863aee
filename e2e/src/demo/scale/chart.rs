//! The charts of what was sampled: load beside capacity, and brokers.

use kintsugi_plot::{Chart, Mark, Series, stacked};

use super::TARGET_PERCENT;
use super::exported::Exported;
use super::sampler::Samples;

const BLUE: &str = "#2563eb";
const GREEN: &str = "#16a34a";
const ORANGE: &str = "#ea580c";
const GREY: &str = "#6b7280";
const LIGHT: &str = "#9ca3af";

/// The document. What the operator did not export is not drawn, and the legend says so.
pub fn draw(samples: &Samples, title: &str) -> String {
    let of = |pick: &dyn Fn(&Exported) -> Option<f64>| -> Vec<(f64, f64)> {
        let known = samples.exported.iter();
        known
            .filter_map(|(at, all)| Some((*at, pick(all)?)))
            .collect()
    };
    let target = |all: &Exported| Some(kilobytes(all.broker_target?) * all.ready?);
    let capacity = |all: &Exported| Some(target(all)? * 100.0 / f64::from(TARGET_PERCENT));
    let load = [
        series(
            "received",
            BLUE,
            Mark::Line,
            of(&|all| all.load.map(kilobytes)),
        ),
        series(
            "capacity: all that ready brokers are said to receive",
            GREEN,
            Mark::Steps,
            of(&capacity),
        ),
        series(
            "the part of it that the rule aims for",
            LIGHT,
            Mark::Steps,
            of(&target),
        ),
    ];
    let forecast = of(&|all| all.forecast);
    let ever_decided = (of(&|all| all.forecast_decides).iter()).any(|(_, decides)| *decides > 0.0);
    let named = match (forecast.is_empty(), ever_decided) {
        (true, _) => "no forecast was exported",
        (false, false) => {
            "forecast by a synthetic history: brokers that the load fills when a change takes effect (the rule decides: it has no skill)"
        }
        (false, true) => {
            "forecast by a synthetic history: brokers that the load fills when a change takes effect"
        }
    };
    let brokers = [
        series("desired", ORANGE, Mark::Steps, of(&|all| all.desired)),
        series("ready", GREEN, Mark::Steps, of(&|all| all.ready)),
        series(named, GREY, Mark::Dashes, forecast),
        series(
            "its upper bound",
            LIGHT,
            Mark::Dashes,
            of(&|all| all.forecast_bound),
        ),
    ];
    stacked(&[
        chart(
            title,
            "kB received a second, copies too",
            load.into(),
            samples,
        ),
        chart("", "brokers", brokers.into(), samples),
    ])
}

fn chart(title: &str, y_label: &str, series: Vec<Series>, samples: &Samples) -> Chart {
    let missed = match samples.missed {
        0 => String::new(),
        missed => format!("; the operator did not answer in {missed} of them"),
    };
    Chart {
        title: title.to_owned(),
        x_label: format!("seconds{missed}"),
        y_label: y_label.to_owned(),
        log_y: false,
        from_zero: true,
        moments: samples.moments.clone(),
        series,
    }
}

fn series(name: &str, color: &'static str, mark: Mark, points: Vec<(f64, f64)>) -> Series {
    Series {
        name: name.to_owned(),
        color,
        mark,
        points,
    }
}

fn kilobytes(bytes: f64) -> f64 {
    bytes / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(forecast: Option<f64>) -> Samples {
        let exported = Exported {
            load: Some(300_000.0),
            broker_target: Some(140_000.0),
            desired: Some(4.0),
            ready: Some(3.0),
            forecast,
            forecast_bound: forecast.map(|brokers| brokers + 0.5),
            forecast_skill: forecast.map(|_| 0.0),
            forecast_decides: Some(0.0),
        };
        let later = Exported {
            ready: Some(4.0),
            ..exported
        };
        Samples {
            exported: vec![(1.0, exported), (2.0, later)],
            missed: 1,
            moments: vec![(1.5, "4 decided".to_owned())],
        }
    }

    #[test]
    fn without_a_forecast_none_is_drawn_and_the_legend_says_why() {
        let svg = draw(&samples(None), "title");
        assert!(svg.contains("no forecast"));
        assert!(svg.contains("points=\"\""), "nothing is drawn for it");
        assert!(svg.contains("did not answer in 1 of them"));
        assert!(!svg.contains("NaN"));
    }

    #[test]
    fn a_forecast_that_is_exported_is_drawn() {
        let svg = draw(&samples(Some(4.6)), "title");
        assert!(!svg.contains("no forecast") && svg.contains("upper bound"));
        assert!(svg.contains("synthetic history"));
        assert!(svg.contains("the rule decides"));
        assert!(!svg.contains("points=\"\""));
    }
}
