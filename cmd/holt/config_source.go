package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

const envPrefix = "HOLT_"

// notOptions are names with the prefix that other commands read, or that "holt serve" reads before its options.
var notOptions = []string{"HOLT_CONFIG", "HOLT_SERVER", "HOLT_TOKEN"}

// serviceLink begins or ends the names that Kubernetes gives to the containers of a name space in which a service is called holt.
func serviceLink(name string) bool {
	return strings.HasPrefix(name, "HOLT_PORT") || strings.HasPrefix(name, "HOLT_SERVICE_") || strings.Contains(name, "_SERVICE_") || strings.Contains(name, "_PORT")
}

// loaded says where options came from.
type loaded struct {
	from    map[string]string // option → flag, environment, file; absent: default
	strange []string          // names in the environment with the prefix that mean nothing here
}

// loadServeConfig gives every flag that the command line did not set the value of the environment, else of the file, and validates what came
// out. Its error names every option with a fault.
func loadServeConfig(flags *pflag.FlagSet, c *serveConfig, path string, environ []string) (*loaded, error) {
	l := &loaded{from: map[string]string{}}
	var errs []error
	inFile, err := readConfigFile(path)
	if err != nil {
		errs = append(errs, err)
	}
	inEnv := map[string]string{}
	for _, pair := range environ {
		if name, value, _ := strings.Cut(pair, "="); strings.HasPrefix(name, envPrefix) && value != "" {
			inEnv[name] = value
		}
	}
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name == "config" || f.Name == "help" {
			return
		}
		name := optionName(f.Name)
		variable := envPrefix + strings.ToUpper(name)
		text, given := inEnv[variable]
		value, inConfig := inFile[name]
		delete(inEnv, variable)
		delete(inFile, name)
		switch {
		case f.Changed:
			l.from[name] = "flag"
		case given:
			l.from[name] = "environment"
			if err := setValue(f, text); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", variable, err))
			}
		case inConfig && value != nil:
			l.from[name] = "file"
			if err := setFromFile(f, value); err != nil {
				errs = append(errs, fmt.Errorf("configuration file %s: %s: %w", path, name, err))
			}
		}
	})
	for name := range inFile {
		errs = append(errs, fmt.Errorf("configuration file %s: there is no option %q", path, name))
	}
	slices.SortFunc(errs, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	for name := range inEnv {
		if !slices.Contains(notOptions, name) {
			l.strange = append(l.strange, name)
		}
	}
	slices.Sort(l.strange)
	return l, errors.Join(append(errs, c.validate())...)
}

func optionName(flag string) string { return strings.ReplaceAll(flag, "-", "_") }

// readConfigFile reads a YAML file: one mapping of options; "" is none.
func readConfigFile(path string) (map[string]any, error) {
	if path == "" {
		return nil, nil
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("configuration file: %w", err)
	}
	var options map[string]any
	d := yaml.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&options); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("configuration file %s: %w", path, err)
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("configuration file %s: more than one document", path)
	}
	return options, nil
}

// setFromFile sets a flag to a value of YAML: a scalar, or a list of them where the flag is a list.
func setFromFile(f *pflag.Flag, value any) error {
	list, isList := value.([]any)
	to, takesList := f.Value.(pflag.SliceValue)
	switch {
	case isList && takesList:
		texts := make([]string, len(list))
		for i, v := range list {
			texts[i] = fmt.Sprint(v)
		}
		return to.Replace(texts)
	case isList:
		return errors.New("takes one value, not a list")
	}
	if _, ok := value.(map[string]any); ok {
		return errors.New("takes a value, not a mapping")
	}
	return setValue(f, fmt.Sprint(value))
}

// setValue sets a flag. One that does not take the text keeps its default: some forget it, and would have another fault then.
func setValue(f *pflag.Flag, text string) error {
	err := f.Value.Set(text)
	if _, list := f.Value.(pflag.SliceValue); err != nil && !list {
		_ = f.Value.Set(f.DefValue)
	}
	return plainFault(err)
}

// configPath returns the file to read: the flag, else HOLT_CONFIG, else none.
func configPath(flag string) string { return cmp.Or(flag, os.Getenv("HOLT_CONFIG")) }
