// SPDX-License-Identifier: MIT

package cachetools_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	. "cachetools"
)

// Caches of values of a type. bytes_test.go tests what they share with caches of bytes.

func openTyped[K comparable, V any](t testing.TB, options Options[K, V]) *Cache[K, V] {
	t.Helper()
	cache, err := Open(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cache.Close)
	return cache
}

func ints(t testing.TB, maxsize uint64) *Cache[int, int] {
	return openTyped(t, Options[int, int]{Maxsize: maxsize})
}

// got is a value and whether it was there.
func got[V any](value V, isThere bool) string { return fmt.Sprint(value, " ", isThere) }

// ---- Keys ---------------------------------------------------------------------------------------

type name string

type padded struct {
	a uint8
	b uint32
	_ uint16
	c [3]int8
}

type pair struct {
	first  string
	number int16
	second name
}

// testKeys stores a value under each of several keys that differ, and reads keys and values back.
func testKeys[K comparable](t *testing.T, keys ...K) {
	t.Helper()
	cache := openTyped(t, Options[K, K]{Maxsize: uint64(len(keys))})
	for _, key := range keys {
		expectError(t, nil, cache.Set(key, key))
	}
	expect(t, len(keys), cache.Len())
	seen := map[K]K{}
	for _, key := range keys {
		expect(t, got(key, true), got(cache.Get(key)))
	}
	expectError(t, nil, cache.Walk(AnyOrder, func(key, value K) bool {
		seen[key] = value
		return true
	}))
	for _, key := range keys {
		value, isThere := seen[key]
		expect(t, got(key, true), got(value, isThere))
	}
	key, value, isThere := cache.PopItem()
	expect(t, got(keys[0], true), got(key, isThere))
	expect(t, key, value)
}

func TestKeysAreWhatGoComparesByValue(t *testing.T) {
	testKeys(t, "", "a", "b", "\x00", "\x00\x00", strings.Repeat("long", 1000))
	testKeys[name](t, "", "a")
	testKeys(t, true, false)
	testKeys[int8](t, -1, 0, 1, -128, 127)
	testKeys[int16](t, -1, 0, 1)
	testKeys[int32](t, -1, 0, 1)
	testKeys[int64](t, -1, 0, 1, 1<<63-1)
	testKeys(t, -1, 0, 1)
	testKeys[uint8](t, 0, 255)
	testKeys[uint16](t, 0, 1)
	testKeys(t, 'a', 'b')
	testKeys[uint64](t, 0, 1<<64-1)
	testKeys[uintptr](t, 0, 1)
	testKeys[time.Duration](t, 0, time.Hour)
	testKeys(t, struct{}{})
	testKeys(t, [3]byte{}, [3]byte{1, 2, 3}, [3]byte{3, 2, 1})
	testKeys(t, [16]byte{}, [16]byte{15: 1})
	testKeys(t, padded{}, padded{a: 1}, padded{b: 1}, padded{c: [3]int8{0, 0, 1}})
	testKeys(t, pair{}, pair{"ab", 0, "c"}, pair{"a", 0, "bc"}, pair{"abc", 0, ""},
		pair{"a", 'b', "c"}, pair{"a\x01\x00\x00\x00", 0, ""})
	testKeys(t, [2]string{"", "a"}, [2]string{"a", ""})
	testKeys(t, struct {
		_ int32
		a int16
	}{a: 5})
}

func TestPaddingIsNoPartOfAKey(t *testing.T) {
	cache := openTyped(t, Options[padded, int]{Maxsize: 10})
	dirty := padded{}
	for i := range (*[unsafe.Sizeof(dirty)]byte)(unsafe.Pointer(&dirty)) {
		(*[unsafe.Sizeof(dirty)]byte)(unsafe.Pointer(&dirty))[i] = 0xff
	}
	dirty.a, dirty.b, dirty.c = 1, 2, [3]int8{3, 4, 5}
	expectError(t, nil, cache.Set(dirty, 7))
	expect(t, "7 true", got(cache.Get(padded{a: 1, b: 2, c: [3]int8{3, 4, 5}})))
}

func expectRefused[K comparable](t *testing.T) {
	t.Helper()
	cache, err := New[K, int](LRU, 10)
	expectError(t, ErrInvalid, err)
	expect(t, true, cache == nil && strings.Contains(err.Error(), "keys are strings"))
}

func TestKeysOfOtherTypesAreRefused(t *testing.T) {
	expectRefused[float64](t)
	expectRefused[float32](t)
	expectRefused[complex128](t)
	expectRefused[*int](t)
	expectRefused[chan int](t)
	expectRefused[unsafe.Pointer](t)
	expectRefused[[2]float32](t)
	expectRefused[struct {
		a int
		b struct{ c *int }
	}](t)
	expectRefused[time.Time](t)
}

// ---- Values -------------------------------------------------------------------------------------

func TestValuesAreHandedOutAsTheyAre(t *testing.T) {
	pointers := openTyped(t, Options[string, *int]{Maxsize: 10})
	number := new(int)
	expectError(t, nil, pointers.Set("a", number))
	value, isThere := pointers.Get("a")
	expect(t, true, isThere && value == number)
	value, isThere = pointers.Get("b")
	expect(t, true, !isThere && value == nil)

	anything := openTyped(t, Options[int, any]{Maxsize: 10})
	for i, value := range []any{nil, 1, "a", []int{1, 2}, struct{}{}, map[string]int{"a": 1}} {
		expectError(t, nil, anything.Set(i, value))
		there, isThere := anything.Get(i)
		expect(t, true, isThere && reflect.DeepEqual(value, there))
	}
	functions := openTyped(t, Options[int, func() int]{Maxsize: 10})
	expectError(t, nil, functions.Set(1, func() int { return 42 }))
	function, _ := functions.Get(1)
	expect(t, 42, function())
}

