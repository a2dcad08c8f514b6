// SPDX-License-Identifier: MIT
//! A server that comes and goes, and what a tier's listener is told of.
mod support;

use std::sync::mpsc::{channel, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use cachetools_redis::cachetools::{ByteCache, Error, Found, Output, Policy};
use cachetools_redis::{Builder, EventKind, Tier};
use support::{online, until, Server, LONG};

type Told = (EventKind, Vec<u8>, String);

fn listen(builder: Builder) -> (Builder, Receiver<Told>) {
    let (tell, told) = channel();
    let tell = Mutex::new(tell);
    let builder = builder.listener(move |event| {
        let told = (event.kind, event.key.to_vec(), event.text.to_string());
        tell.lock().unwrap().send(told).ok();
    });
    (builder, told)
}

#[test]
fn without_a_server_loads_serve_and_writes_fail() {
    let server = Server::absent();
    let (builder, told) = listen(server.builder());
    let tier = builder.open().unwrap();
    let (kind, _, text) = told.recv_timeout(LONG).unwrap();
    assert_eq!(EventKind::Offline, kind);
    assert!(!text.is_empty());
    assert!(!tier.wait(Duration::ZERO).unwrap());
    assert_eq!(Some(Error::Io), tier.get("key").err());
    assert_eq!(Err(Error::Io), tier.insert("key", "value"));
    assert_eq!(Err(Error::Io), tier.sync());
    let value = tier.get_or_load("key", |_, _| Ok::<_, Error>(Some("loaded")));
    assert_eq!(b"loaded", &*value.unwrap().unwrap());
    let stats = tier.stats().unwrap();
    assert_eq!(
        (1, 1, None),
        (stats.offline_loads, stats.remembered, stats.proof_age)
    );
}

#[test]
fn what_was_written_offline_is_remembered_until_the_server_is_there() {
    let mut server = Server::absent();
    let (builder, told) = listen(server.builder());
    let tier = builder.open().unwrap();
    assert_eq!(Err(Error::Io), tier.remove("key"));
    until(|| server.begin());
    assert!(tier.wait(LONG).unwrap());
    until(|| told.recv_timeout(LONG).unwrap().0 == EventKind::Online);
    until(|| tier.stats().unwrap().remembered == 0); // deleted there
}

#[test]
fn old_value_serves_as_stale_when_the_server_is_lost() {
    let mut server = Server::start();
    let near = ByteCache::builder(Policy::Lru, 10)
        .ttl(LONG)
        .stale(LONG)
        .build()
        .unwrap();
    let tier = online(Tier::builder(server.url(), near));
    tier.insert("key", "old").unwrap();
    server.kill();
    until(|| !tier.stats().unwrap().is_online);
    let load = |_: &[u8], _: &mut Output<'_>| Err::<Found<String>, _>(Error::Corrupt);
    let loaded = tier
        .get_or_load_with_ttl("key", Duration::ZERO, load)
        .unwrap()
        .unwrap();
    assert!(loaded.is_stale);
    assert_eq!(b"old", &*loaded.value);
    assert_eq!(Some(Error::Corrupt), loaded.failure);
}

#[test]
fn listener_is_told_of_what_others_have_stored() {
    let server = Server::start();
    let (builder, told) = listen(server.builder());
    let tier = online(builder);
    server.peer().ask(&["SET", "t:key", "bare"]);
    assert!(tier.get("key").unwrap().is_none());
    assert_eq!(
        (EventKind::Online, vec![], String::new()),
        told.recv_timeout(LONG).unwrap()
    );
    let (kind, key, _) = told.recv_timeout(LONG).unwrap();
    assert_eq!((EventKind::UnknownTrailer, b"key".to_vec()), (kind, key));
    assert_eq!("$bare", server.peer().ask(&["GET", "t:key"]));
}

#[test]
fn calls_that_wait_are_refused_on_the_thread_of_the_tier() {
    let mut server = Server::absent();
    let place = Arc::new(Mutex::new(None::<Arc<Tier>>));
    let (tell, told) = channel();
    let (seen, tell) = (place.clone(), Mutex::new(tell));
    let tier = server.builder().listener(move |event| {
        if event.kind == EventKind::Online {
            let tier = seen.lock().unwrap().take().unwrap();
            tell.lock()
                .unwrap()
                .send((tier.sync(), tier.get("key").err()))
                .unwrap();
        } // and drops the last handle there is
    });
    *place.lock().unwrap() = Some(Arc::new(tier.open().unwrap()));
    let near = Arc::downgrade(place.lock().unwrap().as_ref().unwrap());
    until(|| server.begin());
    let refused = (Err(Error::Recursion), Some(Error::Recursion));
    assert_eq!(refused, told.recv_timeout(LONG).unwrap());
    until(|| near.upgrade().is_none());
    let mut peer = server.peer();
    until(|| peer.ask(&["CLIENT", "LIST"]).lines().count() == 1); // the peer itself
}

#[test]
fn panic_of_a_listener_ends_with_it() {
    let server = Server::start();
    let tier = online(
        server
            .builder()
            .listener(|event| panic!("on purpose: {event:?}")),
    );
    tier.insert("key", "value").unwrap();
    assert_eq!(b"value", &*tier.get("key").unwrap().unwrap());
    assert!(thread::spawn(move || drop(tier)).join().is_err()); // there it ran in this call
}
