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
 * CONVENTIONS, which hold for every function unless it says otherwise.
 *
 * Bytes.     Keys and values are opaque: a pointer and a length in bytes, any content, length 0
 *            allowed, NULL only with length 0. They are copied in; no pointer of yours is kept
 *            after a call. A length of 2^32 or more is CT_ERR_TOO_LARGE before a byte is read.
 *            Pointers handed out are never NULL on success, even at length 0, and value data is
 *            aligned to 8 bytes.
 *
 * Statuses.  0 is done. Positive: another ordinary outcome, such as a miss. Negative: the
 *            operation did not happen. A status of 1000 and above, or -1000 and below, is a
 *            callback's own, handed back as it came. Numbers are never reused. NULL where a
 *            handle or a result is needed, an unknown flag, and anything but 0 in a field called
 *            reserved are CT_ERR_INVALID; a function that returns no status answers 0, false or
 *            NULL.
 *
 * Failure.   After a negative status the cache holds what it held before the call; only expired
 *            entries may have been reclaimed (ct_set_many and policies of your own say
 *            otherwise). Nothing is ever evicted to satisfy the allocator. The library never
 *            aborts, exits or prints.
 *
 * Results.   [out] arguments are written on every return: with their result on the statuses that
 *            the function names, with zeros otherwise. Their old content is never read, but for a
 *            struct's size and what lies beyond the part that this library knows. Arrays of no
 *            elements may be NULL.
 *
 * Structs    that you fill, or have filled, begin with their own size and grow only at the end;
 *            zero means default. Set them up with CT_..._INIT or with the equal function. One
 *            that is smaller than the first release's, larger than this library's with anything
 *            but zeros in the part it does not know, or larger than 4096 bytes, is CT_ERR_INVALID.
 *
 * Pins.      What is read out through a ct_value stays valid and unchanged until
 *            ct_value_release, whatever happens meanwhile to the entry or to the cache: eviction,
 *            replacement, ct_clear, even ct_cache_free. Releasing twice is harmless, so a
 *            ct_value may be released after any status. Do not copy one by assignment: ct_value_ref
 *            takes a second pin.
 *
 * Threads.   Every function is safe from any number of threads at once, but for those that say
 *            "exclusive". A call that waits for a lock of the library lets calls that came later
 *            pass a thousand times at most. A cache made with CT_FLAG_SINGLE_THREADED is used by one
 *            thread at a time, releasing its values included.
 *
 * Callbacks  run on the calling thread with no lock of the library held, and may call back into
 *            the same cache; only timer, choice, ct_policy_ops and the allocator may run inside
 *            the critical section and must not call the library, not even to release a value, as a
 *            collector of garbage might there. No callback may unwind through the library (C++
 *            exception, longjmp, Rust panic). None is called after ct_cache_free but drop and the
 *            allocator, by ct_value_release.
 *
 * Time       is counted in ticks of the cache's timer: nanoseconds of the monotonic clock, unless
 *            you bring a timer, which may count anything. An entry is expired from the moment
 *            now >= deadline. The timer is read at most once a call, and never in a cache without
 *            lifetimes, but for CT_POLICY_CUSTOM, which is told the time, and for snapshots that
 *            have a date. A call that loads reads it before and after the callback in any cache, as
 *            the time is counted, and so does one that computes in a cache with lifetimes; these
 *            count from the second reading. Sums saturate at CT_NEVER. A timer that answers CT_NEVER
 *            is taken to say CT_NEVER - 1, so that no reading expires what never expires. Readings
 *            may go backwards: what a later deadline then hides comes back, and nothing is lost.
 *
 *            The monotonic clock stands still while the machine is suspended. The default timer reads
 *            its coarse form, which the system moves on in steps of 1 to 10 ms and which may be two
 *            steps behind. So two steps are added to each lifetime that begins with a reading (ttl
 *            and tti, also that of a single entry, of a result or of a snapshot): none ends early, and
 *            none later than four steps after its time. A ttu counts from a time with both steps in it.
 *            Nothing is added to a deadline that you give, nor to any lifetime with
 *            CT_FLAG_PRECISE_CLOCK or a timer of yours.
 *
 * Process.   No hidden threads, no global state, nothing left behind after dlclose. After fork the
 *            child may use a cache if no other thread was inside a call at that moment.
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
extern "C" {
#else
#define CT_NULL_ NULL
#endif

/* ---- Statuses ------------------------------------------------------------------------------- */

/** What a call answers. Bindings treat it as int32_t: callbacks add statuses of their own. */
typedef enum ct_status {
  CT_STATUS_RANGE_MIN_ = -0x7fffffff - 1, /**< never returned; makes the type 32 bits wide */

  CT_ERR_UNSUPPORTED = -9, /**< this cache or this system cannot do that */
  CT_ERR_INTERNAL = -8,    /**< a callback broke its contract, or the library has a fault */
  CT_ERR_IO = -7,          /**< reading or writing failed */
  CT_ERR_CORRUPT = -6,     /**< input is truncated or altered */
  CT_ERR_RECURSION = -5,   /**< the call would wait for itself */
  CT_ERR_BUFFER = -4,      /**< the buffer is too small; the size needed is told */
  CT_ERR_TOO_LARGE = -3,   /**< the entry weighs more than maxsize */
  CT_ERR_NOMEM = -2,       /**< the allocator has no memory left */
  CT_ERR_INVALID = -1,     /**< an argument is not allowed */

  CT_OK = 0,         /**< done */
  CT_MISS = 1,       /**< no such entry: absent or expired */
  CT_EXISTS = 2,     /**< there is such an entry already */
  CT_NOT_STORED = 3, /**< not kept */
  CT_LEASED = 4,     /**< the caller must now load this key */
  CT_BUSY = 5,       /**< someone else is loading this key, or keeps changing it */
  CT_END = 6,        /**< nothing more follows */

  CT_STATUS_RANGE_MAX_ = 0x7fffffff /**< never returned */
} ct_status;

/**
 * Names a status: "CT_ERR_NOMEM".
 *
 * @return a static string, never NULL; "CT_STATUS_UNKNOWN" for a number this library does not know,
 *         "CT_STATUS_CALLBACK" for a callback's own
 *
 * Threads:   safe.
 * Cost:      O(1); never allocates.
 * Since:     REPLACEME
 */
CT_API const char *ct_status_name(ct_status status);

/**
 * Says in one plain sentence what a status means.
 *
 * @return a static string, never NULL
 *
 * Threads:   safe.
 * Cost:      O(1); never allocates.
 * Since:     REPLACEME
 */
CT_API const char *ct_status_message(ct_status status);

/* ---- Policies ------------------------------------------------------------------------------- */

/**
 * Which entry goes first when room is needed. Every policy takes lifetimes and weights. No live
 * entry goes while an expired one remains in any shard. The order is kept per shard: exact with one
 * shard. Uses by different threads that lie closely together may be taken in another order than
 * theirs, and beside other threads some may be overlooked; where one thread uses a cache, none are.
 */
typedef enum ct_policy {
  CT_POLICY_LRU = 0,     /**< least recently used */
  CT_POLICY_FIFO = 1,    /**< first stored; an update counts as storing */
  CT_POLICY_LFU = 2,     /**< least often used, of those the first to have reached its count */
  CT_POLICY_RR = 3,      /**< any, at random */
  CT_POLICY_TTL = 4,     /**< least recently used; a ttl is required */
  CT_POLICY_TLRU = 5,    /**< least recently used; a ttu callback is required */
  CT_POLICY_ANY = 6,     /**< first inserted; an update does not move an entry */
  CT_POLICY_MRU = 7,     /**< most recently used */
  CT_POLICY_CLOCK = 8,   /**< oldest not used since last spared; uses spare once (second chance) */
  CT_POLICY_SIEVE = 9,   /**< as CLOCK, but newcomers are looked at before those who stayed */
  CT_POLICY_S3FIFO = 10, /**< S3-FIFO: newcomers prove themselves in a tenth of the room */
  CT_POLICY_WTINYLFU = 11, /**< W-TinyLFU: by frequency, and an adaptive window by recency */
  CT_POLICY_ARC = 12,      /**< adaptive: learns to weigh recent against repeated use */
  CT_POLICY_CUSTOM = 63,   /**< yours: see ct_policy_ops */

  CT_POLICY_RANGE_MAX_ = 0x7fffffff /**< never used; makes the type 32 bits wide */
} ct_policy;

/**
 * Names a policy: "LRU".
 *
 * @return a static string, or NULL for a number that is no policy
 *
 * Threads:   safe.
 * Cost:      O(1); never allocates.
 * Since:     REPLACEME
 */
CT_API const char *ct_policy_name(ct_policy policy);

/**
 * Finds a policy by its name, in any case: "lru", "LRU".
 *
 * @param name  zero-terminated, not NULL
 * @param out   [out] set on CT_OK, otherwise 0
 * @return CT_OK; CT_ERR_INVALID if there is none of that name
 *
 * Threads:   safe.
 * Cost:      O(number of policies); never allocates.
 * Since:     REPLACEME
 */
CT_API ct_status ct_policy_from_name(const char *name, ct_policy *out);

/* ---- Bytes and values ----------------------------------------------------------------------- */

/** A cache. Opaque. */
typedef struct ct_cache ct_cache;

/** A walk over a cache's entries. Opaque. */
typedef struct ct_iter ct_iter;

/** Borrowed bytes. This struct never changes. */
typedef struct ct_bytes {
  const void *data; /**< size bytes */
  size_t size;      /**< in bytes */
} ct_bytes;

/** A value read out, pinned until ct_value_release. This struct never changes. */
typedef struct ct_value {
  const void *data; /**< size bytes, aligned to 8; NULL if nothing is held */
  size_t size;      /**< in bytes */
  uint64_t pin;     /**< the library's; 0 if nothing is held */
} ct_value;

/** A ct_value that holds nothing. */
#define CT_VALUE_INIT \
  { CT_NULL_, 0, 0 }

/**
 * Gives a value back, and sets it to hold nothing.
 *
 * The last release of a value that has left its cache calls drop, if the cache has one, and frees
 * its memory; the last release after ct_cache_free frees what remained of the cache.
 *
 * @param value  a value that this library filled in, or one of zeros, or NULL: the latter two do
 *               nothing
 *
 * Threads:   safe, on whichever thread; not for one ct_value from two threads at once.
 * Callbacks: drop; the allocator.
 * Cost:      O(1); never allocates.
 * Since:     REPLACEME
 */
CT_API void ct_value_release(ct_value *value);

/**
 * Takes a second, independent pin on a value.
 *
 * @param value  holds something, or nothing
 * @param out    [out] the same value on CT_OK, to be released too; otherwise zeroed. CT_ERR_INVALID
 *               if it is value itself, which stays as it is
 * @return CT_OK, also for a value that holds nothing; CT_ERR_INVALID; CT_ERR_NOMEM, possible only
 *         beyond 65,000 pins on one entry
 *
 * Threads:   safe.
 * Cost:      O(1); allocates only beyond 65,000 pins on one entry.
 * Since:     REPLACEME
 */
CT_API ct_status ct_value_ref(const ct_value *value, ct_value *out);

/* ---- Callbacks ------------------------------------------------------------------------------ */

/** In time or weight: no end, no limit. */
#define CT_NEVER UINT64_MAX
/** As maxsize: no limit. */
#define CT_UNBOUNDED UINT64_MAX

/** Tells the time, in ticks of any unit. Runs inside the critical section. */
typedef uint64_t (*ct_timer_fn)(void *user_data);

/**
 * Time to use: tells until when an entry about to be stored may be used.
 *
 * @param now  the call's reading of the timer; of the coarse clock, with two steps added (see Time)
 * @return the deadline in ticks, absolute, to which nothing is added; CT_NEVER: none. One that is
 *         not after now is dead on arrival (CT_NOT_STORED).
 */
typedef uint64_t (*ct_ttu_fn)(void *user_data, const void *key, size_t key_size, const void *value,
                              size_t value_size, uint64_t now);

/** Weighs an entry about to be stored, in the unit of maxsize. 0 is allowed: it needs no room. That
 *  is no pin: an entry that weighs 0 goes when its turn comes, though that makes no room. */
typedef uint64_t (*ct_weigher_fn)(void *user_data, const void *key, size_t key_size,
                                  const void *value, size_t value_size);

/** Chooses a victim for CT_POLICY_RR: an index, taken modulo count. Runs inside the critical
 *  section. The entries are numbered in order of insertion, and the last takes a leaver's place. */
typedef uint64_t (*ct_choice_fn)(void *user_data, uint64_t count);

/** Why an entry left. */
typedef enum ct_cause {
  CT_CAUSE_EVICTED = 0,  /**< room was needed, or ct_popitem took it */
  CT_CAUSE_EXPIRED = 1,  /**< past its deadline, whatever removed it */
  CT_CAUSE_REPLACED = 2, /**< another value was stored under its key */
  CT_CAUSE_REMOVED = 3,  /**< deleted, popped or matched, or replaced by a value dead on arrival */
  CT_CAUSE_CLEARED = 4   /**< ct_clear */
} ct_cause;

/** An entry that left. Written by the library; read it through the pointer, it may grow. */
typedef struct ct_event {
  ct_bytes key;      /**< borrowed for the call */
  ct_bytes value;    /**< borrowed for the call */
  uint64_t weight;   /**< as it was accounted */
  int32_t cause;     /**< a ct_cause */
  uint32_t reserved; /**< 0 */
} ct_event;

/**
 * Is told of every entry that leaves, exactly once.
 *
 * On the calling thread, before the call that removed it returns, in the order in which the
 * entries left; between threads there is no order. Calls into the cache are allowed, and the
 * events that they cause come first, recursively. A growing entry that becomes its own victim is
 * EVICTED, then inserted. ct_cache_free tells nothing.
 */
typedef void (*ct_listener_fn)(void *user_data, const ct_event *event);

/** Is called once for each stored copy of a value, after it has left the cache and its last pin is
 *  gone, also by and after ct_cache_free; not for a value that was handed back instead of being
 *  stored. For values that hold pointers. */
typedef void (*ct_drop_fn)(void *user_data, const void *value, size_t value_size);

/** Says whether an entry is meant. */
typedef bool (*ct_match_fn)(void *user_data, const void *key, size_t key_size, const void *value,
                            size_t value_size);

/** Is shown an entry. */
typedef void (*ct_visit_fn)(void *user_data, const ct_event *event);

/** Where a cache's memory comes from. Must be safe from any thread unless the cache is
 *  single-threaded, and may be called until the last value is released. */
typedef struct ct_allocator {
  size_t struct_size;                                            /**< sizeof(ct_allocator) */
  void *(*alloc)(void *ctx, size_t size, size_t align);          /**< NULL: none left */
  void (*free)(void *ctx, void *ptr, size_t size, size_t align); /**< ptr is never NULL */
  void *ctx;                                                     /**< handed to both */
} ct_allocator;

/** A ct_allocator to be filled in. */
#define CT_ALLOCATOR_INIT \
  { sizeof(ct_allocator), CT_NULL_, CT_NULL_, CT_NULL_ }

/**
 * An eviction policy of your own, for CT_POLICY_CUSTOM.
 *
 * Each shard has a state. Entries are known to it by an id, small numbers that are used again only
 * after on_remove or on_clear. All of these run inside the critical section of the shard: they must
 * not call the library. Those marked optional may be NULL.
 */
typedef struct ct_policy_ops {
  size_t struct_size; /**< sizeof(ct_policy_ops) */
  /** Makes a shard's state, of a cache with that maxsize in all; NULL means CT_ERR_NOMEM. Optional:
   *  the state is then user_data. */
  void *(*state_new)(void *user_data, uint64_t maxsize);
  void (*state_free)(void *state); /**< optional */
  /** A new entry; now is the call's reading of the timer. */
  void (*on_insert)(void *state, uint32_t id, uint64_t weight, const void *key, size_t key_size,
                    uint64_t now);
  /** Another value under the same key; optional. */
  void (*on_update)(void *state, uint32_t id, uint64_t weight, const void *key, size_t key_size,
                    uint64_t now);
  void (*on_hit)(void *state, uint32_t id, uint64_t now); /**< a use; optional */
  void (*on_remove)(void *state, uint32_t id);            /**< after every single departure */
  /** All that are left go at once; of a large shard others may have gone by on_remove just before.
   *  Optional: on_remove for each, then. */
  void (*on_clear)(void *state);
  void (*on_resize)(void *state, uint64_t maxsize); /**< optional */
  /** Chooses who goes next; it removes nothing. Called only if there is an entry. An id that is
   *  not in the cache: CT_ERR_INTERNAL; earlier victims of that call stay gone, and are told. */
  uint32_t (*victim)(void *state);
  /** The same value weighs something else, for no use and no write: with CT_WEIGHT_MEMORY, the first
   *  lifetime that ct_set_lifetime gives to it. Optional: on_update is told, then. */
  void (*on_reweigh)(void *state, uint32_t id, uint64_t weight);
} ct_policy_ops;

/** A ct_policy_ops to be filled in. */
#define CT_POLICY_OPS_INIT                                                                       \
  {                                                                                              \
    sizeof(ct_policy_ops), CT_NULL_, CT_NULL_, CT_NULL_, CT_NULL_, CT_NULL_, CT_NULL_, CT_NULL_, \
        CT_NULL_, CT_NULL_, CT_NULL_                                                             \
  }

/* ---- Making a cache ------------------------------------------------------------------------- */

/**
 * What an entry weighs against maxsize. A weigher, if given, overrides it.
 *
 * CT_WEIGHT_VALUE weighs neither keys nor empty values: a million keys without a value weigh 0, and
 * no maxsize limits them. Where values may be empty, weigh by memory or by a weigher.
 *
 * CT_WEIGHT_MEMORY limits what ct_memory tells: it stays within 5 % above maxsize, and within 10 %
 * while the contents are replaced by values of other sizes. Each shard may take 24 KiB more, and the
 * cache 40 KiB: a limit of less than a megabyte a shard, or of less than some hundred of the largest
 * entries, is not kept as closely. Neither is it where most entries are pinned while sizes change,
 * nor does it include values that have left and are still pinned. With an allocator of yours the
 * index counts twice while it grows or shrinks. After ct_resize entries move together at once, but
 * what S3FIFO, WTINYLFU and ARC remember follows with the next writes.
 *
 * With the default allocator ct_memory is what is resident, within 5 %, from 64 MiB and a mebibyte a
 * shard on, whatever the values' sizes are. A weight includes the free room that a value of more than
 * 16 KiB causes, a thirty-second of it and up to 2 KiB.
 *
 * To that end entries are moved in memory, some with each write that finds too much free room between
 * them, which nobody can tell from their values; with the other kinds too, if a quarter is free.
 */
typedef enum ct_weight_kind {
  CT_WEIGHT_COUNT = 0, /**< 1 each: maxsize is a number of entries */
  CT_WEIGHT_VALUE = 1, /**< the bytes of its value; 0 if that is empty */
  CT_WEIGHT_MEMORY = 2 /**< the bytes that it takes: key, value, header, its share of the index, of
                        * what the policy remembers and of the free room between entries */
} ct_weight_kind;

/** One thread at a time uses this cache and its values: no locks are taken. */
#define CT_FLAG_SINGLE_THREADED 0x1u
/** Nothing is counted: ct_cache_stats answers zeros. */
#define CT_FLAG_NO_STATS 0x2u
/** The default timer reads the exact clock (22 to 26 ns a reading) instead of the coarse one (3 to
 *  6 ns a reading), by which lifetimes end some milliseconds late: see Time. */
#define CT_FLAG_PRECISE_CLOCK 0x4u

/** How to make a cache. Zero is the default everywhere: LRU, 1 each, one shard. */
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
} ct_options;