func TestATypedCacheIsAMap(t *testing.T) {
	cache := ints(t, 10)
	expect(t, "0 false", got(cache.Get(1)))
	expectError(t, nil, cache.Set(1, 10))
	expectError(t, nil, cache.Set(1, 11))
	expect(t, "11 true", got(cache.Get(1)))
	expect(t, "11 true", got(cache.Peek(1)))
	expect(t, "0 false", got(cache.Peek(2)))
	expect(t, true, cache.Contains(1) && !cache.Contains(2))
	value, err := cache.GetOrSet(1, 12)
	expectError(t, nil, err)
	expect(t, 11, value)
	value, err = cache.GetOrSet(2, 20)
	expectError(t, nil, err)
	expect(t, 20, value)
	expect(t, true, cache.Delete(2) && !cache.Delete(2))
	expect(t, "11 true", got(cache.Pop(1)))
	expect(t, "0 false", got(cache.Pop(1)))
	for i := 0; i < 5; i++ {
		expectError(t, nil, cache.Set(i, i*i))
	}
	key, value, isThere := cache.PopItem()
	expect(t, []any{0, 0, true}, []any{key, value, isThere})
	expect(t, 2, cache.RemoveIf(func(key, value int) bool { return value == 4 || key == 4 }))
	expect(t, []uint64{2, 2, 10}, []uint64{uint64(cache.Len()), cache.Weight(), cache.Maxsize()})
	expectError(t, nil, cache.Resize(1))
	expect(t, "9 true", got(cache.Get(3)))
	cache.Clear()
	_, _, isThere = cache.PopItem()
	expect(t, false, isThere)
	stats := cache.Stats()
	expect(t, []uint64{3, 2}, []uint64{stats.Hits, stats.Misses})
	cache.ResetStats()
	expect(t, Stats{}, cache.Stats())
}

func TestAClosedTypedCacheFindsNothing(t *testing.T) {
	cache := ints(t, 10)
	expectError(t, nil, cache.Set(1, 1))
	cache.Close()
	cache.Close()
	expectError(t, ErrClosed, cache.Set(1, 1))
	expectError(t, ErrClosed, cache.SetTTL(1, 1, time.Hour))
	_, err := cache.GetOrSet(1, 1)
	expectError(t, ErrClosed, err)
	_, err = cache.GetOrLoad(context.Background(), 1, nil)
	expectError(t, ErrClosed, err)
	_, err = cache.Compute(1, nil)
	expectError(t, ErrClosed, err)
	expectError(t, ErrClosed, cache.Walk(AnyOrder, nil))
	cache.All()(nil)
	expect(t, "0 false", got(cache.Get(1)))
	expect(t, "0 false", got(cache.Pop(1)))
	expect(t, true, cache.Len() == 0 && !cache.Contains(1) && !cache.Delete(1))
	cache.Clear()
}

func TestWrongTypedOptionsAreExplained(t *testing.T) {
	_, err := Open(Options[int, int]{Maxsize: 10, Shards: 3})
	expect(t, true, errors.Is(err, ErrInvalid) && strings.Contains(err.Error(), "Shards"))
	_, err = Open(Options[int, int]{})
	expect(t, true, errors.Is(err, ErrInvalid) && strings.Contains(err.Error(), "Maxsize"))
	_, err = Open(Options[int, int]{Maxsize: 10, WeightKind: WeightMemory})
	expect(t, true, errors.Is(err, ErrInvalid) && strings.Contains(err.Error(), "Weigh"))
	_, err = New[int, int](LRU, 0)
	expect(t, true, errors.Is(err, ErrInvalid) && strings.Contains(err.Error(), " KeepNothing "))
	nothing, err := Open(Options[int, int]{Flags: KeepNothing})
	expectError(t, nil, err)
	defer nothing.Close()
	expectError(t, ErrTooLarge, nothing.Set(1, 1))
	expect(t, 0, nothing.Len())
}

func TestLifetimesAreDurations(t *testing.T) {
	clock := &manualClock{int64(time.Hour)}
	cache := openTyped(t, Options[string, int]{Maxsize: 10, TTL: time.Minute, Timer: clock.read})
	expectError(t, nil, cache.Set("a", 1))
	expectError(t, nil, cache.SetTTL("b", 2, 10*time.Second))
	expectError(t, ErrNotStored, cache.SetTTL("c", 3, 0))
	value, err := cache.GetOrSet("d", 4)
	expect(t, true, value == 4 && err == nil)
	expectError(t, nil, cache.SetLifetime("d", time.Second))
	expectError(t, ErrMiss, cache.SetLifetime("x", time.Second))
	info, err := cache.Inspect("b")
	expectError(t, nil, err)
	expect(t, []time.Duration{time.Hour + 10*time.Second, 10 * time.Second},
		[]time.Duration{info.Deadline, info.Remaining})
	clock.set(int64(time.Hour + 10*time.Second))
	expect(t, "1 true", got(cache.Get("a")))
	expect(t, "0 false", got(cache.Get("b")))
	expect(t, 2, cache.Expire())
	expectError(t, ErrExists, cache.SetWith("a", 2, EntryOptions{Flags: EntryIfAbsent}))
	expectError(t, ErrMiss, cache.SetWith("b", 2, EntryOptions{Flags: EntryIfPresent}))

	until := openTyped(t, Options[string, time.Duration]{Policy: TLRU, Maxsize: 10, Timer: clock.read,
		TimeToUse: func(_ string, value, now time.Duration) time.Duration { return now + value }})
	expectError(t, nil, until.Set("a", time.Second))
	dead, err := until.GetOrSet("b", -time.Second)
	expectError(t, ErrNotStored, err)
	expect(t, -time.Second, dead)
	clock.set(int64(time.Hour + 11*time.Second))
	expect(t, 0, until.Len())
}

