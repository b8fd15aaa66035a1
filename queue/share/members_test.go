package share

import (
	"fmt"
	"testing"
)

func TestMembersForgetTheOneSeenLongestAgo(t *testing.T) {
	m := newMembers()
	m.seen("", 1)
	for i := range int64(maxMembers + 1) {
		m.seen(fmt.Sprint("m", i), i)
		m.seen("m1", i+1)
	}
	_, first := m.last["m0"]
	_, kept := m.last["m1"]
	if len(m.last) != maxMembers || first || !kept {
		t.Errorf("%d members, the first %v, one seen since %v", len(m.last), first, kept)
	}
}
