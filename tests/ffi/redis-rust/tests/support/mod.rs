// SPDX-License-Identifier: MIT
//! A server of the test's own on a free port of the loopback address, which ends with the test; and a
//! plain client, as any other program.
#![allow(dead_code)] // not all tests use all of it
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use cachetools_redis::cachetools::{ByteCache, Policy};
use cachetools_redis::{Builder, Tier};

pub const LONG: Duration = Duration::from_secs(20);

extern "C" {
    fn prctl(option: i32, ...) -> i32;
}

/// The server that CT_REDIS_SERVER names.
pub struct Server {
    pub port: u16,
    child: Option<Child>,
    folder: PathBuf,
}

impl Server {
    /// Chooses a port, on which nobody listens yet.
    pub fn absent() -> Server {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("cachetools-{}-{}", std::process::id(), number);
        let folder = env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap();
        Server {
            port: port.local_addr().unwrap().port(),
            child: None,
            folder,
        }
    }

    /// Begins it, and waits until it answers.
    pub fn start() -> Server {
        let mut it = Server::absent();
        while !it.begin() {
            it = Server::absent(); // somebody has taken the port
        }
        it
    }

    /// Returns whether it could listen on its port, which a connection of others may have just now.
    pub fn begin(&mut self) -> bool {
        let program = env::var_os("CT_REDIS_SERVER").unwrap_or_else(|| "redis-server".into());
        let mut command = Command::new(program);
        let port = self.port.to_string();
        command
            .args([
                "--bind",
                "127.0.0.1",
                "--port",
                &port,
                "--save",
                "",
                "--dir",
            ])
            .arg(&self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        // SAFETY: this makes one system call: the child is to end with the thread of the test.
        unsafe {
            command.pre_exec(|| {
                prctl(1, 9);
                Ok(())
            });
        }
        let mut child = command.spawn().expect("a server");
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.child = Some(child);
        self.peer().ask(&["PING"]) == "+PONG"
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub fn peer(&self) -> Peer {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        Peer(BufReader::new(stream))
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A tier with the prefix "t:".
    pub fn builder(&self) -> Builder {
        let near = ByteCache::new(Policy::Lru, 1000).unwrap();
        Tier::builder(self.url(), near).prefix("t:")
    }

    /// The same, opened and online.
    pub fn tier(&self) -> Tier {
        online(self.builder())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        fs::remove_dir_all(&self.folder).unwrap();
    }
}

pub fn online(builder: Builder) -> Tier {
    let tier = builder.open().unwrap();
    assert!(tier.wait(LONG).unwrap());
    tier
}

/// A blocking connection.
pub struct Peer(BufReader<TcpStream>);

impl Peer {
    /// Sends a command, and returns the reply: its first line, or a string after a "$"; nothing is
    /// "_".
    pub fn ask<W: AsRef<[u8]>>(&mut self, words: &[W]) -> String {
        let mut command = format!("*{}\r\n", words.len()).into_bytes();
        for word in words.iter().map(AsRef::as_ref) {
            command.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            command.extend_from_slice(word);
            command.extend_from_slice(b"\r\n");
        }
        self.0.get_mut().write_all(&command).unwrap();
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        let line = line.trim_end();
        match line.strip_prefix('$') {
            None => line.into(),
            Some("-1") => "_".into(),
            Some(size) => {
                let mut text = vec![0; size.parse::<usize>().unwrap() + 2];
                self.0.read_exact(&mut text).unwrap();
                text.truncate(text.len() - 2);
                format!(
                    "${}",
                    text.iter()
                        .map(|byte| char::from(*byte))
                        .collect::<String>()
                )
            }
        }
    }
}

/// What the library stores for a value.
pub fn stored(value: &str) -> Vec<u8> {
    [value.as_bytes(), b"\0\0\0\0\0\0\x01\xC7"].concat()
}

/// Waits until that is so.
pub fn until(mut is_so: impl FnMut() -> bool) {
    for _ in 0..4000 {
        if is_so() {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("this took more than 20 s");
}