/** A ct_options of defaults. */
#define CT_OPTIONS_INIT                                                                           \
  {                                                                                               \
    sizeof(ct_options), 0, 0, 0, 0, 0, 0, 0, 0, CT_NULL_, CT_NULL_, CT_NULL_, CT_NULL_, CT_NULL_, \
        CT_NULL_, CT_NULL_, CT_NULL_, CT_NULL_                                                    \
  }

/**
 * Makes a cache with nothing but a policy and a limit.
 *
 * @param policy   any but TTL, TLRU and CUSTOM, which need options
 * @param maxsize  number of entries; 0 keeps none; CT_UNBOUNDED
 * @return the cache; NULL for an unknown policy, one that needs options, or no memory
 *
 * Ownership: yours, until ct_cache_free.
 * Threads:   safe.
 * Cost:      O(1).
 * Since:     REPLACEME
 */
CT_API ct_cache *ct_cache_new(ct_policy policy, uint64_t maxsize);

/**
 * Sets options to their defaults: the function form of CT_OPTIONS_INIT.
 *
 * @param options      written with size bytes; NULL does nothing
 * @param struct_size  sizeof(ct_options) of the caller
 *
 * Threads:   safe.
 * Cost:      O(1); never allocates.
 * Since:     REPLACEME
 */