func TestCallbacksGetKeysAndValues(t *testing.T) {
	told, dropped := "", ""
	var cache *Cache[pair, []string]
	cache = openTyped(t, Options[pair, []string]{
		Maxsize: 5,
		Weigh:   func(key pair, value []string) uint64 { return uint64(len(key.first) + len(value)) },
		Listen: func(event Event[pair, []string]) {
			expect(t, true, cache.Len() <= 1)
			told += fmt.Sprintf("%s%v %d, %v; ", event.Key.first, event.Value, event.Weight, event.Cause)
		},
		Drop: func(value []string) { dropped += fmt.Sprint(value) },
	})
	expectError(t, nil, cache.Set(pair{first: "a"}, []string{"1", "2"}))
	expect(t, uint64(3), cache.Weight())
	expectError(t, nil, cache.Set(pair{first: "a"}, []string{"1"}))
	expectError(t, nil, cache.Set(pair{first: "b"}, []string{"2", "3", "4"}))
	expectError(t, ErrTooLarge, cache.Set(pair{first: "b"}, make([]string, 5)))
	value, isThere := cache.Pop(pair{first: "b"})
	expect(t, "[2 3 4] true", got(value, isThere))
	expectError(t, nil, cache.Set(pair{first: "c"}, nil))
	cache.Clear()
	expect(t, "a[1 2] 3, replaced; a[1] 2, evicted; b[2 3 4] 4, removed; c[] 1, cleared; ", told)
	expect(t, "unknown", Cause(99).String())
	expect(t, "[1 2][1][2 3 4][]", dropped)
}

func TestWalksOfTypedCachesAreInOrderAndEndEarly(t *testing.T) {
	cache := ints(t, 10)
	for i := 0; i < 5; i++ {
		expectError(t, nil, cache.Set(i, -i))
	}
	cache.Get(0)
	walk := func(order Order, count int) (seen []int) {
		expectError(t, nil, cache.Walk(order, func(key, value int) bool {
			expect(t, -key, value)
			seen = append(seen, key)
			return len(seen) < count
		}))
		return seen
	}
	expect(t, []int{1, 2, 3, 4, 0}, walk(Coldest, 10))
	expect(t, []int{0, 4}, walk(Hottest, 2))
	var seen []int
	cache.All()(func(key, value int) bool {
		seen = append(seen, key)
		return true
	})
	sort.Ints(seen)
	expect(t, []int{0, 1, 2, 3, 4}, seen)
	stats := cache.Stats()
	expect(t, uint64(0), stats.Pinned)
	expectError(t, ErrUnsupported, openTyped(t, Options[int, int]{Policy: RR, Maxsize: 1}).
		Walk(Coldest, func(int, int) bool { return true }))
}

func TestTypedComputesTakeTurns(t *testing.T) {
	cache := openTyped(t, Options[string, int]{Maxsize: 10, Shards: 4})
	increase := func(old int, isThere bool) (int, error) { return old + 1, nil }
	var group sync.WaitGroup
	for i := 0; i < 4; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for j := 0; j < 100; j++ {
				if _, err := cache.Compute("n", increase); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	group.Wait()
	expect(t, "400 true", got(cache.Get("n")))

	value, err := cache.Compute("n", func(int, bool) (int, error) { return 0, ErrNotStored })
	expect(t, true, value == 400 && err == ErrNotStored)
	no := errors.New("no")
	_, err = cache.Compute("n", func(int, bool) (int, error) { return 0, no })
	expectError(t, no, err)
	expect(t, "400 true", got(cache.Get("n")))
	_, err = cache.Compute("n", func(int, bool) (int, error) { return 0, ErrMiss })
	expectError(t, ErrMiss, err)
	runs := 0
	_, err = cache.Compute("n", func(_ int, isThere bool) (int, error) {
		expect(t, runs > 0, isThere)
		runs++
		expectError(t, nil, cache.Set("n", 7))
		return 8, nil
	})
	expectError(t, ErrBusy, err)
	expect(t, "7 true", got(cache.Get("n")))
	func() {
		defer func() { expect(t, "from the change", recover()) }()
		_, _ = cache.Compute("n", func(int, bool) (int, error) { panic("from the change") })
	}()
	value, err = cache.Compute("n", increase)
	expect(t, true, value == 8 && err == nil)
}

// ---- Loading ------------------------------------------------------------------------------------

var background = context.Background()

// loads returns a loader that counts its calls.
func loads(calls *int32, value int) func(context.Context, int) (int, error) {
	return func(context.Context, int) (int, error) {
		atomic.AddInt32(calls, 1)
		return value, nil
	}
}

func TestATypedKeyIsLoadedOnce(t *testing.T) {
	cache := ints(t, 10)
	calls := int32(0)
	for i := 0; i < 2; i++ {
		value, err := cache.GetOrLoad(background, 1, loads(&calls, 10))
		expect(t, true, value == 10 && err == nil)
	}
	expect(t, int32(1), calls)
	_, err := cache.GetOrLoad(background, 2, func(_ context.Context, key int) (int, error) {
		expect(t, 2, key)
		return 0, ErrMiss
	})
	expectError(t, ErrMiss, err)
	stats := cache.Stats()
	expect(t, []uint64{1, 2, 1, 1}, []uint64{stats.Hits, stats.Misses, stats.Loads, stats.LoadFailures})
}

// waitForWaiters waits until so many goroutines wait for a load.
func waitForWaiters(t *testing.T, count int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; runtime.Gosched() {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		if strings.Count(string(stacks), "cachetools.(*valueWaiter[...]).wait(") >= count {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("they do not wait")
		}
	}
}

func TestThoseWhoWaitKeepNoThreadAndGetTheValue(t *testing.T) {
	for _, flags := range []Flags{0, NoStats} {
		testWaiting(t, flags)
	}
}

func testWaiting(t *testing.T, flags Flags) {
	cache := openTyped(t, Options[int, int]{Maxsize: 10, Shards: 4, Flags: flags})
	const waiters = 500
	release := make(chan struct{})
	calls, right := int32(0), int32(0)
	var group sync.WaitGroup
	for i := 0; i < waiters+1; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			value, err := cache.GetOrLoad(background, 1, func(context.Context, int) (int, error) {
				atomic.AddInt32(&calls, 1)
				<-release
				return 7, nil
			})
			if value == 7 && err == nil {
				atomic.AddInt32(&right, 1)
			}
		}()
	}
	waitForWaiters(t, waiters)
	status, err := os.ReadFile("/proc/self/status")
	threads := 0
	if _, lines, found := strings.Cut(string(status), "Threads:"); err == nil && found {
		_, _ = fmt.Sscan(lines, &threads)
	}
	expect(t, true, threads < waiters/2)
	close(release)
	group.Wait()
	expect(t, []int32{1, waiters + 1}, []int32{calls, right})
	stats := cache.Stats()
	expected := []uint64{waiters, 1, waiters}
	if flags == NoStats {
		expected = []uint64{0, 0, 0}
	}
	expect(t, expected, []uint64{stats.Hits, stats.Misses, stats.Waits})
}

