package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
)

func (a *app) newDeadLettersCommand() *cobra.Command {
	return newNoun("dead-letters", "List, show, export, redrive, edit and purge what a group gave up on",
		a.newLettersLs(), a.newLettersGroups(), a.newLettersShow(), a.newLettersExport(), a.newLettersRedrive(), a.newLettersEdit(), a.newLettersPurge())
}

// letterFlags choose dead letters.
type letterFlags struct {
	filter api.LetterFilter
	key    string
}

func (l *letterFlags) define(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&l.filter.State, "state", "", "open, redriven or purged (default open)")
	f.StringVar(&l.filter.Reason, "reason", "", "max_attempts, rejected or ttl")
	f.StringVar(&l.filter.Error, "error", "", "a part of the error")
	f.StringVar(&l.filter.Fingerprint, "fingerprint", "", "one error group, as 'holt dead-letters groups' names it")
	f.StringVar(&l.filter.Topic, "topic", "", "topic that the record was in")
	f.StringVar(&l.key, "key", "", "the record's key")
	f.StringVar(&l.filter.Since, "since", "", "dead at that `time` or later, or within so long, as in 1h")
	f.StringVar(&l.filter.Until, "until", "", "dead before that `time`, or longer ago, as in 1h")
	_ = cmd.RegisterFlagCompletionFunc("state", fixedCompletion("open", "redriven", "purged"))
	_ = cmd.RegisterFlagCompletionFunc("reason", fixedCompletion("max_attempts", "rejected", "ttl"))
}

// read returns the filter; any says that there is one beside the state.
func (l *letterFlags) read(f *pflag.FlagSet) (filter api.LetterFilter, any bool) {
	filter = l.filter
	if f.Changed("key") {
		filter.Key = &l.key
	}
	for _, t := range []*string{&filter.Since, &filter.Until} {
		if _, err := api.ParseDuration(*t); err == nil { // how long ago
			*t = "-" + *t
		}
	}
	for _, name := range []string{"reason", "error", "fingerprint", "topic", "key", "since", "until"} {
		any = any || f.Changed(name)
	}
	return filter, any
}

func (a *app) newLettersLs() *cobra.Command {
	var flags letterFlags
	var limit int
	cmd := &cobra.Command{
		Use: "ls GROUP", Aliases: []string{"list"}, Short: "List dead letters, in the order of their deaths", Args: takes(1, 1), ValidArgsFunction: a.completeGroups(false),
		Example: "  holt dead-letters ls mailer --since 1h\n  holt dead-letters ls mailer --error timeout -o name | xargs holt dead-letters redrive mailer",
	}
	flags.define(cmd)
	cmd.Flags().IntVarP(&limit, "limit", "n", 0, "at most this many (default: all)")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if limit < 0 {
			return usagef("--limit %d: at least 0", limit)
		}
		c, err := a.client()
		if err != nil {
			return err
		}
		filter, _ := flags.read(cmd.Flags())
		p := a.newPrinter("LETTER", "DEAD", "RECORD", "KEY", "REASON", "ATTEMPTS", "REDRIVES", "ERROR")
		for l, err := range c.DeadLetters(cmd.Context(), args[0], filter) {
			if err != nil {
				return err
			}
			if err := p.add(letterRow(l)); err != nil {
				return err
			}
			if p.count == limit {
				break
			}
		}
		if p.count == 0 && a.format == formatTable {
			a.say("no %s dead letters", cmp.Or(filter.State, "open"))
		}
		return p.end()
	}
	return cmd
}

func letterRow(l api.Letter) row {
	return row{l.ID, l, []string{
		l.ID, showTimePointer(l.DeadAt), letterPlace(l), wireKey(l.Key, l.KeyBase64), l.Reason, showNumber(l.Attempts), showNumber(l.Redrives), cmp.Or(l.Error, "-"),
	}}
}

func letterPlace(l api.Letter) string {
	return client.Place{Topic: l.Topic, Partition: l.Partition, Offset: l.Offset}.String()
}

