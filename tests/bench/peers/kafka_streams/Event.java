import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.UncheckedIOException;

/** The three fields the windows need; `at` is Unix ms. The campaign is the record's key. */
final class Event {
    static final char IMPRESSION = 'i', CLICK = 'c', CONVERSION = 'v';

    private static final JsonFactory JSON = new JsonFactory();

    final long at;
    final char type;
    final long spendMicros;

    private Event(long at, char type, long spendMicros) {
        this.at = at;
        this.type = type;
        this.spendMicros = spendMicros;
    }

    /** Reads the whole object, so that JSON which is broken further on does not pass. */
    static Event read(byte[] json) {
        long at = -1, spendMicros = -1;
        char type = 0;
        try (JsonParser parser = JSON.createParser(json)) {
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
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
        if (at < 0 || spendMicros < 0 || type == 0)
            throw new IllegalArgumentException("an event without at, type or spend_micros");
        return new Event(at, type, spendMicros);
    }

    private static char type(String text) {
        return switch (text) {
            case "impression" -> IMPRESSION;
            case "click" -> CLICK;
            case "conversion" -> CONVERSION;
            default -> throw new IllegalArgumentException("an event of type " + text);
        };
    }
}
