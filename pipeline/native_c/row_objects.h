/* Rows as Python sees them: read, thinned out, and given away column by column. */

static void Rows_dealloc(Rows *self) {
    const RowShape *shape = (const RowShape *)self->shape;
    for (int i = 0; self->columns && i < shape->count; i++) free_column(&self->columns[i]);
    PyMem_RawFree(self->columns);
    Py_XDECREF(self->shape);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

/* Where `highest` puts the row that holds for a key so far. */
typedef struct { int32_t *slots, *winners; int32_t count; size_t mask; } Winners;

static int begin_winners(Winners *winners, Py_ssize_t rows) {
    size_t slots = 16;
    while (slots < (size_t)rows * 2) slots *= 2;
    winners->count = 0;
    winners->mask = slots - 1;
    winners->slots = PyMem_RawMalloc(slots * sizeof(int32_t));
    winners->winners = PyMem_RawMalloc(((size_t)rows + 1) * sizeof(int32_t));
    if (!winners->slots || !winners->winners) return -1;
    memset(winners->slots, 0xff, slots * sizeof(int32_t));
    return 0;
}

static void end_winners(Winners *winners) {
    PyMem_RawFree(winners->slots);
    PyMem_RawFree(winners->winners);
}

typedef struct { const Column *ids, *times, *versions, *levels; int64_t unit; Text level; } Contest;

/* Of rows with the same id (and the same time, in whole units) the one with the highest version; of equal ones the last.
 * Winners come in the order in which their keys were seen first. */
static void highest(const Contest *by, Py_ssize_t rows, Winners *winners) {
    for (Py_ssize_t row = 0; row < rows; row++) {
        if (by->levels) {
            Text level = text_at(by->levels, row);
            if (level.size != by->level.size || memcmp(level.at, by->level.at, (size_t)level.size) != 0) continue;
        }
        Text id = text_at(by->ids, row);
        int64_t time = by->times ? by->times->numbers[row] / by->unit : 0;
        size_t slot = (hash_of(id.at, (size_t)id.size).a ^ (uint64_t)time * 0x9e3779b97f4a7c15ULL) & winners->mask;
        for (; winners->slots[slot] >= 0; slot = (slot + 1) & winners->mask) {
            int32_t held = winners->winners[winners->slots[slot]];
            Text other = text_at(by->ids, held);
            if (other.size != id.size || memcmp(other.at, id.at, (size_t)id.size) != 0) continue;
            if (by->times && by->times->numbers[held] / by->unit != time) continue;
            if (by->versions->numbers[row] >= by->versions->numbers[held]) winners->winners[winners->slots[slot]] = (int32_t)row;
            break;
        }
        if (winners->slots[slot] >= 0) continue;
        winners->slots[slot] = winners->count;
        winners->winners[winners->count++] = (int32_t)row;
    }
}

/* The column of this number if it is of that kind and holds no nulls; NULL with an exception. */
static const Column *column_of(const Rows *self, int number, char kind) {
    const RowShape *shape = (const RowShape *)self->shape;
    if (number >= 0 && number < shape->count && shape->at[number].kind == kind && !shape->at[number].nullable &&
        (self->columns[number].numbers || self->columns[number].ends))
        return &self->columns[number];
    PyErr_SetString(PyExc_ValueError, "no such column, or given away");
    return NULL;
}

static void keep_winners(Rows *self, const Winners *winners, uint8_t *dropped) {
    const RowShape *shape = (const RowShape *)self->shape;
    memset(dropped, 1, (size_t)self->count);
    for (int32_t i = 0; i < winners->count; i++) dropped[winners->winners[i]] = 0;
    for (int i = 0; i < shape->count; i++)
        if (self->columns[i].numbers || self->columns[i].ends) compact_column(&self->columns[i], dropped, self->count);
}

static PyObject *Rows_thin_out(Rows *self, PyObject *args) {
    int id, time, version;
    long long unit;
    if (!PyArg_ParseTuple(args, "iiLi", &id, &time, &unit, &version)) return NULL;
    Contest by = {column_of(self, id, WORDS), column_of(self, time, WHOLE), column_of(self, version, WHOLE), NULL, unit, {NULL, 0}};
    if (!by.ids || !by.times || !by.versions) return NULL;
    if (unit < 1) return PyErr_Format(PyExc_ValueError, "a unit is above 0");
    Winners winners;
    Py_ssize_t before = self->count;
    uint8_t *dropped = PyMem_RawMalloc((size_t)before + 1);
    int failed = begin_winners(&winners, before) < 0 || !dropped;
    if (!failed) {
        Py_BEGIN_ALLOW_THREADS
        highest(&by, before, &winners);
        if (winners.count < before) keep_winners(self, &winners, dropped);
        Py_END_ALLOW_THREADS
        self->count = winners.count;
    }
    end_winners(&winners);
    PyMem_RawFree(dropped);
    return failed ? PyErr_NoMemory() : PyLong_FromSsize_t(before - self->count);
}

static PyObject *Rows_newest(Rows *self, PyObject *args) {
    int level, id, version;
    Contest by = {NULL, NULL, NULL, NULL, 1, {NULL, 0}};
    PyObject *wanted, *found = NULL;
    if (!PyArg_ParseTuple(args, "iUii", &level, &wanted, &id, &version) || text_of(wanted, &by.level) < 0) return NULL;
    by.levels = column_of(self, level, WORDS);
    by.ids = column_of(self, id, WORDS);
    by.versions = column_of(self, version, WHOLE);
    if (!by.levels || !by.ids || !by.versions) return NULL;
    Winners winners;
    if (begin_winners(&winners, self->count) == 0) {
        Py_BEGIN_ALLOW_THREADS
        highest(&by, self->count, &winners);
        Py_END_ALLOW_THREADS
        found = PyBytes_FromStringAndSize((const char *)winners.winners, winners.count * (Py_ssize_t)sizeof(int32_t));
    } else
        PyErr_NoMemory();
    end_winners(&winners);
    return found;
}

static PyObject *Rows_column(Rows *self, PyObject *number) {
    const RowShape *shape = (const RowShape *)self->shape;
    long wanted = PyLong_AsLong(number);
    if (wanted == -1 && PyErr_Occurred()) return NULL;
    if (wanted < 0 || wanted >= shape->count || !(self->columns[wanted].numbers || self->columns[wanted].ends))
        return PyErr_Format(PyExc_ValueError, "no such column, or given away");
    return handed_over(&self->columns[wanted], shape->at[wanted].kind, self->count);
}

static Py_ssize_t Rows_len(Rows *self) { return self->count; }

static PyMethodDef Rows_methods[] = {
    {"thin_out", (PyCFunction)Rows_thin_out, METH_VARARGS, "See pipeline/native.pyi."},
    {"newest", (PyCFunction)Rows_newest, METH_VARARGS, "See pipeline/native.pyi."},
    {"column", (PyCFunction)Rows_column, METH_O, "See pipeline/native.pyi."},
    {NULL}};
static PyMemberDef Rows_members[] = {
    {"dropped", T_PYSSIZET, offsetof(Rows, dropped), READONLY, "Records that are no rows."},
    {"newest_ms", T_LONGLONG, offsetof(Rows, newest_ms), READONLY, "The highest timestamp of all records."},
    {NULL}};
static PySequenceMethods Rows_sequence = {.sq_length = (lenfunc)Rows_len};
static PyTypeObject RowsType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "pipeline.native.Rows",
    .tp_doc = "See pipeline/native.pyi.",
    .tp_basicsize = sizeof(Rows),
    .tp_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .tp_dealloc = (destructor)Rows_dealloc,
    .tp_as_sequence = &Rows_sequence,
    .tp_methods = Rows_methods,
    .tp_members = Rows_members,
};

