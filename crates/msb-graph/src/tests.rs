//! What is said in the picture of a policy.

use super::svg;
use msb_diag::Sources;

/// Policies of these tests import nothing.
struct Alone;

impl msb_resolve::Load for Alone {
    fn load(&self, path: &str) -> Result<Vec<u8>, String> {
        Err(format!("`{path}` is not there"))
    }
}

/// The texts of the picture, in the order in which they are drawn.
fn texts(policy: &str) -> Vec<String> {
    let mut sources = Sources::default();
    let file = sources.add("a.msb", policy);
    let (tree, found) = msb_data::parse(msb_data::Form::Msb, file, policy);
    assert_eq!(found, []);
    let (resolved, found) = msb_resolve::resolve(&tree, None, &mut sources, &Alone);
    let unknown = |it: &&msb_diag::Diagnostic| it.is_error() && it.code != msb_diag::codes::NOT_ENFORCED;
    assert!(!found.iter().any(|it| unknown(&it)), "{found:?}");
    let drawn = svg(&resolved.expect("a policy"), &sources);
    assert!(drawn.starts_with("<svg ") && drawn.ends_with("</svg>\n"));
    assert_eq!(drawn.matches("<text").count(), drawn.matches("</text>").count());
    drawn
        .split("</text>")
        .filter_map(|part| part.rsplit_once("<text").and_then(|(_, text)| text.split_once('>')))
        .map(|(_, text)| text.to_owned())
        .collect()
}

#[track_caller]
fn says(policy: &str, parts: &[&str]) {
    let texts = texts(policy);
    let all = texts.join(" ");
    for part in parts {
        assert!(all.contains(part), "{part}: {texts:#?}");
    }
}

#[test]
fn everything_that_a_policy_grants_is_there() {
    says(
        "edition 2026\n## Does things.\npolicy p(work: dir, key: secret) {\n  include std.base\n  fs { write $work at /work  deny write $work/.git missing mask  scratch /tmp size 512MiB inodes 9  run /usr/bin optional  read ~/.config }\n  net { allow https \"api.example\":443 only GET inject $key  deny tcp metadata  total rate 10/min burst 5  quota 2GiB down }\n  tool search(query: string(1..9)) { timeout 20s  confirm }\n  syscalls { allow @python-runtime  allow socket where domain == AF_UNIX  kill ptrace  default errno ENOSYS }\n  limits { memory 1GiB  pids 64  wall 1h30min  cpu 150% }\n  caps NET_BIND_SERVICE\n  env { pass LANG  set HOME = \"/work\"  secret TOKEN from $key }\n  exec { command \"sh\" \"-c\" \"x\"  user 1000  cwd /work  tty none  hostname \"h\" }\n}\n",
        &[
            "p Does things.",
            "‹work›: dir",
            "can change ‹work› → /work",
            "cannot change ‹work›/.git cannot be created either",
            "temporary /tmp up to 512 MiB, 9 files",
            "can run /usr/bin if it exists",
            "can read your home/.config",
            "by std.base can run /usr, /bin",
            "can reach api.example port 443 (https) only GET, the secret ‹key› is added outside, and never seen",
            "cannot reach cloud metadata services (tcp)",
            "10 per minute, 5 at once, 2 GiB received in all",
            "may ask search(query) 20 seconds each, a person is asked each time",
            "allowed socket where domain == AF_UNIX",
            "ends the program ptrace",
            "fails every other call with ENOSYS",
            "1 GiB memory",
            "64 processes",
            "1 hour 30 minutes",
            "1.50 CPUs",
            "NET_BIND_SERVICE",
            "passed on LANG",
            "HOME = /work",
            "TOKEN = ‹key›",
            "sh -c x",
            "as user 1000",
            "in /work",
            "without a terminal",
            "Everything that is not in this picture is denied.",
        ],
    );
}

/// A child has its parent's denies and limits without saying so.
#[test]
fn what_is_inherited_is_there() {
    let parent = "policy top(root: dir) {\n  fs { write $root  deny write $root/.git }\n  syscalls { kill ptrace  allow read }\n  limits { memory 2GiB  pids 9 }\n}\n";
    let child =
        "policy p(work: dir) extends top(root: $work) {\n  fs { read $work }\n  limits { memory 1GiB }\n}\n";
    let policy = format!("edition 2026\n{parent}{child}");
    says(
        &policy,
        &[
            "by top, which it extends cannot change ‹work›/.git",
            "ends the program ptrace",
            "1 GiB memory",
            "9 processes",
        ],
    );
    assert!(!texts(&policy).join(" ").contains("2 GiB"));
}

