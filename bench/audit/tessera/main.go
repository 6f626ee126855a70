// The same work on Tessera's POSIX log: entries of 400 bytes, durable when Add's future resolves.
//
//	tessera FOLDER ENTRIES SINGLES
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"sync"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, "tessera:", err)
		os.Exit(1)
	}
	return value
}

func open(folder string, batch uint, age time.Duration) (*tessera.Appender, func(context.Context) error) {
	ctx := context.Background()
	secret, _, err := note.GenerateKey(rand.Reader, "bench.example/log")
	must(secret, err)
	driver := must(posix.New(ctx, posix.Config{Path: folder}))
	appender, shutdown, _, err := tessera.NewAppender(ctx, driver, tessera.NewAppendOptions().
		WithCheckpointSigner(must(note.NewSigner(secret))).
		WithBatching(batch, age).
		WithCheckpointInterval(100*time.Millisecond))
	return must(appender, err), shutdown
}

func entry(i int) *tessera.Entry {
	data := make([]byte, 400)
	copy(data, fmt.Sprintf("{\"kind\":\"bench\",\"seq\":%d}", i))
	return tessera.NewEntry(data)
}

func main() {
	folder, count, singles := os.Args[1], must(strconv.Atoi(os.Args[2])), must(strconv.Atoi(os.Args[3]))
	ctx := context.Background()

	appender, shutdown := open(filepath.Join(folder, "batch"), 4096, 5*time.Millisecond)
	begin := time.Now()
	var group sync.WaitGroup
	limit := make(chan struct{}, 4096)
	for i := 0; i < count; i++ {
		limit <- struct{}{}
		group.Add(1)
		go func() {
			for {
				if _, err := appender.Add(ctx, entry(i))(); err == nil {
					break
				}
				time.Sleep(time.Millisecond) // it pushes back
			}
			<-limit
			group.Done()
		}()
	}
	group.Wait()
	fmt.Printf("tessera batch %.0f entries/s\n", float64(count)/time.Since(begin).Seconds())
	_ = shutdown(ctx)

	appender, shutdown = open(filepath.Join(folder, "single"), 1, time.Millisecond)
	var times []float64
	for i := 0; i < singles; i++ {
		begin := time.Now()
		must(appender.Add(ctx, entry(i))())
		times = append(times, float64(time.Since(begin).Microseconds())/1000)
	}
	sort.Float64s(times)
	fmt.Printf("tessera single p50 %.2f ms p99 %.2f ms\n", times[len(times)/2], times[len(times)*99/100])
	_ = shutdown(ctx)
}
