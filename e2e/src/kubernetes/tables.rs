//! What `kubectl get` prints: the API server itself makes that table.

use anyhow::Context;
use serde_json::Value;

/// How a client asks for it.
pub(super) const ACCEPT: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
/// What parts two columns.
const BETWEEN: &str = "   ";

/// The lines of a Table (meta.k8s.io/v1), without the columns that only `-o wide` shows.
///
/// # Errors
/// If it is none.
pub(super) fn lines(table: &Value) -> anyhow::Result<Vec<String>> {
    let columns = table["columnDefinitions"].as_array();
    let columns = columns.context("the answer has no columns")?;
    let narrow: Vec<usize> = (0..columns.len())
        .filter(|index| columns[*index]["priority"] == 0)
        .collect();
    let mut rows: Vec<Vec<String>> = Vec::new();
    rows.push(
        narrow
            .iter()
            .map(|index| text(&columns[*index]["name"]).to_uppercase())
            .collect(),
    );
    for row in table["rows"].as_array().into_iter().flatten() {
        let cells = narrow.iter().map(|index| text(&row["cells"][*index]));
        rows.push(cells.collect());
    }
    let widths: Vec<usize> = (0..narrow.len())
        .map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0))
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let padded: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        padded.join(BETWEEN).trim_end().to_owned()
    };
    Ok(rows.iter().map(line).collect())
}

fn text(cell: &Value) -> String {
    cell.as_str()
        .map_or_else(|| cell.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_is_printed_as_kubectl_prints_it_without_wide_columns() {
        let table = json!({
            "kind": "Table",
            "columnDefinitions": [
                {"name": "Name", "priority": 0},
                {"name": "Replicas", "priority": 0},
                {"name": "Images", "priority": 1},
            ],
            "rows": [{"cells": ["demo-brokers", 3, "wide"]}, {"cells": ["x", 12, "wide"]}],
        });
        assert_eq!(
            lines(&table).unwrap(),
            [
                "NAME           REPLICAS",
                "demo-brokers   3",
                "x              12"
            ]
        );
    }

    #[test]
    fn what_is_no_table_is_refused() {
        assert!(lines(&json!({"kind": "Status"})).is_err());
    }
}
