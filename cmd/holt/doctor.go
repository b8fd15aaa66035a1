package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holtmq/holt/queue/store/badger"
)

// verifyInChild checks a data directory in a process of its own: damage can make the storage library panic in a goroutine that nobody can recover from.
func verifyInChild(ctx context.Context, dir string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the own program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, "doctor", "--start-check", "--data", dir)
	var out strings.Builder
	cmd.Stderr = &out
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("the check of %s failed: %s", dir, lastLines(out.String(), 3))
	}
	return err
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "; ")
}

func (a *app) newDoctorCommand() *cobra.Command {
	var dir string
	var start bool
	c := &cobra.Command{
		Use: "doctor", Short: "Check a data directory", Args: cobra.NoArgs,
		Long: "Check a data directory that no server has open: that nothing acknowledged is missing and that everything stored is whole.\n" +
			"It changes nothing.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return badger.Verify(cmd.Context(), dir)
		},
	}
	c.Flags().StringVar(&dir, "data", "./holt-data", "data `directory`")
	c.Flags().BoolVar(&start, "start-check", false, "only what every start checks")
	_ = c.Flags().MarkHidden("start-check")
	return c
}