CT_API void ct_options_init(ct_options *options, size_t struct_size);

/** As ct_options_init, for CT_ALLOCATOR_INIT. Since: REPLACEME */
CT_API void ct_allocator_init(ct_allocator *allocator, size_t struct_size);

/** As ct_options_init, for CT_POLICY_OPS_INIT. Since: REPLACEME */
CT_API void ct_policy_ops_init(ct_policy_ops *ops, size_t struct_size);

/**
 * Says what is wrong with options.
 *
 * @return NULL if a cache can be made of them; else one sentence, static, that names the field
 *
 * Threads:   safe.
 * Cost:      O(1); never allocates.
 * Since:     REPLACEME
 */
CT_API const char *ct_options_problem(const ct_options *options);

/**
 * Makes a cache.
 *
 * @param options  not NULL; nothing of it is kept but what it names as pointers to functions and
 *                 user_data
 * @param out      [out] the cache on CT_OK, otherwise NULL
 * @return CT_OK; CT_ERR_INVALID (ct_options_problem says what); CT_ERR_NOMEM
 *
 * Ownership: *out is yours, until ct_cache_free.
 * Threads:   safe.
 * Callbacks: the allocator; state_new.
 * Cost:      O(shards).
 * Since:     REPLACEME
 */
CT_API ct_status ct_cache_new_with(const ct_options *options, ct_cache **out);

/**
 * Tells the options that are in force: defaults filled in, the seed that was drawn, the maxsize
 * that ct_resize set.
 *
 * @param out  [out] out->struct_size is set by the caller; its custom and allocator point into the
 *             cache, and are NULL if there is none of the caller's
 * @return CT_OK; CT_ERR_INVALID
 *
 * Threads:   safe.
 * Cost:      O(1); never allocates.
 * Since:     REPLACEME
 */
CT_API ct_status ct_cache_options(const ct_cache *cache, ct_options *out);

/**
 * Frees a cache. Values that are still pinned stay readable until they are released.
 *
 * The listener is told nothing (ct_clear first if it should be); drop is called for every value
 * that is not pinned.
 *
 * @param cache  NULL does nothing; no iterator of it may be left
 *
 * Threads:   exclusive: no other call may be running; never from a callback.
 * Callbacks: drop; the allocator; state_free.
 * Cost:      O(entries) with drop or pins, else O(memory blocks); never allocates.
 * Since:     REPLACEME
 */
CT_API void ct_cache_free(ct_cache *cache);

/* ---- The mapping: reading ------------------------------------------------------------------- */

/**
 * Looks a key up. A hit is a use.
 *
 * A use matters to the policy's order, renews the tti part of the lifetime, and is counted.
 *
 * @param cache     live handle, not NULL
 * @param key       key_size bytes, any content; NULL only if key_size is 0
 * @param out       [out] the value on CT_OK, otherwise zeroed; NULL if only the use is wanted
 * @return CT_OK; CT_MISS if absent or expired; CT_ERR_INVALID; CT_ERR_TOO_LARGE for a key of 2^32
 *         bytes; CT_ERR_NOMEM, possible only beyond 65,000 pins on one entry
 *
 * Ownership: ct_value_release gives *out back.
 * Threads:   safe.
 * Callbacks: timer, ct_policy_ops inside.
 * Cost:      O(1); allocates only beyond 65,000 pins on one entry, and for a count of LFU.
 * Since:     REPLACEME
 */
CT_API ct_status ct_get(ct_cache *cache, const void *key, size_t key_size, ct_value *out);

/**
 * Looks a key up and copies the value. A hit is a use.
 *
 * @param buffer    capacity bytes; NULL only if capacity is 0. Holds the value on CT_OK, otherwise
 *                  anything: a value that had expired, or was being replaced, may have been copied
 * @param capacity  in bytes
 * @param size      [out] on CT_OK the bytes copied, on CT_ERR_BUFFER the bytes needed, otherwise 0;
 *                  may be NULL
 * @return CT_OK; CT_MISS; CT_ERR_BUFFER: no value was copied, and it was no use and is not counted;
 *         CT_ERR_INVALID; CT_ERR_TOO_LARGE for a key of 2^32 bytes
 *
 * Threads:   safe; takes no lock for values up to 1 KiB in shards of more than a hundred entries,
 *            in caches without tti, CT_POLICY_CUSTOM and an allocator of yours. CLOCK, SIEVE,
 *            S3FIFO, FIFO and RR need none at all then, the others one for each 16 hits.
 * Callbacks: drop, if the value left while it was copied; timer, ct_policy_ops inside.
 * Cost:      O(value_size); allocates only for a count of LFU, which goes without if it must.
 * Since:     REPLACEME
 */
CT_API ct_status ct_get_copy(ct_cache *cache, const void *key, size_t key_size, void *buffer,
                             size_t capacity, size_t *size);

/**
 * Looks a key up without leaving a trace: no use, nothing counted.
 *
 * Arguments, answers and ownership are those of ct_get.
 *
 * Threads:   safe.
 * Callbacks: timer inside.
 * Cost:      O(1); allocates only beyond 65,000 pins on one entry.
 * Since:     REPLACEME
 */
CT_API ct_status ct_peek(ct_cache *cache, const void *key, size_t key_size, ct_value *out);

/**
 * Tells whether a key is there and not expired. No use, nothing counted.
 *
 * @return whether it is; false also for arguments that are not allowed
 *
 * Threads:   safe.
 * Callbacks: timer inside.
 * Cost:      O(1); never allocates.
 * Since:     REPLACEME
 */
CT_API bool ct_contains(ct_cache *cache, const void *key, size_t key_size);

/* ---- The mapping: writing ------------------------------------------------------------------- */

/**
 * Stores a value under a key, in place of the one there.
 *
 * Room is made first: expired entries go, then victims of the policy until the entry fits. These
 * are the key's own shard's, or another's that has noticeably more entries or is the last to have
 * any. Replacing an entry by a heavier one needs only the difference, and the entry itself goes if
 * its turn comes. Victims may weigh 0, and then make no room.
 *
 * A shard refers to 24 to 31 GiB of entries, of which values beyond 16 KiB hardly count. Where that is
 * used up, which more shards put off, victims of the shard go as at any limit, and the listener is
 * told of them before the value is stored.
 *
 * Overtakes a load of the key that runs (ct_get_or_load): what that brings is older, and is not kept.
 * So does a set that is refused for its weight, or because there is no memory.
 *
 * @param key    key_size bytes, any content; NULL only if key_size is 0; copied
 * @param value  value_size bytes, any content; NULL only if value_size is 0; copied
 * @return CT_OK; CT_NOT_STORED if it is dead on arrival: what it would have replaced is gone;
 *         CT_ERR_TOO_LARGE if it weighs more than maxsize: the old value stays, until ct_delete;
 *         CT_ERR_INVALID; CT_ERR_NOMEM; CT_ERR_INTERNAL if a policy of yours chose a dead id
 *
 * Threads:   safe.
 * Callbacks: weigher, ttu, listener, drop with no lock held; timer, choice, ct_policy_ops inside.
 * Cost:      O(1) amortized beside what it copies, evicts, and moves (64 KiB at most, as
 *            ct_weight_kind tells); allocates.
 * Since:     REPLACEME
 */
CT_API ct_status ct_set(ct_cache *cache, const void *key, size_t key_size, const void *value,
                        size_t value_size);

/**
 * Stores a value with a lifetime of its own, instead of the cache's ttl or ttu.
 *
 * @param ttl  in ticks from now; 0 is dead on arrival; CT_NEVER: none
 * @return as ct_set
 *
 * Threads:   safe.
 * Callbacks: as ct_set.
 * Cost:      as ct_set.
 * Since:     REPLACEME
 */
CT_API ct_status ct_set_ttl(ct_cache *cache, const void *key, size_t key_size, const void *value,
                            size_t value_size, uint64_t ttl);

/** ct_entry_options.ttl counts, from now. Not together with CT_ENTRY_DEADLINE. */
#define CT_ENTRY_TTL 0x1u
/** ct_entry_options.deadline counts. */
#define CT_ENTRY_DEADLINE 0x2u
/** ct_entry_options.weight counts, and no weigher is asked. CT_ERR_INVALID if the cache weighs by
 *  CT_WEIGHT_MEMORY. */
