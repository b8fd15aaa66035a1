package bench

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// note is said with every result.
const note = "figures of one machine at one moment, client and server on the same cores: noisy, and no measure of other machines. " +
	"Ratios within a run say more; how they differ from round to round is the noise"

// Report is what was measured.
type Report struct {
	Machine  Machine  `json:"machine"`
	Server   Server   `json:"server"`
	Note     string   `json:"note"`
	Seconds  float64  `json:"seconds"`
	Rounds   int      `json:"rounds"`
	Settings []Named  `json:"settings"`
	Results  []Result `json:"results"` // in the order in which they were measured
	Ratios   []Ratio  `json:"ratios"`
}

// Machine is where it ran.
type Machine struct {
	OS    string `json:"os"`
	Arch  string `json:"arch"`
	Cores int    `json:"cores"`
	CPU   string `json:"cpu,omitempty"`
	Load  string `json:"load,omitempty"` // average before the run, over 1, 5 and 15 minutes
	Go    string `json:"go"`
}

// Server is the one that was measured.
type Server struct {
	Version string `json:"version"`
	Engine  string `json:"engine"`
	Own     bool   `json:"own"` // started for the run
}

// Named is a setting with its name: "" when there is only one.
type Named struct {
	Name string `json:"name,omitempty"`
	Setting
}

// Result is what one scenario of one setting came to in one round.
type Result struct {
	Setting  string   `json:"setting,omitempty"`
	Round    int      `json:"round"`
	Scenario Scenario `json:"scenario"`
	Seconds  float64  `json:"seconds"`
	Calls    []Calls  `json:"calls"`
}

// Calls is what the calls of one kind came to. Latencies are of calls that were answered, in ms; those of
// leases are of calls that records came with, the wait for them included.
type Calls struct {
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

// Ratio compares two figures of the same run, round by round.
type Ratio struct {
	What   string  `json:"what"`
	Median float64 `json:"median"`
	Least  float64 `json:"least"`
	Most   float64 `json:"most"`
}

func thisMachine() Machine {
	m := Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, Cores: runtime.NumCPU(), Go: runtime.Version()}
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
func (r *Report) label(i int) string {
	if name := r.Settings[i].Name; name != "" {
		return " " + name
	}
	return ""
}

func (r *Report) add(setting, round int, res Result) {
	res.Setting, res.Round = r.Settings[setting].Name, round
	r.Results = append(r.Results, res)
}

// result adds up what the clients counted.
func (l *load) result(scenario Scenario, took time.Duration, clients []*worker) Result {
	var publish, lease, settle calls
	for _, c := range clients {
		publish.merge(&c.publish)
		lease.merge(&c.lease)
		settle.merge(&c.settle)
	}
	res := Result{Scenario: scenario, Seconds: took.Seconds()}
	add := func(name string, c *calls) {
		rate := float64(c.records) / took.Seconds()
		j := Calls{
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
func (res *Result) rate(call string) float64 {
	for _, c := range res.Calls {
		if c.Call == call {
			return c.RecordsPerSec
		}
	}
	return 0
}

// summary is a result as a line of progress.
func (res *Result) summary() string {
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
func (r *Report) finish() {
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
		scenario Scenario
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
func (r *Report) rates(setting string, scenario Scenario, call string) []float64 {
	out := make([]float64, r.Rounds)
	for _, res := range r.Results {
		if res.Setting == setting && res.Scenario == scenario {
			out[res.Round-1] = res.rate(call)
		}
	}
	return out
}

// ratio adds the ratio of two rates, each of a round against the other of the same round.
func (r *Report) ratio(what string, above, below []float64) {
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
	r.Ratios = append(r.Ratios, Ratio{What: what, Median: round3((each[n/2] + each[(n-1)/2]) / 2), Least: each[0], Most: each[n-1]})
}
