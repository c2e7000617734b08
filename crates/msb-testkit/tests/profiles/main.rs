//! The standard profiles: real programs work under each of them, and each of their rules is one that something needs.

mod confined;
mod minimal;
mod programs;
mod rules;
mod tools;
