package process

import (
	"os"
	"testing"
)

func TestPeakMemory(t *testing.T) {
	if got := PeakMemory(os.Getpid()); got < 1<<20 || got > 1<<40 {
		t.Errorf("%d bytes for this process", got)
	}
	if got := PeakMemory(1 << 30); got != 0 {
		t.Errorf("%d bytes for a process that does not exist", got)
	}
}