func TestAFailureIsThatOfAllWhoWait(t *testing.T) {
	cache := ints(t, 10)
	for _, failure := range []error{errors.New("the database is down"), ErrMiss} {
		const waiters = 5
		begun, release := make(chan struct{}), make(chan struct{})
		failed := make(chan error, waiters+1)
		for i := 0; i < waiters+1; i++ {
			go func() {
				_, err := cache.GetOrLoad(background, 1, func(context.Context, int) (int, error) {
					close(begun) // panics if another loads
					<-release
					return 0, failure
				})
				failed <- err
			}()
		}
		<-begun
		waitForWaiters(t, waiters)
		close(release)
		for i := 0; i < waiters+1; i++ {
			expect(t, true, failure == <-failed)
		}
		stats := cache.Stats()
		expect(t, []uint64{waiters, waiters + 1, 1},
			[]uint64{stats.SharedFailures, stats.Misses, stats.LoadFailures})
		cache.ResetStats()
	}
}

func TestThatThereIsNoValueIsRememberedUntilAWrite(t *testing.T) {
	clock := &manualClock{1000}
	cache := openTyped(t, Options[int, int]{Maxsize: 100, Timer: clock.read, NegativeTTL: 50})
	calls := 0
	ask := func(expected int) {
		t.Helper()
		for i := 0; i < 2; i++ {
			_, err := cache.GetOrLoad(background, 1, func(context.Context, int) (int, error) {
				calls++
				return 0, ErrMiss
			})
			expectError(t, ErrMiss, err)
			expect(t, expected, calls)
		}
	}
	ask(1)
	clock.set(1050)
	ask(2)
	expectError(t, nil, cache.Set(1, 10))
	value, err := cache.GetOrLoad(background, 1, nil)
	expect(t, []any{10, nil}, []any{value, err})
	cache.Delete(1)
	ask(3)
	expect(t, uint64(3), cache.Stats().NegativeHits)
}

// renewing has a ttl of 100, the last 20 of which a value is renewed in, and serves it 50 longer.
func renewing(t *testing.T, clock *manualClock) *Cache[int, int] {
	return openTyped(t, Options[int, int]{Maxsize: 10, Timer: clock.read, TTL: 100, RefreshAhead: 20,
		Stale: 50, Retry: 5})
}

func TestOneRenewsAndOthersGetTheOldValue(t *testing.T) {
	clock := &manualClock{1000}
	cache := renewing(t, clock)
	expectError(t, nil, cache.Set(1, 10))
	for step, isStale := range []bool{false, true} {
		clock.set(1090 + 120*int64(step))
		old := 10 + step
		value, err := cache.GetOrLoad(background, 1, func(context.Context, int) (int, error) {
			value, is, err := cache.GetStaleOrLoad(background, 1, nil)
			expect(t, []any{old, isStale, nil}, []any{value, is, err})
			return old + 1, nil
		})
		expect(t, []any{old + 1, nil}, []any{value, err})
		value, is, err := cache.GetStaleOrLoad(background, 1, nil)
		expect(t, []any{old + 1, false, nil}, []any{value, is, err})
	}
	stats := cache.Stats()
	expect(t, []uint64{2, 2, 0}, []uint64{stats.Renewals, stats.StaleServed, stats.Misses})
}

