/* SPDX-License-Identifier: MIT */
#ifndef CACHETOOLS_REDIS_H
#define CACHETOOLS_REDIS_H
/**
 * libcachetools-redis: a second tier behind a cache, on a Redis or Valkey server.
 *
 *     ct_redis_options options = CT_REDIS_OPTIONS_INIT;
 *     options.url = "redis://localhost:6379";
 *     options.near = cache;
 *     options.prefix = "shop:";
 *     options.prefix_size = 5;
 *     options.ttl = CT_MINUTES(10);
 *     ct_redis *tier;
 *     if (ct_redis_open(&options, &tier) != CT_OK) return 1;
 *
 *     ct_value value;
 *     if (ct_redis_get_or_load(tier, "user:7", 6, 0, load_user, database, &value) == CT_OK) ...
 *     ct_value_release(&value);
 *     ct_redis_close(tier);
 *
 *     cc shop.c $(pkg-config --cflags --libs cachetools-redis) -o shop
 *
 * A read looks into the near cache, which is in this process; then on the server; then loads once,
 * across all threads and machines that use the same server and prefix. Whatever anybody writes under
 * the prefix on the server is pushed to every process at once (server-assisted client-side caching,
 * BCAST, RESP3), and leaves its near cache. Redis 6 or Valkey; no Cluster.
 *
 * The conventions of cachetools.h hold: bytes, statuses, results, threads, callbacks, options.
 * Times are nanoseconds: CT_SECONDS(1). Everything is in every release since 0.1.
 *
 * STALENESS. No read returns CT_OK with a value that had been replaced on the server, and the
 * replacement acknowledged to whoever wrote it, more than max_stale before the read began. This
 * holds while the network is cut, and while the server or this process is stopped. The time while
 * the machine is suspended does not count, as the monotonic clock stands still. A call that finds
 * no proof of this asks the server first, which costs one more round trip. What a loader
 * brings while the server cannot be reached is as old as its load, and serves for offline_ttl.
 *
 * NEAR. From ct_redis_open to ct_redis_close the near cache belongs to the tier, which clears it at
 * both ends. Read and write it through the tier alone (but see ct_redis_is_fresh). Its policy,
 * maxsize, listener and statistics are yours, as are stale, retry, negative_ttl and jitter: they
 * mean the same for the tier, which has no such options of its own. negative_ttl also makes the
 * server remember for all processes that there is no value, jitter is taken off the lifetimes that
 * options.ttl gives, and with stale the server keeps a value for that much longer, during which
 * each process that asks loads a new one. That one is stored if nobody has written the key
 * meanwhile, be it with the same old value.
 *
 * SERVER. The key there is prefix and key. The value is followed by a trailer of 8 bytes: kind
 * (0: a value, 1: remembered that there is none, 2: a lease, of 16 bytes that tell leases apart),
 * flags (0), grace in milliseconds (32 bits, little-endian: how much of the key's lifetime on the
 * server is past that of the value, for stale), version (1) and 0xC7. Programs in other
 * languages strip and append it. A value without it is taken for a miss, and never overwritten.
 */

#include <cachetools.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A tier: a connection to a server, and the near cache in front of it. Opaque. */
typedef struct ct_redis ct_redis;

/* ---- Options of a tier ----------------------------------------------------------------------- */

/** There is no thread. The connection is served by ct_redis_step, and by calls that wait. */
#define CT_REDIS_NO_THREAD 0x1u
/** Values on the server are bare bytes, without a trailer: to share keys with programs that know
 *  nothing of this library. There are no leases, so each process may load once, and a load may store
 *  what a writer has made obsolete meanwhile, until ttl ends it. It is not remembered on the server
 *  that there is no value. */
#define CT_REDIS_RAW 0x2u

/** What a listener is told of. */
typedef enum ct_redis_event_kind {
  CT_REDIS_ONLINE = 0,   /**< connected, and told of changes from now on */
  CT_REDIS_OFFLINE = 1,  /**< the connection was lost, refused or given up; text says why */
  CT_REDIS_OVERFLOW = 2, /**< more keys were written while offline than are remembered: this one may
                              be stale on the server until its ttl ends */
  CT_REDIS_UNKNOWN_TRAILER =
      3 /**< this key's value on the server was not written by this library */
} ct_redis_event_kind;