#define CT_ENTRY_WEIGHT 0x4u
/** Store only if the key is absent or expired: else CT_EXISTS. */
#define CT_ENTRY_IF_ABSENT 0x8u
/** Store only if the key is there: else CT_MISS. Not together with CT_ENTRY_IF_ABSENT. */
#define CT_ENTRY_IF_PRESENT 0x10u

/** What is special about one entry. Fields count only if their flag is set. */
typedef struct ct_entry_options {
  size_t struct_size; /**< sizeof(ct_entry_options) */
  uint32_t flags;     /**< CT_ENTRY_... */
  uint32_t reserved;  /**< 0 */
  uint64_t ttl;       /**< in ticks from now; 0 is dead on arrival; CT_NEVER: none */
  uint64_t deadline;  /**< in ticks, absolute; CT_NEVER: none */
  uint64_t weight;    /**< in units of maxsize */
} ct_entry_options;

/** A ct_entry_options that says nothing special. */
#define CT_ENTRY_OPTIONS_INIT \
  { sizeof(ct_entry_options), 0, 0, 0, 0, 0 }

/** As ct_options_init, for CT_ENTRY_OPTIONS_INIT. Since: REPLACEME */
CT_API void ct_entry_options_init(ct_entry_options *options, size_t struct_size);

/**
 * Stores a value with a lifetime, a weight or a condition of its own.
 *
 * The condition is judged first, then the lifetime, then the weight. CT_EXISTS overtakes no load of
 * the key that runs; CT_MISS does, as a set would that came after the load.
 *
 * @param options  NULL: as ct_set
 * @return as ct_set; CT_EXISTS with CT_ENTRY_IF_ABSENT, CT_MISS with CT_ENTRY_IF_PRESENT: nothing
 *         was stored
 *
 * Threads:   safe.
 * Callbacks: as ct_set.
 * Cost:      as ct_set.
 * Since:     REPLACEME
 */
CT_API ct_status ct_set_with(ct_cache *cache, const void *key, size_t key_size, const void *value,
                             size_t value_size, const ct_entry_options *options);

/**
 * Reads a key, storing the given value first if it is absent.
 *
 * A hit is a use and renews no ttl; otherwise one miss is counted, and a load of the key that runs is
 * overtaken, as by ct_set.
 *
 * @param out  [out] on CT_OK and CT_NOT_STORED the value found, else the given one; otherwise
 *             zeroed; may be NULL
 * @return CT_OK; CT_NOT_STORED if the given value is dead on arrival; else as ct_set
 *
 * Ownership: ct_value_release gives *out back.
 * Threads:   safe; of several callers at once, all get the same value.
 * Callbacks: as ct_set.
 * Cost:      as ct_set.
 * Since:     REPLACEME
 */
CT_API ct_status ct_setdefault(ct_cache *cache, const void *key, size_t key_size, const void *value,
                               size_t value_size, ct_value *out);

/**
 * Takes an entry out and hands its value over. Its cause is REMOVED. Counts no hit and no miss.
 * Overtakes a load of the key that runs, whether there is an entry or not.
 *
 * @param out  [out] the value on CT_OK, otherwise zeroed; may be NULL
 * @return CT_OK; CT_MISS if absent or expired; CT_ERR_INVALID; CT_ERR_TOO_LARGE for a key of 2^32
 *         bytes; CT_ERR_NOMEM, possible only beyond 65,000 pins on one entry
 *
 * Ownership: ct_value_release gives *out back.
 * Threads:   safe.
 * Callbacks: listener, drop; timer, ct_policy_ops inside.
 * Cost:      O(1).
 * Since:     REPLACEME
 */
CT_API ct_status ct_pop(ct_cache *cache, const void *key, size_t key_size, ct_value *out);

/**
 * Removes an entry. Its cause is REMOVED. Overtakes a load of the key that runs, whether there is an
 * entry or not.
 *
 * @return CT_OK; CT_MISS if absent or expired; CT_ERR_INVALID; CT_ERR_TOO_LARGE for a key of 2^32
 *         bytes
 *
 * Threads:   safe.
 * Callbacks: listener, drop; timer, ct_policy_ops inside.
 * Cost:      O(1); never allocates.
 * Since:     REPLACEME
 */
CT_API ct_status ct_delete(ct_cache *cache, const void *key, size_t key_size);

/**
 * Takes the policy's next victim out, never an expired entry. Shards take turns. Its cause is
 * EVICTED.
 *
 * @param key    [out] a copy of its key on CT_OK, otherwise zeroed; may be NULL
 * @param value  [out] its value on CT_OK, otherwise zeroed; may be NULL
 * @return CT_OK; CT_MISS if the cache is empty; CT_ERR_INVALID; CT_ERR_NOMEM; CT_ERR_INTERNAL if a
 *         policy of yours chose a dead id
 *
 * Ownership: ct_value_release gives *key and *value back.
 * Threads:   safe.
 * Callbacks: listener, drop; timer, choice, ct_policy_ops inside.
 * Cost:      O(1), with shards O(shards) at worst; allocates only beyond 65,000 pins on one entry.
 * Since:     REPLACEME
 */
CT_API ct_status ct_popitem(ct_cache *cache, ct_value *key, ct_value *value);

/**
 * Removes everything, a few hundred entries at a time where each is to be told of. Causes are
 * CLEARED, or EXPIRED. Counters stay as they are. Overtakes every load that runs.
 *
 * @return CT_OK; CT_ERR_INVALID
 *
 * Threads:   safe; what others store meanwhile may stay.
 * Callbacks: listener, drop; timer, ct_policy_ops inside.
 * Cost:      O(entries); never allocates.
 * Since:     REPLACEME
 */
CT_API ct_status ct_clear(ct_cache *cache);

/**
 * Removes all entries that match, unless they were written since they were shown.
 *
 * Overtakes every load that runs when it is called: whether match would mean what is being loaded
 * nobody can tell.
 *
 * @param match      not NULL; asked once for each entry that is there throughout
 * @return how many were removed; 0 also for arguments that are not allowed, and if there is no
 *         memory for the walk
 *
 * Threads:   safe.
 * Callbacks: match, listener, drop; timer, ct_policy_ops inside.
 * Cost:      O(entries); allocates O(1).
 * Since:     REPLACEME
 */
CT_API uint64_t ct_remove_if(ct_cache *cache, ct_match_fn match, void *user_data);

/* ---- The mapping: many at once -------------------------------------------------------------- */

/**
 * ct_get for many keys in one call.
 *
 * @param keys      count keys
 * @param values    [out] count values, zeroed where there was no hit
 * @param statuses  [out] count statuses: CT_OK or CT_MISS; all 0 on failure
 * @return CT_OK, hits or not; on the failures of ct_get nothing stays pinned, the uses that came
 *         before remain uses
 *
 * Ownership: each value is given back with ct_value_release.
 * Threads:   safe; each key stands alone.
 * Callbacks: timer, ct_policy_ops inside.
 * Cost:      O(count); as ct_get.
 * Since:     REPLACEME
 */
CT_API ct_status ct_get_many(ct_cache *cache, const ct_bytes *keys, size_t count, ct_value *values,
                             ct_status *statuses);

/**
 * ct_get_copy for many keys in one call, all flat: for languages that may not pass nested pointers.
 *
 * @param keys        the keys, one after the other
 * @param key_ends    count offsets into keys: where each ends and the next begins
 * @param buffer      capacity bytes for the values, one after the other
 * @param value_ends  [out] count offsets: where each value ends; an empty range where there was no
 *                    hit. On CT_ERR_BUFFER too, where the last is the capacity needed
 * @param statuses    [out] count statuses: CT_OK or CT_MISS; all 0 on failure
 * @return CT_OK, hits or not; CT_ERR_BUFFER: no value was copied, used or counted; CT_ERR_INVALID,
 *         also if key_ends falls; CT_ERR_TOO_LARGE for a key of 2^32 bytes; CT_ERR_NOMEM
 *
 * Threads:   safe; each key stands alone.
 * Callbacks: as ct_get_copy.
 * Cost:      O(count + bytes); the look-ups of a call overlap, which makes a key cheaper than a single
 *            ct_get_copy does. Allocates beyond 64 keys.
 * Since:     REPLACEME
 */
CT_API ct_status ct_get_many_copy(ct_cache *cache, const void *keys, const size_t *key_ends,
                                  size_t count, void *buffer, size_t capacity, size_t *value_ends,
                                  ct_status *statuses);

/**
 * ct_set_with for many pairs in one call, in order. Each pair stands alone.
 *
 * @param data      key, value, key, value …, one after the other
 * @param ends      2 × count offsets into data: where each ends and the next begins
 * @param options   for all of them; NULL: as ct_set
 * @param statuses  [out] count statuses as of ct_set_with, failures too; may be NULL
 * @return CT_OK; the first negative status of a pair, after all were tried; CT_ERR_INVALID: nothing
 *         was tried
 *
 * Threads:   safe.
 * Callbacks: as ct_set.
 * Cost:      count times that of ct_set.
 * Since:     REPLACEME
 */
CT_API ct_status ct_set_many(ct_cache *cache, const void *data, const size_t *ends, size_t count,
                             const ct_entry_options *options, ct_status *statuses);

/* ---- Size and time -------------------------------------------------------------------------- */

/**
 * Counts the entries, after reclaiming what is due as ct_expire(cache, CT_NOW, ...) does.
 *
 * @return their number
 *
 * Threads:   safe; beside writers, the sum of moments.
 * Callbacks: listener, drop; timer, ct_policy_ops inside.
 * Cost:      O(shards + what expired); never allocates.
 * Since:     REPLACEME
 */
CT_API uint64_t ct_len(ct_cache *cache);

/**
 * Sums the weights, after reclaiming what is due as ct_expire(cache, CT_NOW, ...) does. Never more
 * than maxsize.
 *
 * @return in units of weight
 *
 * Threads:   safe; beside writers, room that they have reserved counts.
 * Callbacks: listener, drop; timer, ct_policy_ops inside.
 * Cost:      O(shards + what expired); never allocates.
 * Since:     REPLACEME
 */
