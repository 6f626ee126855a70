// Verifies a cosigned tree head with sumdb's note package and transparency-dev's cosignatures, which know nothing of
// Signalbox. Its module also pins litewitness, the witness that the tests ask.
//
//	cosigned LOG-KEY CHECKPOINT-FILE WITNESS-KEY...
//
// Exit status 1 unless the log and every one of the witnesses signed it.
package main

import (
	"fmt"
	"os"

	cosignature "github.com/transparency-dev/formats/note"
	"golang.org/x/mod/sumdb/note"
)

func run(args []string) error {
	if len(args) < 3 {
		return fmt.Errorf("usage: cosigned LOG-KEY CHECKPOINT-FILE WITNESS-KEY...")
	}
	log, err := note.NewVerifier(args[0])
	if err != nil {
		return fmt.Errorf("log key: %w", err)
	}
	verifiers := []note.Verifier{log}
	for _, key := range args[2:] {
		witness, err := cosignature.NewVerifierForCosignatureV1(key)
		if err != nil {
			return fmt.Errorf("witness key: %w", err)
		}
		verifiers = append(verifiers, witness)
	}
	signed, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	opened, err := note.Open(signed, note.VerifierList(verifiers...))
	if err != nil {
		return err
	}
	if len(opened.Sigs) != len(verifiers) {
		return fmt.Errorf("%d of %d signed it", len(opened.Sigs), len(verifiers))
	}
	fmt.Printf("signed by the log and %d witnesses\n", len(opened.Sigs)-1)
	return nil
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "cosigned:", err)
		os.Exit(1)
	}
}
