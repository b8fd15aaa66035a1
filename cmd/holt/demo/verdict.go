package demo

import "fmt"

// Kinds of Violation.
const (
	kindLost    = "lost"
	kindDoubled = "doubled"
	kindWrong   = "wrong"
)

// Violation is one promise that was not kept.
type Violation struct {
	Kind   string `json:"kind"`
	Path   string `json:"path"`
	Detail string `json:"detail"`
}

// verdict holds what was seen against what Holt promises. Whatever it returns is certain: where the order of two
// things cannot be known, it says nothing.
func verdict(e *evidence) []Violation {
	j := &judge{evidence: e, known: map[string]bool{}, digested: map[string]bool{}, dead: map[string]bool{}}
	for _, job := range e.jobs {
		j.known[job.Path] = true
	}
	j.judgeDigests()
	j.judgeLetters()
	j.judgeLost()
	j.judgeDoubled()
	return j.found
}

type judge struct {
	*evidence
	known    map[string]bool // paths of the jobs
	digested map[string]bool
	dead     map[string]bool
	found    []Violation
}

func (j *judge) violation(kind, path, format string, args ...any) {
	j.found = append(j.found, Violation{kind, path, fmt.Sprintf(format, args...)})
}

// judgeDigests: each is right, was computed under a lease of its file, and is stored once per try to publish it. A try
// without an answer may have been stored or not; the one before the ack had an answer, so its digest is there.
func (j *judge) judgeDigests() {
	type try struct{ receipt, try string }
	tries, stored := map[try]bool{}, map[string]bool{}
	for _, d := range j.digests {
		j.digested[d.path] = true
		want, readable := j.direct[d.path]
		switch {
		case !j.known[d.path]:
			j.violation(kindWrong, d.path, "a digest of a file that was never a job")
		case !readable:
			j.violation(kindWrong, d.path, "a digest of a file that cannot be read")
		case d.sha256 != want:
			j.violation(kindWrong, d.path, "digest %.12s…, computed directly %.12s…", d.sha256, want)
		case j.paths[d.receipt] != d.path:
			j.violation(kindWrong, d.path, "a digest under a lease that no worker was given for it")
		case tries[try{d.receipt, d.try}]:
			j.violation(kindWrong, d.path, "a digest was published once and is stored twice")
		}
		tries[try{d.receipt, d.try}], stored[d.receipt] = true, true
	}
	for _, l := range j.leases {
		if j.asked[l.Receipt] && !stored[l.Receipt] {
			j.violation(kindLost, l.Path, "its digest was published, and is gone")
		}
	}
}

// judgeLetters: a job dies once, of its last attempt, and not when its ack was accepted.
func (j *judge) judgeLetters() {
	acked := map[string]bool{}
	for receipt := range j.acks {
		acked[j.paths[receipt]] = true
	}
	for _, l := range j.letters {
		switch {
		case !j.known[l.Path]:
			j.violation(kindWrong, l.Path, "a dead letter of a file that was never a job")
		case j.dead[l.Path]:
			j.violation(kindWrong, l.Path, "two dead letters")
		case acked[l.Path]:
			j.violation(kindWrong, l.Path, "acked, and a dead letter")
		case l.Attempts != MaxAttempts || l.Reason != "max_attempts":
			j.violation(kindWrong, l.Path, "dead after %d attempts for the reason %q, want %d and max_attempts", l.Attempts, l.Reason, MaxAttempts)
		}
		j.dead[l.Path] = true
	}
	for _, l := range j.leases {
		if l.Attempt > MaxAttempts {
			j.violation(kindWrong, l.Path, "attempt %d of at most %d", l.Attempt, MaxAttempts)
		}
	}
}

// judgeLost: every job has a digest or a dead letter.
func (j *judge) judgeLost() {
	for _, job := range j.jobs {
		switch {
		case j.digested[job.Path] || j.dead[job.Path]:
		case j.stalled:
			j.violation(kindLost, job.Path, "neither digest nor dead letter after %v without progress", stallTime)
		default:
			j.violation(kindLost, job.Path, "neither digest nor dead letter")
		}
	}
}

// judgeDoubled: after its ack was answered 200, a job is not handed out again. That a hand-out came later is certain
// in three cases only:
//
//   - It came when the group had nothing unsettled.
//   - Its lease call was sent after the ack's answer had been read. Both times are taken on one clock, and on the side
//     that makes the gap smaller. A call that was parked when the ack came is not convicted by this.
//   - Its number is higher than the acked one's, no other hand-out of the job was ever acked, and both calls were
//     served by the same server process: had the hand-out come first, the ack would have been refused (lease_lost).
//     Another ack might have settled the job, and the older one be 200 as its repetition; and a crash may forget
//     hand-outs of its last moment, hence the conditions.
//
// Two deliveries of one job are no violation: that is what a killed worker or a late extension looks like.
func (j *judge) judgeDoubled() {
	for _, path := range j.leftover {
		j.violation(kindDoubled, path, "handed out when everything was settled")
	}
	byPath := map[string][]leaseSeen{}
	for _, l := range j.leases {
		byPath[l.Path] = append(byPath[l.Path], l)
	}
	for _, job := range j.jobs {
		j.judgeHandOuts(job.Path, byPath[job.Path])
	}
}

func (j *judge) judgeHandOuts(path string, leases []leaseSeen) {
	asked := map[string]bool{}
	for _, l := range leases {
		if j.asked[l.Receipt] {
			asked[l.Receipt] = true
		}
	}
	for _, l := range leases {
		for _, acked := range leases {
			if ack, ok := j.acks[acked.Receipt]; ok && j.after(l, acked, ack, len(asked)) {
				j.violation(kindDoubled, path, "delivery %d, asked for %.1f ms after the accepted ack of delivery %d",
					l.Delivery, float64(l.call.sent-ack.at)/1e6, acked.Delivery)
				break
			}
		}
	}
}

// after: l was certainly handed out after the ack of acked was accepted.
func (j *judge) after(l, acked leaseSeen, ack span, asked int) bool {
	return l.call.sent > ack.at || asked == 1 && l.Delivery > acked.Delivery && j.sameServer(l.call, ack)
}

// sameServer: both calls were certainly served by the same server process.
func (j *judge) sameServer(a, b span) bool {
	if j.restart == (span{}) {
		return true
	}
	before := a.at < j.restart.sent && b.at < j.restart.sent
	after := a.sent > j.restart.at && b.sent > j.restart.at
	return before || after
}
