import io.serverlessworkflow.api.WorkflowReader;
import io.serverlessworkflow.impl.WorkflowApplication;
import io.serverlessworkflow.impl.WorkflowDefinition;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Ten tasks that add one to a number, by the DSL's reference implementation, which keeps them in memory.
 *
 * <p>FlowBench FLOW SECONDS: as many threads as processors, each waits for its run's end and starts the next. What
 * counts is the best of the rounds behind those that warm it up.
 */
public final class FlowBench {
  private static final int TASKS = 10;
  private static final int WARMING = 3;
  private static final int ROUNDS = 2;

  public static void main(String[] args) throws Exception {
    final double seconds = Double.parseDouble(args[1]);
    try (WorkflowApplication application = WorkflowApplication.builder().build()) {
      final WorkflowDefinition flow =
          application.workflowDefinition(WorkflowReader.readWorkflow(Path.of(args[0])));
      final Object answer = flow.instance(Map.of("n", 0)).start().join().asMap().orElseThrow().get("n");
      if (!answer.equals(TASKS)) throw new IllegalStateException("ten tasks made " + answer + " of 0");
      double best = 0;
      for (int round = 0; round < WARMING + ROUNDS; ++round) {
        final double rate = tasksPerSecond(flow, seconds);
        if (round >= WARMING) best = Math.max(best, rate);
      }
      System.out.printf("java_memory_steps_per_s %.0f%n", best);
    }
  }

  private static double tasksPerSecond(WorkflowDefinition flow, double seconds) throws InterruptedException {
    final AtomicLong runs = new AtomicLong();
    final long begin = System.nanoTime();
    final long end = begin + (long) (seconds * 1e9);
    final Thread[] threads = new Thread[Runtime.getRuntime().availableProcessors()];
    for (int i = 0; i < threads.length; ++i) {
      threads[i] =
          new Thread(
              () -> {
                for (; System.nanoTime() < end; runs.incrementAndGet())
                  flow.instance(Map.of("n", 0)).start().join();
              });
      threads[i].start();
    }
    for (final Thread thread : threads) thread.join();
    return runs.get() * TASKS / ((System.nanoTime() - begin) / 1e9);
  }
}
