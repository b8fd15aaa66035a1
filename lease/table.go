package lease

// table finds the number of a thing by its 64-bit key: open addressing, linear probing, four bytes a cell, at most three
// quarters full. It stores numbers only and asks keyOf for the key of one. 0 = none.
type table struct {
	cells []uint32
	n     int
	shift uint8
	keyOf func(uint32) uint64
}

const tableMin = 16 // cells

// home is the cell a key would like: multiplication by the golden ratio spreads runs of offsets evenly.
func (t *table) home(key uint64) int { return int(key * 0x9E3779B97F4A7C15 >> t.shift) }

func (t *table) get(key uint64) uint32 {
	if len(t.cells) == 0 {
		return 0
	}
	mask := len(t.cells) - 1
	for i := t.home(key); ; i = (i + 1) & mask {
		c := t.cells[i]
		if c == 0 || t.keyOf(c) == key {
			return c
		}
	}
}

// put adds number c, whose key is not in the table.
func (t *table) put(key uint64, c uint32) {
	if (t.n+1)*4 > len(t.cells)*3 {
		t.resize(max(tableMin, 2*len(t.cells)))
	}
	t.n++
	t.place(key, c)
}

func (t *table) place(key uint64, c uint32) {
	mask := len(t.cells) - 1
	i := t.home(key)
	for t.cells[i] != 0 {
		i = (i + 1) & mask
	}
	t.cells[i] = c
}

// remove takes the number of key out, and closes the gap so that no probe ends early.
func (t *table) remove(key uint64) {
	mask := len(t.cells) - 1
	i := t.home(key)
	for t.cells[i] == 0 || t.keyOf(t.cells[i]) != key {
		if t.cells[i] == 0 {
			panic("lease: a table lost one of its entries")
		}
		i = (i + 1) & mask
	}
	t.n--
	for j := i; ; {
		j = (j + 1) & mask
		c := t.cells[j]
		if c == 0 {
			break
		}
		if h := t.home(t.keyOf(c)); (j-h)&mask >= (j-i)&mask {
			t.cells[i] = c
			i = j
		}
	}
	t.cells[i] = 0
}

func (t *table) resize(size int) {
	old := t.cells
	t.cells = make([]uint32, size)
	t.shift = 64
	for n := size; n > 1; n >>= 1 {
		t.shift--
	}
	for _, c := range old {
		if c != 0 {
			t.place(t.keyOf(c), c)
		}
	}
}
