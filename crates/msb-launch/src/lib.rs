//! Applies a plan and starts the command
