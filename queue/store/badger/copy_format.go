package badger

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/holtmq/holt/queue/store"
)

// ErrDamagedCopy says that a copy of a store is damaged, cut, or none.
var ErrDamagedCopy = errors.New("the backup is damaged")

// A copy is copyMagic and frames: a kind, the length of the payload u32, the payload, and a CRC-32C u32 of the frame's number u64 and all of these.
// The first one is the head, the last one the end; in between are keys and values. docs/FORMAT.md has it all.
const (
	copyMagic = "holt backup 1\n"

	frameHead = 'H' // JSON of store.Backup
	frameData = 'D' // uvarint length, key, uvarint length, value; repeated
	frameEnd  = 'E' // JSON of copyEnd
)

const (
	frameTarget = 1 << 20  // bytes after which a frame is written
	maxFrame    = 64 << 20 // bytes of the longest frame that is read; the longest written holds one unit at most
)

// copyEnd is what a whole copy ends with.
type copyEnd struct {
	Keys   int64  `json:"keys"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // of everything before this frame
}

// copyWriter writes a copy.
type copyWriter struct {
	w     io.Writer
	sum   hash.Hash
	frame uint64
	data  []byte
	end   copyEnd
}

func beginCopy(w io.Writer, info store.Backup) (*copyWriter, error) {
	c := &copyWriter{w: w, sum: sha256.New()}
	if err := c.write([]byte(copyMagic)); err != nil {
		return nil, err
	}
	head, err := json.Marshal(info)
	if err != nil {
		return nil, err
	}
	return c, c.put(frameHead, head)
}

func (c *copyWriter) write(b []byte) error {
	c.sum.Write(b)
	_, err := c.w.Write(b)
	return err
}

// put writes one frame.
func (c *copyWriter) put(kind byte, payload []byte) error {
	head := binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(payload)))
	tail := binary.BigEndian.AppendUint32(nil, frameSum(c.frame, head, payload))
	c.frame++
	for _, b := range [][]byte{head, payload, tail} {
		if err := c.write(b); err != nil {
			return err
		}
	}
	return nil
}

func frameSum(number uint64, head, payload []byte) uint32 {
	return checksum(append(binary.BigEndian.AppendUint64(nil, number), head...), payload)
}

func (c *copyWriter) add(key, value []byte) error {
	c.data = append(binary.AppendUvarint(c.data, uint64(len(key))), key...)
	c.data = append(binary.AppendUvarint(c.data, uint64(len(value))), value...)
	c.end.Keys++
	c.end.Bytes += int64(len(key) + len(value))
	if len(c.data) < frameTarget {
		return nil
	}
	return c.flush()
}

func (c *copyWriter) flush() error {
	if len(c.data) == 0 {
		return nil
	}
	err := c.put(frameData, c.data)
	c.data = c.data[:0]
	return err
}

func (c *copyWriter) finish() error {
	if err := c.flush(); err != nil {
		return err
	}
	c.end.SHA256 = hex.EncodeToString(c.sum.Sum(nil))
	end, err := json.Marshal(c.end)
	if err != nil {
		return err
	}
	return c.put(frameEnd, end)
}

// copyReader reads a copy and finds every flaw of it.
type copyReader struct {
	r     *bufio.Reader
	sum   hash.Hash
	frame uint64
	buf   []byte
	info  store.Backup
	seen  copyEnd

	length int64 // bytes read
}

func damagedCopy(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamagedCopy, fmt.Sprintf(format, args...))
}

// openCopy reads a copy's head.
func openCopy(r io.Reader) (*copyReader, error) {
	c := &copyReader{r: bufio.NewReaderSize(r, 256<<10), sum: sha256.New()}
	magic := make([]byte, len(copyMagic))
	if _, err := io.ReadFull(c.r, magic); err != nil && !cutShort(err) {
		return nil, err
	} else if string(magic) != copyMagic {
		return nil, damagedCopy("it does not begin as a backup of format 1 does")
	}
	c.sum.Write(magic)
	c.length = int64(len(magic))
	kind, payload, err := c.next()
	if err != nil {
		return nil, err
	}
	if kind != frameHead || json.Unmarshal(payload, &c.info) != nil {
		return nil, damagedCopy("its head cannot be read")
	}
	if c.info.Engine != "badger" {
		return nil, fmt.Errorf("the backup is of engine %q: %w", c.info.Engine, ErrForeign)
	}
	return c, nil
}

func cutShort(err error) bool { return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) }

// next reads a frame; the payload is good until the next one. The end is checked against what was read.
func (c *copyReader) next() (kind byte, payload []byte, err error) {
	before := c.sum.Sum(nil)
	var head [5]byte
	if err := c.read(head[:]); err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxFrame {
		return 0, nil, damagedCopy("frame %d claims %d bytes", c.frame, n)
	}
	if cap(c.buf) < int(n)+4 {
		c.buf = make([]byte, n+4)
	}
	c.buf = c.buf[:n+4]
	if err := c.read(c.buf); err != nil {
		return 0, nil, err
	}
	payload = c.buf[:n]
	if binary.BigEndian.Uint32(c.buf[n:]) != frameSum(c.frame, head[:], payload) {
		return 0, nil, damagedCopy("frame %d fails its checksum", c.frame)
	}
	c.frame++
	if head[0] == frameEnd {
		err = c.checkEnd(payload, before)
	}
	return head[0], payload, err
}

func (c *copyReader) read(b []byte) error {
	if _, err := io.ReadFull(c.r, b); cutShort(err) {
		return damagedCopy("it is cut short in frame %d", c.frame)
	} else if err != nil {
		return err
	}
	c.sum.Write(b)
	c.length += int64(len(b))
	return nil
}

func (c *copyReader) checkEnd(payload, sum []byte) error {
	var end copyEnd
	if err := json.Unmarshal(payload, &end); err != nil {
		return damagedCopy("its end cannot be read")
	}
	c.seen.SHA256 = hex.EncodeToString(sum)
	if end != c.seen {
		return damagedCopy("it holds %d keys of %d bytes, and should hold %d of %d", c.seen.Keys, c.seen.Bytes, end.Keys, end.Bytes)
	}
	switch _, err := c.r.ReadByte(); {
	case err == nil:
		return damagedCopy("there is something after its end")
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

// each calls fn for every key and value, which are good until it returns. A copy without its end is damaged.
func (c *copyReader) each(fn func(key, value []byte) error) error {
	for {
		kind, payload, err := c.next()
		if err != nil {
			return err
		}
		switch kind {
		case frameEnd:
			return nil
		case frameData:
		default:
			return damagedCopy("frame %d is of an unknown kind", c.frame-1)
		}
		for len(payload) > 0 {
			var key, value []byte
			if key, payload, err = field(payload); err == nil {
				value, payload, err = field(payload)
			}
			if err != nil {
				return err
			}
			if !isCopied(key) {
				return damagedCopy("frame %d holds a key that has no place in it", c.frame-1)
			}
			if checkStored(key, value) != nil {
				return damagedCopy("%s fails its checksum", describe(key))
			}
			c.seen.Keys++
			c.seen.Bytes += int64(len(key) + len(value))
			if err := fn(key, value); err != nil {
				return err
			}
		}
	}
}

// field takes a length and as many bytes off a payload.
func field(b []byte) (value, rest []byte, err error) {
	n, w := binary.Uvarint(b)
	if w <= 0 || n > uint64(len(b)-w) {
		return nil, nil, damagedCopy("a field is longer than its frame")
	}
	return b[w : w+int(n)], b[w+int(n):], nil
}

// CheckCopy reads a copy to its end and says what it holds. Errors: ErrDamagedCopy, ErrForeign, r's.
func CheckCopy(r io.Reader) (store.Backup, error) {
	c, err := openCopy(r)
	if err != nil {
		return store.Backup{}, err
	}
	err = c.each(func(_, _ []byte) error { return nil })
	return c.whole(), err
}

// whole returns what a copy that was read to its end holds.
func (c *copyReader) whole() store.Backup {
	info := c.info
	info.Keys, info.Bytes = c.seen.Keys, c.seen.Bytes
	return info
}

// WholeFrames reads the beginning of a copy that was cut short: what it says of itself, and how many bytes its whole frames take, after which
// the rest can be appended. Errors: ErrDamagedCopy (not even the head is whole), ErrForeign, r's.
func WholeFrames(r io.Reader) (info store.Backup, length int64, err error) {
	c, err := openCopy(r)
	if err != nil {
		return store.Backup{}, 0, err
	}
	for {
		length = c.length
		switch _, _, err := c.next(); {
		case errors.Is(err, ErrDamagedCopy):
			return c.info, length, nil
		case err != nil:
			return c.info, length, err
		}
	}
}
