package main

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// benchNote is said with every result.
const benchNote = "figures of one machine at one moment, client and server on the same cores: noisy, and no measure of other machines. " +
	"Ratios within a run say more; how they differ from round to round is the noise"

// benchReport is what holt bench prints.
type benchReport struct {
	Machine  benchMachine    `json:"machine"`
	Server   benchServerInfo `json:"server"`
	Note     string          `json:"note"`
	Seconds  float64         `json:"seconds"`
	Rounds   int             `json:"rounds"`
	Settings []benchNamed    `json:"settings"`
	Results  []benchResult   `json:"results"` // in the order in which they were measured
	Ratios   []benchRatio    `json:"ratios"`
}

// benchMachine is where it ran.
type benchMachine struct {
	OS    string `json:"os"`
	Arch  string `json:"arch"`
	Cores int    `json:"cores"`
	CPU   string `json:"cpu,omitempty"`
	Load  string `json:"load,omitempty"` // average before the run, over 1, 5 and 15 minutes
	Go    string `json:"go"`
}

type benchServerInfo struct {
	Version string `json:"version"`
	Engine  string `json:"engine"`
	Own     bool   `json:"own"` // started for the run
}

// benchNamed is a setting with its name: "" when there is only one.
type benchNamed struct {
	Name string `json:"name,omitempty"`
	benchSetting
}

// benchResult is what one scenario of one setting came to in one round.
type benchResult struct {
	Setting  string           `json:"setting,omitempty"`
	Round    int              `json:"round"`
	Scenario benchScenario    `json:"scenario"`
	Seconds  float64          `json:"seconds"`
	Calls    []benchCallsJSON `json:"calls"`
}

// benchCallsJSON is what the calls of one kind came to. Latencies are of calls that were answered, in ms; those of
// leases are of calls that records came with, the wait for them included.
type benchCallsJSON struct {
	Call           string  `json:"call"`
	Count          int64   `json:"count"`
	Records        int64   `json:"records"`
	RecordsPerSec  float64 `json:"records_per_second"`
	MegabytePerSec float64 `json:"mb_per_second"` // 10^6 bytes of values
	P50            float64 `json:"p50_ms"`
	P99            float64 `json:"p99_ms"`
	P999           float64 `json:"p999_ms"`
	Errors         int64   `json:"errors"`
	FirstError     string  `json:"first_error,omitempty"`
}

// benchRatio compares two figures of the same run, round by round.
type benchRatio struct {
	What   string  `json:"what"`
	Median float64 `json:"median"`
	Least  float64 `json:"least"`
	Most   float64 `json:"most"`
}

func newBenchReport(settings []benchSetting, b *benchFlags) *benchReport {
	r := &benchReport{
		Machine: thisMachine(), Note: benchNote, Seconds: b.seconds, Rounds: b.rounds, Ratios: []benchRatio{},
	}
	first, second, _ := strings.Cut(b.compare, ":")
	for i, s := range settings {
		named := benchNamed{benchSetting: s}
		if len(settings) > 1 {
			named.Name = cmp.Or([]string{first, second}[i], "default")
		}
		r.Settings = append(r.Settings, named)
	}
	return r
}

func thisMachine() benchMachine {
	m := benchMachine{OS: runtime.GOOS, Arch: runtime.GOARCH, Cores: runtime.NumCPU(), Go: runtime.Version()}
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		_, model, _ := strings.Cut(string(b), "model name")
		line, _, _ := strings.Cut(model, "\n")
		m.CPU = strings.TrimLeft(line, "\t: ")
	}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		if averages := strings.Fields(string(b)); len(averages) >= 3 {
			m.Load = strings.Join(averages[:3], " ")
		}
	}
	return m
}

// label names a setting in a line of progress.
func (r *benchReport) label(i int) string {
	if name := r.Settings[i].Name; name != "" {
		return " " + name
	}
	return ""
}

func (r *benchReport) add(setting, round int, res benchResult) {
	res.Setting, res.Round = r.Settings[setting].Name, round
	r.Results = append(r.Results, res)
}

