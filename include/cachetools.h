/* SPDX-License-Identifier: MIT */
#ifndef CACHETOOLS_H
#define CACHETOOLS_H
/**
 * libcachetools: an in-process cache of byte strings, bounded by a policy of your choice.
 *
 *     #include <cachetools.h>
 *     #include <stdio.h>
 *
 *     int main(void) {
 *       ct_cache *cache = ct_cache_new(CT_POLICY_LRU, 1000);
 *       if (cache == NULL) return 1;
 *
 *       ct_set(cache, "answer", 6, "forty-two", 9);
 *
 *       ct_value value;
 *       if (ct_get(cache, "answer", 6, &value) == CT_OK)
 *         printf("%.*s\n", (int)value.size, (const char *)value.data);
 *       ct_value_release(&value);
 *
 *       ct_cache_free(cache);
 *       return 0;
 *     }
 *
 *     cc answer.c $(pkg-config --cflags --libs cachetools) -o answer
 *
 * CONTENTS
 *
 *     Statuses, Policies, A cache         the first page: make, set, get, delete, free
 *     Reading, Writing, Removing, Many keys in one call
 *     Callbacks, Options                  weights, lifetimes, shards, listeners
 *     Time and lifetimes, Size            when entries expire, how many there are
 *     Iteration, Snapshots, Statistics    walks, saved contents, counters
 *     Loading, Computing                  one load a key, however many threads ask
 *     Keys, Memoized functions            keys from typed arguments, remembered results
 *     Names and version, Policies of your own, Allocators of your own
 *
 * CONVENTIONS, which hold for every function unless it says otherwise.
 *
 * Bytes.     Keys and values are any bytes: a pointer and a size. NULL is allowed with size 0 only.
 *            The library copies the bytes, and keeps no pointer to them. Padding counts: clear a
 *            struct that is a key by memset before you fill it. A size of 2^32 or more is
 *            CT_ERR_TOO_LARGE, before a byte is read or anything is changed. Data handed out is
 *            never NULL on success, even with size 0.
 * Statuses.  0: done. Positive: another ordinary outcome, such as a miss. Negative: the operation
 *            did not happen. Statuses of a callback's own (1000 and above, -1000 and below) come
 *            back unchanged: return (ct_status)MY_TIMEOUT. NULL for a handle or a result that is
 *            needed, an unknown flag, or a reserved field that is not 0 is CT_ERR_INVALID, or the
 *            result 0, false or NULL.
 * Failure.   After a negative status the cache holds what it held before, less expired entries.
 *            Nothing is evicted to satisfy the allocator. The library never aborts or prints,
 *            unless a handle is freed twice: then it does both, as free() does. Using a handle after
 *            it was freed and releasing a copied ct_value twice are undefined; a library built with
 *            -Ddebug_handles=true aborts.
 * Results.   Every [out] argument is written: the result on the statuses listed, zeros otherwise.
 * Threads.   All functions are safe to call from any thread at once, unless they say "exclusive".
 *            Only one thread at a time may use a cache with CT_FLAG_SINGLE_THREADED or its values.
 * Callbacks. Each function lists those that it may call. Callbacks says what they may do.
 * Since.     Everything is in every release since 0.1.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define CT_API __attribute__((visibility("default")))
#else
#define CT_API
#endif
#ifdef __cplusplus
#define CT_NULL_ nullptr
#define CT_U64_(number) static_cast<uint64_t>(number)
extern "C" {
#else
#define CT_NULL_ NULL
#define CT_U64_(number) ((uint64_t)(number))
#endif

/* ---- Statuses ------------------------------------------------------------------------------- */

/** What a call returns. Numbers are never reused. Bindings use int32_t: callbacks add their own. */
typedef enum ct_status {
  CT_STATUS_RANGE_MIN_ = -0x7fffffff - 1, /**< never returned; makes the type 32 bits wide */

  CT_ERR_CALLBACK = -10,   /**< a callback answered what it may not; see Callbacks */
  CT_ERR_UNSUPPORTED = -9, /**< this cache, value or system cannot do that */
  CT_ERR_INTERNAL = -8,    /**< the library has a fault, or its binding to another language */
  CT_ERR_IO = -7,          /**< reading or writing failed */
  CT_ERR_CORRUPT = -6,     /**< the input is truncated or altered */
  CT_ERR_RECURSION = -5,   /**< the call would wait for itself */
  CT_ERR_BUFFER = -4,      /**< the buffer is too small; the call returns the size needed */
  CT_ERR_TOO_LARGE = -3,   /**< the entry weighs more than maxsize, or a size is 2^32 or more */
  CT_ERR_NOMEM = -2,       /**< the allocator has no memory left */
  CT_ERR_INVALID = -1,     /**< an argument is not allowed */
  CT_OK = 0,               /**< done */
  CT_MISS = 1,             /**< there is no such entry: it is absent or expired */
  CT_EXISTS = 2,           /**< there is such an entry already */
  CT_NOT_STORED = 3,       /**< the value was not kept */
  CT_LEASED = 4,           /**< the caller must now load this key */
  CT_BUSY = 5,             /**< another caller is loading this key, or others keep changing it */
  CT_END = 6,              /**< nothing more follows */
  CT_STALE = 7,   /**< here is a value past its lifetime: no newer one could be loaded yet */
  CT_RENEW = 8,   /**< here is a value, and the caller must now load a newer one */
  CT_PENDING = 9, /**< the answer comes later, by a callback */
  CT_STATUS_RANGE_MAX_ = 0x7fffffff /**< never returned */
} ct_status;

/* ---- Policies ------------------------------------------------------------------------------- */

/** Which entry leaves when room is needed. Expired entries, of all shards, leave before live ones.
 *  Each shard keeps its own order, so the order is exact with one shard. With several threads, uses
 *  close in time may be reordered or lost; with one thread none are. See Options for more. */
typedef enum ct_policy {
  CT_POLICY_LRU = 0,       /**< least recently used */
  CT_POLICY_FIFO = 1,      /**< first stored; an update counts as storing */
  CT_POLICY_LFU = 2,       /**< least often used; of several, the first to have reached its count */
  CT_POLICY_RR = 3,        /**< random */
  CT_POLICY_TTL = 4,       /**< least recently used; requires a ttl */
  CT_POLICY_TLRU = 5,      /**< least recently used; requires a ttu callback */
  CT_POLICY_ANY = 6,       /**< first inserted; an update does not move an entry */
  CT_POLICY_MRU = 7,       /**< most recently used */
  CT_POLICY_CLOCK = 8,     /**< CLOCK: oldest entry not used since the hand last passed it */
  CT_POLICY_SIEVE = 9,     /**< SIEVE: as CLOCK, but new entries come before spared ones */
  CT_POLICY_S3FIFO = 10,   /**< S3-FIFO: new entries not used twice within a tenth of the room */
  CT_POLICY_WTINYLFU = 11, /**< W-TinyLFU: by frequency, with a window by recency that adapts */
  CT_POLICY_ARC = 12,      /**< ARC: learns to weigh recent against repeated use */
  CT_POLICY_ADAPTIVE = 13, /**< learns when entries come back, and keeps those worth their room */
  CT_POLICY_CUSTOM = 63,   /**< yours: see ct_policy_ops */
  CT_POLICY_RANGE_MAX_ = 0x7fffffff /**< never used; makes the type 32 bits wide */
} ct_policy;

/* ---- A cache -------------------------------------------------------------------------------- */

/** A cache: entries, each a key and its value, up to a limit. Opaque. */
typedef struct ct_cache ct_cache;

/**
 * Makes a cache from a policy and a limit, in O(1). ct_cache_new_with takes more options.
 *
 * @param policy   any but TTL, TLRU and CUSTOM, which need a ttl, a ttu and ct_policy_ops
 * @param maxsize  number of entries; 0 keeps none; CT_UNBOUNDED
 * @return the cache, yours until ct_cache_free; NULL without memory, or for another policy: then
 *         ct_options_problem, given options with that policy and maxsize, says what is missing
 */
CT_API ct_cache *ct_cache_new(ct_policy policy, uint64_t maxsize);

/**
 * Stores a value under a key, in place of the old value. Makes room first, see Writing.
 *
 * @return CT_OK; CT_NOT_STORED if its lifetime is over at once (dead on arrival), and the old value
 *         is gone; CT_ERR_TOO_LARGE if it weighs more than maxsize, and the old value stays
 *         (ct_delete removes it); CT_ERR_INVALID; CT_ERR_NOMEM; CT_ERR_CALLBACK if a policy of
 *         yours chose a dead id
 *
 * Callbacks: weigher, ttu, listener, drop; inside: timer, choice, ct_policy_ops.
 * Cost:      O(1) amortized, and what it copies, evicts and moves (see ct_weight_kind); allocates.
 */
CT_API ct_status ct_set(ct_cache *cache, const void *key, size_t key_size, const void *value,
                        size_t value_size);

/** A value read out. It is pinned: valid and unchanged until ct_value_release, whatever happens to
 *  its entry (eviction, replacement, ct_clear) or to the cache (ct_cache_free). Do not copy it by
 *  assignment; ct_value_ref takes another pin. You may lower size before you release it, to hand on
 *  the beginning of a value. This struct never changes. */
typedef struct ct_value {
  const void *data; /**< size bytes, aligned to 8; NULL if nothing is held */
  size_t size;      /**< in bytes */
  uint64_t pin;     /**< the library's; 0 if nothing is held */
} ct_value;

/**
 * Looks a key up. A hit is a use: it matters to the policy, renews the tti, and is counted.
 *
 * @param out  [out] the value on CT_OK, otherwise zeroed; NULL if only the use is wanted
 * @return CT_OK; CT_MISS; CT_ERR_INVALID; CT_ERR_NOMEM, only beyond 65,000 pins on one entry
 *
 * Ownership: ct_value_release gives *out back.
 * Callbacks: inside: timer, ct_policy_ops.
 * Cost:      O(1); allocates only beyond 65,000 pins on one entry, and for a count of LFU.
 */
CT_API ct_status ct_get(ct_cache *cache, const void *key, size_t key_size, ct_value *out);

/**
 * Releases a value, and sets it to hold nothing, so that releasing it again is harmless. The last
 * release of a value that has left its cache calls drop and frees its memory.
 *
 * @param value  filled by this library after any status, or zeros, or NULL; by one thread at a time
 *
 * Callbacks: drop; the allocator.
 * Cost:      O(1); never allocates.
 */
CT_API void ct_value_release(ct_value *value);

/**
 * Removes an entry, with cause REMOVED. Overtakes a running load of the key (see Loading).
 *
 * @return CT_OK; CT_MISS; CT_ERR_INVALID
 *
 * Callbacks: listener, drop; inside: timer, ct_policy_ops.
 * Cost:      O(1); never allocates.
 */
CT_API ct_status ct_delete(ct_cache *cache, const void *key, size_t key_size);

/**
 * Frees a cache. Pinned values stay readable; the last release frees what remains of the cache.
 * drop is called for every other value. The listener is told nothing: call ct_clear first for that.
 *
 * @param cache  NULL does nothing; no iterator and no lease of it may be left
 * Threads:   exclusive: no other call may be running; never from a callback.
 * Callbacks: drop; the allocator; state_free.
 * Cost:      O(entries) with drop or pins, else O(memory blocks); never allocates.
 */
CT_API void ct_cache_free(ct_cache *cache);

/* ---- Reading -------------------------------------------------------------------------------- */

/**
 * Looks a key up and copies the value. A hit is a use.
 *
 * @param buffer    capacity bytes; NULL only if capacity is 0. Holds the value on CT_OK. Otherwise
 *                  it may hold anything: the value may have been copied before it was found to be
 *                  expired or replaced
 * @param capacity  in bytes
 * @param size      [out] on CT_OK the bytes copied, on CT_ERR_BUFFER the bytes needed, otherwise 0;
 *                  may be NULL
 * @return CT_OK; CT_MISS; CT_ERR_BUFFER: no value was copied, and this was no use and is not
 *         counted; CT_ERR_INVALID
 *
 * Threads:   takes no lock on 64-bit systems for keys up to 256 bytes and values up to 15 KiB, if
 *            the cache has no tti, no CT_POLICY_CUSTOM and no allocator of yours, in shards that
 *            have had 128 entries or, with CT_WEIGHT_COUNT, three quarters of what they may hold.
 *            But once in 16 hits, it takes the lock to report them to the policy; CLOCK, SIEVE,
 *            S3FIFO, FIFO, ANY and RR need no report. A second thread takes it once for each shard.
 * Callbacks: drop, if the value left while it was copied; inside: timer, ct_policy_ops.
 * Cost:      O(value_size); allocates only for a count of LFU, and, unless CT_WEIGHT_MEMORY, 1.6 kB
 *            for each shard when a second thread reads, and does without that if it must.
 */
CT_API ct_status ct_get_copy(ct_cache *cache, const void *key, size_t key_size, void *buffer,
                             size_t capacity, size_t *size);

/**
 * Looks a key up without a trace: this is no use, and nothing is counted. Otherwise as ct_get.
 *
 * Callbacks: inside: timer.
 * Cost:      O(1); allocates only beyond 65,000 pins on one entry.
 */
CT_API ct_status ct_peek(ct_cache *cache, const void *key, size_t key_size, ct_value *out);

/**
 * Returns whether a key is there and not expired. This is no use, and nothing is counted.
 *
 * @return false also for arguments that are not allowed
 *
 * Callbacks: inside: timer.
 * Cost:      O(1); never allocates.
 */
CT_API bool ct_contains(ct_cache *cache, const void *key, size_t key_size);

/** A ct_value that holds nothing. */
#define CT_VALUE_INIT \
  { CT_NULL_, 0, 0 }

/**
 * Takes a second, independent pin on a value.
 *
 * @param value  holds something, or nothing
 * @param out    [out] the same value on CT_OK, to be released too; otherwise zeroed. If it is value
 *               itself, the result is CT_ERR_INVALID, and value stays as it is
 * @return CT_OK, also for a value that holds nothing; CT_ERR_INVALID; CT_ERR_NOMEM, only beyond
 *         65,000 pins on one entry
 *
 * Cost:      O(1); allocates only beyond 65,000 pins on one entry.
 */
CT_API ct_status ct_value_ref(const ct_value *value, ct_value *out);

/* ---- Writing -------------------------------------------------------------------------------- */
/*
 * To make room for an entry, expired entries leave first, then victims of the policy until the
 * entry fits. Victims leave the key's own shard, or another one if that has more entries or the
 * key's own has none. An update to a heavier value needs room for the difference only, and the
 * updated entry itself may become a victim. A victim may weigh 0, and then makes no room.
 *
 * A shard can refer to 24 to 31 GiB of entries; values of more than 16 KiB hardly count. When that
 * is used up, victims of the shard leave as at any limit, and the listener is told of them before
 * the value is stored. More shards put this off.
 *
 * A write of a key overtakes a running load of it, as Loading explains: what that load brings is
 * older, and is not kept. A ct_set that is refused for its weight or for want of memory does this.
 */

