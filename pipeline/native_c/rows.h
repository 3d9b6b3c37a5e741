/* Records where they lie to columns: one JSON object a record, each of its fields into the column that is named so.
 *
 * Read is what is plainly good. Of anything else - a field that is missing, doubled, of another type or beyond its column,
 * a letter written as \u, a zone nobody knows - nothing at all is read, and Python looks at all records.
 */

enum { READ = 1, LEFT = 0, FAILED = -1, DAYS = 256, MAX_ZONE = 64 };

typedef struct {
    PyObject_HEAD
    PyObject *shape;
    Column *columns; /* as many as the shape has */
    Py_ssize_t count, dropped;
    int64_t newest_ms;
} Rows;

typedef struct { int64_t quarter; int32_t day, zone_size; char zone[MAX_ZONE]; } Day;

typedef struct {
    const RowShape *shape;
    Rows *rows;
    Day *days; /* those of this reading, by zone and quarter */
    PyThreadState *thread;
} Reading;

static const uint64_t EACH = 0x0101010101010101ULL, HIGH = 0x8080808080808080ULL;

/* Of eight bytes, whether one is a quote, a backslash, a control character or not ASCII. */
static int is_special(const char *p) {
    uint64_t word, quote, slash;
    memcpy(&word, p, sizeof word);
    quote = word ^ EACH * '"';
    slash = word ^ EACH * '\\';
    return ((word | (quote - EACH) | (slash - EACH) | (word - EACH * 0x20)) & HIGH) != 0;
}

/* Behind the quote that ends the string at `p`, whose bytes go to the column; NULL: Python has to look, or no memory. */
static const char *read_words(const char *p, const char *end, Column *column, Py_ssize_t row) {
    const char *start = p;
    while (end - p >= 8 && !is_special(p)) p += 8;
    while (p < end && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80 && *p != '"' && *p != '\\') p++;
    if (p >= end) return NULL;
    if (*p == '"') return lay_text(column, row, start, (int32_t)(p - start)) < 0 ? NULL : p + 1;
    const char *stop = skip_string(p, end);
    char *to = stop ? text_room(column, (size_t)(stop - start)) : NULL;
    if (!to) return NULL;
    for (p = start; p < stop - 1; p++) {
        static const char from[] = "bfnrt", into[] = "\b\f\n\r\t";
        const char *known = *p == '\\' ? memchr(from, *++p, 5) : NULL;
        *to++ = known ? into[known - from] : *p;
    }
    column->used = (size_t)(to - column->text);
    column->ends[row + 1] = (int32_t)column->used;
    return stop;
}

/* A whole number of up to 18 digits. */
static const char *read_number(const char *p, const char *end, int64_t *number) {
    int minus = p < end && *p == '-';
    if (!(p = whole_number(p + minus, end, number)) || (minus && *number == 0)) return NULL;
    if (minus) *number = -*number;
    return p;
}

/* Behind the value at `p`, which goes into its column. */
static const char *read_value(const char *p, const char *end, const ColumnShape *shape, Column *column, Py_ssize_t row) {
    int64_t number;
    if (p >= end) return NULL;
    if (*p == 'n') {
        if (!shape->nullable || !(p = literal(p, end, "null"))) return NULL;
        column->valid[row] = 0;
        if (is_text(shape->kind)) return lay_text(column, row, NULL, -1) < 0 ? NULL : p;
        column->numbers[row] = 0;
        return p;
    }
    if (shape->nullable) column->valid[row] = 1;
    if (is_text(shape->kind)) return *p == '"' ? read_words(p + 1, end, column, row) : NULL;
    if (shape->kind == FLAG) {
        number = *p == 't';
        p = literal(p, end, number ? "true" : "false");
    } else {
        p = read_number(p, end, &number);
        if (p && (number < shape->low || number > shape->high)) return NULL;
    }
    if (p) column->numbers[row] = number;
    return p;
}

static int put_fallback(const ColumnShape *shape, Column *column, Py_ssize_t row) {
    if (shape->nullable) column->valid[row] = !shape->fallback_null;
    if (is_text(shape->kind)) return lay_text(column, row, shape->fallback_text.at, shape->fallback_text.size);
    column->numbers[row] = shape->fallback;
    return 0;
}

/* As memcmp, for the few bytes of a name: a call costs more than they do. */
static int is_same(const char *a, const char *b, int32_t size) {
    uint64_t left, right;
    int32_t at = 0;
    for (; at + 8 <= size; at += 8) {
        memcpy(&left, a + at, sizeof left);
        memcpy(&right, b + at, sizeof right);
        if (left != right) return 0;
    }
    for (; at < size; at++)
        if (a[at] != b[at]) return 0;
    return 1;
}

/* Behind the name and the colon at `p`; `number` is the column, -1: none. Most names come in the order of the columns. */
static const char *read_name(const char *p, const char *end, const RowShape *shape, int expected, int *number) {
    const ColumnShape *likely = &shape->at[expected];
    Text name;
    if (!likely->place && end - p > likely->token.size && is_same(p, likely->token.at, likely->token.size)) {
        *number = expected;
        return skip_space(p + likely->token.size, end);
    }
    if (p >= end || *p != '"' || !(p = plain_string(p + 1, end, &name))) return NULL;
    *number = column_named(shape, name);
    p = skip_space(p, end);
    return p < end && *p == ':' ? skip_space(p + 1, end) : NULL;
}

