package main

import (
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
)

const progressAfter = time.Second // work shorter than this shows none

// progress shows long work on a terminal's standard error; elsewhere it does nothing.
type progress struct {
	on    bool
	title string
	start time.Time
	app   *app
	bar   *progressbar.ProgressBar
	done  int64
	total int64

	bytes, counted bool // what is added counts, whether or not the total is known
}

// newProgress shows the progress of what reads standard input, by bytes when its size is known.
func (a *app) newProgress(on bool, title string) *progress {
	p := &progress{on: on && isTerminal(a.stderr) && !isTerminal(a.stdin), title: title, start: time.Now(), app: a, total: -1}
	if f, ok := a.stdin.(*os.File); ok {
		if st, err := f.Stat(); err == nil && st.Mode().IsRegular() {
			p.total = st.Size()
		}
	}
	return p
}

// newByteProgress shows the progress of what moves so many bytes, −1 = unknown. It counts what is written to it.
func (a *app) newByteProgress(title string, total int64) *progress {
	return &progress{on: isTerminal(a.stderr), bytes: true, title: title, start: time.Now(), app: a, total: total}
}

// newCountProgress shows the progress of so many records.
func (a *app) newCountProgress(title string, total int64) *progress {
	return &progress{on: isTerminal(a.stderr), counted: true, title: title, start: time.Now(), app: a, total: total}
}

// Write implements io.Writer.
func (p *progress) Write(b []byte) (int, error) {
	p.add(0, len(b))
	return len(b), nil
}

func (p *progress) add(records, bytes int) {
	if !p.on {
		return
	}
	n := int64(records)
	if p.bytes || p.total >= 0 && !p.counted {
		n = int64(bytes)
	}
	p.done += n
	if p.bar == nil {
		if time.Since(p.start) < progressAfter {
			return
		}
		p.bar = p.newBar()
		n = p.done
	}
	_ = p.bar.Add64(n)
}

func (p *progress) newBar() *progressbar.ProgressBar {
	opts := []progressbar.Option{
		progressbar.OptionSetWriter(p.app.stderr),
		progressbar.OptionSetDescription(p.title),
		progressbar.OptionThrottle(100 * time.Millisecond),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionShowCount(),
		progressbar.OptionEnableColorCodes(false),
	}
	if p.bytes || p.total >= 0 && !p.counted {
		opts = append(opts, progressbar.OptionShowBytes(true))
	} else {
		opts = append(opts, progressbar.OptionShowIts(), progressbar.OptionSetItsString("records"))
	}
	return progressbar.NewOptions64(p.total, opts...)
}

// finish takes the bar away.
func (p *progress) finish() {
	if p.bar != nil {
		_ = p.bar.Finish()
		p.bar = nil
	}
	p.on = false
}