/** In time or weight: no end, no limit. */
#define CT_NEVER UINT64_MAX

/* A number of units of so many ticks each. "| 0" takes integers only. */
#define CT_TICKS_(number, each)                                                           \
  (((number) | 0) > 0                                                                     \
       ? (CT_U64_(number) * (each) / (each) == CT_U64_(number) ? CT_U64_(number) * (each) \
                                                               : CT_NEVER)                \
       : CT_U64_(0))

/**
 * For every ttl and tti of the default timer, whose ticks are nanoseconds, and for wait_ns:
 * CT_SECONDS(60) is a minute. The number is an integer of any type, as CT_SECONDS(1.5) does not
 * compile: CT_MILLISECONDS(1500). A number below 0 counts as 0. What 64 bits do not hold becomes
 * CT_NEVER. The result is a uint64_t, constant if the number is. The number is evaluated more than
 * once.
 */
#define CT_NANOSECONDS(number) CT_TICKS_(number, CT_U64_(1))
/** As CT_NANOSECONDS. */
#define CT_MICROSECONDS(number) CT_TICKS_(number, CT_U64_(1000))
/** As CT_NANOSECONDS. */
#define CT_MILLISECONDS(number) CT_TICKS_(number, CT_U64_(1000000))
/** As CT_NANOSECONDS. */
#define CT_SECONDS(number) CT_TICKS_(number, CT_U64_(1000000000))
/** As CT_NANOSECONDS. */
#define CT_MINUTES(number) CT_TICKS_(number, CT_U64_(60) * 1000000000)
/** As CT_NANOSECONDS. */
#define CT_HOURS(number) CT_TICKS_(number, CT_U64_(3600) * 1000000000)

/**
 * Stores a value with a lifetime of its own, instead of the cache's ttl or ttu.
 *
 *     ct_set_ttl(cache, "token", 5, token, token_size, CT_MINUTES(15));
 *
 * @param ttl  in ticks from now; 0 is dead on arrival; CT_NEVER: none
 * @return as ct_set
 *
 * Callbacks: as ct_set.
 * Cost:      as ct_set.
 */
CT_API ct_status ct_set_ttl(ct_cache *cache, const void *key, size_t key_size, const void *value,
                            size_t value_size, uint64_t ttl);

/** ct_entry_options.ttl applies, from now on. Not together with CT_ENTRY_DEADLINE. */
#define CT_ENTRY_TTL 0x1u
/** ct_entry_options.deadline applies. */
#define CT_ENTRY_DEADLINE 0x2u
/** ct_entry_options.weight applies, and no weigher is called. CT_ERR_INVALID if the cache weighs by
 *  CT_WEIGHT_MEMORY. */
#define CT_ENTRY_WEIGHT 0x4u
/** Store only if the key is absent or expired: else CT_EXISTS. */
#define CT_ENTRY_IF_ABSENT 0x8u
/** Store only if the key is there: else CT_MISS. Of this, CT_ENTRY_IF_ABSENT and CT_ENTRY_IF_SAME
 *  at most one. */
#define CT_ENTRY_IF_PRESENT 0x10u
/** Store only if the key still has the very value ct_entry_options.same: CT_MISS if it has none,
 *  CT_EXISTS if it has another. See Conditions. Not in ct_set_many. */
#define CT_ENTRY_IF_SAME 0x20u
/** The value that is replaced hands its deadline on, or its being without one. Only if the key is
 *  absent, CT_ENTRY_TTL, CT_ENTRY_DEADLINE and the cache's ttl or ttu count; otherwise no ttu is
 *  called. A tti begins anew. In a cache without lifetimes, the entry becomes a little longer. */
#define CT_ENTRY_KEEP_TTL 0x40u

/*
 * Conditions. A value that you hold is a version of its key: what ct_get, ct_peek or another call
 * has handed out, until you release it. CT_ENTRY_IF_SAME and ct_delete_if change a key only if its
 * value is still that one:
 *
 *     ct_value seen;
 *     ct_get(cache, key, key_size, &seen);
 *     ct_entry_options options = CT_ENTRY_OPTIONS_INIT;
 *     options.flags = CT_ENTRY_IF_SAME | CT_ENTRY_KEEP_TTL;
 *     options.same = &seen;
 *     status = ct_set_with(cache, key, key_size, changed, changed_size, &options);
 *     ct_value_release(&seen);
 *
 * What counts is which value it is, not its bytes: equal bytes that were stored later are another
 * value. A value stays the same through ct_set_lifetime, ct_lease_keep, ct_result_not_modified and
 * moves in memory. The value of another key or cache, and one that was handed back instead of being
 * stored, is never that of the key. A ct_value that holds nothing stands for an absent key.
 */
/** ct_entry_options.tags apply: see Tags. */
#define CT_ENTRY_TAGS 0x80u
/** ct_entry_options.cost applies: ADAPTIVE keeps what costs much for its weight. Other policies
 *  ignore it. Each store says it anew; snapshots keep it for ADAPTIVE. */
#define CT_ENTRY_COST 0x100u

/** Borrowed bytes. This struct never changes. */
typedef struct ct_bytes {
  const void *data; /**< size bytes */
  size_t size;      /**< in bytes */
} ct_bytes;

/** What is special about one entry. A field without its flag must be 0, else CT_ERR_INVALID. */
typedef struct ct_entry_options {
  size_t struct_size;   /**< sizeof(ct_entry_options) */
  uint32_t flags;       /**< CT_ENTRY_... */
  uint32_t reserved;    /**< 0 */
  uint64_t ttl;         /**< in ticks from now; 0 is dead on arrival; CT_NEVER: none */
  uint64_t deadline;    /**< in ticks, absolute; CT_NEVER: none */
  uint64_t weight;      /**< in units of maxsize */
  const ct_value *same; /**< borrowed for the call; not NULL with CT_ENTRY_IF_SAME */
  const ct_bytes *tags; /**< read during the call; NULL only if there are none */
  size_t tag_count;     /**< 8 at most, equal ones included; an entry has these once */
  uint64_t cost;        /**< of bringing the value back, in any unit; 1 without the flag; not 0 */
} ct_entry_options;

/** A ct_entry_options that says nothing special. */
#define CT_ENTRY_OPTIONS_INIT \
  { sizeof(ct_entry_options), 0, 0, 0, 0, 0, CT_NULL_, CT_NULL_, 0, 0 }

/** As ct_options_init, for CT_ENTRY_OPTIONS_INIT. */
CT_API void ct_entry_options_init(ct_entry_options *options, size_t struct_size);

/**
 * Says what is wrong with options of an entry of this cache, after a CT_ERR_INVALID.
 *
 * Some calls take fewer options than ct_set_with, and say so.
 *
 * @param options  NULL: nothing is wrong
 * @return NULL if ct_set_with takes them; else one sentence that names the field, static
 *
 * Cost:      O(1); never allocates.
 */
CT_API const char *ct_entry_options_problem(const ct_cache *cache, const ct_entry_options *options);

/**
 * Stores a value with a lifetime, a weight or a condition of its own. With CT_ENTRY_IF_SAME this is
 * compare-and-swap.
 *
 * The condition is checked first, then the lifetime, then the weight. CT_EXISTS overtakes no load
 * of the key. CT_MISS does: the call counts as a set that came after the load.
 *
 * @param options  NULL: as ct_set; ct_entry_options_problem says what is wrong with them
 * @return as ct_set; CT_EXISTS with CT_ENTRY_IF_ABSENT, CT_MISS with CT_ENTRY_IF_PRESENT, either
 *         with CT_ENTRY_IF_SAME: nothing was stored; CT_NOT_STORED also if a tag was invalidated
 *         while this ran
 *
 * Callbacks: as ct_set.
 * Cost:      as ct_set.
 */
CT_API ct_status ct_set_with(ct_cache *cache, const void *key, size_t key_size, const void *value,
                             size_t value_size, const ct_entry_options *options);

/**
 * Adds to a counter, as if at once: an entry whose value is 8 bytes, an int64_t in the machine's
 * order. Of an absent key it stores initial + delta. Sums saturate at INT64_MIN and INT64_MAX.
 *
 * A counter that is there keeps its lifetime and its weight; only a tti begins anew. The options
 * count for one that is absent, as do the cache's ttl, ttu and weigher. So this call alone limits
 * a rate to 100 a minute, in windows that begin with their first request:
 *
 *     ct_entry_options window = CT_ENTRY_OPTIONS_INIT;
 *     window.flags = CT_ENTRY_TTL;
 *     window.ttl = CT_SECONDS(60);
 *     int64_t count;
 *     ct_add(cache, client, client_size, 1, 0, &window, &count);
 *     const bool allowed = count <= 100;
 *
 * It counts one hit or one miss, unless it fails, and is a write of the key: an update, which a
 * listener is told of with cause REPLACED, or an insert. It overtakes a running load of the key,
 * but not if it returns CT_ERR_UNSUPPORTED or CT_ERR_INVALID.
 *
 * @param delta    what to add, may be negative
 * @param initial  what to add it to if the key is absent
 * @param options  NULL: none; of its flags CT_ENTRY_TTL, CT_ENTRY_DEADLINE, CT_ENTRY_WEIGHT,
 *                 CT_ENTRY_TAGS and CT_ENTRY_IF_PRESENT are allowed
 * @param out      [out] the sum on CT_OK and CT_NOT_STORED, otherwise 0; may be NULL
 * @return as ct_set; CT_MISS with CT_ENTRY_IF_PRESENT; CT_ERR_UNSUPPORTED if the value there has
 *         another size
 *
 * Callbacks: as ct_set; weigher and ttu only if the key is absent.
 * Cost:      as ct_set; in place, unless there is a listener or drop, or the value is pinned.
 */
CT_API ct_status ct_add(ct_cache *cache, const void *key, size_t key_size, int64_t delta,
                        int64_t initial, const ct_entry_options *options, int64_t *out);

/**
 * Reads a key, and stores the given value first if the key is absent.
 *
 * A hit is a use and does not renew the ttl. If the key is absent, this counts one miss and
 * overtakes a running load of the key, as ct_set does. All callers at the same time get the same
 * value.
 *
 * @param out  [out] on CT_OK and CT_NOT_STORED the value found, else the given one; otherwise
 *             zeroed; may be NULL
 * @return CT_OK; CT_NOT_STORED if the given value is dead on arrival; else as ct_set
 *
 * Ownership: ct_value_release gives *out back.
 * Callbacks: as ct_set.
 * Cost:      as ct_set.
 */
CT_API ct_status ct_setdefault(ct_cache *cache, const void *key, size_t key_size, const void *value,
                               size_t value_size, ct_value *out);

/* ---- Removing ------------------------------------------------------------------------------- */

/**
 * Removes an entry, with cause REMOVED, and hands its value over. Counts neither a hit nor a miss.
 * Overtakes a running load of the key, whether there is an entry or not; so does ct_delete.
 *
 * @param out  [out] the value on CT_OK, otherwise zeroed; may be NULL
 * @return CT_OK; CT_MISS; CT_ERR_INVALID; CT_ERR_NOMEM, only beyond 65,000 pins on one entry
 *
 * Ownership: ct_value_release gives *out back.
 * Callbacks: listener, drop; inside: timer, ct_policy_ops.
 * Cost:      O(1).
 */
CT_API ct_status ct_pop(ct_cache *cache, const void *key, size_t key_size, ct_value *out);

/**
 * Removes an entry, with cause REMOVED, if the key still has the very value `same` (see Conditions
 * under Writing). Nothing is counted but the removal. CT_OK and CT_MISS overtake a running load of
 * the key, CT_EXISTS does not.
 *
 * @param same  a value that is held. One that holds nothing is no entry's: the result is CT_EXISTS
 *              if there is an entry, else CT_MISS
 * @return CT_OK; CT_MISS if the key is absent; CT_EXISTS if it has another value, which stays;
 *         CT_ERR_INVALID, also if same is NULL
 *
 * Callbacks: listener, drop; inside: timer, ct_policy_ops.
 * Cost:      O(1); never allocates.
 */
CT_API ct_status ct_delete_if(ct_cache *cache, const void *key, size_t key_size,
                              const ct_value *same);

/**
 * Removes the policy's next victim, with cause EVICTED, never an expired entry. Shards take turns.
 *
 * @param key    [out] a copy of its key on CT_OK, otherwise zeroed; may be NULL
 * @param value  [out] its value on CT_OK, otherwise zeroed; may be NULL
 * @return CT_OK; CT_MISS if the cache is empty; CT_ERR_INVALID; CT_ERR_NOMEM; CT_ERR_CALLBACK if a
 *         policy of yours chose a dead id
 *
 * Ownership: ct_value_release gives *key and *value back.
 * Callbacks: listener, drop; inside: timer, choice, ct_policy_ops.
 * Cost:      O(1), with shards O(shards) at worst; allocates only beyond 65,000 pins on one entry.
 */
CT_API ct_status ct_popitem(ct_cache *cache, ct_value *key, ct_value *value);

/**
 * Removes all entries, with cause CLEARED or EXPIRED: a few hundred at a time if each one must be
 * told of; else all of a shard at once, which keeps other calls waiting for about 1 ms for each
 * million, or 10 ms with CT_WEIGHT_MEMORY. Counters stay as they are. Overtakes every running load.
 *
 * @return CT_OK; CT_ERR_INVALID
 *
 * Threads:   entries that others store meanwhile may stay.
 * Callbacks: listener, drop; inside: timer, ct_policy_ops.
 * Cost:      O(entries); never allocates.
 */
CT_API ct_status ct_clear(ct_cache *cache);

/** Returns whether an entry matches. */
typedef bool (*ct_match_fn)(void *user_data, const void *key, size_t key_size, const void *value,
                            size_t value_size);

/**
 * Removes all entries that match, with cause REMOVED. An entry that is written after match saw it
 * stays.
 *
 * Overtakes every load that runs when this is called, because match cannot judge a value that is
 * still being loaded.
 *
 * @param match  not NULL; called once for each entry that is there throughout
 * @return how many were removed; 0 also for arguments that are not allowed, and if there is no
 *         memory for the walk
 *
 * Callbacks: match, listener, drop; inside: timer, ct_policy_ops.
 * Cost:      O(entries); allocates O(1).
 */
CT_API uint64_t ct_remove_if(ct_cache *cache, ct_match_fn match, void *user_data);