CT_API uint64_t ct_currsize(ct_cache *cache);

/** The limit, in units of weight. Threads: safe. Cost: O(1). Since: REPLACEME */
CT_API uint64_t ct_maxsize(const ct_cache *cache);

/** The bytes of memory held in all: entries, departed but pinned values, index, what the policy
 *  remembers, free room. With an allocator of yours, what it gave. Else of what is mapped those pages
 *  that are resident: what went back to the system does not count, what is locked in memory (mlock) and
 *  cannot go back does. A cache then has 64 mappings a gibibyte at most; addresses that the system
 *  refuses to unmap are used again. Threads: safe. Cost: O(1). Since: REPLACEME */
CT_API uint64_t ct_memory(const ct_cache *cache);

/**
 * Sets another limit, then evicts until it holds: from each shard in proportion, a few hundred
 * entries at a time, between which other calls come in. A write meanwhile makes its own room, and
 * evicts two entries more at most.
 * A limit of 0 empties the cache but for what weighs nothing, and so overtakes every load that runs,
 * as ct_clear does; others overtake none.
 *
 * @return CT_OK; CT_ERR_INVALID; CT_ERR_INTERNAL if a policy of yours chose a dead id: the limit is
 *         set, and later writes make the room
 *
 * Threads:   safe.
 * Callbacks: listener, drop; timer, choice, ct_policy_ops inside.
 * Cost:      O(shards + what is evicted + what moves together then, at most what is left).
 * Since:     REPLACEME
 */
CT_API ct_status ct_resize(ct_cache *cache, uint64_t maxsize);

/**
 * Gives an entry another lifetime. Not a use, nor a write of its value; a tti goes on by itself. With
 * a ttl of 0 it overtakes a load of the key that runs, whether there is an entry or not.
 *
 * The first lifetime of an entry in a cache without makes it a little longer: with CT_WEIGHT_MEMORY
 * that weighs, and room is made for it as by ct_set.
 *
 * @param ttl  in ticks from now; 0 expires it now; CT_NEVER: it does not expire by age
 * @return CT_OK; CT_MISS if absent or expired, or if it had to go itself to make that room;
 *         CT_ERR_INVALID; CT_ERR_TOO_LARGE for a key of 2^32 bytes, or if the entry would weigh more
 *         than maxsize; CT_ERR_NOMEM; CT_ERR_INTERNAL if a policy of yours chose a dead id
 *
 * Threads:   safe.
 * Callbacks: listener, drop; timer, choice, ct_policy_ops inside.
 * Cost:      O(1); the first lifetime of an entry in a cache without copies it.
 * Since:     REPLACEME
 */
CT_API ct_status ct_set_lifetime(ct_cache *cache, const void *key, size_t key_size, uint64_t ttl);

/** What is known of an entry. */
typedef struct ct_entry_info {
  size_t struct_size;  /**< sizeof(ct_entry_info), set by the caller */
  uint64_t weight;     /**< in units of maxsize */
  uint64_t deadline;   /**< in ticks, absolute; CT_NEVER: none */
  uint64_t remaining;  /**< in ticks from now, with what the coarse clock adds to a lifetime (see
                        * Time); CT_NEVER: no deadline */
  uint64_t frequency;  /**< how often stored or used, if the policy counts, else 0 */
  uint64_t key_size;   /**< in bytes */
  uint64_t value_size; /**< in bytes */
} ct_entry_info;

/** A ct_entry_info for ct_inspect to fill in. */
#define CT_ENTRY_INFO_INIT \
  { sizeof(ct_entry_info), 0, 0, 0, 0, 0, 0 }

/** As ct_options_init, for CT_ENTRY_INFO_INIT. Since: REPLACEME */
CT_API void ct_entry_info_init(ct_entry_info *info, size_t struct_size);

/**
 * Tells what is known of an entry. Not a use.
 *
 * @param out  [out] out->struct_size is set by the caller; the rest set on CT_OK, otherwise zeroed
 * @return CT_OK; CT_MISS if absent or expired; CT_ERR_INVALID; CT_ERR_TOO_LARGE for a key of 2^32
 *         bytes
 *
 * Threads:   safe.
 * Callbacks: timer inside.
 * Cost:      O(1); never allocates.
 * Since:     REPLACEME
 */
CT_API ct_status ct_inspect(ct_cache *cache, const void *key, size_t key_size, ct_entry_info *out);

/** For ct_expire: the timer's reading. */
#define CT_NOW UINT64_MAX

/**
 * Removes what is due, in order of deadline. ct_len, ct_currsize and ct_popitem do so too; a write
 * takes a few along, and all that it needs for room; reads never show an expired entry, but leave
 * it where it is.
 *
 * @param now    entries with a deadline up to it go; CT_NOW: the timer's reading
 * @param visit  shown each that went, cause EXPIRED; NULL: none. The listener is told as well
 * @return how many went
 *
 * Threads:   safe.
 * Callbacks: visit, listener, drop; timer, ct_policy_ops inside.
 * Cost:      O(n log n) for n that go; never allocates.
 * Since:     REPLACEME
 */
CT_API uint64_t ct_expire(ct_cache *cache, uint64_t now, ct_visit_fn visit, void *user_data);

/* ---- Iteration ------------------------------------------------------------------------------ */

/** No particular order; needs no memory for it. */
#define CT_ORDER_ANY 0
/** As ct_popitem would take them if nothing were used meanwhile, shard after shard; with S3FIFO and
 *  WTINYLFU nearly so, queue by queue. */
#define CT_ORDER_COLDEST 1
/** The reverse of CT_ORDER_COLDEST. */
#define CT_ORDER_HOTTEST 2

/**
 * Begins a walk over the entries. Quiet: it uses nothing and counts nothing.
 *
 * An entry that is there and unwritten throughout is seen exactly once, others at most once a
 * value, expired ones never. COLDEST and HOTTEST take the order down first, a few hundred entries at
 * a time, and pin each until it has been passed; what others use meanwhile may be found hotter. ANY
 * takes a few at a time.
 *
 * @param order  CT_ORDER_...
 * @param out    [out] the iterator on CT_OK, otherwise NULL
 * @return CT_OK; CT_ERR_UNSUPPORTED for COLDEST and HOTTEST with RR and CUSTOM; CT_ERR_INVALID;
 *         CT_ERR_NOMEM
 *
 * Ownership: ct_iter_free gives *out back, before ct_cache_free.
 * Threads:   safe beside anything; one iterator is used by one thread at a time.
 * Cost:      ANY O(1), the others O(entries); allocates.
 * Since:     REPLACEME
 */
CT_API ct_status ct_iter_new(ct_cache *cache, int32_t order, ct_iter **out);

/**
 * Goes to the next entry.
 *
 * @param key    [out] on CT_OK, otherwise zeroed; may be NULL
 * @param value  [out] on CT_OK, otherwise zeroed; may be NULL
 * @return CT_OK; CT_END, also when asked again; CT_ERR_INVALID; CT_ERR_NOMEM: nothing was passed,
 *         ask again
 *
 * Ownership: the views are valid until the next call with this iterator.
 * Threads:   as the iterator.
 * Callbacks: drop, for a value that left meanwhile; timer inside.
 * Cost:      O(1) amortized.
 * Since:     REPLACEME
 */
CT_API ct_status ct_iter_next(ct_iter *iter, ct_bytes *key, ct_bytes *value);

/** Ends a walk, at any point. NULL does nothing. Threads: as the iterator. Cost: O(entries not yet
 *  passed) for COLDEST and HOTTEST, else O(1). Since: REPLACEME */
CT_API void ct_iter_free(ct_iter *iter);

/* ---- Loading once --------------------------------------------------------------------------- */

/** What a callback hands back. Opaque; lives as long as the callback runs. */
typedef struct ct_result ct_result;

/** The right, and the duty, to load a key. Opaque. */
typedef struct ct_lease ct_lease;

/**
 * Hands a value back. Called more than once, the last one counts.
 *
 * @param data  size bytes, copied; NULL only if size is 0
 * @return CT_OK; CT_ERR_INVALID; CT_ERR_TOO_LARGE for 2^32 bytes; CT_ERR_NOMEM. A failure becomes
 *         the callback's, if that answers CT_OK all the same
 *
 * Threads:   the callback's own.
 * Cost:      O(size); allocates above 256 bytes.
 * Since:     REPLACEME
 */
CT_API ct_status ct_result_set(ct_result *result, const void *data, size_t size);

/** A lifetime for the value, in ticks from the callback's return on, instead of the cache's; the
 *  last of this and ct_result_deadline counts. Since: REPLACEME */
CT_API void ct_result_ttl(ct_result *result, uint64_t ttl);

/** A deadline for the value, in ticks, absolute; the last of this and ct_result_ttl counts.
 *  Since: REPLACEME */
CT_API void ct_result_deadline(ct_result *result, uint64_t deadline);

/** A weight for the value; CT_ERR_INVALID for the call with CT_WEIGHT_MEMORY. Since: REPLACEME */
CT_API void ct_result_weight(ct_result *result, uint64_t weight);

/** Hand the value back to who asked, but do not keep it. Since: REPLACEME */
CT_API void ct_result_discard(ct_result *result);

/**
 * Finds the value of a key that is absent.
 *
 * Loading other keys of the same cache in it is fine.
 *
 * @return CT_OK after ct_result_set; CT_MISS: there is no such value; a CT_ERR_... or a status of
 *         its own (1000 and above, -1000 and below): it failed. Anything else, and CT_OK without a
 *         value, becomes CT_ERR_INVALID
 */
typedef ct_status (*ct_loader_fn)(void *user_data, const void *key, size_t key_size,
                                  ct_result *result);

