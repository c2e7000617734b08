//! The command as people run it: processes, files, exit codes.

mod check;
mod compile;
mod doc;
mod host;
mod run;
mod show;
mod syscalls;
mod test;