/* ---- Tags ----------------------------------------------------------------------------------- */
/*
 * A value may carry up to 8 tags, which are any bytes: the things that it was made of, such as
 * "product:17" or "template:4". When one of them changes, ct_invalidate_tag ends all values that
 * carry its tag, whatever their keys are.
 *
 *     ct_bytes tags[] = {{"product:17", 10}, {"template:4", 10}};
 *     ct_entry_options options = CT_ENTRY_OPTIONS_INIT;
 *     options.flags = CT_ENTRY_TAGS;
 *     options.tags = tags;
 *     options.tag_count = 2;
 *     ct_set_with(cache, "/shoes", 6, page, page_size, &options);
 *     ct_invalidate_tag(cache, "product:17", 10, 0);
 *
 * Tags belong to the value. Another value of the key comes without them, and ct_set_lifetime,
 * ct_lease_keep and ct_result_not_modified leave them. Snapshots carry them.
 *
 * An invalidated entry cannot be read any more, not even as a stale one (see Freshness); a set over
 * it is an insert, and ct_delete and ct_pop return CT_MISS. It weighs until it is swept: each call
 * that stores sweeps a few, and ct_len, ct_currsize, ct_popitem, ct_expire, ct_cache_copy and the
 * calls that load a snapshot sweep all before they do anything else. The listener is told of it
 * once, with cause REMOVED, by the call that sweeps it or meets it in its way.
 *
 * A value whose loader or compute was called before the invalidation is not kept if it carries the
 * tag, because it may be made of what was there before. It goes to its own caller, and is taken for
 * stored and invalidated at once: what a compute was to replace is gone. Callers that
 * wait for such a load start anew, since they may have come after the invalidation. What was called
 * before the cache was ever given a tag is not kept with any tag once one is invalidated.
 *
 * A tag of 2^32 bytes or more is refused, among options with CT_ERR_INVALID.
 *
 * Each tag takes 8 bytes in each entry. What is known of a tag takes about 64 bytes and its name,
 * while an entry carries it or loads run that began before it was invalidated. A cache that was
 * never given a tag spends nothing.
 */

/**
 * Invalidates all entries that carry a tag, at once, without touching them.
 *
 * @param tag    NULL only if tag_size is 0, which is a tag as any other
 * @param flags  0
 * @return CT_OK, whether or not an entry carries the tag; CT_ERR_INVALID; CT_ERR_TOO_LARGE for 2^32
 *         bytes or more
 *
 * Threads:   a call of another thread that was begun before may still read the values.
 * Callbacks: inside: allocator.
 * Cost:      O(tag_size), however many entries there are. If there is no memory to remember the tag
 *            for loads that run, none of these keeps a value that carries tags.
 */
CT_API ct_status ct_invalidate_tag(ct_cache *cache, const void *tag, size_t tag_size,
                                   uint32_t flags);

/* ---- Many keys in one call ------------------------------------------------------------------ */
/*
 * These calls are not atomic: each key is read or written on its own. Arrays of no elements may be
 * NULL.
 */

/**
 * ct_get for many keys in one call.
 *
 * @param keys      count keys
 * @param values    [out] count values, zeroed where there was no hit
 * @param statuses  [out] count statuses: CT_OK or CT_MISS; all 0 on failure
 * @return CT_OK, hits or not; on a failure of ct_get no value stays pinned, and the uses that came
 *         before it remain uses
 *
 * Ownership: each value is given back with ct_value_release.
 * Callbacks: inside: timer, ct_policy_ops.
 * Cost:      O(count); as ct_get.
 */
CT_API ct_status ct_get_many(ct_cache *cache, const ct_bytes *keys, size_t count, ct_value *values,
                             ct_status *statuses);

/**
 * ct_get_copy for many keys in one call, all flat: for languages that may not pass nested pointers.
 *
 * @param keys        the keys, one after the other
 * @param key_ends    count offsets into keys: where each key ends and the next begins
 * @param buffer      capacity bytes for the values, one after the other
 * @param value_ends  [out] count offsets into buffer: where each value ends. Where there was no
 *                    hit, the range is empty. Written on CT_ERR_BUFFER too; the last one is then
 *                    the capacity needed
 * @param statuses    [out] count statuses: CT_OK or CT_MISS; all 0 on failure
 * @return CT_OK, hits or not; CT_ERR_BUFFER: no value was copied, used or counted; CT_ERR_INVALID,
 *         also if an offset in key_ends is less than the one before; CT_ERR_NOMEM
 *
 * Callbacks: as ct_get_copy.
 * Cost:      O(count + bytes); look-ups overlap, so that a key costs less than in ct_get_copy.
 *            Allocates beyond 64 keys.
 */
CT_API ct_status ct_get_many_copy(ct_cache *cache, const void *keys, const size_t *key_ends,
                                  size_t count, void *buffer, size_t capacity, size_t *value_ends,
                                  ct_status *statuses);

/**
 * ct_set_with for many pairs in one call, in order.
 *
 * A pair with a key or a value of 2^32 bytes or more fails alone: its status is CT_ERR_TOO_LARGE.
 *
 * @param data      key, value, key, value …, one after the other
 * @param ends      2 × count offsets into data: where each ends and the next begins
 * @param options   for all of them; NULL: as ct_set
 * @param statuses  [out] count statuses as of ct_set_with, failures too; may be NULL
 * @return CT_OK; the first negative status of a pair, after all were tried; CT_ERR_INVALID: nothing
 *         was tried
 *
 * Callbacks: as ct_set.
 * Cost:      count times that of ct_set.
 */
CT_API ct_status ct_set_many(ct_cache *cache, const void *data, const size_t *ends, size_t count,
                             const ct_entry_options *options, ct_status *statuses);

/* ---- Callbacks ------------------------------------------------------------------------------ */
/*
 * Callbacks run on the calling thread. Most run with no lock of the library held, and may call back
 * into the same cache. Those that a function lists after "inside" run inside the critical section:
 * timer, choice, ct_policy_ops and the allocator. These must not call the library, not even
 * ct_value_release: beware of finalizers.
 *
 * No callback may unwind through the library (C++ exception, longjmp, pthread_exit, Rust panic),
 * since what the call has begun then never ends. If a loader does, its thread gets CT_ERR_RECURSION
 * for that key ever after, and other threads wait for it for ever. So catch everything, put it away
 * in user_data, and answer a status of your own, on which the caller throws it again.
 *
 * No callback may free the cache. After ct_cache_free only drop and the allocator can run, when the
 * remaining values are released.
 *
 * A call fails with CT_ERR_CALLBACK if one of its callbacks answered what it may not:
 *
 * - a ct_loader_fn, ct_compute_fn, ct_memo_fn, ct_memo_key_fn, ct_write_fn or ct_read_fn a status
 *   that is not for it;
 * - the first three CT_OK without a value, or with a weight where CT_WEIGHT_MEMORY weighs;
 * - a ct_memo_cache_fn NULL;
 * - a ct_read_fn more bytes than it was asked for;
 * - victim of ct_policy_ops an id that is not in the cache.
 *
 * The other callbacks may answer anything.
 */

/** Returns the time, in ticks of any unit. Runs inside the critical section. */
typedef uint64_t (*ct_timer_fn)(void *user_data);

/**
 * Time to use: returns until when an entry that is about to be stored may be used.
 *
 * @param now  the call's reading of the timer; with the coarse clock two steps are added (see Time
 *             and lifetimes)
 * @return the deadline in ticks, absolute; nothing is added to it; CT_NEVER: none. A deadline that
 *         is not after now is dead on arrival (CT_NOT_STORED)
 */
typedef uint64_t (*ct_ttu_fn)(void *user_data, const void *key, size_t key_size, const void *value,
                              size_t value_size, uint64_t now);

/** Weighs an entry that is about to be stored, in the unit of maxsize. 0 is allowed: the entry then
 *  needs no room. It is evicted in its turn all the same, though that makes no room. */
typedef uint64_t (*ct_weigher_fn)(void *user_data, const void *key, size_t key_size,
                                  const void *value, size_t value_size);

/** Chooses a victim for CT_POLICY_RR: an index, taken modulo count. Runs inside the critical
 *  section. Entries are numbered in order of insertion; when one leaves, the last one takes its
 *  number. */
typedef uint64_t (*ct_choice_fn)(void *user_data, uint64_t count);

/** Why an entry left. */
typedef enum ct_cause {
  CT_CAUSE_EVICTED = 0,  /**< room was needed, or ct_popitem took it */
  CT_CAUSE_EXPIRED = 1,  /**< its deadline had passed, whichever call removed it */
  CT_CAUSE_REPLACED = 2, /**< another value was stored under its key */
  CT_CAUSE_REMOVED = 3,  /**< deleted, popped or matched, invalidated by ct_invalidate_tag, or
                              replaced by a value dead on arrival */
  CT_CAUSE_CLEARED = 4   /**< ct_clear */
} ct_cause;

/** An entry that left. The library writes it. It may grow, so read it through the pointer. */
typedef struct ct_event {
  ct_bytes key;      /**< borrowed for the call */
  ct_bytes value;    /**< borrowed for the call */
  uint64_t weight;   /**< the weight that counted against maxsize */
  int32_t cause;     /**< a ct_cause */
  uint32_t reserved; /**< 0 */
} ct_event;

/**
 * Is told of every entry that leaves, exactly once.
 *
 * It runs on the calling thread before the call that removed the entries returns, in the order in
 * which they left. There is no order between threads. It may call the cache; the events that this
 * causes come first, recursively. An entry that becomes its own victim while it grows is EVICTED,
 * then inserted. ct_cache_free tells nothing.
 */
typedef void (*ct_listener_fn)(void *user_data, const ct_event *event);

/** Is called once for each stored copy of a value, after the value has left the cache and its last
 *  pin is gone, also by and after ct_cache_free. Not called for a value that was handed back
 *  instead of being stored, but see CT_FLAG_DROP_LOADED. For values that hold pointers. It may
 *  release other values; for those of the same cache drop is called after it has returned, one
 *  after the other, so chains of values may have any length. */
typedef void (*ct_drop_fn)(void *user_data, const void *value, size_t value_size);

/** Is shown an entry. */
typedef void (*ct_visit_fn)(void *user_data, const ct_event *event);

/* ---- Options -------------------------------------------------------------------------------- */
/*
 * Structs that you fill, or have filled, begin with their own size and grow only at the end; zero
 * means default. Set them up with CT_..._INIT or with the equal function. The result is
 * CT_ERR_INVALID if a struct is smaller than in the first release, over 4096 bytes, or nonzero in
 * fields that this library does not know. Of a struct to be filled, only struct_size and such
 * fields are read.
 *
 * What to know when you choose a policy:
 *
 * - LFU keeps old favourites by definition: an entry that was used often stays, though nobody uses
 *   it any more.
 * - SIEVE, as published, may never take in a new working set whose keys are used in turn. As long
 *   as new entries come, its hand does not go back to old ones that it has spared. It stays in
 *   front of the new ones, and if the old ones leave too little room for all of these, it evicts
 *   each before its next use.
 * - S3FIFO may never take in such a set either, if the set fills all the room, or all but one
 *   entry, and that is fewer than 600 entries. It takes in smaller sets.
 * - WTINYLFU takes such a set in after some rounds over it: at most 20, as measured with one shard.
 *   It may take 80 rounds if entries differ in weight, other keys come as well, and the set leaves
 *   less than a tenth of the room.
 * - ADAPTIVE evicts what promises the fewest hits for its weight, so light entries leave last where
 *   they are used as often. It takes a few turns of the cache to learn.
 * - With more than one shard, keys are spread unevenly. A set of exactly maxsize entries that is
 *   used in turn then misses in part, with any policy.
 *
 * Locks are fair: a call that waits for one lets at most a thousand later calls go first. After
 * fork the child may use a cache if no other thread was inside a call at that moment. The library
 * has no threads, and no global state but unused addresses that the system would not take back. It
 * never exits the program, and leaves nothing behind after dlclose.
 */

/** An eviction policy of your own: see Policies of your own. */
typedef struct ct_policy_ops ct_policy_ops;

/** Where memory comes from: see Allocators of your own. */
typedef struct ct_allocator ct_allocator;

/**
 * What an entry weighs against maxsize. A weigher, if given, overrides it.
 *
 * CT_WEIGHT_VALUE weighs neither keys nor empty values: a million keys without a value weigh 0, and
 * no maxsize limits them. Where values may be empty, use CT_WEIGHT_MEMORY or a weigher.
 *
 * CT_WEIGHT_MEMORY limits what ct_memory returns. That stays within 5 % above maxsize, and within
 * 10 % while values are replaced by values of other sizes; within 8 % with RR and ADAPTIVE, whose
 * victims lie scattered. Each shard may take 24 KiB more, and the cache 40 KiB, with ADAPTIVE 108.
 * The limit is kept less closely if it is below a megabyte a shard or some hundred of the largest
 * entries, and where most entries are pinned while sizes change. It does not include values that
 * have left and are still pinned. With an allocator of yours the index counts twice while it grows
 * or shrinks. After ct_resize entries move together at once; what S3FIFO, WTINYLFU, ARC and
 * ADAPTIVE remember shrinks with the next writes.
 *
 * With the default allocator, ct_memory is what is resident, within 5 %, whatever the sizes of
 * values are, from 64 MiB and a mebibyte a shard on. The weight of a value of more than 16 KiB
 * includes the free room that it causes: a thirty-second of it and up to 2 KiB.
 *
 * Writes may move entries to close gaps; values handed out stay where they are. With
 * CT_WEIGHT_MEMORY a write does so whenever it finds too much free room, with the other kinds only
 * if a quarter of the room is free. It moves 64 KiB at most.
 */
typedef enum ct_weight_kind {
  CT_WEIGHT_COUNT = 0, /**< 1 each: maxsize is a number of entries */
  CT_WEIGHT_VALUE = 1, /**< the bytes of its value; 0 if that is empty */
  CT_WEIGHT_MEMORY = 2 /**< the bytes that it takes: key, value, header, and its share of the index,
                        * of what the policy remembers and of the free room between entries */
} ct_weight_kind;

/** As maxsize: no limit. */
#define CT_UNBOUNDED UINT64_MAX

/** Only one thread at a time uses this cache and its values: it takes no locks. */
#define CT_FLAG_SINGLE_THREADED 0x1u
/** Nothing is counted: ct_cache_stats returns zeros, but for pinned. */
#define CT_FLAG_NO_STATS 0x2u
/** The default timer reads the exact clock (22 to 26 ns a reading) instead of the coarse one (3 to
 *  6 ns a reading), with which lifetimes end some milliseconds late: see Time and lifetimes. */
