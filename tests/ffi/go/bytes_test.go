// SPDX-License-Identifier: MIT

package cachetools_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"runtime/cgo"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/iotest"
	"time"
	"unsafe"

	. "cachetools"
)

// Uses every group of the library's functions.

func open(t testing.TB, options ByteOptions) *ByteCache {
	t.Helper()
	cache, err := OpenBytes(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cache.Close)
	return cache
}

func lru(t testing.TB, maxsize uint64) *ByteCache {
	return open(t, ByteOptions{Maxsize: maxsize})
}

func expect(t testing.TB, expected, actual any) {
	t.Helper()
	if !reflect.DeepEqual(expected, actual) {
		t.Fatalf("expected %v, got %v", expected, actual)
	}
}

func expectError(t testing.TB, expected error, actual error) {
	t.Helper()
	if !errors.Is(actual, expected) {
		t.Fatalf("expected %v, got %v", expected, actual)
	}
}

func set(t testing.TB, cache *ByteCache, keys ...string) {
	t.Helper()
	for _, key := range keys {
		expectError(t, nil, cache.Set(key, []byte("value of "+key)))
	}
}

// text releases a value, and returns its text, or the name of the error.
func text(value Value, err error) string {
	defer value.Release()
	var status Status
	if errors.As(err, &status) {
		return status.Name()
	}
	if err != nil {
		return err.Error()
	}
	return value.String()
}

// manualClock stands still until it is set.
type manualClock struct{ now int64 }

func (c *manualClock) read() time.Duration  { return time.Duration(atomic.LoadInt64(&c.now)) }
func (c *manualClock) set(now int64)        { atomic.StoreInt64(&c.now, now) }
func (c *manualClock) options() ByteOptions { return ByteOptions{Maxsize: 100, Timer: c.read} }

// ---- Statuses, policies, options ----------------------------------------------------------------

func TestErrorsAreTellable(t *testing.T) {
	_, err := lru(t, 1).Get("a")
	expectError(t, ErrMiss, err)
	wrapped := fmt.Errorf("reading: %w", err)
	expectError(t, ErrMiss, wrapped)
	expect(t, "CT_ERR_NOMEM", ErrNoMemory.Name())
	expect(t, true, strings.Contains(ErrNoMemory.Error(), "memory"))
	expect(t, 3, len(strings.Split(Version(), ".")))
}

func TestPoliciesHaveNames(t *testing.T) {
	expect(t, "WTINYLFU", WTINYLFU.String())
	policy, err := PolicyNamed("sieve")
	expect(t, SIEVE, policy)
	expectError(t, nil, err)
	_, err = PolicyNamed("best")
	expectInvalid(t, `there is no policy "best"`, err)
}

// expectInvalid expects an ErrInvalid that says what is.
func expectInvalid(t testing.TB, problem string, err error) {
	t.Helper()
	expectError(t, ErrInvalid, err)
	expect(t, "cachetools: "+problem, err.Error())
}

func TestWrongOptionsAreExplained(t *testing.T) {
	evictor := func(uint64) Evictor { return nil }
	for _, it := range []struct {
		problem string
		options ByteOptions
	}{
		{"Maxsize: 0 keeps nothing, which KeepNothing says is meant.", ByteOptions{}},
		{"Policy: it is not one of Policy.", ByteOptions{Policy: -1}},
		{"TTL: TTL requires one above 0.", ByteOptions{Policy: TTL}},
		{"TimeToUse: TLRU requires one.", ByteOptions{Policy: TLRU}},
		{"NewEvictor: CUSTOM requires it.", ByteOptions{Policy: CUSTOM}},
		{"WeightKind: it is not one of WeightKind.", ByteOptions{WeightKind: -1}},
		{"Shards: it is not 0 or a power of two up to 4096.", ByteOptions{Shards: 3}},
		{"Flags: one of them is not known.", ByteOptions{Flags: 1 << 31}},
		{"Flags: Curve needs the counts that NoStats leaves out.", ByteOptions{Flags: Curve | NoStats}},
		{"Flags: Curve knows no CUSTOM.", ByteOptions{Flags: Curve, Policy: CUSTOM, NewEvictor: evictor}},
		{"TTL: it is below 1 ms, for which PreciseClock is needed; was time.Second meant?",
			ByteOptions{TTL: 60}},
		{"NegativeTTL: it is below 1 ms, for which PreciseClock is needed; was time.Second meant?",
			ByteOptions{NegativeTTL: 60}},
		{"RefreshAhead: it is not below TTL.", ByteOptions{TTL: time.Minute, RefreshAhead: time.Minute}},
		{"Jitter: it is not below TTL.", ByteOptions{TTL: time.Minute, Jitter: time.Minute}},
		{"RefreshAhead: together with Jitter it is not below TTL.",
			ByteOptions{TTL: 9 * time.Second, Jitter: 5 * time.Second, RefreshAhead: 4 * time.Second}},
		{"Retry: Stale requires one above 0 where there is neither TTL nor RefreshAhead.",
			ByteOptions{Stale: time.Minute}},
	} {
		if it.problem[:1] != "M" {
			it.options.Maxsize = 10
		}
		expect(t, it.problem, it.options.Problem())
		_, err := OpenBytes(it.options)
		expectInvalid(t, it.problem, err)
		if it.options.Maxsize != 0 { // which is 128 there
			_, err = NewMemo(MemoOptions[int]{Own: it.options})
			expectInvalid(t, it.problem, err)
		}
	}
	for _, negative := range []ByteOptions{{TTL: -1}, {TTI: -time.Hour}, {RefreshAhead: -1}, {Stale: -1},
		{Retry: -1}, {NegativeTTL: -1}, {Jitter: -1}} {
		negative.Maxsize = 1
		expect(t, true, strings.Contains(negative.Problem(), ": it is negative."))
		_, err := OpenBytes(negative)
		expectError(t, ErrInvalid, err)
	}
	expect(t, "", ByteOptions{Maxsize: 10}.Problem())
	expect(t, "", ByteOptions{Flags: KeepNothing}.Problem())
	_, err := NewBytes(LRU, 0)
	expectError(t, ErrInvalid, err)
}

func TestALifetimeThatIsOverIsNone(t *testing.T) {
	cache := lru(t, 10)
	for _, ttl := range []time.Duration{0, -time.Hour} {
		expectError(t, nil, cache.Set("a", nil))
		expectError(t, ErrNotStored, cache.SetTTL("a", nil, ttl))
		expect(t, false, cache.Contains("a"))
		expectError(t, nil, cache.Set("a", nil))
		expectError(t, nil, cache.SetLifetime("a", ttl))
		expect(t, false, cache.Contains("a"))
	}
	expectError(t, nil, cache.SetTTL("a", nil, time.Millisecond))
}

func TestOptionsInForceAreTold(t *testing.T) {
	cache := open(t, ByteOptions{Policy: SIEVE, Maxsize: 10, Shards: 4, TTL: 50, TTI: 20,
		Flags: PreciseClock, Listen: func(Event[[]byte, []byte]) {}})
	options, err := cache.Options()
	expectError(t, nil, err)
	expect(t, true, options.Seed != 0)
	options.Seed = 0
	expect(t, ByteOptions{Policy: SIEVE, Maxsize: 10, Shards: 4, TTL: 50, TTI: 20,
		Flags: PreciseClock}, options)
}

