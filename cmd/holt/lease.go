package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/holtmq/holt/client"
)

func (a *app) newLeaseCommand() *cobra.Command {
	var o client.LeaseOptions
	cmd := &cobra.Command{
		Use:   "lease GROUP",
		Short: "Lease records by hand, to be settled by ack, nack, release or reject",
		Example: "  holt lease mailer --topic emails --max 10\n" +
			"  holt lease mailer -o name | holt ack mailer -",
		Args:              takes(1, 1),
		ValidArgsFunction: a.completeGroups(false),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.Max < 1 {
				return usagef("--max %d: at least 1", o.Max)
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			records, err := c.Lease(cmd.Context(), args[0], o)
			if err != nil {
				return err
			}
			return a.printLeased(records)
		},
	}
	f := cmd.Flags()
	f.StringSliceVarP(&o.Topics, "topic", "t", nil, "only this `topic`; several times for several. Makes a missing group")
	f.IntVarP(&o.Max, "max", "n", 1, "records to lease")
	addDuration(f, &o.Wait, "wait", "how long to wait for the first, up to 60s")
	addDuration(f, &o.Lease, "lease", "length of the lease (default: the group's)")
	f.StringVar(&o.Member, "member", "", "who holds the leases, for operators to read")
	_ = cmd.RegisterFlagCompletionFunc("topic", a.completeTopics(true))
	return cmd
}

func (a *app) printLeased(records []*client.Record) error {
	p := a.newPrinter("PLACE", "ATTEMPT", "EXPIRES IN", "KEY", "VALUE", "RECEIPT")
	for _, r := range records {
		left := time.Until(r.ExpiresAt).Round(time.Second)
		cells := []string{placeName(r), showNumber(r.Attempt), left.String(), showKey(r), showValue(r), r.Receipt}
		if err := p.add(row{r.Receipt, leasedJSON(r), cells}); err != nil {
			return err
		}
	}
	if len(records) == 0 && a.format == formatTable {
		a.say("no records")
	}
	return p.end()
}
