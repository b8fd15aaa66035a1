package demo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/holtmq/holt/client"
	"github.com/holtmq/holt/client/api"
)

const (
	PublishBatch = 500     // records a publish
	maxPath      = 4 << 10 // bytes: a record's longest key
)

// job is one file to hash, and the value of its record.
type job struct {
	Path    string `json:"path"` // below the tree, with slashes
	planted bool   // cannot be read
}

// digestValue is the value of a result's record.
type digestValue struct {
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
}

// findTree returns the directory whose files are hashed: dir, else src of the Go installation.
func findTree(ctx context.Context, dir string) (string, error) {
	const hint = "--dir names another tree of files to hash"
	if dir == "" {
		out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
		goroot := strings.TrimSpace(string(out))
		if err != nil || goroot == "" {
			return "", fmt.Errorf("no Go installation found ('go env GOROOT' says nothing); %s", hint)
		}
		dir = filepath.Join(goroot, "src")
	}
	root, err := filepath.EvalSymlinks(dir)
	if err == nil {
		root, err = filepath.Abs(root)
	}
	if err != nil {
		return "", fmt.Errorf("tree of files: %w; %s", err, hint)
	}
	st, err := os.Stat(root)
	if err == nil && !st.IsDir() {
		err = fmt.Errorf("%s is no directory", root)
	}
	if err != nil {
		return "", fmt.Errorf("tree of files: %w; %s", err, hint)
	}
	return root, nil
}

// listJobs lists the files below root, at most limit (0 = all) of them, with the planted ones mixed in.
func listJobs(root string, limit int, seed uint64) ([]job, error) {
	files, dirs, err := listTree(root)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s holds no files to hash; --dir names another tree", root)
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	rng.Shuffle(len(files), func(i, j int) { files[i], files[j] = files[j], files[i] })
	if limit > 0 && len(files) > limit {
		files = files[:limit]
	}
	jobs := make([]job, 0, len(files)+Planted)
	for _, f := range files {
		jobs = append(jobs, job{Path: f})
	}
	jobs = append(jobs, plantedJobs(root, dirs, rng)...)
	rng.Shuffle(len(jobs), func(i, j int) { jobs[i], jobs[j] = jobs[j], jobs[i] })
	return jobs, nil
}

// listTree returns regular files and directories below root, at most MaxJobs of each. What cannot be a record's
// key is left out.
func listTree(root string) (files, dirs []string, err error) {
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil && path == root:
			return err
		case err != nil: // a directory that cannot be read has no files for us
			return fs.SkipDir
		case len(files) == MaxJobs:
			return fs.SkipAll
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		switch {
		case !utf8.ValidString(rel) || len(rel) > maxPath:
		case e.Type().IsRegular():
			files = append(files, rel)
		case e.IsDir() && rel != "." && len(dirs) < MaxJobs:
			dirs = append(dirs, rel)
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("list the files: %w", err)
	}
	return files, dirs, nil
}

// plantedJobs are paths that nobody can hash, root neither: files that do not exist, and a directory. (Permissions
// would not stop root.)
func plantedJobs(root string, dirs []string, rng *rand.Rand) []job {
	jobs := []job{{Path: ".", planted: true}}
	if len(dirs) > 0 {
		jobs[0].Path = dirs[rng.IntN(len(dirs))]
	}
	for n := 1; len(jobs) < Planted; n++ {
		path := fmt.Sprintf("planted-missing-%d.go", n)
		if _, err := os.Lstat(filepath.Join(root, path)); errors.Is(err, fs.ErrNotExist) {
			jobs = append(jobs, job{Path: path, planted: true})
		}
	}
	return jobs
}

// hashFile reads and hashes one file below root.
func hashFile(root *os.Root, path string) (digestValue, error) {
	f, err := root.Open(filepath.FromSlash(path))
	if err != nil {
		return digestValue{}, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return digestValue{}, err
	}
	return digestValue{hex.EncodeToString(h.Sum(nil)), n}, nil
}

// publish publishes all jobs, before the server is killed: so each is published once, with an answer.
func (d *demo) publish(ctx context.Context) error {
	begin := time.Now()
	for at := 0; at < len(d.jobs); at += PublishBatch {
		batch := d.jobs[at:min(at+PublishBatch, len(d.jobs))]
		if err := d.publishBatch(ctx, batch); err != nil {
			return fmt.Errorf("publish to %s: %w", filesTopic, err)
		}
	}
	d.facts.publishTook = time.Since(begin)
	return nil
}

func (d *demo) publishBatch(ctx context.Context, batch []job) error {
	records := make([]api.NewRecord, len(batch))
	for i, j := range batch {
		r, err := client.NewRecord(client.JSON(j), client.Key(j.Path))
		if err != nil {
			return err
		}
		records[i] = r
	}
	d.history.publishing(batch, machineClock())
	_, err := d.client.PublishBatch(ctx, filesTopic, records, client.PublishOptions{})
	return err
}
