package badger

import (
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
)

// watcher is Badger's logger. Some storage errors Badger only logs and then goes on acknowledging; so what it logs as an
// error ends the store, except what it logs about single reads, which find out for themselves.
type watcher struct {
	fail    func(error)
	log     *slog.Logger
	lenient atomic.Bool // errors are logged and borne

	compactions *compactions
	noteLoss    func(error)
}

func (s *Store) newWatcher() *watcher {
	return &watcher{fail: s.fail, log: s.log, compactions: newCompactions(s.cfg.Dir), noteLoss: s.noteLoss}
}

// harmless begins messages that Badger logs as errors although nothing is wrong with the store: a reader whose value was
// moved to another file, and an open that failed, which returns its error.
var harmless = []string{"Unable to read: Key:", "Key: ", "Invalid read: vp:", "Received err: "}

// fatal is part of messages that Badger logs as warnings although a storage error is behind them.
var fatal = []string{"Compact FAILED"}

// Errorf implements Badger's Logger.
func (w *watcher) Errorf(format string, args ...any) {
	for _, h := range harmless {
		if strings.HasPrefix(format, h) {
			w.log.Debug("badger", "message", clean(format, args))
			return
		}
	}
	if w.lenient.Load() {
		w.log.Warn("badger", "message", clean(format, args))
		return
	}
	w.fail(fmt.Errorf("badger: %s", clean(format, args)))
}

// Warningf implements Badger's Logger.
func (w *watcher) Warningf(format string, args ...any) {
	for _, f := range fatal {
		if strings.Contains(format, f) {
			w.fail(fmt.Errorf("badger: %s", clean(format, args)))
			return
		}
	}
	w.log.Debug("badger", "message", clean(format, args))
}

// Infof implements Badger's Logger.
func (w *watcher) Infof(string, ...any) {}

// Debugf implements Badger's Logger.
func (w *watcher) Debugf(format string, args ...any) {
	if err := w.compactions.heard(format, args); err != nil {
		w.noteLoss(err)
	}
}

// clean bounds a message: some of them print whole tables.
func clean(format string, args []any) string {
	const limit = 512
	m := strings.TrimSpace(fmt.Sprintf(format, args...))
	if len(m) > limit {
		m = m[:limit] + "…"
	}
	return m
}