/** An event. The library writes it. It may grow, so read it through the pointer. */
typedef struct ct_redis_event {
  int32_t kind;      /**< a ct_redis_event_kind */
  uint32_t reserved; /**< 0 */
  ct_bytes key;      /**< borrowed for the call, without the prefix; empty if no key is concerned */
  ct_bytes text;     /**< borrowed for the call: what the server or the system said; may be empty */
} ct_redis_event;

/** Is told of events, with no lock held, mostly on the tier's own thread. Calls of the tier that
 *  would have to wait for the server return CT_ERR_RECURSION there; so do they in callbacks of the
 *  near cache, such as its listener, that run on that thread. */
typedef void (*ct_redis_listener_fn)(void *user_data, const ct_redis_event *event);

/** How to open a tier. Zero is the default everywhere; url and near are needed. */
typedef struct ct_redis_options {
  size_t struct_size;   /**< sizeof(ct_redis_options) */
  uint32_t flags;       /**< CT_REDIS_... */
  uint32_t reserved;    /**< 0 */
  const char *url;      /**< redis://user:password@host:port/db, rediss:// for TLS, or
                         * unix:///path?db=0; only the host is needed. Percent-encoded */
  ct_cache *near;       /**< in front of the server; outlives the tier. With the default timer,
                         * without refresh_ahead; a single-threaded one needs CT_REDIS_NO_THREAD */
  const void *prefix;   /**< of every key on the server. Access control must allow all of it */
  size_t prefix_size;   /**< in bytes, below 65536 */
  uint64_t ttl;         /**< lifetime on the server, in ns, at least 1 ms, as the next two; 0 or
                         * CT_NEVER: none */
  uint64_t near_ttl;    /**< longest lifetime in near, in ns; 0: the ttl of near, if it has one */
  uint64_t offline_ttl; /**< lifetime in near of what is loaded while the server cannot be reached,
                         * in ns from the beginning of the load; 0: max_stale */
  uint64_t max_stale;   /**< the bound on staleness, in ns, at least 50 ms; 0: 1 s */
  uint64_t timeout;     /**< how long a call waits for the server, or for the lease of another, in
                         * ns; 0: 5 s */
  uint64_t lease;       /**< how long others wait for a process that died while it loaded, in ns; at
                         * least 1 ms; 0: 10 s. Let it be longer than loads take */
  uint64_t max_value;   /**< bytes of a value that goes to the server; larger ones are not shared;
                         * 0: 16 MiB; at most 256 MiB */
  uint64_t max_pending; /**< bytes that may wait to be sent; beyond that calls return CT_BUSY;
                         * 0: 64 MiB; at least max_value + prefix_size + 512 */
  void *user_data;      /**< handed to listener */
  ct_redis_listener_fn listener; /**< NULL: none */
} ct_redis_options;

/** A ct_redis_options of defaults; url and near are left to you. */
#define CT_REDIS_OPTIONS_INIT                                                                \
  {                                                                                          \
    sizeof(ct_redis_options), 0, 0, CT_NULL_, CT_NULL_, CT_NULL_, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
        CT_NULL_, CT_NULL_                                                                   \
  }

/** As ct_options_init, for CT_REDIS_OPTIONS_INIT. */
CT_API void ct_redis_options_init(ct_redis_options *options, size_t struct_size);

/**
 * Says what is wrong with options.
 *
 * @return NULL if a tier can be opened with them; else one sentence that names the field, static
 *
 * Cost:      O(1); allocates to read the url.
 */
CT_API const char *ct_redis_problem(const ct_redis_options *options);

/* ---- A tier ---------------------------------------------------------------------------------- */