func TestTheOldValueServesIfItsRenewalFails(t *testing.T) {
	clock := &manualClock{1000}
	cache := renewing(t, clock)
	isDown := errors.New("the database is down")
	fails := func(context.Context, int) (int, error) { return 0, isDown }
	expectError(t, nil, cache.Set(1, 10))
	for step, isStale := range []bool{false, true} {
		clock.set(1090 + 20*int64(step))
		value, is, err := cache.GetStaleOrLoad(background, 1, fails)
		expect(t, []any{10, isStale, nil}, []any{value, is, err})
		value, is, err = cache.GetStaleOrLoad(background, 1, nil) // nobody tries again so soon
		expect(t, []any{10, isStale, nil}, []any{value, is, err})
	}
	expect(t, uint64(2), cache.Stats().RenewalFailures)
	clock.set(1120)
	ctx, cancel := context.WithCancel(background)
	_, _, err := cache.GetStaleOrLoad(ctx, 1, func(ctx context.Context, _ int) (int, error) {
		cancel()
		return 0, ctx.Err()
	})
	expectError(t, context.Canceled, err)
	_, _, err = cache.GetStaleOrLoad(background, 1, func(context.Context, int) (int, error) {
		clock.set(1125)
		cache.Delete(1) // what was invalidated is never served
		return 0, isDown
	})
	expectError(t, isDown, err)
	expectError(t, nil, cache.Set(1, 10))
	clock.set(1210)
	_, err = cache.GetOrLoad(background, 1, func(context.Context, int) (int, error) { return 0, ErrMiss })
	expectError(t, ErrMiss, err)
	_, err = cache.GetOrLoad(background, 1, fails) // it has left
	expectError(t, isDown, err)
	expectError(t, nil, cache.Set(1, 10))
	clock.set(1400)
	_, err = cache.GetOrLoad(background, 1, fails)
	expectError(t, isDown, err)
}

func TestALoadThatOnlyItsCallerLosesIsLoadedByTheNext(t *testing.T) {
	cache := ints(t, 10)
	ctx, cancel := context.WithCancel(background)
	for _, end := range []func(){func() { panic("from the loader") }, runtime.Goexit, cancel} {
		end := end
		release := make(chan struct{})
		failed := make(chan any, 1)
		begun := make(chan struct{})
		go func() {
			defer func() { failed <- recover() }()
			_, err := cache.GetOrLoad(ctx, 1, func(ctx context.Context, _ int) (int, error) {
				close(begun)
				<-release
				end()
				return 5, ctx.Err()
			})
			panic(err)
		}()
		<-begun
		waited := make(chan string)
		go func() {
			value, err := cache.GetOrLoad(background, 1, func(context.Context, int) (int, error) {
				return 6, nil
			})
			waited <- fmt.Sprint(value, err)
		}()
		waitForWaiters(t, 1)
		close(release)
		failure := <-failed
		expect(t, true, failure == "from the loader" || failure == nil || failure == context.Canceled)
		expect(t, "6 <nil>", <-waited)
		expect(t, "6 true", got(cache.Pop(1)))
	}
}

func TestOneWhoseContextIsDoneWaitsNoLonger(t *testing.T) {
	cache := ints(t, 10)
	begun, release := make(chan struct{}), make(chan struct{})
	loaded := make(chan int)
	go func() {
		value, _ := cache.GetOrLoad(background, 1, func(context.Context, int) (int, error) {
			close(begun)
			<-release
			return 7, nil
		})
		loaded <- value
	}()
	<-begun
	ctx, cancel := context.WithCancel(background)
	waited := make(chan error)
	go func() {
		_, err := cache.GetOrLoad(ctx, 1, nil)
		waited <- err
	}()
	waitForWaiters(t, 1)
	cancel()
	expectError(t, context.Canceled, <-waited)
	close(release)
	expect(t, 7, <-loaded)
	value, err := cache.GetOrLoad(ctx, 1, nil) // a hit needs no time
	expect(t, true, value == 7 && err == nil)
}

func TestALoadThatWouldWaitForItselfIsRefused(t *testing.T) {
	cache := ints(t, 10)
	other := openTyped(t, Options[string, int]{Maxsize: 10})
	_, err := cache.GetOrLoad(background, 1, func(ctx context.Context, key int) (int, error) {
		return other.GetOrLoad(ctx, "a", func(ctx context.Context, _ string) (int, error) {
			return cache.GetOrLoad(ctx, key, nil)
		})
	})
	expectError(t, ErrRecursion, err)
	value, err := cache.GetOrLoad(background, 1, func(ctx context.Context, key int) (int, error) {
		before, err := cache.GetOrLoad(ctx, 2, func(context.Context, int) (int, error) { return 5, nil })
		return before + 1, err
	})
	expect(t, true, value == 6 && err == nil)
}

func TestARingOfLoadsIsRefusedOnce(t *testing.T) {
	cache := ints(t, 10)
	const size = 3
	var begun sync.WaitGroup
	begun.Add(size)
	refused := int32(0)
	var group sync.WaitGroup
	for i := 0; i < size; i++ {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			_, _ = cache.GetOrLoad(background, i, func(ctx context.Context, _ int) (int, error) {
				begun.Done()
				begun.Wait()
				_, err := cache.GetOrLoad(ctx, (i+1)%size, func(context.Context, int) (int, error) {
					return 0, ErrMiss
				})
				if err == ErrRecursion {
					atomic.AddInt32(&refused, 1)
				}
				return i, nil
			})
		}(i)
	}
	group.Wait()
	expect(t, int32(1), refused)
	expect(t, size, cache.Len())
}

