// SPDX-License-Identifier: MIT

package cachetools

// #include "callbacks.h"
//
// static ct_status get_many_copy(ct_cache *cache, const unsigned char *keys, const size_t *key_ends,
//                                size_t count, unsigned char *buffer, size_t capacity,
//                                size_t *value_ends, ct_status *statuses) {
//   return ct_get_many_copy(cache, keys, key_ends, count, buffer, capacity, value_ends, statuses);
// }
//
// static ct_status set_many(ct_cache *cache, const unsigned char *data, const size_t *ends,
//                           size_t count, const ct_entry_options *options, ct_status *statuses) {
//   return ct_set_many(cache, data, ends, count, options, statuses);
// }
import "C"

import (
	"runtime"
	"sync"
)

// flat holds bytes one after the other, as the library takes them, and room for its results.
type flat struct {
	data      []byte
	ends      []C.size_t
	valueEnds []C.size_t
	statuses  []C.ct_status
}

// flats are reused, because batches are for speed.
var flats = sync.Pool{New: func() any { return new(flat) }}

func newFlat(count int) *flat {
	f := flats.Get().(*flat)
	f.data, f.ends = f.data[:0], f.ends[:0]
	if cap(f.statuses) < count {
		f.valueEnds = make([]C.size_t, count)
		f.statuses = make([]C.ct_status, count)
	}
	f.valueEnds, f.statuses = f.valueEnds[:count], f.statuses[:count]
	return f
}

func (f *flat) end() { f.ends = append(f.ends, C.size_t(len(f.data))) }

// GetMany is Get for many keys in one call. It copies the values into one new buffer; a miss is
// nil.
func (c *ByteCache) GetMany(keys []string) ([][]byte, error) {
	defer runtime.KeepAlive(c)
	if len(keys) == 0 {
		return nil, nil
	}
	count := len(keys)
	asked := newFlat(count)
	defer flats.Put(asked)
	for _, key := range keys {
		asked.data = append(asked.data, key...)
		asked.end()
	}
	buffer := make([]byte, 64*count)
	for {
		status := C.get_many_copy(c.handle, data(asked.data), &asked.ends[0], C.size_t(count),
			data(buffer), C.size_t(len(buffer)), &asked.valueEnds[0], &asked.statuses[0])
		if status == C.CT_OK {
			break
		}
		if status != C.CT_ERR_BUFFER {
			return nil, c.check(status)
		}
		buffer = make([]byte, asked.valueEnds[count-1])
	}
	values := make([][]byte, count)
	begin := C.size_t(0)
	for i, end := range asked.valueEnds {
		if asked.statuses[i] == C.CT_OK {
			values[i] = buffer[begin:end:end]
		}
		begin = end
	}
	return values, nil
}

// Entry is a key and a value for SetMany.
type Entry struct {
	Key   string
	Value []byte
}

// SetMany is SetWith for many entries in one call. Each succeeds or fails alone, with its own error
// in each. If the call as a whole is refused, each is nil, and err says why.
func (c *ByteCache) SetMany(entries []Entry, options EntryOptions) (each []error, err error) {
	defer runtime.KeepAlive(c)
	if len(entries) == 0 {
		return nil, nil
	}
	given := newFlat(len(entries))
	defer flats.Put(given)
	for _, entry := range entries {
		given.data = append(given.data, entry.Key...)
		given.end()
		given.data = append(given.data, entry.Value...)
		given.end()
	}
	raw, block := options.lend()
	defer freeBlock(block)
	status := C.set_many(c.handle, data(given.data), &given.ends[0], C.size_t(len(entries)), &raw,
		&given.statuses[0])
	each = make([]error, len(entries))
	wasTried := false
	for i, status := range given.statuses {
		each[i] = check(status)
		wasTried = wasTried || status != C.CT_OK
	}
	if status < 0 && !wasTried {
		return nil, c.explain(c.check(status), options, "Flags: EntryIfSame is for one key.")
	}
	return each, nil
}
