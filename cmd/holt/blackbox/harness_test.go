package blackbox_test

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holtmq/holt/cmd/holt/process"
)

const (
	// raceVariable, when not empty, builds the server with the race detector.
	raceVariable = "HOLT_BLACKBOX_RACE"
	// binaryVariable is a server to test instead of one built from the tree.
	binaryVariable = "HOLT_BLACKBOX_BINARY"
	// readyWithin is generous: a start after a crash replays the log on a
	// machine that may be busy with everything else.
	readyWithin = 60 * time.Second
	// logKept bounds what is remembered of a server's standard error.
	logKept = 64 << 10
	// logShown is how much of it a failed test prints.
	logShown = 6 << 10
)

var (
	launch   *launcher
	workDir  string
	theShare sharedServer
)

func TestMain(m *testing.M) {
	flag.Parse()
	widen()
	os.Exit(run(m))
}

// widen lets more tests run at once than there are processors, as most of them
// wait; a -parallel on the command line counts more.
func widen() {
	const atOnce = "24"
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		flag.Set("test.parallel", atOnce)
	}
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "holt-blackbox-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "blackbox:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	workDir = dir
	launch = newLauncher()
	defer launch.stop()
	defer theShare.stop()
	return m.Run()
}

// launcher starts every server from one thread that never ends: the kernel
// sends Pdeathsig when the starting thread ends, not the process.
type launcher struct {
	work chan func()
	done chan struct{}
}

func newLauncher() *launcher {
	l := &launcher{work: make(chan func()), done: make(chan struct{})}
	go func() {
		runtime.LockOSThread()
		defer close(l.done)
		for f := range l.work {
			f()
		}
	}()
	return l
}

func (l *launcher) start(cmd *exec.Cmd) error {
	result := make(chan error, 1)
	l.work <- func() { result <- cmd.Start() }
	return <-result
}

func (l *launcher) stop() {
	close(l.work)
	<-l.done
}

// built makes the binary once per test run, or takes the one that is given.
var built = sync.OnceValues(func() (string, error) {
	if given := os.Getenv(binaryVariable); given != "" {
		return given, nil
	}
	path := filepath.Join(workDir, "holt")
	args := []string{"build", "-o", path}
	if os.Getenv(raceVariable) != "" {
		args = append(args, "-race")
	}
	if err := readSources(filepath.Join("..", "..", "..")); err != nil {
		return "", err
	}
	cmd := exec.Command("go", append(args, "github.com/holtmq/holt/cmd/holt")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the server: %w\n%s", err, out)
	}
	return path, nil
})

// readSources reads the server's sources, so that "go test" knows that a result hangs on them: it keeps results of tests whose own packages and files
// did not change, and this package imports nothing of what it tests.
func readSources(root string) error {
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." {
			return fs.SkipDir
		}
		if ext := filepath.Ext(path); d.Type().IsRegular() && (ext == ".go" || ext == ".mod" || ext == ".sum" || ext == ".yaml") && !strings.HasSuffix(path, "_test.go") {
			_, err = os.ReadFile(path)
		}
		return err
	})
}

// server is one data directory and the process that serves it, which may be
// killed and started again on the same address.
type server struct {
	dir   string
	addr  string
	flags []string
	under []string // the command that runs the server, as strace does

	logs tail

	mu   sync.Mutex
	cmd  *exec.Cmd
	out  []string
	done chan struct{}
}

// newServer starts a server on a directory of its own; it ends with the test.
func newServer(t testing.TB, flags ...string) *server {
	t.Helper()
	dir, err := os.MkdirTemp(workDir, "data-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return newServerOn(t, dir, flags...)
}

// newServerOn starts a server on a directory that is there; it ends with the test.
func newServerOn(t testing.TB, dir string, flags ...string) *server {
	t.Helper()
	s := &server{dir: dir, addr: reserved(t), flags: flags}
	t.Cleanup(func() {
		s.kill()
		s.showLogs(t)
	})
	s.start(t)
	return s
}

// reserved is an address that is the test's own, also while its server is dead: a
// socket that is bound and does not listen keeps it from everybody who asks for
// any port, and from no server that asks for this one.
func reserved(t testing.TB) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	syscall.CloseOnExec(fd)
	err = errors.Join(
		syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1),
		syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}),
	)
	at, atErr := syscall.Getsockname(fd)
	if err := errors.Join(err, atErr); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint("127.0.0.1:", at.(*syscall.SockaddrInet4).Port)
}

// showLogs prints the end of the server's log when the test has failed.
func (s *server) showLogs(t testing.TB) {
	if t.Failed() {
		t.Logf("end of the log of the server at %s:\n%s", s.addr, s.logs.last(logShown))
	}
	if at := s.logs.find("panic:", "DATA RACE", "fatal error:"); at != "" {
		t.Errorf("the server's log has: %s", at)
	}
}

// start runs the server and waits until it says that it is ready.
func (s *server) start(t testing.TB) {
	t.Helper()
	if err := s.tryStart(); err != nil {
		t.Fatalf("start the server: %v\n%s", err, s.logs.last(logShown))
	}
}