func TestAClosedCacheRefuses(t *testing.T) {
	cache := lru(t, 1)
	cache.Close()
	cache.Close()
	expectError(t, ErrClosed, cache.Set("a", nil))
	expect(t, 0, cache.Len())
	expect(t, false, cache.Contains("a"))
	_, err := NewMemo(MemoOptions[int]{Shared: cache})
	expectError(t, ErrClosed, err)
	expectError(t, ErrInvalid, err)
	_, err = cache.Get("a")
	expectError(t, ErrClosed, err)
	_, err = cache.GetOrLoad("a", upper)
	expectError(t, ErrClosed, err)
	_, err = cache.Iter(AnyOrder)
	expectError(t, ErrClosed, err)
}

func TestForgottenCachesAreCollected(t *testing.T) {
	var dropped int32
	for i := 0; i < 10; i++ {
		cache, err := OpenBytes(ByteOptions{Maxsize: 1, Drop: func([]byte) { atomic.AddInt32(&dropped, 1) }})
		expectError(t, nil, err)
		expectError(t, nil, cache.Set("a", nil))
	}
	for i := 0; i < 100 && atomic.LoadInt32(&dropped) == 0; i++ {
		runtime.GC()
		runtime.Gosched()
	}
	if atomic.LoadInt32(&dropped) == 0 {
		t.Fatal("none of ten was")
	}
}

// ---- The mapping --------------------------------------------------------------------------------

func TestWhatIsSetIsGot(t *testing.T) {
	cache := lru(t, 10)
	set(t, cache, "a")
	expect(t, "value of a", text(cache.Get("a")))
	expect(t, "value of a", text(cache.Peek("a")))
	expect(t, "CT_MISS", text(cache.Get("b")))
	expect(t, true, cache.Contains("a") && !cache.Contains("b"))
	expect(t, []uint64{1, 1, 10}, []uint64{uint64(cache.Len()), cache.Weight(), cache.Maxsize()})
	expect(t, true, cache.Memory() > 0)
}

func TestAnyBytesAreKeysAndValues(t *testing.T) {
	cache := lru(t, 10)
	expectError(t, nil, cache.Set("", nil))
	expectError(t, nil, cache.Set("\x00\xff\x00", make([]byte, 100000)))
	empty, err := cache.Get("")
	expectError(t, nil, err)
	defer empty.Release()
	expect(t, []byte{}, empty.Bytes())
	expect(t, 100000, len(text(cache.Get("\x00\xff\x00"))))
}

func TestBytesAmongPointersMayBePassed(t *testing.T) {
	// Go refuses to pass memory that holds Go pointers to C. These bytes lie beside such a pointer.
	type record struct {
		pointer *int
		bytes   [4]byte
	}
	it := &record{new(int), [4]byte{1, 2, 3, 4}}
	cache := lru(t, 10)
	expectError(t, nil, cache.Set("a", it.bytes[:]))
	it.bytes = [4]byte{}
	_, err := cache.GetAppend(it.bytes[:0], "a")
	expectError(t, nil, err)
	expect(t, [4]byte{1, 2, 3, 4}, it.bytes)
}

func TestCopiesAreAppended(t *testing.T) {
	cache := lru(t, 10)
	set(t, cache, "a")
	buffer, err := cache.GetAppend([]byte("> "), "a")
	expectError(t, nil, err)
	expect(t, "> value of a", string(buffer))
	buffer, err = cache.GetAppend(buffer, "b")
	expectError(t, ErrMiss, err)
	expect(t, "> value of a", string(buffer))
}

func TestAValueOutlivesItsEntryAndItsCache(t *testing.T) {
	cache := lru(t, 1)
	set(t, cache, "a")
	first, err := cache.Get("a")
	expectError(t, nil, err)
	second, err := first.Ref()
	expectError(t, nil, err)
	set(t, cache, "b") // evicts it
	cache.Close()
	expect(t, "value of a", first.String())
	first.Release()
	first.Release()
	expect(t, "value of a", second.String())
	second.Release()
	expect(t, 0, len(second.Bytes()))
}

func TestAValueOfAnySizeOutlivesItsEntry(t *testing.T) {
	for _, size := range []int{0, 1, 1024, 1025, 100000} {
		cache := lru(t, 1)
		stored := bytes.Repeat([]byte{'v'}, size)
		expectError(t, nil, cache.Set("a", stored))
		first, err := cache.Get("a")
		expectError(t, nil, err)
		second, err := first.Ref()
		expectError(t, nil, err)
		for i := 0; i < 3; i++ { // what is read later takes no room that is in use
			expectError(t, nil, cache.Set("b", bytes.Repeat([]byte{'w'}, size)))
			other, err := cache.Get("b")
			expectError(t, nil, err)
			expect(t, stored, first.Bytes())
			expect(t, size, len(second.Bytes()))
			other.Release()
		}
		first.Release()
		expect(t, 0, len(first.Bytes()))
		expect(t, stored, append([]byte{}, second.Bytes()...))
		second.Release()
	}
}

func TestReadingASmallValueTakesOneCallIntoC(t *testing.T) {
	cache := lru(t, 10)
	set(t, cache, "a")
	least := int64(100)
	for i := 0; i < 100; i++ { // as finalizers of other tests' caches call into C, too
		before := runtime.NumCgoCall()
		value, err := cache.Get("a")
		value.Release()
		if calls := runtime.NumCgoCall() - before; calls < least {
			least = calls
		}
		expectError(t, nil, err)
	}
	expect(t, int64(1), least)
	stats, err := cache.Stats()
	expectError(t, nil, err)
	expect(t, uint64(100), stats.Hits)
}

func TestReadingALargeValueIsOneHit(t *testing.T) {
	cache := lru(t, 10)
	expectError(t, nil, cache.Set("a", make([]byte, 2000)))
	expect(t, 2000, len(text(cache.Get("a"))))
	stats, err := cache.Stats()
	expectError(t, nil, err)
	expect(t, []uint64{1, 0}, []uint64{stats.Hits, stats.Misses})
}