/**
 * Opens a tier, and clears the near cache. Does not wait for the server: until it is there, calls do
 * as when it is lost. The tier connects again whenever the connection is lost, after 50 ms at first
 * and after 2 to 3 s at most.
 *
 * @param options  not NULL; copied
 * @param out      [out] the tier on CT_OK, otherwise NULL
 * @return CT_OK; CT_ERR_INVALID (ct_redis_problem says what is wrong); CT_ERR_UNSUPPORTED for a
 *         rediss:// url if this library was built without TLS; CT_ERR_NOMEM; CT_ERR_IO if the system
 *         gives no thread or file descriptor
 *
 * Ownership: *out is yours, until ct_redis_close.
 * Threads:   begins one thread, which blocks all signals, unless CT_REDIS_NO_THREAD is set.
 * Callbacks: as ct_clear, of near.
 */
CT_API ct_status ct_redis_open(const ct_redis_options *options, ct_redis **out);

/**
 * Closes a tier, and clears the near cache. What was not sent is not sent any more.
 *
 * After a fork the child may do nothing else with the tier, and this leaves the connection to the
 * parent, and near as it is. Any other call in the child returns CT_ERR_UNSUPPORTED, or goes on to
 * read what is near for max_stale at most. As of any cache, that may wait for ever if another thread
 * was inside a call of near at the moment of the fork, and the tier's own may have been.
 *
 * @param tier  NULL does nothing
 *
 * Threads:   exclusive: no other call may be running; never from a callback.
 * Callbacks: as ct_clear, of near; listener, for CT_REDIS_OFFLINE.
 */
CT_API void ct_redis_close(ct_redis *tier);

/**
 * Waits until the server is there.
 *
 * @param wait_ns  in nanoseconds of real time
 * @return CT_OK; CT_BUSY if the time is over; CT_ERR_RECURSION on the tier's own thread;
 *         CT_ERR_INVALID; CT_ERR_UNSUPPORTED after a fork, as for all that follows
 */
CT_API ct_status ct_redis_wait(ct_redis *tier, uint64_t wait_ns);

/**
 * Waits until near shows all that was written on the server, and acknowledged to its writer, before
 * this call.
 *
 * @return CT_OK; CT_ERR_IO: the server cannot be reached, or has not answered within timeout;
 *         CT_BUSY; CT_ERR_RECURSION; CT_ERR_INVALID; CT_ERR_NOMEM
 *
 * Cost:      one round trip.
 */
CT_API ct_status ct_redis_sync(ct_redis *tier);

/* ---- Reading through a tier ------------------------------------------------------------------ */

/**
 * Looks a key up in the near cache, then on the server. What the server has stays near. Never waits
 * for a load.
 *
 * @param out  [out] the value on CT_OK, otherwise zeroed; NULL if only the use is wanted
 * @return CT_OK; CT_MISS: neither has it; CT_ERR_IO: near does not have it, and the server cannot be
 *         reached or has not answered within timeout; CT_ERR_UNSUPPORTED: the key holds no string on
 *         the server, or the server does not allow it; CT_BUSY beyond max_pending;
 *         CT_ERR_RECURSION; CT_ERR_INVALID; CT_ERR_TOO_LARGE; CT_ERR_NOMEM
 *
 * Ownership: ct_value_release gives *out back.
 * Callbacks: as ct_set, of near, on the tier's thread.
 * Cost:      near: as ct_get; else one round trip.
 */
CT_API ct_status ct_redis_get(ct_redis *tier, const void *key, size_t key_size, ct_value *out);

/**
 * Does the same as ct_redis_get, and copies the value.
 *
 * @param buffer    capacity bytes; NULL only if capacity is 0
 * @param capacity  in bytes
 * @param size      [out] on CT_OK the bytes copied, on CT_ERR_BUFFER the bytes needed, otherwise 0;
 *                  may be NULL
 * @return as ct_redis_get; CT_ERR_BUFFER: no value was copied
 *
 * Threads:   near, without a lock, as ct_get_copy.
 * Callbacks: as ct_redis_get.
 * Cost:      near: as ct_get_copy; else one round trip.
 */
CT_API ct_status ct_redis_get_copy(ct_redis *tier, const void *key, size_t key_size, void *buffer,
                                   size_t capacity, size_t *size);

