package badger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"

	"github.com/holtmq/holt/queue/store"
)

// Exit codes of a process that runs Verify for another one.
const (
	exitSound   = 0
	exitFailed  = 1
	exitLost    = 3
	exitCorrupt = 4
)

// VerifyExit returns the exit code by which a child process tells its parent what Verify returned. It prints the error itself to
// standard error.
func VerifyExit(err error) int {
	switch {
	case err == nil:
		return exitSound
	case errors.Is(err, ErrLost):
		return exitLost
	case errors.Is(err, store.ErrCorrupt):
		return exitCorrupt
	}
	return exitFailed
}

// VerifyBy returns a function for Config.Verify that runs a command with the directory as its last argument. The command calls
// Verify and exits with VerifyExit. One that dies instead has met damage that the library could not bear.
func VerifyBy(command string, args ...string) func(ctx context.Context, dir string) error {
	return func(ctx context.Context, dir string) error {
		cmd := exec.CommandContext(ctx, command, append(append([]string(nil), args...), dir)...)
		var out bytes.Buffer
		cmd.Stderr = &out
		err := cmd.Run()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			return fmt.Errorf("verification: %w", err)
		}
		said := firstLine(bytes.TrimSpace(out.Bytes()))
		switch exit.ExitCode() {
		case exitLost:
			return fmt.Errorf("%w: %s", ErrLost, said)
		case exitFailed:
			return fmt.Errorf("verification: %s", said)
		}
		return corrupt("verification ended with %s: %s", exit, said)
	}
}
