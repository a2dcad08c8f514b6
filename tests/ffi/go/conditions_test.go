// SPDX-License-Identifier: MIT

package cachetools_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	. "cachetools"
)

// Writes on a condition, counters, tags, copies, and statistics for Prometheus.

func hold(t *testing.T, cache *ByteCache, key string) *Value {
	t.Helper()
	value, err := cache.Hold(key)
	expectError(t, nil, err)
	t.Cleanup(value.Release)
	return &value
}

func remaining(t *testing.T, cache *ByteCache, key string) time.Duration {
	t.Helper()
	info, err := cache.Inspect(key)
	expectError(t, nil, err)
	return info.Remaining
}

func TestAValueThatIsHeldIsAVersion(t *testing.T) {
	clock := &manualClock{1000}
	options := clock.options()
	options.TTL = 100
	cache := open(t, options)
	set(t, cache, "a")
	seen := hold(t, cache, "a")
	swap := func(seen *Value, value string) error {
		options := EntryOptions{Flags: EntryIfSame | EntryKeepTTL, Same: seen}
		return cache.SetWith("a", []byte(value), options)
	}
	set(t, cache, "a") // equal bytes are another value
	expectError(t, ErrExists, swap(seen, "2"))
	expectError(t, ErrExists, cache.DeleteIf("a", seen))
	clock.set(1040)
	expectError(t, nil, swap(hold(t, cache, "a"), "2"))
	expect(t, time.Duration(60), remaining(t, cache, "a"))
	expectError(t, nil, cache.SetWith("a", []byte("3"), EntryOptions{Flags: EntryKeepTTL}))
	expect(t, time.Duration(60), remaining(t, cache, "a"))
	expect(t, "4", text(cache.Compute("a", func(_ []byte, result *Result) error {
		result.KeepTTL()
		return result.Set([]byte("4"))
	})))
	expect(t, time.Duration(60), remaining(t, cache, "a"))

	copied, err := cache.Get("a")
	expectError(t, nil, err)
	defer copied.Release()
	expectInvalid(t, "Same: Get has copied it, so it is no version; Hold returns one",
		swap(&copied, "5"))
	expectInvalid(t, "Same: Get has copied it, so it is no version; Hold returns one",
		cache.DeleteIf("a", &copied))
	expectInvalid(t, "Same: EntryIfSame requires it.", swap(nil, "5"))
	expectError(t, ErrInvalid, cache.SetWith("a", nil, EntryOptions{Same: hold(t, cache, "a")}))

	last := hold(t, cache, "a")
	expectError(t, nil, cache.DeleteIf("a", last))
	expectError(t, ErrMiss, cache.DeleteIf("a", last))
	expectError(t, ErrMiss, swap(last, "5"))
	expectError(t, nil, swap(&Value{}, "6")) // nothing is the version of an absent key
	expect(t, "6", text(cache.Get("a")))
}

func TestOfGoroutinesThatSwapNoneLosesAChange(t *testing.T) {
	cache := lru(t, 10)
	expectError(t, nil, cache.Set("a", nil))
	var group sync.WaitGroup
	for i := 0; i < 4; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for changes := 0; changes < 100; {
				seen, err := cache.Hold("a")
				if err == nil {
					longer := append(append([]byte(nil), seen.Bytes()...), '.')
					err = cache.SetWith("a", longer, EntryOptions{Flags: EntryIfSame, Same: &seen})
					seen.Release()
				}
				if err == nil {
					changes++
				} else if err != ErrExists {
					t.Error(err)
					return
				}
			}
		}()
	}
	group.Wait()
	expect(t, strings.Repeat(".", 400), text(cache.Get("a")))
}

func TestCountersAreAddedTo(t *testing.T) {
	clock := &manualClock{1000}
	cache := open(t, clock.options())
	window := EntryOptions{Flags: EntryTTL, TTL: 50, Tags: []string{"clients"}}
	add := func(expected, delta int64) {
		t.Helper()
		sum, err := cache.Add("a", delta, 10, window)
		expect(t, []any{expected, nil}, []any{sum, err})
	}
	add(11, 1)
	clock.set(1020)
	add(8, -3)
	expect(t, time.Duration(30), remaining(t, cache, "a"))
	add(math.MaxInt64, math.MaxInt64)
	_, err := cache.Add("b", 1, 0, EntryOptions{Flags: EntryIfPresent})
	expectError(t, ErrMiss, err)
	set(t, cache, "b")
	_, err = cache.Add("b", 1, 0, EntryOptions{})
	expectError(t, ErrUnsupported, err)
}

