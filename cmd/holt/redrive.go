package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
)

// redriveFlags say how letters are redriven.
type redriveFlags struct {
	choiceFlags
	rate, stop float64
	ramp       bool
	to         string
	delay      time.Duration
	watch      bool
}

func (a *app) newLettersRedrive() *cobra.Command {
	var flags redriveFlags
	cmd := &cobra.Command{
		Use: "redrive GROUP [LETTER…]", Short: "Deliver dead letters again", Args: takes(1, -1), ValidArgsFunction: a.completeGroups(false),
		Long: "Deliver dead letters again, to the group that gave them up or with --to topic to all. One that is named is delivered at once; several, or those that filters choose, by a\n" +
			"job of the server, which outlives this command: 'holt redrive' shows, watches and cancels it.",
		Example: "  holt dead-letters redrive mailer 2a-1045\n  holt dead-letters redrive mailer --reason max_attempts --since 2h --ramp --watch\n" +
			"  holt dead-letters redrive mailer --all --dry-run",
	}
	flags.define(cmd)
	f := cmd.Flags()
	f.Float64Var(&flags.rate, "rate", 0, "letters per second (default: as fast as it goes)")
	f.BoolVar(&flags.ramp, "ramp", false, "1, 2, 5, 10, … letters, going on while what came back succeeds")
	f.Float64Var(&flags.stop, "stop-on-redeath", 0, "end when more than this share of what came back died again, as in 0.2")
	f.StringVar(&flags.to, "to", "", "group (default) or topic")
	addDuration(f, &flags.delay, "delay", "how long one letter waits before it is delivered")
	f.BoolVarP(&flags.watch, "watch", "w", false, "wait for the job, and show its progress")
	_ = cmd.RegisterFlagCompletionFunc("to", fixedCompletion("group", "topic"))
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return a.redriveLetters(cmd, &flags, args[0], args[1:]) }
	return cmd
}

func (a *app) redriveLetters(cmd *cobra.Command, flags *redriveFlags, group string, ids []string) error {
	which, err := flags.choice(cmd, ids)
	if err != nil {
		return err
	}
	if flags.to != "" && flags.to != "group" && flags.to != "topic" {
		return usagef("--to %q: group or topic", flags.to)
	}
	c, err := a.client()
	if err != nil {
		return err
	}
	set := cmd.Flags().Changed
	if alone := len(ids) == 1 && !which.DryRun && !flags.watch && !set("rate") && !set("ramp") && !set("stop-on-redeath"); alone {
		edit := api.RedriveEdit{To: flags.to}
		if flags.delay > 0 {
			edit.Delay = (*api.Duration)(&flags.delay)
		}
		return a.redriveOne(cmd, c, group, ids[0], edit)
	}
	if flags.delay > 0 {
		return usagef("--delay is for one letter; --rate spreads many")
	}
	req := api.RedriveRequest{LetterChoice: which, Rate: flags.rate, Ramp: flags.ramp, StopOnRedeath: flags.stop, To: flags.to}
	if which.DryRun {
		return a.previewRedrive(cmd, c, group, req)
	}
	j, err := c.Redrive(cmd.Context(), group, req)
	if err != nil {
		return err
	}
	if flags.watch {
		return a.watchJob(cmd.Context(), c, j)
	}
	return a.one(jobRow(j), func() error {
		a.say("%d letters; 'holt redrive watch %s' shows how far it is", j.Matched, j.ID)
		return a.table(jobHeader, [][]string{jobRow(j).cells})
	})
}

// redriveOne delivers one letter.
func (a *app) redriveOne(cmd *cobra.Command, c *client.Client, group, id string, edit api.RedriveEdit) error {
	r, err := c.RedriveLetter(cmd.Context(), group, id, edit)
	if err != nil {
		return err
	}
	return a.one(row{r.ID, r, nil}, func() error {
		switch {
		case r.Scheduled != nil:
			a.say("%s is published to %s at %s", r.ID, r.Topic, showTime(r.Scheduled.DeliverAt))
		case r.To == "topic":
			a.say("%s is published: %s", r.ID, client.Place{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset})
		default:
			a.say("%s is delivered to %s again: %s", r.ID, group, client.Place{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset})
		}
		return nil
	})
}

func (a *app) previewRedrive(cmd *cobra.Command, c *client.Client, group string, req api.RedriveRequest) error {
	p, err := c.PreviewRedrive(cmd.Context(), group, req)
	if err != nil {
		return err
	}
	return a.one(row{showNumber(p.Matched), p, nil}, func() error {
		a.say("%d would be redriven", p.Matched)
		var rows [][]string
		for _, l := range p.Samples {
			rows = append(rows, letterRow(l).cells)
		}
		return a.table([]string{"LETTER", "DEAD", "RECORD", "KEY", "REASON", "ATTEMPTS", "REDRIVES", "ERROR"}, rows)
	})
}

