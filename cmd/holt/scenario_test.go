package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// scenarioTests matches a test of one or several scenarios of share groups: TestScenario08…, TestScenario19And40….
var (
	scenarioTests  = regexp.MustCompile(`(?m)^func TestScenario(\d+(?:And\d+)*)`)
	scenarioNumber = regexp.MustCompile(`\d+`)
)

// lastScenario is the last one of share groups and dead letters.
const lastScenario = 73

// TestEveryScenarioIsATest finds a test of each scenario by its number.
func TestEveryScenarioIsATest(t *testing.T) {
	found := map[int]bool{}
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		src, err := os.ReadFile(path)
		for _, m := range scenarioTests.FindAllSubmatch(src, -1) {
			for _, n := range scenarioNumber.FindAllString(string(m[1]), -1) {
				i, _ := strconv.Atoi(n)
				found[i] = true
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= lastScenario; n++ {
		if !found[n] {
			t.Errorf("scenario %d is no test: name one TestScenario%02d…", n, n)
		}
	}
}
