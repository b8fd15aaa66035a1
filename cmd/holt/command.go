package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/cmd/holt/process"
)

const (
	exitReject   = 65              // EX_DATAERR of sysexits.h: the record is bad, no use in trying again
	killDelay    = 5 * time.Second // from SIGTERM to SIGKILL when the lease is lost; and for output held open after the end
	maxErrorLine = 1 << 10
)

// command runs a program for each record.
type command struct {
	group  string
	path   string
	args   []string // with the name
	stdout *sharedWriter
	stderr *sharedWriter
	tally  tally

	mu      sync.Mutex
	running map[*os.Process]struct{}
}

// tally counts how commands ended.
type tally struct{ done, rejected, failed atomic.Int64 }

func (t *tally) count(err error, state *os.ProcessState) {
	switch {
	case err == nil:
		t.done.Add(1)
	case state != nil && state.ExitCode() == exitReject:
		t.rejected.Add(1)
	default:
		t.failed.Add(1)
	}
}

func (t *tally) String() string {
	return fmt.Sprintf("%d done, %d failed, %d rejected", t.done.Load(), t.failed.Load(), t.rejected.Load())
}

// handle is a client.Handler.
func (c *command) handle(ctx context.Context, r *client.Record) error {
	// The kernel ties a child's parent-death signal to the thread that made it, so that thread waits for it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, c.path)
	cmd.Args = c.args
	cmd.Env = append(cleanEnvironment(os.Environ()), environment(c.group, r)...)
	cmd.Stdin = bytes.NewReader(r.Value)
	stdout, stderr := &lineWriter{to: c.stdout}, &lineWriter{to: c.stderr}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.SysProcAttr = process.Attributes()
	cmd.WaitDelay = killDelay
	cmd.Cancel = func() error { return process.Terminate(cmd.Process) }
	err := cmd.Start()
	if err == nil {
		c.runs(cmd.Process, true)
		err = wait(cmd)
		c.runs(cmd.Process, false)
		if ctx.Err() != nil {
			process.Kill(cmd.Process)
		}
	}
	stdout.flush()
	stderr.flush()
	c.tally.count(err, cmd.ProcessState)
	return outcome(err, cmd.ProcessState, stderr.last)
}

// runs takes note of a process that began, or ended.
func (c *command) runs(p *os.Process, runs bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !runs {
		delete(c.running, p)
		return
	}
	if c.running == nil {
		c.running = map[*os.Process]struct{}{}
	}
	c.running[p] = struct{}{}
}

// endAtSecondSignal has the second SIGINT or SIGTERM end the commands that run, with all that they have started, and then this process as the signal
// would have: by itself it would end this process only, and what its commands have started would go on. forget undoes it.
func (c *command) endAtSecondSignal() (forget func()) {
	signals, done := make(chan os.Signal, 2), make(chan struct{})
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		for n := 1; ; n++ {
			select {
			case s := <-signals:
				if n == 2 {
					c.killAll()
					process.EndBy(s)
				}
			case <-done:
				return
			}
		}
	}()
	return func() { signal.Stop(signals); close(done) }
}

// killAll ends what runs. Nothing starts, and nothing is told of the ends, any more: the lock is kept.
func (c *command) killAll() {
	c.mu.Lock()
	for p := range c.running {
		process.Kill(p)
	}
}

// wait is cmd.Wait that does not mind a command that read none or a part of its input.
func wait(cmd *exec.Cmd) error {
	err := cmd.Wait()
	if cmd.ProcessState != nil && cmd.ProcessState.Success() {
		return nil // a broken pipe, or output held open by a process left behind
	}
	return err
}

// outcome is what a command's end means for its record.
func outcome(err error, state *os.ProcessState, lastLine string) error {
	if err == nil {
		return nil
	}
	if state == nil { // it could not be started
		return &api.WorkerError{Type: "start", Message: err.Error()}
	}
	failure := &api.WorkerError{Type: state.String(), Message: lastLine}
	if lastLine == "" {
		failure.Message = state.String()
	}
	if state.ExitCode() == exitReject {
		return client.Reject(failure)
	}
	return failure
}

// environment is what a command is told of its record.
func environment(group string, r *client.Record) []string {
	env := []string{
		"HOLT_GROUP=" + group,
		"HOLT_TOPIC=" + r.Topic,
		fmt.Sprintf("HOLT_PARTITION=%d", r.Partition),
		fmt.Sprintf("HOLT_OFFSET=%d", r.Offset),
		"HOLT_TIMESTAMP=" + showTime(api.Time(r.Timestamp)),
	}
	if r.Receipt != "" {
		env = append(env, fmt.Sprintf("HOLT_ATTEMPT=%d", r.Attempt), fmt.Sprintf("HOLT_DELIVERIES=%d", r.Deliveries), "HOLT_RECEIPT="+r.Receipt)
	}
	if r.Key != nil {
		env = append(env, variable("HOLT_KEY", string(r.Key)))
	}
	if r.Value == nil {
		env = append(env, "HOLT_TOMBSTONE=1")
	}
	for name, as := range traceVariables {
		if value, ok := r.Headers[name]; ok && utf8.ValidString(value) && !strings.ContainsRune(value, 0) {
			env = append(env, as+"="+value)
		}
	}
	for name, value := range r.Headers {
		env = append(env, variable(headerPrefix+variableName(name), value))
	}
	return env
}

const headerPrefix = "HOLT_HEADER_"

// traceVariables are the names under which programs look for the trace that they belong to (OpenTelemetry, environment variables as carriers).
var traceVariables = map[string]string{"traceparent": "TRACEPARENT", "tracestate": "TRACESTATE"}

// variable is name=value, in base64 when the value is no text that an environment can hold.
func variable(name, value string) string {
	if !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
		return name + "_BASE64=" + base64.StdEncoding.EncodeToString([]byte(value))
	}
	return name + "=" + value
}

// variableName is a header's name as shells can say it.
func variableName(header string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToUpper(header))
}

// cleanEnvironment is env without what an outer worker said of its own record.
func cleanEnvironment(env []string) (out []string) {
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		switch name {
		case "HOLT_GROUP", "HOLT_TOPIC", "HOLT_PARTITION", "HOLT_OFFSET", "HOLT_TIMESTAMP", "HOLT_ATTEMPT", "HOLT_DELIVERIES",
			"HOLT_RECEIPT", "HOLT_KEY", "HOLT_KEY_BASE64", "HOLT_TOMBSTONE", "TRACEPARENT", "TRACESTATE":
		default:
			if !strings.HasPrefix(name, headerPrefix) {
				out = append(out, e)
			}
		}
	}
	return out
}