#define CT_FLAG_PRECISE_CLOCK 0x4u
/** maxsize may be 0, which without this flag is taken for forgotten: CT_ERR_INVALID. With another
 *  maxsize, this flag does nothing. */
#define CT_FLAG_KEEP_NOTHING 0x8u
/** drop is also called for a value that a load has brought and that is not kept, once its last pin is
 *  gone: nobody else can know when all who waited for it have released it. So a value is the
 *  library's as soon as ct_lease_fulfil has returned CT_OK or CT_NOT_STORED, or a call that loads has
 *  handed it out. Other calls hand back what they do not store, and without drop, this flag does
 *  nothing. */
#define CT_FLAG_DROP_LOADED 0x10u
/** A value that a load has brought costs the time that the load took, unless CT_ENTRY_COST says
 *  otherwise: see there. In ticks of the cache's own timer, or else in nanoseconds of the monotonic
 *  clock. For caches in which all values are loaded, as others cost 1. */
#define CT_FLAG_COST_BY_TIME 0x20u
/** The cache keeps its miss-ratio curve: see ct_cache_curve. It reads the timer more often then.
 *  Neither with CT_FLAG_NO_STATS nor with CUSTOM. */
#define CT_FLAG_CURVE 0x40u

/** How to make a cache. Zero is the default everywhere: LRU, each entry weighs 1, one shard. Always
 *  set maxsize: 0 is refused without CT_FLAG_KEEP_NOTHING. Times are in ticks: options.ttl =
 *  CT_SECONDS(60). By the default timer none may be above 0 and below 1 ms, as 60 is: see Time and
 *  lifetimes. */
typedef struct ct_options {
  size_t struct_size;          /**< sizeof(ct_options) */
  int32_t policy;              /**< a ct_policy */
  int32_t weight_kind;         /**< a ct_weight_kind */
  uint64_t maxsize;            /**< in units of weight; 0 keeps only what weighs 0; CT_UNBOUNDED */
  uint32_t shards;             /**< 0 is 1: exact order; else a power of two up to 4096 */
  uint32_t flags;              /**< CT_FLAG_... */
  uint64_t ttl;                /**< time to live from a write on, in ticks; 0: none */
  uint64_t tti;                /**< time to idle from a use on, in ticks; 0: none */
  uint64_t seed;               /**< of hashing and RR; 0: random from the system */
  void *user_data;             /**< handed to the callbacks below */
  ct_timer_fn timer;           /**< NULL: the monotonic clock, in nanoseconds */
  ct_ttu_fn ttu;               /**< NULL: ttl decides */
  ct_weigher_fn weigher;       /**< NULL: weight_kind decides */
  ct_choice_fn choice;         /**< used by RR only; NULL: the library's own random numbers */
  ct_listener_fn listener;     /**< NULL: none */
  ct_drop_fn drop;             /**< NULL: none */
  const ct_policy_ops *custom; /**< used by CUSTOM only, which requires it; copied */
  const ct_allocator *allocator; /**< NULL: the system's; copied */
  uint64_t refresh_ahead; /**< below ttl less jitter: a value with less than this left is renewed,
                           * in ticks; 0: none. See Freshness, also for the next two */
  uint64_t stale;         /**< loading calls may get a value for this long past its deadline, in
                           * ticks; 0: not at all */
  uint64_t retry;         /**< how long nobody renews a value after a failure, in ticks; 0: a tenth
                           * of ttl, or of refresh_ahead without one, but no less than the timer's
                           * shortest time; stale needs one of the three */
  uint64_t negative_ttl;  /**< for this long it is remembered that a load has found no value, in
                           * ticks; 0: not at all. See Negative caching */
  uint64_t jitter;        /**< below ttl: up to this much, at random, is taken off the ttl, so that
                           * what was stored at once does not expire at once; in ticks */
} ct_options;

/** A ct_options of defaults; maxsize is left to you. */
#define CT_OPTIONS_INIT                                                                           \
  {                                                                                               \
    sizeof(ct_options), 0, 0, 0, 0, 0, 0, 0, 0, CT_NULL_, CT_NULL_, CT_NULL_, CT_NULL_, CT_NULL_, \
        CT_NULL_, CT_NULL_, CT_NULL_, CT_NULL_, 0, 0, 0, 0, 0                                     \
  }

/**
 * Sets options to their defaults: the function form of CT_OPTIONS_INIT.
 *
 * @param options      struct_size bytes are written; NULL does nothing
 * @param struct_size  sizeof(ct_options) of the caller
 *
 * Cost:      O(1); never allocates.
 */
CT_API void ct_options_init(ct_options *options, size_t struct_size);

/**
 * Says what is wrong with options, after a CT_ERR_INVALID of ct_cache_new_with.
 *
 * @return NULL if a cache can be made of them; else one sentence that names the field, static
 *
 * Cost:      O(1); never allocates.
 */
CT_API const char *ct_options_problem(const ct_options *options);

/**
 * Makes a cache.
 *
 * @param options  not NULL; the library keeps no pointers to it, only the callbacks and user_data
 * @param out      [out] the cache on CT_OK, otherwise NULL
 * @return CT_OK; CT_ERR_INVALID (ct_options_problem says what is wrong); CT_ERR_NOMEM
 *
 * Ownership: *out is yours, until ct_cache_free.
 * Callbacks: the allocator; state_new.
 * Cost:      O(shards).
 */
CT_API ct_status ct_cache_new_with(const ct_options *options, ct_cache **out);

/**
 * Makes a cache with the same options, user_data included, and the same entries: their values,
 * weights, deadlines and counts, in the order in which they would leave.
 *
 * It is what ct_snapshot_save and ct_snapshot_load would make of a cache with the same options, so
 * RR and policies of the caller's have no order to copy, and CLOCK, SIEVE, S3FIFO, WTINYLFU and ARC
 * begin to learn anew. ADAPTIVE keeps what it knows of each entry, and learns anew what to expect of
 * it. Stale values, remembered misses, loads that run and those who wait for them are not copied.
 * The copy has counted nothing, and the original counts nothing, uses nothing and tells nobody, but
 * of entries that an invalidated tag has ended (see Tags).
 *
 * Beside other threads, each entry is copied as it was at some instant of the call, and an entry
 * that is there throughout is copied once; its place in the order is exact only while nothing is
 * used or written. A time to idle by the coarse clock may end two of its steps later.
 *
 * @param out  [out] the copy on CT_OK, otherwise NULL
 * @return CT_OK; CT_ERR_UNSUPPORTED for a cache with a drop, as both would drop the same pointers,
 *         and for a policy of the caller's without state_new, whose one state can know the ids of
 *         one cache only; CT_ERR_INVALID; CT_ERR_NOMEM
 *
 * Ownership: *out is yours, until ct_cache_free. Callbacks and user_data serve both caches.
 * Threads:   safe beside all other calls; works on a few hundred entries of a shard at a time, then
 *            lets others in.
 * Callbacks: the allocator; state_new; listener; inside: timer, ct_policy_ops.
 * Cost:      O(n log n) for n entries, and their bytes; holds all bytes once more until it returns.
 */
CT_API ct_status ct_cache_copy(ct_cache *cache, ct_cache **out);

/**
 * Returns the options in force: with defaults filled in, the seed that was drawn, and the maxsize
 * that ct_resize set. CT_FLAG_KEEP_NOTHING is set if and only if that is 0.
 *
 * @param out  [out] out->struct_size is set by the caller; its custom and allocator point into the
 *             cache, and are NULL if the caller gave none
 * @return CT_OK; CT_ERR_INVALID
 *
 * Cost:      O(1); never allocates.
 */
CT_API ct_status ct_cache_options(const ct_cache *cache, ct_options *out);

/* ---- Time and lifetimes --------------------------------------------------------------------- */
/*
 * Time is counted in ticks of the cache's timer: nanoseconds of the monotonic clock, so that
 * CT_SECONDS(60) is a minute, unless you bring a timer, which may count anything. An entry is
 * expired from the moment now >= deadline.
 *
 * A call reads the timer at most once, and never in a cache without lifetimes, with these
 * exceptions. CT_POLICY_CUSTOM is told the time. Snapshots with a date read it. Loading calls in
 * any cache, and ct_compute in caches with lifetimes, read the timer before and after the callback;
 * lifetimes start at the second reading.
 *
 * Sums saturate at CT_NEVER. A timer that returns CT_NEVER counts as CT_NEVER - 1, so that no
 * reading expires an entry without a deadline. Readings may go backwards: an entry that had expired
 * and is still there can be read again, and none is lost.
 *
 * The monotonic clock stands still while the machine is suspended. The default timer reads its
 * coarse form, which the system moves on in steps of 1 to 10 ms and which may be two steps behind.
 * So the library adds two steps to each lifetime that begins with a reading: ttl and tti, also
 * those of a single entry or of a result. None ends early, and none more than four steps late,
 * however often it goes through a snapshot. A ttu is called with both steps already in now. Nothing
 * is added to a deadline that you give, nor to any lifetime with CT_FLAG_PRECISE_CLOCK or a timer
 * of yours.
 *
 * A lifetime below 1 ms is less than a step of the coarse clock, and mostly a number whose unit was
 * forgotten. Without CT_FLAG_PRECISE_CLOCK or a timer of yours, options of a cache with such a time
 * are refused. One that is given to a single entry is not, as it may be what remains of a lifetime;
 * it ends late, as others do.
 */

/**
 * Gives an entry another lifetime. This is neither a use nor a write of the value; a tti goes on as
 * before. With a ttl of 0 it overtakes a running load of the key, whether there is an entry or not.
 *
 * In a cache without lifetimes, the first lifetime of an entry makes the entry a little longer.
 * With CT_WEIGHT_MEMORY that weighs, and room is made for it as by ct_set.
 *
 * @param ttl  in ticks from now; 0 expires it now; CT_NEVER: it does not expire by age
 * @return CT_OK; CT_MISS if absent or expired, or if the entry itself became a victim;
 *         CT_ERR_INVALID; CT_ERR_TOO_LARGE if the entry would weigh more than maxsize;
 *         CT_ERR_NOMEM; CT_ERR_CALLBACK if a policy of yours chose a dead id
 *
 * Callbacks: listener, drop; inside: timer, choice, ct_policy_ops.
 * Cost:      O(1); the first lifetime of an entry in a cache without lifetimes copies it.
 */
CT_API ct_status ct_set_lifetime(ct_cache *cache, const void *key, size_t key_size, uint64_t ttl);

/** What is known of an entry. */
typedef struct ct_entry_info {
  size_t struct_size;  /**< sizeof(ct_entry_info), set by the caller */
  uint64_t weight;     /**< in units of maxsize */
  uint64_t deadline;   /**< in ticks, absolute; CT_NEVER: none */
  uint64_t remaining;  /**< in ticks from now, including what the coarse clock adds to a lifetime;
                        * CT_NEVER: no deadline */
  uint64_t frequency;  /**< how often stored or used, if the policy counts, else 0 */
  uint64_t key_size;   /**< in bytes */
  uint64_t value_size; /**< in bytes */
} ct_entry_info;

/** A ct_entry_info for ct_inspect to fill in. */
#define CT_ENTRY_INFO_INIT \
  { sizeof(ct_entry_info), 0, 0, 0, 0, 0, 0 }

/** As ct_options_init, for CT_ENTRY_INFO_INIT. */
CT_API void ct_entry_info_init(ct_entry_info *info, size_t struct_size);

/**
 * Returns what is known of an entry. This is no use.
 *
 * @param out  [out] out->struct_size is set by the caller; the rest set on CT_OK, otherwise zeroed
 * @return CT_OK; CT_MISS; CT_ERR_INVALID
 *
 * Callbacks: inside: timer.
 * Cost:      O(1); never allocates.
 */
CT_API ct_status ct_inspect(ct_cache *cache, const void *key, size_t key_size, ct_entry_info *out);

/** For ct_expire: the timer's reading. */
#define CT_NOW UINT64_MAX

/**
 * Removes the entries whose deadline has passed, in order of deadline.
 *
 * ct_len, ct_currsize and ct_popitem do this too. A write removes a few of them, and all that it
 * needs for room. Reads never show an expired entry, and leave it where it is.
 *
 * @param now    entries with a deadline up to now leave; CT_NOW: the timer's reading
 * @param visit  shown each entry that left, with cause EXPIRED; NULL: none. The listener is told
 *               too
 * @return how many left
 *
 * Callbacks: visit, listener, drop; inside: timer, ct_policy_ops.
 * Cost:      O(n log n) for n that leave; never allocates.
 */
CT_API uint64_t ct_expire(ct_cache *cache, uint64_t now, ct_visit_fn visit, void *user_data);

/* ---- Size ----------------------------------------------------------------------------------- */

/**
 * Counts the entries, after removing expired ones as ct_expire(cache, CT_NOW, ...) does.
 *
 * @return their number; beside writers, a sum of counts from different moments
 *
 * Callbacks: listener, drop; inside: timer, ct_policy_ops.
 * Cost:      O(shards + what expired); never allocates.
 */
CT_API uint64_t ct_len(ct_cache *cache);

/**
 * Sums the weights, after removing expired entries as ct_expire(cache, CT_NOW, ...) does.
 *
 * @return in units of weight, never more than maxsize; beside writers, it includes the room that
 *         they have reserved
 *
 * Callbacks: listener, drop; inside: timer, ct_policy_ops.
 * Cost:      O(shards + what expired); never allocates.
 */
CT_API uint64_t ct_currsize(ct_cache *cache);

/** Returns the limit, in units of weight. Cost: O(1). */
CT_API uint64_t ct_maxsize(const ct_cache *cache);

/** Returns the bytes of memory held in all: entries, values that left and are still pinned, index,
 *  what the policy remembers, free room. With an allocator of yours, these are the bytes that it
 *  gave. Otherwise they are the resident pages: pages that went back to the system do not count;
 *  pages that are locked (mlock) and cannot go back do. If they are locked after the cache has
 *  mapped them, those that are free count as soon as the cache has tried to give one back. A cache
 *  then has at most 64 mappings a gibibyte, and uses addresses again that the system refuses to
 *  unmap. Cost: O(1). */
CT_API uint64_t ct_memory(const ct_cache *cache);

/**
 * Sets another limit, then evicts until it holds: from each shard in proportion, a few hundred
 * entries at a time, between which other calls come in. A write meanwhile makes its own room, and
 * evicts at most two more entries.
 *
 * A limit of 0 removes all entries but those that weigh 0, and overtakes every running load, as
 * ct_clear does. Other limits overtake none.
 *
 * @return CT_OK; CT_ERR_INVALID; CT_ERR_CALLBACK if a policy of yours chose a dead id: the limit is
 *         set, and later writes make the room
 *
 * Callbacks: listener, drop; inside: timer, choice, ct_policy_ops.
 * Cost:      O(shards + what is evicted + what then moves together, at most what is left).
 */
