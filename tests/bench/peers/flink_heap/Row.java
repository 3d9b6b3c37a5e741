/** What a campaign's minute holds; a POJO by Flink's rules. `waiting`: it has changed, and a timer will publish it. */
public final class Row {
    public long impressions, clicks, conversions, spendMicros;
    public boolean waiting;

    String json(String campaign, long windowMs) {
        return "{\"campaign\":\"" + campaign + "\",\"window_ms\":" + windowMs + ",\"impressions\":" + impressions
                + ",\"clicks\":" + clicks + ",\"conversions\":" + conversions
                + ",\"spend_micros\":" + spendMicros + "}";
    }
}
