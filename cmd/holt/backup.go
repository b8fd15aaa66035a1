package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
	"github.com/holtmq/holt/queue"
	"github.com/holtmq/holt/queue/backup"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/store/badger"
)

// backupExt ends the names of backups that are made in a directory; while one is under way, partExt follows.
const (
	backupExt = ".holt"
	partExt   = ".part"
)

// backupJSON is what holt backup and holt restore print.
type backupJSON struct {
	Path     string `json:"path"`
	Sequence uint64 `json:"sequence"`
	At       string `json:"at"`
	Keys     int64  `json:"keys"`
	Bytes    int64  `json:"bytes"`
}

func (a *app) newBackupCommand() *cobra.Command {
	return &cobra.Command{
		Use: "backup FILE|DIR", Short: "Copy a running server into a file", Args: takes(1, 1),
		Long: "Copy a running server, all topics and groups as they are at one moment, into FILE, or into a new file in DIR; \"-\" is standard\n" +
			"output. The server goes on meanwhile. The file gets its name when it is whole, checked and on stable storage. One that\n" +
			"breaks off stays as FILE.part: the same command within five minutes goes on where it ended, later it begins anew. It holds\n" +
			"every record and the server's secrets: keep it as you keep the data.",
		Example: "  holt backup /var/backups/holt\n" +
			"  holt backup - | zstd > holt.zst",
		RunE: func(cmd *cobra.Command, args []string) error { return a.backup(cmd.Context(), args[0]) },
	}
}

func (a *app) backup(ctx context.Context, target string) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	if target == "-" && isTerminal(a.stdout) {
		return usagef("a backup is nothing for a terminal: name a file, or send it somewhere")
	}
	if target == "-" {
		in, err := c.Backup(ctx)
		if err != nil {
			return err
		}
		defer in.Close()
		if _, err = a.copyChecked(in, a.stdout); errors.Is(err, badger.ErrDamagedCopy) {
			err = fmt.Errorf("the backup broke off: %w; make it again", err)
		}
		return err
	}
	if st, err := os.Stat(target); err == nil && st.IsDir() {
		target = newBackup(target)
	}
	return a.backupTo(ctx, c, target)
}

// newBackup names a backup in a directory: the newest one there, if it broke off so lately that it can be gone on with, or a new one.
func newBackup(dir string) string {
	if parts, err := filepath.Glob(filepath.Join(dir, "holt-*"+backupExt+partExt)); err == nil && len(parts) > 0 {
		last := parts[len(parts)-1] // they are sorted, and so by time
		if fi, err := os.Stat(last); err == nil && time.Since(fi.ModTime()) < backup.KeepFor {
			return strings.TrimSuffix(last, partExt)
		}
	}
	return filepath.Join(dir, "holt-"+time.Now().UTC().Format("20060102T150405Z")+backupExt)
}

// backupTo writes a backup beside its target, behind what is there of it already, and gives it its name once it is whole.
func (a *app) backupTo(ctx context.Context, c *client.Client, target string) error {
	if _, err := os.Stat(target); err == nil {
		return fmt.Errorf("%s exists", target)
	}
	part := target + partExt
	f, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	in, there, err := a.beginBackup(ctx, c, f)
	if err != nil {
		if there == 0 {
			err = errors.Join(err, os.Remove(part))
		}
		return err
	}
	defer in.Close()
	// What is there is read once more, so that the whole is checked.
	info, err := a.copyChecked(io.MultiReader(io.NewSectionReader(f, 0, there), io.TeeReader(in, io.NewOffsetWriter(f, there))), io.Discard)
	if err != nil {
		return fmt.Errorf("the backup broke off: %w; the same command goes on with %s", err, part)
	}
	err = f.Sync()
	if err == nil {
		err = os.Rename(part, target)
	}
	if err != nil {
		return err
	}
	return a.showBackup(target, info)
}

// beginBackup asks for a backup, or for what is missing behind the whole frames that a file has, which is cut to them. there is how many bytes these are.
func (a *app) beginBackup(ctx context.Context, c *client.Client, f *os.File) (in io.ReadCloser, there int64, err error) {
	info, there, err := badger.WholeFrames(f)
	if err == nil {
		in, err = c.ResumeBackup(ctx, info.Tag(), there)
		var refused *client.Error
		switch {
		case errors.As(err, &refused) && refused.Code == api.PreconditionFailed:
			a.say("the server cannot go on with %s any more: a new backup begins", f.Name())
			there = 0
		case err != nil:
			return nil, there, err
		}
	} else if there = 0; !errors.Is(err, badger.ErrDamagedCopy) {
		return nil, 0, err
	}
	if in == nil {
		in, err = c.Backup(ctx)
	}
	if err == nil {
		err = f.Truncate(there)
	}
	return in, there, err
}

// copyChecked passes a backup on and reads it to its end on the way.
func (a *app) copyChecked(in io.Reader, out io.Writer) (store.Backup, error) {
	bar := a.newByteProgress("backup", -1)
	defer bar.finish()
	return badger.CheckCopy(io.TeeReader(in, io.MultiWriter(out, bar)))
}

func (a *app) showBackup(path string, info store.Backup) error {
	b := backupJSON{path, info.Sequence, info.At.UTC().Format("2006-01-02T15:04:05.000Z"), info.Keys, info.Bytes}
	return a.one(row{path, b, nil}, func() error {
		return a.fields("file", plain(path), "as of", b.At, "commit", fmt.Sprint(info.Sequence), "keys", showNumber(info.Keys), "bytes", showBytes(info.Bytes))
	})
}

func (a *app) newRestoreCommand() *cobra.Command {
	var dir string
	var check bool
	cmd := &cobra.Command{
		Use: "restore FILE", Short: "Make a data directory of a backup", Args: takes(1, 1),
		Long: "Make a data directory of a backup; \"-\" is standard input. The directory must be empty, or not exist. The file is checked to its end: of a\n" +
			"damaged or cut one nothing is left. What a killed restore leaves no server opens, and the same command clears it and begins anew. A\n" +
			"restored server is a server of its own: receipts of the one that was copied mean nothing to it, and records that were leased then\n" +
			"come again when their leases are over. With --check the file is only checked.",
		Example: "  holt restore /var/backups/holt/holt-20260102T150405Z.holt --data /var/lib/holt\n" +
			"  zstd -dc holt.zst | holt restore - --data /var/lib/holt",
		RunE: func(cmd *cobra.Command, args []string) error {
			if !check && !cmd.Flags().Changed("data") {
				return usagef("--data says where to; --check only checks the file")
			}
			return a.restore(cmd.Context(), args[0], dir, check)
		},
	}
	cmd.Flags().StringVar(&dir, "data", "", "data `directory` to make")
	cmd.Flags().BoolVar(&check, "check", false, "only check the file")
	return cmd
}

func (a *app) restore(ctx context.Context, file, dir string, check bool) error {
	in, size := a.stdin, int64(-1)
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		if st, err := f.Stat(); err == nil && st.Mode().IsRegular() {
			size = st.Size()
		}
		in = f
	}
	title := "restore"
	if check {
		title = "check"
	}
	bar := a.newByteProgress(title, size)
	defer bar.finish()
	in = io.TeeReader(in, bar)
	if check {
		info, err := badger.CheckCopy(in)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		bar.finish()
		return a.showBackup(file, info)
	}
	info, err := badger.Restore(ctx, dir, in, queue.RestoreForgets...)
	if err != nil {
		if strings.HasSuffix(file, partExt) {
			err = fmt.Errorf("%w (this backup was never finished)", err)
		}
		return err
	}
	bar.finish()
	return a.showBackup(dir, info)
}