func TestValuesEndWithWhatTheyWereMadeOf(t *testing.T) {
	cache := lru(t, 10)
	madeOf := func(tags ...string) EntryOptions { return EntryOptions{Tags: tags} }
	expectError(t, nil, cache.SetWith("a", []byte("1"), madeOf("x")))
	entries := []Entry{{Key: "b", Value: []byte("2")}, {Key: "c"}}
	each, err := cache.SetMany(entries, madeOf("x", "", "y"))
	expect(t, []any{[]error{nil, nil}, nil}, []any{each, err})
	expect(t, "4", text(cache.GetOrLoad("d", func(_ []byte, result *Result) error {
		result.Tag("y")
		return result.Set([]byte("4"))
	})))
	_, lease, _ := cache.GetOrLease("e", 0)
	expect(t, "5", text(lease.Fulfil([]byte("5"), madeOf("y"))))
	set(t, cache, "f")
	expectError(t, nil, cache.InvalidateTag("x"))
	expect(t, []any{false, false, false, 3},
		[]any{cache.Contains("a"), cache.Contains("b"), cache.Contains("c"), cache.Len()})
	expectError(t, nil, cache.InvalidateTag("y"))
	expect(t, []any{1, true}, []any{cache.Len(), cache.Contains("f")})
	expectError(t, nil, cache.SetWith("g", nil, madeOf("")))
	expectError(t, nil, cache.InvalidateTag(""))
	expect(t, false, cache.Contains("g"))
	for _, count := range []int{9, 100} {
		expectError(t, ErrInvalid, cache.SetWith("a", nil, madeOf(make([]string, count)...)))
	}

	typed := ints(t, 10)
	expectError(t, nil, typed.SetWith(1, 10, madeOf("x")))
	expectError(t, nil, typed.Set(2, 20))
	expectError(t, nil, typed.InvalidateTag("x"))
	expect(t, []any{false, true, 1}, []any{typed.Contains(1), typed.Contains(2), typed.Len()})
}

func TestACopyGoesItsOwnWay(t *testing.T) {
	var left []string
	cache := open(t, ByteOptions{Maxsize: 2, Listen: func(it Event[[]byte, []byte]) {
		left = append(left, it.Cause.String()+" "+string(it.Key))
	}})
	set(t, cache, "a", "b")
	second, err := cache.Copy()
	expectError(t, nil, err)
	defer second.Close()
	expectError(t, nil, cache.Clear())
	cache.Close()
	expect(t, 2, second.Len())
	set(t, second, "c") // as the original would have: the oldest leaves
	expect(t, []any{false, true}, []any{second.Contains("a"), second.Contains("b")})
	expect(t, "evicted a", left[2])
	dropping := open(t, ByteOptions{Maxsize: 2, Drop: func([]byte) {}})
	_, err = dropping.Copy()
	expectError(t, ErrUnsupported, err)
	_, err = cache.Copy()
	expectError(t, ErrClosed, err)
}

func TestStatisticsAreWrittenForPrometheus(t *testing.T) {
	first, second := lru(t, 10), ints(t, 10)
	_, _ = second.GetOrLoad(background, 1, func(context.Context, int) (int, error) { return 2, nil })
	caches := map[string]Counted{"bytes": first, `val"ues`: second}
	var text bytes.Buffer
	expectError(t, nil, WriteStats(&text, caches))
	for _, line := range []string{`cachetools_inserts_total{cache="bytes"} 0`,
		`cachetools_inserts_total{cache="val\"ues"} 1`} {
		if !strings.Contains(text.String(), line+"\n") {
			t.Errorf("no %v in %v", line, text.String())
		}
	}
	isFull := errors.New("is full")
	expectError(t, isFull, WriteStats(failingWriter{isFull}, caches))
	expectError(t, ErrInvalid, WriteStats(&text, map[string]Counted{"\xff": first}))
	expectError(t, nil, WriteStats(failingWriter{isFull}, nil))
	second.Close()
	expectError(t, ErrClosed, WriteStats(&text, caches))
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }
