package letter

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/holtmq/holt/queue/record"
)

func TestFingerprintsPutEqualErrorsTogether(t *testing.T) {
	for name, same := range map[string][]string{
		"timeout after <n>":                {"timeout after 30s", "timeout after 250ms", "timeout after 7"},
		"customer <…> of shard <n> failed": {`customer "anna" of shard 7 failed`, `customer 'ben' of shard 12 failed`, "customer `x y` of shard 0 failed"},
		"dial tcp <n>: refused":            {"dial tcp 10.0.0.1:5432: refused", "dial tcp 192.168.1.77:80: refused"},
		"order <id> is gone":               {"order 3f2a11ee-77aa-4bcd-9e00-123456789abc is gone", "order a81f is gone", "order deadbeefdeadbeefdead is gone"},
		"fault at <id>":                    {"fault at 0xc000123af0", "fault at 0x18", "fault at 0xf", "fault at 0xAB"},
		"at <n> no row":                    {"at 2026-01-02 no row", "at   17\n no row"},
		"can't reach it":                   {"can't reach it"},
		"décès <n>":                        {"décès 4", "décès 44"},
		"":                                 {"", " "},
	} {
		for _, message := range same {
			if got := Fingerprint("", "", message); got != name {
				t.Errorf("%q: %q, want %q", message, got, name)
			}
		}
	}
	if got := Fingerprint("mine", "Type", "message 1"); got != "mine" {
		t.Errorf("given: %q", got)
	}
	if got := Fingerprint("", "Type", "message 1"); got != "Type: message <n>" {
		t.Errorf("typed: %q", got)
	}
	if got := Fingerprint("", "Type", ""); got != "Type" {
		t.Errorf("without a message: %q", got)
	}
}