#[test]
fn what_there_is_none_of_is_said() {
    let condition = "mmap, mprotect where prot has all PROT_WRITE | PROT_EXEC";
    says(
        &format!("edition 2026\npolicy p {{ syscalls {{ errno EACCES {condition} }} }}\n"),
        &[condition, "with EACCES"],
    );
    says("edition 2026\npolicy p { net none }\n", &["No file of the host is seen.", "No network at all."]);
}

/// A policy comes from somebody else, and a browser obeys what it is sent.
#[test]
fn nothing_of_a_policy_becomes_markup() {
    let texts = texts(
        "edition 2026\n## <script>alert(1)</script> & co\npolicy p { exec { hostname \"</text><a href=\\\"x\\\">\\u{202e}\" } }\n",
    );
    let all = texts.join(" ");
    assert!(all.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; co"), "{all}");
    assert!(all.contains("&lt;/text&gt;&lt;a href=&quot;x&quot;&gt;\\u{202e}"), "{all}");
    assert!(!all.contains('\u{202e}'));
}

#[test]
fn long_texts_are_broken() {
    let path = "/a".repeat(200);
    let texts = texts(&format!("edition 2026\npolicy p {{ fs {{ read {path} }} }}\n"));
    assert!(texts.iter().all(|text| text.chars().count() < 140), "{texts:?}");
    let pieces: String = texts.iter().filter(|text| text.contains("/a/a/a")).map(String::as_str).collect();
    assert_eq!(pieces, path);
}

/// The colour of a class in the light or in the dark, as three numbers from 0 to 1.
fn colour(style: &str, class: &str, property: &str) -> Option<[f64; 3]> {
    let rule = style.lines().rev().find(|line| {
        line.split_once('{').is_some_and(|(names, body)| {
            names.split(',').any(|name| name.trim() == class) && body.contains(&format!("{property}: #"))
        })
    })?;
    let (_, hex) = rule.split_once(&format!("{property}: #"))?;
    let part = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).map(|it| f64::from(it) / 255.0);
    Some([part(0).ok()?, part(2).ok()?, part(4).ok()?])
}

/// Relative luminance, WCAG 2.1.
fn luminance(colour: [f64; 3]) -> f64 {
    let linear = |it: f64| if it <= 0.03928 { it / 12.92 } else { ((it + 0.055) / 1.055).powf(2.4) };
    0.2126 * linear(colour[0]) + 0.7152 * linear(colour[1]) + 0.0722 * linear(colour[2])
}

#[test]
fn every_text_stands_out_from_what_is_behind_it() {
    let (light, dark) = super::draw::STYLE.split_once("@media").expect("two schemes");
    let mut pairs = Vec::new();
    for text in ["text", ".about", ".note", ".origin", ".denied", ".number", ".refusal"] {
        pairs.extend([(text, ".card"), (text, ".page")]);
    }
    for behind in [".look", ".change", ".run", ".passing", ".plain"] {
        pairs.push((".badge", behind));
    }
    pairs.push((".inside", ".program"));
    for scheme in [light.to_owned(), format!("{light}{dark}")] {
        for (text, behind) in &pairs {
            let of = |class: &str| luminance(colour(&scheme, class, "fill").expect("a colour"));
            let (one, other) = (of(text), of(behind));
            let contrast = (one.max(other) + 0.05) / (one.min(other) + 0.05);
            assert!(contrast >= 4.5, "{text} on {behind}: {contrast:.2}");
        }
    }
}

/// Who sees no red, or prints in black, still sees what is refused.
#[test]
fn refusals_have_a_form_of_their_own() {
    let style = super::draw::STYLE;
    assert!(colour(style, ".deny", "fill").is_none() && colour(style, ".deny", "stroke").is_some());
    for granted in [".look", ".change", ".run", ".passing", ".plain"] {
        assert!(colour(style, granted, "fill").is_some() && colour(style, granted, "stroke").is_none());
    }
}

#[test]
fn a_policy_without_files_of_its_own_says_so() {
    says("edition 2026\npolicy p { include std.base }\n", &["Files see below none of its own Network"]);
}
