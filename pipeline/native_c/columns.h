/* Columns that grow row by row, and what they are in the end: the buffers that Arrow takes as they are.
 * https://arrow.apache.org/docs/format/Columnar.html#buffer-listing-for-each-layout
 */

/* int64, uint32, date32, bool, string or binary, string with a dictionary */
enum { WHOLE = 'i', SHORT = 'u', DAY = 'd', FLAG = 'b', WORDS = 't', NAMES = 'n' };

typedef struct {
    int64_t *numbers;   /* one a row; of everything but text */
    int32_t *ends;      /* one a row, and a 0 before them; of text */
    uint8_t *valid;     /* one a row; where null may be */
    char *text;
    size_t used, room;  /* of text */
} Column;

static int is_text(char kind) { return kind == WORDS || kind == NAMES; }

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
    if (!is_text(kind)) return (column->numbers = PyMem_RawMalloc(count * sizeof(int64_t))) ? 0 : -1;
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

static int lay_text(Column *column, Py_ssize_t row, const char *at, int32_t size) {
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

/* The column becomes its dictionary, in the order in which values come first; `indexes` say which of them each row has. */
static int to_dictionary(Column *column, int32_t *indexes, int32_t *slots, size_t mask, Py_ssize_t rows) {
    int32_t count = 0;
    column->used = 0;
    for (Py_ssize_t row = 0; row < rows; row++) {
        Text text = text_at(column, row);
        Text last = row ? text_at(column, indexes[row - 1]) : text;
        if (row && last.size == text.size && memcmp(last.at, text.at, (size_t)text.size) == 0) {
            indexes[row] = indexes[row - 1];
            continue;
        }
        size_t slot = hash_of(text.at, (size_t)text.size).a & mask;
        for (; slots[slot] >= 0; slot = (slot + 1) & mask) {
            Text held = text_at(column, slots[slot]);
            if (held.size == text.size && memcmp(held.at, text.at, (size_t)text.size) == 0) break;
        }
        if (slots[slot] < 0) {
            slots[slot] = count;
            memmove(column->text + column->used, text.at, (size_t)text.size);
            column->used += (size_t)text.size;
            column->ends[++count] = (int32_t)column->used; /* not behind what the next row needs: count <= row + 1 */
        }
        indexes[row] = slots[slot];
    }
    return count;
}

static PyObject *dictionary_of(Column *column, Py_ssize_t rows, Py_ssize_t *values) {
    size_t slots = 16;
    while (slots < (size_t)rows * 2) slots *= 2;
    int32_t *table = PyMem_RawMalloc(slots * sizeof *table);
    PyObject *indexes = PyBytes_FromStringAndSize(NULL, rows * (Py_ssize_t)sizeof(int32_t));
    if (table && indexes) {
        memset(table, 0xff, slots * sizeof *table);
        *values = to_dictionary(column, (int32_t *)(void *)PyBytes_AS_STRING(indexes), table, slots - 1, rows);
    } else {
        Py_CLEAR(indexes);
        PyErr_NoMemory();
    }
    PyMem_RawFree(table);
    return indexes;
}

/* (nulls, blank, validity, offsets, data, indexes): bytes or None, of a column that is given up with that. */
static PyObject *handed_over(Column *column, char kind, Py_ssize_t rows) {
    Py_ssize_t nulls = count_nulls(column, rows), values = rows;
    int blank = is_blank(column, rows);
    PyObject *valid = nulls ? bits_of(column->valid, 1, rows) : Py_NewRef(Py_None), *ends = NULL, *data = NULL;
    PyObject *indexes = kind == NAMES ? dictionary_of(column, rows, &values) : Py_NewRef(Py_None);
    if (indexes && is_text(kind)) {
        ends = PyBytes_FromStringAndSize((const char *)column->ends, (values + 1) * (Py_ssize_t)sizeof(int32_t));
        data = PyBytes_FromStringAndSize(column->text, (Py_ssize_t)column->used);
    } else if (indexes) {
        ends = Py_NewRef(Py_None);
        data = numbers_of(column, kind, rows);
    }
    free_column(column);
    if (valid && ends && data && indexes) return Py_BuildValue("nNNNNN", nulls, PyBool_FromLong(blank), valid, ends, data, indexes);
    Py_XDECREF(valid);
    Py_XDECREF(ends);
    Py_XDECREF(data);
    Py_XDECREF(indexes);
    return NULL;
}
