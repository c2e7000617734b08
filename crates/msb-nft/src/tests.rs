//! Tests of what can be reached, and of the batch against the kernel and nft(8).

mod kernel;
mod model;