CT_API ct_status ct_resize(ct_cache *cache, uint64_t maxsize);

/* ---- Iteration ------------------------------------------------------------------------------ */

/** A walk over a cache's entries. Opaque. */
typedef struct ct_iter ct_iter;

/** No particular order; needs no memory for it. */
#define CT_ORDER_ANY 0
/** The order in which ct_popitem would take the entries if nothing were used meanwhile, one shard
 *  after the other; with S3FIFO and WTINYLFU nearly so, queue by queue, and with ARC while entries
 *  past their deadline are still there (see ct_expire). */
#define CT_ORDER_COLDEST 1
/** The reverse of CT_ORDER_COLDEST. */
#define CT_ORDER_HOTTEST 2

/**
 * Begins a walk over the entries. A walk uses nothing and counts nothing.
 *
 * An entry that is there and unwritten throughout is seen exactly once, others at most once for
 * each value, expired ones never. COLDEST and HOTTEST first write the order down, a few hundred
 * entries at a time, and pin each entry until the walk has passed it; entries that others use
 * meanwhile may appear hotter. ANY takes a few entries at a time.
 *
 * @param order  CT_ORDER_...
 * @param out    [out] the iterator on CT_OK, otherwise NULL
 * @return CT_OK; CT_ERR_UNSUPPORTED for COLDEST and HOTTEST with RR, ADAPTIVE and CUSTOM;
 *         CT_ERR_INVALID; CT_ERR_NOMEM
 *
 * Ownership: ct_iter_free gives *out back, before ct_cache_free.
 * Threads:   safe beside all other calls; one iterator is used by one thread at a time.
 * Cost:      ANY O(1), the others O(entries); allocates.
 */
CT_API ct_status ct_iter_new(ct_cache *cache, int32_t order, ct_iter **out);

/**
 * Goes to the next entry.
 *
 * @param key    [out] on CT_OK, otherwise zeroed; may be NULL
 * @param value  [out] on CT_OK, otherwise zeroed; may be NULL
 * @return CT_OK; CT_END, also when called again; CT_ERR_INVALID; CT_ERR_NOMEM: no entry was passed,
 *         call again
 *
 * Ownership: key and value stay valid until the next call with this iterator.
 * Threads:   as the iterator.
 * Callbacks: drop, for a value that left meanwhile; inside: timer.
 * Cost:      O(1) amortized.
 */
CT_API ct_status ct_iter_next(ct_iter *iter, ct_bytes *key, ct_bytes *value);

/** Ends a walk, at any point. NULL does nothing. Threads: as the iterator. Cost: O(entries not yet
 *  passed) for COLDEST and HOTTEST, else O(1). */
CT_API void ct_iter_free(ct_iter *iter);

/* ---- Loading -------------------------------------------------------------------------------- */
/*
 * Single flight: however many threads ask for an absent key, one of them loads it, and the others
 * wait for its value.
 *
 * A running load is overtaken if its key is invalidated meanwhile, on any thread, the loader's
 * own included. Its value then goes to its own caller and to those who wait already, and is not
 * kept. Later callers do not wait for it; they start anew. If a value is stored under the key
 * meanwhile, those who wait get that value at once, even if it is gone before they wake. Whether
 * there is an entry or not, a key is invalidated by
 *
 * - a set (ct_set, ct_set_ttl, ct_set_with, ct_set_many, ct_add, ct_setdefault of an absent key),
 *   also one that is dead on arrival, one that returns CT_MISS for its condition, and one that is
 *   refused for its weight or for want of memory;
 * - ct_delete, ct_pop, ct_clear and ct_remove_if, and ct_delete_if unless it returns CT_EXISTS;
 * - a ct_compute that stores or returns CT_MISS;
 * - ct_set_lifetime and ct_resize with 0.
 *
 * It is not invalidated by CT_EXISTS, by eviction, expiry or ct_snapshot_load, nor by a call that
 * is refused for its arguments (CT_ERR_INVALID, or a size of 2^32 or more).
 */

/*
 * Freshness. A value may be renewed while it is there, so that callers do not wait for it:
 *
 * - With refresh_ahead, a loading call that finds a value with less than that left until its
 *   deadline (of ttl, not of tti) renews it.
 * - With stale, a value that has expired stays that much longer. Loading calls renew it, and get
 *   the old one if that fails; past deadline + stale they never do. All others take it for expired.
 *
 * Loading calls are ct_get_or_load, ct_get_or_lease, their variants and ct_memo_call. One of them
 * renews, on its own thread. The others get the old value at once: CT_OK before its deadline,
 * CT_STALE from then on. If a renewal fails, the old value stays, and nobody tries again for
 * `retry`. If it finds that there is no value (CT_MISS), or brings one that is not kept, the old
 * value leaves. What was invalidated is never served: a renewal is overtaken as any other load.
 *
 * An entry past its deadline keeps its place in the policy's order, and counts in ct_len and
 * ct_currsize. To hand it out is a use, and renews no tti. ct_delete and ct_pop remove it, and
 * return CT_MISS; a set over it is an insert; ct_popitem lets it go, and goes on; ct_remove_if is
 * shown it. Its cause is CT_CAUSE_EXPIRED, whichever call removes it. Caches with refresh_ahead or
 * stale spend 8 more bytes an entry.
 */

/*
 * Negative caching. With negative_ttl, the cache remembers for that long that a load has found no
 * value: that a loader returned CT_MISS, or ct_lease_fail was given it. Until then loading calls
 * return CT_MISS without a load, and count a miss and a negative hit. Whatever invalidates a key
 * makes the cache forget that there is no value; so do ct_remove_if, for all keys, CT_LOAD_FORCE,
 * and a snapshot that has a value. An overtaken load leaves nothing to remember; a tag overtakes
 * only loads that bring a value.
 *
 * What is remembered is no entry. No other call finds it, no listener hears of it, and neither
 * walks nor snapshots have it. But it weighs, and counts in ct_currsize: the bytes that it takes
 * with CT_WEIGHT_MEMORY; those of the key, at least 1, with CT_WEIGHT_VALUE; otherwise 1. All of it
 * together weighs at most a sixteenth of maxsize, or is a single key, which a lower limit may make
 * the cache forget. If that is used up, the oldest one goes; of several shards, the oldest one of
 * the key's own shard.
 */

/** What a callback hands back. Opaque; lives as long as the callback runs. */
typedef struct ct_result ct_result;

/**
 * Hands a value back. Of several calls the last one counts.
 *
 * @param data  size bytes, copied; NULL only if size is 0
 * @return CT_OK; CT_ERR_INVALID; CT_ERR_TOO_LARGE for 2^32 bytes or more; CT_ERR_NOMEM. If this
 *         fails and the callback still returns CT_OK, the call fails with this status
 *
 * Threads:   the callback's own.
 * Cost:      O(size); allocates above 256 bytes.
 */
CT_API ct_status ct_result_set(ct_result *result, const void *data, size_t size);

/** Gives the value a lifetime instead of the cache's, in ticks from the callback's return on. The
 *  last of this and ct_result_deadline counts. */
CT_API void ct_result_ttl(ct_result *result, uint64_t ttl);

/** Gives the value a deadline, in ticks, absolute. The last of this and ct_result_ttl counts. */
CT_API void ct_result_deadline(ct_result *result, uint64_t deadline);

/** Lets the value live as long as the old one would have, if compute saw one: as CT_ENTRY_KEEP_TTL.
 *  For ct_compute. A load has no old lifetime to keep: it fails with CT_ERR_CALLBACK. */
CT_API void ct_result_keep_ttl(ct_result *result);

/** Gives the value a weight. With CT_WEIGHT_MEMORY the call then fails with CT_ERR_CALLBACK. */
CT_API void ct_result_weight(ct_result *result, uint64_t weight);

/** Gives the value a tag, in addition to those that it has. A ninth one, or what ct_set_with would not
 *  take, fails the call with CT_ERR_INVALID, CT_ERR_TOO_LARGE or CT_ERR_NOMEM. Copies the tag; may
 *  allocate. Cost: O(tag_size). */
CT_API void ct_result_tag(ct_result *result, const void *tag, size_t tag_size);

/** Hands the value back to the callers, but does not keep it. */
CT_API void ct_result_discard(ct_result *result);

/** Fails with that status: CT_MISS, a CT_ERR_..., a status of one's own, or CT_BUSY as a loader may
 *  return it; anything else counts as CT_ERR_INVALID. It is as if the callback had returned the
 *  status, but of many keys, only this one fails. Of this and ct_result_set, the last one counts. */
CT_API void ct_result_fail(ct_result *result, ct_status status);

/** Hands back the old value that is to be renewed: it is still right, and its lifetime begins anew.
 *  If it has left meanwhile for want of room or by its age, it is stored anew, but not in a cache
 *  with a drop. It keeps its weight and tags, and ct_result_discard has no effect. Of this and
 *  ct_result_set, the last one counts. Without an old value, and in a ct_compute, the call fails
 *  with CT_ERR_CALLBACK.
 *  For loaders; for leases see ct_lease_keep. */
CT_API void ct_result_not_modified(ct_result *result);

/**
 * Shows a loader the value that it is to renew, so that it can ask whether that has changed (an
 * ETag).
 *
 * @param out  [out] borrowed until the callback returns; zeros otherwise
 * @return CT_OK; CT_MISS: there is none; CT_ERR_INVALID
 *
 * Cost:      O(1); never allocates.
 */
CT_API ct_status ct_result_old(const ct_result *result, ct_bytes *out);

/**
 * Shows what was handed back so far, for callbacks that wrap others.
 *
 * @param out  [out] borrowed until the next call with this result; zeros otherwise
 * @return CT_OK; CT_MISS: nothing by ct_result_set; CT_ERR_INVALID
 *
 * Cost:      O(1); never allocates.
 */
CT_API ct_status ct_result_value(const ct_result *result, ct_bytes *out);

/**
 * Finds the value of a key that is absent. It may load other keys of the same cache.
 *
 * @return CT_OK after ct_result_set; CT_MISS: there is no such value; a CT_ERR_... or a status of
 *         its own (1000 and above, -1000 and below): it failed; CT_BUSY: only this call was
 *         cancelled, and a caller that waits may load. Anything else, and CT_OK without a value,
 *         becomes CT_ERR_CALLBACK
 */
typedef ct_status (*ct_loader_fn)(void *user_data, const void *key, size_t key_size,
                                  ct_result *result);

/**
 * Looks a key up, and loads it if it is absent.
 *
 * A hit is a use and counts one hit. A load counts one miss. A waiter that receives the value
 * counts one hit and one wait. A loader that fails, or finds no value, fails its own caller and all
 * who wait at that moment: nothing is stored, and whoever comes later loads anew. A waiter that
 * fails counts one miss and one shared failure. But CT_BUSY and CT_ERR_RECURSION are answers to the
 * loader's own caller alone; then a waiter loads. A value that is too large, dead on arrival or
 * discarded is handed to all who wait, and not kept.
 *
 * @param load  not NULL
 * @param out   [out] the value on CT_OK, kept or not, and on CT_STALE, otherwise zeroed; may be
 *              NULL
 * @return CT_OK; CT_STALE: out is past its deadline, and a renewal has failed or is on its way;
 *         CT_MISS or a failure that a load returned, or CT_MISS that is remembered (see Negative
 *         caching); CT_ERR_RECURSION if a ct_get_or_load further up this thread is loading the key,
 *         even if its loader has deleted it, or if waiting would close a ring of threads that wait
 *         for each other in this cache (for loads or for turns of ct_compute); CT_BUSY if load
 *         returned it, or in a single-threaded cache if the key is leased; CT_ERR_CALLBACK;
 *         CT_ERR_INVALID; CT_ERR_NOMEM
 *
 * Ownership: ct_value_release gives *out back.
 * Threads:   waits as long as it takes. Never ask for a key whose lease this thread holds: the call
 *            would wait for ever.
 * Callbacks: load; then as ct_set.
 * Cost:      a hit as ct_get; a load as ct_set, and allocates.
 */
CT_API ct_status ct_get_or_load(ct_cache *cache, const void *key, size_t key_size,
                                ct_loader_fn load, void *user_data, ct_value *out);

/** As flags of ct_load_options: load, even if there is a value, or it is remembered that there is
 *  none; or join a load that runs. If it fails, the call fails, and the old value stays. */
#define CT_LOAD_FORCE 0x1u

/** How to load. */
typedef struct ct_load_options {
  size_t struct_size;      /**< sizeof(ct_load_options) */
  uint32_t flags;          /**< CT_LOAD_... */
  uint32_t reserved;       /**< 0 */
  uint64_t timeout_ns;     /**< how long to wait for the load of another caller, in nanoseconds of
                            * real time; 0: as long as it takes. Does not end one's own loader */
  uint64_t stale_after_ns; /**< how long to wait for the renewal of a value past its deadline before
                            * that one serves, in nanoseconds of real time; 0: not at all */
} ct_load_options;

/** A ct_load_options of defaults. */
#define CT_LOAD_OPTIONS_INIT \
  { sizeof(ct_load_options), 0, 0, 0, 0 }

/** As ct_options_init, for CT_LOAD_OPTIONS_INIT. */
CT_API void ct_load_options_init(ct_load_options *options, size_t struct_size);

/**
 * Does the same as ct_get_or_load, with options.
 *
 * @param options  NULL: none
 * @return as ct_get_or_load; CT_BUSY also if the time is over
 *
 * Ownership: ct_value_release gives *out back.
 * Threads:   waits for others until the time is over.
 * Callbacks: load; then as ct_set.
 * Cost:      as ct_get_or_load.
 */
CT_API ct_status ct_get_or_load_with(ct_cache *cache, const void *key, size_t key_size,
                                     ct_loader_fn load, void *user_data,
                                     const ct_load_options *options, ct_value *out);

/**
 * Finds the values of many keys that are absent, as ct_loader_fn does for one: by one query for all
 * of them.
 *
 * @param keys     count keys, no two of them the same
 * @param results  count results, in the order of the keys. A result that nothing is done with says
 *                 that there is no such value (CT_MISS); ct_result_fail fails one key alone
 * @return CT_OK; otherwise as ct_loader_fn, and every one of the keys fails with it
 */
typedef ct_status (*ct_load_many_fn)(void *user_data, const ct_bytes *keys, size_t count,
                                     ct_result *const *results);

