package bench

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holtmq/holt/client"
)

// Limits of a run.
const (
	maxSeconds   = 3600
	maxRounds    = 100
	cleanupLimit = 30 * time.Second
)

// Config says what is measured, and how.
type Config struct {
	Settings []Named // one or two
	Seconds  float64 // how long each scenario takes at most
	Rounds   int     // how often all of it is done; 0 = once, or three times with two settings
	Own      bool    // the server was started for the run

	Connect func() (*client.Client, error)   // makes a client with connections of its own
	Say     func(format string, args ...any) // is told how far it is, a line a call
}

// Validate says what is wrong, and fills Rounds in.
func (c *Config) Validate() error {
	switch {
	case !(c.Seconds > 0 && c.Seconds <= maxSeconds):
		return fmt.Errorf("--seconds %g: more than 0, at most %d", c.Seconds, maxSeconds)
	case c.Rounds < 0 || c.Rounds > maxRounds:
		return fmt.Errorf("--rounds %d: 1 to %d", c.Rounds, maxRounds)
	}
	for _, s := range c.Settings {
		if err := s.check(); err != nil {
			return err
		}
	}
	if c.Rounds == 0 {
		c.Rounds = 2*len(c.Settings) - 1
	}
	return nil
}

// Sides are the settings on both sides of a comparison, as in "batch=1:batch=100"; what one does not name is as in s. Without a comparison it is s alone.
func Sides(s Setting, compare string) ([]Named, error) {
	if compare == "" {
		return []Named{{Setting: s}}, nil
	}
	first, second, ok := strings.Cut(compare, ":")
	if !ok || strings.Contains(second, ":") || first == second {
		return nil, fmt.Errorf("--compare %q: two settings, as in batch=1:batch=100", compare)
	}
	var out []Named
	for _, side := range []string{first, second} {
		named := Named{Name: cmp.Or(side, "default"), Setting: s}
		if side != "" {
			if err := named.assign(side); err != nil {
				return nil, err
			}
		}
		out = append(out, named)
	}
	return out, nil
}

// Run measures the settings in turns, of a Config that Validate approved. The topics and groups that it makes are gone when it returns. Errors: the client's, the context's.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	c, err := cfg.Connect()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	info, err := c.Info(ctx)
	if err != nil {
		return nil, err
	}
	r := &Report{
		Machine: thisMachine(), Server: Server{Version: info.Version, Engine: info.Engine, Own: cfg.Own}, Note: note,
		Seconds: cfg.Seconds, Rounds: cfg.Rounds, Settings: cfg.Settings, Ratios: []Ratio{},
	}
	limit := time.Duration(cfg.Seconds * float64(time.Second))
	for i := range cfg.Settings {
		cfg.Say("warming up%s", r.label(i))
		if _, err := cfg.turn(ctx, c, i, []Scenario{scenarioBoth}, min(limit, time.Second)); err != nil {
			return nil, err
		}
	}
	for round := 1; round <= cfg.Rounds; round++ {
		for _, i := range order(len(cfg.Settings), round) {
			for _, scenarios := range [][]Scenario{{scenarioPublish, scenarioDrain}, {scenarioBoth}} {
				results, err := cfg.turn(ctx, c, i, scenarios, limit)
				for _, res := range results {
					r.add(i, round, res)
					cfg.Say("round %d of %d%s, %s", round, cfg.Rounds, r.label(i), res.summary())
				}
				if err != nil {
					return nil, err
				}
			}
		}
	}
	r.finish()
	return r, nil
}

// order is the order of the settings in a round: it turns round by round, so that a machine that becomes slower
// or faster favours none.
func order(n, round int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	if round%2 == 0 {
		slices.Reverse(out)
	}
	return out
}

// turn measures scenarios of one setting, one after the other, on topics and a group made for them.
func (cfg *Config) turn(ctx context.Context, c *client.Client, setting int, scenarios []Scenario, limit time.Duration) (results []Result, err error) {
	s := cfg.Settings[setting].Setting
	l := &load{connect: cfg.Connect, say: cfg.Say, setting: s, group: "bench-" + rand.Text()[:10], tick: tellEvery}
	for i := range s.Topics {
		l.topics = append(l.topics, fmt.Sprintf("%s-%d", l.group, i))
	}
	defer func() { err = errors.Join(err, l.remove(c)) }()
	if err := l.prepare(ctx, c); err != nil {
		return nil, err
	}
	for _, scenario := range scenarios {
		res, err := l.run(ctx, scenario, limit)
		if err != nil {
			return results, fmt.Errorf("%s: %w", scenario, err)
		}
		results = append(results, res)
	}
	return results, nil
}
