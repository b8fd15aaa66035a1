package httpapi

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holtmq/holt/dlq"
)

// maxJobSeries is how many redrive jobs, the newest ones, one scrape looks at.
const maxJobSeries = 200

// redriveCollector shows what redrive jobs have come to.
type redriveCollector struct {
	letters       DeadLetters
	jobs, records *prometheus.Desc
}

func newRedriveCollector(letters DeadLetters) *redriveCollector {
	return &redriveCollector{
		letters: letters,
		jobs:    prometheus.NewDesc("holt_redrive_jobs", "Redrive jobs by state, of the newest 200.", []string{"state"}, nil),
		records: prometheus.NewDesc("holt_redrive_records", "Dead letters of these jobs by what became of them: matched, redriven, succeeded, died_again, skipped.", []string{"group", "outcome"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *redriveCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.jobs
	ch <- c.records
}

// jobStates are shown although no job is in them, so that alerts see the first one.
var jobStates = []string{"running", "done", "cancelled", "failed"}

// Collect implements prometheus.Collector.
func (c *redriveCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	jobs, err := c.letters.Jobs(ctx, "", maxJobSeries)
	if err != nil {
		if !errors.Is(err, context.DeadlineExceeded) {
			ch <- prometheus.NewInvalidMetric(c.jobs, fmt.Errorf("list redrives: %w", err))
		}
		return
	}
	states, groups := map[string]int{}, map[string]*dlq.Job{}
	for i := range jobs {
		j := &jobs[i]
		states[string(j.State)]++
		g := groups[j.Group]
		if g == nil {
			groups[j.Group] = j
			continue
		}
		g.Matched, g.Redriven, g.Succeeded, g.DiedAgain, g.Skipped = g.Matched+j.Matched, g.Redriven+j.Redriven, g.Succeeded+j.Succeeded, g.DiedAgain+j.DiedAgain, g.Skipped+j.Skipped
	}
	for _, s := range jobStates {
		ch <- prometheus.MustNewConstMetric(c.jobs, prometheus.GaugeValue, float64(states[s]), s)
	}
	for name, g := range groups {
		for outcome, n := range map[string]int{"matched": g.Matched, "redriven": g.Redriven, "succeeded": g.Succeeded, "died_again": g.DiedAgain, "skipped": g.Skipped} {
			ch <- prometheus.MustNewConstMetric(c.records, prometheus.GaugeValue, float64(n), name, outcome)
		}
	}
}
