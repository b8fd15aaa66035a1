package console

import (
	"net/url"
	"strings"
	"testing"

	"github.com/holtmq/holt/client/api"
)

// Deeply nested JSON is shown without indentation, which would be most of it by far.
func TestDeepValuesAreNotIndented(t *testing.T) {
	for _, c := range []struct {
		text  string
		depth int
	}{
		{`1`, 0}, {`{"a":[1,{"b":"[[[\"{"}]}`, 3}, {`["\\",[]]`, 2}, {strings.Repeat("[", 9000) + strings.Repeat("]", 9000), 9000},
	} {
		if got := nesting([]byte(c.text)); got != c.depth {
			t.Errorf("%.40s: depth %d, want %d", c.text, got, c.depth)
		}
		view, size := viewValue(api.Value{Value: []byte(c.text)}, ""), 0
		for _, one := range view.Tokens {
			size += len(one.Text)
		}
		if view.Kind != "json" || size > 10*len(c.text)+100 {
			t.Errorf("%.40s: %s of %d bytes", c.text, view.Kind, size)
		}
	}
}

func TestLongPointersAreRefused(t *testing.T) {
	if _, err := parseFilter(url.Values{"pointer": {strings.Repeat("/0", maxPointer)}}); err != nil {
		t.Error(err)
	}
	if _, err := parseFilter(url.Values{"pointer": {strings.Repeat("/0", maxPointer+1)}}); err == nil {
		t.Error("one step more is taken")
	}
}