// result adds up what the clients counted.
func (l *benchLoad) result(scenario benchScenario, took time.Duration, clients []*benchClient) benchResult {
	var publish, lease, settle benchCalls
	for _, c := range clients {
		publish.merge(&c.publish)
		lease.merge(&c.lease)
		settle.merge(&c.settle)
	}
	res := benchResult{Scenario: scenario, Seconds: took.Seconds()}
	add := func(name string, c *benchCalls) {
		rate := float64(c.records) / took.Seconds()
		j := benchCallsJSON{
			Call: name, Count: c.took.total, Records: c.records,
			RecordsPerSec: round3(rate), MegabytePerSec: round3(rate * float64(l.setting.Size) / 1e6),
			P50: milliseconds(c.took.quantile(0.5)), P99: milliseconds(c.took.quantile(0.99)), P999: milliseconds(c.took.quantile(0.999)),
			Errors: c.errors,
		}
		if c.first != nil {
			j.FirstError = c.first.Error()
		}
		res.Calls = append(res.Calls, j)
	}
	if scenario != scenarioDrain {
		add("publish", &publish)
	}
	if scenario != scenarioPublish {
		add("lease", &lease)
		add("settle", &settle)
	}
	return res
}

func round3(f float64) float64 { return math.Round(f*1000) / 1000 }

func milliseconds(d time.Duration) float64 { return round3(float64(d) / float64(time.Millisecond)) }

// rate is the records a second of one kind of call; 0 when there were none.
func (res *benchResult) rate(call string) float64 {
	for _, c := range res.Calls {
		if c.Call == call {
			return c.RecordsPerSec
		}
	}
	return 0
}

// summary is a result as a line of progress.
func (res *benchResult) summary() string {
	var parts []string
	var errors int64
	for _, c := range res.Calls {
		if c.Call != "lease" {
			parts = append(parts, fmt.Sprintf("%.0f records/s %s", c.RecordsPerSec, map[string]string{"publish": "published", "settle": "acked"}[c.Call]))
		}
		errors += c.Errors
	}
	s := fmt.Sprintf("%s: %s", res.Scenario, strings.Join(parts, ", "))
	if errors > 0 {
		s += fmt.Sprintf(", %d errors", errors)
	}
	return s
}

// finish computes the ratios.
func (r *benchReport) finish() {
	if len(r.Settings) == 1 {
		only := r.Settings[0].Name
		r.ratio("lease+ack alone ÷ publish alone", r.rates(only, scenarioDrain, "settle"), r.rates(only, scenarioPublish, "publish"))
		r.ratio("publish beside lease+ack ÷ alone", r.rates(only, scenarioBoth, "publish"), r.rates(only, scenarioPublish, "publish"))
		r.ratio("lease+ack beside publish ÷ alone", r.rates(only, scenarioBoth, "settle"), r.rates(only, scenarioDrain, "settle"))
		return
	}
	first, second := r.Settings[0].Name, r.Settings[1].Name
	for _, x := range []struct {
		what     string
		scenario benchScenario
		call     string
	}{
		{"publish", scenarioPublish, "publish"}, {"lease+ack", scenarioDrain, "settle"},
		{"publish beside lease+ack", scenarioBoth, "publish"}, {"lease+ack beside publish", scenarioBoth, "settle"},
	} {
		what := fmt.Sprintf("%s: %s ÷ %s", x.what, second, first)
		r.ratio(what, r.rates(second, x.scenario, x.call), r.rates(first, x.scenario, x.call))
	}
}

// rates are the records a second of one kind of call, round by round.
func (r *benchReport) rates(setting string, scenario benchScenario, call string) []float64 {
	out := make([]float64, r.Rounds)
	for _, res := range r.Results {
		if res.Setting == setting && res.Scenario == scenario {
			out[res.Round-1] = res.rate(call)
		}
	}
	return out
}

// ratio adds the ratio of two rates, each of a round against the other of the same round.
func (r *benchReport) ratio(what string, above, below []float64) {
	var each []float64
	for i := range above {
		if below[i] > 0 {
			each = append(each, round3(above[i]/below[i]))
		}
	}
	if len(each) == 0 {
		return
	}
	slices.Sort(each)
	n := len(each)
	r.Ratios = append(r.Ratios, benchRatio{What: what, Median: round3((each[n/2] + each[(n-1)/2]) / 2), Least: each[0], Most: each[n-1]})
}

func (a *app) showBench(r *benchReport) error {
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
		pairs = append(pairs, "setting"+prefixedIf(" ", s.Name), s.describe())
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
func showMilliseconds(c benchCallsJSON, ms float64) string {
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

func (s *benchSetting) describe() string {
	keys := "no keys"
	if s.Keys > 0 {
		keys = fmt.Sprintf("%d keys", s.Keys)
	}
	out := fmt.Sprintf("%d producers, %d workers, batches of %d records of %d bytes, %s, ordering %s, topics %d × %d partitions",
		s.Producers, s.Workers, s.Batch, s.Size, keys, s.Ordering, s.Topics, s.Partitions)
	if s.Ride {
		out += ", settles ride on leases"
	}
	return out
}
