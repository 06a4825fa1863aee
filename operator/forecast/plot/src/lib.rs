//! Line charts as SVG, as much of it as the replay and the demo of scaling need.
//!
//! Guarantees: the same charts give the same bytes; what stands in names cannot break the document;
//! a series without points is in the legend only.
//! Assumes finite points: others are drawn nowhere near where they belong.
//! Never does: read a clock or a file.

use std::fmt::Write;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 52.0;
/// Room above the data for the legend, as a part of its range.
const HEADROOM: f64 = 0.12;

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mark {
    /// A line.
    Line,
    /// A line that keeps its value until the next point.
    Steps,
    /// A broken line.
    Dashes,
    /// A dot at each point.
    Dots,
}

/// Points under one name.
#[derive(Clone, Debug)]
pub struct Series {
    /// The legend's text.
    pub name: String,
    /// A colour of SVG.
    pub color: &'static str,
    /// How it is drawn.
    pub mark: Mark,
    /// The points, by x where it is a line.
    pub points: Vec<(f64, f64)>,
}

/// A chart.
#[derive(Clone, Debug)]
pub struct Chart {
    /// Above it.
    pub title: String,
    /// Below it.
    pub x_label: String,
    /// Beside it.
    pub y_label: String,
    /// Whether y is on a logarithmic scale (all values above 0).
    pub log_y: bool,
    /// Whether y begins at 0, whatever the least value (not on a logarithmic scale).
    pub from_zero: bool,
    /// Moments with a name: an upright line at each x.
    pub moments: Vec<(f64, String)>,
    /// What it shows.
    pub series: Vec<Series>,
}

#[derive(Clone, Copy, Debug)]
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    fn place(&self, value: f64) -> f64 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// Round values that lie on the axis, about `count` of them.
    fn ticks(&self, count: f64) -> Vec<f64> {
        let rough = (self.high - self.low) / count;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|factor| factor * power)
            .into_iter()
            .find(|step| *step >= rough)
            .unwrap_or(rough);
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step).floor() as i64;
        (first..=last).map(|index| index as f64 * step).collect()
    }
}

