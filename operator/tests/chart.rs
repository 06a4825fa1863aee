//! The chart installs the definition that the types generate.

const DEFINITION: &str = include_str!("../../crds/yaml/kafkaclusters.yaml");
const TEMPLATE: &str = include_str!("../../charts/kintsugi/templates/kafkaclusters.yaml");

#[test]
fn the_charts_definition_is_the_generated_one_under_its_switch() {
    let expected = format!("{{{{- if .Values.crds.install }}}}\n{DEFINITION}{{{{- end }}}}\n");
    // Not assert_eq: the two would fill the screen.
    assert!(
        TEMPLATE == expected,
        "wrap crds/yaml/kafkaclusters.yaml in the chart's switch again"
    );
}

#[test]
fn the_definition_holds_nothing_that_helm_would_expand() {
    assert!(!DEFINITION.contains("{{"));
}