/**
 * Does the same as ct_redis_get for many keys, with one round trip for all that are not near.
 *
 * @param keys      count keys
 * @param values    [out] count values, zeroed where there is none
 * @param statuses  [out] count statuses, each as ct_redis_get returns it; all 0 on failure
 * @return CT_OK: each key has a status, be it a failure; CT_ERR_RECURSION; CT_ERR_INVALID;
 *         CT_ERR_TOO_LARGE; CT_ERR_NOMEM
 *
 * Ownership: ct_value_release gives each value back.
 * Callbacks: as ct_redis_get.
 * Cost:      O(count); near as ct_get; else one round trip for all; allocates.
 */
CT_API ct_status ct_redis_get_many(ct_redis *tier, const ct_bytes *keys, size_t count,
                                   ct_value *values, ct_status *statuses);

/**
 * Looks a key up in the near cache, then on the server, and loads it if it is absent: once at a time
 * across all threads and machines. The others wait for it.
 *
 * Who loads holds a lease, which lies in the key itself on the server. Any write or deletion of the
 * key by anybody destroys it; the value then goes to the caller, and is kept nowhere. If the process
 * dies, the next one loads once the lease has ended. Who has waited for timeout loads for itself, and
 * keeps nothing.
 *
 * If the server cannot be reached, this loads, and keeps the value near for offline_ttl. If the
 * server refuses to store (out of memory, read-only), this loads, and keeps nothing.
 *
 * In load, ct_result_ttl, ct_result_deadline and ct_result_discard do not reach the server: ttl
 * decides. What load brings for a value that it renews, and says is not modified, is stored anew.
 *
 * @param ttl   lifetime on the server of what is loaded, in ns; 0: options.ttl; CT_NEVER: none
 * @param load  as of ct_get_or_load; runs on the calling thread, with no lock held
 * @param out   [out] the value on CT_OK, kept or not, and on CT_STALE, otherwise zeroed; may be NULL
 * @return as ct_get_or_load: CT_OK, CT_STALE, CT_MISS, or the failure that load returned; CT_BUSY
 *         also beyond max_pending; CT_ERR_IO if the server has failed in a way that allows no load;
 *         CT_ERR_UNSUPPORTED if the key holds no string on the server
 *
 * Ownership: ct_value_release gives *out back.
 * Threads:   waits for the load of another thread of this process as long as it takes.
 * Callbacks: load; then as ct_set, of near.
 * Cost:      near: as ct_get; a value on the server one round trip, a load two.
 */
CT_API ct_status ct_redis_get_or_load(ct_redis *tier, const void *key, size_t key_size,
                                      uint64_t ttl, ct_loader_fn load, void *user_data,
                                      ct_value *out);

/**
 * Returns whether near can be relied on at present, so that a read of what is near asks nobody.
 *
 * For callers that must not wait. What ct_get or ct_get_copy of near finds after this has returned
 * true is what ct_redis_get would have returned here, at once. After false, the tier's calls ask the
 * server first, unless it cannot be reached.
 *
 * @return false also for NULL
 *
 * Cost:      O(1); no lock, no system call.
 */
CT_API bool ct_redis_is_fresh(const ct_redis *tier);

/* ---- Writing through a tier ------------------------------------------------------------------ */
/*
 * Change the source first, then call ct_redis_delete or ct_redis_set. While the server cannot be
 * reached, these return CT_ERR_IO, drop what is near, and remember the key: once the server is there
 * again, and before any call may read from it, the key is deleted. 10,000 keys are remembered. When
 * the server refuses a write, nothing is changed and nothing remembered, except for read-only ones.
 */

/**
 * Stores a value on the server and near. All processes drop theirs.
 *
 * @param ttl  lifetime on the server, in ns; 0: options.ttl; CT_NEVER: none
 * @return CT_OK; CT_ERR_IO: the server cannot be reached, has not answered within timeout (the value
 *         may be stored), or refuses writes; CT_ERR_NOMEM, also if the server has no memory;
 *         CT_ERR_TOO_LARGE beyond max_value; CT_ERR_UNSUPPORTED if the server does not allow it;
 *         CT_BUSY beyond max_pending; CT_ERR_RECURSION; CT_ERR_INVALID
 *
 * Callbacks: as ct_set, of near, on the tier's thread.
 * Cost:      one round trip.
 */
