package main

import (
	"time"

	"github.com/schollz/progressbar/v3"
)

const demoLineEvery = 3 * time.Second // where there is no terminal

// demoProgress shows how far the jobs are: a bar on a terminal, elsewhere a line every few seconds.
type demoProgress struct {
	app   *app
	bar   *progressbar.ProgressBar
	total int
	last  int
	lines time.Time // of the last line
	begin time.Time
}

func (a *app) newDemoProgress(total int) *demoProgress {
	p := &demoProgress{app: a, total: total, begin: time.Now(), lines: time.Now()}
	if isTerminal(a.stderr) {
		p.bar = progressbar.NewOptions(total,
			progressbar.OptionSetWriter(a.stderr),
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
func (p *demoProgress) show(done int, status string) {
	p.last = min(done, p.total)
	switch now := time.Now(); {
	case p.bar != nil:
		p.bar.Describe(status)
		_ = p.bar.Set(min(p.last, p.total-1)) // a full bar cannot be drawn again
	case now.Sub(p.lines) >= demoLineEvery:
		p.lines = now
		p.app.say("%3.0fs  %d of %d jobs settled; %s", now.Sub(p.begin).Seconds(), p.last, p.total, status)
	}
}

// finish takes the bar away.
func (p *demoProgress) finish() {
	if p.bar != nil {
		_ = p.bar.Finish()
		p.bar = nil
	}
}
