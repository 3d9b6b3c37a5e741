/* A record of a report in parts, and its figures: what pipeline.normalize.google_ads_head and google_ads read, where that is
 * plain. Of a `metrics` object with anything else in it - signs, exponents, escapes - nothing is read here.
 */

typedef struct { Text before, figures, after; } Parts;

static Text text_between(const char *from, const char *to) {
    Text text = {from, (int32_t)(to - from)};
    return text;
}

/* Cut around the first flat object called metrics behind the head; 0: there is none. */
static int cut_record(Text value, Py_ssize_t head, Parts *parts) {
    static const char name[] = "\"metrics\"";
    const char *start = value.at + head, *end = value.at + value.size, *found = start, *p;
    for (;; found++) {
        if (!(found = memmem(found, (size_t)(end - found), name, sizeof name - 1))) return 0;
        p = skip_space(found + sizeof name - 1, end);
        if (p < end && *p == ':' && (p = skip_space(p + 1, end)) < end && *p == '{') break;
    }
    const char *close = memchr(p, '}', (size_t)(end - p));
    if (!close) return 0;
    parts->before = text_between(start, p);
    parts->figures = text_between(p, close + 1);
    parts->after = text_between(close + 1, end);
    return 1;
}

enum { MAX_FIGURES_BYTES = 1 << 12, UNIT_DIGITS = 12, PLACES = 6, MOST_PLACES_READ = 24, VIDEO_VIEWS = 6 };
static const int64_t LARGEST_COUNT = 1000000000000000LL, LARGEST_MICROS = 1000000000000000000LL;

/* An int64, which the API writes as a string of digits. */
static const char *read_whole(const char *p, const char *end, int64_t largest, int64_t *number) {
    int64_t n = 0;
    if (p < end && *p == '"') {
        const char *start = ++p;
        for (; p < end && *p >= '0' && *p <= '9'; p++) {
            if (p - start >= 18) return NULL;
            n = n * 10 + (*p - '0');
        }
        if (p == start || p >= end || *p != '"') return NULL;
        p++;
    } else if (!(p = whole_number(p, end, &n)))
        return NULL;
    *number = n;
    return n <= largest ? p : NULL;
}

/* A number in 1e-6 units, rounded once, half to even. */
static const char *read_millionths(const char *p, const char *end, int64_t *number) {
    const char *start = p, *point;
    int64_t n = 0;
    int half = 0, rest = 0; /* the first digit that is rounded away, and whether there is more behind it */
    for (; p < end && *p >= '0' && *p <= '9'; p++) {
        if (p - start >= UNIT_DIGITS) return NULL;
        n = n * 10 + (*p - '0');
    }
    if (p == start || (*start == '0' && p - start > 1)) return NULL;
    int left = PLACES;
    if (p < end && *p == '.') {
        for (point = ++p; p < end && *p >= '0' && *p <= '9'; p++) {
            if (p - point >= MOST_PLACES_READ) return NULL;
            if (left) n = n * 10 + (*p - '0'), left--;
            else if (p - point == PLACES) half = *p - '0';
            else rest |= *p != '0';
        }
        if (p == point) return NULL;
    }
    if (p < end && (*p == 'e' || *p == 'E')) return NULL;
    for (; left; left--) n *= 10;
    *number = n + (half > 5 || (half == 5 && (rest || n & 1)));
    return p;
}

/* Behind the value at `p`, whose name it is. A name nobody knows is skipped; of one that comes again the last value holds. */
static const char *read_metric(const char *p, const char *end, Text name, int64_t *figures) {
    static const struct { const char *name; int measure; } metrics[] = {
        {"impressions", IMPRESSIONS}, {"clicks", CLICKS}, {"costMicros", SPEND}, {"conversions", CONVERSIONS},
        {"conversionsValue", REVENUE}, {"videoTrueviewViews", VIDEO_VIEWS}};
    for (size_t i = 0; i < sizeof metrics / sizeof *metrics; i++) {
        if ((size_t)name.size != strlen(metrics[i].name) || memcmp(name.at, metrics[i].name, (size_t)name.size) != 0) continue;
        int measure = metrics[i].measure;
        if (measure == CONVERSIONS || measure == REVENUE) return read_millionths(p, end, &figures[measure]);
        return read_whole(p, end, measure == SPEND ? LARGEST_MICROS : LARGEST_COUNT, &figures[measure]);
    }
    return skip_value(p, end, 1);
}

/* All measures of the object; 0: Python has to look at it. */
static int read_figures(Text object, int64_t figures[MEASURES]) {
    const char *p = object.at, *end = p + object.size;
    Text name;
    if (object.size > MAX_FIGURES_BYTES) return 0;
    memset(figures, 0, MEASURES * sizeof *figures);
    p = skip_space(p + 1, end);
    if (p < end && *p == '}') return p + 1 == end;
    for (;;) {
        if (p >= end || *p != '"' || !(p = plain_string(p + 1, end, &name))) return 0;
        p = skip_space(p, end);
        if (p >= end || *p != ':') return 0;
        if (!(p = read_metric(skip_space(p + 1, end), end, name, figures))) return 0;
        p = skip_space(p, end);
        if (p >= end) return 0;
        if (*p == '}') return p + 1 == end;
        if (*p != ',') return 0;
        p = skip_space(p + 1, end);
    }
}
