// SPDX-License-Identifier: MIT
//! Finds out whether the compiler knows `#[diagnostic::on_unimplemented]`, as it does from 1.78 on.
use std::env;
use std::process::Command;

/// Returns 63 for "rustc 1.63.0 (...)".
fn minor_version(said: &str) -> Option<u32> {
    said.strip_prefix("rustc 1.")?
        .split('.')
        .next()?
        .parse()
        .ok()
}

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-check-cfg=cfg(has_diagnostics)");
    let rustc = env::var_os("RUSTC").expect("cargo sets RUSTC");
    let said = Command::new(rustc).arg("--version").output();
    let said = said.map_or(String::new(), |it| {
        String::from_utf8_lossy(&it.stdout).into_owned()
    });
    if minor_version(&said).map_or(false, |minor| minor >= 78) {
        println!("cargo:rustc-cfg=has_diagnostics");
    }
}
