package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/cmd/holt/bench"
)

// benched runs holt bench against a server in memory and returns its report.
func benched(t *testing.T, args ...string) (r bench.Report, server, stderr string) {
	t.Helper()
	server = serveInMemory(t)
	var out, progress bytes.Buffer
	args = append([]string{"bench", "--server", server, "--json", "--producers", "2", "--workers", "2"}, args...)
	if code := run(t.Context(), args, strings.NewReader(""), &out, &progress); code != exitDone {
		t.Fatalf("exit code %d: %s", code, &progress)
	}
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("%v: %s", err, &out)
	}
	return r, server, progress.String()
}

func TestBench(t *testing.T) {
	const seconds = 0.5 // more than a worker waits for the first record
	r, server, progress := benched(t, "--seconds", fmt.Sprint(seconds), "--batch", "7", "--topics", "2", "--keys", "20")
	var got []string
	for _, res := range r.Results {
		for _, c := range res.Calls {
			got = append(got, string(res.Scenario)+" "+c.Call)
			if c.Count == 0 || c.Records < c.Count || c.Records > 7*c.Count || c.RecordsPerSec <= 0 || c.Errors != 0 {
				t.Errorf("%s, %s: %+v", res.Scenario, c.Call, c)
			}
			if !(0 < c.P50 && c.P50 <= c.P99 && c.P99 <= c.P999) {
				t.Errorf("%s, %s: p50 %g, p99 %g, p999 %g ms", res.Scenario, c.Call, c.P50, c.P99, c.P999)
			}
		}
	}
	want := []string{"publish publish", "lease+ack lease", "lease+ack settle", "both publish", "both lease", "both settle"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	published, drained := r.Results[0].Calls[0].Records, r.Results[1].Calls[1].Records
	if drained > published || drained < published && r.Results[1].Seconds < seconds {
		t.Errorf("%d of %d records acked in %g s", drained, published, r.Results[1].Seconds)
	}
	if len(r.Ratios) != 3 || r.Note == "" || r.Machine.Cores == 0 || r.Server.Engine == "" || r.Server.Own {
		t.Errorf("%+v", r)
	}
	if n := strings.Count(progress, "round 1 of 1, "); n != 3 {
		t.Errorf("progress: %s", progress)
	}
	c, err := client.New(server)
	if err != nil {
		t.Fatal(err)
	}
	for topic, err := range c.Topics(t.Context()) {
		t.Errorf("left behind: %s, %v", topic.Name, err)
	}
	for group, err := range c.Groups(t.Context()) {
		t.Errorf("left behind: %s, %v", group.Name, err)
	}
}

// TestBenchCompares: two settings are measured in turns, the order turned in every second round.
func TestBenchCompares(t *testing.T) {
	r, _, _ := benched(t, "--seconds", "0.05", "--rounds", "2", "--compare", ":batch=3,ride=true,keys=5,ordering=key")
	var got []string
	for _, res := range r.Results {
		if res.Scenario == "publish" {
			got = append(got, res.Setting)
		}
		for _, c := range res.Calls {
			if res.Scenario == "lease+ack" && c.Call == "settle" && c.Records == 0 {
				t.Errorf("round %d, %s: nothing was settled", res.Round, res.Setting)
			}
		}
	}
	const second = "batch=3,ride=true,keys=5,ordering=key"
	if diff := cmp.Diff([]string{"default", second, second, "default"}, got); diff != "" {
		t.Error(diff)
	}
	want := bench.Setting{Producers: 2, Workers: 2, Batch: 3, Size: 100, Topics: 1, Partitions: 4, Keys: 5, Ordering: "key", Ride: true}
	if diff := cmp.Diff(want, r.Settings[1].Setting); diff != "" {
		t.Error(diff)
	}
	if len(r.Ratios) != 4 || r.Ratios[0].What != "publish: "+second+" ÷ default" {
		t.Errorf("ratios: %+v", r.Ratios)
	}
}

// TestBenchOwnServer: without --server, bench starts one and leaves nothing behind.
func TestBenchOwnServer(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	temp := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, "bench", "--seconds", "0.1", "-o", "table")
	cmd.Env = append(os.Environ(), "TMPDIR="+temp, "HOLT_SERVER=http://127.0.0.1:1", commandVariable+"=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &stderr)
	}
	for _, want := range []string{"machine  ", "(badger), started for this run", "noisy", "\nRATIO OF RECORDS/S ", "P999 MS"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
