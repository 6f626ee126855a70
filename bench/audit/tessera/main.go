// The same work on Tessera's POSIX log: entries of 400 bytes, durable when Add's future resolves. One figure a line.
//
//	tessera FOLDER ENTRIES SINGLES
//
// The batch load is run with Tessera's defaults and two larger batches; the best of them stands.
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

// A batch goes to disk when it has so many entries, or its first is so old; so many Adds wait at a time.
type batching struct {
	size    uint
	age     time.Duration
	waiting uint
}

func open(folder string, how batching) (*tessera.Appender, func(context.Context) error) {
	ctx := context.Background()
	secret, _, err := note.GenerateKey(rand.Reader, "bench.example/log")
	must(secret, err)
	driver := must(posix.New(ctx, posix.Config{Path: folder}))
	appender, shutdown, _, err := tessera.NewAppender(ctx, driver, tessera.NewAppendOptions().
		WithCheckpointSigner(must(note.NewSigner(secret))).
		WithBatching(how.size, how.age).
		WithPushback(how.waiting).
		WithCheckpointInterval(100*time.Millisecond))
	return must(appender, err), shutdown
}

func entry(i int) *tessera.Entry {
	data := make([]byte, 400)
	copy(data, fmt.Sprintf("{\"kind\":\"bench\",\"seq\":%d}", i))
	return tessera.NewEntry(data)
}

func addAll(folder string, count int, how batching) float64 {
	ctx := context.Background()
	appender, shutdown := open(folder, how)
	begin := time.Now()
	var group sync.WaitGroup
	limit := make(chan struct{}, how.waiting)
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
	took := time.Since(begin)
	_ = shutdown(ctx)
	return float64(count) / took.Seconds()
}

func addOneByOne(folder string, count int) []float64 {
	ctx := context.Background()
	appender, shutdown := open(folder, batching{1, time.Millisecond, tessera.DefaultPushbackMaxOutstanding})
	var times []float64
	for i := 0; i < count; i++ {
		begin := time.Now()
		must(appender.Add(ctx, entry(i))())
		times = append(times, float64(time.Since(begin).Microseconds())/1000)
	}
	_ = shutdown(ctx)
	sort.Float64s(times)
	return times
}

func main() {
	folder, count, singles := os.Args[1], must(strconv.Atoi(os.Args[2])), must(strconv.Atoi(os.Args[3]))
	best := 0.0
	for i, how := range []batching{
		{tessera.DefaultBatchMaxSize, tessera.DefaultBatchMaxAge, tessera.DefaultPushbackMaxOutstanding},
		{4096, 5 * time.Millisecond, 4096},
		{4096, 50 * time.Millisecond, 16384},
	} {
		best = max(best, addAll(filepath.Join(folder, "batch", strconv.Itoa(i)), count, how))
	}
	times := addOneByOne(filepath.Join(folder, "single"), singles)
	fmt.Printf("batch_per_s %.0f\nsingle_p50_ms %.3f\nsingle_p99_ms %.3f\n", best, times[len(times)/2], times[len(times)*99/100])
}
