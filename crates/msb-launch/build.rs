//! Links the launcher without startup files and C library; see docs/adr/0001-no-std-launcher.md.

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=discard.ld");
    for argument in [
        "-nostartfiles",
        "-nostdlib",
        "-static",
        "-no-pie",
        "-Wl,--build-id=none",
        "-Wl,-z,norelro",
        "-Wl,--no-eh-frame-hdr",
    ] {
        println!("cargo::rustc-link-arg-bins={argument}");
    }
    // A copy beside what is built: a target directory may outlive the checkout that it was built from.
    let script = Path::new(&std::env::var_os("OUT_DIR").expect("cargo sets it")).join("discard.ld");
    std::fs::write(&script, include_str!("discard.ld")).expect("OUT_DIR can be written");
    println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", script.display());
}
