package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/holtmq/holt/queue"
)

// What stands on the command line is published in one request, and so in one partition, and in its order.
func TestArgumentsAreOneRequest(t *testing.T) {
	server := serveInMemory(t)
	for topic := range 20 {
		out := mustHolt(t, "publish", fmt.Sprint(topic), "a", "b", "c", "--count", "300", "-o", "name", "--server", server)
		partition := strings.Split(out, "/")[1]
		for i, line := range strings.Split(strings.TrimSpace(out), "\n") {
			if want := fmt.Sprintf("%d/%s/%d", topic, partition, i); line != want {
				t.Fatalf("record %d is %s, want %s", i, line, want)
			}
		}
	}
}

// A server may take fewer records and bytes in a request than the command sends in one.
func TestPublishInSmallerRequests(t *testing.T) {
	server := serveInMemoryWith(t, queue.Limits{MaxPublish: 7, MaxBody: 4 << 10})
	holt := func(stdin string, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if code := run(t.Context(), append(args, "--server", server), strings.NewReader(stdin), &out, &errs); code != exitDone {
			t.Fatalf("%q: exit %d: %s", args, code, errs.String())
		}
		return out.String()
	}
	var lines strings.Builder
	for i := range 100 {
		fmt.Fprintf(&lines, "%d %s\n", i, strings.Repeat("x", 900))
	}
	holt("", "topic", "create", "first", "--partitions", "1")
	places := holt(lines.String(), "publish", "first", "-o", "name")
	if n := strings.Count(places, "\n"); n != 100 {
		t.Errorf("%d places for 100 lines", n)
	}
	holt(holt("", "export", "first"), "import", "second")
	for i, line := range strings.Split(strings.TrimSpace(holt("", "read", "first", "--max", "1000")), "\n") {
		if !strings.Contains(line, fmt.Sprintf(`"text":"%d x`, i)) {
			t.Errorf("record %d is %s", i, line)
		}
	}
	if n := strings.Count(holt("", "read", "second", "--max", "1000"), "\n"); n != 100 {
		t.Errorf("%d records were imported", n)
	}
}