func (a *app) newLettersGroups() *cobra.Command {
	var flags letterFlags
	var by string
	cmd := &cobra.Command{
		Use: "groups GROUP", Aliases: []string{"summary"}, Short: "Count dead letters by their errors, the most first", Args: takes(1, 1), ValidArgsFunction: a.completeGroups(false),
		Long: "Count dead letters by fingerprint: what the worker gave, else the error's type and message with numbers, ids and quoted parts made equal.\n" +
			"--by error, reason, topic or key counts by that.",
	}
	flags.define(cmd)
	cmd.Flags().StringVar(&by, "by", "fingerprint", "fingerprint, error, reason, topic or key")
	_ = cmd.RegisterFlagCompletionFunc("by", fixedCompletion("fingerprint", "error", "reason", "topic", "key"))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := a.client()
		if err != nil {
			return err
		}
		filter, _ := flags.read(cmd.Flags())
		sum, err := c.DeadLetterSummary(cmd.Context(), args[0], filter, by)
		if err != nil {
			return err
		}
		p := a.newPrinter("COUNT", "FIRST", "LAST", "SAMPLE", strings.ToUpper(by))
		for _, b := range sum.Items {
			value := wireKey(b.Value, b.ValueBase64)
			if err := p.add(row{value, b, []string{showNumber(b.Count), showTime(b.FirstAt), showTime(b.LastAt), b.SampleID, value}}); err != nil {
				return err
			}
		}
		if p.count == 0 && a.format == formatTable {
			a.say("no %s dead letters", cmp.Or(filter.State, "open"))
		}
		return p.end()
	}
	return cmd
}

func (a *app) newLettersShow() *cobra.Command {
	return &cobra.Command{
		Use: "show GROUP LETTER", Short: "Show one dead letter: the record, its error, and what its attempts were", Args: takes(2, 2), ValidArgsFunction: a.completeGroups(false),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			l, err := c.DeadLetter(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			return a.one(letterRow(l), func() error { return a.showLetter(l) })
		},
	}
}

func (a *app) showLetter(l api.Letter) error {
	state := l.State
	if l.Pending {
		state += ", not settled since"
	}
	pairs := []string{
		"letter", l.ID, "state", state, "record", letterPlace(l), "key", wireKey(l.Key, l.KeyBase64), "value", wireValue(l.Value), "headers", wireHeaders(l.Headers, l.HeadersBase64),
		"reason", l.Reason, "error", cmp.Or(l.Error, "-"), "type", cmp.Or(l.ErrorType, "-"), "error group", cmp.Or(l.Fingerprint, "-"), "member", cmp.Or(l.Member, "-"),
		"attempts", showNumber(l.Attempts), "first try", showTimePointer(l.FirstDeliveredAt), "dead", showTimePointer(l.DeadAt), "redrives", showNumber(l.Redrives),
	}
	if err := a.fields(pairs...); err != nil {
		return err
	}
	if l.Stack != "" {
		if _, err := fmt.Fprintf(a.stdout, "\n%s\n", plainLines(l.Stack)); err != nil {
			return err
		}
	}
	return a.section(attemptHeader, attemptRows(l.History))
}

func (a *app) newLettersExport() *cobra.Command {
	var flags letterFlags
	cmd := &cobra.Command{
		Use: "export GROUP", Short: "Write dead letters as lines of JSON, with stacks and histories", Args: takes(1, 1), ValidArgsFunction: a.completeGroups(false),
		Example: "  holt dead-letters export mailer --reason rejected > letters.ndjson",
	}
	flags.define(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := a.client()
		if err != nil {
			return err
		}
		filter, _ := flags.read(cmd.Flags())
		progress := a.newCountProgress("exporting", -1)
		defer progress.finish()
		for line, err := range c.ExportDeadLetters(cmd.Context(), args[0], filter) {
			if err != nil {
				return err
			}
			if _, err := a.stdout.Write(append(line, '\n')); err != nil {
				return err
			}
			progress.add(1, 0)
		}
		return nil
	}
	return cmd
}

// choiceFlags say which letters a command is about.
type choiceFlags struct {
	letterFlags
	all    bool
	limit  int
	dryRun bool
}

func (f *choiceFlags) define(cmd *cobra.Command) {
	f.letterFlags.define(cmd)
	cmd.Flags().BoolVar(&f.all, "all", false, "all that are open")
	cmd.Flags().IntVarP(&f.limit, "limit", "n", 0, "the oldest ones, at most so many")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "only tell which")
}

// choice returns what the flags and ids choose; nothing is wrong usage.
func (f *choiceFlags) choice(cmd *cobra.Command, ids []string) (c api.LetterChoice, err error) {
	filter, any := f.read(cmd.Flags())
	if !any && !f.all && len(ids) == 0 {
		return c, usagef("which ones? name them, or use filters, or --all")
	}
	if f.limit < 0 {
		return c, usagef("--limit %d: at least 1", f.limit)
	}
	return api.LetterChoice{LetterFilter: filter, IDs: ids, All: f.all, Limit: f.limit, DryRun: f.dryRun}, nil
}

