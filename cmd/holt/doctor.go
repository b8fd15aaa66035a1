package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/holtmq/holt/queue/store/badger"
)

// verifyCommand is what a starting server runs in a child process: damage can make the storage library panic in a goroutine that
// nobody can recover from.
const verifyCommand = "verify-data"

// verifyInChild returns what checks a data directory before it is opened.
func verifyInChild() func(context.Context, string) error {
	self, err := os.Executable()
	if err != nil {
		return badger.Verify // better here than not at all
	}
	return badger.VerifyBy(self, "doctor", verifyCommand)
}

// doctorJSON is what holt doctor prints.
type doctorJSON struct {
	Directory    string      `json:"directory"`
	Sound        bool        `json:"sound"`
	Clean        bool        `json:"closed_cleanly"`
	Opens        uint64      `json:"opens"`
	Commit       uint64      `json:"newest_commit"`
	Acknowledged uint64      `json:"acknowledged_commit"`
	Logs         int         `json:"logs"`
	Batches      int         `json:"batches"`
	Records      int         `json:"records"`
	Journals     int         `json:"journals"`
	Definitions  int         `json:"definitions"`
	Bytes        int64       `json:"bytes"`
	Faults       []faultJSON `json:"faults"`
	MoreFaults   int         `json:"more_faults,omitempty"`
}

type faultJSON struct {
	Log  uint64 `json:"log,omitempty"`
	What string `json:"what"`
}

func (a *app) newDoctorCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use: "doctor", Short: "Check a data directory", Args: cobra.NoArgs,
		Long: "Check a data directory that no server has open: that nothing acknowledged is missing, and that every batch, journal\n" +
			"and definition is whole. It changes nothing, and exits with 1 if anything is wrong.",
		RunE: func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd.Context(), dir) },
	}
	c.Flags().StringVar(&dir, "data", "./holt-data", "data `directory`")
	c.AddCommand(a.newVerifyCommand())
	return c
}

// newVerifyCommand is run by a starting server only: its exit code says what is wrong.
func (a *app) newVerifyCommand() *cobra.Command {
	return &cobra.Command{
		Use: verifyCommand + " DIR", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			err := badger.Verify(cmd.Context(), args[0])
			if err != nil {
				fmt.Fprintln(a.stderr, err)
			}
			os.Exit(badger.VerifyExit(err))
			return nil
		},
	}
}

func (a *app) doctor(ctx context.Context, dir string) error {
	if st, err := os.Stat(dir); err != nil {
		return err
	} else if !st.IsDir() {
		return fmt.Errorf("%s is no directory", dir)
	}
	p := a.newProgress(true, "checking")
	last := badger.Progress{}
	r, err := badger.Inspect(ctx, dir, func(now badger.Progress) {
		p.add(now.Keys-last.Keys, int(now.Bytes-last.Bytes))
		last = now
	})
	p.finish()
	if err != nil {
		return err
	}
	d := doctorJSON{
		Directory: dir, Sound: len(r.Faults) == 0, Clean: r.Clean, Opens: r.Opens, Commit: r.Sequence, Acknowledged: r.Acknowledged,
		Logs: r.Logs, Batches: r.Batches, Records: r.Records, Journals: r.Journals, Definitions: r.Definitions, Bytes: r.Bytes,
		Faults: []faultJSON{}, MoreFaults: r.More,
	}
	for _, f := range r.Faults {
		d.Faults = append(d.Faults, faultJSON{uint64(f.Log), f.What})
	}
	if err := a.one(row{dir, d, nil}, func() error { return a.showDoctor(d) }); err != nil {
		return err
	}
	if !d.Sound {
		return errSilent
	}
	return nil
}

func (a *app) showDoctor(d doctorJSON) error {
	verdict := "sound"
	if !d.Sound {
		verdict = fmt.Sprintf("%d faults", len(d.Faults)+d.MoreFaults)
	}
	err := a.fields(
		"verdict", verdict, "directory", plain(d.Directory), "closed cleanly", fmt.Sprint(d.Clean),
		"commits", fmt.Sprintf("%d, %d acknowledged", d.Commit, d.Acknowledged), "opened", fmt.Sprintf("%d times", d.Opens),
		"logs", showNumber(d.Logs), "batches", showNumber(d.Batches), "records", showNumber(d.Records),
		"journals", showNumber(d.Journals), "definitions", showNumber(d.Definitions), "stored", showBytes(d.Bytes),
	)
	for _, f := range d.Faults {
		if err == nil {
			_, err = fmt.Fprintf(a.stdout, "log %d: %s\n", f.Log, plain(f.What))
		}
	}
	return err
}
