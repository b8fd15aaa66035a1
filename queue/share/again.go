package share

import (
	"container/list"

	"github.com/holtmq/holt/lease"
	"github.com/holtmq/holt/queue/wait"
)

// leaseKeys remember what leases with a request key got, in memory: after a restart a repeat gets new leases, as after the end of the old
// ones. At most MaxLeaseKeys of MaxLeaseKeyBytes, the oldest going first.
type leaseKeys struct {
	by    map[string]*keyed
	order *list.List // of their keys, the one remembered last at the back
	bytes int
}

// keyed is one call: what it got, or where it is parked.
type keyed struct {
	grants []grant
	waiter *wait.Waiter[parcel]
	place  *list.Element // in the order
	bytes  int           // about what it takes of the memory
}

// grantBytes is about what a grant takes of it.
const grantBytes = 64

func newLeaseKeys() leaseKeys { return leaseKeys{by: map[string]*keyed{}, order: list.New()} }

// remember notes what a call got, or that it is parked.
func (k *leaseKeys) remember(request string, grants []grant, waiter *wait.Waiter[parcel]) {
	if request == "" || len(grants) == 0 && waiter == nil {
		return
	}
	k.forget(request)
	c := &keyed{grants: grants, waiter: waiter, place: k.order.PushBack(request), bytes: 256 + len(request) + cap(grants)*grantBytes}
	k.by[request] = c
	k.bytes += c.bytes
	for k.order.Len() > MaxLeaseKeys || k.bytes > MaxLeaseKeyBytes {
		k.forget(k.order.Front().Value.(string))
	}
}

func (k *leaseKeys) forget(request string) {
	if c := k.by[request]; c != nil {
		k.bytes -= c.bytes
		k.order.Remove(c.place)
		delete(k.by, request)
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