func TestWhatInvalidatesAKeyOvertakesItsLoad(t *testing.T) {
	for what, invalidate := range map[string]func(*Cache[int, int]){
		"Set":      func(cache *Cache[int, int]) { expectError(t, nil, cache.Set(1, 50)) },
		"Delete":   func(cache *Cache[int, int]) { expect(t, false, cache.Delete(1)) },
		"Pop":      func(cache *Cache[int, int]) { cache.Pop(1) },
		"Clear":    func(cache *Cache[int, int]) { cache.Clear() },
		"RemoveIf": func(cache *Cache[int, int]) { cache.RemoveIf(func(int, int) bool { return true }) },
	} {
		cache := ints(t, 10)
		begun, release := make(chan struct{}), make(chan struct{})
		old := make(chan int, 2)
		go func() {
			value, _ := cache.GetOrLoad(background, 1, func(context.Context, int) (int, error) {
				close(begun)
				<-release
				return 1, nil
			})
			old <- value
		}()
		<-begun
		invalidate(cache)
		calls := int32(0)
		value, err := cache.GetOrLoad(background, 1, loads(&calls, 2))
		expectError(t, nil, err)
		if what == "Set" {
			expect(t, 50, value)
		} else {
			expect(t, []int{2, 1}, []int{value, int(calls)})
		}
		close(release)
		expect(t, 1, <-old)
		expect(t, got(value, true), got(cache.Get(1)))
	}
}

// Those who waited slept until the loader came back, and got what it failed with.
func TestASetReleasesThoseWhoWaitWithItsValue(t *testing.T) {
	for what, set := range map[string]func(*Cache[int, int]){
		"Set":    func(cache *Cache[int, int]) { expectError(t, nil, cache.Set(1, 50)) },
		"SetTTL": func(cache *Cache[int, int]) { expectError(t, nil, cache.SetTTL(1, 50, time.Hour)) },
		"GetOrSet": func(cache *Cache[int, int]) {
			_, err := cache.GetOrSet(1, 50)
			expectError(t, nil, err)
		},
		"Compute": func(cache *Cache[int, int]) {
			_, err := cache.Compute(1, func(int, bool) (int, error) { return 50, nil })
			expectError(t, nil, err)
		},
		"Set and Delete": func(cache *Cache[int, int]) {
			expectError(t, nil, cache.Set(1, 50))
			expect(t, true, cache.Delete(1))
		},
	} {
		for _, failure := range []error{nil, ErrMiss, errors.New("the database is down")} {
			cache := openTyped(t, Options[int, int]{Maxsize: 10, NegativeTTL: time.Hour})
			begun, release := make(chan struct{}), make(chan struct{})
			own, waited := make(chan string, 1), make(chan string, 1)
			ask := func(answer chan string) {
				value, err := cache.GetOrLoad(background, 1, func(context.Context, int) (int, error) {
					close(begun) // panics if another loads
					<-release
					return 1, failure
				})
				answer <- fmt.Sprint(value, err)
			}
			go ask(own)
			<-begun
			go ask(waited)
			waitForWaiters(t, 1)
			set(cache)
			expect(t, "50 <nil>", <-waited) // while the load still runs
			there := got(cache.Get(1))
			close(release)
			if failure == nil {
				expect(t, "1 <nil>", <-own)
			} else {
				expect(t, "0 "+failure.Error(), <-own)
			}
			expect(t, there, got(cache.Get(1)))
			expect(t, what != "Set and Delete", cache.Contains(1))
		}
	}
}

func TestALoadedValueHasALifetimeAndTagsOfItsOwn(t *testing.T) {
	cache := ints(t, 10)
	load := func(options EntryOptions) error {
		_, _, err := cache.GetOrLoadWith(background, 1,
			func(context.Context, int) (int, EntryOptions, error) { return 7, options, nil })
		return err
	}
	expectInvalid(t, "Flags: a load takes no condition and no EntryKeepTTL.",
		load(EntryOptions{Flags: EntryIfAbsent}))
	expectInvalid(t, "Tags: there are more than 8.", load(EntryOptions{Tags: make([]string, 9)}))
	expectError(t, nil, load(EntryOptions{Flags: EntryTTL, TTL: time.Hour, Tags: []string{"sevens"}}))
	info, err := cache.Inspect(1)
	expect(t, true, err == nil && info.Remaining > 59*time.Minute)
	expectError(t, nil, cache.InvalidateTag("sevens"))
	expect(t, false, cache.Contains(1))
}

// They loaded one after the other.
func TestThoseWhoWaitedShareAValueThatIsNotKept(t *testing.T) {
	dropped := int32(0)
	cache := openTyped(t, Options[int, int]{Maxsize: 10,
		Drop: func(int) { atomic.AddInt32(&dropped, 1) }})
	const waiters = 16
	begun, release := make(chan struct{}), make(chan struct{})
	answers := make(chan string, waiters+1)
	for i := 0; i < waiters+1; i++ {
		go func() {
			value, err := cache.GetOrLoad(background, 1, func(context.Context, int) (int, error) {
				close(begun) // panics if another loads
				<-release
				return 7, nil
			})
			answers <- fmt.Sprint(value, err)
		}()
	}
	<-begun
	waitForWaiters(t, waiters)
	expect(t, false, cache.Delete(1))
	close(release)
	for i := 0; i < waiters+1; i++ {
		expect(t, "7 <nil>", <-answers)
	}
	expect(t, false, cache.Contains(1))
	expect(t, int32(0), dropped) // it was never stored
}

