package sim

import (
	"errors"

	"github.com/holtmq/holt/queue"
)

// adopt compares the definitions that a restart found with those that must be there, and learns what became of unknown changes.
func (w *world) adopt() {
	for _, name := range topicNames {
		info, err := w.broker().Topic(w.ctx, name)
		t := w.topics[name]
		switch {
		case errors.Is(err, queue.ErrTopicNotFound):
			if t != nil && !w.unsure[name] {
				w.violated("definitions", "topic %s is gone", name)
			}
			w.topicGone(name)
		case err != nil:
			w.violated("definitions", "topic %s: %v", name, err)
		default:
			if !w.unsure[name] && (t == nil || t.id != incarnation(info.Tag) || len(t.parts) != len(info.Partitions)) {
				w.violated("definitions", "topic %s is %+v", name, info)
			}
			w.topicIs(info)
		}
	}
	for _, name := range groupNames {
		w.adoptGroup(name)
	}
	for _, name := range streamNames {
		w.adoptStream(name)
	}
	w.adoptSchedules()
	clear(w.unsure)
	w.strays = nil
	for _, note := range w.late {
		note()
	}
	w.late = nil
}

func (w *world) adoptGroup(name string) {
	info, err := w.broker().Group(w.ctx, name)
	g := w.groups[name]
	switch {
	case errors.Is(err, queue.ErrGroupNotFound):
		if g != nil && !w.unsure[name] {
			w.violated("definitions", "group %s is gone", name)
		}
		w.groupGone(name)
	case err != nil:
		w.violated("definitions", "group %s: %v", name, err)
	default:
		if !w.unsure[name] && (g == nil || g.id != incarnation(info.Tag) || len(info.Topics) != len(g.topics)) {
			w.violated("definitions", "group %s is %+v", name, info)
		}
		w.groupIs(info)
	}
}

// adoptStream compares the definition of an ordered group with the one that must be there, and learns what became of an unknown change.
func (w *world) adoptStream(name string) {
	info, err := w.broker().Group(w.ctx, name)
	s := w.streams[name]
	switch {
	case errors.Is(err, queue.ErrGroupNotFound):
		if s != nil && !w.unsure[name] {
			w.violated("definitions", "group %s is gone", name)
		}
		delete(w.streams, name)
	case err != nil:
		w.violated("definitions", "group %s: %v", name, err)
	default:
		if !w.unsure[name] && (s == nil || s.id != incarnation(info.Tag) || len(info.Topics) != len(s.topics)) {
			w.violated("definitions", "group %s is %+v", name, info)
		}
		w.streamIs(info)
	}
}