func TestConditionsLifetimesAndWeightsOfSingleEntries(t *testing.T) {
	clock := &manualClock{1000}
	cache := open(t, clock.options())
	expectError(t, ErrMiss, cache.SetWith("a", nil, EntryOptions{Flags: EntryIfPresent}))
	expectError(t, nil, cache.SetWith("a", nil, EntryOptions{Flags: EntryIfAbsent}))
	expectError(t, ErrExists, cache.SetWith("a", nil, EntryOptions{Flags: EntryIfAbsent}))
	expectError(t, nil, cache.SetWith("b", []byte("22"),
		EntryOptions{Flags: EntryDeadline | EntryWeight, Deadline: 1500, Weight: 7}))
	info, err := cache.Inspect("b")
	expectError(t, nil, err)
	expect(t, EntryInfo{Weight: 7, Deadline: 1500, Remaining: 500, KeySize: 1, ValueSize: 2}, info)
	_, err = cache.Inspect("x")
	expectError(t, ErrMiss, err)

	expectError(t, nil, cache.SetTTL("c", nil, 10))
	expectError(t, ErrNotStored, cache.SetTTL("d", nil, 0))
	expectError(t, nil, cache.SetLifetime("a", 20))
	expectError(t, ErrMiss, cache.SetLifetime("x", 20))
	clock.set(1015)
	expect(t, true, !cache.Contains("c") && cache.Contains("a"))
	clock.set(1020)
	expect(t, false, cache.Contains("a"))
	expectInvalid(t, "Deadline: there is a TTL as well.", cache.SetWith("a", nil,
		EntryOptions{Flags: EntryTTL | EntryDeadline}))
	expectInvalid(t, "TTL: it is set without EntryTTL.", cache.SetWith("a", nil,
		EntryOptions{TTL: time.Hour}))
	expectInvalid(t, "Flags: there is more than one condition.", cache.SetWith("a", nil,
		EntryOptions{Flags: EntryIfAbsent | EntryIfPresent}))
	expectInvalid(t, "Cost: it is 0.", cache.SetWith("a", nil, EntryOptions{Flags: EntryCost}))
	expectError(t, ErrTooLarge, cache.SetWith("a", nil,
		EntryOptions{Flags: EntryWeight, Weight: 101}))
}

func TestEntriesAreTakenOut(t *testing.T) {
	cache := lru(t, 10)
	set(t, cache, "a", "b", "c", "d", "e")
	expect(t, "first", text(cache.GetOrSet("x", []byte("first"))))
	expect(t, "first", text(cache.GetOrSet("x", []byte("second"))))
	expect(t, "value of c", text(cache.Pop("c")))
	expect(t, "CT_MISS", text(cache.Pop("c")))
	expectError(t, nil, cache.Delete("d"))
	expectError(t, ErrMiss, cache.Delete("d"))
	key, value, err := cache.PopItem()
	expect(t, "a value of a", key+" "+text(value, err))
	expect(t, 1, cache.RemoveIf(func(key, value []byte) bool {
		return string(key) == "b" && string(value) == "value of b"
	}))
	expect(t, 2, cache.Len())
	expectError(t, nil, cache.Clear())
	_, _, err = cache.PopItem()
	expectError(t, ErrMiss, err)
}

func TestASmallerLimitEvicts(t *testing.T) {
	cache := lru(t, 3)
	set(t, cache, "a", "b", "c")
	expectError(t, nil, cache.Resize(1))
	expect(t, true, cache.Maxsize() == 1 && cache.Len() == 1 && cache.Contains("c"))
}

func TestWhatIsDueIsShown(t *testing.T) {
	clock := &manualClock{1000}
	options := clock.options()
	options.Policy, options.TTL = TTL, 10
	cache := open(t, options)
	set(t, cache, "a")
	clock.set(1005)
	set(t, cache, "b")
	clock.set(1010)
	shown := ""
	expired := cache.Expire(func(event Event[[]byte, []byte]) {
		shown += fmt.Sprint(string(event.Key), " ", event.Cause == Expired)
	})
	expect(t, 1, expired)
	expect(t, "a true", shown)
	clock.set(2000)
	expect(t, 1, cache.Expire(nil))
}

// ---- Many at once -------------------------------------------------------------------------------

func TestManyAreSetAndGot(t *testing.T) {
	cache := lru(t, 100)
	big := strings.Repeat("x", 1000)
	each, err := cache.SetMany([]Entry{{Key: "a", Value: []byte("1")},
		{Key: "", Value: []byte(big)}, {Key: "c", Value: nil}}, EntryOptions{})
	expectError(t, nil, err)
	expect(t, []error{nil, nil, nil}, each)
	values, err := cache.GetMany([]string{"a", "x", "", "c"})
	expectError(t, nil, err)
	expect(t, [][]byte{[]byte("1"), nil, []byte(big), {}}, values)
	values, err = cache.GetMany(nil)
	expect(t, true, len(values) == 0 && err == nil)
	each, err = cache.SetMany(nil, EntryOptions{})
	expect(t, true, len(each) == 0 && err == nil)
}

func TestEachOfManyGoesItsOwnWay(t *testing.T) {
	cache := open(t, ByteOptions{Maxsize: 4, WeightKind: WeightValue})
	each, err := cache.SetMany([]Entry{{Key: "a", Value: []byte("1")},
		{Key: "b", Value: []byte("too large")}}, EntryOptions{})
	expectError(t, nil, err)
	expect(t, []error{nil, ErrTooLarge}, each)
	_, err = cache.SetMany([]Entry{{Key: "a", Value: nil}},
		EntryOptions{Flags: EntryTTL | EntryDeadline})
	expectError(t, ErrInvalid, err)
}

// ---- Iteration and statistics -------------------------------------------------------------------

func TestWalksSeeEverythingInOrder(t *testing.T) {
	cache := lru(t, 10)
	set(t, cache, "a", "b", "c")
	text(cache.Get("a"))
	seen := ""
	walk, err := cache.Iter(Coldest)
	expectError(t, nil, err)
	for walk.Next() {
		seen += string(walk.Key()) + "=" + string(walk.Value()) + " "
	}
	expectError(t, nil, walk.Err())
	walk.Close()
	expect(t, "b=value of b c=value of c a=value of a ", seen)
	expect(t, false, walk.Next())

	_, err = open(t, ByteOptions{Policy: RR, Maxsize: 1}).Iter(Hottest)
	expectError(t, ErrUnsupported, err)
}

func TestEventsAreCounted(t *testing.T) {
	cache := lru(t, 1)
	set(t, cache, "a", "b")
	text(cache.Get("a"))
	text(cache.Get("b"))
	stats, err := cache.Stats()
	expectError(t, nil, err)
	expect(t, Stats{Hits: 1, Misses: 1, Inserts: 2, Evictions: 1, EvictedWeight: 1}, stats)
	expectError(t, nil, cache.ResetStats())
	stats, _ = cache.Stats()
	expect(t, Stats{}, stats)
}

func TestTheCurveTellsWhatItKnows(t *testing.T) {
	cache := open(t, ByteOptions{Maxsize: 1, Flags: Curve})
	text(cache.Get("a"))
	ratios, err := cache.MissRatios(1, 2, 9)
	expectError(t, nil, err)
	expect(t, "[1 NaN NaN]", fmt.Sprint(ratios))
	_, err = cache.MissRatios(0)
	expectError(t, ErrInvalid, err)
	ratios, err = cache.MissRatios()
	expectError(t, nil, err)
	expect(t, 0, len(ratios))
}

// ---- Snapshots ----------------------------------------------------------------------------------

// full is a writer that takes nothing.
type full struct{ err error }

func (f full) Write([]byte) (int, error) { return 0, f.err }

func TestSnapshotsGoThroughWritersAndReaders(t *testing.T) {
	cache := lru(t, 10)
	set(t, cache, "a", "b", "c")
	var saved bytes.Buffer
	expectError(t, nil, cache.Save(&saved))
	altered := append([]byte{}, saved.Bytes()...)
	saved.WriteString("more")

	smaller := lru(t, 2)
	expectError(t, nil, smaller.Load(iotest.OneByteReader(&saved)))
	expect(t, "more", saved.String())
	expect(t, true, !smaller.Contains("a") && smaller.Contains("b") && smaller.Contains("c"))

	altered[len(altered)/2] ^= 1
	expectError(t, ErrCorrupt, lru(t, 10).Load(bytes.NewReader(altered)))
	expectError(t, ErrCorrupt, lru(t, 10).Load(bytes.NewReader(nil)))
	isFull := errors.New("full")
	expectError(t, isFull, cache.Save(full{isFull}))
	expectError(t, isFull, cache.Load(iotest.ErrReader(isFull)))
}

func TestSnapshotsGoThroughFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "snapshot")
	cache := lru(t, 10)
	set(t, cache, "a")
	expectError(t, nil, cache.SaveFile(path))
	other := lru(t, 10)
	expectError(t, nil, other.LoadFile(path))
	expect(t, "value of a", text(other.Get("a")))
	expectError(t, ErrIO, other.LoadFile(path+"x"))
}

// dated was recorded in 2023, of entries that had two hours to live or to idle at most.
const dated = "../../data/snapshots/dated.ctsnap"

func TestWhatRanOutInASnapshotDoesNotComeBackAged(t *testing.T) {
	recorded, err := os.ReadFile(dated)
	expectError(t, nil, err)
	cache := open(t, ByteOptions{Maxsize: 10, TTI: 1 << 50})
	expectError(t, nil, cache.LoadFileAged(dated))
	expectError(t, nil, cache.LoadAged(bytes.NewReader(recorded)))
	expect(t, 0, cache.Len())
	other := open(t, ByteOptions{Maxsize: 10, Timer: func() time.Duration { return 0 }})
	expectError(t, ErrUnsupported, other.LoadFileAged(dated))
	expectError(t, ErrUnsupported, other.LoadAged(bytes.NewReader(recorded)))
	expectError(t, nil, cache.LoadFile(dated))
	expectError(t, nil, other.Load(bytes.NewReader(recorded)))
	expect(t, 3, cache.Len())
	expect(t, 3, other.Len())
}

// ---- Callbacks of a cache -----------------------------------------------------------------------

func TestTheListenerIsToldWhyEntriesLeave(t *testing.T) {
	told := ""
	var cache *ByteCache
	cache = open(t, ByteOptions{Maxsize: 2, Listen: func(event Event[[]byte, []byte]) {
		told += fmt.Sprint(event.Cause, " ", string(event.Key), " ", cache.Len(), "; ")
	}})
	set(t, cache, "a", "b", "b", "c")
	expectError(t, nil, cache.Delete("b"))
	expectError(t, nil, cache.Clear())
	expect(t, fmt.Sprint(Replaced, " b 2; ", Evicted, " a 2; ", Removed, " b 1; ",
		Cleared, " c 0; "), told)
}

func TestWeighersWeighAndTimesToUseEnd(t *testing.T) {
	clock := &manualClock{1000}
	options := clock.options()
	options.Policy = TLRU
	options.Weigh = func(key, value []byte) uint64 { return uint64(len(key) + len(value)) }
	options.TimeToUse = func(_, value []byte, now time.Duration) time.Duration {
		return now + time.Duration(len(value))
	}
	cache := open(t, options)
	expectError(t, nil, cache.Set("a", []byte("12345")))
	expect(t, uint64(6), cache.Weight())
	clock.set(1004)
	expect(t, true, cache.Contains("a"))
	clock.set(1005)
	expect(t, false, cache.Contains("a"))
	expectError(t, ErrTooLarge, cache.Set("b", make([]byte, 100)))
}

func TestAChoiceChoosesVictims(t *testing.T) {
	cache := open(t, ByteOptions{Policy: RR, Maxsize: 3, Choose: func(n uint64) uint64 { return n - 1 }})
	set(t, cache, "a", "b", "c", "d")
	expect(t, true, cache.Contains("b") && !cache.Contains("c"))
}

func TestEveryStoredValueIsDroppedOnceEvenAfterTheCache(t *testing.T) {
	dropped := ""
	before := cgo.NewHandle(0)
	before.Delete()
	cache := open(t, ByteOptions{Maxsize: 2, Drop: func(value []byte) {
		dropped += string(value[len(value)-1:])
	}})
	set(t, cache, "a", "b", "c")
	expect(t, "a", dropped)
	pinned, err := cache.Get("b")
	expectError(t, nil, err)
	cache.Close()
	expect(t, "ac", dropped)
	pinned.Release()
	expect(t, "acb", dropped)
	// Handles are numbered; that of the callbacks is gone.
	defer func() { expect(t, true, recover() != nil) }()
	(before + 1).Value()
}

// countingAllocator takes memory from the system, one mapping a block.
func countingAllocator(blocks *int, isEmpty *bool) *Allocator {
	mappings := map[unsafe.Pointer][]byte{}
	return &Allocator{
		Alloc: func(size, align uintptr) unsafe.Pointer {
			if *isEmpty {
				return nil
			}
			mapping, err := syscall.Mmap(-1, 0, int(size+align), syscall.PROT_READ|syscall.PROT_WRITE,
				syscall.MAP_ANON|syscall.MAP_PRIVATE)
			if err != nil {
				return nil
			}
			begin := unsafe.Pointer(&mapping[0])
			block := unsafe.Add(begin, -uintptr(begin)%align)
			mappings[block] = mapping
			*blocks++
			return block
		},
		Free: func(block unsafe.Pointer, _, _ uintptr) {
			if syscall.Munmap(mappings[block]) == nil {
				*blocks--
			}
			delete(mappings, block)
		},
	}
}

func TestMemoryComesFromTheAllocatorAndGoesBack(t *testing.T) {
	blocks, isEmpty := 0, false
	cache := open(t, ByteOptions{Maxsize: 1000, Allocator: countingAllocator(&blocks, &isEmpty)})
	set(t, cache, "a")
	value, err := cache.Get("a")
	expectError(t, nil, err)
	expect(t, true, blocks > 0)
	isEmpty = true
	expectError(t, ErrNoMemory, cache.Set("b", make([]byte, 1<<20)))
	cache.Close()
	expect(t, true, blocks > 0) // the value is pinned
	value.Release()
	expect(t, 0, blocks)
}

// stack is a policy: last in, first out.
type stack struct {
	ids  []uint32
	hits *int
}

func (s *stack) Insert(id uint32, _ uint64, _ []byte, _ uint64) { s.ids = append(s.ids, id) }
func (s *stack) Hit(uint32, uint64)                             { *s.hits++ }
func (s *stack) Victim() uint32                                 { return s.ids[len(s.ids)-1] }
func (s *stack) Remove(id uint32) {
	for i, there := range s.ids {
		if there == id {
			s.ids = append(s.ids[:i], s.ids[i+1:]...)
			return
		}
	}
}

// tellingStack tells of updates and limits, too.
type tellingStack struct {
	stack
	told *string
}

func (s *tellingStack) Update(id uint32, weight uint64, key []byte, now uint64) {
	*s.told += fmt.Sprint("update ", id, " ", weight, " ", string(key), " ", now, "; ")
}
func (s *tellingStack) Resize(maxsize uint64) { *s.told += fmt.Sprint("resize ", maxsize, "; ") }