static PyObject *RowShape_read(RowShape *self, PyObject *records) {
    if (!Py_IS_TYPE(records, &WireRecordsType)) Py_RETURN_NONE;
    Rows *rows = PyObject_New(Rows, &RowsType);
    if (!rows) return NULL;
    rows->shape = Py_NewRef((PyObject *)self);
    rows->count = rows->dropped = 0;
    rows->newest_ms = INT64_MIN;
    rows->columns = PyMem_RawCalloc((size_t)self->count, sizeof *rows->columns);
    Reading reading = {self, rows, PyMem_RawCalloc(DAYS, sizeof(Day)), NULL};
    int read = FAILED;
    if (rows->columns && reading.days) {
        reading.thread = PyEval_SaveThread();
        read = read_rows(&reading, (const WireRecords *)records);
        PyEval_RestoreThread(reading.thread);
    }
    PyMem_RawFree(reading.days);
    if (read == READ && !PyErr_Occurred()) return (PyObject *)rows;
    Py_DECREF(rows);
    if (PyErr_Occurred()) return NULL;
    if (read == FAILED) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyMethodDef RowShape_methods[] = {
    {"read", (PyCFunction)RowShape_read, METH_O, "See pipeline/native.pyi."}, {NULL}};
static PyTypeObject RowShapeType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "pipeline.native.RowShape",
    .tp_doc = "See pipeline/native.pyi.",
    .tp_basicsize = sizeof(RowShape),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = RowShape_new,
    .tp_dealloc = (destructor)RowShape_dealloc,
    .tp_methods = RowShape_methods,
};
