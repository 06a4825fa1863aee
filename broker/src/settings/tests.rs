use super::*;

fn with(changes: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let mut given = dev_values();
    for (name, value) in changes {
        given.insert((*name).to_owned(), (*value).to_owned());
    }
    Settings::new(given, 2)
}

#[test]
fn the_values_of_dev_make_one_process_of_both_roles() {
    let settings = with(&[]).unwrap();
    assert_eq!(settings.broker, Some(BrokerId(1)));
    assert_eq!(settings.controller, Some(ControllerId(1)));
    assert_eq!(settings.shards, 2);
    assert_eq!(settings.endpoints.client_advertised.host, "localhost");
    assert_eq!(settings.number("min.insync.replicas"), 1);
}

#[test]
fn an_illegal_value_is_answered_by_what_to_give_instead() {
    let cases = [
        (("node.id", "x"), "a whole number"),
        (("process.roles", "king"), "give broker, controller"),
        (("log.dirs", "a,b"), "give one"),
        (("controller.quorum.voters", ""), "controller.quorum.voters"),
        (("controller.quorum.voters", "1=h"), "entries such as"),
        (("cluster.id", "a b"), "cluster.id=a b"),
        (("listeners", "SSL://h:1"), "PLAINTEXT://"),
        (
            ("advertised.listeners", "PLAINTEXT://0.0.0.0:1"),
            "set advertised.listeners",
        ),
    ];
    for (change, hint) in cases {
        let error = with(&[change]).unwrap_err().to_string();
        assert!(error.contains(hint), "{change:?}: {error}");
    }
}

#[test]
fn a_name_that_nobody_knows_is_kept_for_a_warning() {
    let settings = with(&[("zookeeper.connect", "x:1")]).unwrap();
    assert_eq!(settings.values.unknown, ["zookeeper.connect"]);
}

#[test]
fn a_controller_is_advertised_by_its_own_entry_among_the_voters() {
    let settings = with(&[("controller.quorum.voters", "1@me.example:7")]).unwrap();
    let advertised = settings.endpoints.controller_advertised.to_string();
    assert_eq!(advertised, "me.example:7");
}
