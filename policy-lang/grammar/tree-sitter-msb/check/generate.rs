//! Makes the parser of the folder that is named, `src/` in it, from its grammar.js; by Node.js.

use std::process::ExitCode;
use tree_sitter_generate::{OptLevel, generate_parser_in_directory};

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(std::path::PathBuf::from) else {
        eprintln!("usage: generate FOLDER");
        return ExitCode::FAILURE;
    };
    let grammar = folder.join("grammar.js");
    // Version 14 of the interface is what Neovim and Emacs load since 2022; 15 brings nothing that this grammar has.
    let made = generate_parser_in_directory(
        &folder,
        None::<&str>,
        Some(&grammar),
        14,
        None,
        Some("node"),
        true,
        OptLevel::default(),
    );
    match made {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