func TestAPolicyOfOnesOwnIsToldOfUpdatesAndLimits(t *testing.T) {
	told := ""
	cache := open(t, ByteOptions{Policy: CUSTOM, Maxsize: 100,
		Timer: func() time.Duration { return 1000 },
		Weigh: func(_, value []byte) uint64 { return uint64(len(value)) },
		NewEvictor: func(uint64) Evictor {
			return &tellingStack{stack{hits: new(int)}, &told}
		}})
	expectError(t, nil, cache.Set("a", []byte("1")))
	expectError(t, nil, cache.Set("a", []byte("333")))
	expectError(t, nil, cache.Resize(50))
	id, expected := uint32(0), ""
	_, err := fmt.Sscanf(told, "update %d", &id)
	expectError(t, nil, err)
	expected = fmt.Sprint("update ", id, " 3 a 1000; resize 50; ")
	expect(t, expected, told)

	quiet := open(t, ByteOptions{Policy: CUSTOM, Maxsize: 2,
		NewEvictor: func(uint64) Evictor { return &stack{hits: new(int)} }})
	set(t, quiet, "a", "a")
	expectError(t, nil, quiet.Resize(1)) // a stack has no such methods
	expect(t, 1, quiet.Len())
}

func TestAPolicyOfOnesOwnDecides(t *testing.T) {
	hits := 0
	cache := open(t, ByteOptions{Policy: CUSTOM, Maxsize: 2,
		NewEvictor: func(uint64) Evictor { return &stack{hits: &hits} }})
	set(t, cache, "a", "b", "c")
	expect(t, true, cache.Contains("a") && !cache.Contains("b") && cache.Contains("c"))
	text(cache.Get("a"))
	expect(t, 1, hits)
}

// A panic in a callback of a cache must end the program, not unwind through the library.
func TestAPanicInACallbackOfACacheEndsTheProgram(t *testing.T) {
	if os.Getenv("CT_GO_PANIC") != "" {
		cache := lru(t, 1)
		cache = open(t, ByteOptions{Maxsize: 1, Listen: func(Event[[]byte, []byte]) { panic("from the listener") }})
		defer func() { _ = recover(); os.Exit(0) }()
		set(t, cache, "a", "b")
		return
	}
	command := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	command.Env = append(os.Environ(), "CT_GO_PANIC=1")
	output, err := command.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 2 ||
		!strings.Contains(string(output), "from the listener") {
		t.Fatalf("%v: %s", err, output)
	}
}

// ---- Loading ------------------------------------------------------------------------------------

func upper(key []byte, result *Result) error {
	return result.Set([]byte(strings.ToUpper(string(key))))
}

func TestAKeyIsLoadedOnce(t *testing.T) {
	cache := lru(t, 10)
	expect(t, "ABC", text(cache.GetOrLoad("abc", upper)))
	never := func([]byte, *Result) error { panic("it is there") }
	expect(t, "ABC", text(cache.GetOrLoad("abc", never)))
	none := func([]byte, *Result) error { return ErrMiss }
	expect(t, "CT_MISS", text(cache.GetOrLoad("x", none)))
	stats, _ := cache.Stats()
	expect(t, []uint64{1, 1}, []uint64{stats.Loads, stats.LoadFailures})
	loads := uint64(0)
	for _, each := range stats.LoadBuckets {
		loads += each
	}
	expect(t, uint64(1), loads)
}

func TestLoadersSayWhatIsSpecial(t *testing.T) {
	cache := open(t, (&manualClock{1000}).options())
	expect(t, "1", text(cache.GetOrLoad("a", func(_ []byte, result *Result) error {
		result.TTL(50)
		result.Weight(9)
		return result.Set([]byte("1"))
	})))
	info, _ := cache.Inspect("a")
	expect(t, []any{uint64(9), time.Duration(50)}, []any{info.Weight, info.Remaining})
	expect(t, "2", text(cache.GetOrLoad("b", func(_ []byte, result *Result) error {
		result.Discard()
		result.Deadline(2000)
		return result.Set([]byte("2"))
	})))
	expect(t, false, cache.Contains("b"))
}

func TestWhatALoaderFailsWithComesBack(t *testing.T) {
	cache := lru(t, 10)
	isDown := errors.New("the database is down")
	_, err := cache.GetOrLoad("a", func([]byte, *Result) error { return isDown })
	expectError(t, isDown, err)

	_, err = cache.GetOrLoad("a", func([]byte, *Result) error {
		_, err := cache.GetOrLoad("a", upper)
		return err
	})
	expectError(t, ErrRecursion, err)

	func() {
		defer func() { expect(t, "from the loader", recover()) }()
		_, _ = cache.GetOrLoad("a", func([]byte, *Result) error { panic("from the loader") })
	}()
	func() {
		defer func() { expect(t, "from the match", recover()) }()
		set(t, cache, "a")
		cache.RemoveIf(func(_, _ []byte) bool { panic("from the match") })
	}()
	expect(t, true, cache.Contains("a"))
}

func TestOfManyGoroutinesOneLoads(t *testing.T) {
	cache := open(t, ByteOptions{Maxsize: 10, Shards: 4})
	var loads int32
	var group sync.WaitGroup
	for i := 0; i < 16; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			value, err := cache.GetOrLoad("a", func(key []byte, result *Result) error {
				atomic.AddInt32(&loads, 1)
				runtime.Gosched()
				return upper(key, result)
			})
			if text(value, err) != "A" {
				t.Error("another value")
			}
		}()
	}
	group.Wait()
	expect(t, int32(1), loads)
}

func TestALeaseIsFulfilledElsewhereOrGivenUp(t *testing.T) {
	cache := lru(t, 10)
	_, lease, err := cache.GetOrLease("a", time.Hour)
	expectError(t, nil, err)
	expect(t, "a", lease.Key())
	for _, wait := range []time.Duration{0, -1, -time.Hour} {
		_, _, err = cache.GetOrLease("a", wait)
		expectError(t, ErrBusy, err)
	}
	done := make(chan string)
	go func() { done <- text(lease.Fulfil([]byte("1"), EntryOptions{})) }()
	value, none, err := cache.GetOrLease("a", time.Hour)
	expect(t, "1", text(value, err))
	expect(t, true, none == nil)
	expect(t, "1", <-done)
	_, err = lease.Fulfil(nil, EntryOptions{})
	expectError(t, ErrInvalid, err)
	lease.Abandon()

	_, lease, _ = cache.GetOrLease("b", 0)
	lease.Abandon()
	_, lease, err = cache.GetOrLease("b", 0)
	expect(t, true, lease != nil && err == nil)
	lease.Abandon()
}

// renewing has a ttl of 100, the last 20 of which a value is renewed in, and serves it 50 longer.
func (c *manualClock) renewing() ByteOptions {
	return ByteOptions{Maxsize: 100, Timer: c.read, TTL: 100, RefreshAhead: 20, Stale: 50, Retry: 5}
}

func TestOptionsOfFreshnessAreTold(t *testing.T) {
	options := (&manualClock{}).renewing()
	options.Jitter = 7
	told, err := open(t, options).Options()
	expectError(t, nil, err)
	expect(t, []time.Duration{20, 50, 5, 7},
		[]time.Duration{told.RefreshAhead, told.Stale, told.Retry, told.Jitter})
	expect(t, true, ByteOptions{Maxsize: 1, Stale: -1}.Problem() != "")
	expect(t, true, ByteOptions{Maxsize: 1, TTL: 5, RefreshAhead: 5}.Problem() != "")
}

