/* What is to be thought of an event that is not plainly good: seldom asked, and never on the way of a good one.
 *
 * REFUSED is said only of what pipeline.events refuses for certain, whatever follows in it; it says why. All before the
 * place in question was read here, so that it is plain JSON, each known field no more than once.
 */

typedef enum { ODD, PLAIN, REFUSED } Verdict; /* ODD: Python has to look at it */

static int is_nullable(int field) {
    return field == AD_ID || field == CURRENCY || field == ZONE || field == TEXTS + CONVERSIONS_MICROS;
}

/* Of a string whose opening quote is at `p`, and which is not plain: one that does not end, or who knows. */
static Verdict verdict_of_string(const char *p, const char *end) { return skip_printable(p + 1, end) >= end ? REFUSED : ODD; }

/* Of the value at `p` of a field nobody knows, which was not certainly well formed. */
static Verdict verdict_of_other(const char *p, const char *end) {
    if (p >= end || !memchr("\"[{-0123456789", *p, 14)) return REFUSED;
    return *p == '"' ? verdict_of_string(p, end) : ODD;
}

/* Of the value at `p` of a known field, which was not plainly good. */
static Verdict verdict_of_field(const char *p, const char *end, int field, const Event *event) {
    if (event->twice) return ODD;
    if (p >= end) return REFUSED;
    if (field < TEXTS) return *p == '"' ? verdict_of_string(p, end) : REFUSED;
    if (*p >= '0' && *p <= '9') return ODD;
    if (*p == '-') return field != TEXTS + AT && p + 1 < end && p[1] >= '1' && p[1] <= '9' ? REFUSED : ODD;
    if (field != TEXTS + AT || *p != '"') return REFUSED;
    /* An instant in words begins with its year. */
    return p + 1 >= end || (p[1] >= 0x20 && p[1] < 0x7f && p[1] != '\\' && !(p[1] >= '0' && p[1] <= '9')) ? REFUSED : ODD;
}
