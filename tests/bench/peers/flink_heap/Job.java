import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.api.java.tuple.Tuple4;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.MemorySize;
import org.apache.flink.configuration.PipelineOptions;
import org.apache.flink.configuration.StateBackendOptions;
import org.apache.flink.configuration.TaskManagerOptions;
import org.apache.flink.connector.base.DeliveryGuarantee;
import org.apache.flink.connector.kafka.sink.KafkaRecordSerializationSchema;
import org.apache.flink.connector.kafka.sink.KafkaSink;
import org.apache.flink.connector.kafka.source.KafkaSource;
import org.apache.flink.connector.kafka.source.enumerator.initializer.OffsetsInitializer;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.kafka.clients.producer.ProducerRecord;

/** The plain job on Flink's DataStream: a Kafka source, a keyed process function with timers, a Kafka sink. */
public final class Job {
    private static final Duration CHECKPOINT = Duration.ofSeconds(10), LATE = Duration.ofMinutes(1);

    public static void main(String[] arguments) throws Exception {
        StreamExecutionEnvironment flink = StreamExecutionEnvironment.createLocalEnvironment(1, settings());
        flink.fromSource(
                        source(),
                        WatermarkStrategy.<Tuple4<String, Long, Character, Long>>forBoundedOutOfOrderness(LATE)
                                .withTimestampAssigner((event, kafkaMs) -> event.f1),
                        "events",
                        Decoder.TYPE)
                .keyBy(
                        event -> Tuple2.of(event.f0, Minutes.window(event.f1)),
                        Types.TUPLE(Types.STRING, Types.LONG))
                .process(new Minutes(), Types.TUPLE(Types.STRING, Types.STRING))
                .sinkTo(sink());
        flink.execute("bench");
    }

    private static Configuration settings() {
        Configuration all = new Configuration();
        all.set(StateBackendOptions.STATE_BACKEND, System.getenv("STATE_BACKEND"));
        all.set(CheckpointingOptions.CHECKPOINTING_INTERVAL, CHECKPOINT);
        all.set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, "file://" + System.getenv("BENCH_STATE"));
        all.set(CheckpointingOptions.INCREMENTAL_CHECKPOINTS, true);
        all.set(PipelineOptions.OBJECT_REUSE, true);
        // Of use to RocksDB only: its block cache and write buffers.
        all.set(TaskManagerOptions.MANAGED_MEMORY_SIZE, MemorySize.ofMebiBytes(512));
        return all;
    }

    private static KafkaSource<Tuple4<String, Long, Character, Long>> source() {
        return KafkaSource.<Tuple4<String, Long, Character, Long>>builder()
                .setBootstrapServers(System.getenv("BENCH_BOOTSTRAP"))
                .setTopics(System.getenv("BENCH_IN"))
                .setGroupId(System.getenv("BENCH_GROUP"))
                .setStartingOffsets(OffsetsInitializer.earliest())
                .setDeserializer(new Decoder())
                .setProperty("max.poll.records", "10000")
                .build();
    }

    private static KafkaSink<Tuple2<String, String>> sink() {
        String topic = System.getenv("BENCH_OUT");
        KafkaRecordSerializationSchema<Tuple2<String, String>> records = (row, context, at) -> new ProducerRecord<>(
                topic, row.f0.getBytes(StandardCharsets.UTF_8), row.f1.getBytes(StandardCharsets.UTF_8));
        return KafkaSink.<Tuple2<String, String>>builder()
                .setBootstrapServers(System.getenv("BENCH_BOOTSTRAP"))
                .setRecordSerializer(records)
                .setDeliveryGuarantee(DeliveryGuarantee.AT_LEAST_ONCE)
                .setProperty("batch.size", Integer.toString(128 << 10))
                .setProperty("linger.ms", "20")
                .build();
    }
}
