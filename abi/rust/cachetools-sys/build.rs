// SPDX-License-Identifier: MIT
//! Finds libcachetools by pkg-config, and says how to link it.
use std::env;
use std::process::Command;

/// The first release that has all that is declared.
const OLDEST: &str = "0.1.0";

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
    match pkg_config() {
        Ok(flags) => words(&flags).iter().for_each(|flag| link(flag)),
        Err(reason) => {
            eprintln!("error: {}", reason);
            std::process::exit(1);
        }
    }
}

/// Asks pkg-config for the flags of the linker, or says what to do.
fn pkg_config() -> Result<String, String> {
    let program = env::var_os("PKG_CONFIG").unwrap_or_else(|| "pkg-config".into());
    let output = Command::new(&program)
        .args(["--print-errors", "--libs"])
        .arg(format!("cachetools >= {}", OLDEST))
        .output()
        .map_err(|error| {
            format!(
                "{} cannot be run ({}). Install pkg-config, or set PKG_CONFIG to where it is.",
                program.to_string_lossy(),
                error
            )
        })?;
    if output.status.success() {
        return String::from_utf8(output.stdout).map_err(|error| error.to_string());
    }
    Err(format!(
        "pkg-config does not find libcachetools {} or later. Install the library, or set \
         PKG_CONFIG_PATH to the folder that has its cachetools.pc.\n{}",
        OLDEST,
        String::from_utf8_lossy(&output.stderr)
    ))
}

/// Splits what pkg-config prints at spaces, but for those after a backslash.
fn words(flags: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut characters = flags.trim().chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => words.last_mut().unwrap().extend(characters.next()),
            ' ' => words.push(String::new()),
            other => words.last_mut().unwrap().push(other),
        }
    }
    words
}

/// Hands a flag of the linker on. Where the library is found when the program runs is left to the
/// system and to LD_LIBRARY_PATH: no folder is built into the program.
fn link(flag: &str) {
    if let Some(folder) = flag.strip_prefix("-L") {
        println!("cargo:rustc-link-search=native={}", folder);
    } else if let Some(library) = flag.strip_prefix("-l") {
        println!("cargo:rustc-link-lib={}", library);
    }
}