// What others wait for is the load of the one who has taken over.
func TestOneWhoTakesOverIsFoundInARing(t *testing.T) {
	cache := ints(t, 10)
	ctx, cancel := context.WithCancel(background)
	begun, release := make(chan struct{}), make(chan struct{})
	var group sync.WaitGroup
	group.Add(3)
	go func() {
		defer group.Done()
		_, _ = cache.GetOrLoad(ctx, 1, func(ctx context.Context, _ int) (int, error) {
			close(begun)
			<-release
			return 0, ctx.Err()
		})
	}()
	<-begun
	tookOver, goOn := make(chan struct{}), make(chan struct{})
	taken := make(chan error, 1)
	go func() { // takes over, then waits for key 2
		defer group.Done()
		_, _ = cache.GetOrLoad(background, 1, func(ctx context.Context, _ int) (int, error) {
			close(tookOver)
			<-goOn
			_, err := cache.GetOrLoad(ctx, 2, nil)
			taken <- err
			return 1, nil
		})
	}()
	waitForWaiters(t, 1)
	go func() { // loads key 2, and waits for key 1
		defer group.Done()
		_, _ = cache.GetOrLoad(background, 2, func(ctx context.Context, _ int) (int, error) {
			return cache.GetOrLoad(ctx, 1, nil)
		})
	}()
	waitForWaiters(t, 2)
	cancel()
	close(release)
	<-tookOver
	close(goOn)
	expectError(t, ErrRecursion, <-taken)
	group.Wait()
}

func TestWhatIsNotKeptIsForItsOwnCaller(t *testing.T) {
	cache := openTyped(t, Options[int, int]{Maxsize: 10, Weigh: func(_, value int) uint64 {
		return uint64(value)
	}})
	calls := int32(0)
	for i := 0; i < 2; i++ {
		value, err := cache.GetOrLoad(background, 1, loads(&calls, 11))
		expect(t, true, value == 11 && err == nil)
	}
	expect(t, int32(2), calls)
	expect(t, 0, cache.Len())
	var group sync.WaitGroup
	for i := 0; i < 8; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			if value, err := cache.GetOrLoad(background, 1, loads(&calls, 11)); value != 11 || err != nil {
				t.Error(value, err)
			}
		}()
	}
	group.Wait()
}

// ---- What is held -------------------------------------------------------------------------------

// counted counts how many of its kind have not been collected.
type counted struct{ number, padding int64 }

func newCounted(number int64, alive *int64) *counted {
	it := &counted{number: number}
	atomic.AddInt64(alive, 1)
	runtime.SetFinalizer(it, func(*counted) { atomic.AddInt64(alive, -1) })
	return it
}

// expectAlive waits until as many are left.
func expectAlive(t *testing.T, expected int64, alive *int64) {
	t.Helper()
	for i := 0; i < 1000 && atomic.LoadInt64(alive) != expected; i++ {
		runtime.GC()
		time.Sleep(time.Millisecond) // until finalizers have run
	}
	expect(t, expected, atomic.LoadInt64(alive))
}

func TestValuesThatLeftAreNotHeld(t *testing.T) {
	alive, dropped := int64(0), int64(0)
	cache := openTyped(t, Options[int64, *counted]{
		Maxsize: 10,
		Weigh:   func(_ int64, value *counted) uint64 { return uint64(value.padding) + 1 },
		Drop:    func(*counted) { atomic.AddInt64(&dropped, 1) },
	})
	make := func(number int64) *counted { return newCounted(number, &alive) }
	tooLarge := func() *counted {
		it := make(0)
		it.padding = 10
		return it
	}
	memory, stored := uint64(0), int64(0)
	no := errors.New("no")
	for round := 0; round < 100; round++ {
		for i := int64(0); i < 20; i++ { // evicts
			expectError(t, nil, cache.Set(i, make(i)))
			stored++
		}
		expectError(t, nil, cache.Set(19, make(19))) // replaces
		stored++
		expectError(t, ErrTooLarge, cache.Set(19, tooLarge()))
		expectError(t, ErrExists, cache.SetWith(19, make(1), EntryOptions{Flags: EntryIfAbsent}))
		expectError(t, ErrMiss, cache.SetWith(-1, make(1), EntryOptions{Flags: EntryIfPresent}))
		expectError(t, ErrNotStored, cache.SetTTL(-1, make(1), 0))
		_, err := cache.GetOrSet(19, make(2))
		expectError(t, nil, err)
		_, err = cache.GetOrSet(-1, tooLarge())
		expectError(t, ErrTooLarge, err)
		_, err = cache.GetOrLoad(background, -1, func(context.Context, int64) (*counted, error) {
			return tooLarge(), nil
		})
		expectError(t, nil, err)
		_, err = cache.GetOrLoad(background, -1, func(context.Context, int64) (*counted, error) {
			return make(3), no
		})
		expectError(t, no, err)
		_, err = cache.GetOrLoad(background, -1, func(context.Context, int64) (*counted, error) {
			return make(3), nil
		})
		expectError(t, nil, err)
		_, err = cache.GetOrLoad(background, -2, func(context.Context, int64) (*counted, error) {
			cache.Delete(-2)
			return make(3), nil // overtaken
		})
		expectError(t, nil, err)
		expect(t, false, cache.Contains(-2))
		_, err = cache.Compute(-2, func(*counted, bool) (*counted, error) { return make(4), nil })
		expectError(t, nil, err)
		_, err = cache.Compute(-2, func(*counted, bool) (*counted, error) { return tooLarge(), nil })
		expectError(t, ErrTooLarge, err)
		_, err = cache.Compute(-2, func(*counted, bool) (*counted, error) {
			expectError(t, nil, cache.Set(-2, make(5)))
			stored++
			return make(6), nil
		})
		expectError(t, ErrBusy, err)
		stored += 2
		cache.Pop(19)
		cache.PopItem()
		cache.Delete(18)
		cache.RemoveIf(func(key int64, _ *counted) bool { return key == 17 })
		expectError(t, nil, cache.SetLifetime(16, 0))
		if round == 1 {
			memory = cache.Memory()
		}
	}
	expect(t, memory, cache.Memory()) // no slot was lost
	expect(t, stored, dropped+int64(cache.Len()))
	expectAlive(t, int64(cache.Len()), &alive)
	expectError(t, nil, cache.Resize(1))
	expectAlive(t, 1, &alive)
	cache.Close()
	expect(t, stored, dropped)
	expectAlive(t, 0, &alive)
}

