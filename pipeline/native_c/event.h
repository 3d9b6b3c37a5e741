/* -- one event out of its JSON ------------------------------------------------------------------------------------ */

typedef struct { const char *at; int32_t size; } Text; /* size -1: not there, or null */

enum { EVENT_ID, PLATFORM, ACCOUNT_ID, CAMPAIGN_ID, TYPE, AD_ID, CURRENCY, ZONE, TEXTS };
enum { AT, COUNT, SPEND_MICROS, REVENUE_MICROS, CONVERSIONS_MICROS, NUMBERS };

typedef struct {
    Text texts[TEXTS];
    int64_t numbers[NUMBERS];
    uint32_t seen; /* one bit a field: texts first, then numbers */
    int has_conversions, twice; /* twice: a field is */
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
