//! graph: a picture of what a policy allows.

use crate::cli::Graph;
use crate::compile::{findings, summary};
use crate::input::{Disk, POLICY_BYTES_MAX, read};
use crate::output::Output;
use crate::{Exit, write};
use msb_diag::{Diagnostic, Sources, codes, has_errors};

/// `msbc graph`: the picture, if every name in the policy is known; what cannot be resolved would be missing in it.
pub(crate) fn graph(arguments: &Graph, output: &mut Output) -> Exit {
    let name = arguments.file.display().to_string();
    let mut sources = Sources::default();
    let bytes = match read(&arguments.file, POLICY_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(reason) => {
            let cannot = Diagnostic::new(codes::CANNOT_READ, format!("cannot read `{name}`: {reason}"));
            return fail(&[cannot.help("give the path of a policy, such as `agent.msb`")], &sources, output);
        }
    };
    let file = sources.add(name.as_str(), String::from_utf8_lossy(&bytes));
    let (tree, found) = msb_data::parse_bytes(msb_data::Form::of(&name), file, &bytes);
    if has_errors(&found) {
        return fail(&found, &sources, output);
    }
    let (resolved, mut found) = msb_resolve::resolve(&tree, arguments.name.as_deref(), &mut sources, &Disk);
    // Warnings are for `check`, and what is not enforced yet is drawn as it is meant.
    found.retain(|it| it.is_error() && it.code != codes::NOT_ENFORCED);
    let Some(resolved) = resolved.filter(|_| found.is_empty()) else {
        return fail(&found, &sources, output);
    };
    let picture = msb_graph::svg(&resolved, &sources);
    let Some(path) = &arguments.output else {
        output.answer(&picture);
        return Exit::Success;
    };
    match write::at_once(path, picture.as_bytes()) {
        Ok(()) => Exit::Success,
        Err(reason) => {
            output.message(&format!("cannot write `{}`: {reason}", path.display()));
            Exit::Usage
        }
    }
}

fn fail(found: &[Diagnostic], sources: &Sources, output: &Output) -> Exit {
    findings(found, sources, output);
    summary(found, output);
    Exit::Wrong
}
