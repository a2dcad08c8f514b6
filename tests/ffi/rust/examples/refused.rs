// SPDX-License-Identifier: MIT
//! What client.sh tries to compile: a key that is none.
use cachetools::{Cache, Policy};

struct User;

fn main() {
    let users = Cache::new(Policy::Lru, 10).unwrap();
    users.insert(&User, "Ada".to_string()).unwrap();
}
