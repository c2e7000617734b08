//! explain: what a policy or a plan says of one request, by which line, and what would change it.

use crate::Exit;
use crate::cli::Explain;
use crate::compile;
use crate::input::Disk;
use crate::meaning::{self, From};
use crate::output::Output;
use msb_compile::{Explained, Options};
use msb_policy::Origin;
use serde_json::json;

/// `msbc explain`.
pub(crate) fn explain(arguments: &Explain, output: &mut Output) -> Exit {
    let (policy, from) = match meaning::read(&arguments.policy, output) {
        Ok(read) => read,
        Err(exit) => {
            if arguments.policy.json {
                output.json(&compile::failure("the policy cannot be read, or has errors"));
            }
            return exit;
        }
    };
    let request = arguments.request.join(" ");
    let answers = match (from, arguments.policy.file.to_str()) {
        (From::Policy, Some(path)) => {
            let options = Options { policy: arguments.policy.name.clone(), ..Options::default() };
            msb_compile::explain(&Disk, path, &options, &request)
        }
        _ => {
            let mut answers = msb_compile::explain_policy(&policy, &request);
            let head = policy.origin(policy.origin);
            answers.answers.iter_mut().for_each(|answer| of_plan(answer, head));
            answers
        }
    };
    if arguments.policy.json && answers.diagnostics.is_empty() {
        output.json(&answers.answers.iter().map(object).collect());
    } else if arguments.policy.json {
        output.json(&msb_diag::to_json(&answers.diagnostics, &answers.sources));
    } else if !answers.diagnostics.is_empty() {
        output.findings(&answers.diagnostics, &answers.sources);
    } else {
        for answer in &answers.answers {
            output.answer(&text(answer));
        }
    }
    if answers.answers.is_empty() { Exit::Usage } else { Exit::Success }
}

/// What a plan can say: the lines of mounts and limits, not those of calls and variables.
fn of_plan(answer: &mut Explained, head: Option<&Origin>) {
    if answer.rule.is_some() && answer.rule.as_ref() == head {
        answer.why = "a plan does not say which line: ask the policy that begins here";
    }
    answer.change = "change the policy, and compile it again".to_owned();
}

/// `file:line: text`, as editors understand it.
pub(crate) fn line(origin: &Origin) -> String {
    format!("{}:{}: {}", origin.file, origin.line, origin.text)
}

fn text(answer: &Explained) -> String {
    let is = if answer.allowed { "allowed" } else { "denied " };
    let mut text = format!("{is}  {}\n", answer.request);
    if let Some(rule) = &answer.rule {
        text += &format!("         {}\n", line(rule));
    }
    text += &format!("         {}\n", answer.why);
    text += &format!("         held by the {}\n", answer.layer.words());
    text += &format!("         to change it: {}\n", answer.change);
    if !answer.proved {
        text += "         for parameters that lie apart from each other and from what rules name\n";
    }
    text
}

fn object(answer: &Explained) -> serde_json::Value {
    json!({
        "request": answer.request,
        "allowed": answer.allowed,
        "why": answer.why,
        "layer": answer.layer.words(),
        "rule": answer.rule.as_ref().map(origin),
        "change": answer.change,
        "for_all_parameters": answer.proved,
    })
}

/// A line as an object.
pub(crate) fn origin(origin: &Origin) -> serde_json::Value {
    json!({"file": origin.file, "line": origin.line, "column": origin.column, "text": origin.text})
}