func (a *app) newLettersPurge() *cobra.Command {
	var flags choiceFlags
	cmd := &cobra.Command{
		Use: "purge GROUP [LETTER…]", Short: "Give dead letters up for good", Args: takes(1, -1), ValidArgsFunction: a.completeGroups(false),
		Example: "  holt dead-letters purge mailer --fingerprint 'Parse: no such address <…>' --dry-run",
	}
	flags.define(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		which, err := flags.choice(cmd, args[1:])
		if err != nil {
			return err
		}
		c, err := a.client()
		if err != nil {
			return err
		}
		if _, filtered := flags.read(cmd.Flags()); len(args) == 2 && !which.DryRun && !filtered && !flags.all { // one that is not open is an error
			if err := c.PurgeLetter(cmd.Context(), args[0], args[1]); err != nil {
				return err
			}
			return a.one(row{args[1], api.PurgeResponse{Purged: 1}, nil}, func() error { a.say("purged %s", args[1]); return nil })
		}
		n, err := c.PurgeLetters(cmd.Context(), args[0], which)
		if err != nil {
			return err
		}
		return a.one(row{showNumber(n), api.PurgeResponse{Purged: n}, nil}, func() error {
			if which.DryRun {
				a.say("%d would be purged", n)
			} else {
				a.say("%d purged", n)
			}
			return nil
		})
	}
	return cmd
}

func (a *app) newLettersEdit() *cobra.Command {
	var file, to string
	cmd := &cobra.Command{
		Use: "edit GROUP LETTER", Short: "Change a dead letter's value or headers, and redrive it", Args: takes(2, 2), ValidArgsFunction: a.completeGroups(false),
		Long: "Change a dead letter's value or headers, and redrive it. What is edited is JSON: value, text or value_base64, headers, delay, to. With -f it is read from a\n" +
			"file (- is standard input); else it is opened in $VISUAL or $EDITOR, and nothing happens if it is left as it is.",
		Example: `  echo '{"value":{"to":"right@example.org"}}' | holt dead-letters edit mailer 2a-1045 -f -`,
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "`file` with the edit, - for standard input")
	cmd.Flags().StringVar(&to, "to", "", "group (default) or topic")
	_ = cmd.RegisterFlagCompletionFunc("to", fixedCompletion("group", "topic"))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := a.client()
		if err != nil {
			return err
		}
		edit, err := a.readEdit(cmd, c, file, args)
		if err != nil {
			return err
		}
		edit.To = cmp.Or(to, edit.To)
		return a.redriveOne(cmd, c, args[0], args[1], *edit)
	}
	return cmd
}

// readEdit reads the edit from where the flag says, or from an editor.
func (a *app) readEdit(cmd *cobra.Command, c *client.Client, file string, args []string) (*api.RedriveEdit, error) {
	var text []byte
	var err error
	switch file {
	case "":
		text, err = a.editLetter(cmd, c, args[0], args[1])
	case "-":
		text, err = io.ReadAll(a.stdin)
	default:
		text, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, err
	}
	edit := &api.RedriveEdit{}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(edit); err != nil {
		return nil, usagef("the edit: %v", err)
	}
	return edit, nil
}

// editLetter lets the operator change a letter in an editor.
func (a *app) editLetter(cmd *cobra.Command, c *client.Client, group, id string) ([]byte, error) {
	l, err := c.DeadLetter(cmd.Context(), group, id)
	if err != nil {
		return nil, err
	}
	editor := cmp.Or(os.Getenv("VISUAL"), os.Getenv("EDITOR"))
	if editor == "" {
		return nil, usagef("set EDITOR, or give the edit with -f")
	}
	was, err := json.MarshalIndent(api.RedriveEdit{Value: l.Value, Headers: l.Headers, HeadersBase64: l.HeadersBase64}, "", "  ")
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp("", "holt-letter-*.json")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	if _, err := f.Write(append(was, '\n')); err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	words := append(strings.Fields(editor), f.Name())
	run := exec.CommandContext(cmd.Context(), words[0], words[1:]...)
	run.Stdin, run.Stdout, run.Stderr = a.stdin, a.stdout, a.stderr
	if err := run.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w", editor, err)
	}
	now, err := os.ReadFile(f.Name())
	if err == nil && bytes.Equal(bytes.TrimSpace(now), was) {
		err = usagef("nothing was changed; 'holt dead-letters redrive' delivers it as it is")
	}
	return now, err
}
