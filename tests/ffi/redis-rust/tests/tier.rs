// SPDX-License-Identifier: MIT
//! Reading, writing and loading through a tier, with a server.
mod support;

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use cachetools_redis::cachetools::{ByteCache, Error, Found, Policy};
use cachetools_redis::Tier;
use support::{online, stored, until, Server, LONG};

#[test]
fn problem_speaks_of_options_by_their_names() {
    let near = || ByteCache::new(Policy::Lru, 10).unwrap();
    let problem = |builder: cachetools_redis::Builder| {
        let problem = builder.problem();
        let error = builder.open().err().unwrap();
        assert!(matches!(error, Error::Invalid(_)));
        assert_eq!(error.to_string(), problem.unwrap());
        problem.unwrap()
    };
    let with_timer = ByteCache::builder(Policy::Lru, 10).timer(Duration::default);
    for (names, builder) in [
        ("url", Tier::builder("http://localhost", near())),
        ("url", Tier::builder("redis://local\0host", near())),
        (
            "near",
            Tier::builder("redis://localhost", with_timer.build().unwrap()),
        ),
        (
            "prefix",
            Tier::builder("redis://localhost", near()).prefix(vec![b'p'; 65536]),
        ),
        (
            "max_stale",
            Tier::builder("redis://localhost", near()).max_stale(Duration::from_millis(49)),
        ),
        (
            "lease",
            Tier::builder("redis://localhost", near()).lease(Duration::from_nanos(1)),
        ),
        (
            "max_value",
            Tier::builder("redis://localhost", near()).max_value(1 << 40),
        ),
        (
            "max_pending",
            Tier::builder("redis://localhost", near()).max_pending(1),
        ),
    ] {
        let said = problem(builder);
        assert!(said.starts_with(&format!("{names} ")), "{said}");
        assert!(!said.contains("CT_") && !said.contains("_size"), "{said}");
    }
    assert_eq!(None, Tier::builder("redis://localhost", near()).problem());
}

#[test]
fn password_is_not_shown() {
    let near = ByteCache::new(Policy::Lru, 10).unwrap();
    let builder = Tier::builder("redis://me:secret@localhost", near);
    assert!(!format!("{builder:?}").contains("secret"));
}

#[test]
fn what_others_write_is_read() {
    let server = Server::start();
    let (tier, mut peer) = (server.tier(), server.peer());
    assert!(tier.get("key").unwrap().is_none());
    for value in ["old", "new"] {
        peer.ask(&[b"SET", "t:key".as_bytes(), &stored(value)]);
        tier.sync().unwrap();
        assert_eq!(value.as_bytes(), &*tier.get("key").unwrap().unwrap());
        assert_eq!(
            value.as_bytes(),
            &*tier.near().peek("key").unwrap().unwrap()
        );
    }
    peer.ask(&["DEL", "t:key"]);
    tier.sync().unwrap();
    assert!(tier.get("key").unwrap().is_none());
}

#[test]
fn near_is_fresh_while_the_server_is_there() {
    let server = Server::start();
    assert!(online(server.builder().max_stale(Duration::from_secs(60))).is_fresh());
    let alone = Server::absent().builder().open().unwrap();
    assert!(!alone.is_fresh());
}

#[test]
fn what_is_written_is_on_the_server_with_its_lifetime() {
    let server = Server::start();
    let (tier, mut peer) = (
        online(server.builder().ttl(Duration::from_secs(100))),
        server.peer(),
    );
    tier.insert("key", "value").unwrap();
    assert_eq!("$value\0\0\0\0\0\0\u{1}\u{C7}", peer.ask(&["GET", "t:key"]));
    let ttl = peer.ask(&["TTL", "t:key"])[1..].parse::<i32>().unwrap();
    assert!((90..=100).contains(&ttl), "{ttl}");
    tier.insert_with_ttl("key", "value", Duration::MAX).unwrap();
    assert_eq!(":-1", peer.ask(&["TTL", "t:key"]));
    tier.remove("key").unwrap();
    assert_eq!("_", peer.ask(&["GET", "t:key"]));
    assert!(tier.near().is_empty());
}

#[test]
fn raw_values_have_no_trailer() {
    let server = Server::start();
    let (tier, mut peer) = (online(server.builder().raw()), server.peer());
    tier.insert("key", "value").unwrap();
    assert_eq!("$value", peer.ask(&["GET", "t:key"]));
    peer.ask(&["SET", "t:key", "other"]);
    tier.sync().unwrap();
    assert_eq!(b"other", &*tier.get("key").unwrap().unwrap());
}

#[test]
fn copy_says_how_much_room_it_needs() {
    let server = Server::start();
    let tier = server.tier();
    tier.insert("key", "value").unwrap();
    let mut buffer = [0; 5];
    assert_eq!(Some(5), tier.get_copy("key", &mut buffer).unwrap());
    assert_eq!(b"value", &buffer);
    assert_eq!(Err(Error::Buffer), tier.get_copy("key", &mut buffer[..4]));
    assert_eq!(None, tier.get_copy("other", &mut buffer).unwrap());
}

