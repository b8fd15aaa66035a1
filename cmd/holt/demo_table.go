package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/cmd/holt/demo"
)

const shownViolations = 20

// showDemo prints the report in the format that was asked for.
func (a *app) showDemo(r *demo.Report) error {
	if a.format != formatTable {
		return a.one(row{"demo", r, nil}, nil)
	}
	var b strings.Builder
	for _, t := range []table.Writer{demoSummary(r), demoLetters(r), demoBroken(r)} {
		if t.Length() > 0 {
			b.WriteString(t.Render() + "\n")
		}
	}
	b.WriteString(demoConclusion(r) + "\n")
	_, err := io.WriteString(a.stdout, b.String())
	return err
}

func demoSummary(r *demo.Report) table.Writer {
	t := newDemoTable()
	t.AppendRows([]table.Row{
		{"jobs", r.Jobs, fmt.Sprintf("%d files of %s, and %d planted that cannot be read", r.Jobs-demo.Planted, plain(r.Dir), demo.Planted)},
		{"done", r.Done, "every digest compared with a direct computation"},
		{"deliveries", r.Deliveries, fmt.Sprintf("%d of them again, after a failure or a kill", r.Redelivered)},
		{"attempts", r.AttemptsText(), fmt.Sprintf("the limit is %d", demo.MaxAttempts)},
		{"dead letters", len(r.DeadLetters), fmt.Sprintf("%d planted, %d others", len(r.DeadLetters)-r.Unplanned, r.Unplanned)},
	})
	t.AppendSeparator()
	t.AppendRows([]table.Row{
		{"lost", r.Lost, "neither digest nor dead letter"},
		{"doubled", r.Doubled, "handed out after the ack was answered"},
		{"wrong", r.Wrong, "digests, dead letters, attempts"},
	})
	t.AppendSeparator()
	t.AppendRows([]table.Row{
		{"workers killed", r.WorkerKills, fmt.Sprintf("of %d processes, with %d leases in hand", r.Workers, r.KilledHeld)},
		{"server killed", r.ServerKills, "away for " + r.ServerAway.String()},
		{"trouble", r.Trouble, "failed calls and lost leases, which client.Work coped with"},
	})
	t.AppendSeparator()
	t.AppendRows([]table.Row{
		{"published", fmt.Sprintf("%.0f/s", r.PublishRate), fmt.Sprintf("%d a request", demo.PublishBatch)},
		{"acked", fmt.Sprintf("%.0f/s", r.DoneRate), "from the first lease to the last ack, kills included"},
		latencyRow(r.PublishAck, "publish to ack", "mostly time in the queue: all jobs are published at once"),
		latencyRow(r.LeaseAck, "lease to ack", "hash, publish the digest, ack"),
		latencyRow(r.AckCall, "ack call", "round trip, on stable storage"),
		{"peak memory", showPeak(r.ServerPeak), "of the server, the larger of its two processes"},
		{"", showPeak(r.WorkerPeak), "of a worker"},
		{"took", r.Took.String(), fmt.Sprintf("seed %d", r.Seed)},
	})
	return t
}

func latencyRow(l demo.Latency, name, remark string) table.Row {
	return table.Row{name, fmt.Sprintf("p50 %s, p99 %s", showLatency(l.P50), showLatency(l.P99)), remark}
}

func showLatency(d api.Duration) string {
	if t := time.Duration(d); t < time.Second {
		return fmt.Sprintf("%.1f ms", float64(t)/1e6)
	}
	return fmt.Sprintf("%.2f s", time.Duration(d).Seconds())
}

func showPeak(n int64) string {
	if n == 0 {
		return "not measured here"
	}
	return showBytes(n)
}

func demoLetters(r *demo.Report) table.Writer {
	t := newDemoTable()
	for _, l := range r.DeadLetters {
		t.AppendRow(table.Row{short(plain(l.Path)), l.Attempts, l.Reason, short(plain(l.Error))})
	}
	t.AppendHeader(table.Row{"dead letter", "attempts", "reason", "error"})
	return t
}

func demoBroken(r *demo.Report) table.Writer {
	t := newDemoTable()
	for i, v := range r.Violations {
		if i == shownViolations {
			t.AppendRow(table.Row{"", "", fmt.Sprintf("… and %d more", len(r.Violations)-i)})
			break
		}
		t.AppendRow(table.Row{v.Kind, short(plain(v.Path)), short(plain(v.Detail))})
	}
	t.AppendHeader(table.Row{"broken", "file", "what was seen"})
	return t
}

func demoConclusion(r *demo.Report) string {
	if r.Err() != nil {
		return fmt.Sprintf("FAILED: %d lost, %d doubled, %d wrong. --seed %d --keep runs it again and keeps the data.", r.Lost, r.Doubled, r.Wrong, r.Seed)
	}
	return fmt.Sprintf("Nothing lost, nothing doubled, nothing wrong: %d jobs, %d workers and the server killed.", r.Jobs, r.WorkerKills)
}

func newDemoTable() table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = 0 // as it is written
	return t
}
