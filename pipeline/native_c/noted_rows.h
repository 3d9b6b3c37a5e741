/* Rows of windows that somebody wants to look at, each once, in the order in which they were noted first: what
 * in Python is a dict by their identity. A row is known by its address, and kept alive while it is noted.
 */

enum { ROW_ORDER, ROW_AS_OF, ROW_REVISION, ROW_FLAGS, ROW_GAINED }; /* as pipeline.counted_rows has them */
enum { FINAL = 1, CORRECTED = 2 };

/* A row, and what it stands under. campaign: pipeline.counted_rows.Campaign, NULL where it has to be looked up. */
typedef struct { PyObject *slot, *name, *row, *campaign; } Target;

typedef struct {
    PyObject_HEAD
    Target *at;
    int32_t count, room, holes; /* holes: rows that were forgotten again; all of such a target is NULL */
    int32_t *index; /* open addresses by the row; -1: empty */
    size_t slots;
} NotedRows;

static size_t row_slot(const PyObject *row, size_t slots) {
    uint64_t bits = (uint64_t)(uintptr_t)row * 0x9e3779b97f4a7c15ULL;
    return (size_t)(bits >> 32) & (slots - 1);
}

static int grow_noted(NotedRows *self) {
    int32_t room = self->room ? self->room * 2 : 16;
    size_t slots = (size_t)room * 2;
    Target *at = PyMem_RawRealloc(self->at, (size_t)room * sizeof *at);
    if (!at) return PyErr_NoMemory(), -1;
    self->at = at;
    int32_t *index = PyMem_RawMalloc(slots * sizeof *index);
    if (!index) return PyErr_NoMemory(), -1;
    memset(index, 0xff, slots * sizeof *index);
    for (int32_t number = 0; number < self->count; number++) {
        if (!at[number].row) continue;
        size_t slot = row_slot(at[number].row, slots);
        while (index[slot] >= 0) slot = (slot + 1) & (slots - 1);
        index[slot] = number;
    }
    PyMem_RawFree(self->index);
    self->index = index;
    self->slots = slots;
    self->room = room;
    return 0;
}

static Target *noted(const NotedRows *self, const PyObject *row) {
    if (!self->count) return NULL;
    for (size_t slot = row_slot(row, self->slots); self->index[slot] >= 0; slot = (slot + 1) & (self->slots - 1))
        if (self->at[self->index[slot]].row == row) return &self->at[self->index[slot]];
    return NULL;
}

/* -1 with an exception. */
static int note_row(NotedRows *self, Target target) {
    PyObject *row = target.row;
    if (self->count == self->room && !noted(self, row) && grow_noted(self) < 0) return -1;
    size_t place = row_slot(row, self->slots);
    for (; self->index[place] >= 0; place = (place + 1) & (self->slots - 1))
        if (self->at[self->index[place]].row == row) return 0;
    self->at[self->count] = (Target){Py_NewRef(target.slot), Py_NewRef(target.name), Py_NewRef(row), Py_XNewRef(target.campaign)};
    self->index[place] = self->count++;
    return 0;
}

static void forget_target(Target *target) {
    Target gone = *target;
    *target = (Target){NULL, NULL, NULL, NULL};
    Py_XDECREF(gone.slot);
    Py_XDECREF(gone.name);
    Py_XDECREF(gone.row);
    Py_XDECREF(gone.campaign);
}

static int read_target(PyObject *tuple, Target *target) {
    if (!PyTuple_CheckExact(tuple) || PyTuple_GET_SIZE(tuple) != 3 || !PyUnicode_Check(PyTuple_GET_ITEM(tuple, 1)) ||
        !PyList_CheckExact(PyTuple_GET_ITEM(tuple, 2)) || PyList_GET_SIZE(PyTuple_GET_ITEM(tuple, 2)) < ROW_GAINED)
        return PyErr_SetString(PyExc_TypeError, "a target is (slot, name, row)"), -1;
    target->slot = PyTuple_GET_ITEM(tuple, 0);
    target->name = PyTuple_GET_ITEM(tuple, 1);
    target->row = PyTuple_GET_ITEM(tuple, 2);
    target->campaign = NULL;
    return 0;
}

static PyObject *target_tuple(const Target *target) { return uncollected(PyTuple_Pack(3, target->slot, target->name, target->row)); }

static PyObject *NotedRows_new(PyTypeObject *type, PyObject *args, PyObject *options) {
    return PyArg_ParseTuple(args, "") ? type->tp_alloc(type, 0) : NULL;
}

