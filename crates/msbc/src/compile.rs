//! check, lint and compile.

use crate::cli::{Ceiling, Check, Compile, Policy};
use crate::input::Disk;
use crate::output::Output;
use crate::{Exit, write};
use msb_compile::{Compiled, Detail, Goal, Options, Pass};
use msb_diag::{Diagnostic, Severity, Sources, codes, has_errors};
use serde_json::json;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// `msbc check`: what is wrong, of each file.
pub(crate) fn check(arguments: &Check, output: &mut Output) -> Exit {
    // The whole compiler, so that what passes here also gives a plan, as far as this version enforces it.
    each(arguments, Detail::Findings, output, |compiled| !has_errors(&compiled.diagnostics))
}

/// `msbc lint`: the findings of `check` and the hints that nobody asked for there.
pub(crate) fn lint(arguments: &Check, output: &mut Output) -> Exit {
    each(arguments, Detail::Hints, output, |compiled| {
        let first = msb_diag::FileId::default();
        // What no launch takes yet is nothing that its author could mend.
        compiled.diagnostics.retain(|found| found.is_error() || found.code != codes::NOT_ENFORCED);
        let text = compiled.sources.get(first).map(|file| file.text.as_str());
        compiled.diagnostics.extend(text.and_then(|text| msb_format::unformatted(first, text)));
        msb_diag::sort(&mut compiled.diagnostics);
        compiled.diagnostics.is_empty()
    })
}

/// Compiles each file and says what `passes` leaves to say: as text file by file, as JSON in one array, as SARIF in one
/// log with a run for each.
fn each(
    arguments: &Check,
    detail: Detail,
    output: &mut Output,
    mut passes: impl FnMut(&mut Compiled) -> bool,
) -> Exit {
    let mut exit = Exit::Success;
    let mut json: Vec<serde_json::Value> = Vec::new();
    let mut runs: Vec<serde_json::Value> = Vec::new();
    let mut log = serde_json::Value::Null;
    let mut all: Vec<Diagnostic> = Vec::new();
    for file in std::iter::once(&arguments.policy.file).chain(&arguments.more) {
        let silent = Policy { json: true, name: arguments.policy.name.clone(), file: file.clone() };
        let compiled = observed(
            &silent,
            &arguments.above,
            Filter::Decides,
            (Goal::Findings, detail),
            output,
            &mut |_| (),
        );
        let Some(mut compiled) = compiled else { return Exit::Usage };
        if !passes(&mut compiled) {
            exit = Exit::Wrong;
        }
        let Compiled { diagnostics, sources, .. } = compiled;
        if arguments.policy.json {
            json.extend(msb_diag::to_json(&diagnostics, &sources).as_array().cloned().unwrap_or_default());
        } else if arguments.sarif {
            log = msb_diag::to_sarif(&diagnostics, &sources, env!("CARGO_PKG_VERSION"));
            runs.extend(log["runs"].as_array().cloned().unwrap_or_default());
        } else {
            findings(&diagnostics, &sources, output);
            all.extend(diagnostics);
        }
    }
    if arguments.policy.json {
        output.json(&serde_json::Value::Array(json));
    } else if arguments.sarif {
        log["runs"] = serde_json::Value::Array(runs);
        output.json(&log);
    } else {
        summary(&all, output);
    }
    exit
}

/// `msbc compile`: the plan, if there are no errors.
pub(crate) fn compile(arguments: &Compile, output: &mut Output) -> Exit {
    let mut timings = Timings::start();
    let done = &mut |pass: Pass| timings.done(pass);
    let Some(compiled) =
        observed(&arguments.policy, &arguments.above, Filter::Decides, TO_LAUNCH, output, done)
    else {
        return Exit::Usage;
    };
    if arguments.timings {
        output.note(&timings.table());
    }
    if arguments.policy.json {
        output.json(&msb_diag::to_json(&compiled.diagnostics, &compiled.sources));
    }
    let Some(plan) = compiled.plan else {
        summary(&compiled.diagnostics, output);
        return Exit::Wrong;
    };
    match write::at_once(&arguments.output, &plan) {
        Ok(()) => Exit::Success,
        Err(reason) => {
            output.message(&format!("cannot write `{}`: {reason}", arguments.output.display()));
            Exit::Usage
        }
    }
}

