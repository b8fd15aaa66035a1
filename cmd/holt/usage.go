package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holtmq/holt/client"
)

// usageError is wrong usage that shows only after flags and arguments were parsed.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// unknownCommand is a word in the place of a command.
type unknownCommand struct {
	usageError
	name string
}

// Unwrap makes it a usageError.
func (e *unknownCommand) Unwrap() error { return &e.usageError }

// errSilent is a failure of which everything is said already.
var errSilent = errors.New("failed")

// needsCommand is the RunE of commands that only hold others.
func needsCommand(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &unknownCommand{usageError{fmt.Sprintf("unknown command %q for %q", args[0], cmd.CommandPath())}, args[0]}
	}
	cmd.SetOut(cmd.ErrOrStderr())
	_ = cmd.Help()
	return usagef("a command is missing")
}

// takes checks the number of arguments; most < 0 is no limit.
func takes(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if n := len(args); n < least || most >= 0 && n > most {
			path, _, _ := strings.Cut(cmd.CommandPath(), " "+cmd.Name())
			return usagef("%s given: it is '%s %s'", count(n, "argument"), path, cmd.Use)
		}
		return nil
	}
}

// count writes a number of things.
func count(n int, thing string) string {
	switch n {
	case 0:
		return "no " + thing
	case 1:
		return "one " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// newNoun returns a command that only holds verbs.
func newNoun(name, short string, verbs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: name, Short: short, Args: cobra.ArbitraryArgs, RunE: needsCommand}
	c.AddCommand(verbs...)
	return c
}

// explain adds what to do to errors that do not say it themselves.
func explain(err error) string {
	var e *client.Error
	switch {
	case errors.Is(err, client.ErrUnreachable):
		return fmt.Sprintf("%v\nIs the server running ('holt serve')? --server or HOLT_SERVER say where.", err)
	case errors.Is(err, client.ErrUnknown) && !errors.As(err, &e) && !errors.Is(err, context.Canceled):
		return fmt.Sprintf("%v\nIt may have been done or not.", err)
	case errors.As(err, &e) && e.RequestID != "" && e.Status >= 500:
		return fmt.Sprintf("%v (request %s)", err, e.RequestID)
	}
	return err.Error()
}
