// SPDX-License-Identifier: MIT
//! Finds libcachetools-redis by pkg-config, and says how to link it.
use std::env;
use std::process::Command;

/// What is asked for: the first release that has all that is declared.
const PACKAGE: &str = "cachetools-redis >= 0.1.0";

fn main() {
    for variable in [
        "PKG_CONFIG",
        "PKG_CONFIG_PATH",
        "PKG_CONFIG_LIBDIR",
        "PKG_CONFIG_SYSROOT_DIR",
    ] {
        println!("cargo:rerun-if-env-changed={}", variable);
    }
    println!("cargo:rerun-if-changed=build.rs");
    if env::var_os("DOCS_RS").is_some() {
        return; // to document the declarations takes no library
    }
    let program = env::var_os("PKG_CONFIG").unwrap_or_else(|| "pkg-config".into());
    let output = Command::new(&program)
        .args(["--print-errors", "--libs", PACKAGE])
        .output();
    match output {
        Ok(output) if output.status.success() => {
            link(&String::from_utf8_lossy(&output.stdout));
        }
        Ok(output) => refuse(&format!(
            "pkg-config does not find {}. Install libcachetools-redis, which is built where \
             hiredis 1.1 or later is, or set PKG_CONFIG_PATH to the folder that has its \
             cachetools-redis.pc.\n{}",
            PACKAGE,
            String::from_utf8_lossy(&output.stderr)
        )),
        Err(error) => refuse(&format!(
            "{} cannot be run ({}). Install pkg-config, or set PKG_CONFIG to where it is.",
            program.to_string_lossy(),
            error
        )),
    }
}

fn refuse(reason: &str) {
    eprintln!("error: {}", reason);
    std::process::exit(1);
}

/// Hands the flags of the linker on. They end at spaces, but for those after a backslash.
fn link(flags: &str) {
    let flags = flags.trim().replace("\\ ", "\0");
    for flag in flags.split(' ').map(|flag| flag.replace('\0', " ")) {
        if let Some(folder) = flag.strip_prefix("-L") {
            println!("cargo:rustc-link-search=native={}", folder);
        } else if let Some(library) = flag.strip_prefix("-l") {
            println!("cargo:rustc-link-lib={}", library);
        }
    }
}