func TestAValueIsRenewedAndAnOldOneServes(t *testing.T) {
	clock := &manualClock{1000}
	cache := open(t, clock.renewing())
	isDown := errors.New("the database is down")
	fails := func([]byte, *Result) error { return isDown }
	expect(t, "A", text(cache.GetOrLoad("a", upper)))

	clock.set(1085)
	value, err := cache.GetOrLoad("a", fails)
	expect(t, false, value.IsStale())
	expect(t, "A", text(value, err))
	clock.set(1095)
	expect(t, "A2", text(cache.GetOrLoad("a", func(_ []byte, result *Result) error {
		old, isThere := result.Old()
		expect(t, "A true", got(string(old), isThere))
		return result.Set(append([]byte("A"), '2'))
	})))
	clock.set(1200)
	value, err = cache.GetOrLoad("a", fails)
	expect(t, true, value.IsStale())
	second, _ := value.Ref()
	expect(t, true, second.IsStale())
	second.Release()
	expect(t, "A2", text(value, err))
	stats, _ := cache.Stats()
	expect(t, []uint64{3, 2, 1, 0},
		[]uint64{stats.Renewals, stats.RenewalFailures, stats.StaleServed, stats.Pinned})
	clock.set(1300)
	_, err = cache.GetOrLoad("a", fails)
	expectError(t, isDown, err)
}

func TestWhatIsNotModifiedLivesAnew(t *testing.T) {
	clock := &manualClock{1000}
	cache := open(t, clock.renewing())
	set(t, cache, "a")
	clock.set(1090)
	expect(t, "value of a", text(cache.GetOrLoad("a", func(_ []byte, result *Result) error {
		result.NotModified()
		return nil
	})))
	info, _ := cache.Inspect("a")
	expect(t, time.Duration(100), info.Remaining)
	_, err := cache.GetOrLoad("b", func(_ []byte, result *Result) error {
		_, isThere := result.Old()
		expect(t, false, isThere)
		result.NotModified()
		return nil
	})
	expectError(t, ErrCallback, err)
}

func TestALoadIsForced(t *testing.T) {
	cache := lru(t, 10)
	set(t, cache, "a")
	force := LoadOptions{Force: true}
	background := context.Background()
	isDown := errors.New("the database is down")
	_, err := cache.GetOrLoadWith(background, "a", func(context.Context, []byte, *Result) error {
		return isDown
	}, force)
	expectError(t, isDown, err)
	expect(t, "value of a", text(cache.Get("a")))
	expect(t, "A", text(cache.GetOrLoadWith(background, "a",
		func(_ context.Context, key []byte, result *Result) error { return upper(key, result) }, force)))
	expect(t, "A", text(cache.Get("a")))
}

func TestThatThereAreNoBytesIsRememberedUntilAWrite(t *testing.T) {
	clock := &manualClock{1000}
	options := clock.options()
	options.NegativeTTL = 50
	cache := open(t, options)
	inForce, err := cache.Options()
	expect(t, []any{time.Duration(50), nil}, []any{inForce.NegativeTTL, err})
	calls := 0
	ask := func(expected int) {
		t.Helper()
		for i := 0; i < 2; i++ {
			_, err := cache.GetOrLoad("a", func([]byte, *Result) error {
				calls++
				return ErrMiss
			})
			expectError(t, ErrMiss, err)
			_, lease, err := cache.GetOrLease("a", 0)
			expect(t, true, lease == nil && err == ErrMiss)
			expect(t, expected, calls)
		}
	}
	ask(1)
	clock.set(1050)
	ask(2)
	set(t, cache, "a")
	expect(t, "value of a", text(cache.GetOrLoad("a", nil)))
	expectError(t, nil, cache.Delete("a"))
	ask(3)
	stats, _ := cache.Stats()
	expect(t, uint64(9), stats.NegativeHits)
	expectError(t, ErrMiss, cache.Delete("a"))
	_, lease, _ := cache.GetOrLease("a", 0)
	lease.Fail(ErrMiss)
	ask(3)
}

func TestOneThatIsDoneWaitsNoLongerForBytes(t *testing.T) {
	cache := lru(t, 10)
	_, lease, _ := cache.GetOrLease("a", 0)
	background := context.Background()
	load := func(_ context.Context, key []byte, result *Result) error { return upper(key, result) }
	_, err := cache.GetOrLoadWith(background, "a", load, LoadOptions{Timeout: time.Millisecond})
	expectError(t, ErrBusy, err)
	_, err = cache.GetOrLoadWith(background, "a", load, LoadOptions{Timeout: -1})
	expectError(t, ErrBusy, err)

	ctx, cancel := context.WithCancel(background)
	waited := make(chan error)
	go func() {
		_, err := cache.GetOrLoadWith(ctx, "a", load, LoadOptions{})
		waited <- err
	}()
	cancel()
	expectError(t, context.Canceled, <-waited)
	within, cancel := context.WithTimeout(background, time.Millisecond)
	defer cancel()
	expect(t, "B", text(cache.GetOrLoadWith(within, "b",
		func(ctx context.Context, key []byte, result *Result) error {
			_, err := cache.GetOrLoadWith(ctx, "b", load, LoadOptions{})
			expectError(t, ErrRecursion, err)
			_, err = cache.GetOrLoadWith(ctx, "a", load, LoadOptions{})
			expectError(t, context.DeadlineExceeded, err)
			return upper(key, result)
		}, LoadOptions{})))
	expect(t, "1", text(lease.Fulfil([]byte("1"), EntryOptions{})))
	expect(t, "1", text(cache.GetOrLoadWith(ctx, "a", nil, LoadOptions{}))) // a hit needs no time
}

// failingLoad has somebody wait for a load that fails, and returns what both got. Nobody can see who
// waits in the library, so it tries until one has.
func failingLoad(t *testing.T, cache *ByteCache,
	fail func(cache *ByteCache, begun func())) (shared error, calls int32) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		waited := make(chan error, 1)
		calls := int32(0)
		before, _ := cache.Stats()
		fail(cache, func() {
			asked := make(chan struct{})
			go func() {
				close(asked)
				value, err := cache.GetOrLoad("a", func([]byte, *Result) error {
					atomic.AddInt32(&calls, 1)
					return ErrMiss
				})
				value.Release()
				waited <- err
			}()
			<-asked
			for i := 0; i < 100; i++ {
				runtime.Gosched()
			}
		})
		err := <-waited
		after, _ := cache.Stats()
		if after.SharedFailures != before.SharedFailures {
			return err, calls
		}
	}
	t.Fatal("nobody waited")
	return nil, 0
}

