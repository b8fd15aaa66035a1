package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // zones of schedules, where the system has none
)

func main() { os.Exit(runUntilSignal(os.Args[1:])) }

// runUntilSignal runs a command, which SIGINT and SIGTERM ask to end.
func runUntilSignal(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	return run(ctx, args, os.Stdin, os.Stdout, os.Stderr)
}
