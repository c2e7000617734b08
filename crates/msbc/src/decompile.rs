//! decompile: a plan as the text of a policy, given out only if that text compiles to a plan that does the same.

use crate::cli::Decompile;
use crate::output::Output;
use crate::{Exit, meaning, write};
use msb_compile::{Files, Options, ReadError};
use msb_decompile::Undone;

/// `msbc decompile`: the policy on standard output, or in a file.
pub(crate) fn decompile(arguments: &Decompile, output: &mut Output) -> Exit {
    match text(arguments, output) {
        Ok(text) => match &arguments.output {
            None => {
                output.answer(&text);
                Exit::Success
            }
            Some(path) => match write::at_once(path, text.as_bytes()) {
                Ok(()) => Exit::Success,
                Err(reason) => {
                    output.message(&format!("cannot write `{}`: {reason}", path.display()));
                    Exit::Usage
                }
            },
        },
        Err(exit) => exit,
    }
}

fn text(arguments: &Decompile, output: &mut Output) -> Result<String, Exit> {
    let path = arguments.plan.display();
    let bytes = meaning::bytes(&arguments.plan, output)?;
    let plan = meaning::decode(&bytes, &arguments.plan, output)?;
    // Whoever reads the text takes it for the plan: one that means anything else is worse than none.
    let mut findings = None;
    let compile = |text: &str| {
        let compiled = msb_compile::compile(&Memory(text), "decompiled.msb", &Options::default());
        findings = Some((compiled.diagnostics, compiled.sources));
        compiled.plan
    };
    match msb_decompile::text(plan.plan(), compile) {
        Ok(text) => Ok(msb_format::format(&text).unwrap_or(text)),
        Err(undone) => {
            if let (Undone::Other(_), Some((mut found, sources))) = (&undone, findings) {
                found.retain(msb_diag::Diagnostic::is_error);
                crate::compile::findings(&found, &sources, output);
            }
            output.message(&format!("cannot decompile `{path}`: {undone}"));
            Err(Exit::Wrong)
        }
    }
}

/// One text, by whatever name.
struct Memory<'a>(&'a str);

impl Files for Memory<'_> {
    fn read(&self, _: &str) -> Result<Vec<u8>, ReadError> {
        Ok(self.0.as_bytes().to_vec())
    }
}
