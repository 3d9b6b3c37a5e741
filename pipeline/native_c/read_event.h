/* The fields of an event, and what is to be thought of it. */

#define IS(name, field)                                                                                                \
    if (memcmp(key.at, name, sizeof name - 1) == 0) return field
/* The texts as they are, the numbers behind them; -1 for what we do not know. */
static int field_of(Text key) {
    switch (key.size) {
    case 2: IS("at", TEXTS + AT); break;
    case 4: IS("type", TYPE); IS("zone", ZONE); break;
    case 5: IS("ad_id", AD_ID); IS("count", TEXTS + COUNT); break;
    case 8: IS("event_id", EVENT_ID); IS("platform", PLATFORM); IS("currency", CURRENCY); break;
    case 10: IS("account_id", ACCOUNT_ID); break;
    case 11: IS("campaign_id", CAMPAIGN_ID); break;
    case 12: IS("spend_micros", TEXTS + SPEND_MICROS); break;
    case 14: IS("revenue_micros", TEXTS + REVENUE_MICROS); break;
    case 18: IS("conversions_micros", TEXTS + CONVERSIONS_MICROS); break;
    default: break;
    }
    return -1;
}
#undef IS

static const char *read_field(const char *p, const char *end, int field, Event *event) {
    if (event->seen & 1u << field) { /* which one holds is not for us to say */
        event->twice = 1;
        return NULL;
    }
    event->seen |= 1u << field;
    if (p < end && *p == 'n') return is_nullable(field) ? literal(p, end, "null") : NULL;
    if (field < TEXTS) return p < end && *p == '"' ? plain_string(p + 1, end, &event->texts[field]) : NULL;
    if (field == TEXTS + CONVERSIONS_MICROS) event->has_conversions = 1;
    return whole_number(p, end, &event->numbers[field - TEXTS]);
}

static int is_id(Text text) {
    if (text.size < 1 || text.size > MAX_ID) return 0;
    for (int32_t i = 0; i < text.size; i++) {
        char c = text.at[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-'))
            return 0;
    }
    return 1;
}

static Verdict read_event(const char *p, const char *end, Event *event) {
    const uint32_t required = 1u << EVENT_ID | 1u << PLATFORM | 1u << ACCOUNT_ID | 1u << CAMPAIGN_ID | 1u << TYPE |
                              1u << (TEXTS + AT);
    for (int i = 0; i < TEXTS; i++) event->texts[i].size = -1;
    for (int i = 0; i < NUMBERS; i++) event->numbers[i] = i == COUNT;
    event->seen = 0;
    event->has_conversions = event->twice = 0;
    p = skip_space(p, end);
    if (p >= end || *p != '{') return REFUSED;
    p = skip_space(p + 1, end);
    for (;;) {
        Text key;
        const char *begun = p;
        if (p >= end || *p != '"') return REFUSED;
        if (!(p = plain_string(p + 1, end, &key))) return verdict_of_string(begun, end);
        p = skip_space(p, end);
        if (p >= end || *p != ':') return REFUSED;
        begun = p = skip_space(p + 1, end);
        int field = field_of(key);
        p = field < 0 ? skip_value(p, end, 1) : read_field(p, end, field, event);
        if (!p) return field < 0 ? verdict_of_other(begun, end) : verdict_of_field(begun, end, field, event);
        p = skip_space(p, end);
        if (p >= end) return REFUSED;
        if (*p == '}') break;
        if (*p != ',') return REFUSED;
        p = skip_space(p + 1, end);
    }
    if (skip_space(p + 1, end) != end || (event->seen & required) != required) return REFUSED;
    const int64_t *numbers = event->numbers;
    Text id = event->texts[EVENT_ID], type = event->texts[TYPE];
    if (id.size < 1 || id.size > MAX_ID || numbers[COUNT] < 1 || numbers[COUNT] > MAX_COUNT ||
        numbers[SPEND_MICROS] > MAX_MICROS || numbers[REVENUE_MICROS] > MAX_MICROS ||
        numbers[CONVERSIONS_MICROS] > MAX_MICROS || (event->texts[AD_ID].size != -1 && !is_id(event->texts[AD_ID])))
        return REFUSED;
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++)
        if ((size_t)type.size == strlen(TYPES[i].name) && memcmp(type.at, TYPES[i].name, (size_t)type.size) == 0) {
            event->measure = TYPES[i].measure;
            return PLAIN;
        }
    return REFUSED;
}
