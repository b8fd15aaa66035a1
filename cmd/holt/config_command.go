package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// serveOptions are the options of a command that are those of "holt serve".
type serveOptions struct {
	serveConfig
	path string // of the file
}

func (o *serveOptions) define(cmd *cobra.Command) {
	serveFlags(cmd.Flags(), &o.serveConfig)
	cmd.Flags().StringVar(&o.path, "config", "", "YAML `file` with options (also HOLT_CONFIG)")
}

// load fills in what the command line did not say. It must be called once the flags are parsed.
func (o *serveOptions) load(cmd *cobra.Command) (*loaded, error) {
	return loadServeConfig(cmd.LocalNonPersistentFlags(), &o.serveConfig, configPath(o.path), os.Environ())
}

func (a *app) newConfigCommand() *cobra.Command {
	return newNoun("config", "Check and show what the server would be started with", a.newConfigCheckCommand(), a.newConfigShowCommand())
}

func (a *app) newConfigCheckCommand() *cobra.Command {
	o := &serveOptions{}
	c := &cobra.Command{
		Use: "check", Short: "Say every fault of the configuration: flags, environment and file, as holt serve would take them", Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := o.load(cmd)
			a.warnStrange(l)
			if err != nil {
				return err
			}
			a.say("the configuration is fine")
			return nil
		},
	}
	o.define(c)
	return c
}

func (a *app) newConfigShowCommand() *cobra.Command {
	o := &serveOptions{}
	c := &cobra.Command{
		Use: "show", Short: "Show every option, its value, and where that comes from", Args: takes(0, 0),
		Long: "Show every option, its value, and where that comes from.\n\nWith -o json it is one object, which is a configuration file, too.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := o.load(cmd)
			a.warnStrange(l)
			if err != nil {
				return err
			}
			return a.showConfig(cmd.LocalNonPersistentFlags(), l)
		},
	}
	o.define(c)
	return c
}

// configOption is one option in NDJSON.
type configOption struct {
	Option string `json:"option"`
	Value  any    `json:"value"`
	From   string `json:"from"`
}

func (a *app) showConfig(flags *pflag.FlagSet, l *loaded) error {
	whole := map[string]any{}
	p := a.newPrinter("OPTION", "VALUE", "FROM")
	var err error
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name == "config" || f.Name == "help" || err != nil {
			return
		}
		value, cell := shownOption(f)
		o := configOption{optionName(f.Name), value, "default"}
		if from := l.from[o.Option]; from != "" {
			o.From = from
		}
		whole[o.Option] = o.Value
		if a.format != formatJSON {
			err = p.add(row{o.Option, o, []string{o.Option, cell, o.From}})
		}
	})
	if err != nil {
		return err
	}
	if a.format == formatJSON {
		return p.encode(whole, "", "\n")
	}
	return p.end()
}

// shownOption is an option's value as JSON has it, and as a table does.
func shownOption(f *pflag.Flag) (value any, cell string) {
	text := f.Value.String()
	if list, ok := f.Value.(pflag.SliceValue); ok {
		return append([]string{}, list.GetSlice()...), showList(list.GetSlice())
	}
	switch f.Value.Type() {
	case "bool", "int", "int64":
		return json.RawMessage(text), text
	}
	return text, cmp.Or(text, "-")
}

// warnStrange says what in the environment looks like an option and is none.
func (a *app) warnStrange(l *loaded) {
	for _, name := range l.strange {
		if serviceLink(name) {
			continue // of Kubernetes, and of no harm
		}
		a.say("warning: %s in the environment is no option", name)
	}
}

// explainUsage makes wrong options wrong usage.
func explainUsage(err error) error {
	if err == nil {
		return nil
	}
	return &usageError{fmt.Sprint(err)}
}
