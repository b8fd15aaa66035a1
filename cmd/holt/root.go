package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/holtmq/holt/client"
)

// Exit codes of every command.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

// app is what the commands of one run share.
type app struct {
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer

	server  string // flag
	format  string // flag
	asJSON  bool   // flag
	started bool   // flags and arguments are understood, a command runs

	outMu sync.Mutex // held while a write to stdout or
	errMu sync.Mutex // to stderr may have company
}

// run is the whole program. It returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr}
	root := a.newRootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	var exit *exitError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &exit):
		return exit.code
	case !a.started || errors.As(err, new(*usageError)):
		a.say("holt: %v%s\nSee '%s --help'.", err, a.suggestion(cmd, err), cmd.CommandPath())
		return exitUsage
	case errors.Is(err, errSilent):
		return exitFailed
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		a.say("holt: interrupted")
		return exitFailed
	}
	a.say("holt: %s%s", explain(err), a.suggestion(cmd, err))
	return exitFailed
}

func (a *app) newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "holt",
		Short:         "A work queue on a log",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		RunE:          needsCommand,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.checkFormat(); err != nil {
				return err
			}
			a.started = true
			return nil
		},
	}
	f := root.PersistentFlags()
	f.StringVar(&a.server, "server", "", "`address` of the server (default: HOLT_SERVER, else "+client.DefaultServer+")")
	f.BoolVar(&a.asJSON, "json", false, "JSON output, the same as -o json")
	f.StringVarP(&a.format, "output", "o", "", "output `format`: table, json, ndjson or name (default: table on a terminal, else ndjson)")
	_ = root.RegisterFlagCompletionFunc("output", fixedCompletion("table", "json", "ndjson", "name"))

	root.AddCommand(
		a.newServeCommand(), a.newConfigCommand(), a.newDoctorCommand(),
		a.newTopicCommand(), a.newGroupCommand(),
		a.newPublishCommand(), a.newReadCommand(), a.newTailCommand(),
		a.newLeaseCommand(), a.newAckCommand(), a.newNackCommand(), a.newReleaseCommand(), a.newRejectCommand(),
		a.newExtendCommand(), a.newWorkCommand(), a.newConsumeCommand(), a.newScheduleCommand(),
		a.newDeadLettersCommand(), a.newRedriveCommand(),
		a.newSchemaCommand(), a.newTopologyCommand(), a.newBackupCommand(), a.newRestoreCommand(), a.newExportCommand(), a.newImportCommand(),
		a.newTopCommand(), a.newCheckCommand(),
		a.newDemoCommand(), a.newBenchCommand(),
		a.newVersionCommand(), a.newCompletionCommand(),
	)
	root.SetHelpCommand(newHelpCommand())
	root.SetFlagErrorFunc(flagFault)
	root.CompletionOptions.DisableDefaultCmd = true // ours refuses shells that it does not know
	return root
}

// client connects to the server that flags and environment name.
func (a *app) client() (*client.Client, error) {
	address := cmp.Or(a.server, os.Getenv("HOLT_SERVER"), client.DefaultServer)
	opts := []client.Option{client.WithName("holt")}
	if token := strings.TrimSpace(os.Getenv("HOLT_TOKEN")); token != "" { // what is read of a file has a line break at its end
		opts = append(opts, client.WithToken(token))
	}
	c, err := client.New(address, opts...)
	if err != nil {
		return nil, usagef("%v", err)
	}
	return c, nil
}

// say writes a line of prose to standard error.
func (a *app) say(format string, args ...any) {
	a.errMu.Lock()
	defer a.errMu.Unlock()
	fmt.Fprintln(a.stderr, plainLines(fmt.Sprintf(format, args...)))
}