/**
 * ct_get_or_load_with for many keys in one call.
 *
 * The loader is called once, with the keys that nobody else is loading. After that, the call waits
 * for the loads of others. It holds no lease meanwhile; each load that is given up while it waits
 * costs one more call of the loader, with that key alone. A key that is there more than once is
 * looked up once, and its answer copied.
 *
 * @param keys      the bytes of all keys, one behind the other; NULL only if there are none
 * @param key_ends  count offsets: key i ends where key i + 1 begins
 * @param count     below 2^32
 * @param load      not NULL. To load one of its keys inside returns CT_ERR_RECURSION
 * @param options   NULL: none. timeout_ns is how long the call waits for others all in all
 * @param values    [out] count values, zeroed where there is none; may be NULL
 * @param statuses  [out] count statuses, each as ct_get_or_load_with returns it; all 0 on failure
 * @return CT_OK: each key has a status, be it a failure; CT_ERR_INVALID and CT_ERR_TOO_LARGE, also
 *         for one key: nothing was looked up; CT_ERR_NOMEM: nothing was loaded
 *
 * Ownership: ct_value_release gives each value back.
 * Threads:   waits for others until the time is over.
 * Callbacks: load; then as ct_set.
 * Cost:      O(count); as ct_get_or_load; allocates.
 */
CT_API ct_status ct_get_or_load_many(ct_cache *cache, const void *keys, const size_t *key_ends,
                                     size_t count, ct_load_many_fn load, void *user_data,
                                     const ct_load_options *options, ct_value *values,
                                     ct_status *statuses);

/** The right and the duty to load a key. Until it is fulfilled or abandoned, it is a running load,
 *  and is overtaken as one. Opaque. */
typedef struct ct_lease ct_lease;

/**
 * Looks a key up. If it is absent, takes its lease, or waits for the holder: ct_get_or_load for
 * programs that load in their own way, later, or on another thread. Counts as ct_get_or_load does.
 *
 * @param wait_ns  how long to wait at most, in nanoseconds of real time. 0: not at all; UINT64_MAX:
 *                 as long as it takes. A single-threaded cache never waits
 * @param out      [out] the value on CT_OK, CT_STALE and CT_RENEW, otherwise zeroed; may be NULL
 * @param lease    [out] the lease on CT_LEASED and CT_RENEW, otherwise NULL
 * @return CT_OK; CT_STALE: the value is past its deadline, and another caller renews it, or a
 *         renewal has just failed; CT_LEASED: load the value, then end the lease by
 *         ct_lease_fulfil, ct_lease_fail or ct_lease_abandon; CT_RENEW: the same, or
 *         ct_lease_keep, but there is a value to go on with, which may be past its deadline;
 *         CT_BUSY if another caller still has the lease when the time is over; CT_MISS: a load
 *         found no value, while this call waited or earlier (see Negative caching), or another
 *         failure of the load that it waited for; CT_ERR_RECURSION as ct_get_or_load, unless
 *         wait_ns is 0; CT_ERR_INVALID; CT_ERR_NOMEM
 *
 * Ownership: ct_value_release gives *out back. *lease is yours until it is fulfilled or abandoned,
 *            which must be before ct_cache_free. It belongs to no thread.
 * Cost:      a hit as ct_get; a lease allocates.
 */
CT_API ct_status ct_get_or_lease(ct_cache *cache, const void *key, size_t key_size,
                                 uint64_t wait_ns, ct_value *out, ct_lease **lease);

/** A call that waits for a load without a thread. Opaque. */
typedef struct ct_wait ct_wait;

/**
 * Tells what has come of a call that returned CT_PENDING. Runs with no lock held, and may call the
 * cache, but not free it. Several of one cache run one after the other: what one of them ends is
 * told after it has returned. To wait inside for a lease that another is still to be told of would
 * be to wait for oneself, and returns CT_ERR_RECURSION.
 *
 * @param status  what ct_get_or_lease would return, but for CT_BUSY
 * @param value   borrowed until the callback returns (ct_value_ref keeps it); NULL: there is none
 * @param lease   yours from now on with CT_LEASED and CT_RENEW; otherwise NULL
 */
typedef void (*ct_done_fn)(void *user_data, ct_status status, const ct_value *value,
                           ct_lease *lease);

/**
 * Does the same as ct_get_or_lease, but never waits: for event loops, where one thread serves
 * thousands of callers. Where ct_get_or_lease would wait, it returns CT_PENDING, and `done` is
 * called exactly once: on whichever thread ends the load, perhaps before this call returns.
 *
 * @param options  NULL: none. Its times must be 0: who has waited for too long calls ct_wait_cancel
 * @param done     not NULL
 * @param out      [out] the value on CT_OK, CT_STALE and CT_RENEW, otherwise zeroed; may be NULL
 * @param lease    [out] the lease on CT_LEASED and CT_RENEW, otherwise NULL
 * @param wait     [out] on CT_PENDING what ct_wait_cancel takes, otherwise NULL; is there before
 *                 `done` runs. NULL: the call cannot be cancelled
 * @return CT_PENDING; otherwise as ct_get_or_lease, and `done` is not called
 *
 * Ownership: ct_value_release gives *out back. *lease as by ct_get_or_lease. *wait is given to
 *            ct_wait_cancel exactly once, before ct_cache_free. ct_cache_free calls no `done`.
 * Threads:   never waits, also in single-threaded caches.
 * Cost:      as ct_get_or_lease; CT_PENDING allocates.
 */
CT_API ct_status ct_get_or_lease_async(ct_cache *cache, const void *key, size_t key_size,
                                       const ct_load_options *options, ct_done_fn done,
                                       void *user_data, ct_value *out, ct_lease **lease,
                                       ct_wait **wait);

/**
 * Ends a call that returned CT_PENDING, or gives back what it left, before, in or after its `done`.
 *
 * @param wait  consumed; NULL does nothing
 * @return true: `done` will not run; false: it has run, runs, or will
 *
 * Threads:   never waits, so `done` may still run on another thread after false.
 * Callbacks: `done` of others.
 * Cost:      O(1); never allocates.
 */
CT_API bool ct_wait_cancel(ct_wait *wait);

/**
 * Brings the value that a lease was taken for: stores it, and hands it to all who wait.
 *
 * @param lease    consumed, whatever is returned
 * @param options  NULL: as ct_set; without a condition or CT_ENTRY_KEEP_TTL
 * @param out      [out] the value on CT_OK and CT_NOT_STORED, otherwise zeroed; may be NULL
 * @return CT_OK; CT_NOT_STORED: handed to those who wait but not kept, because it weighs too much,
 *         is dead on arrival, or was overtaken; CT_ERR_INVALID, CT_ERR_TOO_LARGE for 2^32 bytes or
 *         more, CT_ERR_NOMEM, CT_ERR_CALLBACK: the lease is given up as by ct_lease_abandon
 *
 * Ownership: ct_value_release gives *out back.
 * Callbacks: as ct_set. None of them may ask for the same key: it would wait for itself.
 * Cost:      as ct_set.
 */
CT_API ct_status ct_lease_fulfil(ct_lease *lease, const void *value, size_t value_size,
                                 const ct_entry_options *options, ct_value *out);

/**
 * Gives a lease up. One of those who wait becomes the loader.
 *
 * @param lease  consumed; NULL does nothing
 *
 * Cost:      O(1); never allocates.
 */
CT_API void ct_lease_abandon(ct_lease *lease);

/**
 * Ends a lease whose load has failed, or has found that there is no such value. All who wait fail
 * with the status; whoever comes later starts anew.
 *
 * @param lease   consumed; NULL does nothing
 * @param status  CT_MISS, a CT_ERR_... or a status of your own; anything else counts as
 *                CT_ERR_INVALID. CT_ERR_RECURSION concerns nobody else: as ct_lease_abandon
 *
 * Callbacks: listener, drop, if CT_MISS removes the old value of a renewal.
 * Cost:      O(1); never allocates.
 */
CT_API void ct_lease_fail(ct_lease *lease, ct_status status);

/**
 * Ends a lease that CT_RENEW gave, or CT_LOAD_FORCE over a value: the old value is still right, and
 * its lifetime begins anew. If it has left meanwhile for want of room or by its age, it is stored
 * anew, but not in a cache with a drop.
 *
 * @param lease    consumed, whatever is returned
 * @param options  NULL: the lifetime that ct_set would give; without a condition, CT_ENTRY_KEEP_TTL
 *                 or tags, since the value keeps its own. It keeps its weight, too: another one has
 *                 no effect
 * @return CT_OK; CT_NOT_STORED: overtaken, dead on arrival, or with a lifetime too large for the
 *         cache; CT_ERR_INVALID, also for a lease of a key that had no value, CT_ERR_NOMEM: the lease is given up as by ct_lease_abandon
 *
 * Callbacks: as ct_set.
 * Cost:      O(1); as ct_set, if it is stored anew.
 */
CT_API ct_status ct_lease_keep(ct_lease *lease, const ct_entry_options *options);

/** Returns the key that a lease is for. *out is valid as long as the lease. */
CT_API void ct_lease_key(const ct_lease *lease, ct_bytes *out);

/* ---- Computing ------------------------------------------------------------------------------ */

/**
 * Makes a new value out of the old one. May run more than once in one call, so it must have no side
 * effects.
 *
 * @param old  the old value, borrowed; NULL if there is none
 * @return CT_OK: store what ct_result_set was given; CT_MISS: remove the entry; CT_NOT_STORED:
 *         leave it as it is; otherwise the call fails with this status, as with ct_loader_fn
 */
typedef ct_status (*ct_compute_fn)(void *user_data, const void *key, size_t key_size,
                                   const ct_bytes *old, ct_result *result);

/**
 * Reads, changes and writes one entry, as if at once.
 *
 * Computes of one key take turns, so that each compute sees what the one before has stored. Turns
 * are among computes alone: no other call waits for a compute, and no compute waits for a load.
 *
 * The result of compute takes effect only if the entry still is the very value that compute saw, or
 * still is absent (see Conditions under Writing). Otherwise compute runs again, at most 16 times;
 * then the call returns CT_BUSY and has changed nothing. A store renews the lifetime, unless
 * compute called ct_result_keep_ttl. The call counts one hit or one miss, unless
 * it fails or returns CT_BUSY. If compute stores, also if the store is refused as a set may be, or
 * returns CT_MISS, a running load of the key is overtaken; otherwise none is.
 *
 * The compute, weigher and ttu of a key must not compute the same key: that returns
 * CT_ERR_RECURSION. listener and drop run after the turn, and may.
 *
 * @param compute  not NULL
 * @param out      [out] the value stored on CT_OK; on CT_NOT_STORED the value that was left, or
 *                 that was dead on arrival or discarded; otherwise zeroed; may be NULL
 * @return CT_OK: stored; CT_MISS: removed, or absent already; CT_NOT_STORED: left as it was, or
 *         dead on arrival or discarded; CT_BUSY: others changed the entry each time; a failure that
 *         compute returned; CT_ERR_RECURSION if a ct_compute further up this thread is computing
 *         the key, or if waiting would close a ring of threads that wait for each other in this
 *         cache (for loads or for turns); CT_ERR_CALLBACK; otherwise as ct_set
 *
 * Ownership: ct_value_release gives *out back.
 * Threads:   holds no lock while compute runs. Waits for its turn as long as it takes, in a
 *            single-threaded cache never. A caller that has waited long is not passed over again
 *            and again by new ones.
 * Callbacks: compute; then as ct_set.
 * Cost:      as ct_get and ct_set for each run.
 */
CT_API ct_status ct_compute(ct_cache *cache, const void *key, size_t key_size,
                            ct_compute_fn compute, void *user_data, ct_value *out);

/* ---- Keys ----------------------------------------------------------------------------------- */

/** A builder of keys from typed arguments. Opaque. */
typedef struct ct_key ct_key;

/** Arguments of different types differ: 1, 1.0 and true are three keys. This does not apply to the
 *  types of values within a tuple. */
#define CT_KEY_TYPED 0x1u

/**
 * Makes a key builder.
 *
 * Add the arguments of a call in their order; ct_key_data then returns bytes that are equal if and
 * only if the arguments are. Equal numbers of different types are one argument: 1, 1.0 and true;
 * 0.0 and -0.0. All NaNs are one. Named arguments come last, in any order. Mistakes are remembered,
 * and ct_key_data returns them: a name given twice, a name without a value or within a tuple, a
 * value without a name after a named one, an unbalanced tuple, text that is not UTF-8.
 *
 * The encoding is described in src/memo/key.hpp. It never changes within a major version, so keys
 * may be stored.
 *
 * @param flags  0 or CT_KEY_TYPED
 * @return the builder, empty; NULL for an unknown flag, or no memory
 *
 * Ownership: yours, until ct_key_free.
 * Threads:   safe; one builder is used by one thread at a time.
 * Cost:      O(1); keys up to 256 bytes need no more memory than this.
 */
CT_API ct_key *ct_key_new(uint32_t flags);

/** Empties a builder, and forgets its mistakes. Keeps its memory. */
CT_API void ct_key_reset(ct_key *key);

/** Frees a builder. NULL does nothing. */
CT_API void ct_key_free(ct_key *key);

/** Adds the absence of a value: None, null, nil. */
CT_API void ct_key_null(ct_key *key);
/** Adds a truth value, which equals 0 or 1 unless typed. */
CT_API void ct_key_bool(ct_key *key, bool value);
/** Adds an integer. */
CT_API void ct_key_int(ct_key *key, int64_t value);
/** Adds an integer, of the same type as ct_key_int's. */
CT_API void ct_key_uint(ct_key *key, uint64_t value);
/** Adds a floating-point number, which equals an integer of the same value unless typed. */
CT_API void ct_key_double(ct_key *key, double value);
/** Adds text: size bytes of UTF-8; NULL only if size is 0. */
CT_API void ct_key_text(ct_key *key, const char *text, size_t size);
/** Adds bytes, which never equal text; NULL only if size is 0. */
CT_API void ct_key_bytes(ct_key *key, const void *data, size_t size);
/** Begins a tuple: what follows are its elements. Tuples may hold tuples. */
CT_API void ct_key_tuple_begin(ct_key *key);
/** Ends the tuple that was begun last. */
CT_API void ct_key_tuple_end(ct_key *key);
/** Names the next value: size bytes of UTF-8; NULL only if size is 0. Cost: O(what is named before
 *  it), as names are kept sorted, so do not take thousands of names from untrusted input. */
CT_API void ct_key_name(ct_key *key, const char *name, size_t size);