func (s *server) tryStart() error {
	path, err := built()
	if err != nil {
		return err
	}
	cmd, stdout, err := s.command(path)
	if err != nil {
		return err
	}
	if err := launch.start(cmd); err != nil {
		return err
	}
	done, ready := make(chan struct{}), make(chan string, 1)
	s.mu.Lock()
	s.cmd, s.done, s.out = cmd, done, nil
	s.mu.Unlock()
	go s.reap(cmd, stdout, ready, done)
	return s.awaitReady(ready, done)
}

func (s *server) command(path string) (*exec.Cmd, io.ReadCloser, error) {
	args := append(slices.Clone(s.under), path, "serve", "--data", s.dir, "--listen", s.addr)
	args = append(args, s.flags...)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = cleanEnv()
	cmd.Stderr = &s.logs
	cmd.SysProcAttr = process.Attributes()
	stdout, err := cmd.StdoutPipe()
	return cmd, stdout, err
}

// cleanEnv keeps settings of the machine away from the server.
func cleanEnv() []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "HOLT_") {
			env = append(env, e)
		}
	}
	return env
}

// reap reads standard output to its end, then the exit status.
func (s *server) reap(cmd *exec.Cmd, stdout io.Reader, ready chan<- string, done chan<- struct{}) {
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		s.mu.Lock()
		s.out = append(s.out, lines.Text())
		first := len(s.out) == 1
		s.mu.Unlock()
		if first {
			ready <- lines.Text()
		}
	}
	cmd.Wait()
	close(done)
}

var addressPattern = regexp.MustCompile(`127\.0\.0\.1:\d+`)

func (s *server) awaitReady(ready <-chan string, done <-chan struct{}) error {
	deadline := time.NewTimer(readyWithin)
	defer deadline.Stop()
	select {
	case line := <-ready:
		addr := addressPattern.FindString(line)
		if addr == "" {
			return fmt.Errorf("the line on standard output has no address: %q", line)
		}
		s.addr = addr
		return nil
	case <-done:
		return errors.New("it ended before it was ready")
	case <-deadline.C:
		return fmt.Errorf("not ready within %v", readyWithin)
	}
}

// kill ends the process as a crash does and waits until it is gone.
func (s *server) kill() {
	s.signal(syscall.SIGKILL)
	if done := s.running(); done != nil {
		<-done
	}
}

// crash kills the server and starts it again on the same directory and port.
func (s *server) crash(t testing.TB) {
	t.Helper()
	s.kill()
	s.start(t)
}

func (s *server) signal(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd != nil && s.cmd.Process != nil {
		s.cmd.Process.Signal(sig)
	}
}

func (s *server) running() chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done
}

// exit waits for the end of the process and returns its exit status.
func (s *server) exit(t testing.TB, within time.Duration) int {
	t.Helper()
	select {
	case <-s.running():
	case <-time.After(within):
		t.Fatalf("the server has not ended within %v", within)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cmd.ProcessState.ExitCode()
}

func (s *server) alive() bool {
	select {
	case <-s.running():
		return false
	default:
		return true
	}
}

// output returns the lines written to standard output so far.
func (s *server) output() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.out...)
}

// sharedServer is the one that scenarios with topics and groups of their own use.
type sharedServer struct {
	once sync.Once
	s    *server
	err  error
}

// shared returns a client of the server all tests may use at once.
func shared(t testing.TB) client {
	t.Helper()
	theShare.once.Do(func() {
		dir, err := os.MkdirTemp(workDir, "shared-")
		theShare.s, theShare.err = &server{dir: dir, addr: "127.0.0.1:0"}, err
		if err == nil {
			theShare.err = theShare.s.tryStart()
		}
	})
	if theShare.err != nil {
		t.Fatalf("start the shared server: %v\n%s", theShare.err, theShare.s.logs.last(logShown))
	}
	t.Cleanup(func() { theShare.s.showLogs(t) })
	return newClient(t, theShare.s)
}

func (s *sharedServer) stop() {
	if s.s != nil {
		s.s.kill()
	}
}

// tail keeps the end of a log.
type tail struct {
	mu   sync.Mutex
	data []byte
}

func (l *tail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.data = append(l.data, p...)
	if over := len(l.data) - logKept; over > 0 {
		l.data = append(l.data[:0], l.data[over:]...)
	}
	return len(p), nil
}

func (l *tail) last(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.data[max(0, len(l.data)-n):])
}

// find returns the first line that holds one of the words.
func (l *tail) find(words ...string) string {
	for line := range strings.Lines(l.last(logKept)) {
		for _, w := range words {
			if strings.Contains(line, w) {
				return strings.TrimSpace(line)
			}
		}
	}
	return ""
}

// eventually polls until the condition holds: the machine may be slow, so the
// limits are far beyond what is expected.
func eventually(t testing.TB, within time.Duration, what string, holds func() bool) {
	t.Helper()
	if !poll(within, holds) {
		t.Fatalf("not within %v: %s", within, what)
	}
}

func poll(within time.Duration, holds func() bool) bool {
	deadline := time.Now().Add(within)
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		if holds() {
			return true
		}
		if time.Now().After(deadline) {
			return false
		}
		<-tick.C
	}
}

// pause lets real time go by where the scenario is about time itself.
func pause(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
}