static void NotedRows_dealloc(NotedRows *self) {
    for (int32_t number = 0; number < self->count; number++) forget_target(&self->at[number]);
    PyMem_RawFree(self->at);
    PyMem_RawFree(self->index);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static Py_ssize_t NotedRows_len(NotedRows *self) { return self->count - self->holes; }

static int NotedRows_set(NotedRows *self, PyObject *number, PyObject *tuple) {
    Target target;
    if (!tuple) return PyErr_SetString(PyExc_TypeError, "rows are forgotten by pop"), -1;
    if (read_target(tuple, &target) < 0) return -1;
    if (!PyLong_Check(number) || PyLong_AsVoidPtr(number) != (void *)target.row) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "the number is that of another row");
        return -1;
    }
    return note_row(self, target);
}

static PyObject *NotedRows_pop(NotedRows *self, PyObject *args) {
    PyObject *number, *otherwise, *row;
    if (!PyArg_ParseTuple(args, "O!O", &PyLong_Type, &number, &otherwise)) return NULL;
    row = PyLong_AsVoidPtr(number);
    if (!row && PyErr_Occurred()) return NULL;
    Target *target = row ? noted(self, row) : NULL;
    if (!target) return Py_NewRef(otherwise);
    PyObject *found = target_tuple(target);
    if (!found) return NULL;
    self->holes++;
    forget_target(target);
    return found;
}

static PyObject *NotedRows_values(PyObject *self, PyObject *Py_UNUSED(args)) { return Py_NewRef(self); }

static PyObject *NotedRows_iter(NotedRows *self) {
    PyObject *list = PyList_New(0), *iterator;
    for (int32_t number = 0; list && number < self->count; number++) {
        if (!self->at[number].row) continue;
        PyObject *target = target_tuple(&self->at[number]);
        int failed = !target || PyList_Append(list, target) < 0;
        Py_XDECREF(target);
        if (failed) Py_CLEAR(list);
    }
    iterator = list ? PyObject_GetIter(list) : NULL;
    Py_XDECREF(list);
    return iterator;
}

static PyMethodDef NotedRows_methods[] = {
    {"pop", (PyCFunction)NotedRows_pop, METH_VARARGS, "See pipeline.noted_rows.Noted."},
    {"values", NotedRows_values, METH_NOARGS, "See pipeline.noted_rows.Noted."},
    {NULL}};
static PyMappingMethods NotedRows_mapping = {.mp_length = (lenfunc)NotedRows_len, .mp_ass_subscript = (objobjargproc)NotedRows_set};
static PySequenceMethods NotedRows_sequence = {.sq_length = (lenfunc)NotedRows_len};
static PyTypeObject NotedRowsType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "pipeline.native.NotedRows",
    .tp_doc = "See pipeline.noted_rows.Noted.",
    .tp_basicsize = sizeof(NotedRows),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = NotedRows_new,
    .tp_dealloc = (destructor)NotedRows_dealloc,
    .tp_iter = (getiterfunc)NotedRows_iter,
    .tp_methods = NotedRows_methods,
    .tp_as_sequence = &NotedRows_sequence,
    .tp_as_mapping = &NotedRows_mapping,
};

/* -- targets as they are given: noted, or a list of (slot, name, row) ----------------------------------------------- */

static int are_targets(PyObject *targets) {
    return Py_IS_TYPE(targets, &NotedRowsType) || PyList_CheckExact(targets);
}

enum { SOON = 4 };

/* Rows lie wherever there was room for them; of many, each would be waited for. What is read here lies behind those. */
static void fetch_soon(const NotedRows *rows, Py_ssize_t position) {
    if (position + 3 * SOON < rows->count) {
        const Target *target = &rows->at[position + 3 * SOON];
        __builtin_prefetch(target->row);
        __builtin_prefetch(target->name);
        __builtin_prefetch(target->campaign);
    }
    if (position + 2 * SOON >= rows->count) return;
    const PyListObject *row = (const PyListObject *)rows->at[position + 2 * SOON].row;
    if (row) __builtin_prefetch(row->ob_item);
    row = (const PyListObject *)rows->at[position + SOON].row;
    if (row && Py_SIZE(row) > ROW_GAINED) {
        __builtin_prefetch(row->ob_item[ROW_ORDER]);
        __builtin_prefetch(row->ob_item[Py_SIZE(row) - 1]);
    }
}

/* Moves on to the next one, borrowed. 1: there it is; 0: that was all; -1: an exception. */
static int next_target(PyObject *targets, Py_ssize_t *position, Target *target) {
    if (!Py_IS_TYPE(targets, &NotedRowsType)) {
        if (*position >= PyList_GET_SIZE(targets)) return 0;
        return read_target(PyList_GET_ITEM(targets, (*position)++), target) < 0 ? -1 : 1;
    }
    const NotedRows *rows = (const NotedRows *)targets;
    while (*position < rows->count && !rows->at[*position].row) ++*position;
    if (*position >= rows->count) return 0;
    fetch_soon(rows, *position);
    *target = rows->at[(*position)++];
    return 1;
}
