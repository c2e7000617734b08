//! Tests of encoding, decoding and checking.
