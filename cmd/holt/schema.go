package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
)

func (a *app) newSchemaCommand() *cobra.Command {
	return newNoun("schema", "Show a topic's schema and its versions, and check what is to come",
		a.newSchemaShow(), a.newSchemaVersions(), a.newSchemaCheck())
}

func schemaRow(v api.SchemaVersion) row {
	return row{strconv.Itoa(v.Version), v, []string{strconv.Itoa(v.Version), showTime(v.CreatedAt), v.Compatibility, plain(short(string(v.Schema)))}}
}

func (a *app) newSchemaShow() *cobra.Command {
	return &cobra.Command{
		Use: "show TOPIC [VERSION]", Short: "Print a topic's schema, or one version of it", Args: takes(1, 2),
		Long: "Print a topic's schema: the document alone on a terminal and with -o table, with its version and age in JSON.\n" +
			"'holt topic edit TOPIC --schema FILE' changes it.",
		ValidArgsFunction: a.completeTopics(false),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			var v api.SchemaVersion
			if len(args) == 1 {
				v, err = c.Schema(cmd.Context(), args[0])
			} else {
				n, numeric := strconv.Atoi(args[1])
				if numeric != nil || n < 1 {
					return usagef("version %q: a number from 1", args[1])
				}
				v, err = c.SchemaVersion(cmd.Context(), args[0], n)
			}
			if err != nil {
				return err
			}
			return a.one(schemaRow(v), func() error {
				b, err := json.MarshalIndent(v.Schema, "", "  ")
				if err == nil {
					_, err = fmt.Fprintln(a.stdout, plainLines(string(b)))
				}
				return err
			})
		},
	}
}

func (a *app) newSchemaVersions() *cobra.Command {
	return &cobra.Command{
		Use: "versions TOPIC", Short: "List the versions of a topic's schema, the oldest first", Args: takes(1, 1),
		ValidArgsFunction: a.completeTopics(false),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			p := a.newPrinter("VERSION", "CREATED", "COMPATIBILITY", "SCHEMA")
			for v, err := range c.SchemaVersions(cmd.Context(), args[0]) {
				if err != nil {
					return err
				}
				if err := p.add(schemaRow(v)); err != nil {
					return err
				}
			}
			if p.count == 0 && a.format == formatTable {
				a.say("%s never had a schema", args[0])
			}
			return p.end()
		},
	}
}

func (a *app) newSchemaCheck() *cobra.Command {
	var file, compatibility string
	cmd := &cobra.Command{
		Use: "check TOPIC [VALUE…]", Short: "Say what a topic would say to a schema, or to values", Args: takes(1, -1),
		Long: "Ask the server whether a schema may follow the topic's, and whether values match it (or the topic's own). Each VALUE is JSON;\n" +
			"\"-\" stands for the lines of standard input. Nothing is changed. It exits with 1 if the answer is no.",
		Example: "  holt schema check orders --schema new.json\n" +
			"  holt schema check orders '{\"id\":17}'\n" +
			"  holt schema check orders - < values.ndjson",
		ValidArgsFunction: a.completeTopics(false),
		RunE: func(cmd *cobra.Command, args []string) error {
			values, err := a.valuesToCheck(args[1:])
			if err != nil {
				return err
			}
			var text json.RawMessage
			if file != "" {
				if text, err = readDocument(file, a.stdin); err != nil {
					return err
				}
			}
			if text == nil && len(values) == 0 {
				return usagef("nothing to check: --schema, or values, say what")
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			return a.checkSchema(cmd, c, args[0], text, compatibility, values)
		},
	}
	cmd.Flags().StringVar(&file, "schema", "", "`file` with the schema that is to follow, - is standard input")
	cmd.Flags().StringVar(&compatibility, "compatibility", "", "check for none, backward, forward or full instead of the topic's own")
	_ = cmd.RegisterFlagCompletionFunc("compatibility", fixedCompletion("none", "backward", "forward", "full"))
	return cmd
}

// valuesToCheck takes arguments, and the lines of standard input for "-".
func (a *app) valuesToCheck(args []string) ([]json.RawMessage, error) {
	var out []json.RawMessage
	for _, arg := range args {
		if arg != "-" {
			out = append(out, json.RawMessage(arg))
			continue
		}
		for line, err := range splitLines(a.stdin) {
			if err != nil {
				return nil, err
			}
			if len(line) > 0 {
				out = append(out, append(json.RawMessage(nil), line...))
			}
		}
	}
	for i, v := range out {
		if !json.Valid(v) {
			return nil, usagef("value %d is no JSON", i+1)
		}
	}
	return out, nil
}

func (a *app) checkSchema(cmd *cobra.Command, c *client.Client, topic string, text json.RawMessage, compatibility string, values []json.RawMessage) error {
	res, err := c.CheckSchema(cmd.Context(), topic, text, compatibility, values...)
	if err != nil {
		return err
	}
	err = a.one(row{topic, res, nil}, func() error {
		if res.Accepted {
			_, err := fmt.Fprintln(a.stdout, "accepted")
			return err
		}
		if res.Reason != "" {
			fmt.Fprintln(a.stdout, plainLines(res.Reason))
		}
		var rows [][]string
		for _, v := range res.Violations {
			rows = append(rows, []string{showNumber(v.Record + 1), plain(v.Pointer), plain(v.Reason)})
		}
		return a.table([]string{"VALUE", "AT", "REASON"}, rows)
	})
	if err == nil && !res.Accepted {
		err = errSilent
	}
	return err
}

// readDocument reads a JSON document from a file, or from standard input for "-".
func readDocument(name string, stdin io.Reader) (json.RawMessage, error) {
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxDocument+1))
	switch {
	case err != nil:
		return nil, err
	case len(b) > maxDocument:
		return nil, fmt.Errorf("%s: longer than %d bytes", name, maxDocument)
	case !json.Valid(b):
		return nil, fmt.Errorf("%s: no JSON", name)
	}
	return b, nil
}