/// What the plan's filter does with a call that the policy denies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filter {
    /// It answers.
    Decides,
    /// It asks a tracer, which answers the same and says so.
    Asks,
}

/// The policy, compiled; findings are printed unless they go out as JSON. `None` for a path that the
/// compiler cannot name in a message.
pub(crate) fn compiled(policy: &Policy, filter: Filter, output: &Output) -> Option<Compiled> {
    observed(policy, &Ceiling { ceiling: None }, filter, TO_LAUNCH, output, &mut |_| ())
}

/// A plan, and what `check` would say of it.
const TO_LAUNCH: (Goal, Detail) = (Goal::Plan, Detail::Findings);

/// The same of a policy that is held to a ceiling.
fn observed(
    policy: &Policy,
    above: &Ceiling,
    filter: Filter,
    (goal, detail): (Goal, Detail),
    output: &Output,
    done: &mut dyn FnMut(Pass),
) -> Option<Compiled> {
    let Some(path) = policy.file.to_str() else {
        output.message(&format!("the path `{}` is not UTF-8: rename the file", policy.file.display()));
        return None;
    };
    let options = Options {
        policy: policy.name.clone(),
        trace: filter == Filter::Asks,
        ceiling: above.ceiling.clone(),
        detail,
        goal,
    };
    let compiled = msb_compile::compile_observed(&Disk, path, &options, done);
    if !policy.json {
        // What there is to know and nothing to do about is `check`'s to say, and not each run's.
        let matters = |found: &&Diagnostic| goal == Goal::Findings || found.severity != Severity::Hint;
        let told: Vec<Diagnostic> = compiled.diagnostics.iter().filter(matters).cloned().collect();
        findings(&told, &compiled.sources, output);
    }
    Some(compiled)
}

/// What passes cost.
struct Timings {
    last: Instant,
    passes: Vec<(Pass, Duration)>,
}

impl Timings {
    fn start() -> Timings {
        Timings { last: Instant::now(), passes: Vec::new() }
    }

    fn done(&mut self, pass: Pass) {
        let now = Instant::now();
        self.passes.push((pass, now.duration_since(self.last)));
        self.last = now;
    }

    /// A line for each pass that came to its end, and one for all.
    fn table(&self) -> String {
        let mut table = String::new();
        let all: Duration = self.passes.iter().map(|(_, took)| *took).sum();
        let named = self.passes.iter().map(|(pass, took)| (pass.name(), *took));
        for (name, took) in named.chain([("all", all)]) {
            // A String takes everything.
            let _ = writeln!(table, "{name:<8} {:>8.3} ms", took.as_secs_f64() * 1000.0);
        }
        table
    }
}

/// Findings on standard error, where there are any.
pub(crate) fn findings(found: &[Diagnostic], sources: &Sources, output: &Output) {
    if !found.is_empty() {
        output.findings(found, sources);
    }
}

/// `2 errors, 1 warning`, and how to learn more; nothing where nothing was found.
pub(crate) fn summary(found: &[Diagnostic], output: &Output) {
    let count = |severity| found.iter().filter(|found| found.severity == severity).count();
    let parts: Vec<String> = [Severity::Error, Severity::Warning, Severity::Hint]
        .into_iter()
        .map(|severity| (count(severity), severity.word()))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}{}", if count == 1 { "" } else { "s" }))
        .collect();
    // `max_by_key` would give the last of the worst.
    if let Some(worst) = found.iter().rev().max_by_key(|found| found.severity) {
        output.message(&format!("{}; `msbc doc {}` says more", parts.join(", "), worst.code));
    }
}

/// A failure that is not the compiler's, in the form of its findings.
pub(crate) fn failure(message: &str) -> serde_json::Value {
    json!([{"code": null, "severity": "error", "message": message}])
}
