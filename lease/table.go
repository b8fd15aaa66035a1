package lease

import "math/bits"

// table finds the number of a thing by its 64-bit key: open addressing, linear probing, four bytes a cell, at most three
// quarters full and, once grown, at least three fifths. It stores numbers only and asks keyOf for the key of one. 0 = none.
type table struct {
	cells []uint32
	n     int
	keyOf func(uint32) uint64
}

const tableMin = 16 // cells

// home is the cell a key would like: multiplication by the golden ratio spreads runs of offsets evenly, over any number of cells.
func (t *table) home(key uint64) int {
	home, _ := bits.Mul64(key*0x9E3779B97F4A7C15, uint64(len(t.cells)))
	return int(home)
}

// after is the cell behind another one.
func (t *table) after(i int) int {
	if i++; i < len(t.cells) {
		return i
	}
	return 0
}

// cell gives the index of the cell that holds the number of a key, or of the empty one where it is not.
func (t *table) cell(key uint64) int {
	i := t.home(key)
	for c := t.cells[i]; c != 0 && t.keyOf(c) != key; c = t.cells[i] {
		i = t.after(i)
	}
	return i
}

func (t *table) get(key uint64) uint32 {
	if len(t.cells) == 0 {
		return 0
	}
	return t.cells[t.cell(key)]
}

// put adds number c, whose key is not in the table.
func (t *table) put(key uint64, c uint32) {
	if (t.n+1)*4 > len(t.cells)*3 {
		t.resize(max(tableMin, len(t.cells)*5/4))
	}
	t.n++
	t.place(key, c)
}

// reserve makes room for n numbers in all, so that they come without the table growing: most of what putting many costs.
func (t *table) reserve(n int) {
	if size := n*4/3 + 1; size > max(len(t.cells), tableMin) {
		t.resize(size)
	}
}

func (t *table) place(key uint64, c uint32) {
	i := t.home(key)
	for t.cells[i] != 0 {
		i = t.after(i)
	}
	t.cells[i] = c
}

// replace puts number c in the place of the one that a key has.
func (t *table) replace(key uint64, old, c uint32) { t.cells[t.holding(key, old)] = c }

// holding is cell for a key whose number is known to be in the table; it asks for no keys.
func (t *table) holding(key uint64, c uint32) int {
	i := t.home(key)
	for t.cells[i] != c {
		if t.cells[i] == 0 {
			panic("lease: a table lost one of its entries")
		}
		i = t.after(i)
	}
	return i
}

// remove takes the number of key out, and closes the gap so that no probe ends early.
func (t *table) remove(key uint64, c uint32) {
	i := t.holding(key, c)
	t.n--
	for j := t.after(i); t.cells[j] != 0; j = t.after(j) {
		next := t.cells[j]
		if h := t.home(t.keyOf(next)); t.distance(h, j) >= t.distance(i, j) {
			t.cells[i] = next
			i = j
		}
	}
	t.cells[i] = 0
}

// distance is how many cells lie from one to another, going forward.
func (t *table) distance(from, to int) int {
	if to < from {
		to += len(t.cells)
	}
	return to - from
}

func (t *table) resize(size int) {
	old := t.cells
	t.cells = make([]uint32, size)
	for _, c := range old {
		if c != 0 {
			t.place(t.keyOf(c), c)
		}
	}
}