CT_API ct_status ct_redis_set(ct_redis *tier, const void *key, size_t key_size, const void *value,
                              size_t value_size, uint64_t ttl);

/**
 * Deletes a key on the server and near. All processes drop theirs.
 *
 * @return CT_OK, whether it was there or not; otherwise as ct_redis_set
 *
 * Callbacks: as ct_delete, of near, on the tier's thread.
 * Cost:      one round trip.
 */
CT_API ct_status ct_redis_delete(ct_redis *tier, const void *key, size_t key_size);

/* ---- Event loops ----------------------------------------------------------------------------- */

/**
 * Returns a file descriptor that is readable whenever ct_redis_step has something to do. It stays
 * the same as long as the tier.
 *
 * @return -1 without CT_REDIS_NO_THREAD
 */
CT_API int ct_redis_fd(const ct_redis *tier);

/**
 * Does what the tier's thread would do now: reads and sends what can be, connects, asks the server
 * whether it is there. Does not wait, but when it looks up the name of a host.
 *
 * If it is not called for max_stale, what is near does not count until a call has asked the server.
 *
 * @return CT_OK; CT_BUSY if another thread is doing it; CT_ERR_UNSUPPORTED without
 *         CT_REDIS_NO_THREAD; CT_ERR_RECURSION from a callback of itself; CT_ERR_INVALID
 *
 * Callbacks: as ct_redis_set; listener.
 */
CT_API ct_status ct_redis_step(ct_redis *tier);

/* ---- Statistics of a tier -------------------------------------------------------------------- */

/** What has happened. Hits near are counted by the near cache: see ct_cache_stats. There a read that
 *  finds no value near counts as two misses, whether it goes on to the server or near remembers that
 *  there is no value; in ct_redis_get_many, and while near is not fresh, as one. */
typedef struct ct_redis_counters {
  size_t struct_size;     /**< sizeof(ct_redis_counters), set by the caller */
  uint64_t server_hits;   /**< values, or that there is none, found on the server */
  uint64_t server_misses; /**< keys absent on the server, or leased by another */
  uint64_t loads;         /**< calls of loaders */
  uint64_t fills;         /**< of these, whose answers were stored on the server */
  uint64_t fills_refused; /**< of these, whose answers were not, because the key was written */
  uint64_t unkept_loads;  /**< of these, without a lease, while online: after a timeout, or if the
                              * server refuses to store */
  uint64_t offline_loads; /**< of these, while the server could not be reached */
  uint64_t lease_waits;   /**< times that a call waited for the lease of another process */
  uint64_t writes;        /**< sets and deletes that were acknowledged */
  uint64_t invalidations; /**< keys that the server said were written by others */
  uint64_t flushes;       /**< times that it said so of all keys */
  uint64_t connects;      /**< times that the tier went online */
  uint64_t disconnects;   /**< times that it went offline */
  uint64_t timeouts;      /**< calls that waited for the server for too long */
  uint64_t unknown_trailers; /**< values that were not written by this library */
  uint64_t overflows;        /**< keys written while offline that could not be remembered */
  uint64_t remembered;       /**< keys written while offline that are still to be deleted: now */
  uint64_t pending_bytes;    /**< that wait to be sent: now */
  uint64_t online;           /**< 1 while online, else 0: now */
  uint64_t proof_age_ns;     /**< near shows all writes acknowledged until that long ago; CT_NEVER
                              * while offline */
} ct_redis_counters;

/** A ct_redis_counters for ct_redis_stats to fill in. */
#define CT_REDIS_COUNTERS_INIT \
  { sizeof(ct_redis_counters), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/** As ct_options_init, for CT_REDIS_COUNTERS_INIT. */
CT_API void ct_redis_counters_init(ct_redis_counters *counters, size_t struct_size);

/**
 * Reads the counters.
 *
 * @param out  [out] out->struct_size is set by the caller
 * @return CT_OK; CT_ERR_INVALID; CT_ERR_UNSUPPORTED after a fork
 *
 * Cost:      O(1); never allocates.
 */
CT_API ct_status ct_redis_stats(ct_redis *tier, ct_redis_counters *out);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* CACHETOOLS_REDIS_H */
