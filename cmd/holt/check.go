package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
)

// Exit codes of "holt check", as monitors that run plugins know them. Wrong usage stays exitUsage, which they take for critical.
const (
	checkOK       = 0
	checkWarning  = 1
	checkCritical = 2
	checkUnknown  = 3
)

const (
	checkWait  = 10 * time.Second       // for the server's answers
	checkPause = 100 * time.Millisecond // between tries of --wait
)

// exitError ends a command of which everything is said with an exit code of its own.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit code %d", e.code) }

var checkWords = [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}

// checkJSON is what a check prints.
type checkJSON struct {
	Check     string   `json:"check"`
	Status    string   `json:"status"` // OK, WARNING, CRITICAL, UNKNOWN
	Faults    []string `json:"faults,omitempty"`
	Lag       *int64   `json:"lag,omitempty"`
	AgeMS     *int64   `json:"age_ms,omitempty"`
	Available *int64   `json:"available,omitempty"`
	Leased    *int64   `json:"leased,omitempty"`
	Dead      *int64   `json:"dead_letters,omitempty"`
}

func (a *app) newCheckCommand() *cobra.Command {
	return newNoun("check", "Say for a monitor whether all is well: 0 OK, 1 warning, 2 critical, 3 unknown", a.newCheckServer(), a.newCheckGroup())
}

func (a *app) newCheckServer() *cobra.Command {
	var storage bool
	var wait time.Duration
	cmd := &cobra.Command{
		Use: "server", Short: "Whether the server is ready", Args: takes(0, 0),
		Long: "Say whether the server is ready: 0 it is, 2 it answers that it is not, 3 it does not answer. It needs no token.\n" +
			"A server whose storage is full is ready, as leases and settles go on; with --storage that is 2, too.\n" +
			"With --wait it asks again for so long until the server is ready: for scripts that have just started it.",
		Example: "  holt serve &\n  holt check server --wait 10s && holt publish emails hello",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			v := verdict{what: "server"}
			ready, err := readiness(cmd.Context(), c, wait)
			if err != nil {
				v.failed(err)
			}
			well := "ready"
			if ready.StorageFull {
				well = "ready; the storage is full and publishes are refused"
			}
			v.over(checkCritical, storage && ready.StorageFull, "the storage is full: publishes are refused")
			return a.checked(&v, well)
		},
	}
	addDuration(cmd.Flags(), &wait, "wait", "how long to wait for the server to be ready")
	cmd.Flags().BoolVar(&storage, "storage", false, "critical while publishes are refused because the storage is full")
	return cmd
}

// readiness asks whether the server is ready, and again for so long while it is not, or is not there.
func readiness(ctx context.Context, c *client.Client, wait time.Duration) (api.Readiness, error) {
	over := time.After(wait)
	for {
		once, cancel := context.WithTimeout(ctx, checkWait)
		ready, err := c.Readiness(once)
		cancel()
		if err == nil {
			return ready, nil
		}
		select {
		case <-over:
			return ready, err
		case <-ctx.Done():
			return ready, err
		case <-time.After(checkPause):
		}
	}
}

// groupLimits are what "holt check group" compares with; < 0 = not at all.
type groupLimits struct {
	lag, warnLag, dead int64
	age, warnAge       time.Duration
	workers            bool
}

func (a *app) newCheckGroup() *cobra.Command {
	l := groupLimits{lag: -1, warnLag: -1, dead: -1, age: -1, warnAge: -1}
	c := &cobra.Command{
		Use: "group GROUP", Short: "Whether a group keeps up", Args: takes(1, 1), ValidArgsFunction: a.completeGroups(false),
		Long: "Say whether a group keeps up: 0 it does, 1 it is over a --warn limit, 2 over a --max limit, 3 that is not known.\n" +
			"Lag counts the records that are not settled; age is that of the oldest of them.",
		Example: "  holt check group mailer --max-lag 10000 --max-age 15m --warn-age 5m",
		RunE: func(cmd *cobra.Command, args []string) error {
			if l.lag < 0 && l.warnLag < 0 && l.age < 0 && l.warnAge < 0 && l.dead < 0 && !l.workers {
				return usagef("say what to check, as in --max-lag 10000 or --max-age 15m")
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), checkWait)
			defer cancel()
			return a.checkGroup(ctx, c, args[0], &l)
		},
	}
	c.Flags().Int64Var(&l.lag, "max-lag", -1, "critical over so many `records`")
	c.Flags().Int64Var(&l.warnLag, "warn-lag", -1, "warning over so many `records`")
	addDuration(c.Flags(), &l.age, "max-age", "critical over such an age of the oldest record")
	addDuration(c.Flags(), &l.warnAge, "warn-age", "warning over such an age of the oldest record")
	c.Flags().Int64Var(&l.dead, "max-dead-letters", -1, "critical over so many open dead `letters`")
	c.Flags().BoolVar(&l.workers, "workers", false, "critical when records are available, none is leased, and no named worker was there in the last "+api.Duration(api.PresentSpan).String())
	return c
}

