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

	"github.com/holtmq/holt/queue"
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
			"output. The server goes on meanwhile. The file gets its name when it is whole, checked and on stable storage; a backup that\n" +
			"breaks off is begun again. It holds every record and the server's secrets: keep it as you keep the data.",
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
	in, err := c.Backup(ctx)
	if err != nil {
		return err
	}
	defer in.Close()
	if target == "-" {
		_, err := a.copyChecked(in, a.stdout)
		return err
	}
	if st, err := os.Stat(target); err == nil && st.IsDir() {
		target = filepath.Join(target, "holt-"+time.Now().UTC().Format("20060102T150405Z")+backupExt)
	}
	return a.backupTo(in, target)
}

// backupTo writes a backup beside its target, and gives it its name once it is whole.
func (a *app) backupTo(in io.Reader, target string) (err error) {
	if _, err := os.Stat(target); err == nil {
		return fmt.Errorf("%s exists", target)
	}
	part := target + partExt
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	info, err := a.copyChecked(in, f)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(part, target)
	}
	if err != nil {
		return errors.Join(err, os.Remove(part))
	}
	return a.showBackup(target, info)
}

// copyChecked passes a backup on and reads it to its end on the way.
func (a *app) copyChecked(in io.Reader, out io.Writer) (store.Backup, error) {
	bar := a.newByteProgress("backup", -1)
	defer bar.finish()
	info, err := badger.CheckCopy(io.TeeReader(in, io.MultiWriter(out, bar)))
	if errors.Is(err, badger.ErrDamagedCopy) {
		err = fmt.Errorf("the backup broke off: %w; make it again", err)
	}
	return info, err
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
			"damaged or cut one nothing is left. A restored server is a server of its own: receipts of the one that was copied mean nothing to\n" +
			"it, and records that were leased then come again when their leases are over. With --check the file is only checked.",
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
