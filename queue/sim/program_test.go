package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// op is the kind of a step.
type op uint8

const (
	opPublish op = iota
	opLease
	opSettle
	opForge
	opPark
	opUnpark
	opSleep
	opConfigure
	opPause
	opGrow
	opAttach
	opDeleteGroup
	opDeleteTopic
	opCommitFault
	opMetaFault
	opReadFault
	opRestart
	opCrash
	opCheck
	opCancel
	opWhole
	opRepeat
	opPlace
	opList
	opReset
	opSchedule
	opJump
	opAgain
	opJoin
	opPoll
	opBeat
	opCommit
	opLeave
	opStale
	opRewind
	opDefine
	ops
)

var opNames = [ops]string{"publish", "lease", "settle", "forge", "park", "unpark", "sleep", "configure", "pause", "grow", "attach",
	"delete-group", "delete-topic", "commit-fault", "meta-fault", "read-fault", "restart", "crash", "check", "cancel", "whole", "repeat", "place", "list", "reset", "schedule", "jump", "again",
	"join", "poll", "heartbeat", "commit", "leave", "stale", "rewind", "define"}

// weights say how often each kind of step comes, in a thousand or so.
var weights = [ops]int{170, 270, 320, 10, 40, 5, 100, 18, 8, 3, 6, 3, 3, 14, 4, 8, 8, 8, 14, 20, 50, 10, 30, 10, 8, 5, 8, 25, 50, 120, 20, 80, 10, 20, 8, 10}

// step is one step of a program. Its seed decides everything it chooses, so that a step does the like whatever is dropped before it.
type step struct {
	op   op
	seed uint64
}

func (s step) String() string { return fmt.Sprintf("%s/%x", opNames[s.op], s.seed) }

// program is a run: the seed decides about the set-up, the steps about the rest.
type program struct {
	seed  uint64
	steps []step
}

// newProgram makes the program of a seed.
func newProgram(seed uint64, steps int) program {
	rng := rand.New(rand.NewPCG(seed, 1))
	total := 0
	for _, w := range weights {
		total += w
	}
	p := program{seed: seed}
	for range steps {
		n, kind := rng.IntN(total), op(0)
		for ; n >= weights[kind]; kind++ {
			n -= weights[kind]
		}
		p.steps = append(p.steps, step{kind, rng.Uint64()})
	}
	return p
}

func (p program) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d, %d steps:", p.seed, len(p.steps))
	for i, s := range p.steps {
		if i%8 == 0 {
			b.WriteString("\n\t")
		}
		b.WriteString(s.String() + " ")
	}
	return b.String()
}

// without returns the program less its steps [from, to).
func (p program) without(from, to int) program {
	q := program{seed: p.seed, steps: append([]step(nil), p.steps[:from]...)}
	q.steps = append(q.steps, p.steps[to:]...)
	return q
}

// shrink drops steps as long as fails says that the rest still fails and there is time: halves first, then ever smaller pieces.
func shrink(p program, fails func(program) bool, more func() bool) program {
	for size := (len(p.steps) + 1) / 2; size > 0; size /= 2 {
		for from := 0; from < len(p.steps); {
			if !more() {
				return p
			}
			q := p.without(from, min(from+size, len(p.steps)))
			if fails(q) {
				p = q
			} else {
				from += size
			}
		}
	}
	return p
}

// parseSteps reads steps as String writes them.
func parseSteps(s string) ([]step, error) {
	var out []step
	for _, word := range strings.Fields(s) {
		name, seed, _ := strings.Cut(word, "/")
		kind := slices.Index(opNames[:], name)
		n, err := strconv.ParseUint(seed, 16, 64)
		if kind < 0 || err != nil {
			return nil, fmt.Errorf("%q is not a step", word)
		}
		out = append(out, step{op(kind), n})
	}
	return out, nil
}
