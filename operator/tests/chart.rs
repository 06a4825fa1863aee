//! The chart installs the definitions that the types generate.

/// Each definition, and the chart's template of it.
const DEFINITIONS: [(&str, &str); 3] = [
    (
        include_str!("../../crds/yaml/kafkaclusters.yaml"),
        include_str!("../../charts/kintsugi/templates/kafkaclusters.yaml"),
    ),
    (
        include_str!("../../crds/yaml/kafkatopics.yaml"),
        include_str!("../../charts/kintsugi/templates/kafkatopics.yaml"),
    ),
    (
        include_str!("../../crds/yaml/kafkarebalances.yaml"),
        include_str!("../../charts/kintsugi/templates/kafkarebalances.yaml"),
    ),
];

#[test]
fn the_charts_definitions_are_the_generated_ones_under_their_switch() {
    for (definition, template) in DEFINITIONS {
        let expected = format!("{{{{- if .Values.crds.install }}}}\n{definition}{{{{- end }}}}\n");
        // Not assert_eq: the two would fill the screen.
        assert!(template == expected, "run `make crds`");
    }
}

#[test]
fn the_definitions_hold_nothing_that_helm_would_expand() {
    for (definition, _) in DEFINITIONS {
        assert!(!definition.contains("{{"));
    }
}
