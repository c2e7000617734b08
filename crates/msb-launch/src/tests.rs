//! Tests of what needs no sandbox.
