//go:build unix

package queue_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"
)

// BenchmarkIdle reports the processor time that the process takes, per second of the clock, while calls wait for records.
func BenchmarkIdle(b *testing.B) {
	for _, waiters := range []int{0, 10_000} {
		b.Run(fmt.Sprint("parked=", waiters), func(b *testing.B) {
			br := openBench(b, "memory", 4)
			defer park(b, br, waiters)()
			began, before := time.Now(), cpuTime(b)
			<-time.After(3 * time.Second)
			b.ReportMetric((cpuTime(b)-before).Seconds()*1000/time.Since(began).Seconds(), "cpu-ms/s")
		})
	}
}

// cpuTime is what the process has taken of the processors.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
