/* What rows are read from: for each column its field of a JSON object, or its place in the Kafka record. */

enum { MAX_COLUMNS = 120, NAME_SLOTS = 256, DROP_TICKS = 0, DROP_KEYLESS = 1 };

typedef struct {
    char kind;         /* of columns.h */
    char place;        /* 'o' offset, 't' timestamp, 'k' key, 'v' value, 'd' day; 0: a field of the value */
    int nullable, required;
    int64_t low, high; /* of numbers: beyond them Python says what is wrong; a timestamp is brought within them */
    int fallback_null;
    int64_t fallback;
    Text fallback_text, token; /* token: "name": as encoders write it */
    PyObject *keep;            /* what the texts are in */
} ColumnShape;

typedef struct {
    PyObject_HEAD
    ColumnShape *at;
    int count, zone, start, fields; /* numbers of columns, -1 without a day; how many are fields of the value */
    int64_t quarter_ms;
    int drop; /* DROP_KEYLESS: all records without a key; else those without a value, too */
    PyObject *day_of;
    uint8_t slots[NAME_SLOTS]; /* the number of the column by its name, and one more; 0: none */
} RowShape;

static unsigned name_slot(const char *name, int32_t size) {
    return size < 1 ? 0 : ((unsigned)size * 31 + (unsigned char)name[0] * 7 + (unsigned char)name[size - 1] * 3 + (unsigned char)name[size / 2]) % NAME_SLOTS;
}

static Text name_of(const ColumnShape *column) {
    Text name = {column->token.at + 1, column->token.size - 3};
    return name;
}

static int column_named(const RowShape *self, Text name) {
    for (unsigned slot = name_slot(name.at, name.size); self->slots[slot]; slot = (slot + 1) % NAME_SLOTS) {
        Text found = name_of(&self->at[self->slots[slot] - 1]);
        if (found.size == name.size && memcmp(found.at, name.at, (size_t)name.size) == 0) return self->slots[slot] - 1;
    }
    return -1;
}

static void know_column(RowShape *self, int number) {
    Text name = name_of(&self->at[number]);
    unsigned slot = name_slot(name.at, name.size);
    while (self->slots[slot]) slot = (slot + 1) % NAME_SLOTS;
    self->slots[slot] = (uint8_t)(number + 1);
}

/* The default as Python holds it: None where null is one, a whole number or bool, or text. */
static int read_fallback(ColumnShape *column, PyObject *fallback) {
    column->fallback_text.size = 0;
    if (fallback == Py_None) return column->fallback_null = 1, 0;
    if (is_text(column->kind)) return text_of(fallback, &column->fallback_text);
    column->fallback = PyLong_AsLongLong(fallback);
    return PyErr_Occurred() ? -1 : 0;
}

static int read_column(RowShape *self, int number, PyObject *told) {
    ColumnShape *column = &self->at[number];
    PyObject *fallback;
    const char *name;
    int kind, place;
    long long low, high;
    if (!PyArg_ParseTuple(told, "sCCppOLL", &name, &kind, &place, &column->nullable, &column->required, &fallback, &low, &high))
        return -1;
    if (kind > 'z' || place > 'z' || !memchr("iudbtn", kind, 6) || !memchr("otkvd-", place, 6) || (kind == DAY) != (place == 'd'))
        return PyErr_SetString(PyExc_ValueError, "no such column"), -1;
    column->kind = (char)kind;
    column->place = place == '-' ? 0 : (char)place;
    column->low = low;
    column->high = high;
    PyObject *token = PyUnicode_FromFormat("\"%s\":", name);
    if (!token || !(column->keep = PyTuple_Pack(2, token, fallback)) || text_of(token, &column->token) < 0) return Py_XDECREF(token), -1;
    Py_DECREF(token);
    if (column->place) return 0;
    know_column(self, number);
    self->fields++;
    return column->required ? 0 : read_fallback(column, fallback);
}

static int read_columns(RowShape *self, PyObject *columns) {
    Py_ssize_t count = PyList_GET_SIZE(columns);
    if (count < 1 || count > MAX_COLUMNS) return PyErr_SetString(PyExc_ValueError, "too many columns, or none"), -1;
    if (!(self->at = PyMem_RawCalloc((size_t)count, sizeof *self->at))) return PyErr_NoMemory(), -1;
    for (; self->count < count; self->count++)
        if (read_column(self, self->count, PyList_GET_ITEM(columns, self->count)) < 0) return self->count++, -1;
    return 0;
}

/* Where the day comes from: a zone in a column of text, and a start in one of whole numbers. */
static int check_day(RowShape *self) {
    int wanted = 0;
    for (int i = 0; i < self->count; i++) wanted |= self->at[i].kind == DAY;
    if (!wanted) return 0;
    if (self->zone >= 0 && self->zone < self->count && self->start >= 0 && self->start < self->count && self->quarter_ms > 0 &&
        is_text(self->at[self->zone].kind) && !self->at[self->zone].nullable && self->at[self->start].kind == WHOLE &&
        !self->at[self->start].nullable && self->at[self->start].low >= 0)
        return 0;
    return PyErr_SetString(PyExc_ValueError, "a day is of a zone and a start"), -1;
}

static PyObject *RowShape_new(PyTypeObject *type, PyObject *args, PyObject *options) {
    static char *names[] = {"columns", "keyless", "zone", "start", "quarter_ms", "day_of", NULL};
    PyObject *columns, *day_of;
    int keyless, zone, start;
    long long quarter_ms;
    if (!PyArg_ParseTupleAndKeywords(args, options, "O!piiLO", names, &PyList_Type, &columns, &keyless, &zone, &start, &quarter_ms, &day_of))
        return NULL;
    RowShape *self = (RowShape *)type->tp_alloc(type, 0);
    if (!self) return NULL;
    self->zone = zone;
    self->start = start;
    self->quarter_ms = quarter_ms;
    self->drop = keyless ? DROP_KEYLESS : DROP_TICKS;
    self->day_of = Py_NewRef(day_of);
    if (read_columns(self, columns) == 0 && check_day(self) == 0) return (PyObject *)self;
    Py_DECREF(self);
    return NULL;
}

static void RowShape_dealloc(RowShape *self) {
    for (int i = 0; i < self->count; i++) Py_XDECREF(self->at[i].keep);
    PyMem_RawFree(self->at);
    Py_XDECREF(self->day_of);
    Py_TYPE(self)->tp_free((PyObject *)self);
}
