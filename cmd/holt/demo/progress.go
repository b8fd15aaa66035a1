package demo

import (
	"time"

	"github.com/schollz/progressbar/v3"
)

const lineEvery = 3 * time.Second // where there is no terminal

// progress shows how far the jobs are: a bar on a terminal, elsewhere a line every few seconds.
type progress struct {
	out   Console
	bar   *progressbar.ProgressBar
	total int
	last  int
	lines time.Time // of the last line
	begin time.Time
}

func newProgress(total int, out Console) *progress {
	p := &progress{out: out, total: total, begin: time.Now(), lines: time.Now()}
	if out.Bar != nil {
		p.bar = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(out.Bar),
			progressbar.OptionThrottle(100*time.Millisecond),
			progressbar.OptionClearOnFinish(),
			progressbar.OptionShowCount(),
			progressbar.OptionShowIts(), progressbar.OptionSetItsString("jobs"),
			progressbar.OptionEnableColorCodes(false),
			progressbar.OptionShowDescriptionAtLineEnd(),
		)
	}
	return p
}

// show says that done jobs are settled.
func (p *progress) show(done int, status string) {
	p.last = min(done, p.total)
	switch now := time.Now(); {
	case p.bar != nil:
		p.bar.Describe(status)
		_ = p.bar.Set(min(p.last, p.total-1)) // a full bar cannot be drawn again
	case now.Sub(p.lines) >= lineEvery:
		p.lines = now
		p.out.Say("%3.0fs  %d of %d jobs settled; %s", now.Sub(p.begin).Seconds(), p.last, p.total, status)
	}
}

// finish takes the bar away.
func (p *progress) finish() {
	if p.bar != nil {
		_ = p.bar.Finish()
		p.bar = nil
	}
}
