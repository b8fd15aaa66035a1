package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
)

const (
	topEvery    = 2 * time.Second
	topLeast    = 200 * time.Millisecond
	clearScreen = "\x1b[H\x1b[2J"
	otherScreen = "\x1b[?1049h\x1b[?25l" // the terminal's second screen, without a cursor
	firstScreen = "\x1b[?25h\x1b[?1049l"
)

// topOptions are the flags of "holt top".
type topOptions struct {
	every time.Duration
	count int
	sort  string
}

var topOrders = map[string]func(a, b topGroup) int{
	"lag":  func(a, b topGroup) int { return cmp.Compare(b.Lag, a.Lag) },
	"age":  func(a, b topGroup) int { return cmp.Compare(b.AgeMS, a.AgeMS) },
	"dead": func(a, b topGroup) int { return cmp.Compare(b.DeadLetters, a.DeadLetters) },
	"name": func(a, b topGroup) int { return 0 },
}

func (a *app) newTopCommand() *cobra.Command {
	o := topOptions{every: topEvery}
	c := &cobra.Command{
		Use: "top", Short: "Show groups at work, again and again", Args: takes(0, 0),
		Long: "Show groups at work, again and again until Ctrl-C: on a terminal in place, else a line a group and time.\n" +
			"IN is records appended a second, DONE records settled a second.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.every < topLeast {
				return usagef("--every %s: at least %s", api.Duration(o.every), api.Duration(topLeast))
			}
			if topOrders[o.sort] == nil {
				return usagef("--sort %s: lag, age, dead or name", o.sort)
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			return a.top(cmd.Context(), c, &o)
		},
	}
	addDuration(c.Flags(), &o.every, "every", "how often")
	c.Flags().IntVarP(&o.count, "count", "n", 0, "end after so many `times`; 0 = at Ctrl-C")
	c.Flags().StringVar(&o.sort, "sort", "lag", "by lag, age, dead or name")
	_ = c.RegisterFlagCompletionFunc("sort", fixedCompletion("lag", "age", "dead", "name"))
	return c
}

// topGroup is a group at one time.
type topGroup struct {
	At          api.Time `json:"at"`
	Group       string   `json:"group"`
	Kind        string   `json:"kind"`
	State       string   `json:"state"`
	Lag         int64    `json:"lag"`
	Available   int64    `json:"available"`
	Leased      int64    `json:"leased"`
	Deferred    int64    `json:"deferred"`
	DeadLetters int64    `json:"dead_letters"`
	AgeMS       int64    `json:"oldest_age_ms"`
	Members     int      `json:"members"`
	In          *float64 `json:"in_per_second,omitempty"` // absent at first
	Done        *float64 `json:"done_per_second,omitempty"`

	appended, settled int64
}

// top shows the groups until ctx is done, or as often as asked for.
func (a *app) top(ctx context.Context, c *client.Client, o *topOptions) error {
	live := a.format == formatTable && isTerminal(a.stdout)
	if live {
		if _, err := io.WriteString(a.stdout, otherScreen); err != nil {
			return err
		}
		defer io.WriteString(a.stdout, firstScreen)
	}
	tick := time.NewTicker(o.every)
	defer tick.Stop()
	var before map[string]topGroup
	for n := 1; ; n++ {
		groups, err := a.topGroups(ctx, c, before)
		switch {
		case ctx.Err() != nil:
			return nil // that is how it ends
		case err != nil && (!live || before == nil):
			return err
		case err != nil: // it may come back
			a.say("%s", explain(err))
		default:
			slices.SortStableFunc(groups, topOrders[o.sort])
			if err := a.showTop(groups, live); err != nil {
				return err
			}
			before = byName(groups)
		}
		if n == o.count {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func byName(groups []topGroup) map[string]topGroup {
	m := make(map[string]topGroup, len(groups))
	for _, g := range groups {
		m[g.Group] = g
	}
	return m
}

// topGroups reads the groups, and compares them with what they were.
func (a *app) topGroups(ctx context.Context, c *client.Client, before map[string]topGroup) ([]topGroup, error) {
	out := []topGroup{}
	now := time.Now()
	for g, err := range c.Groups(ctx) {
		if err != nil {
			return nil, err
		}
		t := topGroup{
			At: api.Time(now), Group: g.Name, Kind: g.Kind, State: groupState(g), Lag: g.Totals.Lag, Available: g.Totals.Available, Leased: g.Totals.Leased,
			Deferred: g.Totals.Deferred, DeadLetters: g.Totals.DeadLetters, AgeMS: oldestOf(g, now).Milliseconds(), Members: len(g.Members),
		}
		for _, p := range g.Partitions {
			t.appended += p.LogEndOffset
		}
		t.settled = t.appended - t.Lag
		if b, ok := before[g.Name]; ok {
			if s := now.Sub(time.Time(b.At)).Seconds(); s > 0 { // a reset takes back what was settled
				t.In, t.Done = new(float64(max(0, t.appended-b.appended))/s), new(float64(max(0, t.settled-b.settled))/s)
			}
		}
		out = append(out, t)
	}
	return out, nil
}

func (a *app) showTop(groups []topGroup, live bool) error {
	if live {
		if _, err := fmt.Fprintf(a.stdout, "%s%s  %s\n\n", clearScreen, plain(cmp.Or(a.server, os.Getenv("HOLT_SERVER"), client.DefaultServer)), time.Now().Format(time.TimeOnly)); err != nil {
			return err
		}
		groups = groups[:min(len(groups), screenRows(a.stdout))]
	}
	p := a.newPrinter("GROUP", "STATE", "LAG", "AVAILABLE", "LEASED", "DEFERRED", "DEAD", "OLDEST", "WORKERS", "IN/S", "DONE/S")
	p.crop = live
	for _, g := range groups {
		err := p.add(row{g.Group, g, []string{
			g.Group, g.State, showNumber(g.Lag), showNumber(g.Available), showNumber(g.Leased), showNumber(g.Deferred), showNumber(g.DeadLetters),
			ageText(time.Duration(g.AgeMS) * time.Millisecond), showNumber(g.Members), showRate(g.In), showRate(g.Done),
		}})
		if err != nil {
			return err
		}
	}
	if p.count == 0 && a.format == formatTable {
		a.say("no groups")
	}
	return p.end()
}

// screenRows is how many groups a terminal has room for.
func screenRows(w io.Writer) int {
	const others = 4 // lines
	f, ok := w.(*os.File)
	if !ok {
		return 1000
	}
	_, rows, err := term.GetSize(int(f.Fd()))
	if err != nil || rows <= others {
		return 1000
	}
	return rows - others
}

func showRate(r *float64) string {
	switch {
	case r == nil:
		return "-"
	case *r >= 100:
		return fmt.Sprintf("%.0f", *r)
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", *r), ".0")
}
