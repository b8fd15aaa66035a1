package topic

import (
	"fmt"
	"slices"
	"testing"

	"github.com/holtmq/holt/queue/catalog"
	"github.com/holtmq/holt/queue/partition"
)

// A topic that stays keeps what it was attached with; one that comes again, or was made anew, is attached afresh, at a later epoch.
func TestAttachments(t *testing.T) {
	topicOf := func(name string, id uint64) *Topic { return &Topic{Def: &catalog.Topic{Name: name, ID: id}} }
	a, b, c := topicOf("a", 1), topicOf("b", 2), topicOf("c", 3)
	def := &catalog.Group{}
	for _, step := range []struct {
		what        string
		topics      []*Topic
		gone, added string
	}{
		{"two at first", []*Topic{b, a}, "", "b@0 a@1"},
		{"the same", []*Topic{b, a}, "", ""},
		{"in another order", []*Topic{a, b}, "", ""},
		{"one for another", []*Topic{a, c}, "b", "c@2"},
		{"one comes again", []*Topic{a, b, c}, "", "b@3"},
		{"one was made anew", []*Topic{topicOf("a", 9), b}, "a c", "a@4"},
		{"all go", nil, "a b", ""},
	} {
		gone, added := Attachments(def, step.topics)
		var names, fresh []string
		for _, at := range gone {
			names = append(names, at.Topic)
		}
		for _, at := range added {
			fresh = append(fresh, fmt.Sprintf("%s@%d", at.Topic, at.Epoch>>16))
		}
		slices.Sort(names)
		if got := fmt.Sprint(names, fresh); got != fmt.Sprintf("[%s] [%s]", step.gone, step.added) || len(def.Topics) != len(step.topics) {
			t.Errorf("%s: gone and added are %s, want [%s] [%s]; attached are %+v", step.what, got, step.gone, step.added, def.Topics)
		}
	}
}

func TestPartitionsInOrderOfAttachment(t *testing.T) {
	def := &catalog.Group{Topics: []catalog.Attachment{{Topic: "z"}, {Topic: "a"}}}
	var all []*partition.Partition
	for _, name := range []string{"a", "z"} {
		for index := range 3 {
			all = append(all, &partition.Partition{Topic: name, Index: 2 - index})
		}
	}
	slices.SortFunc(all, func(x, y *partition.Partition) int { return InOrder(def, x, y) })
	got := ""
	for _, p := range all {
		got += fmt.Sprintf("%s/%d ", p.Topic, p.Index)
	}
	if got != "z/0 z/1 z/2 a/0 a/1 a/2 " {
		t.Error(got)
	}
}
