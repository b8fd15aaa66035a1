package demo

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/holtmq/holt/client/api"
)

// Report is what the demo prints, as JSON with --json.
type Report struct {
	Dir         string `json:"dir"`
	Seed        uint64 `json:"seed"`
	Workers     int    `json:"workers"`
	Concurrency int    `json:"concurrency"`

	Jobs        int            `json:"jobs"`
	Done        int            `json:"done"`
	Deliveries  int            `json:"deliveries"`
	Redelivered int            `json:"redelivered"` // deliveries beyond a job's first
	Attempts    map[string]int `json:"attempts"`    // jobs by the highest attempt that was handed out
	DeadLetters []Letter       `json:"dead_letters"`
	Unplanned   int            `json:"unplanned_dead_letters"` // of files that could be read

	Lost       int         `json:"lost"`
	Doubled    int         `json:"doubled"`
	Wrong      int         `json:"wrong"`
	Violations []Violation `json:"violations"`

	WorkerKills int          `json:"worker_kills"`
	KilledHeld  int          `json:"leases_of_killed_workers"`
	ServerKills int          `json:"server_kills"`
	ServerAway  api.Duration `json:"server_away"`
	Trouble     int          `json:"trouble"`  // what the workers' clients coped with on their own
	Troubles    []string     `json:"troubles"` // the last of it

	Took        api.Duration `json:"took"`
	PublishRate float64      `json:"published_per_second"`
	DoneRate    float64      `json:"acked_per_second"` // from the first lease to the last ack, the server's absence included
	PublishAck  Latency      `json:"publish_to_ack"`
	LeaseAck    Latency      `json:"lease_to_ack"`
	AckCall     Latency      `json:"ack_call"`

	ServerPeak int64 `json:"server_peak_bytes,omitempty"` // 0 = not measured
	WorkerPeak int64 `json:"worker_peak_bytes,omitempty"`
}

// Latency are two percentiles.
type Latency struct {
	P50 api.Duration `json:"p50"`
	P99 api.Duration `json:"p99"`
}

func newReport(cfg Config, root string, f *facts, e *evidence, found []Violation) *Report {
	r := &Report{
		Dir: root, Seed: cfg.Seed, Workers: cfg.Workers, Concurrency: cfg.Concurrency,
		Jobs: len(e.jobs), Deliveries: len(e.leases), DeadLetters: append([]Letter{}, e.letters...), Violations: append([]Violation{}, found...),
		WorkerKills: f.workerKills, KilledHeld: f.killedHeld, ServerKills: f.serverKills,
		ServerAway: api.Duration(f.serverAway.Round(time.Millisecond)), Trouble: e.trouble, Troubles: append([]string{}, e.troubles...),
		Took:       api.Duration(time.Since(f.begin).Round(time.Millisecond)),
		ServerPeak: f.serverPeak, WorkerPeak: f.workerPeak,
	}
	slices.SortFunc(r.DeadLetters, func(a, b Letter) int { return strings.Compare(a.Path, b.Path) })
	for _, v := range found {
		switch v.Kind {
		case kindLost:
			r.Lost++
		case kindDoubled:
			r.Doubled++
		case kindWrong:
			r.Wrong++
		}
	}
	r.count(e)
	r.measure(f, e)
	return r
}

// count fills in what the jobs came to.
func (r *Report) count(e *evidence) {
	dead, digested := map[string]bool{}, map[string]bool{}
	for _, l := range e.letters {
		dead[l.Path] = true
		if _, readable := e.direct[l.Path]; readable {
			r.Unplanned++
		}
	}
	for _, d := range e.digests {
		digested[d.path] = true
	}
	for _, j := range e.jobs {
		if digested[j.Path] && !dead[j.Path] {
			r.Done++
		}
	}
	highest := map[string]int{}
	for _, l := range e.leases {
		highest[l.Path] = max(highest[l.Path], l.Attempt)
	}
	r.Redelivered = len(e.leases) - len(highest)
	r.Attempts = map[string]int{}
	for _, n := range highest {
		r.Attempts[fmt.Sprint(n)]++
	}
}

// measure fills in rates and latencies.
func (r *Report) measure(f *facts, e *evidence) {
	var publishAck, leaseAck, ackCall []int64
	first, last := int64(math.MaxInt64), int64(0)
	seen := map[string]bool{}
	for _, l := range e.leases {
		first = min(first, l.call.at)
		ack, ok := e.acks[l.Receipt]
		if !ok || seen[l.Receipt] {
			continue
		}
		seen[l.Receipt] = true
		last = max(last, ack.at)
		publishAck = append(publishAck, ack.at-e.published[l.Path])
		leaseAck = append(leaseAck, ack.at-l.call.at)
		ackCall = append(ackCall, ack.at-ack.sent)
	}
	r.PublishAck, r.LeaseAck, r.AckCall = latencyOf(publishAck), latencyOf(leaseAck), latencyOf(ackCall)
	r.PublishRate = perSecond(len(e.jobs), f.publishTook)
	r.DoneRate = perSecond(len(seen), time.Duration(last-first))
}

func perSecond(n int, d time.Duration) float64 {
	if n == 0 || d <= 0 {
		return 0
	}
	return math.Round(float64(n) / d.Seconds())
}

// latencyOf sorts ns (nanoseconds) and takes the percentiles by nearest rank.
func latencyOf(ns []int64) Latency {
	slices.Sort(ns)
	return Latency{percentile(ns, 0.50), percentile(ns, 0.99)}
}

// percentile is the smallest value that is not below a share p of all.
func percentile(sorted []int64, p float64) api.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(p * float64(len(sorted))))
	return api.Duration(time.Duration(sorted[max(rank, 1)-1]).Round(10 * time.Microsecond))
}

// Err is why the demo fails; nil: every promise was kept.
func (r *Report) Err() error {
	if len(r.Violations) == 0 {
		return nil
	}
	return fmt.Errorf("promises were broken: %d lost, %d doubled, %d wrong", r.Lost, r.Doubled, r.Wrong)
}

// AttemptsText writes how many jobs needed how many attempts.
func (r *Report) AttemptsText() string {
	var parts []string
	for _, n := range slices.Sorted(maps.Keys(r.Attempts)) {
		parts = append(parts, fmt.Sprintf("%d jobs: %s", r.Attempts[n], n))
	}
	return strings.Join(parts, ", ")
}
