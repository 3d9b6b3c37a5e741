import java.time.Duration;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.CoreOptions;
import org.apache.flink.configuration.MemorySize;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.configuration.StateBackendOptions;
import org.apache.flink.configuration.TaskManagerOptions;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;

/** The plain job in Flink's SQL: a TUMBLE of one minute from one Kafka table into another. */
public final class Job {
    // The end of a bounded read moves the watermark past the last window; the job stays a streaming one. The offsets
    // are committed by the client, because the bench follows them: Flink itself goes by its checkpoints only.
    private static final String EVENTS = """
            CREATE TABLE events (
              campaign STRING,
              `at` BIGINT,
              `type` STRING,
              spend_micros BIGINT,
              happened AS TO_TIMESTAMP_LTZ(`at`, 3),
              WATERMARK FOR happened AS happened - INTERVAL '1' MINUTE
            ) WITH (
              'connector' = 'kafka',
              'topic' = '%s',
              'properties.bootstrap.servers' = '%s',
              'properties.group.id' = '%s',
              'properties.max.poll.records' = '10000',
              'properties.commit.offsets.on.checkpoint' = 'false',
              'properties.enable.auto.commit' = 'true',
              'properties.auto.commit.interval.ms' = '200',
              'scan.startup.mode' = 'earliest-offset',
              'scan.bounded.mode' = 'latest-offset',
              'key.format' = 'raw',
              'key.fields' = 'campaign',
              'value.format' = 'json',
              'value.fields-include' = 'EXCEPT_KEY'
            )""";
    private static final String TOTALS = """
            CREATE TABLE totals (
              place STRING,
              campaign STRING,
              window_ms BIGINT,
              impressions BIGINT,
              clicks BIGINT,
              conversions BIGINT,
              spend_micros BIGINT
            ) WITH (
              'connector' = 'kafka',
              'topic' = '%s',
              'properties.bootstrap.servers' = '%s',
              'properties.batch.size' = '131072',
              'properties.linger.ms' = '20',
              'key.format' = 'raw',
              'key.fields' = 'place',
              'value.format' = 'json',
              'value.fields-include' = 'EXCEPT_KEY',
              'sink.delivery-guarantee' = 'at-least-once'
            )""";
    private static final String MINUTES = """
            INSERT INTO totals
            SELECT
              campaign || '|' || CAST(window_ms AS STRING),
              campaign, window_ms, impressions, clicks, conversions, spend_micros
            FROM (
              SELECT
                campaign,
                1000 * CAST(
                  TIMESTAMPDIFF(SECOND, TIMESTAMP '1970-01-01 00:00:00', window_start) AS BIGINT
                ) AS window_ms,
                COUNT(*) FILTER (WHERE `type` = 'impression') AS impressions,
                COUNT(*) FILTER (WHERE `type` = 'click') AS clicks,
                COUNT(*) FILTER (WHERE `type` = 'conversion') AS conversions,
                SUM(spend_micros) AS spend_micros
              FROM TUMBLE(DATA => TABLE events, TIMECOL => DESCRIPTOR(happened), SIZE => INTERVAL '1' MINUTE)
              GROUP BY campaign, window_start, window_end
            )""";

    public static void main(String[] arguments) throws Exception {
        StreamExecutionEnvironment flink = StreamExecutionEnvironment.createLocalEnvironment(1, settings());
        StreamTableEnvironment sql = StreamTableEnvironment.create(flink);
        String broker = System.getenv("BENCH_BOOTSTRAP");
        sql.executeSql(EVENTS.formatted(System.getenv("BENCH_IN"), broker, System.getenv("BENCH_GROUP")));
        sql.executeSql(TOTALS.formatted(System.getenv("BENCH_OUT"), broker));
        sql.executeSql(MINUTES).await();
    }

    private static Configuration settings() {
        Configuration all = new Configuration();
        all.set(StateBackendOptions.STATE_BACKEND, "hashmap");
        all.set(CoreOptions.DEFAULT_PARALLELISM, 1);
        all.set(CheckpointingOptions.CHECKPOINTING_INTERVAL, Duration.ofSeconds(10));
        all.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, "file://" + System.getenv("BENCH_STATE"));
        all.set(PipelineOptions.OBJECT_REUSE, true);
        all.set(TaskManagerOptions.MANAGED_MEMORY_SIZE, MemorySize.ofMebiBytes(512));
        all.setString("table.local-time-zone", "UTC");
        return all;
    }
}
