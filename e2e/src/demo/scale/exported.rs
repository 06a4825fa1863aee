//! What the operator exports of one cluster's size, read from Prometheus's text.

/// The figures of one moment; None where the operator shows none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Exported {
    /// Bytes a second that all brokers receive, as the size is decided by.
    pub load: Option<f64>,
    /// Bytes a second that one broker is meant to receive.
    pub broker_target: Option<f64>,
    /// Brokers in force.
    pub desired: Option<f64>,
    /// Brokers that are ready.
    pub ready: Option<f64>,
    /// Brokers that the forecast load fills when a change takes effect.
    pub forecast: Option<f64>,
    /// The same at its upper bound.
    pub forecast_bound: Option<f64>,
    /// The part of the better naive forecast's error that the forecast avoids.
    pub forecast_skill: Option<f64>,
    /// 1 while the forecast decides, 0 while the rule does.
    pub forecast_decides: Option<f64>,
}

impl Exported {
    /// Reads the figures of one cluster.
    pub fn read(text: &str, namespace: &str, cluster: &str) -> Self {
        let figure = |name: &str, label: (&str, &str)| {
            let labels = [("namespace", namespace), ("cluster", cluster), label];
            value(
                text,
                &format!("kintsugi_operator_autoscaling_{name}"),
                &labels,
            )
        };
        Self {
            load: figure("load", ("resource", "network_in")),
            broker_target: figure("broker_target", ("resource", "network_in")),
            desired: figure("brokers", ("size", "desired")),
            ready: figure("brokers", ("size", "ready")),
            forecast: figure("forecast_brokers", ("bound", "expected")),
            forecast_bound: figure("forecast_brokers", ("bound", "upper")),
            forecast_skill: figure("forecast_skill", ("cluster", cluster)),
            forecast_decides: figure("forecast_decides", ("cluster", cluster)),
        }
    }
}

/// The value of the first series of that name with all these labels.
fn value(text: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    text.lines().find_map(|line| {
        let rest = line.strip_prefix(name)?.strip_prefix('{')?;
        let (found, value) = rest.split_once('}')?;
        let has = |(label, value): &(&str, &str)| {
            let wanted = format!("{label}=\"{value}\"");
            found.split(',').any(|pair| pair == wanted)
        };
        let value = value.trim().parse().ok()?;
        labels.iter().all(has).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_figures_of_the_cluster_are_read_and_what_is_not_shown_is_none() {
        let name = "kintsugi_operator_autoscaling";
        let text = format!(
            "# TYPE {name}_load gauge\n\
             {name}_load{{cluster=\"other\",namespace=\"n\",resource=\"network_in\"}} 1\n\
             {name}_load{{cluster=\"c\",namespace=\"n\",resource=\"network_in\"}} 335000.5\n\
             {name}_load_more{{cluster=\"c\",namespace=\"n\",resource=\"network_in\"}} 2\n\
             {name}_brokers{{cluster=\"c\",namespace=\"n\",size=\"desired\"}} 4\n\
             {name}_brokers{{cluster=\"c\",namespace=\"n\",size=\"ready\"}} 3\n\
             {name}_forecast_brokers{{bound=\"expected\",cluster=\"c\",namespace=\"n\"}} 2.5\n\
             {name}_forecast_skill{{cluster=\"c\",namespace=\"n\"}} 0.25\n\
             {name}_forecast_decides{{cluster=\"c\",namespace=\"n\"}} 0\n"
        );
        let expected = Exported {
            load: Some(335_000.5),
            desired: Some(4.0),
            ready: Some(3.0),
            forecast: Some(2.5),
            forecast_skill: Some(0.25),
            forecast_decides: Some(0.0),
            ..Exported::default()
        };
        assert_eq!(Exported::read(&text, "n", "c"), expected);
    }
}