/**
 * Looks a key up, and loads it if it is absent. However many threads ask, one of them loads, and
 * the others wait for what it brings.
 *
 * A hit is a use and counts one hit; a load counts one miss; a waiter that receives the value counts
 * one hit and one wait. A loader that fails, or finds no value, fails only its own caller: nothing
 * is stored, and the next waiter loads. A value that is too large, dead on arrival or discarded is
 * handed to all who wait, and not kept.
 *
 * A load is overtaken if its key is invalidated while it runs, on whichever thread, the loader's
 * own included. Invalidations are: a set, also one that is dead on arrival, that
 * CT_ENTRY_IF_PRESENT finds no entry for, or that is refused for its weight or for want of memory;
 * ct_delete, ct_pop, ct_clear and ct_remove_if; a ct_compute that stores or answers CT_MISS;
 * ct_set_lifetime and ct_resize with 0; each of them whether there is an entry or not. CT_EXISTS is
 * none, nor are eviction, expiry and ct_snapshot_load. What an overtaken load brings is handed to
 * its own caller and to those who wait for it, and not kept; whoever comes later does not wait for
 * it, but starts anew.
 *
 * @param load  not NULL
 * @param out   [out] the value on CT_OK, kept or not, otherwise zeroed; may be NULL
 * @return CT_OK; CT_MISS or a failure as load answered it; CT_ERR_RECURSION if a ct_get_or_load
 *         further up this thread is loading the key, or waiting would close a ring of threads that
 *         wait for each other in this cache, by loads or by turns of ct_compute; CT_BUSY in a
 *         single-threaded cache if the key is leased; CT_ERR_INVALID; CT_ERR_TOO_LARGE for a key of
 *         2^32 bytes; CT_ERR_NOMEM
 *
 * Ownership: ct_value_release gives *out back.
 * Threads:   safe; waits as long as it takes. A key whose lease this thread itself has from
 *            ct_get_or_lease is waited for as any other: that would be for ever.
 * Callbacks: load; then as ct_set.
 * Cost:      a hit as ct_get; a load as ct_set, and allocates.
 * Since:     REPLACEME
 */
CT_API ct_status ct_get_or_load(ct_cache *cache, const void *key, size_t key_size,
                                ct_loader_fn load, void *user_data, ct_value *out);

/**
 * Looks a key up, and if it is absent takes its lease or waits for who has it: ct_get_or_load for
 * those who load in their own way, later, or on another thread.
 *
 * Counts as ct_get_or_load does. Until it is fulfilled or abandoned, a lease is a load that runs: what
 * overtakes that overtakes a lease.
 *
 * @param wait_ns  how long to wait at most, in nanoseconds of real time: 0: not at all; UINT64_MAX:
 *                 as long as it takes. A single-threaded cache never waits
 * @param out      [out] the value on CT_OK, otherwise zeroed; may be NULL
 * @param lease    [out] the lease on CT_LEASED, otherwise NULL
 * @return CT_OK; CT_LEASED: load the value, then call ct_lease_fulfil or ct_lease_abandon; CT_BUSY
 *         if another has the lease and the time is over; CT_ERR_RECURSION as ct_get_or_load, if
 *         wait_ns is not 0;
 *         CT_ERR_INVALID; CT_ERR_TOO_LARGE for a key of 2^32 bytes; CT_ERR_NOMEM
 *
 * Ownership: ct_value_release gives *out back. *lease is yours until it is fulfilled or abandoned,
 *            which must be before ct_cache_free; it belongs to no thread.
 * Threads:   safe.
 * Cost:      a hit as ct_get; a lease allocates.
 * Since:     REPLACEME
 */
CT_API ct_status ct_get_or_lease(ct_cache *cache, const void *key, size_t key_size,
                                 uint64_t wait_ns, ct_value *out, ct_lease **lease);

/**
 * Brings the value that a lease was taken for: stores it, and hands it to all who wait.
 *
 * @param lease    consumed, whatever is returned
 * @param options  NULL: as ct_set; without a condition
 * @param out      [out] the value on CT_OK and CT_NOT_STORED, otherwise zeroed; may be NULL
 * @return CT_OK; CT_NOT_STORED: handed to those who wait but not kept, because it is too large, dead
 *         on arrival, or because it was overtaken as a load of ct_get_or_load is; CT_ERR_INVALID,
 *         CT_ERR_TOO_LARGE for a value of 2^32 bytes, CT_ERR_NOMEM: as ct_lease_abandon
 *
 * Ownership: ct_value_release gives *out back.
 * Threads:   safe, on whichever thread.
 * Callbacks: as ct_set; one that asks for the same key would wait for itself.
 * Cost:      as ct_set.
 * Since:     REPLACEME
 */
CT_API ct_status ct_lease_fulfil(ct_lease *lease, const void *value, size_t value_size,
                                 const ct_entry_options *options, ct_value *out);

/**
 * Gives a lease up. One of those who wait becomes the loader.
 *
 * @param lease  consumed; NULL does nothing
 *
 * Threads:   safe, on whichever thread.
 * Cost:      O(1); never allocates.
 * Since:     REPLACEME
 */
CT_API void ct_lease_abandon(ct_lease *lease);

/** The key that a lease is for. *out is valid as long as the lease. Threads: safe.
 *  Since: REPLACEME */
CT_API void ct_lease_key(const ct_lease *lease, ct_bytes *out);

/**
 * Makes a new value out of the old one. May run more than once in one call, so it must be free of
 * effects.
 *
 * @param old  the value there is, borrowed; NULL: none
 * @return CT_OK: store what ct_result_set was given; CT_MISS: remove the entry; CT_NOT_STORED: leave
 *         it as it is; otherwise the call fails with it, as with ct_loader_fn
 */
typedef ct_status (*ct_compute_fn)(void *user_data, const void *key, size_t key_size,
                                   const ct_bytes *old, ct_result *result);

/**
 * Reads, changes and writes one entry, as if at once.
 *
 * Computes of one key take turns: compute runs while no other one runs for the key, so that each of
 * them sees what the one before has stored. Turns are among computes alone: no other call waits for
 * them, nor do they wait for loads.
 *
 * What compute answers is done only if the entry is still the very value that it saw, or still
 * absent. If another call has changed that meanwhile, compute runs again, 16 times at most; then the
 * call gives up with CT_BUSY, and has changed nothing. A store renews the lifetime. Counts one hit or
 * one miss, unless it fails or is CT_BUSY. A store, also one that is refused as a set may be, and
 * CT_MISS of compute overtake a load of the key that runs, whether there is an entry or not; other
 * answers do not.
 *
 * A key cannot be computed from within its own compute, weigher or ttu, as that would wait for
 * itself; listener and drop, which come after it, may compute it.
 *
 * @param compute  not NULL
 * @param out      [out] the value stored on CT_OK; on CT_NOT_STORED the one that was left, or that
 *                 was dead on arrival or discarded; otherwise zeroed; may be NULL
 * @return CT_OK: stored; CT_MISS: removed, or absent already; CT_NOT_STORED: left as it was, or dead
 *         on arrival or discarded; CT_BUSY: others changed the entry each time; a failure as compute
 *         answered it; CT_ERR_RECURSION if a ct_compute further up this thread is computing the key,
 *         or waiting would close a ring of threads that wait for each other in this cache, by loads
 *         or by turns; otherwise as ct_set
 *
 * Ownership: ct_value_release gives *out back.
 * Threads:   safe; holds no lock while compute runs; waits for its turn as long as it takes, in a
 *            single-threaded cache never. Whoever has waited long is not passed over by newcomers
 *            again and again.
 * Callbacks: compute; then as ct_set.
 * Cost:      as ct_get and ct_set for each run.
 * Since:     REPLACEME
 */
CT_API ct_status ct_compute(ct_cache *cache, const void *key, size_t key_size,
                            ct_compute_fn compute, void *user_data, ct_value *out);

/* ---- Keys ----------------------------------------------------------------------------------- */

/** Builds a key from typed arguments. Opaque. */
typedef struct ct_key ct_key;

/** Arguments of different types are different: 1, 1.0 and true are three keys. Types of values
 *  within a tuple do not count. */
#define CT_KEY_TYPED 0x1u

/**
 * Makes a key builder.
 *
 * Values are added in the order of the call that the key stands for; then ct_key_data hands over
 * bytes that are equal if and only if the arguments are. Numbers that are equal are one, whatever
 * their type: 1, 1.0 and true; 0.0 and -0.0. All NaNs are one. Named arguments come last, in any
 * order. An error in between sticks, and ct_key_data tells it: a name given twice, a name without a
 * value or within a tuple, a value without a name after one with, an unbalanced tuple, text that is
 * not UTF-8.
 *
 * The encoding is written down in src/memo/key.hpp. It never changes within a major version, so keys may
 * be kept.
 *
 * @param flags  0 or CT_KEY_TYPED
 * @return the builder, empty; NULL for an unknown flag, or no memory
 *
 * Ownership: yours, until ct_key_free.
 * Threads:   safe; one builder is used by one thread at a time.
 * Cost:      O(1); keys up to 256 bytes need no more memory than this.
 * Since:     REPLACEME
 */
CT_API ct_key *ct_key_new(uint32_t flags);

/** Empties a builder; errors are forgotten, its memory is kept. Since: REPLACEME */
CT_API void ct_key_reset(ct_key *key);

/** Frees a builder. NULL does nothing. Since: REPLACEME */
CT_API void ct_key_free(ct_key *key);

