import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;

/** The plain job as Kafka Streams documents windows: a windowed aggregate whose cache is flushed at every commit. */
public final class Job {
    private static final Duration WINDOW = Duration.ofMinutes(1), GRACE = Duration.ofMinutes(10);
    private static final String YEAR_MS = Long.toString(Duration.ofDays(365).toMillis());

    public static void main(String[] arguments) {
        KafkaStreams streams = new KafkaStreams(topology(), settings());
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.setStateListener((now, before) -> {
            if (now == KafkaStreams.State.ERROR) Runtime.getRuntime().halt(1);
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(2))));
        streams.start();
    }

    private static Topology topology() {
        Serde<Event> events = Serdes.serdeFrom((topic, event) -> null, (topic, json) -> Event.read(json));
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(
                        System.getenv("BENCH_IN"),
                        Consumed.with(Serdes.String(), events)
                                .withTimestampExtractor((record, before) -> ((Event) record.value()).at))
                .groupByKey()
                .windowedBy(TimeWindows.ofSizeAndGrace(WINDOW, GRACE))
                .aggregate(
                        Row::new,
                        (campaign, event, row) -> row.add(event),
                        Materialized.with(Serdes.String(), Row.serde()))
                .toStream()
                .map((place, row) -> {
                    long windowMs = place.window().start();
                    return KeyValue.pair(place.key() + "|" + windowMs, row.json(place.key(), windowMs));
                })
                .to(System.getenv("BENCH_OUT"), Produced.with(Serdes.String(), Serdes.String()));
        return builder.build();
    }

    private static Properties settings() {
        Properties all = new Properties();
        all.put(StreamsConfig.APPLICATION_ID_CONFIG, System.getenv("BENCH_GROUP"));
        all.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, System.getenv("BENCH_BOOTSTRAP"));
        all.put(StreamsConfig.STATE_DIR_CONFIG, System.getenv("BENCH_STATE"));
        all.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, System.getenv("GUARANTEE"));
        all.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, "1000");
        all.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, "1");
        all.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, "1");
        // Room for every row between two commits, else rows leave before their second is over.
        all.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, Long.toString(256L << 20));
        // The events are older than today: the broker must not throw their changelog away.
        all.put(StreamsConfig.WINDOW_STORE_CHANGE_LOG_ADDITIONAL_RETENTION_MS_CONFIG, YEAR_MS);
        all.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, "10000");
        all.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        all.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), "10000");
        all.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), Integer.toString(128 << 10));
        all.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), "20");
        return all;
    }
}
