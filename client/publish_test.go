package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/client/api"
)

// fakeTopic takes records; offsets count up. While gate is not nil, each request waits for one receive from it.
type fakeTopic struct {
	t    *testing.T
	gate chan struct{}

	mu       sync.Mutex
	requests [][]string // the records' texts
	stored   []string
}

func (f *fakeTopic) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	in := decode[api.PublishRequest](f.t, r)
	var texts []string
	for _, rec := range in.Records {
		texts = append(texts, *rec.Text)
	}
	f.mu.Lock()
	f.requests = append(f.requests, texts)
	f.mu.Unlock()
	if f.gate != nil {
		<-f.gate
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, text := range texts {
		if strings.HasPrefix(text, "bad") {
			refuse(w, api.Problem{Status: 422, Code: api.SchemaViolation})
			return
		}
		if text == "full" {
			refuse(w, api.Problem{Status: 429, Code: api.BacklogFull})
			return
		}
	}
	out := api.PublishResponse{}
	for _, text := range texts {
		out.Records = append(out.Records, api.Published{Offset: int64(len(f.stored))})
		f.stored = append(f.stored, text)
	}
	answer(w, out)
}

func (f *fakeTopic) sizes() (n []int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.requests {
		n = append(n, len(r))
	}
	return n
}

func TestPublishCoalesces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTopic{t: t, gate: make(chan struct{})}
		_, c := newNetwork(t, f)
		const calls = 50
		places := make([]api.Published, calls)
		var wg sync.WaitGroup
		for i := range calls {
			wg.Go(func() {
				p, err := c.PublishPlace(t.Context(), "a", Text(fmt.Sprint(i)))
				if err != nil {
					t.Error(err)
				}
				places[i] = p
			})
			if i == 0 {
				synctest.Wait() // the first one is in flight before the others come
			}
		}
		synctest.Wait()
		if diff := cmp.Diff([]int{1}, f.sizes()); diff != "" {
			t.Fatalf("requests in flight: %s", diff)
		}
		f.gate <- struct{}{}
		f.gate <- struct{}{}
		wg.Wait()
		if diff := cmp.Diff([]int{1, calls - 1}, f.sizes()); diff != "" {
			t.Errorf("requests: %s", diff)
		}
		for i, p := range places {
			if got := f.stored[p.Offset]; got != fmt.Sprint(i) {
				t.Errorf("call %d was told the place of %s", i, got)
			}
		}
		synctest.Wait()
		if n := len(c.publishes.busy); n != 0 {
			t.Errorf("%d idle topics are remembered", n)
		}
	})
}

func TestPublishRefusedAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTopic{t: t, gate: make(chan struct{})}
		_, c := newNetwork(t, f)
		texts := []string{"first", "a", "bad 1", "b", "c", "bad 2", "d"}
		errs := make([]error, len(texts))
		var wg sync.WaitGroup
		for i, text := range texts {
			wg.Go(func() { errs[i] = c.Publish(t.Context(), "a", Text(text)) })
			synctest.Wait()
		}
		close(f.gate)
		wg.Wait()
		for i, text := range texts {
			if bad := strings.HasPrefix(text, "bad"); bad != errors.Is(errs[i], ErrSchemaViolation) || !bad && errs[i] != nil {
				t.Errorf("%s: %v", text, errs[i])
			}
		}
		if diff := cmp.Diff([]string{"first", "a", "b", "c", "d"}, f.stored); diff != "" {
			t.Errorf("stored: %s", diff)
		}
	})
}

// TestPublishRefusedTogether: a refusal that is nobody's fault is not asked for again record by record.
func TestPublishRefusedTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTopic{t: t, gate: make(chan struct{})}
		_, c := newNetwork(t, f)
		var wg sync.WaitGroup
		for _, text := range []string{"first", "full", "full", "full"} {
			wg.Go(func() {
				err := c.Publish(t.Context(), "a", Text(text))
				if text == "full" != errors.Is(err, ErrBacklogFull) {
					t.Errorf("%s: %v", text, err)
				}
			})
			synctest.Wait()
		}
		close(f.gate)
		wg.Wait()
		if diff := cmp.Diff([]int{1, 3}, f.sizes()); diff != "" {
			t.Errorf("requests: %s", diff)
		}
	})
}

func TestPublishCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTopic{t: t, gate: make(chan struct{})}
		_, c := newNetwork(t, f)
		flying, cancelFlying := context.WithCancel(t.Context())
		waiting, cancelWaiting := context.WithCancel(t.Context())
		errs := make(chan error, 1)
		first := make(chan error, 1)
		second := make(chan error, 1)
		go func() { first <- c.Publish(flying, "a", Text("in flight")) }()
		synctest.Wait()
		go func() { errs <- c.Publish(waiting, "a", Text("waiting")) }()
		go func() { second <- c.Publish(t.Context(), "a", Text("other")) }()
		synctest.Wait()
		cancelWaiting()
		if err := <-errs; !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnknown) {
			t.Errorf("waiting: %v", err)
		}
		cancelFlying()
		if err := <-first; !errors.Is(err, context.Canceled) || !errors.Is(err, ErrUnknown) {
			t.Errorf("in flight: %v", err)
		}
		close(f.gate)
		if err := <-second; err != nil {
			t.Errorf("the one that stayed: %v", err)
		}
		for _, s := range f.stored {
			if s == "waiting" {
				t.Error("a call that was cancelled before it was sent was sent")
			}
		}
		if err := c.Publish(waiting, "a", Text("x")); !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnknown) {
			t.Errorf("ended context: %v", err)
		}
	})
}

// TestPublishSharedFlight: one caller who leaves does not take the request of the others along.
func TestPublishSharedFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeTopic{t: t, gate: make(chan struct{})}
		_, c := newNetwork(t, f)
		ctx, cancel := context.WithCancel(t.Context())
		errs := make([]error, 3)
		var wg sync.WaitGroup
		for i, ctx := range []context.Context{t.Context(), ctx, t.Context()} {
			wg.Go(func() { errs[i] = c.Publish(ctx, "a", Text(fmt.Sprint(i))) })
			synctest.Wait()
		}
		f.gate <- struct{}{}
		synctest.Wait() // 1 and 2 fly together
		cancel()
		synctest.Wait()
		f.gate <- struct{}{}
		wg.Wait()
		if errs[0] != nil || !errors.Is(errs[1], ErrUnknown) || errs[2] != nil {
			t.Errorf("errors: %v", errs)
		}
	})
}

func TestFitting(t *testing.T) {
	item := func(bytes int, unique ...string) *call[string, int] {
		return &call[string, int]{items: 1, bytes: bytes, unique: unique}
	}
	tests := []struct {
		name    string
		waiting []*call[string, int]
		want    int
	}{
		{"none", nil, 0},
		{"as many as the limit", []*call[string, int]{item(1), item(1), item(1)}, 3},
		{"one more", []*call[string, int]{item(1), item(1), item(1), item(1)}, 3},
		{"as many bytes as the limit", []*call[string, int]{item(6), item(4)}, 2},
		{"one byte more", []*call[string, int]{item(6), item(5)}, 1},
		{"one call over it goes alone", []*call[string, int]{item(11), item(1)}, 1},
		{"the same receipt waits", []*call[string, int]{item(1, "a", "b"), item(1, "c"), item(1, "b")}, 2},
		{"twice in one call is its own affair", []*call[string, int]{item(1, "a", "a"), item(1, "b")}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLanes[string, int](limit{items: 3, bytes: 10}, nil)
			if got := l.fitting(tt.waiting); got != tt.want {
				t.Errorf("fitting = %d, want %d", got, tt.want)
			}
		})
	}
}

func TestNewRecord(t *testing.T) {
	tests := []struct {
		name  string
		value Value
		opts  []RecordOption
		want  string
	}{
		{"json", JSON(map[string]any{"a<b>": 1}), nil, `{"value":{"a<b>":1}}`},
		{"json null", JSON(nil), nil, `{"value":null}`},
		{"json as written", JSON(json.RawMessage(`{"n":1.00,"n":2}`)), nil, `{"value":{"n":1.00,"n":2}}`},
		{"text", Text("a\u2028<"), nil, `{"text":"a\u2028<"}`},
		{"empty", Text(""), nil, `{"text":""}`},
		{"nil bytes", Bytes(nil), nil, `{"text":""}`},
		{"bytes", Bytes([]byte{0xff}), nil, `{"value_base64":"/w=="}`},
		{"tombstone", Tombstone(), []RecordOption{Key("")}, `{"key":"","tombstone":true}`},
		{"options", Text("x"), []RecordOption{KeyBytes([]byte{0xfe}), Header("A", "b"), Header("c", "\xff"), ID("i"), Priority(0), Partition(3)},
			`{"key_base64":"/g==","headers":{"A":"b"},"headers_base64":{"c":"/w=="},"id":"i","priority":0,"partition":3,"text":"x"}`},
		{"the last of a name", Text("x"), []RecordOption{Key("a"), KeyBytes([]byte{0xfe}), Key("b"), Header("h", "\xff"), Header("h", "1")},
			`{"key":"b","headers":{"h":"1"},"text":"x"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := NewRecord(tt.value, tt.opts...)
			if err != nil {
				t.Fatal(err)
			}
			got, err := encode(r)
			if err != nil || string(got) != tt.want {
				t.Errorf("%s, %v, want %s", got, err, tt.want)
			}
		})
	}
	for name, v := range map[string]Value{"none": {}, "no JSON": JSON(func() {}), "no UTF-8": JSON(json.RawMessage("\"\xff\""))} {
		if r, err := NewRecord(v); err == nil {
			t.Errorf("%s: accepted as %+v", name, r)
		}
	}
}
