package api

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDurations(t *testing.T) {
	const day = 24 * time.Hour
	for s, want := range map[string]time.Duration{
		"0s": 0, "250ms": 250 * time.Millisecond, "1.5s": 1500 * time.Millisecond, "30m": 30 * time.Minute, "1h30m": 90 * time.Minute,
		"168h": 7 * day, "7d": 7 * day, "0.5d": 12 * time.Hour, "-1h": -time.Hour, "-1d": -day, "100000d": 100_000 * day,
	} {
		if got, err := ParseDuration(s); err != nil || got != want {
			t.Errorf("%q: %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "5", "d", "s", "1h2d", "1 d", "one", "nand", "infd", "100001d", "-100001d", "9223372037s"} {
		if got, err := ParseDuration(s); !errors.Is(err, ErrDuration) {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
}

func TestDurationsAreWrittenShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 30 * time.Second: "30s", 10 * time.Minute: "10m", time.Hour: "1h", 168 * time.Hour: "168h", 90 * time.Minute: "1h30m",
		time.Hour + time.Second: "1h0m1s", 100 * time.Millisecond: "100ms", -time.Minute: "-1m",
	} {
		if got := Duration(d).String(); got != want {
			t.Errorf("%d: %q, want %q", d, got, want)
		}
	}
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	for range 1000 {
		d := time.Duration(r.Int64() >> r.IntN(63))
		if back, err := ParseDuration(Duration(d).String()); err != nil || back != d {
			t.Errorf("seed %d: %v became %v, %v", seed, d, back, err)
		}
	}
}

func TestTimesAreUTCInMilliseconds(t *testing.T) {
	var at Time
	if err := json.Unmarshal([]byte(`"2026-01-02T16:04:05.0067+01:00"`), &at); err != nil {
		t.Fatal(err)
	}
	if b, err := json.Marshal(at); err != nil || string(b) != `"2026-01-02T15:04:05.006Z"` {
		t.Errorf("%s, %v", b, err)
	}
	if err := json.Unmarshal([]byte(`"yesterday"`), &at); err == nil || !strings.Contains(err.Error(), "yesterday") {
		t.Errorf("what is no time: %v", err)
	}
}

func TestWorkerErrorsAreAStringOrAnObject(t *testing.T) {
	for in, want := range map[string]WorkerError{
		`"broken"`:                        {Message: "broken"},
		`{"message":"broken","type":"E"}`: {Message: "broken", Type: "E"},
		`{}`:                              {},
	} {
		var got WorkerError
		if err := json.Unmarshal([]byte(in), &got); err != nil || got != want {
			t.Errorf("%s: %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{`5`, `["broken"]`, `{"message":5}`} {
		if err := json.Unmarshal([]byte(in), new(WorkerError)); err == nil {
			t.Errorf("%s was taken", in)
		}
	}
}

func TestBackoffIsWrittenInOneForm(t *testing.T) {
	exponential := Backoff{Initial: Duration(time.Second), Multiplier: 2, Max: Duration(time.Minute), Jitter: 0.2}
	steps := exponential
	steps.Steps = []Duration{0, Duration(time.Second)}
	for want, b := range map[string]Backoff{
		`{"initial":"1s","multiplier":2,"max":"1m","jitter":0.2}`: exponential,
		`{"jitter":0.2,"steps":["0s","1s"]}`:                      steps,
	} {
		if got, err := json.Marshal(b); err != nil || string(got) != want {
			t.Errorf("%s, %v, want %s", got, err, want)
		}
	}
}

func TestAGroupHasTheConfigurationOfItsKind(t *testing.T) {
	for kind, want := range map[string][]string{
		"share":   fields(reflect.TypeFor[GroupConfig]()),
		"ordered": {"paused", "pin", "start"},
	} {
		g := Group{Name: "g", Kind: kind, Config: GroupConfig{Start: "latest", MaxAttempts: 5}}
		b, err := json.Marshal(g)
		if err != nil {
			t.Fatal(err)
		}
		var out struct {
			Name   string
			Config map[string]any
		}
		if err := json.Unmarshal(b, &out); err != nil {
			t.Fatal(err)
		}
		got := map[string]bool{}
		for name := range out.Config {
			got[name] = true
		}
		if diff := cmp.Diff(set(want), got); diff != "" || out.Name != "g" || out.Config["start"] != "latest" {
			t.Errorf("%s: %s\n%s", kind, b, diff)
		}
	}
}

// fields returns the names that a struct's fields have in JSON.
func fields(s reflect.Type) (names []string) {
	for f := range s.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

func set(names []string) map[string]bool {
	out := map[string]bool{}
	for _, n := range names {
		out[n] = true
	}
	return out
}

// TestAllThatIsConfiguredCanBeChanged holds the bodies of PUT against what GET shows.
func TestAllThatIsConfiguredCanBeChanged(t *testing.T) {
	for _, tt := range []struct {
		change, config reflect.Type
		more           []string // beside the configuration
	}{
		{reflect.TypeFor[TopicChange](), reflect.TypeFor[TopicConfig](), nil},
		{reflect.TypeFor[RetentionChange](), reflect.TypeFor[Retention](), nil},
		{reflect.TypeFor[MaxBacklogChange](), reflect.TypeFor[MaxBacklog](), nil},
		{reflect.TypeFor[GroupChange](), reflect.TypeFor[GroupConfig](), []string{"kind", "topics"}},
		{reflect.TypeFor[BackoffChange](), reflect.TypeFor[Backoff](), nil},
		{reflect.TypeFor[RateChange](), reflect.TypeFor[Rate](), nil},
		{reflect.TypeFor[DeadLetterChange](), reflect.TypeFor[DeadLetter](), nil},
	} {
		if diff := cmp.Diff(set(append(fields(tt.config), tt.more...)), set(fields(tt.change))); diff != "" {
			t.Errorf("%s (-as %s, +as it is):\n%s", tt.change, tt.config, diff)
		}
		empty, err := json.Marshal(reflect.New(tt.change).Interface())
		if err != nil || string(empty) != "{}" {
			t.Errorf("%s without anything is %s, %v", tt.change, empty, err)
		}
	}
}

// TestValuesAreKept: JSON stays as it is written, null among it.
func TestValuesAreKept(t *testing.T) {
	for _, in := range []string{`{"value":{"b":1.0,"a":1e400,"a":2}}`, `{"value":null}`, `{"text":""}`, `{"value_base64":"/w=="}`, `{"tombstone":true}`} {
		var v Value
		if err := json.Unmarshal([]byte(in), &v); err != nil {
			t.Fatal(err)
		}
		if out, err := json.Marshal(v); err != nil || string(out) != in {
			t.Errorf("%s became %s, %v", in, out, err)
		}
	}
}