func TestAFailureIsThatOfAllWhoWaitForBytes(t *testing.T) {
	cache := open(t, ByteOptions{Maxsize: 10})
	load := func(failure error) func(*ByteCache, func()) {
		return func(cache *ByteCache, begun func()) {
			_, err := cache.GetOrLoad("a", func([]byte, *Result) error {
				begun()
				return failure
			})
			expectError(t, failure, err)
		}
	}
	isDown := errors.New("the database is down")
	for failure, shared := range map[error]error{isDown: ErrLoad, ErrMiss: ErrMiss, ErrNoMemory: ErrNoMemory} {
		err, calls := failingLoad(t, cache, load(failure))
		expect(t, []any{shared, int32(0)}, []any{err, calls})
	}
	err, _ := failingLoad(t, cache, func(cache *ByteCache, begun func()) {
		_, lease, err := cache.GetOrLease("a", 0)
		expectError(t, nil, err)
		begun()
		lease.Fail(ErrIO)
		lease.Fail(nil) // it is over
	})
	expect(t, ErrIO, err)
	expect(t, true, strings.Contains(ErrLoad.Error(), "another caller"))
}

func TestACancelledLoadIsItsOwnCallersOnly(t *testing.T) {
	cache := lru(t, 10)
	for _, cancels := range []bool{false, true} {
		ctx, cancel := context.WithCancel(context.Background())
		waited := make(chan string)
		isDown := errors.New("the database is down")
		expected := isDown
		if !cancels {
			expected = ErrBusy
		}
		_, err := cache.GetOrLoadWith(ctx, "a", func(context.Context, []byte, *Result) error {
			go func() { waited <- text(cache.GetOrLoad("a", upper)) }()
			if cancels {
				cancel()
			}
			return expected
		}, LoadOptions{})
		cancel()
		expectError(t, expected, err)
		expect(t, "A", <-waited)
		expectError(t, nil, cache.Delete("a"))
	}
}

func TestALeaseRenewsKeepsAndFails(t *testing.T) {
	clock := &manualClock{1000}
	cache := open(t, clock.renewing())
	set(t, cache, "a")
	clock.set(1090)
	value, lease, err := cache.GetOrLease("a", 0)
	expect(t, true, lease != nil && !value.IsStale())
	expect(t, "value of a", text(value, err))
	value, none, err := cache.GetOrLease("a", 0) // another renews it
	expect(t, true, none == nil && !value.IsStale())
	expect(t, "value of a", text(value, err))
	expectError(t, nil, lease.Keep(EntryOptions{}))
	expectError(t, ErrInvalid, lease.Keep(EntryOptions{}))
	info, _ := cache.Inspect("a")
	expect(t, time.Duration(100), info.Remaining)

	clock.set(1200)
	value, lease, err = cache.GetOrLease("a", 0)
	expect(t, true, lease != nil && value.IsStale())
	expect(t, "value of a", text(value, err))
	lease.Fail(errors.New("no"))
	value, lease, err = cache.GetOrLease("a", 0) // a renewal has just failed
	expect(t, true, lease == nil && value.IsStale())
	expect(t, "value of a", text(value, err))
	clock.set(1210)
	value, lease, _ = cache.GetOrLease("a", 0)
	value.Release()
	lease.Fail(ErrMiss)
	_, lease, _ = cache.GetOrLease("a", 0)
	expectInvalid(t, "there is no old value that the lease could keep so", lease.Keep(EntryOptions{}))
}

func TestComputeReadsChangesAndWrites(t *testing.T) {
	cache := lru(t, 10)
	count := func(old []byte, result *Result) error {
		if old == nil {
			return result.Set([]byte{1})
		}
		return result.Set([]byte{old[0] + 1})
	}
	var group sync.WaitGroup
	for i := 0; i < 4; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for j := 0; j < 25; j++ {
				text(cache.Compute("n", count))
			}
		}()
	}
	group.Wait()
	expect(t, "\x64", text(cache.Get("n")))

	value, err := cache.Compute("n", func([]byte, *Result) error { return ErrNotStored })
	expectError(t, ErrNotStored, err)
	expect(t, "\x64", text(value, nil))
	no := errors.New("no")
	_, err = cache.Compute("n", func([]byte, *Result) error { return no })
	expectError(t, no, err)
	_, err = cache.Compute("n", func([]byte, *Result) error { return ErrMiss })
	expectError(t, ErrMiss, err)
	expect(t, 0, cache.Len())

	runs := 0
	_, err = cache.Compute("n", func(_ []byte, result *Result) error {
		runs++
		expectError(t, nil, cache.Set("n", []byte("written")))
		return result.Set([]byte("computed"))
	})
	expectError(t, ErrBusy, err)
	expect(t, 17, runs)
	expect(t, "written", text(cache.Get("n")))
	value, err = cache.Compute("n", func(_ []byte, result *Result) error {
		_, err := cache.Compute("n", func([]byte, *Result) error { return ErrMiss })
		expectError(t, ErrRecursion, err)
		return result.Set([]byte("computed"))
	})
	expect(t, "computed", text(value, err))
}

// ---- Keys and memos -----------------------------------------------------------------------------

func keyOf(t testing.TB, typed bool, values ...any) string {
	t.Helper()
	key, err := NewKey(typed)
	expectError(t, nil, err)
	defer key.Close()
	for _, value := range values {
		expectError(t, nil, key.Add(value))
	}
	data, err := key.Data()
	expectError(t, nil, err)
	return data
}

func TestKeysAreEqualIfTheirArgumentsAre(t *testing.T) {
	one := keyOf(t, false, 1)
	for _, equal := range []any{1.0, float32(1), true, uint(1), uint8(1), uint16(1), uint32(1),
		uint64(1), uintptr(1), int8(1), int16(1), int32(1), int64(1)} {
		expect(t, one, keyOf(t, false, equal))
	}
	for _, other := range []any{"1", nil, []byte("1"), []any{1}, 2} {
		expect(t, true, one != keyOf(t, false, other))
	}
	expect(t, true, keyOf(t, false, "1") != keyOf(t, false, []byte("1")))
	expect(t, true, keyOf(t, true, 1) != keyOf(t, true, 1.0))
	expect(t, true, keyOf(t, false, 1, 2) != keyOf(t, false, []any{1, 2}))

	key, _ := NewKey(false)
	expectInvalid(t, "a key takes no struct {}", key.Add(struct{}{}))
	expectError(t, ErrInvalid, key.Add([]any{1, []any{2, struct{}{}}}))
	expectError(t, nil, key.Add(1))
	afterErrors, err := key.Data()
	expect(t, one, afterErrors)
	expectError(t, nil, err)
	key.Name("a")
	key.Name("b")
	_, err = key.Data()
	expectError(t, ErrInvalid, err)
	expect(t, "cachetools: name: it has no value.", err.Error())
	key.Reset()
	expectError(t, nil, key.Add(1))
	data, err := key.Data()
	expect(t, one, data)
	expectError(t, nil, err)
}

