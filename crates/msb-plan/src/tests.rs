//! Tests of encoding, decoding and checking.

mod check;
mod codec;
mod event;
mod round_trip;
mod sample;
mod signed;
