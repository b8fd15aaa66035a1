package record

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// keepBuffer is the largest buffer, in bytes, that Builders and Readers keep for their next batch: one outsize batch must not pin 64 MiB for ever.
const keepBuffer = 4 << 20

// decompress appends the uncompressed form of src to dst. More than MaxUncompressed bytes of it are ErrCorrupt.
func decompress(dst []byte, c Codec, src []byte) ([]byte, error) {
	var err error
	switch c {
	case Gzip:
		dst, err = gunzip(dst, src)
	case Snappy:
		dst, err = unsnappy(dst, src)
	case LZ4:
		dst, err = unlz4(dst, src)
	case Zstd:
		dst, err = unzstds.DecodeAll(src, dst)
	default:
		return nil, fmt.Errorf("%v: %w", c, ErrUnsupported)
	}
	if err != nil && !errors.Is(err, ErrCorrupt) {
		err = fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%v: %w", c, err)
	}
	return dst, nil
}

// The zstd coders serve all goroutines. They are made before main, and used once there, on purpose: they hold channels, and
// one made inside a synctest bubble could not be used outside it.
var zstds, unzstds = newZstds()

func newZstds() (*zstd.Encoder, *zstd.Decoder) {
	// The batch has a checksum of its own.
	e, err := zstd.NewWriter(nil, zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true))
	if err != nil {
		panic("record: zstd refuses constant options: " + err.Error())
	}
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(MaxUncompressed))
	if err != nil {
		panic("record: zstd refuses constant options: " + err.Error())
	}
	if _, err := d.DecodeAll(e.EncodeAll([]byte("holt"), nil), nil); err != nil {
		panic("record: zstd does not read what it wrote: " + err.Error())
	}
	return e, d
}

// source and sink are a decoder and an encoder for the codecs that have no call for whole blocks.
type source[R io.Reader] struct {
	src bytes.Reader
	dec R
}

type sink[W io.WriteCloser] struct {
	dst appender
	enc W
}

var (
	gunzips = sync.Pool{New: func() any { return &source[*gzip.Reader]{dec: new(gzip.Reader)} }}
	unlz4s  = sync.Pool{New: func() any { return &source[*lz4.Reader]{dec: lz4.NewReader(nil)} }}
	gzips   = sync.Pool{New: func() any { return &sink[*gzip.Writer]{enc: gzip.NewWriter(nil)} }}
	lz4s    = sync.Pool{New: func() any { return &sink[*lz4.Writer]{enc: lz4.NewWriter(nil)} }}
)

func gunzip(dst, src []byte) ([]byte, error) {
	s := gunzips.Get().(*source[*gzip.Reader])
	s.src.Reset(src)
	if err := s.dec.Reset(&s.src); err != nil {
		return nil, err
	}
	dst, err := readAll(dst, s.dec)
	if err != nil {
		return nil, err // a decoder that failed is not used again
	}
	s.src.Reset(nil)
	gunzips.Put(s)
	return dst, nil
}

func unlz4(dst, src []byte) ([]byte, error) {
	s := unlz4s.Get().(*source[*lz4.Reader])
	s.src.Reset(src)
	s.dec.Reset(&s.src)
	dst, err := readAll(dst, s.dec)
	if err != nil {
		return nil, err
	}
	s.src.Reset(nil)
	unlz4s.Put(s)
	return dst, nil
}

// readAll appends what r gives, up to MaxUncompressed bytes, growing only with what really came.
func readAll(dst []byte, r io.Reader) ([]byte, error) {
	for {
		if len(dst) > MaxUncompressed {
			return nil, fmt.Errorf("more than %d bytes uncompressed: %w", MaxUncompressed, ErrCorrupt)
		}
		if len(dst) == cap(dst) {
			dst = slices.Grow(dst, max(4<<10, min(len(dst), MaxUncompressed+1-len(dst))))
		}
		n, err := r.Read(dst[len(dst):cap(dst)])
		dst = dst[:len(dst)+n]
		if err == io.EOF && len(dst) <= MaxUncompressed {
			return dst, nil
		}
		if err != nil && err != io.EOF {
			return nil, err
		}
	}
}

// Kafka's Java client frames snappy as xerial's library does: this magic, two int32 versions, then blocks, each after its
// int32 length. Others write one bare block, which everybody reads, and so do we.
const xerialMagic = "\x82SNAPPY\x00"

const xerialHeader = len(xerialMagic) + 8

func unsnappy(dst, src []byte) ([]byte, error) {
	if len(src) < xerialHeader || string(src[:len(xerialMagic)]) != xerialMagic {
		return unsnappyBlock(dst, src)
	}
	src = src[xerialHeader:]
	for len(src) > 0 {
		if len(src) < 4 {
			return nil, fmt.Errorf("xerial frame ends inside a length: %w", ErrCorrupt)
		}
		n := int64(int32(binary.BigEndian.Uint32(src)))
		src = src[4:]
		if n < 0 || n > int64(len(src)) {
			return nil, fmt.Errorf("xerial block of %d bytes, %d are left: %w", n, len(src), ErrCorrupt)
		}
		var err error
		if dst, err = unsnappyBlock(dst, src[:n]); err != nil {
			return nil, err
		}
		src = src[n:]
	}
	return dst, nil
}

// unsnappyBlock believes a block's claim of its size only as far as the format can hold it: 3 bytes make 64 at best.
func unsnappyBlock(dst, src []byte) ([]byte, error) {
	n, err := s2.DecodedLen(src)
	if err != nil {
		return nil, err
	}
	if n > MaxUncompressed-len(dst) || n > 22*len(src) {
		return nil, fmt.Errorf("%d bytes claim to be %d: %w", len(src), n, ErrCorrupt)
	}
	at := len(dst)
	dst = slices.Grow(dst, n)[:at+n]
	if n == 0 {
		return dst, nil
	}
	if _, err := s2.Decode(dst[at:], src); err != nil {
		return nil, err
	}
	return dst, nil
}

// compress appends the compressed form of src to dst.
func compress(dst []byte, c Codec, src []byte) ([]byte, error) {
	switch c {
	case None:
		return append(dst, src...), nil
	case Gzip:
		s := gzips.Get().(*sink[*gzip.Writer])
		defer gzips.Put(s)
		s.enc.Reset(&s.dst)
		return s.write(dst, src)
	case Snappy:
		at := len(dst)
		dst = slices.Grow(dst, s2.MaxEncodedLen(len(src)))
		return dst[:at+len(s2.EncodeSnappy(dst[at:cap(dst)], src))], nil
	case LZ4:
		s := lz4s.Get().(*sink[*lz4.Writer])
		defer lz4s.Put(s)
		s.enc.Reset(&s.dst)
		return s.write(dst, src)
	case Zstd:
		return zstds.EncodeAll(src, dst), nil
	}
	return nil, fmt.Errorf("%v: %w", c, ErrUnsupported)
}

// write appends the whole of src, encoded, to dst.
func (s *sink[W]) write(dst, src []byte) ([]byte, error) {
	s.dst.b = dst
	_, err := s.enc.Write(src)
	if err == nil {
		err = s.enc.Close()
	}
	dst, s.dst.b = s.dst.b, nil
	return dst, err
}

// appender is a writer that appends to a slice and never fails.
type appender struct{ b []byte }

func (a *appender) Write(p []byte) (int, error) {
	a.b = append(a.b, p...)
	return len(p), nil
}