#[test]
fn each_of_many_keys_succeeds_or_fails_alone() {
    let server = Server::start();
    let (tier, mut peer) = (server.tier(), server.peer());
    peer.ask(&["RPUSH", "t:list", "element"]);
    peer.ask(&[b"SET", "t:far".as_bytes(), &stored("on the server")]);
    tier.insert("near", "in this process").unwrap();
    let found = tier.get_many(&["near", "far", "absent", "list"]).unwrap();
    let found = found.iter().map(|it| it.as_ref().map(|it| it.as_deref()));
    assert_eq!(
        vec![
            Ok(Some("in this process".as_bytes())),
            Ok(Some("on the server".as_bytes())),
            Ok(None),
            Err(&Error::Unsupported),
        ],
        found.collect::<Vec<_>>()
    );
    assert!(tier.get_many::<&str>(&[]).unwrap().is_empty());
}

#[test]
fn threads_and_processes_load_once() {
    let server = Server::start();
    let tiers = [server.tier(), server.tier()]; // as two processes would have them
    let loads = AtomicU32::new(0);
    let load = |tier: &Tier| {
        tier.get_or_load("key", |key, _| {
            assert_eq!(b"key", key);
            loads.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(50)); // so that the others come meanwhile
            Ok::<_, Error>(Some("loaded"))
        })
    };
    thread::scope(|scope| {
        for i in 0..8 {
            let tier = &tiers[i % 2];
            scope.spawn(move || assert_eq!(b"loaded", &*load(tier).unwrap().unwrap()));
        }
    });
    assert_eq!(1, loads.load(Ordering::Relaxed));
    let stats = [tiers[0].stats().unwrap(), tiers[1].stats().unwrap()];
    assert_eq!(1, stats[0].loads + stats[1].loads);
    assert_eq!(1, stats[0].fills + stats[1].fills);
    assert!(stats[0].is_online && stats[0].proof_age.unwrap() < LONG);
}

#[test]
fn error_of_a_loader_comes_back_unchanged() {
    let server = Server::start();
    let tier = server.tier();
    let failed = tier.get_or_load("key", |_, _| {
        Err::<Option<String>, _>(io::Error::new(io::ErrorKind::NotFound, "no such table"))
    });
    assert_eq!("no such table", failed.unwrap_err().to_string());
    let found = tier.get_or_load("key", |_, _| Ok::<_, io::Error>(None::<String>));
    assert!(found.unwrap().is_none());
    tier.sync().unwrap(); // its lease has left, too
    assert_eq!("_", server.peer().ask(&["GET", "t:key"]));
}

#[test]
fn panic_of_a_loader_goes_on_and_the_next_one_loads() {
    let server = Server::start();
    let tier = server.tier();
    let panicked = thread::scope(|scope| {
        let load = || tier.get_or_load("key", |_, _| -> Result<Option<String>, Error> { panic!() });
        scope.spawn(load).join().is_err()
    });
    assert!(panicked);
    let value = tier.get_or_load("key", |_, _| Ok::<_, Error>(Some("next")));
    assert_eq!(b"next", &*value.unwrap().unwrap());
}

#[test]
fn load_of_a_key_within_its_own_load_is_refused() {
    let server = Server::start();
    let tier = server.tier();
    let inner = || tier.get_or_load("key", |_, _| Ok::<_, Error>(Some("inner")));
    let value = tier.get_or_load("key", |_, _| {
        assert_eq!(Some(Error::Recursion), inner().err());
        Ok::<_, Error>(Some("outer"))
    });
    assert_eq!(b"outer", &*value.unwrap().unwrap());
}

#[test]
fn lifetime_of_a_load_reaches_the_server() {
    let server = Server::start();
    let tier = server.tier();
    let loaded = tier.get_or_load_with_ttl("key", Duration::from_secs(100), |_, output| {
        assert!(output.old().is_none());
        Ok::<_, Error>(Found::Value("value"))
    });
    let loaded = loaded.unwrap().unwrap();
    assert!(!loaded.is_stale);
    tier.sync().unwrap();
    let ttl = server.peer().ask(&["TTL", "t:key"])[1..]
        .parse::<i32>()
        .unwrap();
    assert!((90..=100).contains(&ttl), "{ttl}");
}

#[test]
fn value_outlives_its_tier() {
    let server = Server::start();
    let tier = server.tier();
    tier.insert("key", "value").unwrap();
    let value = tier.get("key").unwrap().unwrap();
    drop(tier);
    assert_eq!(b"value", &*value);
}

#[test]
fn tier_without_a_thread_is_served_by_steps() {
    let server = Server::start();
    let tier = server.builder().without_thread().open().unwrap();
    assert!(tier.fd().is_some());
    until(|| tier.step().unwrap() && tier.stats().unwrap().is_online);
    tier.insert("key", "value").unwrap();
    server.peer().ask(&["DEL", "t:key"]);
    until(|| tier.step().unwrap() && tier.near().is_empty());

    let other = server.tier();
    assert!(other.fd().is_none());
    assert_eq!(Err(Error::Unsupported), other.step());
}