/* All fields of the object that is the value. */
static int read_object(const RowShape *shape, Rows *rows, Text value) {
    uint64_t seen[2] = {0, 0};
    int expected = 0, number, found = 0;
    const char *p = value.at, *end = p + (value.size < 0 ? 0 : value.size);
    p = skip_space(p, end);
    if (p >= end || *p != '{') return LEFT;
    p = skip_space(p + 1, end);
    for (;;) {
        if (!(p = read_name(p, end, shape, expected, &number))) return LEFT;
        if (number < 0) p = skip_value(p, end, 1);
        else {
            uint64_t bit = 1ULL << (number & 63);
            if (seen[number >> 6] & bit) return LEFT;
            seen[number >> 6] |= bit;
            found++;
            expected = number + 1 < shape->count ? number + 1 : 0;
            p = read_value(p, end, &shape->at[number], &rows->columns[number], rows->count);
        }
        if (!p) return LEFT;
        p = skip_space(p, end);
        if (p >= end) return LEFT;
        if (*p == '}') break;
        if (*p != ',') return LEFT;
        p = skip_space(p + 1, end);
    }
    if (skip_space(p + 1, end) != end) return LEFT;
    for (int i = 0; found < shape->fields && i < shape->count; i++) {
        if (shape->at[i].place || seen[i >> 6] >> (i & 63) & 1) continue;
        if (shape->at[i].required || put_fallback(&shape->at[i], &rows->columns[i], rows->count) < 0) return LEFT;
        found++;
    }
    return READ;
}

/* Asks Python what day that is, once a reading. -1: it is none. */
static int ask_day(Reading *self, Day *day, Text zone, int64_t quarter) {
    int known = -1;
    PyEval_RestoreThread(self->thread);
    PyObject *found = PyObject_CallFunction(self->shape->day_of, "s#L", zone.at, (Py_ssize_t)zone.size, (long long)quarter);
    long number = found ? PyLong_AsLong(found) : -1;
    Py_XDECREF(found);
    if (!PyErr_Occurred()) {
        day->quarter = quarter;
        day->day = (int32_t)number;
        day->zone_size = zone.size;
        memcpy(day->zone, zone.at, (size_t)zone.size);
        known = 0;
    } else if (PyErr_ExceptionMatches(PyExc_Exception))
        PyErr_Clear(); /* Python will say it of the record it belongs to */
    self->thread = PyEval_SaveThread();
    return known;
}

static int read_day(Reading *self, Column *column) {
    Rows *rows = self->rows;
    Text zone = text_at(&rows->columns[self->shape->zone], rows->count);
    int64_t quarter = rows->columns[self->shape->start].numbers[rows->count] / self->shape->quarter_ms;
    if (zone.size < 1 || zone.size > MAX_ZONE) return LEFT;
    Day *day = &self->days[((uint64_t)quarter * 31 + (uint64_t)zone.size * 7 + (unsigned char)zone.at[zone.size - 1]) % DAYS];
    if (day->quarter != quarter || day->zone_size != zone.size || memcmp(day->zone, zone.at, (size_t)zone.size) != 0)
        if (ask_day(self, day, zone, quarter) < 0) return LEFT;
    column->numbers[rows->count] = day->day;
    return READ;
}

static int64_t within(int64_t number, const ColumnShape *shape) {
    return number < shape->low ? shape->low : number > shape->high ? shape->high : number;
}

/* What is not in the value. */
static int lay_places(Reading *self, const Place *place) {
    Rows *rows = self->rows;
    for (int i = 0; i < self->shape->count; i++) {
        Column *column = &rows->columns[i];
        switch (self->shape->at[i].place) {
        case 'o': column->numbers[rows->count] = place->offset; break;
        case 't': column->numbers[rows->count] = within(place->timestamp_ms, &self->shape->at[i]); break;
        case 'k': if (lay_text(column, rows->count, place->key.at, place->key.size) < 0) return LEFT; break;
        case 'v': if (lay_text(column, rows->count, place->value.at, place->value.size) < 0) return LEFT; break;
        case 'd': if (read_day(self, column) == LEFT) return LEFT; break;
        default: break;
        }
    }
    return READ;
}

/* Without the interpreter: `self->thread` is its state. */
static int read_rows(Reading *self, const WireRecords *records) {
    const RowShape *shape = self->shape;
    Rows *rows = self->rows;
    for (int i = 0; i < shape->count; i++)
        if (begin_column(&rows->columns[i], shape->at[i].kind, shape->at[i].nullable, records->count) < 0) return FAILED;
    for (Py_ssize_t i = 0; i < records->count; i++) {
        const Place *place = &records->at[i];
        if (place->timestamp_ms > rows->newest_ms) rows->newest_ms = place->timestamp_ms;
        if (place->key.size < 0 && (shape->drop == DROP_KEYLESS || place->value.size < 0)) {
            rows->dropped++;
            continue;
        }
        if (shape->fields && read_object(shape, rows, place->value) == LEFT) return LEFT;
        if (lay_places(self, place) == LEFT) return LEFT;
        rows->count++;
    }
    return READ;
}
