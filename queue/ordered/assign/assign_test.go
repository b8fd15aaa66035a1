package assign

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestAssign(t *testing.T) {
	for _, c := range []struct {
		name string
		in   Input
		want string
	}{
		{"nobody", Input{Topics: []int{2}}, "[[-1 -1]]"},
		{"the first gets all", Input{Topics: []int{3}, Members: [][]int{{0}}}, "[[0 0 0]]"},
		{"only the surplus moves", Input{Topics: []int{4}, Members: [][]int{{0}, {0}}, Was: [][]int{{0, 0, 0, 0}}, Held: [][]int{{0, 0, 0, 0}}}, "[[0 0 1 1]]"},
		{"more members than partitions", Input{Topics: []int{1}, Members: [][]int{{0}, {0}, {0}}, Was: [][]int{{1}}}, "[[1]]"},
		{"a topic that nobody wants", Input{Topics: []int{1, 2}, Members: [][]int{{1}}}, "[[-1] [0 0]]"},
		{"one that wants it no more", Input{Topics: []int{2}, Members: [][]int{{}, {0}}, Was: [][]int{{0, 0}}}, "[[1 1]]"},
		{"grown", Input{Topics: []int{4}, Members: [][]int{{0}, {0}}, Was: [][]int{{0, 1}}}, "[[0 1 0 1]]"},
		{"back to who reads it still", Input{Topics: []int{2}, Members: [][]int{{0}}, Was: [][]int{{0, None}}, Held: [][]int{{0, 0}}}, "[[0 0]]"},
		{"what was not begun goes first", Input{Topics: []int{4}, Members: [][]int{{0}, {0}}, Was: [][]int{{0, 0, 0, 0}}, Held: [][]int{{None, None, 0, 0}}}, "[[1 1 0 0]]"},
		{
			// 0 reads both topics, 1 only the second: a chain over 0 is what evens 1 out with 2.
			"a chain",
			Input{Topics: []int{2, 2}, Members: [][]int{{0, 1}, {1}, {0}}, Was: [][]int{{0, 0}, {1, 1}}, Held: [][]int{{0, 0}, {1, 1}}},
			"[[0 2] [1 1]]",
		},
	} {
		if got := fmt.Sprint(Assign(c.in)); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// drawInput draws topics, members and what was, which fits them or not.
func drawInput(t *rapid.T, maxTopics, maxMembers, maxPartitions int) Input {
	in := Input{Topics: rapid.SliceOfN(rapid.IntRange(0, maxPartitions), 1, maxTopics).Draw(t, "topics")}
	for range rapid.IntRange(0, maxMembers).Draw(t, "members") {
		in.Members = append(in.Members, rapid.SliceOfNDistinct(rapid.IntRange(0, len(in.Topics)-1), 0, len(in.Topics), rapid.ID[int]).Draw(t, "reads"))
	}
	rows := func(label string) (out [][]int) {
		for range rapid.IntRange(0, len(in.Topics)).Draw(t, label) {
			out = append(out, rapid.SliceOfN(rapid.IntRange(None, len(in.Members)-1), 0, maxPartitions).Draw(t, label))
		}
		return out
	}
	in.Was, in.Held = rows("was"), rows("held")
	return in
}

func loads(in Input, target [][]int) []int {
	out := make([]int, len(in.Members))
	for _, row := range target {
		for _, m := range row {
			if m != None {
				out[m]++
			}
		}
	}
	return out
}

func TestEveryPartitionHasOneReaderThatWantsIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t, 4, 8, 6)
		for topic, row := range Assign(in) {
			if len(row) != in.Topics[topic] {
				t.Fatalf("topic %d has %d partitions of %d", topic, len(row), in.Topics[topic])
			}
			wanted := slices.ContainsFunc(in.Members, func(reads []int) bool { return slices.Contains(reads, topic) })
			for p, m := range row {
				if (m != None) != wanted || m != None && !slices.Contains(in.Members[m], topic) {
					t.Fatalf("%d/%d is for %d", topic, p, m)
				}
			}
		}
	})
}

// best returns the most even loads there can be, fullest first, by trying everything.
func best(in Input) []int {
	var places []int // the topic of each partition that somebody wants
	for topic, n := range in.Topics {
		for range n {
			if slices.ContainsFunc(in.Members, func(reads []int) bool { return slices.Contains(reads, topic) }) {
				places = append(places, topic)
			}
		}
	}
	load := make([]int, len(in.Members))
	var least []int
	var try func(i int)
	try = func(i int) {
		if i == len(places) {
			sorted := slices.Clone(load)
			slices.SortFunc(sorted, func(a, b int) int { return b - a })
			if least == nil || slices.Compare(sorted, least) < 0 {
				least = sorted
			}
			return
		}
		for m, reads := range in.Members {
			if slices.Contains(reads, places[i]) {
				load[m]++
				try(i + 1)
				load[m]--
			}
		}
	}
	try(0)
	return least
}

func TestLoadsAreAsEvenAsCanBe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t, 3, 4, 2)
		got := loads(in, Assign(in))
		slices.SortFunc(got, func(a, b int) int { return b - a })
		if want := best(in); len(in.Members) > 0 && !slices.Equal(got, want) {
			t.Fatalf("loads %v, could be %v", got, want)
		}
	})
}

func TestWhatIsFairStays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := drawInput(t, 4, 8, 6)
		first := Assign(in)
		in.Was = first
		if again := Assign(in); fmt.Sprint(again) != fmt.Sprint(first) {
			t.Fatalf("%v became %v", first, again)
		}
	})
}

// TestOnlyTheSurplusMoves: when all read the same, what moves is exactly what is over the even share of those who had more.
func TestOnlyTheSurplusMoves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 30).Draw(t, "partitions")
		was := rapid.IntRange(1, 8).Draw(t, "members")
		in := Input{Topics: []int{n}}
		for range was {
			in.Members = append(in.Members, []int{0})
		}
		before := Assign(in)
		in.Was, in.Held = before, before
		join := rapid.Bool().Draw(t, "join")
		if join || was == 1 {
			in.Members = append(in.Members, []int{0})
		} else {
			in.Members[rapid.IntRange(0, was-1).Draw(t, "gone")] = nil
		}
		after := Assign(in)
		old, now := loads(in, before), loads(in, after)
		moved := 0
		for p := range n {
			if before[0][p] != after[0][p] {
				moved++
			}
		}
		least := 0
		for m := range in.Members {
			least += max(0, old[m]-now[m])
		}
		if moved != least {
			t.Fatalf("%d moved, %d were enough: %v, %v", moved, least, before, after)
		}
	})
}

func BenchmarkThousandsJoin(b *testing.B) {
	const members, partitions = 5000, 256
	for b.Loop() {
		in := Input{Topics: []int{partitions}}
		for range members {
			in.Members = append(in.Members, []int{0})
			in.Was = Assign(in)
		}
	}
}
