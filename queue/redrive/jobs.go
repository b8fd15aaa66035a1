package redrive

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holtmq/holt/queue/commit"
	"github.com/holtmq/holt/queue/share"
	"github.com/holtmq/holt/queue/store"
	"github.com/holtmq/holt/queue/system"
)

// Limits of jobs.
const (
	MaxKept    = 1000      // jobs remembered; the oldest that have ended go first
	MaxRunning = 100       // jobs at work
	MaxLetters = 1_000_000 // letters of one job
)

// Sentinels.
var (
	ErrNotFound = errors.New("no such redrive")
	ErrTooMany  = errors.New("too many redrives")
)

// prefix begins the names of the jobs' journals.
const prefix = "redrive/"

// Jobs are all jobs of a server. Its methods may be called from any goroutine.
type Jobs struct {
	committer *commit.Committer
	system    *system.Log

	mu   sync.Mutex
	all  map[string]*Job
	last int64 // ms: of the newest name
}

// Keep returns the jobs of a server's log that is not open yet: those that are stored are there when it is.
func Keep(l *system.Log, c *commit.Committer) *Jobs {
	jobs := &Jobs{committer: c, system: l, all: map[string]*Job{}}
	l.KeepEach(prefix, func(j *system.Journal) system.Machine {
		job := jobs.job(Definition{})
		job.journal = j
		jobs.all[strings.TrimPrefix(string(j.Name()), prefix)] = job
		return job
	})
	return jobs
}

func (s *Jobs) job(def Definition) *Job {
	return &Job{Definition: def, state: Running, committer: s.committer}
}

// Opened forgets jobs whose making a crash ended, once the committer runs.
func (s *Jobs) Opened() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(s.all)) {
		if j := s.all[id]; !j.isReady() || j.ID != id {
			s.forget(id, j)
		}
	}
}

func (s *Jobs) forget(id string, j *Job) {
	delete(s.all, id)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.gone = true
	s.committer.Enqueue(commit.Unit{j.journal.Forget()})
}

// Make stores a job with its letters; the definition's ID and CreatedAt are filled in. It returns once the job is on stable storage. With ErrTooMany there is no
// job; with the other errors, the commit's and the context's, it is made all the same as far as is known.
func (s *Jobs) Make(ctx context.Context, def Definition, ids []share.LetterID) (*Job, error) {
	if len(ids) > MaxLetters {
		return nil, fmt.Errorf("%d letters, at most %d in one: %w", len(ids), MaxLetters, ErrTooMany)
	}
	j, err := s.begin(def)
	if err != nil {
		return nil, err
	}
	t := s.fill(j, ids)
	return j, s.committer.Wait(ctx, t)
}

// begin makes room for a job and gives it its name.
func (s *Jobs) begin(def Definition) (*Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	running := 0
	var ended []*Job
	for _, j := range s.all {
		if p := j.Progress(); p.State == Running {
			running++
		} else {
			ended = append(ended, j)
		}
	}
	if running >= MaxRunning {
		return nil, fmt.Errorf("%d redrives run already: %w", running, ErrTooMany)
	}
	slices.SortFunc(ended, func(a, b *Job) int { return strings.Compare(a.ID, b.ID) })
	for len(s.all) >= MaxKept && len(ended) > 0 {
		s.forget(ended[0].ID, ended[0])
		ended = ended[1:]
	}
	def.CreatedAt = time.Now().UTC().Truncate(time.Millisecond)
	s.last = max(s.last+1, def.CreatedAt.UnixMilli())
	def.ID = newID(s.last)
	j := s.job(def)
	j.journal = s.system.Begin(store.Journal(prefix+def.ID), j)
	s.all[def.ID] = j
	return j, nil
}

// newID names a job, so that names are in order of their making.
func newID(ms int64) string {
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails
	return fmt.Sprintf("%0*x", timeDigits, ms) + hex.EncodeToString(random[:])
}

// timeDigits is how long the first part of a name is, which no two jobs of a server share.
const timeDigits = 11

// Since returns that part: when the job was made, or a little later.
func (d *Definition) Since() string { return d.ID[:min(timeDigits, len(d.ID))] }

// fill enqueues a job's definition and letters.
func (s *Jobs) fill(j *Job, ids []share.LetterID) commit.Ticket {
	j.mu.Lock()
	defer j.mu.Unlock()
	def, _ := json.Marshal(j.Definition) // it has only strings and numbers
	s.committer.Enqueue(commit.Unit{j.journal.Part(append([]byte{opDefine}, def...))})
	for some := range slices.Chunk(ids, maxIDs) {
		j.ids = append(j.ids, some...)
		s.committer.Enqueue(commit.Unit{j.journal.Part(encodeIDs(some))})
	}
	j.ready = true
	return s.committer.Enqueue(commit.Unit{j.journal.Part([]byte{opReady})})
}

// Get returns a job. Errors: ErrNotFound.
func (s *Jobs) Get(id string) (*Job, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j := s.all[id]; j != nil && j.isReady() {
		return j, nil
	}
	return nil, fmt.Errorf("redrive %.100q: %w", id, ErrNotFound)
}

// List returns up to limit jobs made before the one of a name ("" = the newest), the newest first.
func (s *Jobs) List(before string, limit int) []*Job {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*Job
	for id, j := range s.all {
		if (before == "" || id < before) && j.isReady() {
			out = append(out, j)
		}
	}
	slices.SortFunc(out, func(a, b *Job) int { return strings.Compare(b.ID, a.ID) })
	return out[:min(limit, len(out))]
}
