//! convert and schema: the same policies as YAML and JSON.

use crate::Exit;
use crate::cli::{Convert, Form};
use crate::compile::{findings, summary};
use crate::input::{POLICY_BYTES_MAX, read};
use crate::output::Output;
use msb_diag::{Diagnostic, Sources, codes, has_errors};

/// `msbc convert`: the policy in another form on standard output, if it can be read.
pub(crate) fn convert(arguments: &Convert, output: &mut Output) -> Exit {
    let name = arguments.file.display().to_string();
    let mut sources = Sources::default();
    let (tree, found) = match read(&arguments.file, POLICY_BYTES_MAX) {
        Ok(bytes) => {
            let file = sources.add(name.as_str(), String::from_utf8_lossy(&bytes));
            msb_data::parse_bytes(msb_data::Form::of(&name), file, &bytes)
        }
        Err(reason) => {
            let cannot = Diagnostic::new(codes::CANNOT_READ, format!("cannot read `{name}`: {reason}"));
            let found = cannot.help("give the path of a policy, such as `agent.msb`");
            (msb_syntax::ast::File::default(), vec![found])
        }
    };
    findings(&found, &sources, output);
    if has_errors(&found) {
        summary(&found, output);
        return Exit::Wrong;
    }
    let written = match arguments.to {
        Form::Msb => Ok(msb_data::text_of(&tree)),
        Form::Yaml => msb_data::yaml_of(&tree),
        Form::Json => msb_data::json_of(&tree),
    };
    match written {
        Ok(text) => {
            output.answer(&text);
            Exit::Success
        }
        Err(unwritable) => {
            output.message(&format!("cannot convert `{name}`: {}", unwritable.reason));
            Exit::Wrong
        }
    }
}

/// `msbc schema`
pub(crate) fn schema(output: &mut Output) -> Exit {
    output.json(&msb_data::schema());
    Exit::Success
}
