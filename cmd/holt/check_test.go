package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

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
