import java.nio.ByteBuffer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;

/** What a campaign's minute holds; 32 bytes in the store and its changelog. */
final class Row {
    long impressions, clicks, conversions, spendMicros;

    Row add(Event event) {
        switch (event.type) {
            case Event.IMPRESSION -> impressions++;
            case Event.CLICK -> clicks++;
            default -> conversions++;
        }
        spendMicros += event.spendMicros;
        return this;
    }

    String json(String campaign, long windowMs) {
        return "{\"campaign\":\"" + campaign + "\",\"window_ms\":" + windowMs + ",\"impressions\":" + impressions
                + ",\"clicks\":" + clicks + ",\"conversions\":" + conversions
                + ",\"spend_micros\":" + spendMicros + "}";
    }

    static Serde<Row> serde() {
        return Serdes.serdeFrom((topic, row) -> row == null ? null : row.bytes(), (topic, bytes) -> of(bytes));
    }

    private byte[] bytes() {
        return ByteBuffer.allocate(4 * Long.BYTES)
                .putLong(impressions).putLong(clicks).putLong(conversions).putLong(spendMicros).array();
    }

    private static Row of(byte[] bytes) {
        if (bytes == null) return null;
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        Row row = new Row();
        row.impressions = buffer.getLong();
        row.clicks = buffer.getLong();
        row.conversions = buffer.getLong();
        row.spendMicros = buffer.getLong();
        return row;
    }
}