/**
 * Returns the key.
 *
 * @param data  [out] the bytes on CT_OK, otherwise NULL
 * @param size  [out] their number on CT_OK, otherwise 0
 * @return CT_OK; CT_ERR_INVALID for a mistake in what was added (ct_key_problem says which);
 *         CT_ERR_TOO_LARGE from 2^32 bytes on; CT_ERR_NOMEM
 *
 * Ownership: *data is the builder's, until the builder is next changed.
 * Threads:   as the builder.
 * Cost:      O(1).
 */
CT_API ct_status ct_key_data(ct_key *key, const void **data, size_t *size);

/**
 * Says why ct_key_data would fail.
 *
 * @param key  not changed
 * @return NULL if it would not; else one sentence that names what was added wrongly first, static
 *
 * Threads:   as the builder.
 * Cost:      O(1); never allocates.
 */
CT_API const char *ct_key_problem(const ct_key *key);

/* ---- Memoized functions --------------------------------------------------------------------- */

/** A function that remembers its results. Opaque. */
typedef struct ct_memo ct_memo;

/** The function: finds the result for args, as a loader does. self is the object that it was called
 *  on, or NULL. */
typedef ct_status (*ct_memo_fn)(void *user_data, void *self, const void *args, ct_result *result);

/** Adds the arguments to a key. With any result but CT_OK the call fails, as with ct_loader_fn, and
 *  the function is not called. */
typedef ct_status (*ct_memo_key_fn)(void *user_data, void *self, const void *args, ct_key *key);

/** Returns the cache of an object. With NULL the call fails with CT_ERR_CALLBACK. */
typedef ct_cache *(*ct_memo_cache_fn)(void *user_data, void *self);

/** Keys carry the types of their arguments: CT_KEY_TYPED. */
#define CT_MEMO_TYPED 0x1u
/** Threads that ask for the same result at once all call the function, and all get the result that
 *  was stored first. Without this flag, one calls and the others wait. */
#define CT_MEMO_RACE 0x2u

/** How to memoize a function. At most one of cache, cache_of and own says where results are kept.
 *  With none of them, every call is passed through and counted as a miss. */
typedef struct ct_memo_options {
  size_t struct_size;        /**< sizeof(ct_memo_options) */
  uint32_t flags;            /**< CT_MEMO_... */
  uint32_t reserved;         /**< 0 */
  void *user_data;           /**< handed to the callbacks below */
  ct_memo_fn fn;             /**< required */
  ct_memo_key_fn key;        /**< required */
  ct_cache *cache;           /**< a shared cache; it must outlive the memo */
  ct_memo_cache_fn cache_of; /**< a cache for each self */
  const ct_options *own;     /**< a cache of the memo's own, made and freed with it */
  const void *prefix;        /**< keeps the keys of memos that share a cache apart; copied */
  size_t prefix_size;        /**< in bytes */
} ct_memo_options;

/** A ct_memo_options to be filled in. */
#define CT_MEMO_OPTIONS_INIT                                                                   \
  {                                                                                            \
    sizeof(ct_memo_options), 0, 0, CT_NULL_, CT_NULL_, CT_NULL_, CT_NULL_, CT_NULL_, CT_NULL_, \
        CT_NULL_, 0                                                                            \
  }

/** As ct_options_init, for CT_MEMO_OPTIONS_INIT. */
CT_API void ct_memo_options_init(ct_memo_options *options, size_t struct_size);

/** As ct_options_init, for the usual cache of a memo's own: LRU, 128 entries. */
CT_API void ct_memo_own_default(ct_options *options, size_t struct_size);

/**
 * Says what is wrong with options of a memo.
 *
 * @return NULL if a memo can be made of them; else one sentence that names the field, static. For
 *         own, it is what ct_options_problem says
 *
 * Cost:      O(1); never allocates.
 */
CT_API const char *ct_memo_problem(const ct_memo_options *options);

/**
 * Memoizes a function.
 *
 * @param options  not NULL; copied, and so is what own points to
 * @param out      [out] the memo on CT_OK, otherwise NULL
 * @return CT_OK; CT_ERR_INVALID without fn or key, with more than one cache, or if
 *         ct_options_problem objects to own (ct_memo_problem says what is wrong); CT_ERR_NOMEM
 *
 * Ownership: *out is yours, until ct_memo_free.
 * Cost:      O(1), and that of making its own cache.
 */
CT_API ct_status ct_memo_new(const ct_memo_options *options, ct_memo **out);

/**
 * Frees a memo, and its own cache as ct_cache_free does.
 *
 * @param memo  NULL does nothing
 *
 * Threads:   exclusive: no other call may be running; never from a callback.
 * Callbacks: drop; the allocator.
 * Cost:      that of freeing its own cache.
 */
CT_API void ct_memo_free(ct_memo *memo);

/**
 * Returns the remembered result, or calls the function.
 *
 * A failure is not remembered; that there is no result is, with negative_ttl. A result that is too
 * large to keep is handed over all the same. With CT_MEMO_RACE nothing is renewed ahead, and no
 * stale value or remembered miss is served.
 *
 * @param self  the object that the function is called on; NULL for a plain function
 * @param args  handed to key and fn
 * @param out   [out] the result on CT_OK, otherwise zeroed; may be NULL
 * @return CT_OK; CT_STALE as ct_get_or_load; CT_MISS or a failure that fn returned; a failure that
 *         key returned; CT_ERR_RECURSION if the function needs the very result that it is
 *         computing, as ct_get_or_load; threads that wait for each other in different caches are
 *         not noticed; CT_ERR_CALLBACK; CT_ERR_INVALID; CT_ERR_NOMEM
 *
 * Ownership: ct_value_release gives *out back.
 * Threads:   waits for another thread that computes the same result, unless CT_MEMO_RACE is set.
 * Callbacks: key, cache_of, fn; then as ct_set.
 * Cost:      that of key and of ct_get; a call of fn as ct_set.
 */
CT_API ct_status ct_memo_call(ct_memo *memo, void *self, const void *args, ct_value *out);

/**
 * Builds the key that the result of a call is stored under, with the memo's prefix.
 *
 * @param key  emptied first; its type becomes the memo's
 * @return as ct_key_data, or a failure that the memo's key returned; CT_ERR_CALLBACK
 *
 * Callbacks: key.
 * Cost:      that of key.
 */
CT_API ct_status ct_memo_key(ct_memo *memo, void *self, const void *args, ct_key *key);

/** Returns the cache that keeps the results for self; NULL if there is none. Callbacks:
 *  cache_of. */
CT_API ct_cache *ct_memo_cache(ct_memo *memo, void *self);

/**
 * Forgets the result of one call.
 *
 * @return CT_OK; CT_MISS if none was kept; as ct_memo_key
 *
 * Threads:   a result that is being computed meanwhile is not kept, unless CT_MEMO_RACE is set.
 * Callbacks: key, cache_of; then as ct_delete.
 * Cost:      that of key and of ct_delete.
 */
CT_API ct_status ct_memo_invalidate(ct_memo *memo, void *self, const void *args);

/** There is no cache: calls are passed through. */
#define CT_INFO_NO_CACHE 0x1u

/** What a memo has seen. */
typedef struct ct_cache_info {
  size_t struct_size; /**< sizeof(ct_cache_info), set by the caller */
  uint64_t hits;      /**< calls that did not call the function, waits included */
  uint64_t misses;    /**< calls of the function, failed ones included */
  uint64_t maxsize;   /**< of the cache */
  uint64_t currsize;  /**< of the cache, other memos' results included */
  uint32_t flags;     /**< CT_INFO_... */
  uint32_t reserved;  /**< 0 */
} ct_cache_info;

/** A ct_cache_info for ct_memo_info to fill in. */
#define CT_CACHE_INFO_INIT \
  { sizeof(ct_cache_info), 0, 0, 0, 0, 0, 0 }

/** As ct_options_init, for CT_CACHE_INFO_INIT. */
CT_API void ct_cache_info_init(ct_cache_info *info, size_t struct_size);

/**
 * Returns hits and misses of this memo and this self, and how full the cache is.
 *
 * @param out  [out] out->struct_size is set by the caller; the rest set on CT_OK, otherwise zeroed
 * @return CT_OK; CT_ERR_CALLBACK; CT_ERR_INVALID
 *
 * Callbacks: cache_of; then as ct_currsize.
 * Cost:      O(1).
 */
CT_API ct_status ct_memo_info(ct_memo *memo, void *self, ct_cache_info *out);

/**
 * Empties the cache, other memos' results included, and sets this memo's hits and misses of self to
 * zero.
 *
 * @return CT_OK; CT_ERR_CALLBACK; CT_ERR_INVALID
 *
 * Callbacks: cache_of; then as ct_clear.
 * Cost:      as ct_clear.
 */
CT_API ct_status ct_memo_clear(ct_memo *memo, void *self);

/** Forgets the hits and misses of self. Call it before self is destroyed. Its results stay. */
CT_API void ct_memo_forget(ct_memo *memo, void *self);

/* ---- Snapshots ------------------------------------------------------------------------------ */

/** Takes the next size bytes of a snapshot, or of a text; size is never 0.
 *
 * @return CT_OK if it took all of them; otherwise the call fails with this status: a negative
 *         CT_ERR_..., or a status of its own (1000 and above, -1000 and below). Anything else
 *         becomes CT_ERR_CALLBACK
 */
typedef ct_status (*ct_write_fn)(void *user_data, const void *data, size_t size);

/** Brings the next bytes of a snapshot: up to capacity of them, which is never 0.
 *
 * @param buffer  [out] capacity bytes
 * @param got     [out] how many bytes it brought; 0 at first; 0 means that the input ends here
 * @return CT_OK; otherwise the load fails with this status, as with ct_write_fn
 */
typedef ct_status (*ct_read_fn)(void *user_data, void *buffer, size_t capacity, size_t *got);

/**
 * Writes down the contents of a cache, for ct_snapshot_load today or after a restart: keys and
 * values, tags, weights that were given or came from a weigher, what is left of lifetimes, and the
 * order of the policy, with LFU also how often each entry was used. This uses nothing and counts
 * nothing.
 *
 * A cache with the default timer also writes down the date, by the wall clock, for
 * CT_SNAPSHOT_AGED. So the same entries make other bytes at another time.
 *
 * The format has a version and does not depend on the machine; it is described in
 * src/snapshot/snapshot.hpp. Beside other threads, each entry is saved as it was at some instant of
 * the call, and an entry that is there throughout is saved once; its place in the order is exact
 * only while nothing is used or written. RR, ADAPTIVE and CUSTOM have no order to save. Of
 * values that hold pointers, only the pointers are saved.
 *
 * @param write  not NULL; is given the snapshot from its beginning to its end
 * @return CT_OK; a failure that write returned, which is then not called again;
 *         CT_ERR_CALLBACK; CT_ERR_INVALID; CT_ERR_NOMEM
 *
 * Callbacks: write; drop, for a value that left meanwhile; inside: timer.
 * Cost:      O(entries and their bytes); allocates less than 1 MiB, however large the cache is.
 */
CT_API ct_status ct_snapshot_save(ct_cache *cache, ct_write_fn write, void *user_data);

/**
 * Adds the entries of a snapshot, of a cache with any policy, limit and number of shards.
 *
 * The snapshot is read and checked as a whole before the cache is touched. Then expired entries
 * leave, as with ct_expire. Then the entries of the snapshot are kept, from the hottest on, as far
 * as there is room. Nothing is evicted for them, and keys that are there stay as they are. The
 * listener is not told which entries were kept or not, and nothing is counted. No load is
 * overtaken.
 *
 * The kept entries enter the policy's order as if stored just now, the hottest last (with MRU:
 * first). LFU restores the counts that another LFU saved. With SIEVE the hottest entries are those
 * that it would evict last. If only a small part of them fits, these are not the ones used most.
 *
 * Lifetimes go on from where they were at the save, however long ago that is (but see
 * CT_SNAPSHOT_AGED). An entry that had none gets none. Time to idle goes on only in a cache with
 * tti. Weights stay what they were if both caches weigh in the same way, by the same weight_kind or
 * by a weigher; otherwise entries are weighed as by ct_set.
 *
 * @param read  not NULL; is not asked for anything behind the snapshot, so that other data may
 *              follow
 * @return CT_OK, however many were kept; CT_ERR_CORRUPT if the input ends too early, was altered,
 *         is no snapshot, or has a version that this library does not know; a failure that read
 *         returned; CT_ERR_CALLBACK if read answered what it may not; CT_ERR_INVALID;
 *         CT_ERR_NOMEM
 *
 * Threads:   safe beside all other calls; keys stored by others meanwhile stay too. A ct_set that
 *            needs the room being filled waits for the load.
 * Callbacks: read; then weigher, and for expired entries listener and drop; inside: timer,
 *            ct_policy_ops.
 * Cost:      O(n log n) for n entries, and their bytes; allocates what is kept, and beside that in
 *            proportion to what has been read, whatever the lengths in it claim.
 */
CT_API ct_status ct_snapshot_load(ct_cache *cache, ct_read_fn read, void *user_data);

/**
 * For ct_snapshot_load_with: lifetimes have gone on since the save. The time that has passed, in
 * nanoseconds, is taken off what was left of each lifetime, and entries that are over by that are
 * not loaded. In a cache with tti, time to idle is such a lifetime.
 *
 * This is for values that age wherever they are, such as tokens and prices. Without it, a value
 * that had a minute to live when a program ended still has that minute when the program starts an
 * hour later.
 *
 * The time that has passed is the difference of two readings of the wall clock (CLOCK_REALTIME):
 * one at the beginning of the save, one when all of the snapshot has been read. So it includes the
 * time that the machine was suspended or off, unlike the monotonic clock, and is as right as the
 * wall clock was: if that was set forward, entries age by as much; if it was set back to before the
 * save, or is behind that of another machine, no time has passed. Both caches must have the default
 * timer, since the ticks of another may be anything.
 */
#define CT_SNAPSHOT_AGED 0x1u

/**
 * Adds the entries of a snapshot as flags say: with 0 as ct_snapshot_load.
 *
 * An entry that is too old is treated as if it were not in the snapshot: it takes no room from
 * colder entries, no weigher is asked, and nobody is told.
 *
 * @param read   as of ct_snapshot_load
 * @param flags  0 or CT_SNAPSHOT_AGED
 * @return as ct_snapshot_load; CT_ERR_INVALID for an unknown flag; with CT_SNAPSHOT_AGED,
 *         CT_ERR_UNSUPPORTED in a cache with a timer of its own, before read is called, and for a
 *         snapshot without a date, of a cache with such a timer or of version 1. read has then
 *         brought a part of it; to load it otherwise, begin with its first byte again
 *
 * Threads:   as ct_snapshot_load.
 * Callbacks: as ct_snapshot_load.
 * Cost:      as ct_snapshot_load; CT_SNAPSHOT_AGED reads one more clock.
 */
