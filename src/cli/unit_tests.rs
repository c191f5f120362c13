use super::*;
use std::ffi::OsString;

const ODD: &str = "a $b %h \"q\" 'z' <&> é\u{202e}";

fn unit(kind: Kind, pair: &str) -> Unit {
    Unit { kind, name: label(pair), path: "/h/unit".into(), pair: pair.to_owned(), state: "/s %d/\\x".to_owned() }
}

#[test]
fn a_systemd_unit_has_each_word_as_it_was() {
    let variables = [("DRIFTLESS_IGNORE".to_owned(), "*.tmp,$x".to_owned())];
    let text = unit(Kind::Systemd, ODD).text("/opt/my $tools %/driftless", &variables);
    assert_eq!(
        text,
        r#"# Made by `driftless service install`; `driftless service uninstall` removes it.
[Unit]
Description=driftless: keeps the pair a $b %%h "q" 'z' <&> é\u{202e} in step

[Service]
Type=exec
ExecStart="/opt/my $tools %%/driftless" watch --pair "a $$b %%h \"q\" 'z' <&> é\U0000202e"
Environment="DRIFTLESS_HOME=/s %%d/\\x"
Environment="DRIFTLESS_IGNORE=*.tmp,$x"
Restart=on-failure
RestartSec=30
RestartPreventExitStatus=2 4
SuccessExitStatus=129 130 143
KillMode=mixed
TimeoutStopSec=20

[Install]
WantedBy=default.target
"#
    );
}

#[test]
fn a_launchd_agent_has_each_word_as_it_was() {
    let text = unit(Kind::Launchd, ODD).text("/opt/my tools/driftless", &[]);
    let (_, body) = text.split_once("<dict>\n").expect("a plist");
    assert_eq!(
        body,
        format!(
            "  <key>Label</key>\n  <string>{}</string>\n  <key>ProgramArguments</key>\n  <array>\
             <string>/opt/my tools/driftless</string><string>watch</string><string>--pair</string>\
             <string>a $b %h \"q\" 'z' &lt;&amp;&gt; é&#x202e;</string></array>\n  \
             <key>EnvironmentVariables</key>\n  <dict><key>DRIFTLESS_HOME</key><string>/s %d/\\x</string></dict>\n  \
             <key>RunAtLoad</key>\n  <true/>\n  <key>KeepAlive</key>\n  <dict><key>SuccessfulExit</key><false/></dict>\n  \
             <key>ThrottleInterval</key>\n  <integer>30</integer>\n  <key>ExitTimeOut</key>\n  <integer>20</integer>\n</dict>\n</plist>\n",
            label(ODD)
        )
    );
}

#[test]
fn names_of_units_are_plain_and_tell_pairs_apart() {
    assert_eq!(label("lab-7_b"), "driftless-lab-7_b");
    let names = ["a b", "a_b", "a.b", "a:b", "a@b", "é", "ü", &"é".repeat(50), &"é".repeat(49), &"a".repeat(60), &"a".repeat(61)];
    let mut labels = names.map(label).to_vec();
    assert!(labels.iter().all(|label| label.len() < 90 && label.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))));
    labels.sort();
    labels.dedup();
    assert_eq!(labels.len(), names.len());
}

#[test]
fn a_program_that_will_be_gone_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let top = local::canonicalize(dir.path()).expect("its real path");
    let elsewhere = Path::new("/no/such/folder");
    let program = top.join("driftless");
    std::fs::write(&program, "").expect("writable");
    std::os::unix::fs::symlink(&program, top.join("link")).expect("new");
    for (given, temporary, expected) in [
        (&program, elsewhere, Ok(())),
        (&top.join("link"), elsewhere, Ok(())),
        (&program, top.as_path(), Err("temporary")),
        (&top.join("driftless (deleted)"), elsewhere, Err("no longer where")),
    ] {
        match (lasting(given, temporary), expected) {
            (Ok(path), Ok(())) => assert_eq!(Path::new(&path), program),
            (Err(failure), Err(words)) => {
                assert!(failure.exit == Exit::Refused && failure.message.contains(words), "{failure:?}");
            }
            (found, _) => panic!("{given:?} in {temporary:?}: {found:?}"),
        }
    }
    std::fs::rename(&program, top.join("a\nb")).expect("renamed");
    assert!(lasting(&top.join("a\nb"), elsewhere).expect_err("a line end").message.contains("control character"));
}

#[test]
fn the_settings_that_are_set_here_go_with_it() {
    let set = |pairs: &'static [(&str, &str)]| {
        move |wanted: &str| pairs.iter().find(|(name, _)| *name == wanted).map(|(_, value)| OsString::from(value))
    };
    let carried =
        variables(set(&[("DRIFTLESS_PAIR", "p"), ("DRIFTLESS_LOG", "debug"), ("DRIFTLESS_IGNORE", "x"), ("PATH", "/")]));
    let expected =
        [("DRIFTLESS_IGNORE", "x"), ("DRIFTLESS_LOG", "debug")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(carried.expect("plain"), expected);
    assert!(variables(set(&[("DRIFTLESS_IGNORE", "a\nb")])).is_err());
}

#[test]
fn the_unit_of_somebody_else_is_left_alone() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for kind in [Kind::Systemd, Kind::Launchd] {
        let ours = Unit { path: dir.path().join(kind.word()), ..unit(kind, ODD) };
        assert_eq!(ours.installed().expect("readable"), None);
        let text = ours.text("/opt/driftless", &[]);
        std::fs::write(&ours.path, &text).expect("writable");
        assert_eq!(ours.installed().expect("ours").as_deref(), Some(&*text));
        for other in [Unit { pair: "other".to_owned(), ..unit(kind, ODD) }, Unit { state: "/t".to_owned(), ..unit(kind, ODD) }] {
            let failure = Unit { path: ours.path.clone(), ..other }.installed().expect_err("another's");
            assert_eq!(failure.exit, Exit::Refused);
        }
    }
}
