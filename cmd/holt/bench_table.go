package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/holtmq/holt/cmd/holt/bench"
)

// showBench writes a report for people.
func (a *app) showBench(r *bench.Report) error {
	m := r.Machine
	server := fmt.Sprintf("holt %s (%s)", r.Server.Version, r.Server.Engine)
	if r.Server.Own {
		server += ", started for this run on a temporary directory"
	}
	pairs := []string{
		"machine", strings.Join(slices.DeleteFunc([]string{
			m.OS + "/" + m.Arch, fmt.Sprintf("%d cores", m.Cores), m.CPU, m.Go, prefixedIf("load ", m.Load),
		}, func(s string) bool { return s == "" }), ", "),
		"server", server,
	}
	for _, s := range r.Settings {
		pairs = append(pairs, "setting"+prefixedIf(" ", s.Name), s.Describe())
	}
	if err := a.fields(append(pairs, "note", r.Note)...); err != nil {
		return err
	}
	var rows [][]string
	var firsts [][]string
	for _, res := range r.Results {
		for _, c := range res.Calls {
			rows = append(rows, []string{
				cmp.Or(res.Setting, "-"), showNumber(res.Round), string(res.Scenario), c.Call, fmt.Sprintf("%.0f", c.RecordsPerSec),
				fmt.Sprintf("%.2f", c.MegabytePerSec), showMilliseconds(c, c.P50), showMilliseconds(c, c.P99), showMilliseconds(c, c.P999), showNumber(c.Errors),
			})
			if c.FirstError != "" {
				firsts = append(firsts, []string{string(res.Scenario), c.Call, c.FirstError})
			}
		}
	}
	if err := a.section([]string{"SETTING", "ROUND", "SCENARIO", "CALL", "RECORDS/S", "MB/S", "P50 MS", "P99 MS", "P999 MS", "ERRORS"}, rows); err != nil {
		return err
	}
	if err := a.section([]string{"SCENARIO", "CALL", "FIRST ERROR"}, firsts); err != nil {
		return err
	}
	rows = nil
	for _, x := range r.Ratios {
		rows = append(rows, []string{x.What, fmt.Sprintf("%.2f", x.Median), fmt.Sprintf("%.2f", x.Least), fmt.Sprintf("%.2f", x.Most)})
	}
	return a.section([]string{"RATIO OF RECORDS/S", "MEDIAN", "LEAST", "MOST"}, rows)
}

// showMilliseconds is a latency; calls that carry no time of their own have none.
func showMilliseconds(c bench.Calls, ms float64) string {
	if c.Count == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", ms)
}

func prefixedIf(prefix, s string) string {
	if s == "" {
		return ""
	}
	return prefix + s
}
