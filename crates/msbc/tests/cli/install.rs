//! msbc completions and msbc man.

use crate::host::Host;
use msb_testkit::{Need, skip};
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
    host.msbc(&["completions", "tcsh"]).fails(2, &["tcsh"]);
}

/// What a shell offers for the words of `line`, of which the last is being typed; `script` asks it and prints that.
fn offered(shell: &str, script: &str) -> Option<String> {
    let host = Host::new();
    let made = host.msbc(&["completions", shell]).out;
    // Where zsh looks, a script has the name of the command behind `_`.
    for name in ["script", "_msbc"] {
        host.write(name, &made);
    }
    // A line editor that never says what is waited for must not keep the tests.
    let mut command = Command::new("timeout");
    command.args(["60", shell, "-c", script]).current_dir(host.path(".")).env("HOME", host.path("."));
    let out = command.output().expect("timeout(1)");
    const NOT_FOUND: i32 = 127; // timeout(1)
    if out.status.code() == Some(NOT_FOUND) {
        return None;
    }
    assert!(out.status.success(), "{shell}: {}", String::from_utf8_lossy(&out.stderr));
    assert!(out.stderr.is_empty(), "{shell}: {}", String::from_utf8_lossy(&out.stderr));
    Some(String::from_utf8_lossy(&out.stdout).split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn bash_completes() {
    let offered = |words: &str, last: usize| {
        let script = format!(
            "source ./script; COMP_WORDS=({words}); COMP_CWORD={last}; f=$(complete -p msbc); f=${{f##*-F }}; \
             ${{f%% *}} msbc \"${{COMP_WORDS[{last}]}}\" \"${{COMP_WORDS[{last}-1]}}\"; echo ${{COMPREPLY[*]}}"
        );
        self::offered("bash", &script).expect("every machine here has bash")
    };
    assert_eq!(offered("msbc che", 1), "check");
    assert_eq!(offered("msbc convert x --to ''", 4), "msb yaml json");
    assert!(offered("msbc check --", 2).contains("--sarif"));
}

#[test]
fn fish_completes() {
    let ask = |line: &str| format!("source ./script; complete -C '{line}' | string replace -r '\\t.*' ''");
    let Some(commands) = offered("fish", &ask("msbc che")) else {
        return skip(Need::Shells, "there is no fish");
    };
    assert_eq!(commands, "check");
    assert_eq!(offered("fish", &ask("msbc convert x --to ")).as_deref(), Some("json msb yaml"));
    assert!(offered("fish", &ask("msbc check --")).is_some_and(|it| it.contains("--sarif")));
}

/// zsh completes in its line editor alone, so that a terminal is made for it, and Tab is typed.
#[test]
fn zsh_completes() {
    let script = r#"
        zmodload zsh/zpty
        fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -D
        print "registered $_comps[msbc]"
        zpty z zsh -f -i
        until_says() { local some; zpty -r z some "*$1*" && print -r -- "$some" }
        zpty -w z 'PS1= PROMPT_EOL_MARK=; fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -D; bindkey "^I" list-choices; print re""ady'
        until_says ready
        zpty -w -n z $'msbc completions 	'
        until_says fish
        zpty -d z
    "#;
    let Some(said) = offered("zsh", script) else {
        return skip(Need::Shells, "there is no zsh");
    };
    assert!(said.contains("registered _msbc"), "{said}");
    assert!(said.contains("bash") && said.contains("fish"), "{said}");
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
