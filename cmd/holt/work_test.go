package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holtmq/holt/client"
)

// TestTrouble: a server that is away is one line, now and then; a lost lease always is one.
func TestTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var stderr bytes.Buffer
		trouble := (&app{stderr: &stderr}).newTrouble()
		for range 3 {
			for range 10 {
				trouble.report(fmt.Errorf("settle: %w", client.ErrUnreachable))
			}
			trouble.report(client.ErrLeaseLost)
			time.Sleep(troublePause)
		}
		if n := strings.Count(stderr.String(), "server unreachable"); n != 3 {
			t.Errorf("%d lines about the server, want 3", n)
		}
		if n := strings.Count(stderr.String(), "lease lost"); n != 3 {
			t.Errorf("%d lines about lost leases, want 3", n)
		}
	})
}
