import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple4;
import org.apache.flink.connector.kafka.source.reader.deserializer.KafkaRecordDeserializationSchema;
import org.apache.flink.util.Collector;
import org.apache.kafka.clients.consumer.ConsumerRecord;

/** A record as (campaign, at in Unix ms, type by its letter, spend in micros); the campaign is the record's key. */
final class Decoder implements KafkaRecordDeserializationSchema<Tuple4<String, Long, Character, Long>> {
    static final char IMPRESSION = 'i', CLICK = 'c', CONVERSION = 'v';
    // Tuples, because Flink documents them as the types it passes on fastest.
    static final TypeInformation<Tuple4<String, Long, Character, Long>> TYPE =
            Types.TUPLE(Types.STRING, Types.LONG, Types.CHAR, Types.LONG);

    private static final JsonFactory JSON = new JsonFactory();

    @Override
    public TypeInformation<Tuple4<String, Long, Character, Long>> getProducedType() {
        return TYPE;
    }

    /** Reads the whole object, so that JSON which is broken further on does not pass. */
    @Override
    public void deserialize(
            ConsumerRecord<byte[], byte[]> record, Collector<Tuple4<String, Long, Character, Long>> events)
            throws IOException {
        long at = -1, spendMicros = -1;
        char type = 0;
        try (JsonParser parser = JSON.createParser(record.value())) {
            parser.nextToken();
            for (String name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
                JsonToken value = parser.nextToken();
                switch (name) {
                    case "at" -> at = parser.getLongValue();
                    case "spend_micros" -> spendMicros = parser.getLongValue();
                    case "type" -> type = type(parser.getText());
                    default -> {
                        if (value.isStructStart()) parser.skipChildren();
                    }
                }
            }
        }
        if (at < 0 || spendMicros < 0 || type == 0)
            throw new IOException("an event without at, type or spend_micros");
        events.collect(Tuple4.of(new String(record.key(), StandardCharsets.UTF_8), at, type, spendMicros));
    }

    private static char type(String text) throws IOException {
        return switch (text) {
            case "impression" -> IMPRESSION;
            case "click" -> CLICK;
            case "conversion" -> CONVERSION;
            default -> throw new IOException("an event of type " + text);
        };
    }
}
