//! The command that people type: check, lint, fmt, fix, compile, show, run,
//! convert, schema, doc, graph, lsp, completions, man.
//!
//! Everything that reads files, writes files and speaks to a person is here; what a policy means is
//! decided elsewhere. Exit codes: 0 for success, 1 for a policy or plan that is wrong, 2 for a wrong command
//! line, 4 when msbc itself cannot go on; `run` ends with the launcher's.

mod cli;
mod compile;
mod convert;
mod doc;
mod fix;
mod format;
mod graph;
mod input;
mod install;
mod lsp;
mod output;
mod run;
mod show;
mod write;

use clap::Parser as _;
use cli::{Arguments, Command};
use output::Output;
use std::process::ExitCode;

/// What a command ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Exit {
    /// Done, and nothing is wrong.
    Success,
    /// The policy or plan is wrong, or cannot be read.
    Wrong,
    /// The command line is wrong.
    Usage,
    /// msbc cannot go on.
    Internal,
    /// The launcher's own exit code.
    Launcher(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Success => 0,
            Exit::Wrong => 1,
            Exit::Usage => 2,
            Exit::Internal => 4,
            Exit::Launcher(code) => code,
        })
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut output = Output::new(arguments.color);
    let exit = match arguments.command {
        Command::Check(check) => compile::check(&check, &mut output),
        Command::Lint(check) => compile::lint(&check, &mut output),
        Command::Fmt(fmt) => format::format(&fmt, &mut output),
        Command::Fix(fix) => fix::fix(&fix, &mut output),
        Command::Compile(compile) => compile::compile(&compile, &mut output),
        Command::Show(show) => show::show(&show, &mut output),
        Command::Run(run) => run::run(&run, &mut output),
        Command::Graph(graph) => graph::graph(&graph, &mut output),
        Command::Completions(completions) => install::completions(&completions, &mut output),
        Command::Man(man) => install::man(&man, &mut output),
        Command::Lsp => lsp::lsp(&output),
        Command::Convert(convert) => convert::convert(&convert, &mut output),
        Command::Schema => convert::schema(&mut output),
        Command::Doc(doc) => doc::doc(&doc, &mut output),
    };
    output.finish(exit).into()
}