func (a *app) newRedriveCommand() *cobra.Command {
	return newNoun("redrive", "List, show, watch and cancel the jobs that redrive dead letters",
		a.newRedriveLs(), a.newRedriveShow(), a.newRedriveWatch(), a.newRedriveCancel())
}

var jobHeader = []string{"REDRIVE", "GROUP", "STATE", "MATCHED", "REDRIVEN", "SUCCEEDED", "DIED AGAIN", "SKIPPED", "CREATED", "FINISHED"}

func jobRow(j api.Redrive) row {
	return row{j.ID, j, []string{
		j.ID, j.Group, j.State, showNumber(j.Matched), showNumber(j.Redriven), showNumber(j.Succeeded), showNumber(j.DiedAgain), showNumber(j.Skipped),
		showTime(j.CreatedAt), showTimePointer(j.FinishedAt),
	}}
}

func (a *app) newRedriveLs() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Aliases: []string{"list"}, Short: "List jobs, the newest first", Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			p := a.newPrinter(jobHeader...)
			for j, err := range c.Redrives(cmd.Context()) {
				if err != nil {
					return err
				}
				if err := p.add(jobRow(j)); err != nil {
					return err
				}
			}
			if p.count == 0 && a.format == formatTable {
				a.say("no redrives")
			}
			return p.end()
		},
	}
}

func (a *app) newRedriveShow() *cobra.Command {
	return &cobra.Command{
		Use: "show REDRIVE", Short: "Show how far a job is", Args: takes(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			j, err := c.RedriveJob(cmd.Context(), args[0], 0)
			if err != nil {
				return err
			}
			return a.one(jobRow(j), func() error { return a.showJob(j) })
		},
	}
}

func (a *app) showJob(j api.Redrive) error {
	how := []string{"to the " + j.To}
	if j.Ramp {
		how = append(how, "ramped")
	}
	if j.Rate > 0 {
		how = append(how, fmt.Sprintf("%g a second", j.Rate))
	}
	if j.StopOnRedeath > 0 {
		how = append(how, fmt.Sprintf("until more than %g die again", j.StopOnRedeath))
	}
	state := j.State
	if j.Error != "" {
		state += ": " + j.Error
	}
	return a.fields("redrive", j.ID, "group", j.Group, "state", state, "filter", string(j.Filter), "how", strings.Join(how, ", "),
		"matched", showNumber(j.Matched), "redriven", showNumber(j.Redriven), "succeeded", showNumber(j.Succeeded), "died again", showNumber(j.DiedAgain),
		"skipped", showNumber(j.Skipped), "created", showTime(j.CreatedAt), "finished", showTimePointer(j.FinishedAt))
}

func (a *app) newRedriveWatch() *cobra.Command {
	return &cobra.Command{
		Use: "watch REDRIVE", Short: "Wait for a job to end, and show its progress", Args: takes(1, 1),
		Long: "Wait for a job to end, and show its progress on a terminal. The exit code is 0 when it is done, 1 when it failed or was cancelled.",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			j, err := c.RedriveJob(cmd.Context(), args[0], 0)
			if err != nil {
				return err
			}
			return a.watchJob(cmd.Context(), c, j)
		},
	}
}

// watchJob follows a job to its end.
func (a *app) watchJob(ctx context.Context, c *client.Client, j api.Redrive) error {
	progress := a.newCountProgress("redriving", int64(j.Matched))
	defer progress.finish()
	seen := 0
	for {
		now := j.Redriven + j.Skipped
		progress.add(now-seen, 0)
		seen = now
		if j.State != "running" {
			break
		}
		next, err := c.RedriveJob(ctx, j.ID, time.Second)
		if err != nil {
			return err
		}
		j = next
	}
	progress.finish()
	if err := a.one(jobRow(j), func() error { return a.showJob(j) }); err != nil {
		return err
	}
	if j.State != "done" {
		return errors.New(cmp.Or(j.Error, "the redrive was "+j.State))
	}
	return nil
}

func (a *app) newRedriveCancel() *cobra.Command {
	return &cobra.Command{
		Use: "cancel REDRIVE…", Short: "End jobs; what they have delivered stays delivered", Args: takes(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.each("cancelled", args, func(c *client.Client, id string) error { return c.CancelRedrive(cmd.Context(), id) })
		},
	}
}
