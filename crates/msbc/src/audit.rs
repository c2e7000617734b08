//! audit verify: is a log what the gateway wrote, all of it.
//!
//! The chain shows whether lines were changed, added, moved or taken out of the middle (`msb_audit`). That nothing is
//! missing at the end only the run report can show, which has the number of lines and the digest of the last.

use crate::Exit;
use crate::cli::Verify;
use crate::output::{Output, reason};
use msb_audit::Run;
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

/// `msbc audit verify`.
pub(crate) fn verify(arguments: &Verify, output: &mut Output) -> Exit {
    let file = arguments.file.display();
    let read = File::open(&arguments.file).map(BufReader::new).and_then(msb_audit::verify);
    let runs = match read {
        Err(error) => return unreadable(&arguments.file, &error, output),
        Ok(Err(broken)) => {
            output.message(&format!("{file}:{}: {}", broken.line, broken.why));
            return Exit::Wrong;
        }
        Ok(Ok(runs)) => runs,
    };
    let Some(last) = runs.last() else {
        output.message(&format!("{file}: it is empty; every run writes a line at its end at least"));
        return Exit::Wrong;
    };
    if let Some(report) = &arguments.report {
        match sealed(report) {
            Err(error) => return unreadable(report, &error, output),
            Ok(found) => {
                if let Some(why) = differs(last, found.as_ref()) {
                    output.message(&format!("{file}: {why} ({})", report.display()));
                    return Exit::Wrong;
                }
            }
        }
    }
    if !last.is_whole {
        output.message(&format!(
            "{file}: its last line is not the end of a run: it was cut off, or the run is not over"
        ));
        return Exit::Wrong;
    }
    for run in &runs {
        output.answer(&format!(
            "{file}: {} lines from line {}, last {}\n",
            run.lines, run.first_line, run.last
        ));
    }
    Exit::Success
}

/// How many lines a log has by its report, and the digest of the last.
struct Sealed {
    lines: u64,
    last: String,
}

/// What a report says of the log; `None` where it says nothing.
fn sealed(report: &Path) -> std::io::Result<Option<Sealed>> {
    let mut found = None;
    for line in BufReader::new(File::open(report)?).lines() {
        // What is no line of a report says nothing.
        let value: Value = serde_json::from_str(&line?).unwrap_or_default();
        if value["event"] == "network"
            && let (Some(lines), Some(last)) = (value["audit_lines"].as_u64(), value["audit_sha256"].as_str())
        {
            found = Some(Sealed { lines, last: last.to_owned() });
        }
    }
    Ok(found)
}

/// Why a log is not the one that the report is about.
fn differs(run: &Run, report: Option<&Sealed>) -> Option<String> {
    match report {
        None => Some("the report does not say how the log ended".to_owned()),
        Some(report) if report.lines != run.lines => {
            Some(format!("it has {} lines, and the report says {}", run.lines, report.lines))
        }
        Some(report) if report.last != run.last => {
            Some(format!("its last line is not the one of the report, {}", report.last))
        }
        Some(_) => None,
    }
}

fn unreadable(path: &Path, error: &std::io::Error, output: &mut Output) -> Exit {
    output.message(&format!("cannot read `{}`: {}", path.display(), reason(error)));
    Exit::Usage
}
