//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
)

// shell runs a script for a record, and calls ready when its standard output holds "ready".
func shell(ctx context.Context, script string, r *client.Record, ready func()) (stdout, stderr string, err error) {
	var out, errs watchedBuffer
	out.until, out.found = "ready", ready
	var mu sync.Mutex
	c := &command{
		group: "mailer", path: "/bin/sh", args: []string{"sh", "-c", script},
		stdout: &sharedWriter{mu: &mu, w: &out}, stderr: &sharedWriter{mu: &mu, w: &errs},
	}
	err = c.handle(ctx, r)
	return out.buf.String(), errs.buf.String(), err
}

func TestCommandOutcome(t *testing.T) {
	tests := []struct {
		script string
		want   *api.WorkerError
	}{
		{"cat", nil},
		{"exit 0", nil}, // reads none of its input
		{"exit 3", &api.WorkerError{Type: "exit status 3", Message: "exit status 3"}},
		{"echo first >&2; echo second >&2; echo >&2; exit 1", &api.WorkerError{Type: "exit status 1", Message: "second"}},
		{"printf 'no line end' >&2; exit 1", &api.WorkerError{Type: "exit status 1", Message: "no line end"}},
		{"kill -KILL $$", &api.WorkerError{Type: "signal: killed", Message: "signal: killed"}},
		{"echo no good >&2; exit 65", &api.WorkerError{Type: "exit status 65", Message: "no good"}},
	}
	for _, tt := range tests {
		t.Run(tt.script, func(t *testing.T) {
			r := &client.Record{Value: bytes.Repeat([]byte("x"), 1<<20)}
			_, _, err := shell(t.Context(), tt.script, r, nil)
			var got *api.WorkerError
			if err != nil && !errors.As(err, &got) {
				t.Fatalf("%T: %v", err, err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCommandNotStarted(t *testing.T) {
	c := &command{path: "/nowhere/at/all", args: []string{"x"}, stdout: &sharedWriter{}, stderr: &sharedWriter{}}
	var got *api.WorkerError
	if err := c.handle(t.Context(), &client.Record{}); !errors.As(err, &got) || got.Type != "start" {
		t.Errorf("%v", err)
	}
}

// TestCommandLostLease: a command whose lease is lost is asked to end, with what it has started.
func TestCommandLostLease(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	_, stderr, err := shell(ctx, `trap 'echo asked to end >&2; exit 9' TERM; echo ready; sleep 600 & wait`,
		&client.Record{}, func() { cancel(client.ErrLeaseLost) })
	if err == nil || !strings.Contains(stderr, "asked to end") {
		t.Errorf("%v; says %q", err, stderr)
	}
}

func TestEnvironment(t *testing.T) {
	r := &client.Record{
		Topic: "emails", Partition: 3, Offset: 17, Attempt: 2, Deliveries: 4, Receipt: "r",
		Key: []byte("a\x00b"), Headers: map[string]string{"content-type": "text", "x.bin": "\xff", "empty": ""},
	}
	want := []string{
		"HOLT_ATTEMPT=2", "HOLT_DELIVERIES=4", "HOLT_GROUP=mailer", "HOLT_HEADER_CONTENT_TYPE=text", "HOLT_HEADER_EMPTY=",
		"HOLT_HEADER_X_BIN_BASE64=/w==", "HOLT_KEY_BASE64=YQBi", "HOLT_OFFSET=17", "HOLT_PARTITION=3", "HOLT_RECEIPT=r",
		"HOLT_TIMESTAMP=-", "HOLT_TOMBSTONE=1", "HOLT_TOPIC=emails",
	}
	got := environment("mailer", r)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	r.Key, r.Value = []byte{}, []byte{}
	if got := environment("mailer", r); !slices.Contains(got, "HOLT_KEY=") || slices.Contains(got, "HOLT_TOMBSTONE=1") {
		t.Errorf("empty key and value: %q", got)
	}
	outer := []string{"PATH=/bin", "HOLT_SERVER=x", "HOLT_KEY=outer", "HOLT_HEADER_A=outer", "HOLT_KEY_BASE64=outer"}
	if diff := cmp.Diff(outer[:2], cleanEnvironment(outer)); diff != "" {
		t.Errorf("an outer worker's record shows: %s", diff)
	}
}

func TestTally(t *testing.T) {
	var mu sync.Mutex
	var out bytes.Buffer
	c := &command{path: "/bin/sh", args: []string{"sh", "-c", `read -r code && exit "$code"`}, stdout: &sharedWriter{mu: &mu, w: &out}, stderr: &sharedWriter{mu: &mu, w: &out}}
	for _, code := range []string{"0", "1", "65", "0"} {
		_ = c.handle(t.Context(), &client.Record{Value: []byte(code + "\n")})
	}
	c.path = "/nowhere/at/all"
	_ = c.handle(t.Context(), &client.Record{})
	if got := c.tally.String(); got != "2 done, 2 failed, 1 rejected" {
		t.Error(got)
	}
}
