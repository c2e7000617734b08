//! msbc completions and msbc man.

use crate::host::Host;
use std::process::Command;

#[test]
fn each_shell_has_a_script_that_knows_the_commands() {
    let host = Host::new();
    for shell in ["bash", "zsh", "fish"] {
        let said = host.msbc(&["completions", shell]);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
        for word in ["check", "convert", "completions", "yaml"] {
            assert!(said.out.contains(word), "{word} for {shell}");
        }
        host.write(shell, &said.out);
    }
    // The one shell that every machine here has reads its script without complaint.
    let bash = Command::new("bash").arg("-n").arg(host.path("bash")).output().expect("bash");
    assert!(bash.status.success(), "{}", String::from_utf8_lossy(&bash.stderr));
    host.msbc(&["completions", "tcsh"]).fails(2, &["tcsh"]);
}

#[test]
fn each_command_has_a_page() {
    let host = Host::new();
    let page = host.msbc(&["man"]).out;
    assert!(page.contains(".TH msbc 1") && page.contains("msbc\\-check(1)"), "{page}");
    host.msbc(&["man", "--to", "man1"]).is(0, "", "");
    for name in ["msbc.1", "msbc-check.1", "msbc-fmt.1", "msbc-run.1"] {
        let page = String::from_utf8(host.read(&format!("man1/{name}"))).expect("text");
        assert!(page.contains(&format!(".TH {} 1", name.trim_end_matches(".1"))), "{name}: {page}");
    }
}