func TestForgottenTypedCachesAreCollected(t *testing.T) {
	alive := int64(0)
	for i := 0; i < 10; i++ {
		cache, err := New[int, *counted](LRU, 10)
		expectError(t, nil, err)
		expectError(t, nil, cache.Set(1, newCounted(1, &alive)))
	}
	for i := 0; i < 1000 && atomic.LoadInt64(&alive) == 10; i++ {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
	expect(t, true, atomic.LoadInt64(&alive) < 10)
}

func TestGoroutinesShareATypedCache(t *testing.T) {
	for _, shards := range []uint32{1, 8} {
		alive, dropped, stored := int64(0), int64(0), int64(0)
		cache := openTyped(t, Options[int64, *counted]{Policy: SIEVE, Maxsize: 50, Shards: shards,
			Drop: func(*counted) { atomic.AddInt64(&dropped, 1) }})
		var group sync.WaitGroup
		for g := int64(0); g < 8; g++ {
			group.Add(1)
			go func(g int64) {
				defer group.Done()
				random := uint32(g)
				for i := 0; i < 3000; i++ {
					random = random*1664525 + 1013904223
					key := int64(random>>16) % 80
					check := func(value *counted) {
						if value.number != key {
							t.Error("another value")
						}
					}
					switch random >> 8 % 8 {
					case 0, 1:
						if err := cache.Set(key, newCounted(key, &alive)); err != nil {
							t.Error(err)
						}
						atomic.AddInt64(&stored, 1)
					case 2:
						value, err := cache.GetOrLoad(background, key,
							func(context.Context, int64) (*counted, error) {
								return newCounted(key, &alive), nil
							})
						if err != nil {
							t.Error(err)
							return
						}
						check(value)
					case 3:
						if value, err := cache.GetOrSet(key, newCounted(key, &alive)); err != nil {
							t.Error(err)
						} else {
							check(value)
						}
					case 4:
						if value, isThere := cache.Pop(key); isThere {
							check(value)
						}
					case 5:
						_ = cache.Walk(AnyOrder, func(key int64, value *counted) bool {
							if value.number != key {
								t.Error("another value")
							}
							return key%7 != 0
						})
					default:
						if value, isThere := cache.Get(key); isThere {
							check(value)
						}
					}
				}
			}(g)
		}
		group.Wait()
		stats := cache.Stats()
		expect(t, uint64(0), stats.Pinned)
		cache.Clear()
		expect(t, int64(stats.Inserts+stats.Updates), dropped)
		expectAlive(t, 0, &alive)
	}
}

func TestAReaderNeverGetsTheValueThatTookThePlace(t *testing.T) {
	cache := openTyped(t, Options[int, int]{Maxsize: 1})
	var readers, writers sync.WaitGroup
	isOver := int32(0)
	for i := 0; i < 4; i++ {
		readers.Add(1)
		go func() {
			defer readers.Done()
			for atomic.LoadInt32(&isOver) == 0 {
				for key := 0; key < 2; key++ {
					if value, isThere := cache.Get(key); isThere && value != key {
						t.Error("the value of another key")
						return
					}
				}
			}
		}()
	}
	for i := 0; i < 2; i++ {
		writers.Add(1)
		go func() {
			defer writers.Done()
			for i := 0; i < 100000; i++ {
				if err := cache.Set(i%2, i%2); err != nil { // in the slot of the other
					t.Error(err)
				}
			}
		}()
	}
	writers.Wait()
	atomic.StoreInt32(&isOver, 1)
	readers.Wait()
}

// ---- Cost ---------------------------------------------------------------------------------------

func TestReadingATypedCacheIsOneCallThatAllocatesNothing(t *testing.T) {
	bytes := lru(t, 10)
	call := testing.AllocsPerRun(100, func() { bytes.Contains("a") }) // old versions of Go allocate
	texts := openTyped(t, Options[string, *int]{Maxsize: 10})
	expectError(t, nil, texts.Set("a", new(int)))
	expect(t, call, testing.AllocsPerRun(100, func() { texts.Get("a") }))
	numbers := ints(t, 10)
	expectError(t, nil, numbers.Set(1, 1))
	expect(t, call, testing.AllocsPerRun(100, func() { numbers.Get(1) }))
	least := int64(100)
	for i := 0; i < 100; i++ { // as finalizers of other tests' caches call into C, too
		before := runtime.NumCgoCall()
		numbers.Get(1)
		if calls := runtime.NumCgoCall() - before; calls < least {
			least = calls
		}
	}
	expect(t, int64(1), least)
}
