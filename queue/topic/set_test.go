package topic

import (
	"fmt"
	"slices"
	"testing"

	"github.com/holtmq/holt/queue/catalog"
)

func TestAllTopicsInTheOrderOfTheirMaking(t *testing.T) {
	s := NewSet()
	var want, got []uint64
	for id := range uint64(20) {
		s.Put(&Topic{Def: &catalog.Topic{Name: fmt.Sprint([]string{"b", "__a"}[id%2], 20-id), ID: id}})
		want = append(want, id)
	}
	for _, topic := range s.All() {
		got = append(got, topic.Def.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("topics %v", got)
	}
}
