//! diff: what one version of a policy allows and another does not, each with a request that shows it.

use crate::cli::{Diff, FailOn, Policy as PolicyFile};
use crate::explain::{line, origin};
use crate::output::Output;
use crate::{Exit, meaning};
use msb_diag::codes::NEWLY_ALLOWED;
use msb_policy::{By, OriginId, Policy, SyscallAction, Widening, Wider, Witness};
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
    let otherwise = msb_policy::otherwise(&old, &new);
    if arguments.json {
        let all = |found: &[Widening], has: &Policy, not: &Policy| -> serde_json::Value {
            found.iter().map(|widening| object(widening, has, not)).collect()
        };
        output.json(&json!({
            "code": NEWLY_ALLOWED.to_string(),
            "newly_allowed": all(&allowed, &new, &old),
            "newly_denied": all(&denied, &old, &new),
            "otherwise": otherwise.iter().map(|it| json!({
                "request": format!("syscall {}", it.describe(&old, &new)),
                "was": action(it.before.action),
                "now": action(it.after.action),
            })).collect::<Vec<_>>(),
        }));
    } else {
        for widening in &allowed {
            output.answer(&text("newly allowed", widening, [("now", &new), ("was", &old)]));
        }
        for widening in &denied {
            output.answer(&text("newly denied ", widening, [("was", &old), ("now", &new)]));
        }
        for witness in &otherwise {
            output.answer(&changed(witness, &old, &new));
        }
        let others = match otherwise.len() {
            0 => String::new(),
            count => format!(", {count} otherwise"),
        };
        let more = match allowed.is_empty() {
            true => String::new(),
            false => format!("; `msbc doc {NEWLY_ALLOWED}` says more"),
        };
        let (allowed, denied) = (allowed.len(), denied.len());
        output.message(&format!("{allowed} newly allowed, {denied} newly denied{others}{more}"));
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
    let mut text = format!("{what}  {}\n", request(widening, has.1, not.1));
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

/// A call that is made, or refused, as before, and in another way.
fn changed(witness: &Witness, old: &Policy, new: &Policy) -> String {
    let mut text = format!("otherwise      syscall {}\n", witness.describe(old, new));
    for (when, decision, policy) in [("now", witness.after, new), ("was", witness.before, old)] {
        let rule = decision.origin.and_then(|origin| policy.origin(origin));
        let rule = rule.map_or_else(|| "no rule is about it".to_owned(), line);
        text += &format!("               {when}: {}, {rule}\n", action(decision.action));
    }
    text
}

fn action(action: SyscallAction) -> String {
    match action {
        SyscallAction::Allow => "allow".to_owned(),
        SyscallAction::Log => "log".to_owned(),
        SyscallAction::Notify => "notify".to_owned(),
        SyscallAction::Trap => "trap".to_owned(),
        SyscallAction::Kill => "kill".to_owned(),
        SyscallAction::Errno(errno) => msb_syscalls::errno_name(errno)
            .map_or_else(|| format!("errno {errno}"), |name| format!("errno {name}")),
    }
}

fn request(widening: &Widening, has: &Policy, not: &Policy) -> String {
    match &widening.what {
        Wider::Limit(word) => format!("more `{word}`"),
        other => other.describe(has, not),
    }
}

fn object(widening: &Widening, has: &Policy, not: &Policy) -> serde_json::Value {
    let rule = |policy: &Policy, id: Option<OriginId>| id.and_then(|id| policy.origin(id)).map(origin);
    json!({
        "request": request(widening, has, not),
        "allowed_by": rule(has, widening.allowed),
        "refused_by": rule(not, widening.refused),
    })
}
