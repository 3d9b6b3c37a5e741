import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.api.java.tuple.Tuple4;
import org.apache.flink.streaming.api.TimeDomain;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/** Keyed by (campaign, start of the minute): a row that has changed is published at the next full second. */
final class Minutes
        extends KeyedProcessFunction<
                Tuple2<String, Long>, Tuple4<String, Long, Character, Long>, Tuple2<String, String>> {
    static final long MINUTE_MS = 60_000;

    private static final long GRACE_MS = 10 * MINUTE_MS, PUBLISH_MS = 1_000;

    private transient ValueState<Row> state;

    static long window(long at) {
        return at - Math.floorMod(at, MINUTE_MS);
    }

    @Override
    public void open(OpenContext context) {
        state = getRuntimeContext().getState(new ValueStateDescriptor<>("minutes", TypeInformation.of(Row.class)));
    }

    @Override
    public void processElement(
            Tuple4<String, Long, Character, Long> event, Context context, Collector<Tuple2<String, String>> out)
            throws Exception {
        Row row = state.value();
        if (row == null) {
            long endMs = context.getCurrentKey().f1 + MINUTE_MS + GRACE_MS;
            if (context.timerService().currentWatermark() >= endMs) return; // its row has been forgotten
            context.timerService().registerEventTimeTimer(endMs);
            row = new Row();
        }
        switch (event.f2) {
            case Decoder.IMPRESSION -> row.impressions++;
            case Decoder.CLICK -> row.clicks++;
            default -> row.conversions++;
        }
        row.spendMicros += event.f3;
        if (!row.waiting) {
            row.waiting = true;
            long now = context.timerService().currentProcessingTime();
            context.timerService().registerProcessingTimeTimer(now - now % PUBLISH_MS + PUBLISH_MS);
        }
        state.update(row);
    }

    @Override
    public void onTimer(long at, OnTimerContext context, Collector<Tuple2<String, String>> out) throws Exception {
        Row row = state.value();
        if (row == null) return; // forgotten in the meantime
        if (row.waiting) {
            Tuple2<String, Long> place = context.getCurrentKey();
            out.collect(Tuple2.of(place.f0 + "|" + place.f1, row.json(place.f0, place.f1)));
            row.waiting = false;
        }
        if (context.timeDomain() == TimeDomain.EVENT_TIME) state.clear();
        else state.update(row);
    }
}
