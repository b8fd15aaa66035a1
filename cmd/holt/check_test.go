package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holtmq/holt/client/api"
)

// With --wait a check goes on until the server is ready, or the time is over.
func TestCheckWaits(t *testing.T) {
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, `{"status":"ready"}`)
	}))
	defer s.Close()
	var out, errs bytes.Buffer
	code := run(t.Context(), strings.Fields("check server --wait 1h -o table --server "+s.URL), nil, &out, &errs)
	if code != checkOK || out.String() != "server: OK: ready\n" || asked.Load() != 3 {
		t.Errorf("%d %q %q, asked %d times", code, out.String(), errs.String(), asked.Load())
	}
	for flag, want := range map[string]int{"": checkUnknown, "--wait 250ms": checkUnknown} {
		if code := run(t.Context(), strings.Fields("check server -o table --server http://127.0.0.1:1 "+flag), nil, &out, &errs); code != want {
			t.Errorf("%s: exit code %d, want %d", flag, code, want)
		}
	}
}

// A worker that went away is in the list of a group's members for long: it counts while it was seen lately.
func TestCheckWorkers(t *testing.T) {
	type group = map[string]any
	seen := func(ago time.Duration, leases int) []any {
		return []any{group{"member": "w", "leases": leases, "last_seen_at": api.Time(time.Now().Add(-ago))}}
	}
	for name, tt := range map[string]struct {
		group group
		code  int
	}{
		"nobody":             {group{}, checkCritical},
		"seen just now":      {group{"members": seen(0, 0)}, checkOK},
		"seen an hour ago":   {group{"members": seen(time.Hour, 0)}, checkCritical},
		"not seen, and held": {group{"members": []any{group{"member": "w", "leases": 1}}}, checkOK},
		"held by no name":    {group{"totals": group{"lag": 7, "available": 4, "leased": 3}}, checkOK},
		"paused":             {group{"config": group{"paused": true}}, checkOK},
		"nothing to do":      {group{"totals": group{"lag": 3, "deferred": 3}}, checkOK},
		"a stream":           {group{"kind": "ordered", "members": seen(time.Hour, 0)}, checkOK},
		"a stream of nobody": {group{"kind": "ordered"}, checkCritical},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			answer := group{"name": "g", "kind": "share", "totals": group{"lag": 4, "available": 4}}
			maps.Copy(answer, tt.group)
			w.Header().Set("Content-Type", "application/json")
			json.NewEncoder(w).Encode(answer)
		}))
		var out, errs bytes.Buffer
		code := run(t.Context(), strings.Fields("check group g --workers -o table --server "+s.URL), nil, &out, &errs)
		s.Close()
		if code != tt.code || errs.Len() > 0 {
			t.Errorf("%s: %d %q %q", name, code, out.String(), errs.String())
		}
	}
}

// A server without space is ready, as every probe that restarts it must hear, and says what it lacks; who asks for the storage is told by the exit code.
func TestCheckStorage(t *testing.T) {
	full := true
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"status":"ready","storage_full":%t}`, full)
	}))
	defer s.Close()
	for _, tt := range []struct {
		full bool
		flag string
		want string
		code int
	}{
		{true, "", "server: OK: ready; the storage is full and publishes are refused\n", checkOK},
		{true, "--storage", "server: CRITICAL: the storage is full: publishes are refused\n", checkCritical},
		{false, "--storage", "server: OK: ready\n", checkOK},
	} {
		full = tt.full
		var out, errs bytes.Buffer
		code := run(t.Context(), strings.Fields("check server -o table --server "+s.URL+" "+tt.flag), nil, &out, &errs)
		if out.String() != tt.want || code != tt.code || errs.Len() > 0 {
			t.Errorf("full %t %s: %d %q %q", tt.full, tt.flag, code, out.String(), errs.String())
		}
	}
}
