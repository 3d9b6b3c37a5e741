/* -- one event out of its JSON ------------------------------------------------------------------------------------ */

typedef struct { const char *at; int32_t size; } Text; /* size -1: not there, or null */

enum { EVENT_ID, PLATFORM, ACCOUNT_ID, CAMPAIGN_ID, TYPE, AD_ID, CURRENCY, ZONE, TEXTS };
enum { AT, COUNT, SPEND_MICROS, REVENUE_MICROS, CONVERSIONS_MICROS, NUMBERS };

typedef struct {
    Text texts[TEXTS];
    int64_t numbers[NUMBERS];
    uint32_t seen; /* one bit a field: texts first, then numbers */
    int has_conversions;
    int measure;
} Event;

static const struct { const char *name; int measure; } TYPES[] = {
    {"impression", IMPRESSIONS}, {"click", CLICKS}, {"link_click", LINK_CLICKS}, {"conversion", CONVERSIONS},
    {"video_view", 6}, {"sent", 7}, {"delivered", 8}, {"opened", 9}, {"clicked", 10}, {"bounced", 11},
    {"complained", 12}, {"unsubscribed", 13}, {"failed", 14}};

static const char *skip_space(const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) p++;
    return p;
}

static int is_printable(unsigned char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; }

#ifdef __SSE2__
#include <emmintrin.h>
enum { STRIDE = 16 };

/* How many of the first `STRIDE` bytes come before one that is not printable. */
static inline int printable(const char *p) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)p);
    __m128i odd = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20)); /* from 0x80 on they are negative */
    odd = _mm_or_si128(odd, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"')));
    odd = _mm_or_si128(odd, _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\')));
    odd = _mm_or_si128(odd, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)));
    return __builtin_ctz((unsigned)_mm_movemask_epi8(odd) | 1u << STRIDE);
}
#else
enum { STRIDE = 8 };

static inline int printable(const char *p) {
    int n = 0;
    while (n < STRIDE && is_printable((unsigned char)p[n])) n++;
    return n;
}
#endif

/* Up to the first byte that is a quote, a backslash, a control character or no ASCII. */
static inline const char *skip_printable(const char *p, const char *end) {
    for (int n; end - p >= STRIDE; p += STRIDE)
        if ((n = printable(p)) < STRIDE) return p + n;
    while (p < end && is_printable((unsigned char)*p)) p++;
    return p;
}

/* Behind the closing quote of a plain string that begins behind its opening quote; NULL when it is not plain. */
static const char *plain_string(const char *p, const char *end, Text *text) {
    const char *start = p;
    p = skip_printable(p, end);
    if (p >= end || *p != '"' || p - start > INT32_MAX) return NULL;
    text->at = start;
    text->size = (int32_t)(p - start);
    return p + 1;
}

/* A whole number that is not negative and has up to 18 digits. */
static const char *whole_number(const char *p, const char *end, int64_t *number) {
    const char *start = p;
    int64_t n = 0;
    while (p < end && *p >= '0' && *p <= '9') {
        if (p - start >= 18) return NULL;
        n = n * 10 + (*p++ - '0');
    }
    if (p == start || (*start == '0' && p - start > 1)) return NULL;
    if (p < end && (*p == '.' || *p == 'e' || *p == 'E')) return NULL;
    *number = n;
    return p;
}

static const char *literal(const char *p, const char *end, const char *word) {
    size_t size = strlen(word);
    return (size_t)(end - p) >= size && memcmp(p, word, size) == 0 ? p + size : NULL;
}

/* How many bytes behind the first continue a character of UTF-8; -1 when they do not. */
static int continued(const unsigned char *p, const char *end) {
    int more = *p >= 0xc2 && *p <= 0xdf ? 1 : *p >= 0xe0 && *p <= 0xef ? 2 : *p >= 0xf0 && *p <= 0xf4 ? 3 : -1;
    if (more < 0 || (const char *)p + more >= end) return -1;
    for (int i = 1; i <= more; i++)
        if ((p[i] & 0xc0) != 0x80) return -1;
    if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
        return -1; /* longer than need be, half of a pair, or above the last character */
    return more;
}

/* Behind the closing quote of a string nobody will read; NULL when it is not certainly well formed. */
static const char *skip_string(const char *p, const char *end) {
    for (; (p = skip_printable(p, end)) < end; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '"') return p + 1;
        if (c < 0x20) return NULL;
        if (c == '\\') {
            if (++p >= end || !memchr("\"\\/bfnrt", *p, 8)) return NULL; /* \u may be half of a pair */
        } else if (c >= 0x80) {
            int more = continued((const unsigned char *)p, end);
            if (more < 0) return NULL;
            p += more;
        }
    }
    return NULL;
}

