// Verifies a published log with Go's own sumdb packages, which know nothing of Signalbox: the signature of its tree head,
// its root from the entries, the inclusion of every entry, and that it continues an earlier tree head.
//
//	verify KEY LOG [EARLIER-CHECKPOINT]
//
// LOG is a folder or an http(s) address in the layout of https://c2sp.org/tlog-tiles. Prints one line; exit status 1
// where anything is not as it must be.
package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	height = 8
	width  = 1 << height
)

var errAbsent = errors.New("not there")

// log reads what lies below a prefix.
type log struct{ where string }

func (l log) read(path string) ([]byte, error) {
	if !strings.Contains(l.where, "://") {
		data, err := os.ReadFile(l.where + "/" + path)
		if os.IsNotExist(err) {
			err = errAbsent
		}
		return data, err
	}
	response, err := http.Get(strings.TrimSuffix(l.where, "/") + "/" + path)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNotFound {
		return nil, errAbsent
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, response.Status)
	}
	return io.ReadAll(response.Body)
}

// path is that of C2SP, which has no height in it as sumdb's own has, and calls entries by that name.
func path(kind string, index int64, w int) string {
	p := fmt.Sprintf("%03d", index%1000)
	for index >= 1000 {
		index /= 1000
		p = fmt.Sprintf("x%03d/%s", index%1000, p)
	}
	if w < width {
		p += fmt.Sprintf(".p/%d", w)
	}
	return "tile/" + kind + "/" + p
}

// Height, ReadTiles and SaveTiles make the log a tlog.TileReader: tlog checks every tile it reads against the tree head.
func (l log) Height() int { return height }

func (l log) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, t := range tiles {
		data, err := l.read(path(fmt.Sprint(t.L), t.N, t.W))
		if err != nil {
			return nil, fmt.Errorf("tile %d/%d of width %d: %w", t.L, t.N, t.W, err)
		}
		all = append(all, data)
	}
	return all, nil
}

func (l log) SaveTiles([]tlog.Tile, [][]byte) {}

func (l log) bundle(index int64, w int) ([][]byte, error) {
	data, err := l.read(path("entries", index, w))
	if err != nil {
		return nil, fmt.Errorf("bundle %d: %w", index, err)
	}
	var entries [][]byte
	for len(data) > 0 {
		if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
			return nil, fmt.Errorf("bundle %d: cut short", index)
		}
		size := 2 + int(binary.BigEndian.Uint16(data))
		entries = append(entries, data[2:size])
		data = data[size:]
	}
	if len(entries) != w {
		return nil, fmt.Errorf("bundle %d: %d entries instead of %d", index, len(entries), w)
	}
	return entries, nil
}

// head opens a signed tree head. The third line is the root, as in sumdb; the first is the log's own name instead of
// "go.sum database tree", which tlog.ParseTree wants to see.
func head(signed []byte, key note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open(signed, note.VerifierList(key))
	if err != nil {
		return tlog.Tree{}, err
	}
	origin, rest, _ := strings.Cut(opened.Text, "\n")
	if origin != key.Name() {
		return tlog.Tree{}, fmt.Errorf("a tree head of %q", origin)
	}
	return tlog.ParseTree([]byte("go.sum database tree\n" + rest))
}

func verify(where log, key note.Verifier, earlier []byte) (tlog.Tree, error) {
	signed, err := where.read("checkpoint")
	if err != nil {
		return tlog.Tree{}, fmt.Errorf("checkpoint: %w", err)
	}
	tree, err := head(signed, key)
	if err != nil {
		return tree, fmt.Errorf("checkpoint: %w", err)
	}
	if tree.N == 0 {
		return tree, nil
	}
	hashes := tlog.TileHashReader(tree, where)

	// The root, from the entries alone.
	var stored []tlog.Hash
	own := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var out []tlog.Hash
		for _, i := range indexes {
			out = append(out, stored[i])
		}
		return out, nil
	})
	for first := int64(0); first < tree.N; first += width {
		w := int(tree.N - first)
		if w > width {
			w = width
		}
		entries, err := where.bundle(first/width, w)
		if err != nil {
			return tree, err
		}
		var indexes []int64
		for i := range entries {
			indexes = append(indexes, tlog.StoredHashIndex(0, first+int64(i)))
		}
		// And each entry against its tile, which TileHashReader has proved against the tree head.
		tiled, err := hashes.ReadHashes(indexes)
		if err != nil {
			return tree, err
		}
		for i, entry := range entries {
			if tlog.RecordHash(entry) != tiled[i] {
				return tree, fmt.Errorf("entry %d is not what its tile says", first+int64(i))
			}
			if !bytes.Contains(entry, []byte(fmt.Sprintf("\"seq\":%d", first+int64(i)))) {
				return tree, fmt.Errorf("entry %d does not say that it is number %d", first+int64(i), first+int64(i))
			}
			more, err := tlog.StoredHashes(first+int64(i), entry, own)
			if err != nil {
				return tree, err
			}
			stored = append(stored, more...)
		}
	}
	root, err := tlog.TreeHash(tree.N, own)
	if err != nil {
		return tree, err
	}
	if root != tree.Hash {
		return tree, errors.New("the entries do not lead to the root in the tree head")
	}

	// Inclusion, by proof, of entries spread over the log.
	for i := int64(0); i < tree.N; i += 1 + tree.N/64 {
		proof, err := tlog.ProveRecord(tree.N, i, hashes)
		if err != nil {
			return tree, err
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, i, stored[tlog.StoredHashIndex(0, i)]); err != nil {
			return tree, fmt.Errorf("entry %d: %w", i, err)
		}
	}

	if earlier == nil {
		return tree, nil
	}
	old, err := head(earlier, key)
	if err != nil {
		return tree, fmt.Errorf("earlier checkpoint: %w", err)
	}
	if old.N > tree.N {
		return tree, fmt.Errorf("rolled back: %d entries, %d before", tree.N, old.N)
	}
	if old.N == 0 {
		return tree, nil
	}
	proof, err := tlog.ProveTree(tree.N, old.N, hashes)
	if err != nil {
		return tree, err
	}
	if err := tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash); err != nil {
		return tree, fmt.Errorf("does not continue the earlier checkpoint: %w", err)
	}
	return tree, nil
}

func run(args []string) error {
	if len(args) != 2 && len(args) != 3 {
		return errors.New("usage: verify KEY LOG [EARLIER-CHECKPOINT]")
	}
	key, err := note.NewVerifier(args[0])
	if err != nil {
		return fmt.Errorf("key: %w", err)
	}
	var earlier []byte
	if len(args) == 3 {
		if earlier, err = os.ReadFile(args[2]); err != nil {
			return err
		}
	}
	tree, err := verify(log{args[1]}, key, earlier)
	if err != nil {
		return err
	}
	fmt.Printf("verified %d entries, root %s\n", tree.N, tree.Hash)
	return nil
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "verify:", err)
		os.Exit(1)
	}
}
