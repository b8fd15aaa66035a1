package share

import (
	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/wait"
)

// leaseKeys remember what leases with a request key got, in memory: after a restart a repeat gets new leases, as after the end of the old
// ones. At most MaxLeaseKeys of MaxLeaseKeyBytes, the oldest going first.
type leaseKeys struct {
	by    map[string]*keyed
	order []string
	bytes int
}

// keyed is one call: what it got, or where it is parked.
type keyed struct {
	grants []grant
	waiter *wait.Waiter[parcel]
	bytes  int // about what it takes of the memory
}

// grantBytes is about what a grant takes of it.
const grantBytes = 64

func newLeaseKeys() leaseKeys { return leaseKeys{by: map[string]*keyed{}} }

// remember notes what a call got, or that it is parked.
func (k *leaseKeys) remember(request string, grants []grant, waiter *wait.Waiter[parcel]) {
	if request == "" || len(grants) == 0 && waiter == nil {
		return
	}
	if old := k.by[request]; old != nil {
		k.bytes -= old.bytes
	} else {
		k.order = append(k.order, request)
	}
	c := &keyed{grants: grants, waiter: waiter, bytes: 256 + len(request) + cap(grants)*grantBytes}
	k.by[request] = c
	k.bytes += c.bytes
	for len(k.order) > MaxLeaseKeys || k.bytes > MaxLeaseKeyBytes {
		k.bytes -= k.by[k.order[0]].bytes
		delete(k.by, k.order[0])
		k.order = k.order[1:]
	}
}

// again returns the leases of an earlier call with the same key that still run; a call that is parked ends empty. The lock is held.
func (g *Group) again(request string) []grant {
	k := g.keyed.by[request]
	if request == "" || k == nil {
		return nil
	}
	if k.waiter != nil {
		g.waiters.Remove(k.waiter)
		k.waiter.Serve(parcel{})
		k.waiter = nil
	}
	var still []grant
	for _, gr := range k.grants {
		w := gr.window
		v := w.machine.View(gr.Offset)
		if w.closed || v.State != lease.Leased || uint32(v.Deliveries) != gr.Delivery || w.machine.Epoch() != gr.Epoch {
			continue
		}
		gr.Deadline = v.Deadline
		still = append(still, gr)
	}
	return still
}