CT_API ct_status ct_snapshot_load_with(ct_cache *cache, ct_read_fn read, void *user_data,
                                       uint32_t flags);

/**
 * Saves a snapshot in a file.
 *
 * The snapshot is written to a new file beside it, named path with a dot and six characters, synced
 * to the disk, and then renamed to path. So path is always the old file or the new one, complete. A
 * process that is killed meanwhile leaves the unfinished file. Only its owner can read and write
 * the new file; on Windows, whoever its folder lets. A symbolic link is replaced, not followed.
 * Anything else that is no file, such as a device or a FIFO, and a link to one, such as
 * /dev/stdout, is refused with CT_ERR_IO.
 *
 * @param path  zero-terminated, not NULL; on Windows in UTF-8
 * @return CT_OK; CT_ERR_IO: the old file, if there is one, is as it was (if only its folder could
 *         not be synced, the new one is there, and might not survive a loss of power);
 *         CT_ERR_INVALID; CT_ERR_NOMEM
 *
 * Threads:   safe beside all other calls, also those that save to the same path.
 * Callbacks: drop, for a value that left meanwhile; inside: timer.
 * Cost:      as ct_snapshot_save, and waits for the disk.
 */
CT_API ct_status ct_snapshot_save_file(ct_cache *cache, const char *path);

/**
 * Loads a snapshot from a file, which must hold nothing else.
 *
 * @param path  zero-terminated, not NULL; on Windows in UTF-8
 * @return CT_ERR_IO if the file is not there or cannot be read; otherwise as ct_snapshot_load
 *
 * Threads:   as ct_snapshot_load.
 * Callbacks: as ct_snapshot_load, but for read.
 * Cost:      as ct_snapshot_load.
 */
CT_API ct_status ct_snapshot_load_file(ct_cache *cache, const char *path);

/**
 * Loads a snapshot from a file as flags say: with 0 as ct_snapshot_load_file.
 *
 * @param path   zero-terminated, not NULL
 * @param flags  0 or CT_SNAPSHOT_AGED
 * @return CT_ERR_IO if the file is not there or cannot be read; otherwise as ct_snapshot_load_with
 *
 * Threads:   as ct_snapshot_load.
 * Callbacks: as ct_snapshot_load, but for read.
 * Cost:      as ct_snapshot_load_with.
 */
CT_API ct_status ct_snapshot_load_file_with(ct_cache *cache, const char *path, uint32_t flags);

/* ---- Statistics ----------------------------------------------------------------------------- */

/**
 * What has happened, each event counted exactly once, and how many values are pinned now. If pinned
 * grows while nobody holds values, some are never released.
 *
 * At rest, and without a reset or a loaded snapshot since the cache was made: inserts = entries +
 * evictions + expirations + removals.
 */
typedef struct ct_stats {
  size_t struct_size;      /**< sizeof(ct_stats), set by the caller */
  uint64_t hits;           /**< keys read and found */
  uint64_t misses;         /**< keys read, absent or expired */
  uint64_t inserts;        /**< entries stored under a key that was absent or expired */
  uint64_t updates;        /**< entries stored in place of a live one */
  uint64_t evictions;      /**< entries that left for want of room or by ct_popitem */
  uint64_t evicted_weight; /**< their weights */
  uint64_t expirations;    /**< entries that left past their deadline */
  uint64_t removals;       /**< entries deleted, popped or cleared, or replaced by a dead one */
  uint64_t rejections;     /**< stores refused: too large, or dead on arrival */
  uint64_t loads;          /**< leases fulfilled, also by loaders */
  uint64_t load_failures;  /**< leases given up, or loaders that brought no value */
  uint64_t load_ticks;     /**< from lease to fulfilment, summed over loads; by the default timer in
                            * nanoseconds of the exact clock */
  uint64_t waits;          /**< values received from another caller's load; these are hits too */
  uint64_t pinned;         /**< pins that hold a value, or a key, right now: those that callers have
                            * not released, and those of open walks and of calls that run.
                            * Neither CT_FLAG_NO_STATS nor a reset matters to it */
  uint64_t shared_failures;  /**< failures received from another caller's load; misses, too */
  uint64_t stale_served;     /**< values handed out past their deadline; hits, too */
  uint64_t renewals;         /**< loads begun to renew a value, unforced; hits, not misses */
  uint64_t renewal_failures; /**< of these, how many failed and left the old value */
  uint64_t negative_hits; /**< loading calls that were answered CT_MISS without a load, because it
                              * was remembered; misses, too */
  /** How long loads took, from lease to fulfilment: load_buckets[i] of them at most 4^i microseconds
   *  (1, 4, 16 µs, ... 65.5, 262 ms, 1.05 s) and longer than those of the bucket before; the last
   *  bucket has all that took longer. Each load is in one bucket, so they add up to loads. They tell
   *  real time, whatever the timer is: the exact clock is read twice a load (22 to 26 ns each), but
   *  not with CT_FLAG_NO_STATS. */
  uint64_t load_buckets[12];
} ct_stats;

/** A ct_stats for ct_cache_stats to fill in. */
#define CT_STATS_INIT                                                                \
  {                                                                                  \
    sizeof(ct_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, { 0 } \
  }

/** As ct_options_init, for CT_STATS_INIT. */
CT_API void ct_stats_init(ct_stats *stats, size_t struct_size);

/**
 * Reads the counters.
 *
 * @param out  [out] out->struct_size is set by the caller
 * @return CT_OK; CT_ERR_INVALID
 *
 * Threads:   beside running calls the counters are not of one instant.
 * Cost:      O(shards); never allocates.
 */
CT_API ct_status ct_cache_stats(const ct_cache *cache, ct_stats *out);

/**
 * Counts from zero again. This moves a baseline: an event that happens meanwhile is in the old
 * count or in the new one, never in both, never lost.
 *
 * @return CT_OK; CT_ERR_INVALID
 *
 * Cost:      O(shards); never allocates.
 */
CT_API ct_status ct_cache_stats_reset(ct_cache *cache);

/**
 * Tells which part of the reads would miss in this cache, under its policy, at other sizes.
 *
 * It requires CT_FLAG_CURVE. The cache then runs three small caches of the same policy beside itself,
 * on a sixteenth of the keys, or less in caches of more than some ten thousand entries: miniature
 * simulation. They stand for 1/2, 2 and 4 times the present maxsize. Scales in between are
 * interpolated, and others are not known. A scale of 1 is the cache itself.
 *
 * A miss ratio is of all reads that ct_cache_stats has counted since the last ct_cache_stats_reset
 * or ct_resize, so it is of the present only if you reset now and then. It is not known before there
 * were enough reads, usually some ten thousand, nor for sizes of less than about a thousand entries.
 * On traces of a database, of a file system, of a shop and of a language model, from 10,000 entries
 * and 100,000 reads on, the mean error was 0.003. It may be ten times that at a cliff: a size from
 * which on a loop over many keys fits. What ct_invalidate_tag and ct_remove_if remove stays in the
 * small caches if it has left this one before, and what a snapshot brings begins there as new.
 *
 * @param scales       count numbers above 0, in any order: multiples of the present maxsize
 * @param miss_ratios  [out] count numbers from 0 to 1; NaN where it is not known
 * @return CT_OK if all are known; CT_MISS if at least one is not; CT_ERR_UNSUPPORTED in a cache
 *         without CT_FLAG_CURVE; CT_ERR_INVALID, also if a scale is not a finite number above 0. If
 *         it fails, all are NaN
 *
 * Threads:   beside running calls the ratios are not of one instant. Where threads hit at once, some
 *            hits of sampled keys are not told to the small caches, and count all the same.
 * Cost:      O(shards + count); never allocates. The flag costs up to 256 kB, nothing for hits of
 *            keys that are not sampled, some 50 instructions for misses, and for reads of sampled
 *            keys about three gets.
 */
CT_API ct_status ct_cache_curve(ct_cache *cache, const double *scales, size_t count,
                                double *miss_ratios);

/**
 * Writes the statistics of several caches as text for Prometheus, in its exposition format, version
 * 0.0.4, as an HTTP answer of the type "text/plain; version=0.0.4; charset=utf-8".
 *
 * The counters of ct_stats are cachetools_hits_total and so on. load_buckets, added up as Prometheus
 * has it, are the histogram cachetools_load_duration_seconds, whose _count is loads and whose _sum
 * is real time, whatever the timer is. Gauges are cachetools_entries, _currsize, _maxsize,
 * _memory_bytes and _pinned. The first two count expired entries that no call has removed yet,
 * since nothing is removed here. Each sample has the label cache, whose value is the cache's name. A
 * cache with CT_FLAG_NO_STATS has gauges only. More metrics may be added.
 *
 * @param caches  count caches; may be NULL if count is 0: then nothing is written
 * @param names   count names, one for each cache: UTF-8, zero-terminated, different from each other,
 *                which is not checked; quotes, backslashes and newlines are escaped
 * @param write   not NULL; is given the text from its beginning to its end, at most 1024 bytes each
 *                time
 * @return CT_OK; a failure that write returned, which is then not called again; CT_ERR_CALLBACK;
 *         CT_ERR_INVALID, also if a name is no UTF-8: write was not called
 *
 * Threads:   beside running calls the counters are not of one instant, those of one cache neither.
 * Callbacks: write.
 * Cost:      O(caches and their shards); never allocates.
 */
CT_API ct_status ct_stats_write(ct_cache *const *caches, const char *const *names, size_t count,
                                ct_write_fn write, void *user_data);

/* ---- Names and version ---------------------------------------------------------------------- */

/**
 * Names a status: "CT_ERR_NOMEM".
 *
 * @return a static string, never NULL; "CT_STATUS_UNKNOWN" for a number that this library does not
 *         know, "CT_STATUS_CALLBACK" for a callback's own
 *
 * Cost:      O(1); never allocates.
 */
CT_API const char *ct_status_name(ct_status status);

/**
 * Says in one plain sentence what a status means.
 *
 * @return a static string, never NULL
 *
 * Cost:      O(1); never allocates.
 */
CT_API const char *ct_status_message(ct_status status);

/**
 * Names a policy: "LRU".
 *
 * @return a static string, or NULL for a number that is no policy
 *
 * Cost:      O(1); never allocates.
 */
CT_API const char *ct_policy_name(ct_policy policy);

/**
 * Finds a policy by its name, in any case: "lru", "LRU".
 *
 * @param name  zero-terminated, not NULL
 * @param out   [out] the policy on CT_OK, otherwise 0
 * @return CT_OK; CT_ERR_INVALID if there is none of that name
 *
 * Cost:      O(number of policies); never allocates.
 */
CT_API ct_status ct_policy_from_name(const char *name, ct_policy *out);

/** This header's version, before the first dot. ct_version returns the library's. */
#define CT_VERSION_MAJOR 0
/** This header's version, between the dots. */
#define CT_VERSION_MINOR 1
/** This header's version, after the last dot. */
#define CT_VERSION_PATCH 0

/** Returns the library's version: major * 1000000 + minor * 1000 + patch. */
CT_API uint32_t ct_version(void);

/** Returns the library's version as a static string: "0.1.0". */
CT_API const char *ct_version_string(void);

/* ---- Policies of your own ------------------------------------------------------------------- */

/**
 * An eviction policy of your own, for CT_POLICY_CUSTOM.
 *
 * Each shard has a state. The policy knows entries by ids: small numbers, each used again only
 * after on_remove or on_clear. All of these functions run inside the critical section of the shard
 * and must not call the library. Those marked optional may be NULL.
 */
struct ct_policy_ops {
  size_t struct_size; /**< sizeof(ct_policy_ops) */
  /** Makes the state of a shard; maxsize is that of the whole cache. NULL means CT_ERR_NOMEM.
   *  Optional: without it the state is user_data. */
  void *(*state_new)(void *user_data, uint64_t maxsize);
  void (*state_free)(void *state); /**< optional */
  /** There is a new entry; now is the call's reading of the timer. */
  void (*on_insert)(void *state, uint32_t id, uint64_t weight, const void *key, size_t key_size,
                    uint64_t now);
  /** There is another value under the same key; optional. */
  void (*on_update)(void *state, uint32_t id, uint64_t weight, const void *key, size_t key_size,
                    uint64_t now);
  void (*on_hit)(void *state, uint32_t id, uint64_t now); /**< a use; optional */
  void (*on_remove)(void *state, uint32_t id);            /**< after every single departure */
  /** All entries that are left go at once. Of a large shard, others may have gone by on_remove just
   *  before. Optional: without it, on_remove is called for each. */
  void (*on_clear)(void *state);
  void (*on_resize)(void *state, uint64_t maxsize); /**< optional */
  /** Chooses the entry that leaves next, and removes nothing. Called only if there is an entry. An
   *  id that is not in the cache is CT_ERR_CALLBACK; earlier victims of that call stay gone, and
   *  the listener is told of them. */
  uint32_t (*victim)(void *state);
  /** The same value weighs something else, though it was neither used nor written: with
   *  CT_WEIGHT_MEMORY, ct_set_lifetime gave it its first lifetime. Optional: without it, on_update
   *  is called. */
  void (*on_reweigh)(void *state, uint32_t id, uint64_t weight);
};

/** A ct_policy_ops to be filled in. */
#define CT_POLICY_OPS_INIT                                                                       \
  {                                                                                              \
    sizeof(ct_policy_ops), CT_NULL_, CT_NULL_, CT_NULL_, CT_NULL_, CT_NULL_, CT_NULL_, CT_NULL_, \
        CT_NULL_, CT_NULL_, CT_NULL_                                                             \
  }

/** As ct_options_init, for CT_POLICY_OPS_INIT. */
CT_API void ct_policy_ops_init(ct_policy_ops *ops, size_t struct_size);

/* ---- Allocators of your own ----------------------------------------------------------------- */

/** Where a cache's memory comes from. It must be safe to call from any thread unless the cache is
 *  single-threaded, and may be called until the last value is released. */
struct ct_allocator {
  size_t struct_size;                                            /**< sizeof(ct_allocator) */
  void *(*alloc)(void *ctx, size_t size, size_t align);          /**< NULL: none left */
  void (*free)(void *ctx, void *ptr, size_t size, size_t align); /**< ptr is never NULL */
  void *ctx;                                                     /**< handed to both */
};

/** A ct_allocator to be filled in. */
#define CT_ALLOCATOR_INIT \
  { sizeof(ct_allocator), CT_NULL_, CT_NULL_, CT_NULL_ }

/** As ct_options_init, for CT_ALLOCATOR_INIT. */
CT_API void ct_allocator_init(ct_allocator *allocator, size_t struct_size);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* CACHETOOLS_H */
