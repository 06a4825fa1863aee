//! What becomes of a topic when its resource is deleted.

use super::*;

#[test]
fn a_retained_topic_is_not_deleted_with_its_resource() {
    let topic = terminating(marked(json!({}), &[]));
    assert_eq!(plan(&topic, &observed(Some(view(12, &[])))).commands, []);
    // The policy was Delete until a moment ago.
    let mut topic = terminating(marked(json!({"deletionPolicy": "Delete"}), &[]));
    topic.deletes = false;
    let plan = plan(&topic, &observed(Some(view(12, &[]))));
    assert_eq!(events(&plan), ["TopicKept"]);
    assert_eq!(plan.commands[1..], [Command::Mark(topic.released())]);
}

#[test]
fn a_topic_is_deleted_by_its_id_and_then_the_resource_is_let_go() {
    let topic = terminating(marked(json!({"deletionPolicy": "Delete"}), &[]));
    for (view, id) in [(Some(view(12, &[])), Some(ID)), (None, None)] {
        let plan = plan(&topic, &observed(view));
        let delete = Command::Delete {
            topic: "orders".to_owned(),
            id,
        };
        assert_eq!(plan.commands, [delete, Command::Mark(topic.released())]);
    }
}

#[test]
fn a_deletion_waits_for_the_cluster_but_not_for_one_that_is_gone() {
    let topic = terminating(marked(json!({"deletionPolicy": "Delete"}), &[]));
    let mut observed = observed(None);
    observed.kafka = KafkaView::Silent("refused".to_owned());
    refusal_of(&plan(&topic, &observed), "ClusterUnreachable", "refused");
    observed.cluster = ClusterView::Gone;
    observed.kafka = KafkaView::NotAsked;
    let plan = plan(&topic, &observed);
    assert_eq!(events(&plan), ["TopicKept"]);
    assert_eq!(plan.commands[1..], [Command::Mark(topic.released())]);
}

#[test]
fn a_topic_that_another_resource_names_is_never_deleted() {
    let topic = terminating(marked(json!({"deletionPolicy": "Delete"}), &[]));
    let mut observed = observed(Some(view(12, &[])));
    // An older one owns it, also while it is going itself; a younger one takes it over.
    for (age_seconds, is_terminating) in [(200, false), (200, true), (50, false)] {
        observed.rivals = vec![rival(age_seconds, is_terminating)];
        let plan = plan(&topic, &observed);
        assert_eq!(
            events(&plan),
            ["TopicKept"],
            "{age_seconds} {is_terminating}"
        );
    }
    observed.rivals = vec![rival(50, true)];
    assert_eq!(events(&plan(&topic, &observed)), ["TopicDeleted"]);
}
