package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holtmq/holt/client"
)

// benched runs holt bench against a server in memory and returns its report.
func benched(t *testing.T, args ...string) (r benchReport, server, stderr string) {
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
	r, server, progress := benched(t, "--seconds", "0.2", "--batch", "7", "--topics", "2", "--keys", "20")
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
	if drained > published || drained < published && r.Results[1].Seconds < 0.2 {
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
		if res.Scenario == scenarioPublish {
			got = append(got, res.Setting)
		}
		for _, c := range res.Calls {
			if res.Scenario == scenarioDrain && c.Call == "settle" && c.Records == 0 {
				t.Errorf("round %d, %s: nothing was settled", res.Round, res.Setting)
			}
		}
	}
	const second = "batch=3,ride=true,keys=5,ordering=key"
	if diff := cmp.Diff([]string{"default", second, second, "default"}, got); diff != "" {
		t.Error(diff)
	}
	want := benchSetting{Producers: 2, Workers: 2, Batch: 3, Size: 100, Topics: 1, Partitions: 4, Keys: 5, Ordering: "key", Ride: true}
	if diff := cmp.Diff(want, r.Settings[1].benchSetting); diff != "" {
		t.Error(diff)
	}
	if len(r.Ratios) != 4 || r.Ratios[0].What != "publish: "+second+" ÷ default" {
		t.Errorf("ratios: %+v", r.Ratios)
	}
}

// TestBenchTells: a long scenario says how far it is, and one that is interrupted ends.
func TestBenchTells(t *testing.T) {
	var stderr watchedBuffer
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stderr.until, stderr.found = "publish: 0 of 3600 s, ", cancel
	a := &app{stderr: &stderr, server: serveInMemory(t)}
	l := &benchLoad{
		app: a, group: "g", topics: []string{"t"}, tick: time.Millisecond,
		setting: benchSetting{Producers: 1, Workers: 1, Batch: 1, Size: 1, Topics: 1, Partitions: 1, Ordering: "none"},
	}
	c, err := a.client()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.prepare(ctx, c); err != nil {
		t.Fatal(err)
	}
	if _, err := l.run(ctx, scenarioPublish, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	if err := l.remove(c); err != nil {
		t.Error(err)
	}
	if err := l.remove(c); err != nil {
		t.Errorf("removing what is gone: %v", err)
	}
}

// TestBenchOwnServer: without --server, bench starts one and leaves nothing behind.
func TestBenchOwnServer(t *testing.T) {
	self := buildHolt(t)
	temp := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, "bench", "--seconds", "0.1", "-o", "table")
	cmd.Env = append(os.Environ(), "TMPDIR="+temp, "HOLT_SERVER=http://127.0.0.1:1")
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

func TestBenchRatios(t *testing.T) {
	r := &benchReport{Rounds: 3, Settings: []benchNamed{{Name: "a"}, {Name: "b"}}}
	for round, rates := range [][2]float64{{100, 200}, {100, 50}, {10, 40}} {
		for i, rate := range rates {
			r.add(i, round+1, benchResult{Scenario: scenarioPublish, Calls: []benchCallsJSON{{Call: "publish", RecordsPerSec: rate}}})
		}
	}
	r.finish()
	want := []benchRatio{{What: "publish: b ÷ a", Median: 2, Least: 0.5, Most: 4}}
	if diff := cmp.Diff(want, r.Ratios); diff != "" {
		t.Error(diff)
	}
}

func TestHistogram(t *testing.T) {
	var h histogram
	if h.quantile(0.5) != 0 {
		t.Error("an empty one has a median")
	}
	for i := range lastBuckets - 1 {
		if top := bucketTop(i); bucketOf(top) != i || bucketOf(top+1) != i+1 {
			t.Fatalf("bucket %d ends at %d, which is in %d; the next one in %d", i, top, bucketOf(top), bucketOf(top+1))
		}
	}
	if i := bucketOf(1<<63 - 1); i != lastBuckets-1 {
		t.Errorf("the longest duration is in bucket %d of %d", i, lastBuckets)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		d := time.Duration(random.Int64N(1 << random.IntN(63)))
		if top := bucketTop(bucketOf(d)); top < d || top > d+d/32+1 {
			t.Fatalf("%d is shown as %d", d, top)
		}
	}
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Millisecond)
	}
	var both histogram
	both.merge(&h)
	both.merge(&h)
	for q, want := range map[float64]time.Duration{0.5: 500 * time.Millisecond, 0.99: 990 * time.Millisecond, 0.999: 999 * time.Millisecond, 1: time.Second} {
		if got := both.quantile(q); got < want || got > want+want/32 {
			t.Errorf("quantile %g: %v, want about %v", q, got, want)
		}
	}
}
