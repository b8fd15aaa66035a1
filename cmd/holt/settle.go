package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
)

const maxSettle = 1000 // receipts of a request

// settleVerb builds the settle of some receipts.
type settleVerb func(receipts []string) api.SettleRequest

func (a *app) newSettleCommand(name, short string, verb settleVerb) *cobra.Command {
	return &cobra.Command{
		Use:   name + " GROUP RECEIPT…",
		Short: short,
		Long: short + ".\n\n\"-\" stands for the lines of standard input: receipts as 'holt lease -o name' writes them, or records as\n" +
			"'holt lease -o ndjson' does. Each lease stands alone; with one that was not settled the exit code is 1.",
		Example: "  holt " + name + " mailer $receipt\n" +
			"  holt lease mailer -o name | holt " + name + " mailer -",
		Args:              takes(1, -1),
		ValidArgsFunction: a.completeReceipts,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return usagef("no RECEIPT given: they are arguments, or 'holt %s %s -' takes them from standard input, a line each", name, args[0])
			}
			receipts, err := a.receipts(args[1:])
			if err != nil {
				return err
			}
			return a.settle(cmd.Context(), args[0], receipts, verb)
		},
	}
}

// completeReceipts offers groups, then "-": nobody types a receipt.
func (a *app) completeReceipts(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return a.completeGroups(false)(cmd, args, word)
	}
	return []string{"-\treceipts from standard input"}, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) newAckCommand() *cobra.Command {
	return a.newSettleCommand("ack", "Settle leased records: done",
		func(receipts []string) api.SettleRequest { return api.SettleRequest{Ack: receipts} })
}

func (a *app) newReleaseCommand() *cobra.Command {
	return a.newSettleCommand("release", "Give leased records back untried, without counting the attempt",
		func(receipts []string) api.SettleRequest { return api.SettleRequest{Release: receipts} })
}

func (a *app) newNackCommand() *cobra.Command {
	var text string
	var delay time.Duration
	var cmd *cobra.Command
	cmd = a.newSettleCommand("nack", "Settle leased records: failed, try again after the backoff",
		func(receipts []string) (s api.SettleRequest) {
			for _, r := range receipts {
				n := api.Nack{Receipt: r, Error: errorText(text)}
				if cmd.Flags().Changed("delay") {
					n.Delay = new(api.Duration(delay))
				}
				s.Nack = append(s.Nack, n)
			}
			return s
		})
	addDuration(cmd.Flags(), &delay, "delay", "wait this long instead of the group's backoff")
	cmd.Flags().StringVar(&text, "error", "", "what went wrong")
	return cmd
}

func (a *app) newRejectCommand() *cobra.Command {
	var text string
	cmd := a.newSettleCommand("reject", "Give leased records up: they become dead letters now",
		func(receipts []string) (s api.SettleRequest) {
			for _, r := range receipts {
				s.Reject = append(s.Reject, api.Reject{Receipt: r, Error: errorText(text)})
			}
			return s
		})
	cmd.Flags().StringVar(&text, "error", "", "what is wrong with them")
	return cmd
}

func (a *app) newExtendCommand() *cobra.Command {
	var length time.Duration
	cmd := a.newSettleCommand("extend", "Move the deadline of leases",
		func(receipts []string) (s api.SettleRequest) {
			for _, r := range receipts {
				e := api.Extend{Receipt: r}
				if length > 0 {
					e.For = new(api.Duration(length))
				}
				s.Extend = append(s.Extend, e)
			}
			return s
		})
	addDuration(cmd.Flags(), &length, "for", "from now (default: the group's lease)")
	return cmd
}

func errorText(text string) *api.WorkerError {
	if text == "" {
		return nil
	}
	return &api.WorkerError{Message: text}
}

// receipts takes arguments, and the lines of standard input for "-".
func (a *app) receipts(args []string) (receipts []string, err error) {
	for _, arg := range args {
		if arg != "-" {
			receipts = append(receipts, arg)
			continue
		}
		read, err := a.readReceipts()
		if err != nil {
			return nil, err
		}
		receipts = append(receipts, read...)
	}
	return receipts, nil
}

// readReceipts reads receipts, or leased records, from standard input: at least one.
func (a *app) readReceipts() (receipts []string, err error) {
	number := 0
	for line, err := range splitLines(a.stdin) {
		number++
		if err != nil {
			return nil, err
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		receipt := string(line)
		if line[0] == '{' {
			var r struct{ Receipt string }
			if err := json.Unmarshal(line, &r); err != nil || r.Receipt == "" {
				return nil, fmt.Errorf("line %d: neither a receipt nor a leased record", number)
			}
			receipt = r.Receipt
		}
		receipts = append(receipts, receipt)
	}
	if len(receipts) == 0 {
		return nil, errors.New("no receipt on standard input")
	}
	return receipts, nil
}

// settle settles receipts in as many requests as it takes and prints what became of them.
func (a *app) settle(ctx context.Context, group string, receipts []string, verb settleVerb) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	var all api.SettleResponse
	for len(receipts) > 0 {
		n := min(len(receipts), maxSettle)
		out, err := c.Settle(ctx, group, verb(receipts[:n]))
		var refused *client.Error
		switch {
		case err == nil:
			all.Settled += out.Settled
			all.Failed = append(all.Failed, out.Failed...)
		case errors.As(err, &refused) && len(refused.Failed) > 0:
			all.Failed = append(all.Failed, refused.Failed...)
		default:
			return err
		}
		receipts = receipts[n:]
	}
	return a.printSettled(all)
}

func (a *app) printSettled(all api.SettleResponse) error {
	if a.format != formatName {
		err := a.one(row{value: all}, func() error {
			a.say("settled %d", all.Settled)
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, f := range all.Failed {
		a.say("%s: %s", f.Receipt, f.Code)
	}
	if len(all.Failed) > 0 {
		return errSilent
	}
	return nil
}
