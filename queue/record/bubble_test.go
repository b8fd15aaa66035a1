package record_test

import (
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

// TestBubbles uses every codec inside one synctest bubble, inside another, and outside: nothing shared may belong to a bubble.
func TestBubbles(t *testing.T) {
	all := func(t *testing.T) {
		for _, c := range codecs {
			if diff := cmp.Diff(samples(), readAll(t, build(t, 0, c, samples()...))); diff != "" {
				t.Errorf("%v: records differ (-want +got):\n%s", c, diff)
			}
		}
	}
	synctest.Test(t, all)
	synctest.Test(t, all)
	all(t)
}