static const char *skip_digits(const char *p, const char *end) {
    const char *start = p;
    while (p < end && *p >= '0' && *p <= '9') p++;
    return p == start ? NULL : p;
}

static const char *skip_number(const char *p, const char *end) {
    if (p < end && *p == '-') p++;
    const char *start = p;
    if (!(p = skip_digits(p, end)) || (*start == '0' && p - start > 1)) return NULL;
    if (p < end && *p == '.' && !(p = skip_digits(p + 1, end))) return NULL;
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-')) p++;
        p = skip_digits(p, end);
    }
    return p;
}

/* Any value of a field we do not know, if it is certainly well formed. */
static const char *skip_value(const char *p, const char *end, int depth) {
    Text key;
    if (p >= end || depth > MAX_DEPTH) return NULL;
    switch (*p) {
    case '"': return skip_string(p + 1, end);
    case 't': return literal(p, end, "true");
    case 'f': return literal(p, end, "false");
    case 'n': return literal(p, end, "null");
    case '[':
    case '{': {
        char open = *p, close = open == '[' ? ']' : '}';
        p = skip_space(p + 1, end);
        if (p < end && *p == close) return p + 1;
        for (;;) {
            if (open == '{') {
                if (p >= end || *p != '"' || !(p = plain_string(p + 1, end, &key))) return NULL;
                p = skip_space(p, end);
                if (p >= end || *p != ':') return NULL;
                p = skip_space(p + 1, end);
            }
            if (!(p = skip_value(p, end, depth + 1))) return NULL;
            p = skip_space(p, end);
            if (p >= end) return NULL;
            if (*p == close) return p + 1;
            if (*p != ',') return NULL;
            p = skip_space(p + 1, end);
        }
    }
    default: return skip_number(p, end);
    }
}

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
    if (event->seen & 1u << field) return NULL; /* twice: which one holds is not for us to say */
    event->seen |= 1u << field;
    int nullable = field == AD_ID || field == CURRENCY || field == ZONE || field == TEXTS + CONVERSIONS_MICROS;
    if (p < end && *p == 'n') return nullable ? literal(p, end, "null") : NULL;
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

/* 1: read, and plainly good; 0: Python has to look at it. */
static int read_event(const char *p, const char *end, Event *event) {
    const uint32_t required = 1u << EVENT_ID | 1u << PLATFORM | 1u << ACCOUNT_ID | 1u << CAMPAIGN_ID | 1u << TYPE |
                              1u << (TEXTS + AT);
    for (int i = 0; i < TEXTS; i++) event->texts[i].size = -1;
    for (int i = 0; i < NUMBERS; i++) event->numbers[i] = i == COUNT;
    event->seen = 0;
    event->has_conversions = 0;
    p = skip_space(p, end);
    if (p >= end || *p != '{') return 0;
    p = skip_space(p + 1, end);
    for (;;) {
        Text key;
        if (p >= end || *p != '"' || !(p = plain_string(p + 1, end, &key))) return 0;
        p = skip_space(p, end);
        if (p >= end || *p != ':') return 0;
        p = skip_space(p + 1, end);
        int field = field_of(key);
        p = field < 0 ? skip_value(p, end, 1) : read_field(p, end, field, event);
        if (!p) return 0;
        p = skip_space(p, end);
        if (p >= end) return 0;
        if (*p == '}') break;
        if (*p != ',') return 0;
        p = skip_space(p + 1, end);
    }
    if (skip_space(p + 1, end) != end || (event->seen & required) != required) return 0;
    const int64_t *numbers = event->numbers;
    Text id = event->texts[EVENT_ID], type = event->texts[TYPE];
    if (id.size < 1 || id.size > MAX_ID || numbers[COUNT] < 1 || numbers[COUNT] > MAX_COUNT ||
        numbers[SPEND_MICROS] > MAX_MICROS || numbers[REVENUE_MICROS] > MAX_MICROS ||
        numbers[CONVERSIONS_MICROS] > MAX_MICROS || (event->texts[AD_ID].size != -1 && !is_id(event->texts[AD_ID])))
        return 0;
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++)
        if ((size_t)type.size == strlen(TYPES[i].name) && memcmp(type.at, TYPES[i].name, (size_t)type.size) == 0) {
            event->measure = TYPES[i].measure;
            return 1;
        }
    return 0;
}
