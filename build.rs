//! Leaves the tables for unwinding out of a release binary on Linux.
//!
//! A release build aborts on a panic, so nothing reads them, but rustc writes them for every function that has something
//! to drop, and no stable option of it turns that off. They are 600 kB of the binary and 200 kB of its download.

use std::path::Path;
use std::{env, fs, io};

/// A linker script that adds to the linker's own (`INSERT`), for GNU ld and LLVM's lld.
const SCRIPT: &str =
    "SECTIONS { /DISCARD/ : { *(.eh_frame) *(.eh_frame_hdr) *(.gcc_except_table*) } } INSERT AFTER .text;\n";

#[expect(clippy::disallowed_methods, reason = "this is how cargo talks to a build script")]
fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    let variable = |name: &str| env::var(name).map_err(io::Error::other);
    if variable("PROFILE")? == "release" && variable("CARGO_CFG_TARGET_OS")? == "linux" {
        let script = Path::new(&variable("OUT_DIR")?).join("no-unwinding.ld");
        fs::write(&script, SCRIPT)?;
        println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", script.display());
    }
    Ok(())
}
