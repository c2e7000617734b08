//! Canonical policy to plan