/** Adds nothing at all: None, null, nil. Since: REPLACEME */
CT_API void ct_key_null(ct_key *key);
/** Adds a truth value, which is equal to 0 or 1 unless typed. Since: REPLACEME */
CT_API void ct_key_bool(ct_key *key, bool value);
/** Adds an integer. Since: REPLACEME */
CT_API void ct_key_int(ct_key *key, int64_t value);
/** Adds an integer, of the same type as ct_key_int's. Since: REPLACEME */
CT_API void ct_key_uint(ct_key *key, uint64_t value);
/** Adds a number, which is equal to an integer of the same value unless typed. Since: REPLACEME */
CT_API void ct_key_double(ct_key *key, double value);
/** Adds text: size bytes of UTF-8; NULL only if size is 0. Since: REPLACEME */
CT_API void ct_key_text(ct_key *key, const char *text, size_t size);
/** Adds bytes, which are never equal to text; NULL only if size is 0. Since: REPLACEME */
CT_API void ct_key_bytes(ct_key *key, const void *data, size_t size);
/** Begins a tuple: what follows is its elements. Tuples may hold tuples. Since: REPLACEME */
CT_API void ct_key_tuple_begin(ct_key *key);
/** Ends the tuple begun last. Since: REPLACEME */
CT_API void ct_key_tuple_end(ct_key *key);
/** Names the next value: size bytes of UTF-8; NULL only if size is 0. Cost: O(what is named before
 *  it), as names are kept sorted: let no stranger choose thousands. Since: REPLACEME */
CT_API void ct_key_name(ct_key *key, const char *name, size_t size);

/**
 * Hands the key over.
 *
 * @param data  [out] the bytes on CT_OK, otherwise NULL
 * @param size  [out] their number on CT_OK, otherwise 0
 * @return CT_OK; CT_ERR_INVALID for a mistake in what was added; CT_ERR_TOO_LARGE from 2^32 bytes
 *         on; CT_ERR_NOMEM
 *
 * Ownership: *data is the builder's, until it is next changed.
 * Threads:   as the builder.
 * Cost:      O(1).
 * Since:     REPLACEME
 */
CT_API ct_status ct_key_data(ct_key *key, const void **data, size_t *size);

/* ---- Memoized functions --------------------------------------------------------------------- */

/** A function that remembers its results. Opaque. */
typedef struct ct_memo ct_memo;

/** The function: finds the result for args, as a loader does. self is the object that it was called
 *  on, or NULL. */
typedef ct_status (*ct_memo_fn)(void *user_data, void *self, const void *args, ct_result *result);

/** Adds the arguments to a key. Anything but CT_OK fails the call, as of a loader, and the function
 *  is not called. */
typedef ct_status (*ct_memo_key_fn)(void *user_data, void *self, const void *args, ct_key *key);

/** Tells the cache of an object. NULL fails the call with CT_ERR_INVALID. */
typedef ct_cache *(*ct_memo_cache_fn)(void *user_data, void *self);

/** Keys carry the types of their arguments: CT_KEY_TYPED. */
#define CT_MEMO_TYPED 0x1u
/** Callers that ask for the same result at once all call the function, and all get the result that
 *  was stored first. Without it, one calls and the others wait. */
#define CT_MEMO_RACE 0x2u

/** How to memoize a function. At most one of cache, cache_of and own says where results are kept;
 *  with none of them, every call is passed through and counted as a miss. */
typedef struct ct_memo_options {
  size_t struct_size;        /**< sizeof(ct_memo_options) */
  uint32_t flags;            /**< CT_MEMO_... */
  uint32_t reserved;         /**< 0 */
  void *user_data;           /**< handed to the callbacks below */
  ct_memo_fn fn;             /**< required */
  ct_memo_key_fn key;        /**< required */
  ct_cache *cache;           /**< shared: it must outlive the memo */
  ct_memo_cache_fn cache_of; /**< one for each self */
  const ct_options *own;     /**< a cache of its own, made and freed with it */
  const void *prefix;        /**< sets memos that share a cache apart; copied */
  size_t prefix_size;        /**< in bytes */
} ct_memo_options;

/** A ct_memo_options to be filled in. */
#define CT_MEMO_OPTIONS_INIT                                                                   \
  {                                                                                            \
    sizeof(ct_memo_options), 0, 0, CT_NULL_, CT_NULL_, CT_NULL_, CT_NULL_, CT_NULL_, CT_NULL_, \
        CT_NULL_, 0                                                                            \
  }

/** As ct_options_init, for CT_MEMO_OPTIONS_INIT. Since: REPLACEME */
CT_API void ct_memo_options_init(ct_memo_options *options, size_t struct_size);

/** As ct_options_init, for the usual cache of a memo's own: LRU, 128 entries. Since: REPLACEME */
CT_API void ct_memo_own_default(ct_options *options, size_t struct_size);

/**
 * Memoizes a function.
 *
 * @param options  not NULL; copied, and what own points to
 * @param out      [out] the memo on CT_OK, otherwise NULL
 * @return CT_OK; CT_ERR_INVALID without fn or key, with two caches, or with options for its own that
 *         ct_options_problem objects to; CT_ERR_NOMEM
 *
 * Ownership: *out is yours, until ct_memo_free.
 * Threads:   safe.
 * Cost:      O(1), and that of making its own cache.
 * Since:     REPLACEME
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
 * Since:     REPLACEME
 */
CT_API void ct_memo_free(ct_memo *memo);

/**
 * Calls the function, or tells what it answered before.
 *
 * A failure is not remembered. A result that is too large to keep is handed over all the same.
 *
 * @param self  the object it is called on; NULL for a plain function
 * @param args  handed to key and fn
 * @param out   [out] the result on CT_OK, otherwise zeroed; may be NULL
 * @return CT_OK; CT_MISS or a failure as fn answered it; a failure as key answered it;
 *         CT_ERR_RECURSION if the function needs the very result it is computing, as
 *         ct_get_or_load; threads that wait for each other in different caches are not noticed;
 *         CT_ERR_INVALID; CT_ERR_NOMEM
 *
 * Ownership: ct_value_release gives *out back.
 * Threads:   safe; waits for another thread that computes the same result, unless CT_MEMO_RACE.
 * Callbacks: key, cache_of, fn; then as ct_set.
 * Cost:      as ct_get, and the key's; a call of fn as ct_set.
 * Since:     REPLACEME
 */
CT_API ct_status ct_memo_call(ct_memo *memo, void *self, const void *args, ct_value *out);

/**
 * Builds the key that a call is stored under, its prefix included.
 *
 * @param key  emptied first; its type is the memo's then
 * @return as ct_key_data, or a failure as the memo's key answered it
 *
 * Threads:   safe.
 * Callbacks: key.
 * Cost:      the key's.
 * Since:     REPLACEME
 */
CT_API ct_status ct_memo_key(ct_memo *memo, void *self, const void *args, ct_key *key);

/** The cache that keeps the results for self; NULL if there is none. Threads: safe.
 *  Callbacks: cache_of. Since: REPLACEME */
CT_API ct_cache *ct_memo_cache(ct_memo *memo, void *self);

/**
 * Forgets the result of one call.
 *
 * @return CT_OK; CT_MISS if none was kept; as ct_memo_key; CT_ERR_INVALID
 *
 * Threads:   safe; a call that is computing meanwhile is not kept, unless CT_MEMO_RACE.
 * Callbacks: key, cache_of; then as ct_delete.
 * Cost:      as ct_delete, and the key's.
 * Since:     REPLACEME
 */
CT_API ct_status ct_memo_invalidate(ct_memo *memo, void *self, const void *args);

/** There is no cache: calls are passed through. */
#define CT_INFO_NO_CACHE 0x1u

/** What a memo has seen. */
typedef struct ct_cache_info {
  size_t struct_size; /**< sizeof(ct_cache_info), set by the caller */
  uint64_t hits;      /**< calls answered without calling the function, waits included */
  uint64_t misses;    /**< calls of the function, failed ones included */
  uint64_t maxsize;   /**< of the cache */
  uint64_t currsize;  /**< of the cache, other memos' results included */
  uint32_t flags;     /**< CT_INFO_... */
  uint32_t reserved;  /**< 0 */
} ct_cache_info;

/** A ct_cache_info for ct_memo_info to fill in. */
#define CT_CACHE_INFO_INIT \
  { sizeof(ct_cache_info), 0, 0, 0, 0, 0, 0 }

/** As ct_options_init, for CT_CACHE_INFO_INIT. Since: REPLACEME */
CT_API void ct_cache_info_init(ct_cache_info *info, size_t struct_size);

/**
 * Tells hits and misses of this memo and this self, and how full the cache is.
 *
 * @param out  [out] out->struct_size is set by the caller; the rest set on CT_OK, otherwise zeroed
 * @return CT_OK; CT_ERR_INVALID
 *
 * Threads:   safe.
 * Callbacks: cache_of; then as ct_currsize.
 * Cost:      O(1).
 * Since:     REPLACEME
 */
CT_API ct_status ct_memo_info(ct_memo *memo, void *self, ct_cache_info *out);

/**
 * Empties the cache, other memos' results included, and sets this memo's hits and misses of self to
 * zero.
 *
 * @return CT_OK; CT_ERR_INVALID
 *
 * Threads:   safe.
 * Callbacks: cache_of; then as ct_clear.
 * Cost:      as ct_clear.
 * Since:     REPLACEME
 */
CT_API ct_status ct_memo_clear(ct_memo *memo, void *self);

/** Forgets the hits and misses of self: call it before self goes. Its results stay. Threads: safe.
 *  Since: REPLACEME */
CT_API void ct_memo_forget(ct_memo *memo, void *self);

/* ---- Snapshots ------------------------------------------------------------------------------ */

/** Takes the next size bytes of a snapshot; size is never 0.
 *
 * @return CT_OK if it took all of them; otherwise the save fails with it: a negative CT_ERR_..., or a
 *         status of its own (1000 and above, -1000 and below). Anything else becomes CT_ERR_INVALID
 */
typedef ct_status (*ct_write_fn)(void *user_data, const void *data, size_t size);

/** Brings the next bytes of a snapshot: up to capacity of them, which is never 0.
 *
 * @param buffer  [out] capacity bytes
 * @param got     [out] how many they are; 0, which stands there at first: the input ends here
 * @return CT_OK; otherwise the load fails with it, as with ct_write_fn
 */
