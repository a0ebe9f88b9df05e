// Judges a log with the Go team's own code (golang.org/x/mod/sumdb): signed note, tiles, inclusion, consistency.
// Ours is only the mapping of tile paths, the 72 bytes of a cosignature (C2SP tlog-cosignature), and following the log's
// key from the one given to the one that signs now (docs/formats/audit-log.md#rekey).
// Usage: gover [-w WITNESSVKEY] LOGDIR VKEY [INDEX ENTRYFILE | OLDCHECKPOINT]
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
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

// witness verifies cosignature/v1: eight bytes of time, then Ed25519 over a header and the text of the note.
type witness struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (w witness) Name() string    { return w.name }
func (w witness) KeyHash() uint32 { return w.hash }

func (w witness) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	header := fmt.Sprintf("cosignature/v1\ntime %d\n", binary.BigEndian.Uint64(sig))
	return ed25519.Verify(w.key, append([]byte(header), msg...), sig[8:])
}

func newWitness(vkey string) witness {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		log.Fatal("not a witness's key")
	}
	hash, err := strconv.ParseUint(parts[1], 16, 32)
	check(err)
	blob, err := base64.StdEncoding.DecodeString(parts[2])
	check(err)
	if len(blob) != 1+ed25519.PublicKeySize || blob[0] != 4 {
		log.Fatal("not a witness's key")
	}
	return witness{parts[0], uint32(hash), blob[1:]}
}

func checkCosigned(data []byte, verifier note.Verifier, vkey string) {
	w := newWitness(vkey)
	signed, err := note.Open(data, note.VerifierList(verifier, w))
	check(err)
	for _, one := range signed.Sigs {
		if one.Name == w.name && one.Hash == w.hash {
			fmt.Printf("COSIGNED %s\n", w.name)
			return
		}
	}
	log.Fatal("not cosigned by ", w.name)
}

const (
	rekey  = "bwc.rekey/1"
	handed = 8 + 8 + 32 + 32 + 64 + 64 // entry, compromised from, old key, new key, their signatures
)

// keyOf makes the vkey of a log's public key.
func keyOf(origin string, public []byte) string {
	blob := append([]byte{1}, public...)
	sum := sha256.Sum256(append([]byte(origin+"\n"), blob...))
	return fmt.Sprintf("%s+%x+%s", origin, sum[:4], base64.StdEncoding.EncodeToString(blob))
}

// current follows the handovers that a checkpoint carries from `vkey` to the key that must have signed it.
func current(data []byte, vkey string) string {
	origin := strings.SplitN(vkey, "+", 2)[0]
	sum := sha256.Sum256([]byte(origin + "\n\xff" + rekey))
	for _, line := range strings.Split(string(data), "\n") {
		parts := strings.Split(line, " ")
		if len(parts) != 3 || parts[0] != "\u2014" || parts[1] != origin {
			continue
		}
		blob, err := base64.StdEncoding.DecodeString(parts[2])
		check(err)
		if len(blob) < 4 || !bytes.Equal(blob[:4], sum[:4]) {
			continue
		}
		for blob = blob[4:]; len(blob) >= handed; blob = blob[handed:] {
			seq, since := binary.BigEndian.Uint64(blob), binary.BigEndian.Uint64(blob[8:])
			before, after := keyOf(origin, blob[16:48]), keyOf(origin, blob[48:80])
			text := fmt.Sprintf("%s\nlog %s\nentry %d\nold %s\nnew %s\ncompromised %d\n", rekey, origin, seq, before, after, since)
			if !ed25519.Verify(blob[16:48], []byte(text), blob[80:144]) || !ed25519.Verify(blob[48:80], []byte(text), blob[144:208]) {
				log.Fatal("a handover of the log's key is not signed by both keys")
			}
			if before == vkey {
				vkey = after
			}
		}
		if len(blob) != 0 {
			log.Fatal("a handover of the log's key is cut short")
		}
	}
	return vkey
}

func verifierOf(data []byte, vkey string) note.Verifier {
	verifier, err := note.NewVerifier(current(data, vkey))
	check(err)
	return verifier
}

func open(data []byte, vkey string) tlog.Tree {
	verifier := verifierOf(data, vkey)
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
	cosigner := ""
	if len(os.Args) > 2 && os.Args[1] == "-w" {
		cosigner = os.Args[2]
		os.Args = append(os.Args[:1], os.Args[3:]...)
	}
	dir := folder(os.Args[1])
	vkey := os.Args[2]
	data, err := os.ReadFile(filepath.Join(string(dir), "checkpoint"))
	check(err)
	if cosigner != "" {
		checkCosigned(data, verifierOf(data, vkey), cosigner)
	}
	tree := open(data, vkey)
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
		before := open(old, vkey)
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
