// SPDX-License-Identifier: MIT
//! Finds libcachetools by pkg-config, or with the feature vendored compiles it. Says how to link it.
use std::env;
use std::path::{Path, PathBuf};
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
    let linked = if env::var_os("CARGO_FEATURE_VENDORED").is_some() {
        compile()
    } else {
        pkg_config().map(|flags| words(&flags).iter().for_each(|flag| link(flag)))
    };
    if let Err(reason) = linked {
        eprintln!("error: {}", reason);
        std::process::exit(1);
    }
}

/// Compiles the one file that the library is in here, always with optimization, so that it needs
/// libc and libm alone.
fn compile() -> Result<(), String> {
    let source = Path::new("vendored/cachetools.cpp");
    println!("cargo:rerun-if-changed={}", source.display());
    if !source.exists() {
        return Err(format!(
            "There is no {} beside the build script. In a checkout, make it: \
             meson setup build -Dtests=false && meson compile -C build vendor",
            source.display()
        ));
    }
    let folder = PathBuf::from(env::var_os("OUT_DIR").unwrap());
    let (object, archive) = (folder.join("cachetools.o"), folder.join("libcachetools.a"));
    let compiler = tool("CXX", "c++");
    let mut compile = Command::new(&compiler[0]);
    compile.args(&compiler[1..]).args([
        "-std=c++17",
        "-O2",
        "-fno-exceptions",
        "-fno-rtti",
        "-fno-threadsafe-statics",
        "-fno-math-errno",
        "-ffunction-sections",
    ]);
    if is_gcc(&compiler) {
        compile.args(["--param", "inline-unit-growth=1000"]);
    }
    let is_windows = env::var_os("CARGO_CFG_WINDOWS").is_some();
    if !is_windows {
        compile.arg("-fPIC");
    }
    run(compile.arg("-c").arg(source).arg("-o").arg(&object))?;
    let archiver = tool("AR", "ar");
    run(Command::new(&archiver[0])
        .args(&archiver[1..])
        .arg("crs")
        .arg(&archive)
        .arg(&object))?;
    println!("cargo:rustc-link-search=native={}", folder.display());
    println!("cargo:rustc-link-lib=static=cachetools");
    // What threads sleep by is in a library of its own on Windows.
    let system = if is_windows { "synchronization" } else { "m" };
    println!("cargo:rustc-link-lib={}", system);
    Ok(())
}

/// The program and its first arguments that a variable names: for this target, or for all.
fn tool(variable: &str, default: &str) -> Vec<String> {
    let target = env::var("TARGET").unwrap_or_default();
    let mut words: Vec<String> = Vec::new();
    for name in [
        format!("{}_{}", variable, target),
        format!("{}_{}", variable, target.replace('-', "_")),
        variable.to_string(),
    ] {
        println!("cargo:rerun-if-env-changed={}", name);
        if words.is_empty() {
            let value = env::var(&name).unwrap_or_default();
            words.extend(value.split_whitespace().map(String::from));
        }
    }
    if words.is_empty() {
        words.push(default.to_string());
    }
    words
}

fn is_gcc(compiler: &[String]) -> bool {
    Command::new(&compiler[0])
        .args(&compiler[1..])
        .arg("--version")
        .output()
        .map_or(false, |said| {
            String::from_utf8_lossy(&said.stdout).contains("Free Software Foundation")
        })
}

fn run(command: &mut Command) -> Result<(), String> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{:?} failed: {}", command, status)),
        Err(error) => Err(format!("{:?} cannot be run: {}", command, error)),
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