func TestWhatIsReadOfALetterIsWhatItSays(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	user := record.Record{Key: []byte("k"), Value: []byte("v"), Headers: []record.Header{{Name: "trace", Value: []byte("7f")}, {Name: HeaderSchema, Value: []byte("2")}}}
	full := Wrap(user, Origin{Group: "g", Topic: "t", Reason: Rejected, Error: "no order 7", ErrorType: "Missing", Fingerprint: "mine", Member: "w", At: at, History: []byte("h")})
	texts := Texts{}
	for name, l := range map[string]record.Record{
		"a letter":                       full,
		"one older than fingerprints":    Wrap(user, Origin{Reason: TTL, Error: "no order 7", ErrorType: "Missing", At: at}),
		"one of a letter":                Wrap(full, Origin{Group: "h", Reason: MaxAttempts, At: at}),
		"no letter":                      user,
		"nothing":                        {},
		"damaged":                        {Key: []byte{}, Headers: []record.Header{{Name: HeaderAt, Value: []byte("yesterday")}, {Name: HeaderOuter, Value: []byte{200}}}},
		"with a longer key than is kept": Wrap(record.Record{Key: make([]byte, MaxKey+1)}, Origin{Reason: Rejected, At: at}),
	} {
		if got, want := InfoIn(readerAt(t, l), texts), InfoOf(l.Key, OriginOf(l)); got != want {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
		if got, want := BodySize(l), Body(l).Size(); got != want {
			t.Errorf("%s: %d bytes, want %d", name, got, want)
		}
	}
}

// readerAt returns a reader that is at a record.
func readerAt(t *testing.T, r record.Record) *record.Reader {
	t.Helper()
	var b record.Builder
	b.Reset(0)
	b.Append(r)
	batch, err := b.Encode(nil, record.None)
	if err != nil {
		t.Fatal(err)
	}
	at, err := record.NewReader(batch)
	if err != nil || !at.Next() {
		t.Fatal("no record in the batch", err)
	}
	return at
}

func TestTextsAreShared(t *testing.T) {
	texts := Texts{}
	first := texts.Of([]byte("some error"))
	if again := texts.Of([]byte("some error")); unsafe.StringData(first) != unsafe.StringData(again) {
		t.Error("equal texts have bytes of their own")
	}
	for i := range 3 * maxTexts {
		if s := strconv.Itoa(i); texts.Of([]byte(s)) != s {
			t.Fatalf("%q became another", s)
		}
		if len(texts) > maxTexts {
			t.Fatalf("%d texts are remembered", len(texts))
		}
	}
}

func FuzzFingerprint(f *testing.F) {
	f.Add("", "T", "customer 'x' 17")
	f.Add(strings.Repeat("語", 200), "", "")
	f.Fuzz(func(t *testing.T, given, kind, message string) {
		got := Fingerprint(given, kind, message)
		if len(got) > maxFingerprint {
			t.Fatalf("%d bytes", len(got))
		}
		if utf8.ValidString(given) && utf8.ValidString(kind) && utf8.ValidString(message) && !utf8.ValidString(got) {
			t.Fatalf("%q is cut within a character", got)
		}
		if Fingerprint(given, kind, message) != got {
			t.Fatal("it differs from call to call")
		}
	})
}

func TestFiltersChoose(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_000)
	key := []byte(strings.Repeat("k", MaxKey+10))
	i := InfoOf(key, Origin{Topic: "jobs", Reason: Rejected, Error: "no such thing 7", At: at})
	if i.Fingerprint != "no such thing <n>" || len(i.Key) != MaxKey {
		t.Fatalf("%+v", i)
	}
	for name, c := range map[string]struct {
		f    Filter
		want bool
	}{
		"all": {Filter{}, true}, "state": {Filter{State: Open}, true}, "other state": {Filter{State: Purged}, false},
		"reason": {Filter{Reason: Rejected}, true}, "other reason": {Filter{Reason: TTL}, false},
		"error": {Filter{Error: "such"}, true}, "other error": {Filter{Error: "Such"}, false},
		"topic": {Filter{Topic: "jobs"}, true}, "other topic": {Filter{Topic: "job"}, false},
		"key": {Filter{Key: key}, true}, "other key": {Filter{Key: []byte("k")}, false}, "empty key": {Filter{Key: []byte{}}, false},
		"since": {Filter{Since: at}, true}, "later": {Filter{Since: at.Add(time.Millisecond)}, false},
		"until": {Filter{Until: at}, false}, "earlier": {Filter{Until: at.Add(time.Millisecond)}, true},
		"fingerprint": {Filter{Fingerprint: "no such thing <n>"}, true}, "other fingerprint": {Filter{Fingerprint: "no"}, false},
	} {
		if got := c.f.Match(Open, &i); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestLettersGiveTheRecordBack(t *testing.T) {
	at := time.UnixMilli(1_700_000_000_000).UTC()
	r := record.Record{Key: []byte("k"), Value: []byte("v"), Headers: []record.Header{{Name: "trace", Value: []byte("1")}, {Name: "holt-ttl", Value: []byte("12345678")}}}
	o := Origin{Group: "g", Topic: "t", Partition: 3, Offset: 9, Attempts: 2, Reason: MaxAttempts, Error: "e", Member: "w", FirstAt: at, At: at.Add(time.Second),
		ErrorType: "T", Fingerprint: "f", History: []byte("[]")}
	l := Wrap(r, o)
	got := OriginOf(l)
	if got.Group != o.Group || got.Offset != o.Offset || !got.At.Equal(o.At) || got.Fingerprint != "f" || string(got.History) != "[]" || got.Partition != 3 {
		t.Errorf("%+v", got)
	}
	b := Body(l)
	if string(b.Key) != "k" || string(b.Value) != "v" || len(b.Headers) != 1 || b.Headers[0].Name != "trace" {
		t.Errorf("%+v", b)
	}
	if o := OriginOf(record.Record{Headers: []record.Header{{Name: HeaderPartition, Value: []byte("x")}, {Name: HeaderAt, Value: []byte("y")}}}); o.Partition != 0 || !o.At.IsZero() {
		t.Errorf("of what is no letter: %+v", o)
	}
}

func TestSummariesCount(t *testing.T) {
	s := NewSummary[int](ByKey)
	for n, key := range []string{"a", "b", "a", "-"} {
		i := InfoOf([]byte(key), Origin{At: time.UnixMilli(int64(100 - n))})
		if key == "-" {
			i.Key, i.HasKey = KeyOf(nil)
		}
		s.Add(&i, n)
	}
	b, total := s.Largest(0)
	if len(b) != 3 || total != 3 || b[0].Sample != 0 || b[0].Value != "a" || b[0].Count != 2 || b[0].FirstAt != 98 || b[0].LastAt != 100 || !b[1].Missing {
		t.Errorf("%+v", b)
	}
}

func TestTheLargestBucketsAreThoseInFrontOfAll(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 2))
		s := NewSummary[int](ByError)
		for n := range r.IntN(2000) {
			s.Add(&Info{Error: strconv.Itoa(r.IntN(700))}, n)
		}
		all, total := s.Largest(0)
		for _, most := range []int{1, 2, 10, 300, 700, 1000} {
			some, n := s.Largest(most)
			if n != total || !slices.Equal(some, all[:min(most, total)]) {
				t.Fatalf("seed %d: the %d largest of %d are others", seed, most, total)
			}
		}
	}
}
