package lease_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/holtmq/holt/lease"
)

// TestScenario54ReplayEqualsLive: a random program's deltas, replayed on a window that was restored from its checkpoint of any moment, make the window that lives.
func TestScenario54ReplayEqualsLive(t *testing.T) {
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 54))
		cfg := lease.Config{MaxAttempts: 3, KeyOrder: seed%2 == 0, HoldDead: seed%4 == 0, Backoff: lease.Backoff{Initial: 100, Multiplier: 2, Max: 1000}, Seed: seed}
		live := lease.New(cfg, 0, 1)
		type mark struct {
			checkpoint []byte
			deltas     [][]byte
		}
		marks := []*mark{{checkpoint: live.AppendCheckpoint(nil)}}
		now, held := int64(0), []lease.Handout(nil)
		for step := range 400 {
			switch rng.IntN(8) {
			case 0:
				recs := make([]lease.Offered, 1+rng.IntN(10))
				for i := range recs {
					recs[i] = lease.Offered{Size: rng.Uint32N(100), Key: uint64(rng.IntN(4)), Dies: int64(rng.IntN(2)) * (now + int64(rng.IntN(5000))), Gone: rng.IntN(10) == 0}
				}
				live.Offer(live.End(), recs)
			case 1, 2:
				held, _ = live.Lease(lease.Request{Now: now, Length: 1000, Max: 1 + rng.IntN(5), Member: string(rune('a' + rng.IntN(3))), Incarnation: 1}, held)
			case 3, 4, 5:
				if len(held) > 0 {
					h := held[rng.IntN(len(held))]
					live.Settle(now, lease.Action{Claim: h.Claim, Verb: lease.Verb(1 + rng.IntN(5)), Delay: -1, For: 2000})
				}
			case 6:
				now += int64(rng.IntN(800))
				live.Expire(now, nil)
				for _, d := range live.Dying(nil, 2) {
					live.Bury(d.Offset)
				}
			case 7:
				switch at := lease.Offset(rng.IntN(int(live.End()) + 3)); rng.IntN(6) {
				case 0:
					live.Reset(min(at, live.End()))
				case 1:
					live.TrimTo(live.Start())
				default:
					live.SettleAt(now, at, []lease.Verb{lease.Ack, lease.Release, lease.Reject}[rng.IntN(3)])
				}
			}
			if d := live.TakeDelta(nil); len(d) > 0 {
				for _, m := range marks {
					m.deltas = append(m.deltas, d)
				}
			}
			if step%100 == 50 {
				marks = append(marks, &mark{checkpoint: live.AppendCheckpoint(nil)})
			}
		}
		for i, m := range marks {
			w, err := lease.Restore(cfg, m.checkpoint)
			if err != nil {
				t.Fatalf("seed %d, checkpoint %d: %v", seed, i, err)
			}
			for _, d := range m.deltas {
				if err := w.Replay(d); err != nil {
					t.Fatalf("seed %d, checkpoint %d: replay: %v", seed, i, err)
				}
			}
			if !bytes.Equal(w.AppendCheckpoint(nil), live.AppendCheckpoint(nil)) {
				t.Fatalf("seed %d: what is replayed from checkpoint %d differs from what lives", seed, i)
			}
		}
	}
}
