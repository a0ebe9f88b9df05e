// Judges a log with the Go team's own code (golang.org/x/mod/sumdb): signed note, tiles, inclusion, consistency.
// Ours is only the mapping of tile paths. Usage: gover LOGDIR VKEY [INDEX ENTRYFILE | OLDCHECKPOINT]
package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type folder string

func (dir folder) Height() int { return 8 }

func (dir folder) SaveTiles([]tlog.Tile, [][]byte) {}

func (dir folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	found := make([][]byte, len(tiles))
	for i, t := range tiles {
		data, err := os.ReadFile(dir.path(t))
		if full := t; err != nil && t.W < 256 {
			full.W = 256
			if data, err = os.ReadFile(dir.path(full)); err == nil {
				data = data[:t.W*tlog.HashSize]
			}
		}
		if err != nil {
			return nil, err
		}
		found[i] = data
	}
	return found, nil
}

func (dir folder) path(t tlog.Tile) string {
	path := strings.TrimPrefix(t.Path(), "tile/8/")
	path = strings.Replace(path, "data/", "entries/", 1)
	return filepath.Join(string(dir), "tile", filepath.FromSlash(path))
}

func open(data []byte, verifier note.Verifier) tlog.Tree {
	signed, err := note.Open(data, note.VerifierList(verifier))
	check(err)
	lines := strings.Split(signed.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		log.Fatal("not a checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	check(err)
	root, err := base64.StdEncoding.DecodeString(lines[2])
	check(err)
	tree := tlog.Tree{N: size}
	if copy(tree.Hash[:], root) != tlog.HashSize {
		log.Fatal("a root is 32 bytes")
	}
	return tree
}

func entries(dir folder, n int64, width int) [][]byte {
	data, err := os.ReadFile(dir.path(tlog.Tile{H: 8, L: -1, N: n, W: width}))
	if err != nil && width < 256 {
		data, err = os.ReadFile(dir.path(tlog.Tile{H: 8, L: -1, N: n, W: 256}))
	}
	check(err)
	var found [][]byte
	for len(found) < width {
		if len(data) < 2 || len(data) < 2+int(data[0])<<8+int(data[1]) {
			log.Fatalf("bundle %d is cut short", n)
		}
		end := 2 + int(data[0])<<8 + int(data[1])
		found, data = append(found, data[2:end]), data[end:]
	}
	return found
}

func widthOf(size, n int64) int {
	if size-n*256 < 256 {
		return int(size - n*256)
	}
	return 256
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func main() {
	log.SetFlags(0)
	dir := folder(os.Args[1])
	verifier, err := note.NewVerifier(os.Args[2])
	check(err)
	data, err := os.ReadFile(filepath.Join(string(dir), "checkpoint"))
	check(err)
	tree := open(data, verifier)
	reader := tlog.TileHashReader(tree, dir)
	for n := int64(0); n*256 < tree.N; n++ {
		width := widthOf(tree.N, n)
		indexes := make([]int64, width)
		for i := range indexes {
			indexes[i] = tlog.StoredHashIndex(0, n*256+int64(i))
		}
		hashes, err := reader.ReadHashes(indexes)
		check(err)
		for i, entry := range entries(dir, n, width) {
			if tlog.RecordHash(entry) != hashes[i] {
				log.Fatalf("entry %d is not what its tile says", n*256+int64(i))
			}
		}
	}
	switch len(os.Args) {
	case 4:
		old, err := os.ReadFile(os.Args[3])
		check(err)
		before := open(old, verifier)
		proof, err := tlog.ProveTree(tree.N, before.N, reader)
		check(err)
		check(tlog.CheckTree(proof, tree.N, tree.Hash, before.N, before.Hash))
	case 5:
		index, err := strconv.ParseInt(os.Args[3], 10, 64)
		check(err)
		wanted, err := os.ReadFile(os.Args[4])
		check(err)
		if !bytes.Equal(entries(dir, index/256, widthOf(tree.N, index/256))[index%256], wanted) {
			log.Fatalf("entry %d is another", index)
		}
		proof, err := tlog.ProveRecord(tree.N, index, reader)
		check(err)
		check(tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(wanted)))
		for _, hash := range proof {
			fmt.Println(hash)
		}
	}
	fmt.Printf("OK %d %s\n", tree.N, tree.Hash)
}