typedef ct_status (*ct_read_fn)(void *user_data, void *buffer, size_t capacity, size_t *got);

/**
 * Writes down what is in the cache, for ct_snapshot_load, today or after a restart: keys and values,
 * weights that were given or asked for, what is left of lifetimes, and who is hotter than whom, for
 * LFU how often each was used. Quiet: it uses nothing and counts nothing.
 *
 * A cache with the default timer also writes down the date, by the wall clock, for CT_SNAPSHOT_AGED:
 * so the same entries make other bytes at another time.
 *
 * The format has a version and does not depend on the machine; it is written down in
 * src/snapshot/snapshot.hpp. Beside other threads each entry is as it was at some instant of the call, and one
 * that is there throughout is saved once; of its place in the order that is true only while nothing
 * is used or written. RR and CUSTOM have no order to save. Of values that hold pointers only the
 * pointers are saved.
 *
 * @param write  not NULL; is given the snapshot from its beginning to its end
 * @return CT_OK; a failure as write answered it, which is then not called again; CT_ERR_INVALID;
 *         CT_ERR_NOMEM
 *
 * Threads:   safe beside anything.
 * Callbacks: write; drop, for a value that left meanwhile; timer inside.
 * Cost:      O(entries and their bytes); allocates less than 1 MiB, however large the cache is.
 * Since:     REPLACEME
 */
CT_API ct_status ct_snapshot_save(ct_cache *cache, ct_write_fn write, void *user_data);

/**
 * Adds what a snapshot holds, of a cache with whatever policy, limit and number of shards.
 *
 * All of it is read and checked before the cache is touched; then, from the hottest on, every entry
 * is kept that there still is room for. Nothing is evicted for it, and keys that are there stay as
 * they are; but first, as with ct_expire, what is due goes. In the order of the policy, those that
 * are kept come as if stored just now, the hottest of them last (with MRU: first), in LFU with the
 * counts that they had in another LFU; of SIEVE the hottest are those that it would evict last, which
 * of a small part are not those used most. Lifetimes go on from where they were at the save, however
 * long ago that is (but see CT_SNAPSHOT_AGED): what had none gets none, and time to idle goes on only
 * in a cache with tti. Weights stay what they were in a cache that weighs in the same way, by the
 * same weight_kind or by a weigher; else they are found as for ct_set. The listener is told nothing,
 * neither of what is kept nor of what is not, and nothing is counted. A lease of a key that comes
 * back is not overtaken.
 *
 * @param read  not NULL; is not asked for anything behind the snapshot, so that something else may
 *              follow
 * @return CT_OK, however many were kept; CT_ERR_CORRUPT if the input ends too early, was altered, is
 *         no snapshot, or one of a version that this library does not know; a failure as read
 *         answered it; CT_ERR_INTERNAL if read brought more than it may; CT_ERR_INVALID; CT_ERR_NOMEM
 *
 * Threads:   safe beside anything; keys stored by others meanwhile stay too. A store for which there
 *            is nothing but the room that is being filled waits for it.
 * Callbacks: read; then weigher, and for what was due listener and drop; timer, ct_policy_ops inside.
 * Cost:      O(n log n) for n entries, and their bytes; allocates, beside what is kept, in proportion
 *            to what has been read, whatever the lengths in it claim.
 * Since:     REPLACEME
 */
CT_API ct_status ct_snapshot_load(ct_cache *cache, ct_read_fn read, void *user_data);

/**
 * For ct_snapshot_load_with: lifetimes have gone on since the save. The time that has passed, in
 * nanoseconds, is taken off what was left of each, and what is over by that does not come back. Time
 * to idle is such a lifetime in a cache with tti.
 *
 * For values that age wherever they are, as tokens and prices do: without it, what had a minute to
 * live when a program ended has it still when that starts again an hour later.
 *
 * What has passed is the difference of two readings of the wall clock (CLOCK_REALTIME), one from the
 * beginning of the save and one when all of the snapshot has been read. So it counts the time that
 * the machine was suspended or off, unlike the monotonic clock, and is as right as the wall clock
 * was: if that was set forward, entries age by as much; if it was set back to before the save, or is
 * behind that of another machine, no time has passed. Both caches must have the default timer, as the
 * ticks of another may be anything.
 */
#define CT_SNAPSHOT_AGED 0x1u

/**
 * Adds what a snapshot holds as flags say: with 0 as ct_snapshot_load.
 *
 * What does not come back for its age is treated as if it were not in the snapshot: it takes no room
 * from what is colder, no weigher is asked, and nobody is told.
 *
 * @param read   as of ct_snapshot_load
 * @param flags  0 or CT_SNAPSHOT_AGED
 * @return as ct_snapshot_load; CT_ERR_INVALID for an unknown flag; with CT_SNAPSHOT_AGED,
 *         CT_ERR_UNSUPPORTED in a cache with a timer of its own, before read is called, and for a
 *         snapshot without a date, of a cache with such a timer or of version 1: read has then brought
 *         a part of it, and loading it otherwise begins with the first byte again
 *
 * Threads:   as ct_snapshot_load.
 * Callbacks: as ct_snapshot_load.
 * Cost:      as ct_snapshot_load; CT_SNAPSHOT_AGED reads one more clock.
 * Since:     REPLACEME
 */
CT_API ct_status ct_snapshot_load_with(ct_cache *cache, ct_read_fn read, void *user_data,
                                       uint32_t flags);

/**
 * Saves a snapshot in a file.
 *
 * It is written beside, to path with a dot and six characters behind it, synced to the disk, and then
 * renamed to path: whatever happens, what is there is the old file or the new one, complete. A
 * process that is killed meanwhile leaves the unfinished one beside. The new one can be read and
 * written by its owner only. A symbolic link is replaced, not followed; what is neither that nor a
 * file, as a device or a FIFO, and a link to one, as /dev/stdout is, are refused with CT_ERR_IO.
 *
 * @param path  zero-terminated, not NULL
 * @return CT_OK; CT_ERR_IO: the old file, if there is one, is as it was (if only its folder could not
 *         be synced, the new one is there, and might not survive a loss of power); CT_ERR_INVALID;
 *         CT_ERR_NOMEM
 *
 * Threads:   safe beside anything, also saving to the same path.
 * Callbacks: drop, for a value that left meanwhile; timer inside.
 * Cost:      as ct_snapshot_save, and waits for the disk.
 * Since:     REPLACEME
 */
CT_API ct_status ct_snapshot_save_file(ct_cache *cache, const char *path);

/**
 * Loads a snapshot from a file, which must hold nothing else.
 *
 * @param path  zero-terminated, not NULL
 * @return CT_ERR_IO if it is not there or cannot be read; otherwise as ct_snapshot_load
 *
 * Threads:   as ct_snapshot_load.
 * Callbacks: as ct_snapshot_load, but for read.
 * Cost:      as ct_snapshot_load.
 * Since:     REPLACEME
 */
CT_API ct_status ct_snapshot_load_file(ct_cache *cache, const char *path);

/**
 * Loads a snapshot from a file as flags say: with 0 as ct_snapshot_load_file.
 *
 * @param path   zero-terminated, not NULL
 * @param flags  0 or CT_SNAPSHOT_AGED
 * @return CT_ERR_IO if it is not there or cannot be read; otherwise as ct_snapshot_load_with
 *
 * Threads:   as ct_snapshot_load.
 * Callbacks: as ct_snapshot_load, but for read.
 * Cost:      as ct_snapshot_load_with.
 * Since:     REPLACEME
 */
CT_API ct_status ct_snapshot_load_file_with(ct_cache *cache, const char *path, uint32_t flags);

/* ---- Statistics ----------------------------------------------------------------------------- */

/**
 * What has happened, each event counted exactly once.
 *
 * At rest, with neither a reset nor a snapshot loaded between: inserts = entries + evictions +
 * expirations + removals.
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
  uint64_t loads;          /**< leases fulfilled, by loaders too */
  uint64_t load_failures;  /**< leases given up, or loaders that brought no value */
  uint64_t load_ticks;     /**< from lease to fulfilment, summed over loads; what is shorter than a
                            * step of the coarse clock (see Time) is mostly 0 */
  uint64_t waits;          /**< values received from another caller's load; hits too */
} ct_stats;

/** A ct_stats for ct_cache_stats to fill in. */
#define CT_STATS_INIT \
  { sizeof(ct_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/** As ct_options_init, for CT_STATS_INIT. Since: REPLACEME */
CT_API void ct_stats_init(ct_stats *stats, size_t struct_size);

/**
 * Reads the counters.
 *
 * @param out  [out] out->struct_size is set by the caller
 * @return CT_OK; CT_ERR_INVALID
 *
 * Threads:   safe; beside running calls the counters are not of one instant.
 * Cost:      O(shards); never allocates.
 * Since:     REPLACEME
 */
CT_API ct_status ct_cache_stats(const ct_cache *cache, ct_stats *out);

/**
 * Counts from zero again. Moves a baseline: an event that runs meanwhile is in the old count or in
 * the new one, never in both, never lost.
 *
 * @return CT_OK; CT_ERR_INVALID
 *
 * Threads:   safe.
 * Cost:      O(shards); never allocates.
 * Since:     REPLACEME
 */
CT_API ct_status ct_cache_stats_reset(ct_cache *cache);

/* ---- Version -------------------------------------------------------------------------------- */

/** This header's version, before the first dot; ct_version tells the library's. */
#define CT_VERSION_MAJOR 0
/** This header's version, between the dots. */
#define CT_VERSION_MINOR 1
/** This header's version, after the last dot. */
#define CT_VERSION_PATCH 0

/** The library's version: major * 1000000 + minor * 1000 + patch. Threads: safe.
 *  Since: REPLACEME */
CT_API uint32_t ct_version(void);

/** The library's version: "0.1.0". Static. Threads: safe. Since: REPLACEME */
CT_API const char *ct_version_string(void);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* CACHETOOLS_H */
