// SPDX-License-Identifier: MIT

package cachetools

// #include "callbacks.h"
import "C"

import "time"

// EntryFlags say which fields of EntryOptions apply, and set conditions.
type EntryFlags uint32

const (
	EntryTTL       EntryFlags = C.CT_ENTRY_TTL        // EntryOptions.TTL applies
	EntryDeadline  EntryFlags = C.CT_ENTRY_DEADLINE   // EntryOptions.Deadline applies
	EntryWeight    EntryFlags = C.CT_ENTRY_WEIGHT     // EntryOptions.Weight applies
	EntryIfAbsent  EntryFlags = C.CT_ENTRY_IF_ABSENT  // else ErrExists
	EntryIfPresent EntryFlags = C.CT_ENTRY_IF_PRESENT // else ErrMiss
)

// EntryOptions say what is special about one entry. A field without its flag must be 0.
type EntryOptions struct {
	Flags    EntryFlags
	TTL      time.Duration // from now on; up to 0: dead on arrival
	Deadline time.Duration // a reading of the timer
	Weight   uint64
}

func (o EntryOptions) raw() C.ct_entry_options {
	return C.ct_entry_options{
		struct_size: C.sizeof_ct_entry_options,
		flags:       C.uint32_t(o.Flags),
		ttl:         ticks(o.TTL),
		deadline:    ticks(o.Deadline),
		weight:      C.uint64_t(o.Weight),
	}
}

// EntryInfo is what is known of an entry.
type EntryInfo struct {
	Weight    uint64
	Deadline  time.Duration // a reading of the timer, or Never
	Remaining time.Duration // from now on, or Never
	Frequency uint64        // how often stored or used, if the policy counts
	KeySize   uint64        // in bytes
	ValueSize uint64        // in bytes; of a Cache, those of a number in place of the value
}

func infoOf(raw *C.ct_entry_info) EntryInfo {
	return EntryInfo{uint64(raw.weight), durationOf(raw.deadline), durationOf(raw.remaining),
		uint64(raw.frequency), uint64(raw.key_size), uint64(raw.value_size)}
}
