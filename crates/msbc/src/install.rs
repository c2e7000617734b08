//! completions and man: what belongs beside an installed msbc, made from its own command line.

use crate::cli::{Arguments, Completions, Man, Shell};
use crate::output::{Output, reason};
use crate::{Exit, write};
use clap::{Command, CommandFactory as _};
use std::fs;
use std::path::Path;

/// `msbc completions`
pub(crate) fn completions(arguments: &Completions, output: &mut Output) -> Exit {
    let shell = match arguments.shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "msbc", &mut script);
    output.answer(&String::from_utf8_lossy(&script));
    Exit::Success
}

/// `msbc man`: the page of msbc on standard output, or with those of its commands in a folder.
pub(crate) fn man(arguments: &Man, output: &mut Output) -> Exit {
    let mut command = Arguments::command();
    // Gives every command its full name, `msbc-check`.
    command.build();
    let Some(folder) = &arguments.to else {
        return match page(&command) {
            Ok(page) => {
                output.answer(&page);
                Exit::Success
            }
            Err(error) => {
                output.message(&format!("cannot make the page: {}", reason(&error)));
                Exit::Internal
            }
        };
    };
    match pages(&command, folder) {
        Ok(()) => Exit::Success,
        Err(message) => {
            output.message(&message);
            Exit::Usage
        }
    }
}

fn page(command: &Command) -> std::io::Result<String> {
    let mut page = Vec::new();
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    clap_mangen::Man::new(command.clone()).title(name).render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// Writes the page of `command` and of each of its commands.
fn pages(command: &Command, folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder)
        .map_err(|error| format!("cannot make `{}`: {}", folder.display(), reason(&error)))?;
    let commands = command.get_subcommands().filter(|it| it.get_name() != "help");
    for one in std::iter::once(command).chain(commands) {
        let name = one.get_display_name().unwrap_or(one.get_name()).to_owned();
        let path = folder.join(format!("{name}.1"));
        let page = page(one).map_err(|error| format!("cannot make a page: {}", reason(&error)))?;
        write::at_once(&path, page.as_bytes())
            .map_err(|reason| format!("cannot write `{}`: {reason}", path.display()))?;
    }
    Ok(())
}
