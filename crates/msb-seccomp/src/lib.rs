//! Canonical policy to seccomp BPF, and an interpreter for it
