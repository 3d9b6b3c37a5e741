/* -- IdMemory: 128 bits of an id and the hour it was last seen, in a table of open addresses ---------------------- */

typedef struct {
    Hash hash;
    int32_t hour; /* -1: empty */
} __attribute__((packed)) Seen; /* together, for each is looked up once and far from the one before */

typedef struct {
    PyObject_HEAD
    Seen *at;
    size_t slots, used;
} IdMemory;

static int id_memory_resize(IdMemory *self, size_t slots, int32_t from_hour) {
    Seen *at = PyMem_RawMalloc(slots * sizeof *at);
    if (!at) return PyErr_NoMemory(), -1;
    for (size_t slot = 0; slot < slots; slot++) at[slot].hour = -1;
    size_t used = 0;
    for (size_t old = 0; old < self->slots; old++) {
        if (self->at[old].hour < from_hour) continue; /* empty is -1, and hours start at 0 */
        size_t slot = self->at[old].hash.a & (slots - 1);
        while (at[slot].hour >= 0) slot = (slot + 1) & (slots - 1);
        at[slot] = self->at[old];
        used++;
    }
    PyMem_RawFree(self->at);
    self->at = at;
    self->slots = slots;
    self->used = used;
    return 0;
}

/* The hour known before, -1 for none, -2 with an exception. */
static int64_t id_memory_note_hash(IdMemory *self, Hash hash, int32_t hour) {
    if ((self->used + 1) * 4 > self->slots * 3 && id_memory_resize(self, self->slots * 2, 0) < 0) return -2;
    size_t mask = self->slots - 1, slot = hash.a & mask;
    Seen *seen;
    for (; (seen = &self->at[slot])->hour >= 0; slot = (slot + 1) & mask)
        if (seen->hash.a == hash.a && seen->hash.b == hash.b) {
            int32_t known = seen->hour;
            if (known < hour) seen->hour = hour;
            return known;
        }
    seen->hash = hash;
    seen->hour = hour;
    self->used++;
    return -1;
}

static int64_t id_memory_note(IdMemory *self, const char *name, size_t size, int32_t hour) {
    return id_memory_note_hash(self, hash_of(name, size), hour);
}

static PyObject *IdMemory_new(PyTypeObject *type, PyObject *args, PyObject *options) {
    if (!PyArg_ParseTuple(args, "")) return NULL;
    IdMemory *self = (IdMemory *)type->tp_alloc(type, 0);
    if (self && id_memory_resize(self, 64, 0) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    return (PyObject *)self;
}

static void IdMemory_dealloc(IdMemory *self) {
    PyMem_RawFree(self->at);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static Py_ssize_t IdMemory_len(IdMemory *self) { return (Py_ssize_t)self->used; }

static PyObject *IdMemory_note(IdMemory *self, PyObject *args) {
    const char *name;
    Py_ssize_t size;
    int hour;
    if (!PyArg_ParseTuple(args, "s#i", &name, &size, &hour)) return NULL;
    if (hour < 0) return PyErr_Format(PyExc_ValueError, "an hour is not negative: %d", hour);
    int64_t known = id_memory_note(self, name, (size_t)size, hour);
    return known == -2 ? NULL : PyLong_FromLongLong(known);
}

static PyObject *IdMemory_forget_before(IdMemory *self, PyObject *args) {
    int hour;
    if (!PyArg_ParseTuple(args, "i", &hour)) return NULL;
    if (hour < 0) hour = 0;
    size_t left = 0, slots = 64;
    for (size_t slot = 0; slot < self->slots; slot++) left += self->at[slot].hour >= hour;
    while ((left + 1) * 2 > slots) slots *= 2;
    if (left < self->used && id_memory_resize(self, slots, hour) < 0) return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef IdMemory_methods[] = {
    {"note", (PyCFunction)IdMemory_note, METH_VARARGS, "See pipeline.id_memory.IdMemory.note."},
    {"forget_before", (PyCFunction)IdMemory_forget_before, METH_VARARGS, "See pipeline.id_memory."},
    {NULL}};
static PySequenceMethods IdMemory_sequence = {.sq_length = (lenfunc)IdMemory_len};
static PyTypeObject IdMemoryType = {
    PyVarObject_HEAD_INIT(NULL, 0).tp_name = "pipeline.native.IdMemory",
    .tp_doc = "Event ids as 128 bits each: 27 to 54 bytes an id.",
    .tp_basicsize = sizeof(IdMemory),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = IdMemory_new,
    .tp_dealloc = (destructor)IdMemory_dealloc,
    .tp_methods = IdMemory_methods,
    .tp_as_sequence = &IdMemory_sequence,
};
