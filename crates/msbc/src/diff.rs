//! diff: what one version of a policy allows and another does not, each with a request that shows it.

use crate::cli::{Diff, FailOn, Policy as PolicyFile};
use crate::explain::{line, origin};
use crate::output::Output;
use crate::{Exit, meaning};
use msb_diag::codes::NEWLY_ALLOWED;
use msb_policy::{By, OriginId, Policy, Widening, Wider};
use serde_json::json;

/// `msbc diff`: exit code 3 when anything is newly allowed, or what `--fail-on` says.
pub(crate) fn diff(arguments: &Diff, output: &mut Output) -> Exit {
    let file = |path: &std::path::Path| PolicyFile {
        file: path.to_owned(),
        name: arguments.name.clone(),
        json: arguments.json,
    };
    let (old, new) =
        match (meaning::read(&file(&arguments.old), output), meaning::read(&file(&arguments.new), output)) {
            (Ok((old, _)), Ok((new, _))) => (old, new),
            (Err(exit), _) | (_, Err(exit)) => return exit,
        };
    // Parameters are the same where they have the same name.
    let new = new.with_params_of(&old);
    let old = Policy { params: new.params.clone(), ..old };
    let allowed = new.widenings(&old, By::Inside);
    let denied = old.widenings(&new, By::Inside);
    if arguments.json {
        let all = |found: &[Widening], has: &Policy, not: &Policy| -> serde_json::Value {
            found.iter().map(|widening| object(widening, has, not)).collect()
        };
        output.json(&json!({
            "code": NEWLY_ALLOWED.to_string(),
            "newly_allowed": all(&allowed, &new, &old),
            "newly_denied": all(&denied, &old, &new),
        }));
    } else {
        for widening in &allowed {
            output.answer(&text("newly allowed", widening, [("now", &new), ("was", &old)]));
        }
        for widening in &denied {
            output.answer(&text("newly denied ", widening, [("was", &old), ("now", &new)]));
        }
        let more = if allowed.is_empty() {
            String::new()
        } else {
            format!("; `msbc doc {NEWLY_ALLOWED}` says more")
        };
        output.message(&format!("{} newly allowed, {} newly denied{more}", allowed.len(), denied.len()));
    }
    let fails = match arguments.fail_on {
        FailOn::Widen => !allowed.is_empty(),
        FailOn::Any => !allowed.is_empty() || !denied.is_empty(),
        FailOn::Never => false,
    };
    if fails { Exit::Widened } else { Exit::Success }
}

/// What a policy says, in a line; `has` is the one that allows it.
fn text(what: &str, widening: &Widening, [has, not]: [(&str, &Policy); 2]) -> String {
    let mut text = format!("{what}  {}\n", request(widening, has.1));
    for ((when, policy), rule) in [(has, widening.allowed), (not, widening.refused)] {
        let rule = rule.and_then(|origin: OriginId| policy.origin(origin));
        let says = match (rule, &widening.what) {
            (Some(rule), _) => line(rule),
            (None, Wider::Limit(_)) => "no limit".to_owned(),
            (None, _) => "no rule is about it".to_owned(),
        };
        text += &format!("               {when}: {says}\n");
    }
    text
}

fn request(widening: &Widening, has: &Policy) -> String {
    match &widening.what {
        Wider::Limit(word) => format!("more `{word}`"),
        other => other.describe(has),
    }
}

fn object(widening: &Widening, has: &Policy, not: &Policy) -> serde_json::Value {
    let rule = |policy: &Policy, id: Option<OriginId>| id.and_then(|id| policy.origin(id)).map(origin);
    json!({
        "request": request(widening, has),
        "allowed_by": rule(has, widening.allowed),
        "refused_by": rule(not, widening.refused),
    })
}
