import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.util.Properties;
import java.util.concurrent.locks.LockSupport;
import java.util.zip.CRC32C;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The verifying load with the Java producer: numbered, checksummed records to every partition in
 * turn, the same layout as e2e/src/load/record.rs.
 *
 * <p>Arguments: bootstrap topic run partitions interval-ms value-bytes [key=value ...] (settings of
 * the producer; without any, its defaults). Writes lines to standard output: "T now" to set clocks
 * by, "S partition sequence at" when a record is handed over, "A partition sequence offset at" when
 * it is acknowledged, "F partition sequence error" when the producer gave up; times in microseconds
 * of System.nanoTime. Ends, after a flush, when standard input ends.
 */
public final class Load {
  private static final byte[] MAGIC = {'K', 'T', 'S', '1'};
  private static final int CHECKSUM_AT = 24;

  private static volatile boolean stopped;

  public static void main(String[] arguments) throws Exception {
    String topic = arguments[1];
    long run = Long.parseUnsignedLong(arguments[2]);
    int partitions = Integer.parseInt(arguments[3]);
    long intervalNanos = Long.parseLong(arguments[4]) * 1_000_000;
    int size = Math.max(Integer.parseInt(arguments[5]), CHECKSUM_AT + 4);
    Properties settings = new Properties();
    settings.put("bootstrap.servers", arguments[0]);
    for (int i = 6; i < arguments.length; i++) {
      String[] setting = arguments[i].split("=", 2);
      settings.put(setting[0], setting[1]);
    }
    Thread input = new Thread(Load::waitForTheEndOfInput, "input");
    input.setDaemon(true);
    input.start();
    Lines lines = new Lines();
    try (KafkaProducer<byte[], byte[]> producer =
        new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
      long[] sequences = new long[partitions];
      long step = intervalNanos / partitions;
      long due = System.nanoTime();
      for (int partition = 0; !stopped; partition = (partition + 1) % partitions) {
        LockSupport.parkNanos(due - System.nanoTime());
        due = Math.max(due + step, System.nanoTime() - intervalNanos);
        send(producer, lines, topic, run, partition, sequences[partition]++, size);
      }
      producer.flush();
    }
    lines.close();
  }

  private static void send(
      KafkaProducer<byte[], byte[]> producer,
      Lines lines,
      String topic,
      long run,
      int partition,
      long sequence,
      int size) {
    byte[] value = encode(run, partition, sequence, size);
    lines.add("S " + partition + " " + sequence + " " + Lines.now());
    producer.send(
        new ProducerRecord<>(topic, partition, null, value),
        (sent, error) -> {
          String record = partition + " " + sequence + " ";
          if (error == null) {
            lines.add("A " + record + sent.offset() + " " + Lines.now());
          } else {
            lines.add("F " + record + error.toString().replace('\n', ' '));
          }
        });
  }

  private static byte[] encode(long run, int partition, long sequence, int size) {
    ByteBuffer value = ByteBuffer.allocate(size);
    value.put(MAGIC).putLong(run).putInt(partition).putLong(sequence).putInt(0);
    byte[] pattern =
        ByteBuffer.allocate(8).putLong(sequence * 0x9e37_79b9_7f4a_7c15L).array();
    for (int i = 0; value.hasRemaining(); i++) {
      value.put(pattern[i % 8]);
    }
    CRC32C checksum = new CRC32C();
    checksum.update(value.array(), 0, CHECKSUM_AT);
    checksum.update(value.array(), CHECKSUM_AT + 4, size - CHECKSUM_AT - 4);
    value.putInt(CHECKSUM_AT, (int) checksum.getValue());
    return value.array();
  }

  private static void waitForTheEndOfInput() {
    try (BufferedReader input = new BufferedReader(new InputStreamReader(System.in))) {
      while (input.readLine() != null) {}
    } catch (java.io.IOException broken) {
      // The end all the same.
    }
    stopped = true;
  }

  /** Lines that wait for a thread of their own, so that no callback waits for the pipe. */
  private static final class Lines implements AutoCloseable {
    private final PrintStream out = new PrintStream(System.out, false);
    private final Thread thread = new Thread(this::write, "lines");
    private final java.util.concurrent.LinkedBlockingQueue<String> queue =
        new java.util.concurrent.LinkedBlockingQueue<>(1_000_000);
    private volatile boolean closed;

    Lines() {
      thread.start();
    }

    static long now() {
      return System.nanoTime() / 1_000;
    }

    void add(String line) {
      queue.add(line);
    }

    private void write() {
      while (!closed || !queue.isEmpty()) {
        StringBuilder all = new StringBuilder();
        for (String line = queue.poll(); line != null; line = queue.poll()) {
          all.append(line).append('\n');
        }
        all.append("T ").append(now()).append('\n');
        out.print(all);
        out.flush();
        LockSupport.parkNanos(10_000_000);
      }
    }

    @Override
    public void close() throws InterruptedException {
      closed = true;
      thread.join();
    }
  }
}
