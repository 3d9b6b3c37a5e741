/* Columns that grow row by row, and what they are in the end: the buffers that Arrow takes as they are.
 * https://arrow.apache.org/docs/format/Columnar.html#buffer-listing-for-each-layout
 */

enum { WHOLE = 'i', SHORT = 'u', DAY = 'd', FLAG = 'b', WORDS = 't' }; /* int64, uint32, date32, bool, string or binary */

typedef struct {
    int64_t *numbers;   /* one a row; of everything but WORDS */
    int32_t *ends;      /* one a row, and a 0 before them; of WORDS */
    uint8_t *valid;     /* one a row; where null may be */
    char *text;
    size_t used, room;  /* of text */
} Column;

static void free_column(Column *column) {
    PyMem_RawFree(column->numbers);
    PyMem_RawFree(column->ends);
    PyMem_RawFree(column->valid);
    PyMem_RawFree(column->text);
    memset(column, 0, sizeof *column);
}

/* Room for so many rows; -1: no memory. No exception is set, for the interpreter may be somebody else's just now. */
static int begin_column(Column *column, char kind, int nullable, Py_ssize_t rows) {
    size_t count = (size_t)rows + 1;
    memset(column, 0, sizeof *column);
    if (nullable && !(column->valid = PyMem_RawMalloc(count))) return -1;
    if (kind != WORDS) return (column->numbers = PyMem_RawMalloc(count * sizeof(int64_t))) ? 0 : -1;
    column->room = count * 16;
    if (!(column->ends = PyMem_RawMalloc(count * sizeof(int32_t))) || !(column->text = PyMem_RawMalloc(column->room))) return -1;
    column->ends[0] = 0;
    return 0;
}

/* Where `size` more bytes of text can stand; NULL: no memory, or more than a column can hold. */
static char *text_room(Column *column, size_t size) {
    if (size > column->room - column->used) {
        size_t room = (column->used + size) * 2;
        char *text = column->used + size > INT32_MAX ? NULL : PyMem_RawRealloc(column->text, room);
        if (!text) return NULL;
        column->text = text;
        column->room = room;
    }
    return column->text + column->used;
}

static int put_text(Column *column, Py_ssize_t row, const char *at, int32_t size) {
    char *to = text_room(column, (size_t)(size < 0 ? 0 : size));
    if (!to) return -1;
    if (size > 0) {
        memcpy(to, at, (size_t)size);
        column->used += (size_t)size;
    }
    column->ends[row + 1] = (int32_t)column->used;
    return 0;
}

static Text text_at(const Column *column, Py_ssize_t row) {
    Text text = {column->text + column->ends[row], column->ends[row + 1] - column->ends[row]};
    return text;
}

/* Only the rows that are not `dropped` stay, in order. */
static void compact_column(Column *column, const uint8_t *dropped, Py_ssize_t rows) {
    Py_ssize_t kept = 0;
    column->used = 0;
    for (Py_ssize_t row = 0; row < rows; row++) {
        if (dropped[row]) continue;
        if (column->valid) column->valid[kept] = column->valid[row];
        if (column->numbers) column->numbers[kept] = column->numbers[row];
        else {
            Text text = text_at(column, row); /* `ends[kept]`, which is `used`, is not behind where this begins */
            memmove(column->text + column->used, text.at, (size_t)text.size);
            column->used += (size_t)text.size;
        }
        kept++;
        if (column->ends) column->ends[kept] = (int32_t)column->used;
    }
}

static PyObject *bits_of(const void *from, size_t wide, Py_ssize_t rows) {
    PyObject *made = PyBytes_FromStringAndSize(NULL, (rows + 7) / 8);
    if (!made) return NULL;
    unsigned char *to = (unsigned char *)PyBytes_AS_STRING(made);
    memset(to, 0, (size_t)(rows + 7) / 8);
    for (Py_ssize_t row = 0; row < rows; row++)
        to[row >> 3] |= (unsigned char)((wide == 1 ? ((const uint8_t *)from)[row] : (uint8_t)((const int64_t *)from)[row]) << (row & 7));
    return made;
}

static PyObject *numbers_of(const Column *column, char kind, Py_ssize_t rows) {
    if (kind == FLAG) return bits_of(column->numbers, sizeof(int64_t), rows);
    if (kind == WHOLE) return PyBytes_FromStringAndSize((const char *)column->numbers, rows * (Py_ssize_t)sizeof(int64_t));
    PyObject *made = PyBytes_FromStringAndSize(NULL, rows * (Py_ssize_t)sizeof(int32_t));
    for (Py_ssize_t row = 0; made && row < rows; row++) {
        int32_t number = (int32_t)(uint32_t)column->numbers[row];
        memcpy(PyBytes_AS_STRING(made) + row * (Py_ssize_t)sizeof number, &number, sizeof number);
    }
    return made;
}

static Py_ssize_t count_nulls(const Column *column, Py_ssize_t rows) {
    Py_ssize_t nulls = 0;
    for (Py_ssize_t row = 0; column->valid && row < rows; row++) nulls += !column->valid[row];
    return nulls;
}

static int is_blank(const Column *column, Py_ssize_t rows) {
    int64_t any = 0;
    if (column->ends) return column->used == 0;
    for (Py_ssize_t row = 0; row < rows; row++) any |= column->numbers[row];
    return !any;
}

/* (nulls, blank, validity or None, offsets or None, data): bytes, of a column that is given up with that. */
static PyObject *handed_over(Column *column, char kind, Py_ssize_t rows) {
    Py_ssize_t nulls = count_nulls(column, rows);
    int blank = is_blank(column, rows);
    PyObject *valid = nulls ? bits_of(column->valid, 1, rows) : Py_NewRef(Py_None), *ends, *data;
    if (kind == WORDS) {
        ends = PyBytes_FromStringAndSize((const char *)column->ends, (rows + 1) * (Py_ssize_t)sizeof(int32_t));
        data = PyBytes_FromStringAndSize(column->text, (Py_ssize_t)column->used);
    } else {
        ends = Py_NewRef(Py_None);
        data = numbers_of(column, kind, rows);
    }
    free_column(column);
    if (valid && ends && data) return Py_BuildValue("nNNNN", nulls, PyBool_FromLong(blank), valid, ends, data);
    Py_XDECREF(valid);
    Py_XDECREF(ends);
    Py_XDECREF(data);
    return NULL;
}
