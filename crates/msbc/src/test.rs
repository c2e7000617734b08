//! test: the assertions and tests of every policy in a file.

use crate::Exit;
use crate::cli::Test;
use crate::input::Disk;
use crate::output::Output;
use msb_compile::{Checked, Detail, Options};
use serde_json::json;

/// `msbc test`: a line for each policy on standard output, or all as JSON; findings on standard error.
pub(crate) fn test(arguments: &Test, output: &mut Output) -> Exit {
    let policy = &arguments.policy;
    let Some(path) = policy.file.to_str() else {
        output.message(&format!("the path `{}` is not UTF-8: rename the file", policy.file.display()));
        return Exit::Usage;
    };
    let mut names: Vec<Option<String>> = match &policy.name {
        Some(name) => vec![Some(name.clone())],
        None => msb_compile::policies(&Disk, path).into_iter().map(Some).collect(),
    };
    if names.is_empty() {
        // The compiler says why there is none.
        names.push(None);
    }
    let mut good = true;
    let mut all = Vec::new();
    for name in names {
        let options = Options { policy: name.clone(), detail: Detail::Coverage, ..Options::default() };
        let checked = msb_compile::check(&Disk, path, &options);
        good &= checked.policy.is_some();
        if policy.json {
            all.push(object(name.as_deref(), &checked));
            continue;
        }
        if !checked.diagnostics.is_empty() {
            output.findings(&checked.diagnostics, &checked.sources);
        }
        if let Some(name) = name {
            output.answer(&format!("{name}: {}\n", words(&checked)));
        }
    }
    if policy.json {
        output.json(&all.into());
    }
    if good { Exit::Success } else { Exit::Wrong }
}

/// How many assertions each launch decides again.
fn open(checked: &Checked) -> usize {
    checked.policy.as_ref().map_or(0, |policy| policy.claims.len())
}

fn words(checked: &Checked) -> String {
    let (decided, failed) = checked.claims;
    let count = |number: usize, verb: &str| match number {
        1 => format!("1 assertion {verb}s"),
        _ => format!("{number} assertions {verb}"),
    };
    match (checked.policy.is_some(), decided, failed) {
        (false, 0, _) => "not tested, as it has errors".to_owned(),
        (_, 0, _) => "no assertions".to_owned(),
        (_, _, 0) if open(checked) == 0 => count(decided, "hold"),
        (_, _, 0) => {
            let open = open(checked);
            format!("{}, {open} of them for parameters that lie apart", count(decided, "hold"))
        }
        _ => format!("{failed} of {decided} assertions failed"),
    }
}

fn object(name: Option<&str>, checked: &Checked) -> serde_json::Value {
    json!({
        "policy": name,
        "assertions": checked.claims.0,
        "failed": checked.claims.1,
        "deferred": open(checked),
        "findings": msb_diag::to_json(&checked.diagnostics, &checked.sources),
    })
}
