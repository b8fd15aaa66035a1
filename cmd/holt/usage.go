package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

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

// newHelpCommand is cobra's, but that it does not pass over a command that there is none.
func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use: "help [COMMAND…]", Short: "Help about any command",
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			switch {
			case err != nil:
				return usagef("%v", err)
			case len(rest) > 0:
				return usagef("unknown command %q for %q", rest[0], about.CommandPath())
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var names []string
			for _, c := range about.Commands() {
				if c.IsAvailableCommand() {
					names = append(names, c.Name()+"\t"+c.Short)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
}

// plainFault says of a value what strconv says of it in the words of Go's library.
func plainFault(err error) error {
	var n *strconv.NumError
	switch {
	case !errors.As(err, &n):
		return err
	case n.Func == "ParseBool":
		return fmt.Errorf("%q is not true or false", n.Num)
	case errors.Is(n, strconv.ErrRange):
		return fmt.Errorf("%q is too large a number", n.Num)
	}
	return fmt.Errorf("%q is not a whole number", n.Num)
}

// flagFault is what cobra reports of a flag, in plain words.
func flagFault(_ *cobra.Command, err error) error {
	var value *pflag.InvalidValueError
	var n *strconv.NumError
	if errors.As(err, &value) && errors.As(err, &n) {
		return fmt.Errorf("--%s: %w", value.GetFlag().Name, plainFault(n))
	}
	return err
}

// newNoun returns a command that only holds verbs.
func newNoun(name, short string, verbs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: name, Short: short, Args: cobra.ArbitraryArgs, RunE: needsCommand}
	c.AddCommand(verbs...)
	return c
}

// advice has the words of this command line for those in which the server says what to do.
var advice = strings.NewReplacer(
	`create it with PUT /v1/topics/{topic}, or publish to it`, `create it with 'holt topic create', or publish to it`,
	`create it with PUT /v1/groups/{group}, or lease with "topics"`, `create it with 'holt group create', or name what it is to read with --topic`,
	`create it with PUT /v1/schedules/{schedule}`, `create it with 'holt schedule put'`,
	`GET /v1/topics/{topic} lists the partitions`, `'holt topic show' lists the partitions`,
	`GET /v1/groups/{group}/dead-letters lists those that are open; ?state=redriven or purged, the others`, `'holt dead-letters ls' lists those that are open; with --state redriven or purged, the others`,
	`GET /v1/redrives lists those there are`, `'holt redrive ls' lists those there are`,
	`GET /v1/topics/{topic}/schema/versions lists those there are`, `'holt schema versions' lists those there are`,
	`GET /v1/topics/{topic}/schema has the schema`, `'holt schema show' has the schema`,
	`add ?force=true`, `use --force`,
	`add "force":true`, `use --force`,
	`publish with ?wait=`, `publish with --wait`,
	`send it as in "Authorization: Bearer TOKEN"`, `give it in HOLT_TOKEN`,
)

// explain says what an error is, with what to do about it.
func explain(err error) string { return advice.Replace(explained(err)) }

func explained(err error) string {
	var e *client.Error
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &certificate):
		return fmt.Sprintf("%v\nSSL_CERT_FILE names a file with the certificate of your own authority.", err)
	case errors.Is(err, client.ErrUnreachable):
		return fmt.Sprintf("%v\nIs the server running ('holt serve')? --server or HOLT_SERVER say where.", err)
	case errors.Is(err, client.ErrUnknown) && !errors.As(err, &e) && !errors.Is(err, context.Canceled):
		return fmt.Sprintf("%v\nIt may have been done or not.", err)
	case errors.As(err, &e) && e.RequestID != "" && e.Status >= 500:
		return fmt.Sprintf("%v (request %s)", err, e.RequestID)
	}
	return err.Error()
}