/// One document of several charts, one below the other.
pub fn stacked(charts: &[Chart]) -> String {
    let height = HEIGHT * charts.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    for (index, chart) in charts.iter().enumerate() {
        let top = HEIGHT * index as f64;
        let _ = writeln!(svg, "<g transform=\"translate(0 {top})\">");
        chart.draw_all(&mut svg);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

impl Chart {
    /// The whole document.
    pub fn render(&self) -> String {
        stacked(std::slice::from_ref(self))
    }

    fn draw_all(&self, svg: &mut String) {
        let points = || {
            self.series
                .iter()
                .flat_map(|series| &series.points)
                .copied()
        };
        let moments = self.moments.iter().map(|(at, _)| *at);
        let x = axis(
            points().map(|(x, _)| x).chain(moments),
            0.0,
            (LEFT, WIDTH - RIGHT),
        );
        let zero = (self.from_zero && !self.log_y).then_some(0.0);
        let y = axis(
            points().map(|(_, y)| self.scale(y)).chain(zero),
            HEADROOM,
            (HEIGHT - BOTTOM, TOP),
        );
        self.words(svg);
        self.grid(svg, &x, &y);
        for (index, (at, name)) in self.moments.iter().enumerate() {
            moment(svg, x.place(*at), index, name);
        }
        for series in &self.series {
            self.draw(svg, series, &x, &y);
        }
        self.legend(svg);
    }

    fn words(&self, svg: &mut String) {
        text(svg, (WIDTH / 2.0, 20.0), "middle", &self.title);
        text(svg, (WIDTH / 2.0, HEIGHT - 10.0), "middle", &self.x_label);
        let _ = writeln!(
            svg,
            "<text transform=\"translate(16 {}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            HEIGHT / 2.0,
            escape(&self.y_label)
        );
    }

    fn grid(&self, svg: &mut String, x: &Axis, y: &Axis) {
        for tick in x.ticks(10.0) {
            let at = x.place(tick);
            line(svg, (at, TOP), (at, HEIGHT - BOTTOM));
            text(svg, (at, HEIGHT - BOTTOM + 18.0), "middle", &number(tick));
        }
        let ticks = if self.log_y {
            (y.low.ceil() as i64..=y.high.floor() as i64)
                .map(|power| power as f64)
                .collect()
        } else {
            y.ticks(8.0)
        };
        for tick in ticks {
            let at = y.place(tick);
            line(svg, (LEFT, at), (WIDTH - RIGHT, at));
            let value = if self.log_y { 10_f64.powf(tick) } else { tick };
            text(svg, (LEFT - 8.0, at + 4.0), "end", &number(value));
        }
    }

    fn scale(&self, value: f64) -> f64 {
        if self.log_y {
            value.max(1e-12).log10()
        } else {
            value
        }
    }

    fn draw(&self, svg: &mut String, series: &Series, x: &Axis, y: &Axis) {
        let places = (series.points.iter()).map(|&(a, b)| (x.place(a), y.place(self.scale(b))));
        if series.mark == Mark::Dots {
            for (left, top) in places {
                let _ = writeln!(
                    svg,
                    "<circle cx=\"{left:.1}\" cy=\"{top:.1}\" r=\"2.5\" fill=\"{}\" fill-opacity=\"0.55\"/>",
                    series.color
                );
            }
            return;
        }
        let mut path = String::new();
        let mut last_top = None;
        for (left, top) in places {
            match (last_top, series.mark) {
                (Some(last), Mark::Steps) => {
                    let _ = write!(path, "{left:.1},{last:.1} {left:.1},{top:.1} ");
                }
                _ => {
                    let _ = write!(path, "{left:.1},{top:.1} ");
                }
            }
            last_top = Some(top);
        }
        let dashes = if series.mark == Mark::Dashes {
            " stroke-dasharray=\"4 3\""
        } else {
            ""
        };
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.6\"{dashes}/>",
            path.trim_end(),
            series.color
        );
    }

    fn legend(&self, svg: &mut String) {
        let mut left = LEFT + 8.0;
        for series in &self.series {
            let _ = writeln!(
                svg,
                "<rect x=\"{left}\" y=\"{}\" width=\"14\" height=\"4\" fill=\"{}\"/>",
                TOP - 10.0,
                series.color
            );
            text(svg, (left + 20.0, TOP - 4.0), "start", &series.name);
            left += 36.0 + 6.6 * series.name.chars().count() as f64;
        }
    }
}

fn axis(values: impl Iterator<Item = f64>, headroom: f64, (from, to): (f64, f64)) -> Axis {
    let (low, high) = values
        .filter(|value| value.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
    let (low, high) = if low < high { (low, high) } else { (0.0, 1.0) };
    Axis {
        low,
        high: high + headroom * (high - low),
        from,
        to,
    }
}

fn text(svg: &mut String, (left, top): (f64, f64), anchor: &str, what: &str) {
    let _ = writeln!(
        svg,
        "<text x=\"{left:.1}\" y=\"{top:.1}\" text-anchor=\"{anchor}\">{}</text>",
        escape(what)
    );
}

fn line(svg: &mut String, (left, top): (f64, f64), (right, bottom): (f64, f64)) {
    let _ = writeln!(
        svg,
        "<line x1=\"{left:.1}\" y1=\"{top:.1}\" x2=\"{right:.1}\" y2=\"{bottom:.1}\" stroke=\"#ddd\"/>"
    );
}

fn moment(svg: &mut String, left: f64, index: usize, name: &str) {
    let (bottom, words) = (HEIGHT - BOTTOM, escape(name));
    // Moments that follow each other closely are told at different heights.
    let height = 6.0 + 100.0 * (index % 3) as f64;
    let _ = writeln!(
        svg,
        "<line x1=\"{left:.1}\" y1=\"{TOP:.1}\" x2=\"{left:.1}\" y2=\"{bottom:.1}\" stroke=\"#888\" stroke-dasharray=\"2 4\"/>\n\
         <text transform=\"translate({:.1} {:.1}) rotate(-90)\" font-size=\"11\" fill=\"#555\">{words}</text>",
        left + 12.0,
        bottom - height
    );
}

fn number(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_no_value_leaves_the_chart() {
        let chart = Chart {
            title: "a < b & c".into(),
            x_label: "x".into(),
            y_label: "y".into(),
            log_y: true,
            from_zero: false,
            moments: Vec::new(),
            series: vec![Series {
                name: "s".into(),
                color: "red",
                mark: Mark::Steps,
                points: vec![(0.0, 0.01), (1.0, 10.0)],
            }],
        };
        let svg = chart.render();
        assert!(svg.contains("a &lt; b &amp; c"));
        assert!(svg.contains(&format!("points=\"{LEFT:.1},{:.1} ", HEIGHT - BOTTOM)));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn charts_stand_below_each_other_with_their_moments_and_begin_at_zero_where_asked() {
        let chart = |title: &str, from_zero| Chart {
            title: title.into(),
            x_label: "x".into(),
            y_label: "y".into(),
            log_y: false,
            from_zero,
            moments: vec![(2.0, "<here>".into())],
            series: vec![Series {
                name: "s".into(),
                color: "red",
                mark: Mark::Line,
                points: vec![(0.0, 3.0), (1.0, 5.0)],
            }],
        };
        let svg = stacked(&[chart("upper", false), chart("lower", true)]);
        assert!(svg.contains(&format!("viewBox=\"0 0 {WIDTH} {}\"", 2.0 * HEIGHT)));
        assert!(svg.contains(&format!("translate(0 {HEIGHT})")));
        assert_eq!(svg.matches("&lt;here&gt;").count(), 2);
        assert_eq!(svg.matches("</svg>").count(), 1);
        // The least value lies on the lower edge of the first chart, and above it in the second.
        let edge = format!("points=\"{LEFT:.1},{:.1} ", HEIGHT - BOTTOM);
        assert_eq!(svg.matches(&edge).count(), 1);
    }
}
