//! show: everything that a plan does, for a person or a program.

pub(crate) mod bpf;
mod calls;
mod json;
mod net;
mod text;

use crate::cli::Show;
use crate::output::Output;
use crate::{Exit, compile, input};
use msb_plan::{DecodeError, MAGIC, PLAN_BYTES_MAX, Plan};

/// `msbc show`: of a plan, or of a policy that is compiled for it.
pub(crate) fn show(arguments: &Show, output: &mut Output) -> Exit {
    let path = &arguments.policy.file;
    let bytes_max = u64::try_from(PLAN_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let bytes = match input::read(path, bytes_max) {
        Ok(bytes) => bytes,
        Err(reason) => {
            return fail(&format!("cannot read `{}`: {reason}", path.display()), arguments, output);
        }
    };
    let plan = if bytes.starts_with(&MAGIC) {
        bytes
    } else {
        let Some(compiled) = compile::compiled(&arguments.policy, compile::Filter::Decides, output) else {
            return Exit::Usage;
        };
        let Some(plan) = compiled.plan else {
            if arguments.policy.json {
                output.json(&msb_diag::to_json(&compiled.diagnostics, &compiled.sources));
            }
            return Exit::Wrong;
        };
        plan
    };
    match msb_plan::decode(msb_plan::signed::split(&plan).0) {
        Ok(checked) => {
            print(checked.plan(), arguments, output);
            Exit::Success
        }
        Err(error) => {
            let message = format!("`{}` is not a plan that can be applied: {}", path.display(), words(error));
            fail(&message, arguments, output)
        }
    }
}

fn print(plan: &Plan<'_>, arguments: &Show, output: &mut Output) {
    if arguments.policy.json {
        output.json(&json::plan(plan, arguments.filter));
    } else {
        output.answer(&text::plan(plan, arguments.filter));
    }
}

fn fail(message: &str, arguments: &Show, output: &mut Output) -> Exit {
    if arguments.policy.json {
        output.json(&compile::failure(message));
    } else {
        output.message(message);
    }
    Exit::Wrong
}

pub(crate) fn words(error: DecodeError) -> String {
    match error {
        DecodeError::Truncated => "it ends too early".to_owned(),
        DecodeError::TooLong => "it is longer than a plan can be".to_owned(),
        DecodeError::NotAPlan => "it does not begin like one".to_owned(),
        DecodeError::OtherFormat(format) => {
            format!(
                "it has format {format}, and this msbc reads format {}; compile the policy again",
                msb_plan::FORMAT
            )
        }
        DecodeError::Trailing => "something follows after its end".to_owned(),
        DecodeError::Altered => "it was changed after it was written".to_owned(),
        DecodeError::Malformed => "its content is damaged".to_owned(),
        DecodeError::Invalid(invalid) => format!("the launcher would refuse it ({invalid:?})"),
    }
}
