//! The launcher's program: a start without a standard library, then [`msb_launch::run`].
#![no_std]
#![no_main]

msb_sys::program!(msb_launch::run);
