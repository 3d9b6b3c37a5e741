/* A row of pipeline.reported_rows, as the total and as the changelog row that come of it. */

enum { REPORTED_ORDER, REPORTED_FETCHED_AT, REPORTED_REVISION, REPORTED_FLAGS, REPORTED_END, REPORTED_ZONE, REPORTED_CURRENCY,
       REPORTED_NAME, REPORTED_BUDGET, REPORTED_BUDGET_ID, REPORTED_BUDGET_SHARED, REPORTED_FIGURES, REPORTED_KEY,
       REPORTED_FRAME, REPORTED_SEEN, REPORTED_SAME_UNTIL, REPORTED_NAMED, REPORTED_WIDTH };
enum { REPORTED_FINAL = 1, REPORTED_SETTLED = 2 };
enum { OF_CAMPAIGN, OF_AD_GROUP, OF_AD, OF_WINDOW, OF_START, KEY_WIDTH }; /* of its key */
enum { CAMPAIGN_ROW_NAME = 1, CAMPAIGN_ROW_STATUS = 3 };                  /* of pipeline.reported_campaigns */

static int is_reported_row(PyObject *row) {
    if (!PyList_CheckExact(row) || PyList_GET_SIZE(row) <= REPORTED_KEY) return 0;
    PyObject *key = PyList_GET_ITEM(row, REPORTED_KEY), *figures = PyList_GET_ITEM(row, REPORTED_FIGURES);
    return PyTuple_CheckExact(key) && PyTuple_GET_SIZE(key) == KEY_WIDTH && PyTuple_CheckExact(figures) && PyTuple_GET_SIZE(figures) == MEASURES;
}

/* 0, and no exception, for anything but a whole number of 64 bits. */
static int plain_number(PyObject *object, int64_t *number) {
    if (!PyLong_CheckExact(object)) return 0;
    *number = PyLong_AsLongLong(object);
    if (*number != -1 || !PyErr_Occurred()) return 1;
    PyErr_Clear();
    return 0;
}

/* 0, and no exception, unless it is a string that stands in JSON as it is. */
static int plain_text(PyObject *string, Piece *piece) {
    Py_ssize_t size;
    if (!PyUnicode_CheckExact(string)) return 0;
    if (!(piece->at = PyUnicode_AsUTF8AndSize(string, &size))) return PyErr_Clear(), 0;
    piece->size = (size_t)size;
    const char *p = piece->at, *end = p + size;
    for (; (p = skip_printable(p, end)) < end; p++)
        if ((unsigned char)*p < 0x20 || *p == '"' || *p == '\\') return 0;
    return 1;
}

static Piece piece_of(const char *from, const char *to) {
    Piece piece = {from, (size_t)(to - from), 0};
    return piece;
}

static Piece word_piece(const char *word) { return piece_of(word, word + strlen(word)); }

static Piece number_piece(int64_t number) {
    Piece piece = {NULL, 0, number};
    return piece;
}

/* `campaign key|ad group|ad|window|start_s`, in a total with the basis before the window; 0: not plain. */
static int put_row_name(Buffer *buffer, PyObject *key, const char *basis) {
    int64_t start_ms;
    buffer->size = 0;
    for (int i = 0; i <= OF_WINDOW; i++) {
        Py_ssize_t size;
        PyObject *part = PyTuple_GET_ITEM(key, i);
        const char *text = PyUnicode_CheckExact(part) ? PyUnicode_AsUTF8AndSize(part, &size) : NULL;
        if (!text) return PyErr_Clear(), 0;
        if (i == OF_WINDOW && basis && put_bytes(buffer, basis, strlen(basis)) < 0) return -1;
        if (put_bytes(buffer, text, (size_t)size) < 0 || put_bytes(buffer, "|", 1) < 0) return -1;
    }
    if (!plain_number(PyTuple_GET_ITEM(key, OF_START), &start_ms) || start_ms < 0) return 0;
    char *at = buffer_room(buffer, MOST_DIGITS);
    if (!at) return -1;
    buffer->size += (size_t)(write_decimal(at, start_ms / 1000) - at);
    return 1;
}

/* -- totals ------------------------------------------------------------------------------------------------------ */

/* What a row is to become, before it is that. */
typedef struct { int64_t order, offset, fetched_at_ms, revision, figures[MEASURES]; } Revision;

/* Whose campaign it is: what its key says. */
static int put_owner(Piece *pieces, int *count, PyObject *campaign_key) {
    Piece key;
    if (!plain_text(campaign_key, &key)) return 0;
    const char *end = key.at + key.size, *first = memchr(key.at, ':', key.size);
    const char *second = first ? memchr(first + 1, ':', (size_t)(end - first - 1)) : NULL;
    if (!second) return 0;
    pieces[(*count)++] = key;
    pieces[(*count)++] = piece_of(key.at, first);
    pieces[(*count)++] = piece_of(first + 1, second);
    pieces[(*count)++] = piece_of(second + 1, end);
    return 1;
}