func TestAMemoRemembersAndCallsItself(t *testing.T) {
	calls := 0
	fibonacci, err := NewMemo(MemoOptions[int]{
		Function: func(memo *Memo[int], n int, result *Result) error {
			calls++
			sum := uint64(n)
			if n >= 2 {
				sum = 0
				for _, smaller := range []int{n - 1, n - 2} {
					var term uint64
					if _, err := fmt.Sscan(text(memo.Call(smaller)), &term); err != nil {
						return err
					}
					sum += term
				}
			}
			return result.Set([]byte(fmt.Sprint(sum)))
		},
		AddKey: func(n int, key *Key) error { return key.Add(n) },
	})
	expectError(t, nil, err)
	defer fibonacci.Close()
	expect(t, "2880067194370816120", text(fibonacci.Call(90)))
	expect(t, 91, calls)
	info, err := fibonacci.Info()
	expectError(t, nil, err)
	expect(t, MemoInfo{Hits: 88, Misses: 91, Maxsize: 128, Weight: 91}, info)

	expectError(t, nil, fibonacci.Invalidate(90))
	expectError(t, ErrMiss, fibonacci.Invalidate(90))
	text(fibonacci.Call(90))
	expect(t, 92, calls)
	expectError(t, nil, fibonacci.Clear())
	info, _ = fibonacci.Info()
	expect(t, MemoInfo{Maxsize: 128}, info)
	key, err := fibonacci.Key(7)
	expectError(t, nil, err)
	expect(t, keyOf(t, false, 7), key)
}

func TestAMemoOfAKeyThatFailsCallsNothing(t *testing.T) {
	unsuitable := errors.New("unsuitable")
	var kept *Key
	memo, err := NewMemo(MemoOptions[any]{
		Function: func(_ *Memo[any], arg any, result *Result) error {
			return result.Set([]byte(fmt.Sprint(arg)))
		},
		AddKey: func(arg any, key *Key) error {
			defer key.Close() // is not its own
			kept = key
			if arg == "unsuitable" {
				return unsuitable
			}
			return key.Add(arg)
		},
	})
	expectError(t, nil, err)
	defer memo.Close()
	for _, unknown := range []any{struct{}{}, complex(1, 1)} {
		_, err = memo.Call(unknown)
		expectError(t, ErrInvalid, err)
	}
	_, err = memo.Call("unsuitable")
	expectError(t, unsuitable, err)
	_, err = memo.Key("unsuitable")
	expectError(t, unsuitable, err)
	expectError(t, unsuitable, memo.Invalidate("unsuitable"))
	info, err := memo.Info()
	expectError(t, nil, err)
	expect(t, uint64(0), info.Weight)
	for _, known := range []any{int32(5), uint8(6), uint(7), float32(8.5)} {
		expect(t, fmt.Sprint(known), text(memo.Call(known)))
	}
	expectError(t, ErrInvalid, kept.Add(1)) // was lent for a call
}

func TestTheCacheOfAMemoIsThere(t *testing.T) {
	dropped := int32(0)
	make := func(shared *ByteCache) *Memo[int] {
		memo, err := NewMemo(MemoOptions[int]{
			Function: func(_ *Memo[int], n int, result *Result) error {
				return result.Set([]byte(fmt.Sprint(n)))
			},
			AddKey: func(n int, key *Key) error { return key.Add(n) },
			Shared: shared,
			Own:    ByteOptions{Maxsize: 5, Drop: func([]byte) { atomic.AddInt32(&dropped, 1) }},
		})
		expectError(t, nil, err)
		return memo
	}
	memo := make(nil)
	expect(t, "1", text(memo.Call(1)))
	memo.Forget()
	info, err := memo.Info()
	expectError(t, nil, err)
	expect(t, MemoInfo{Maxsize: 5, Weight: 1}, info)
	cache := memo.Cache()
	cache.Close() // is not its own
	key, err := memo.Key(1)
	expectError(t, nil, err)
	expect(t, "1", text(cache.Get(key)))
	memo.Close()
	memo.Close()
	expect(t, "CT_ERR_INVALID", text(cache.Get(key)))
	expect(t, int32(1), dropped)

	shared := lru(t, 10)
	memo = make(shared)
	defer memo.Close()
	expect(t, true, shared == memo.Cache())

	for i := 0; i < 10; i++ {
		cache = make(nil).Cache() // is kept by its cache
		runtime.GC()
		expectError(t, nil, cache.Set("a", nil))
	}
	for i := 0; i < 100 && atomic.LoadInt32(&dropped) == 1; i++ {
		runtime.GC()
		runtime.Gosched()
	}
	expect(t, true, atomic.LoadInt32(&dropped) > 1)
}

func TestMemosShareACacheAndFailWithTheirOwnErrors(t *testing.T) {
	cache := lru(t, 10)
	noName := errors.New("no name")
	memo := func(prefix string) *Memo[string] {
		memo, err := NewMemo(MemoOptions[string]{
			Function: func(_ *Memo[string], name string, result *Result) error {
				switch name {
				case "":
					return noName
				case "nobody":
					return ErrMiss
				case "panic":
					panic("from the function")
				}
				return result.Set([]byte(prefix + " " + name))
			},
			AddKey: func(name string, key *Key) error { return key.Add(name) },
			Shared: cache,
			Prefix: prefix,
		})
		expectError(t, nil, err)
		return memo
	}
	hello, bye := memo("hello"), memo("bye")
	defer hello.Close()
	defer bye.Close()
	expect(t, "hello you", text(hello.Call("you")))
	expect(t, "bye you", text(bye.Call("you")))
	expect(t, 2, cache.Len())
	expect(t, "CT_MISS", text(hello.Call("nobody")))
	_, err := hello.Call("")
	expectError(t, noName, err)
	defer func() { expect(t, "from the function", recover()) }()
	_, _ = hello.Call("panic")
}

func TestDurationsHaveNoEndOrAreOverAtOnce(t *testing.T) {
	cache := open(t, ByteOptions{Maxsize: 10, TTL: time.Minute})
	expectError(t, nil, cache.SetTTL("a", nil, Never))
	info, err := cache.Inspect("a")
	expectError(t, nil, err)
	expect(t, []time.Duration{Never, Never}, []time.Duration{info.Deadline, info.Remaining})
	expectError(t, ErrNotStored, cache.SetTTL("a", nil, -time.Second))
	expectError(t, nil, cache.Set("a", nil))
	info, err = cache.Inspect("a")
	expectError(t, nil, err)
	expect(t, true, info.Remaining > 50*time.Second && info.Remaining < 2*time.Minute)
}

// ---- Threads ------------------------------------------------------------------------------------

func TestGoroutinesShareACache(t *testing.T) {
	cache := open(t, ByteOptions{Policy: SIEVE, Maxsize: 100, Shards: 8})
	var group sync.WaitGroup
	for g := 0; g < 8; g++ {
		group.Add(1)
		go func(g int) {
			defer group.Done()
			for i := 0; i < 2000; i++ {
				key := fmt.Sprint(i % 150)
				if err := cache.Set(key, []byte(key+key)); err != nil {
					t.Error(err)
				}
				other := fmt.Sprint((i + 37*g) % 150)
				if value, err := cache.Get(other); err == nil {
					if value.String() != other+other {
						t.Error("another value")
					}
					value.Release()
				}
			}
		}(g)
	}
	group.Wait()
	expect(t, true, cache.Len() <= 100)
}

func TestHandlesAreGivenBack(t *testing.T) {
	before := cgo.NewHandle(0)
	before.Delete()
	cache := lru(t, 10)
	text(cache.GetOrLoad("a", upper))
	// Handles are numbered; that of the call is gone.
	defer func() { expect(t, true, recover() != nil) }()
	(before + 1).Value()
}