func (a *app) checkGroup(ctx context.Context, c *client.Client, name string, l *groupLimits) error {
	v := verdict{what: "group " + name}
	g, err := c.Group(ctx, name)
	if err != nil {
		v.failed(err)
		return a.checked(&v, "")
	}
	t, age := g.Totals, oldestOf(g.Group, time.Now())
	v.Lag, v.Available, v.Leased, v.Dead, v.AgeMS = &t.Lag, &t.Available, &t.Leased, &t.DeadLetters, new(age.Milliseconds())
	v.over(checkCritical, l.lag >= 0 && t.Lag > l.lag, "lag %d is over %d", t.Lag, l.lag)
	v.over(checkWarning, l.warnLag >= 0 && t.Lag > l.warnLag, "lag %d is over %d", t.Lag, l.warnLag)
	v.over(checkCritical, l.age >= 0 && age > l.age, "the oldest record is %s old, over %s", ageText(age), api.Duration(l.age))
	v.over(checkWarning, l.warnAge >= 0 && age > l.warnAge, "the oldest record is %s old, over %s", ageText(age), api.Duration(l.warnAge))
	v.over(checkCritical, l.dead >= 0 && t.DeadLetters > l.dead, "%d dead letters are open, over %d", t.DeadLetters, l.dead)
	v.over(checkCritical, l.workers && unattended(&g.Group, time.Now()), "%d records are available and nobody takes them", t.Available)
	return a.checked(&v, fmt.Sprintf("lag %d, oldest %s", t.Lag, ageText(age)))
}

// unattended tells whether records could be handed out and no worker is there.
func unattended(g *api.Group, now time.Time) bool {
	if g.Config.Paused || g.Totals.Available == 0 || g.Totals.Leased > 0 {
		return false
	}
	for _, m := range g.Members {
		var seen time.Time
		if m.LastSeenAt != nil {
			seen = time.Time(*m.LastSeenAt)
		}
		if g.Kind == "ordered" || api.Present(m.Leases, seen, now) {
			return false
		}
	}
	return true
}

// oldestOf is the age of the oldest record that a group has not settled.
func oldestOf(g api.Group, now time.Time) time.Duration {
	oldest := now
	for _, p := range g.Partitions {
		if p.OldestUnsettledAt != nil && time.Time(*p.OldestUnsettledAt).Before(oldest) {
			oldest = time.Time(*p.OldestUnsettledAt)
		}
	}
	return now.Sub(oldest)
}

// ageText writes an age for people.
func ageText(d time.Duration) string {
	switch {
	case d < time.Minute:
		d = d.Round(time.Second)
	case d < 24*time.Hour:
		d = d.Round(time.Minute)
	default:
		return fmt.Sprintf("%dd", int(d.Hours())/24)
	}
	return api.Duration(d).String()
}

// verdict gathers what a check found.
type verdict struct {
	what string
	code int
	checkJSON
}

func (v *verdict) over(code int, is bool, format string, args ...any) {
	if !is || code == checkWarning && v.code == checkCritical {
		return
	}
	v.code = max(v.code, code)
	v.Faults = append(v.Faults, fmt.Sprintf(format, args...))
}

// failed takes note of an error: a server that says it cannot serve is critical, all else leaves things unknown.
func (v *verdict) failed(err error) {
	v.code = checkUnknown
	var e *client.Error
	if errors.As(err, &e) && e.Status >= 500 {
		v.code = checkCritical
	}
	v.Faults = append(v.Faults, advice.Replace(err.Error()))
}

// checked prints a verdict in one line and exits with its code.
func (a *app) checked(v *verdict, well string) error {
	v.Check, v.Status = v.what, checkWords[v.code]
	text := well
	for i, f := range v.Faults {
		if i == 0 {
			text = f
		} else {
			text += "; " + f
		}
	}
	err := a.one(row{cmp.Or(v.Status), v.checkJSON, nil}, func() error {
		_, err := fmt.Fprintf(a.stdout, "%s: %s: %s\n", plain(v.what), v.Status, plain(text))
		return err
	})
	if err != nil || v.code == checkOK {
		return err
	}
	return &exitError{v.code}
}
