package main

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"
)

// version is set by the linker in releases.
var version string

const versionWait = time.Second // for the server's answer

// versionJSON is what holt version prints.
type versionJSON struct {
	Version string         `json:"version"`
	Commit  string         `json:"commit,omitempty"`
	Go      string         `json:"go"`
	OS      string         `json:"os"`
	Arch    string         `json:"arch"`
	Server  *serverVersion `json:"server,omitempty"`
}

type serverVersion struct {
	Version string `json:"version"`
	Engine  string `json:"engine"`
}

func (a *app) newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Show the version of this program, and of the server if there is one", Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := ownVersion()
			c, err := a.client()
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), versionWait)
			defer cancel()
			if info, err := c.Info(ctx); err == nil {
				v.Server = &serverVersion{info.Version, info.Engine}
			}
			return a.one(row{v.Version, v, nil}, func() error { return a.showVersion(v) })
		},
	}
}

func (a *app) showVersion(v versionJSON) error {
	line := fmt.Sprintf("holt %s (%s, %s/%s)", v.Version, v.Go, v.OS, v.Arch)
	if v.Server != nil {
		line += fmt.Sprintf("\nserver %s (%s)", plain(v.Server.Version), plain(v.Server.Engine))
	}
	_, err := fmt.Fprintln(a.stdout, line)
	return err
}

func ownVersion() versionJSON {
	v := versionJSON{Version: version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		v.Version = cmp.Or(v.Version, info.Main.Version)
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v.Commit = s.Value
			}
		}
	}
	v.Version = cmp.Or(v.Version, "(devel)")
	return v
}
