//! Types, units, widths and conflicts: syntax tree to canonical policy
