import java.time.Duration;
import java.util.List;
import java.util.Properties;
import java.nio.ByteBuffer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * A member of a consumer group with the Java consumer, which reads the verifying load and commits
 * its position again and again.
 *
 * <p>Arguments: bootstrap topic group run commit-interval-ms [key=value ...]. Writes lines to
 * standard output: "T now" to set clocks by, "R partition sequence at" for each record of the run,
 * "C began ended" for each commit that succeeded; times in microseconds of System.nanoTime. Ends
 * with its standard input.
 */
public final class Group {
  private static final int RUN_AT = 4;
  private static final int PARTITION_AT = 12;
  private static final int SEQUENCE_AT = 16;
  private static final int SIZE_MIN = 28;

  public static void main(String[] arguments) throws Exception {
    long run = Long.parseUnsignedLong(arguments[3]);
    long commitEvery = Long.parseLong(arguments[4]) * 1_000;
    Properties settings = new Properties();
    settings.put("bootstrap.servers", arguments[0]);
    settings.put("group.id", arguments[2]);
    settings.put("enable.auto.commit", "false");
    for (int i = 5; i < arguments.length; i++) {
      String[] setting = arguments[i].split("=", 2);
      settings.put(setting[0], setting[1]);
    }
    Thread input = new Thread(Group::endWithInput, "input");
    input.setDaemon(true);
    input.start();
    StringBuilder lines = new StringBuilder();
    try (KafkaConsumer<byte[], byte[]> consumer =
        new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      consumer.subscribe(List.of(arguments[1]));
      long commitDue = now();
      while (true) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(10))) {
          note(record, run, lines);
        }
        long began = now();
        if (began >= commitDue && !consumer.assignment().isEmpty()) {
          commitDue = began + commitEvery;
          consumer.commitAsync(
              (offsets, error) -> {
                if (error == null) {
                  lines.append("C ").append(began).append(' ').append(now()).append('\n');
                } else {
                  System.err.println("commit: " + error);
                }
              });
        }
        lines.append("T ").append(now()).append('\n');
        System.out.print(lines);
        System.out.flush();
        lines.setLength(0);
      }
    }
  }

  private static void note(ConsumerRecord<byte[], byte[]> record, long run, StringBuilder lines) {
    byte[] value = record.value();
    if (value == null || value.length < SIZE_MIN) {
      return;
    }
    ByteBuffer read = ByteBuffer.wrap(value);
    if (read.getLong(RUN_AT) == run) {
      lines.append("R ").append(read.getInt(PARTITION_AT)).append(' ');
      lines.append(read.getLong(SEQUENCE_AT)).append(' ').append(now()).append('\n');
    }
  }

  private static long now() {
    return System.nanoTime() / 1_000;
  }

  private static void endWithInput() {
    try {
      while (System.in.read() >= 0) {}
    } catch (java.io.IOException broken) {
      // The end all the same.
    }
    Runtime.getRuntime().halt(0);
  }
}