/* The name of the campaign, or else of the row, and the status. */
static int put_name_and_status(Piece *pieces, int *count, PyObject *row, PyObject *campaign) {
    Piece *name = &pieces[(*count)++], *status = &pieces[(*count)++];
    *status = word_piece("");
    name->size = 0;
    if (campaign) {
        if (!PyList_CheckExact(campaign) || PyList_GET_SIZE(campaign) <= CAMPAIGN_ROW_STATUS) return 0;
        if (!plain_text(PyList_GET_ITEM(campaign, CAMPAIGN_ROW_NAME), name) || !plain_text(PyList_GET_ITEM(campaign, CAMPAIGN_ROW_STATUS), status)) return 0;
    }
    return name->size || plain_text(PyList_GET_ITEM(row, REPORTED_NAME), name);
}

/* `budget_id` has room for an id in quotes. */
static int put_budget(Piece *pieces, int *count, PyObject *row, Buffer *budget_id) {
    PyObject *budget = PyList_GET_ITEM(row, REPORTED_BUDGET), *id = PyList_GET_ITEM(row, REPORTED_BUDGET_ID);
    int64_t micros = 0;
    Piece text;
    if (budget != Py_None && !plain_number(budget, &micros)) return 0;
    pieces[(*count)++] = budget == Py_None ? word_piece("null") : number_piece(micros);
    if (id == Py_None) pieces[(*count)++] = word_piece("null");
    else {
        budget_id->size = 0;
        if (!plain_text(id, &text)) return 0;
        if (put_bytes(budget_id, "\"", 1) < 0 || put_bytes(budget_id, text.at, text.size) < 0 || put_bytes(budget_id, "\"", 1) < 0) return -1;
        pieces[(*count)++] = piece_of(budget_id->at, budget_id->at + budget_id->size);
    }
    pieces[(*count)++] = word_piece(PyList_GET_ITEM(row, REPORTED_BUDGET_SHARED) == Py_True ? "true" : "false");
    return 1;
}

typedef struct { Buffer name, budget_id, value; } TotalBuffers;

/* The total of the row as it is to become, in `buffers->value` under `buffers->name`; 0: Python writes it; -1: an exception. */
static int write_total(TotalBuffers *buffers, const CutText *cut, PyObject *row, PyObject *campaign, const Revision *revision) {
    static const char *const truth[] = {"false", "true"};
    PyObject *key = PyList_GET_ITEM(row, REPORTED_KEY);
    Piece pieces[MOST_PIECES];
    int64_t start_ms, end_ms, flags;
    int count = 0, done = put_row_name(&buffers->name, key, "reported|");
    if (done <= 0) return done;
    if (!plain_number(PyTuple_GET_ITEM(key, OF_START), &start_ms) || !plain_number(PyList_GET_ITEM(row, REPORTED_END), &end_ms) ||
        !plain_number(PyList_GET_ITEM(row, REPORTED_FLAGS), &flags))
        return 0;
    int is_final = (flags & REPORTED_FINAL) != 0, settled = (flags & REPORTED_SETTLED) != 0;
    pieces[count++] = piece_of(buffers->name.at, buffers->name.at + buffers->name.size);
    if (!put_owner(pieces, &count, PyTuple_GET_ITEM(key, OF_CAMPAIGN))) return 0;
    pieces[count++] = word_piece(PyUnicode_GetLength(PyTuple_GET_ITEM(key, OF_AD)) ? "ad" : "campaign");
    for (int i = OF_AD_GROUP; i <= OF_WINDOW; i++)
        if (!plain_text(PyTuple_GET_ITEM(key, i), &pieces[count++])) return 0;
    pieces[count++] = number_piece(start_ms);
    pieces[count++] = number_piece(end_ms);
    for (int i = REPORTED_ZONE; i <= REPORTED_CURRENCY; i++)
        if (!plain_text(PyList_GET_ITEM(row, i), &pieces[count++])) return 0;
    for (int i = 0; i < MEASURES; i++) pieces[count++] = number_piece(revision->figures[i]);
    pieces[count++] = number_piece(revision->fetched_at_ms);
    pieces[count++] = number_piece(revision->revision);
    pieces[count++] = word_piece(truth[is_final]);
    pieces[count++] = word_piece(truth[settled]);
    pieces[count++] = number_piece(revision->order * 4 + settled * 2 + is_final);
    pieces[count++] = number_piece(revision->offset);
    if (!put_name_and_status(pieces, &count, row, campaign) || (done = put_budget(pieces, &count, row, &buffers->budget_id)) <= 0)
        return done < 0 ? -1 : 0;
    buffers->value.size = 0;
    return fill_text(&buffers->value, cut, pieces, count) < 0 ? -1 : 1;
}
