//! The command as people run it: processes, files, exit codes.

mod check;
mod compile;
mod convert;
mod decompile;
mod doc;
mod doctor;
mod examples;
mod explain;
mod fix;
mod fmt;
mod forms;
mod graph;
mod host;
mod install;
mod lsp;
mod nvim;
mod run;
mod show;
mod syscalls;
mod test;
